//! The hub over HTTP.

mod documents;
mod events;
mod wire;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use saphan_schemas::auth::AuthClaims;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::{CaseId, EvidenceTypeId, ServiceId, SystemId};
use saphan_schemas::keys::{JwkSet, PublishedKey};
use saphan_schemas::message_types::Subject;
use saphan_schemas::problem::ProblemDocument;
use saphan_schemas::trust::{TrustEntries, TrustEntry};
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::wire::{
    AnswerBody, BatchBody, ExtendBody, ExtendRequest, LeaseBody, LeaseRequest, ReleaseRequest, ServicesBody,
    TraceRequest, batch_request,
};
use super::{
    Answer, CaseEvents, DocumentBytes, DocumentPiece, DocumentState, HubApi, HubError, HubFuture, Lease, Submission,
};
use crate::address::HubAddress;
use crate::clock;
use crate::error::ConnectorError;
use crate::outgoing::Identity;
use crate::portal::{CaseView, EvidenceTypeView, ServiceView, TracePage};

/// A hub at an address, asked by one system.
pub(crate) struct HttpHub {
    client: Client,
    base: String,
    identity: Arc<Identity>,
}

impl HttpHub {
    pub(crate) fn new(address: &HubAddress, identity: Arc<Identity>) -> Result<Self, ConnectorError> {
        Ok(Self { base: base_address(address.url())?, client: client(address)?, identity })
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Asks with a token.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, HubError> {
        let request = self.client.get(self.url(path)).header(AUTHORIZATION, self.token(&Method::GET, path).await?);
        read(answered(request).await?).await
    }

    /// Asks for what everybody may see.
    async fn public<T: DeserializeOwned>(&self, path: &str) -> Result<T, HubError> {
        read(answered(self.client.get(self.url(path))).await?).await
    }

    /// Posts with a token.
    pub(crate) async fn call<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, HubError> {
        read(self.call_raw(path, body).await?).await
    }

    async fn call_raw(&self, path: &str, body: &impl Serialize) -> Result<Response, HubError> {
        answered(self.post(path).await?.json(body)).await
    }

    /// A request with a token.
    async fn post(&self, path: &str) -> Result<RequestBuilder, HubError> {
        Ok(self.client.post(self.url(path)).header(AUTHORIZATION, self.token(&Method::POST, path).await?))
    }

    async fn submit_one(&self, message: &Submission) -> Result<Answer, HubError> {
        let request = self
            .client
            .post(self.url("/v1/messages"))
            .header("saphan-envelope", &message.envelope)
            .header("saphan-salt", &message.salt)
            .header(CONTENT_TYPE, "application/json")
            .body(message.body.clone());
        let AnswerBody { receipt, proof } = read(answered(request).await?).await?;
        Ok(Answer { receipt, proof })
    }

    async fn submit_batch(&self, messages: &[Submission]) -> Result<Vec<Result<Answer, HubError>>, HubError> {
        let request = self.post("/v1/messages/batch").await?.header(CONTENT_TYPE, "application/json");
        let response = answered(request.body(batch_request(messages))).await?;
        let status = response.status().as_u16();
        let BatchBody { results } = read(response).await?;
        if results.len() != messages.len() {
            return Err(HubError::Unreadable { status });
        }
        Ok(results.into_iter().map(|result| result.into_answer(status)).collect())
    }

    /// A fresh token for one request: it is bound to method and path.
    async fn token(&self, method: &Method, path: &str) -> Result<HeaderValue, HubError> {
        let (issuer, hub) = (self.identity.system.to_string(), self.identity.hub.clone());
        let claims = AuthClaims::new(issuer, hub, clock::unix_seconds(), method.as_str(), path);
        let token = self.identity.sign(claims).await?;
        // Base64 and dots are always a header value.
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.as_str())).map_err(unreachable)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl HubApi for HttpHub {
    fn submit<'a>(&'a self, messages: &'a [Submission]) -> HubFuture<'a, Vec<Result<Answer, HubError>>> {
        Box::pin(async move {
            match messages {
                // Its envelope is its authentication, and its body goes out as it is.
                [message] => Ok(vec![self.submit_one(message).await]),
                _ => self.submit_batch(messages).await,
            }
        })
    }

    fn lease(&self, max: u16, wait: Duration) -> HubFuture<'_, Lease> {
        Box::pin(async move {
            let path = "/v1/inbox/lease";
            let request = LeaseRequest { max, wait: wait.as_secs() };
            let request = self.post(path).await?.timeout(wait + ANSWER_TIMEOUT).json(&request);
            let response = answered(request).await?;
            let status = response.status().as_u16();
            let body: LeaseBody = read(response).await?;
            Lease::try_from(body).map_err(|_| HubError::Unreadable { status })
        })
    }

