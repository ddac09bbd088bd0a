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

/// What a bundle says, for verification. `path` is the file it came from.
pub(crate) fn trust(bundle: &TrustBundle, path: &Path) -> Result<Trust, Failure> {
    let log = bundle.vkey.parse().map_err(|error| {
        let what = format!("`vkey` in {}: {error}", path.display());
        Failure::caller(what, "Copy the log's key from the hub's operator, or use `saphan trust`.")
    })?;
    Ok(Trust { hub: bundle.hub.clone(), receipts: bundle.receipts.clone(), log })
}
