//! What is trusted about a hub, as a file (`trust.json`) or as a part of `saphan.toml`: a [`TrustBundle`].

use std::path::Path;

use saphan_schemas::joining::TrustBundle;
use saphan_schemas::message::Trust;

use crate::files;
use crate::outcome::Failure;

/// Reads `trust.json`.
pub(crate) fn read(path: &Path) -> Result<TrustBundle, Failure> {
    files::read_json(path, "a trust file")
}

/// What a bundle says, for verification.
pub(crate) fn trust(bundle: &TrustBundle) -> Trust {
    Trust {
        hub: bundle.hub.clone(),
        receipts: bundle.receipts.clone(),
        log: bundle.vkey.clone(),
        more_logs: bundle.more_vkeys.clone(),
    }
}
