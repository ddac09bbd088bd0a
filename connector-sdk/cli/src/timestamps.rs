//! Timestamps on a log's checkpoints, beside the log.
//!
//! - `page`, `token`: which there are, and each;
//! - `for_bundle`: those that belong into an evidence bundle;
//! - `follow`: whether all of a log hold, and where some are missing.

mod follow;
mod for_bundle;

use std::path::{Path, PathBuf};

use clap::Args;
use saphan_schemas::log::Stamped;
use saphan_schemas::message_types;
use saphan_timestamps::Authorities;

use crate::log_check::{LogCheckError, LogSource, SourceError};
use crate::outcome::Failure;

pub use follow::{EarlierTimestamps, Gap, NewestTimestamp, TimestampReport};
pub(crate) use follow::{TimestampFinding, follow};
pub(crate) use for_bundle::for_bundle;

/// Whose timestamps are believed.
#[derive(Debug, Args)]
pub(crate) struct AuthorityArgument {
    /// The certificates of the timestamp authorities to trust, or of the CAs above them, in PEM. An authority's own serves as well as
    /// that of its CA
    #[arg(long, value_name = "PEM")]
    timestamp_authority: Option<PathBuf>,
}

impl AuthorityArgument {
    pub(crate) fn read(&self) -> Result<Option<Authorities>, Failure> {
        self.timestamp_authority.as_deref().map(read).transpose()
    }
}

fn read(path: &Path) -> Result<Authorities, Failure> {
    let pem = std::fs::read(path).map_err(|error| Failure::unreadable(path, &error))?;
    let wrong =
        |error| Failure::caller(format!("{}: {error}", path.display()), "Give the authority's certificates in PEM.");
    Authorities::from_pem(&pem).map_err(wrong)
}

/// A page of the list of timestamps; `None` if the log has not so many.
pub(crate) async fn page(source: &dyn LogSource, number: u64) -> Result<Option<Vec<Stamped>>, LogCheckError> {
    let path = Stamped::page_path(number);
    match source.fetch(&path).await {
        Ok(bytes) => {
            let page = Stamped::parse_page(&bytes);
            page.map(Some).map_err(|source| LogCheckError::Timestamps { path, source })
        }
        Err(SourceError::NotFound) => Ok(None),
        Err(error) => Err(LogCheckError::fetch(&path, error)),
    }
}

/// The token for a size, which the list says is there.
pub(crate) async fn token(source: &dyn LogSource, size: u64) -> Result<Vec<u8>, LogCheckError> {
    let path = Stamped::token_path(size);
    source.fetch(&path).await.map_err(|error| LogCheckError::fetch(&path, error))
}

/// A time, as people read it.
pub(crate) fn moment(seconds: u64) -> String {
    let time = message_types::Timestamp::from_unix_seconds(seconds);
    time.map_or_else(|_| format!("{seconds} seconds after 1970"), |time| time.to_string())
}
