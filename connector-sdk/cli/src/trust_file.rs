//! What is trusted about a hub, as a file (`trust.json`) or as a part of `saphan.toml`: a [`TrustBundle`].

use std::path::Path;

use saphan_schemas::trust::TrustBundle;

use crate::files;
use crate::outcome::Failure;

/// Reads `trust.json`.
pub(crate) fn read(path: &Path) -> Result<TrustBundle, Failure> {
    files::read_json(path, "a trust file")
}

/// What `trust.json` holds.
pub(crate) fn text(bundle: &TrustBundle) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(bundle);
    let text =
        text.map_err(|error| Failure::machine(format!("cannot write the keys as JSON: {error}"), "Report this."))?;
    Ok(format!("{text}\n"))
}
