//! A log over HTTP.

use std::time::Duration;

use reqwest::{Client, Response, StatusCode, Url};
use saphan_connector::{ConnectorError, HubAddress};

use super::source::{LogSource, MAX_FILE_BYTES, SourceError, SourceFuture};

/// A log behind a URL prefix, such as a hub's `/v1/log/`, or a static file server.
#[derive(Debug, Clone)]
pub struct HttpLog {
    client: Client,
    prefix: Url,
}

/// The address of a log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NotALogAddress {
    /// Not an address, or not of HTTP.
    #[error("not the address of a log: expected http:// or https://, without query")]
    Address,
    /// The certificates for the connection cannot be used.
    #[error(transparent)]
    Certificates(#[from] ConnectorError),
    /// The HTTP client cannot be set up.
    #[error("the HTTP client cannot be set up: {source}")]
    Client {
        /// What the client says.
        source: reqwest::Error,
    },
}

impl HttpLog {
    /// The log at `address`: its prefix, or a hub's address without a path, whose log is at `/v1/log/`.
    ///
    /// Plain HTTP does no harm here: everything that comes is checked against the log's key.
    ///
    /// # Errors
    /// [`NotALogAddress`].
    pub fn new(address: impl Into<HubAddress>) -> Result<Self, NotALogAddress> {
        let address = address.into();
        let mut prefix = Url::parse(address.url()).map_err(|_| NotALogAddress::Address)?;
        if !matches!(prefix.scheme(), "http" | "https") || prefix.query().is_some() || prefix.fragment().is_some() {
            return Err(NotALogAddress::Address);
        }
        let path = match prefix.path().trim_end_matches('/') {
            "" => HUB_LOG_PATH.to_owned(),
            path => format!("{path}/"),
        };
        prefix.set_path(&path);
        Ok(Self { client: client(&address)?, prefix })
    }

    /// The prefix that paths are appended to.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.prefix.as_str()
    }

    async fn read(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..ATTEMPTS {
            match self.read_once(path).await {
                Err(error) if may_pass(&error) => tokio::time::sleep(pause).await,
                answer => return answer,
            }
            pause *= 2;
        }
        self.read_once(path).await
    }

    async fn read_once(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        let response = self.client.get(format!("{}{path}", self.prefix)).send().await.map_err(unreachable)?;
        match response.status() {
            StatusCode::OK => body(response).await,
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(SourceError::NotFound),
            status => Err(SourceError::Status { status: status.as_u16() }),
        }
    }
}

impl LogSource for HttpLog {
    fn fetch<'a>(&'a self, path: &'a str) -> SourceFuture<'a> {
        Box::pin(self.read(path))
    }

    fn beside(&self, shard: &str) -> Option<Box<dyn LogSource>> {
        let mut prefix = self.prefix.clone();
        let path = match prefix.path().strip_suffix(HUB_LOG_PATH) {
            Some(hub) => format!("{hub}{HUB_LOGS_PATH}{shard}/"),
            None => {
                let (above, _) = prefix.path().trim_end_matches('/').rsplit_once('/')?;
                format!("{above}/{shard}/")
            }
        };
        prefix.set_path(&path);
        Some(Box::new(Self { client: self.client.clone(), prefix }))
    }
}

async fn body(mut response: Response) -> Result<Vec<u8>, SourceError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if bytes.len() + chunk.len() > MAX_FILE_BYTES {
            return Err(SourceError::TooLarge { limit: MAX_FILE_BYTES });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn client(address: &HubAddress) -> Result<Client, NotALogAddress> {
    // An error means that the program has installed a provider already, which is then its choice.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .user_agent(concat!("saphan/", env!("CARGO_PKG_VERSION")));
    address.secure(client)?.build().map_err(|source| NotALogAddress::Client { source: source.without_url() })
}

/// A long download must not fail for one lost connection.
fn may_pass(error: &SourceError) -> bool {
    match error {
        SourceError::Unreachable { .. } => true,
        SourceError::Status { status } => *status >= 500 || *status == 429,
        _ => false,
    }
}

fn unreachable(source: reqwest::Error) -> SourceError {
    SourceError::Unreachable { source: source.without_url() }
}

const HUB_LOG_PATH: &str = "/v1/log/";
/// Where a hub serves each of its logs.
const HUB_LOGS_PATH: &str = "/v1/logs/";
const ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const READ_TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_prefix_of_a_log_or_a_hub() {
        for (address, prefix) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/v1/log/"),
            ("https://hub.example/", "https://hub.example/v1/log/"),
            ("https://hub.example/v1/log", "https://hub.example/v1/log/"),
            ("https://tiles.example/2026h2/", "https://tiles.example/2026h2/"),
        ] {
            assert_eq!(HttpLog::new(address).unwrap().prefix(), prefix);
        }
        for address in ["hub.example", "ftp://hub.example", "https://hub.example/?a=b"] {
            assert!(HttpLog::new(address).is_err(), "{address}");
        }
    }
}
