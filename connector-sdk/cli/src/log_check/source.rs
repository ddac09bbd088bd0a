//! Where the files of a log come from.

use std::future::Future;
use std::pin::Pin;

use saphan_schemas::log::{TileContent, TilePath, bundle};

use super::error::LogCheckError;

/// A future that a trait object returns.
pub type SourceFuture<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, SourceError>> + Send + 'a>>;

/// Serves the files of one log: `checkpoint`, `tile/<L>/<N>[.p/<W>]`, `tile/entries/<N>[.p/<W>]` (C2SP tlog-tiles).
pub trait LogSource: Send + Sync {
    /// The exact bytes of the file at `path`, relative to the log's prefix.
    fn fetch<'a>(&'a self, path: &'a str) -> SourceFuture<'a>;

    /// Where the hub's log of this shard is, beside this one; `None` if that is not known.
    fn beside(&self, shard: &str) -> Option<Box<dyn LogSource>>;
}

/// Why a file could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// There is none. A log must have every file of its size, so this is a fault of the log.
    #[error("there is no such file")]
    NotFound,
    /// Larger than any file of a log can be.
    #[error("it is larger than {limit} bytes, which no file of a log is")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The server answered with something else.
    #[error("the server answered with HTTP status {status}")]
    Status {
        /// The status.
        status: u16,
    },
    /// The server was not reached, or its answer broke off.
    #[error("the server was not reached, or its answer broke off: {}", first_cause(source))]
    Unreachable {
        /// What the client says.
        source: reqwest::Error,
    },
    /// The file cannot be read.
    #[error("it cannot be read: {source}")]
    Unreadable {
        /// The operating system's answer.
        source: std::io::Error,
    },
}

/// What the client's own words leave out, such as that a certificate is not believed.
fn first_cause(error: &reqwest::Error) -> &dyn std::error::Error {
    std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source()).last().unwrap_or(error)
}

/// Fetches a file that must be there.
pub(super) async fn fetch(source: &dyn LogSource, path: &str) -> Result<Vec<u8>, LogCheckError> {
    source.fetch(path).await.map_err(|error| LogCheckError::fetch(path, error))
}

/// Fetches a tile or bundle. Where a partial one is gone because the log has grown, the full one begins with it.
pub(crate) async fn fetch_tile(source: &dyn LogSource, path: TilePath) -> Result<Vec<u8>, LogCheckError> {
    let text = path.to_string();
    match source.fetch(&text).await {
        Ok(bytes) => Ok(bytes),
        Err(SourceError::NotFound) if path.is_partial() => match source.fetch(&path.full().to_string()).await {
            Ok(full) => first_of(&full, path),
            // Neither is there: the one that was asked for is missing.
            Err(error) => Err(LogCheckError::fetch(&text, error)),
        },
        Err(error) => Err(LogCheckError::fetch(&text, error)),
    }
}

/// What the partial tile at `path` holds, from the full tile in its place.
fn first_of(full: &[u8], path: TilePath) -> Result<Vec<u8>, LogCheckError> {
    match path.content() {
        TileContent::Hashes { .. } => Ok(full[..full.len().min(usize::from(path.width()) * HASH_BYTES)].to_vec()),
        TileContent::Entries => {
            let fault = |source| LogCheckError::Bundle { path: path.full(), source };
            let entries = bundle::decode_bundle(full, path.full().width()).map_err(fault)?;
            bundle::encode_bundle(&entries[..usize::from(path.width())]).map_err(fault)
        }
    }
}

/// The largest bundle: 256 entries of 65535 bytes, each after its length.
pub(super) const MAX_FILE_BYTES: usize = 256 * (2 + 65_535);
const HASH_BYTES: usize = 32;
