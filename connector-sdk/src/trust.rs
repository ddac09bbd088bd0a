//! Where the trusted keys come from.
//!
//! [`Trust`] is the hub's receipt keys, its log's keys, and the key of its operator, who vouches for later ones. An agency gets
//! them with its invitation, on a way that does not lead through the hub; or takes what the hub says the first time, with
//! [`fetch`], and keeps it. A running connector follows by itself when the operator adds keys; [`renew`] does so once.

pub use saphan_schemas::trust::{Trust, TrustBundle};

use crate::address::HubAddress;
use crate::error::ConnectorError;
use crate::hub_api::http::{answered, base_address, client, read, trust_entries};

/// Asks the hub itself for its keys: trust on first use.
///
/// Whoever controls the connection at this moment decides what is trusted from then on. Use it over HTTPS, once; compare
/// the log's key with the one the operator publishes, and keep the result. A [`HubAddress`] says which CA to believe.
///
/// # Errors
/// [`ConnectorError::Address`], [`ConnectorError::Hub`] when the hub does not answer as the contract says.
pub async fn fetch(hub: impl Into<HubAddress>) -> Result<TrustBundle, ConnectorError> {
    let hub = hub.into();
    let (base, client) = (base_address(hub.url())?, client(&hub)?);
    Ok(read(answered(client.get(format!("{base}/v1/trust"))).await?).await?)
}

/// The same with the keys that the hub's operator has added and revoked since, by the operator's own signatures; `None` when there
/// are none. Whoever controls the connection can hide that, but adds no key.
///
/// # Errors
/// As [`fetch`].
pub async fn renew(hub: impl Into<HubAddress>, trust: &Trust) -> Result<Option<Trust>, ConnectorError> {
    let hub = hub.into();
    let (base, client) = (base_address(hub.url())?, client(&hub)?);
    Ok(trust.follow(&trust_entries(&client, &base).await?))
}
