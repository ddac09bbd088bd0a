//! Where the trusted keys come from.
//!
//! [`Trust`] is the hub's receipt keys and its log's key. An agency gets them with its invitation, on a way that does not
//! lead through the hub; or takes what the hub says the first time, with [`fetch`], and keeps it.

use saphan_schemas::ids::HubId;
use saphan_schemas::keys::PublishedKey;
pub use saphan_schemas::message::Trust;
use serde::Deserialize;

use crate::address::HubAddress;
use crate::error::ConnectorError;
use crate::hub_api::http::{answered, base_address, client, read};

/// Asks the hub itself for its keys: trust on first use.
///
/// Whoever controls the connection at this moment decides what is trusted from then on. Use it over HTTPS, once; compare
/// the log's key with the one the operator publishes, and keep the result. A [`HubAddress`] says which CA to believe.
///
/// # Errors
/// [`ConnectorError::Address`], [`ConnectorError::Hub`] when the hub does not answer, [`ConnectorError::Keys`] when its
/// answer is not of the contract.
pub async fn fetch(hub: impl Into<HubAddress>) -> Result<Trust, ConnectorError> {
    let hub = hub.into();
    let (base, client) = (base_address(hub.url())?, client(&hub)?);
    let keys: HubKeys = read(answered(client.get(format!("{base}/v1/keys"))).await?).await?;
    let log = answered(client.get(format!("{base}/v1/log/vkey"))).await?;
    let log = log.text().await.map_err(|_| ConnectorError::Keys { what: "log key" })?;
    let log = log.trim_end().parse().map_err(|_| ConnectorError::Keys { what: "log key" })?;
    let receipts = keys.keys.iter().map(|published| published.key).collect();
    Ok(Trust { hub: keys.issuer, receipts, log, more_logs: Vec::new() })
}

#[derive(Deserialize)]
struct HubKeys {
    issuer: HubId,
    keys: Vec<PublishedKey>,
}
