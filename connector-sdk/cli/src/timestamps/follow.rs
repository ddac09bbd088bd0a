//! Whether the timestamps of a log hold that itself was checked, and where some are missing.

use std::time::Duration;

use saphan_schemas::leaf::Leaf;
use saphan_schemas::log::{Checkpoint, Stamped, TILE_WIDTH, TileContent, TilePath, decode_bundle};
use saphan_timestamps::{Authorities, TimestampFault, Token};
use serde::Serialize;

use super::{page, token};
use crate::log_audit::root_at;
use crate::log_check::{LogCheckError, LogSource, fetch_tile};

/// What was found out about the timestamps of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TimestampReport {
    /// How many hold, those of earlier audits too.
    pub held: u64,
    /// How many of these were checked now.
    pub checked: u64,
    /// The last of those that were checked now.
    pub newest: Option<NewestTimestamp>,
    /// Where none is for too long, among the entries that were checked now.
    pub gaps: Vec<Gap>,
}

/// A timestamp that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewestTimestamp {
    /// How many entries are in its checkpoint.
    pub size: u64,
    /// By when these existed, in seconds since 1970.
    pub time: u64,
    /// Who says so: the subject of the authority's certificate.
    pub authority: String,
}

/// Entries that waited too long for a timestamp, or still wait: how old they are only the hub's clock says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The time of the last timestamp before them, in seconds since 1970.
    pub from: Option<u64>,
    /// The time of the first one after them.
    pub until: Option<u64>,
    /// The first of these entries.
    pub entry: u64,
    /// How many they are.
    pub entries: u64,
}

/// Why nothing good can be said about the timestamps.
#[derive(Debug)]
pub(crate) enum TimestampFinding {
    /// A file beside the log is missing or malformed, or could not be had.
    Log(LogCheckError),
    /// A token proves nothing.
    Token { size: u64, fault: TimestampFault },
}

impl From<LogCheckError> for TimestampFinding {
    fn from(error: LogCheckError) -> Self {
        Self::Log(error)
    }
}

/// Checks the timestamps from number `held` on, up to those on `checkpoint`, which itself was checked. Entries that waited longer than
/// `patience` for theirs are a gap.
///
/// # Errors
/// [`TimestampFinding`].
pub(crate) async fn follow(
    source: &dyn LogSource,
    checkpoint: &Checkpoint,
    held: u64,
    trusted: &Authorities,
    patience: Duration,
) -> Result<TimestampReport, TimestampFinding> {
    let mut report = TimestampReport { held, ..TimestampReport::default() };
    let (mut before, mut number) = (None, held.saturating_sub(1) / Stamped::PER_PAGE);
    while let Some(page) = page(source, number).await? {
        let first = number * Stamped::PER_PAGE;
        let there = page.len() as u64;
        for (stamped, number) in page.into_iter().zip(first..) {
            if stamped.size > checkpoint.size {
                break;
            }
            if number + 1 < held {
                continue;
            }
            // Times in the list are the hub's word. So the last one of those that were checked is looked at again.
            let (time, authority) = verify(source, checkpoint, stamped.size, trusted).await?;
            let stamped = Stamped { time, ..stamped };
            if number < held {
                before = Some(stamped);
                continue;
            }
            report.gaps.extend(gap(source, checkpoint, before, Some(stamped), patience).await?);
            report.newest = Some(NewestTimestamp { size: stamped.size, time, authority });
            (report.held, report.checked, before) = (report.held + 1, report.checked + 1, Some(stamped));
        }
        if there < Stamped::PER_PAGE {
            break;
        }
        number += 1;
    }
    report.gaps.extend(gap(source, checkpoint, before, None, patience).await?);
    Ok(report)
}

/// A token over the checkpoint of this size. That the log has grown from it, its own tiles say.
async fn verify(
    source: &dyn LogSource,
    checkpoint: &Checkpoint,
    size: u64,
    trusted: &Authorities,
) -> Result<(u64, String), TimestampFinding> {
    let token = token(source, size).await?;
    let root = root_at(source, size, checkpoint).await?;
    let text = Checkpoint::new(checkpoint.origin.clone(), size, root).to_note_text();
    let proven = Token::parse(&token).and_then(|token| token.verify(text.as_bytes(), trusted));
    let proven = proven.map_err(|fault| TimestampFinding::Token { size, fault })?;
    Ok((proven.time, proven.authority))
}

/// The entries between two timestamps, or behind the last one, if the first of them waited too long. The time that passed is told
/// by the later timestamp and, behind the last one, by the last entry.
async fn gap(
    source: &dyn LogSource,
    checkpoint: &Checkpoint,
    before: Option<Stamped>,
    after: Option<Stamped>,
    patience: Duration,
) -> Result<Option<Gap>, LogCheckError> {
    let entry = before.map_or(0, |before| before.size);
    let end = after.map_or(checkpoint.size, |after| after.size);
    let (from, until) = (before.map(|before| before.time), after.map(|after| after.time));
    // An entry behind a timestamp is not older than it: most need not be looked at.
    let is_near = from.zip(until).is_some_and(|(from, until)| until.saturating_sub(from) <= patience.as_secs());
    if entry >= end || is_near {
        return Ok(None);
    }
    let end_at = match until {
        Some(until) => until,
        None => logged_at(source, end - 1, checkpoint.size).await?,
    };
    let waited = end_at.saturating_sub(logged_at(source, entry, checkpoint.size).await?);
    Ok((waited > patience.as_secs()).then_some(Gap { from, until, entry, entries: end - entry }))
}

/// When an entry was logged, by the hub's clock in seconds since 1970.
async fn logged_at(source: &dyn LogSource, entry: u64, size: u64) -> Result<u64, LogCheckError> {
    let width = u64::from(TILE_WIDTH);
    let number = entry / width;
    let path = TilePath::new(TileContent::Entries, number, (size - number * width).min(width) as u16);
    let path = path.map_err(|_| LogCheckError::Stopped)?;
    let bytes = fetch_tile(source, path).await?;
    let entries = decode_bundle(&bytes, path.width()).map_err(|source| LogCheckError::Bundle { path, source })?;
    let leaf = entries.get((entry % width) as usize).and_then(|leaf| Leaf::parse(leaf).ok());
    // It was read before, as a part of the check.
    leaf.map(|leaf| leaf.ts() / 1000).ok_or(LogCheckError::Stopped)
}
