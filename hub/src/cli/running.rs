//! How an operator's command asks the hub that runs beside it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::Context as _;
use saphan_schemas::auth::AuthClaims;
use saphan_schemas::jws::Signed;
use saphan_schemas::keys::Signer;
use saphan_schemas::problem::ProblemDocument;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::change::{NotWritten, now};
use crate::config::Config;
use crate::tls;

/// Posts JSON with a token of the operator, and reads the answer. Over TLS, the hub is known by the very certificate that its
/// configuration names.
///
/// # Errors
/// The hub is not reached, or refuses; then with its reason. [`NotWritten`] if it is certain that it did nothing.
pub(super) async fn post<T: DeserializeOwned>(
    config: &Config,
    operator: &dyn Signer,
    path: &str,
    body: &impl Serialize,
) -> anyhow::Result<T> {
    let token = AuthClaims::new(config.hub.id.to_string(), config.hub.id.clone(), now(), "POST", path);
    // The hub is on this machine; a proxy of the environment is not on the way.
    let client = reqwest::Client::builder().no_proxy();
    let (scheme, client) = if config.tls.is_on() {
        ("https", client.tls_backend_preconfigured(tls::client_config(&config.tls)?))
    } else {
        ("http", client)
    };
    let response = client
        .build()?
        .post(format!("{scheme}://{}{path}", reachable(config.hub.listen)))
        .bearer_auth(Signed::sign(token, operator)?.as_str())
        .json(body)
        .send()
        .await
        .map_err(|error| {
            let listen = config.hub.listen;
            let says = format!(
                "the hub holds the data folder but does not answer on {listen} with the certificate of its configuration"
            );
            let is_sent = !error.is_connect();
            let error = anyhow::Error::from(error).context(says);
            if is_sent { error } else { NotWritten(super::told(&error)).into() }
        })?;
    if response.status().is_success() {
        return response.json().await.context("it is done, but the hub's answer is not as expected");
    }
    // A hub that could not do its part answers with 5xx, and may have written all the same.
    let is_refused = response.status().is_client_error();
    let problem: ProblemDocument = response.json().await.context("the hub's answer is not a problem document")?;
    let places = problem.errors.iter().map(|place| format!("\n  {}: {}", place.pointer, place.detail));
    let places: String = places.collect();
    let told = format!("the hub refused: {}; {}{places}", problem.title, problem.detail.unwrap_or_default());
    Err(if is_refused { NotWritten(told).into() } else { anyhow::Error::msg(told) })
}

/// Where this machine reaches a listener on all addresses.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, listen.port())
}