    fn extend<'a>(&'a self, lease: &'a str) -> HubFuture<'a, Duration> {
        Box::pin(async move {
            let body: ExtendBody = self.call("/v1/inbox/extend", &ExtendRequest { lease }).await?;
            Ok(Duration::from_secs(body.expires_in))
        })
    }

    fn release<'a>(&'a self, lease: &'a str, indices: &'a [u64], delay: Duration) -> HubFuture<'a, ()> {
        Box::pin(async move {
            let request = ReleaseRequest { lease, indices, delay: delay.as_secs() };
            self.call_raw("/v1/inbox/release", &request).await.map(|_| ())
        })
    }

    fn acknowledge<'a>(&'a self, batch: &'a str) -> HubFuture<'a, ()> {
        Box::pin(async move {
            let request = self.post("/v1/acknowledgements").await?.header(CONTENT_TYPE, "application/jose");
            answered(request.body(batch.to_owned())).await.map(|_| ())
        })
    }

    fn system_keys<'a>(&'a self, system: &'a SystemId) -> HubFuture<'a, Vec<PublishedKey>> {
        Box::pin(async move {
            let path = format!("/v1/systems/{system}/keys");
            let response = answered(self.client.get(self.url(&path))).await?;
            let status = response.status().as_u16();
            let set: JwkSet = read(response).await?;
            if set.issuer == system.as_str() { Ok(set.keys) } else { Err(HubError::Unreadable { status }) }
        })
    }

    fn trust_entries(&self) -> HubFuture<'_, Vec<TrustEntry>> {
        Box::pin(async move { trust_entries(&self.client, &self.base).await })
    }

    fn case(&self, id: CaseId) -> HubFuture<'_, CaseView> {
        Box::pin(async move { self.get(&format!("/v1/cases/{id}")).await })
    }

    fn case_events(&self, id: CaseId, after: Option<u64>) -> HubFuture<'_, CaseEvents> {
        Box::pin(self.events(id, after))
    }

    fn trace<'a>(&'a self, subject: &'a Subject, before: Option<u64>) -> HubFuture<'a, TracePage> {
        Box::pin(async move { self.call("/v1/trace", &TraceRequest { subject, before }).await })
    }

    fn services(&self) -> HubFuture<'_, Vec<ServiceView>> {
        Box::pin(async move {
            let (mut services, mut next) = (Vec::new(), None::<ServiceId>);
            loop {
                let after = next.as_ref().map(|id| format!("&after={id}")).unwrap_or_default();
                let page: ServicesBody = self.public(&format!("/v1/services?limit=100{after}")).await?;
                let is_last = page.next.is_none() || page.next == next;
                services.extend(page.items);
                if is_last {
                    return Ok(services);
                }
                next = page.next;
            }
        })
    }

    fn service<'a>(&'a self, id: &'a ServiceId) -> HubFuture<'a, ServiceView> {
        Box::pin(async move { self.public(&format!("/v1/services/{id}")).await })
    }

    fn evidence_type<'a>(&'a self, id: &'a EvidenceTypeId) -> HubFuture<'a, EvidenceTypeView> {
        Box::pin(async move { self.public(&format!("/v1/evidence-types/{id}")).await })
    }

    fn document(&self, commit: Sha256Hash) -> HubFuture<'_, Option<DocumentState>> {
        Box::pin(self.look(commit))
    }

    fn put_document<'a>(&'a self, piece: DocumentPiece<'a>) -> HubFuture<'a, DocumentState> {
        Box::pin(self.put(piece))
    }

    fn get_document(&self, commit: Sha256Hash, range: Range<u64>) -> HubFuture<'_, DocumentBytes> {
        Box::pin(self.get_range(commit, range))
    }
}

/// `GET /v1/trust/entries`.
pub(crate) async fn trust_entries(client: &Client, base: &str) -> Result<Vec<TrustEntry>, HubError> {
    let TrustEntries { entries } = read(answered(client.get(format!("{base}/v1/trust/entries"))).await?).await?;
    Ok(entries)
}

