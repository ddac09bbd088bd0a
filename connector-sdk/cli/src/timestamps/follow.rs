//! Whether the timestamps of a log hold that itself was checked, and where some are missing.

use saphan_schemas::leaf::Leaf;
use saphan_schemas::log::{Checkpoint, Stamped, TILE_WIDTH, TileContent, TilePath, decode_bundle};
use saphan_timestamps::{Authorities, Timestamp, TimestampFault, Token};
use serde::Serialize;

use super::{page, token};
use crate::log_audit::{TimestampCheck, root_at};
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
    /// Those of logs that the audit followed to their ends.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<EarlierTimestamps>,
}

/// What was found out about the timestamps of a closed log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EarlierTimestamps {
    /// Its origin.
    pub log: String,
    /// What was found out.
    #[serde(flatten)]
    pub report: TimestampReport,
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
    /// So many held, and fewer are listed.
    Missing { held: u64, listed: u64 },
}

impl From<LogCheckError> for TimestampFinding {
    fn from(error: LogCheckError) -> Self {
        Self::Log(error)
    }
}

/// Checks the timestamps from number `held` on, up to those on `checkpoint`, which itself was checked. Entries that waited longer than
/// the check has patience for theirs are a gap.
///
/// # Errors
/// [`TimestampFinding`].
pub(crate) async fn follow(
    source: &dyn LogSource,
    checkpoint: &Checkpoint,
    held: u64,
    check: &TimestampCheck,
) -> Result<TimestampReport, TimestampFinding> {
    let (trusted, patience) = (&check.trusted, check.patience.as_secs());
    let mut times = Times { source, size: checkpoint.size, bundle: None };
    let mut report = TimestampReport { held, ..TimestampReport::default() };
    let (mut before, mut number) = (None, held.saturating_sub(1) / Stamped::PER_PAGE);
    let mut listed = number * Stamped::PER_PAGE;
    while let Some(page) = page(source, number).await? {
        let first = number * Stamped::PER_PAGE;
        let there = page.len() as u64;
        for (stamped, number) in page.into_iter().zip(first..) {
            if stamped.size > checkpoint.size {
                break;
            }
            listed = number + 1;
            if listed < held {
                continue;
            }
            // Times in the list are the hub's word. So the last one of those that were checked is looked at again.
            let Timestamp { time, authority, .. } = verify(&mut times, checkpoint, stamped.size, trusted).await?;
            let stamped = Stamped { time, ..stamped };
            if number < held {
                before = Some(stamped);
                continue;
            }
            report.gaps.extend(times.gap(before, Some(stamped), patience).await?);
            report.newest = Some(NewestTimestamp { size: stamped.size, time, authority });
            (report.held, report.checked, before) = (report.held + 1, report.checked + 1, Some(stamped));
        }
        if there < Stamped::PER_PAGE {
            break;
        }
        number += 1;
    }
    if listed < held {
        return Err(TimestampFinding::Missing { held, listed });
    }
    report.gaps.extend(times.gap(before, None, patience).await?);
    Ok(report)
}

/// A token over the checkpoint of this size. That the log has grown from it, its own tiles say; that the token is not older than the
/// last entry in it, that entry.
async fn verify(
    times: &mut Times<'_>,
    checkpoint: &Checkpoint,
    size: u64,
    trusted: &Authorities,
) -> Result<Timestamp, TimestampFinding> {
    let token = token(times.source, size).await?;
    let root = root_at(times.source, size, checkpoint).await?;
    let text = Checkpoint::new(checkpoint.origin.clone(), size, root).to_note_text();
    let fault = |fault| TimestampFinding::Token { size, fault };
    let proven = Token::parse(&token).and_then(|token| token.verify(text.as_bytes(), trusted)).map_err(fault)?;
    if let Some(last) = size.checked_sub(1) {
        proven.must_not_precede(times.logged_at(last).await?).map_err(fault)?;
    }
    Ok(proven)
}

/// When the entries of a log were logged, by the hub's clock.
struct Times<'a> {
    source: &'a dyn LogSource,
    /// The log's entries.
    size: u64,
    /// The bundle that was looked at last, and its times: those of one are asked for one after the other.
    bundle: Option<(u64, Vec<u64>)>,
}

impl Times<'_> {
    /// The entries between two timestamps, or behind the last one, if the first of them waited too long. The time that passed is told
    /// by the later timestamp and, behind the last one, by the last entry.
    async fn gap(
        &mut self,
        before: Option<Stamped>,
        after: Option<Stamped>,
        patience: u64,
    ) -> Result<Option<Gap>, LogCheckError> {
        let entry = before.map_or(0, |before| before.size);
        let end = after.map_or(self.size, |after| after.size);
        let (from, until) = (before.map(|before| before.time), after.map(|after| after.time));
        // An entry behind a timestamp is not older than it: most need not be looked at.
        let is_near = from.zip(until).is_some_and(|(from, until)| until.saturating_sub(from) <= patience);
        if entry >= end || is_near {
            return Ok(None);
        }
        let end_at = match until {
            Some(until) => until,
            None => self.logged_at(end - 1).await?,
        };
        let waited = end_at.saturating_sub(self.logged_at(entry).await?);
        Ok((waited > patience).then_some(Gap { from, until, entry, entries: end - entry }))
    }

    /// When an entry was logged, in seconds since 1970.
    async fn logged_at(&mut self, entry: u64) -> Result<u64, LogCheckError> {
        let width = u64::from(TILE_WIDTH);
        let number = entry / width;
        let times = match self.bundle.take().filter(|(at, _)| *at == number) {
            Some((_, times)) => times,
            None => self.read(number).await?,
        };
        // It was read before, as a part of the check.
        let logged = times.get((entry % width) as usize).copied().ok_or(LogCheckError::Stopped);
        self.bundle = Some((number, times));
        logged
    }

    async fn read(&self, number: u64) -> Result<Vec<u64>, LogCheckError> {
        let width = u64::from(TILE_WIDTH);
        let path = TilePath::new(TileContent::Entries, number, (self.size - number * width).min(width) as u16);
        let path = path.map_err(|_| LogCheckError::Stopped)?;
        let bytes = fetch_tile(self.source, path).await?;
        let entries = decode_bundle(&bytes, path.width()).map_err(|source| LogCheckError::Bundle { path, source })?;
        entries
            .into_iter()
            .map(|leaf| Leaf::parse(leaf).map(|leaf| leaf.ts() / 1000).map_err(|_| LogCheckError::Stopped))
            .collect()
    }
}
