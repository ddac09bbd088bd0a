//! What is trusted about a hub, as a file (`trust.json`) or as a part of `saphan.toml`: a [`TrustBundle`].

use std::path::Path;

use saphan_schemas::joining::TrustBundle;

use crate::files;
use crate::outcome::Failure;

/// Reads `trust.json`.
pub(crate) fn read(path: &Path) -> Result<TrustBundle, Failure> {
    files::read_json(path, "a trust file")
}
