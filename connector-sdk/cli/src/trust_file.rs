//! What is trusted about a hub, as a file (`trust.json`) or as a part of `saphan.toml`.

use std::path::Path;

use saphan_schemas::ids::HubId;
use saphan_schemas::keys::PublicKey;
use saphan_schemas::message::Trust;
use serde::{Deserialize, Serialize};

use crate::files;
use crate::outcome::Failure;

/// The hub's name and keys.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrustFile {
    /// The hub's id.
    hub: HubId,
    /// The keys that sign its receipts, as JWK.
    receipts: Vec<PublicKey>,
    /// The C2SP verifier key of its log.
    vkey: String,
}

impl TrustFile {
    /// Reads `trust.json`.
    pub(crate) fn read(path: &Path) -> Result<Trust, Failure> {
        files::read_json::<Self>(path, "a trust file")?.into_trust(path)
    }

    /// What it says, for verification. `path` is the file it came from.
    pub(crate) fn into_trust(self, path: &Path) -> Result<Trust, Failure> {
        let log = self.vkey.parse().map_err(|error| {
            let what = format!("`vkey` in {}: {error}", path.display());
            Failure::caller(what, "Copy the log's key from the hub's operator, or use `saphan trust`.")
        })?;
        Ok(Trust { hub: self.hub, receipts: self.receipts, log })
    }
}

impl From<&Trust> for TrustFile {
    fn from(trust: &Trust) -> Self {
        Self { hub: trust.hub.clone(), receipts: trust.receipts.clone(), vkey: trust.log.to_string() }
    }
}