/// An HTTP client as a connector uses it: with the exchange's one TLS stack, the address's
/// certificates, time limits and no redirects.
///
/// # Errors
/// [`ConnectorError::Certificates`] when the address's cannot be used, [`ConnectorError::Client`] when it cannot be set up.
pub fn client(hub: &HubAddress) -> Result<Client, ConnectorError> {
    // Installing ring's provider again is harmless: an error means that the program has installed one already, which is then
    // its choice.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(ANSWER_TIMEOUT)
        .pool_idle_timeout(IDLE)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("saphan-connector/", env!("CARGO_PKG_VERSION")));
    hub.secure(client)?.build().map_err(|error| ConnectorError::Client { reason: error.without_url().to_string() })
}

/// The address without its final slash. Without TLS only this machine is a hub.
pub(crate) fn base_address(address: &str) -> Result<String, ConnectorError> {
    let refuse = |reason| Err(ConnectorError::Address { reason });
    let Ok(url) = Url::parse(address) else { return refuse("it is not a URL") };
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return refuse("it must not hold a user, a password, a query or a fragment");
    }
    match (url.scheme(), url.host_str()) {
        ("https", Some(_)) => {}
        ("http", Some(host)) if is_this_machine(host) => {}
        ("http", _) => return refuse("plain HTTP is for a hub on this machine only; use https"),
        _ => return refuse("it must begin with https://"),
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Whether a URL's host is this machine. Names are not: `127.example` is anyone's.
pub(crate) fn is_this_machine(host: &str) -> bool {
    matches!(host, "localhost" | "[::1]")
        || host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

/// Sends a request; anything but success becomes an error.
pub(crate) async fn answered(request: RequestBuilder) -> Result<Response, HubError> {
    let response = send(request).await.map_err(|error| unreachable(error.without_url()))?;
    if response.status().is_success() { Ok(response) } else { Err(problem(response).await) }
}

/// Sends a request, on another connection if the hub closed the first one before the request was on its way. In TLS 1.3 a hub that
/// asks for a certificate says so after the client's part of the handshake is done; the library may notice only that the connection
/// is gone, and the next one tells why.
async fn send(request: RequestBuilder) -> Result<Response, reqwest::Error> {
    let again = request.try_clone();
    match (request.send().await, again) {
        (Err(error), Some(again)) if was_not_sent(&error) => again.send().await,
        (sent, _) => sent,
    }
}

/// Whether nothing of a request has left, so that it may go again.
fn was_not_sent(error: &reqwest::Error) -> bool {
    causes(error).filter_map(|cause| cause.downcast_ref::<hyper::Error>()).any(hyper::Error::is_canceled)
}

/// Reads the JSON of a successful answer.
pub(crate) async fn read<T: DeserializeOwned>(response: Response) -> Result<T, HubError> {
    let status = response.status().as_u16();
    let bytes = response.bytes().await.map_err(|error| unreachable(error.without_url()))?;
    serde_json::from_slice(&bytes).map_err(|_| HubError::Unreadable { status })
}

async fn problem(response: Response) -> HubError {
    let status = response.status();
    let retry_after = retry_after(&response);
    let document = match response.bytes().await {
        Ok(bytes) => serde_json::from_slice::<ProblemDocument>(&bytes),
        Err(error) => return unreachable(error.without_url()),
    };
    match document {
        Ok(document) => {
            let retry_after = retry_after.or(document.retry_after.map(Duration::from_secs));
            HubError::Problem { document: Box::new(document), retry_after }
        }
        Err(_) => HubError::Unreadable { status: StatusCode::as_u16(&status) },
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn unreachable(source: impl std::error::Error + Send + Sync + 'static) -> HubError {
    match tls_error(&source) {
        Some(error) => HubError::Insecure { reason: error.to_string() },
        None => HubError::Unreachable { source: Box::new(source) },
    }
}

/// What TLS found wrong, somewhere below an error of the client.
pub(crate) fn tls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    causes(error).find_map(|error| error.downcast_ref())
}

/// An error and all that caused it.
fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| below(*error))
}

/// The next cause. Of an input or output error, what it wraps, which it does not call its source.
fn below<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a (dyn std::error::Error + 'static)> {
    match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Less than a hub keeps a connection on which nothing is asked (30 s by default): a request must not meet its end.
const IDLE: Duration = Duration::from_secs(15);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for address in ["http://127.0.0.1:8080", "http://localhost:1/", "http://[::1]:80", "https://hub.example/"] {
            assert!(base_address(address).is_ok(), "{address}");
        }
        for address in [
            "http://hub.example",
            "http://127.hub.example",
            "http://10.0.0.1",
            "ftp://x",
            "hub",
            "https://u:p@x",
            "https://x/?a=b",
        ] {
            assert!(base_address(address).is_err(), "{address}");
        }
        assert_eq!(base_address("https://hub.example/saphan/").unwrap(), "https://hub.example/saphan");
    }
}
