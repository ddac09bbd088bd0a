//! RabbitMQ's management interface, as far as the hub needs it: which connections are open, and closing one.

use std::time::{Duration, UNIX_EPOCH};

use reqwest::header::DATE;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use saphan_schemas::jws::SignError;
use serde::Deserialize;

use super::login::HubLogin;

/// The management interface of one broker, asked with a fresh login each time.
#[derive(Debug)]
pub struct Management {
    client: Client,
    base: Url,
    login: HubLogin,
}

/// The connections of a broker at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connections {
    /// All that are open, of all users.
    pub open: Vec<OpenConnection>,
    /// The broker's own time when it answered, in milliseconds since 1970; a second at most behind.
    pub broker_ms: u64,
}

/// A connection to the broker.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct OpenConnection {
    /// The name that it is closed by.
    pub name: String,
    /// Who logged in.
    pub user: String,
    /// When it was opened, by the broker's clock, in milliseconds since 1970.
    pub connected_at: u64,
}

/// The management interface cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManagementError {
    /// It does not answer.
    #[error("it cannot be reached: {0}")]
    Unreachable(#[source] reqwest::Error),
    /// It refuses.
    #[error("it answers {0}; is the broker configured as `saphan-hub broker config` says?")]
    Refused(StatusCode),
    /// It answers something else than a list of connections with their times.
    #[error("its answer is not a list of connections with their users and times; are its statistics switched off?")]
    Unreadable,
    /// The hub cannot make its token.
    #[error("the hub cannot sign its login: {0}")]
    Login(#[from] SignError),
}

/// The client of a management interface cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum InvalidManagement {
    /// Not an address.
    #[error("amqp.management is not an address of the form https://host:port")]
    Address,
    /// The certificates cannot be used.
    #[error("the certificates of amqp.ca_file cannot be used: {0}")]
    Certificates(#[source] reqwest::Error),
}

impl Management {
    /// The interface at `address`; with `ca` (PEM), no other authority than those certificates is trusted.
    ///
    /// # Errors
    /// [`InvalidManagement`].
    pub fn new(address: &str, ca: Option<&str>, login: HubLogin) -> Result<Self, InvalidManagement> {
        let base: Url = address.parse().map_err(|_| InvalidManagement::Address)?;
        if base.cannot_be_a_base() {
            return Err(InvalidManagement::Address);
        }
        // A proxy of the environment is not on the way to the broker: it would read the hub's logins.
        let mut builder = Client::builder().no_proxy().connect_timeout(CONNECT).timeout(ANSWER);
        if let Some(pem) = ca {
            let certificates = reqwest::Certificate::from_pem_bundle(pem.as_bytes());
            builder = builder.tls_certs_only(certificates.map_err(InvalidManagement::Certificates)?);
        }
        Ok(Self { client: builder.build().map_err(InvalidManagement::Certificates)?, base, login })
    }

    /// What is open. A connection shows a few seconds after it was opened.
    ///
    /// # Errors
    /// [`ManagementError`].
    pub async fn connections(&self) -> Result<Connections, ManagementError> {
        let response = answered(self.request(Method::GET, &["connections"], Some(COLUMNS)).await?).await?;
        let broker_ms = date_ms(&response).ok_or(ManagementError::Unreadable)?;
        let open = response.json().await.map_err(|_| ManagementError::Unreadable)?;
        Ok(Connections { open, broker_ms })
    }

    /// Closes a connection. One that is gone is closed.
    ///
    /// # Errors
    /// [`ManagementError`].
    pub async fn close(&self, name: &str) -> Result<(), ManagementError> {
        let request = self.request(Method::DELETE, &["connections", name], None).await?.header("x-reason", REASON);
        match answered(request).await {
            Ok(_) | Err(ManagementError::Refused(StatusCode::NOT_FOUND)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn request(
        &self,
        method: Method,
        path: &[&str],
        query: Option<&str>,
    ) -> Result<RequestBuilder, ManagementError> {
        let mut url = self.base.clone();
        url.set_query(query);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("api").extend(path);
        }
        let login = self.login.fresh().await?;
        Ok(self.client.request(method, url).basic_auth(login.user, Some(login.password.as_str())))
    }
}

async fn answered(request: RequestBuilder) -> Result<Response, ManagementError> {
    let response = request.send().await.map_err(|error| ManagementError::Unreachable(error.without_url()))?;
    if response.status().is_success() { Ok(response) } else { Err(ManagementError::Refused(response.status())) }
}

fn date_ms(response: &Response) -> Option<u64> {
    let date = httpdate::parse_http_date(response.headers().get(DATE)?.to_str().ok()?).ok()?;
    u64::try_from(date.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

/// What is wanted of each connection.
const COLUMNS: &str = "columns=name,user,connected_at";
/// What the client reads, and the broker's log says.
const REASON: &str = "the exchange ended this system's access";
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(15);
