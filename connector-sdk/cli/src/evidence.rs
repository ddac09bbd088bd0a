//! Making evidence bundles ([`EvidenceBundle`]) from the logs of a hub.
//!
//! In reading order:
//!
//! - `logs`: the hub's logs, one after the other, each with the checkpoint that its proofs lead to;
//! - `gather`: the entries of the logs that may matter, in one pass;
//! - `concerns`: which entries of the registry say who could send a message, with which key, under which agreement.

mod concerns;
mod gather;
mod logs;

use std::fmt;

use saphan_schemas::catalogue::Catalogue;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::evidence_bundle::{
    BundleFault, BundledEntry, BundledMessage, BundledTimestamp, EarlierLog, EvidenceBundle, Format, Proven,
};
use saphan_schemas::ids::{CaseId, MessageId};
use saphan_schemas::log::{ProofPlan, SignedCheckpoint, VerifierKey};
use saphan_schemas::message::MessageFile;
use saphan_schemas::receipt::UnverifiedReceipt;

use crate::log_check::hashes::Hashes;
use crate::log_check::{LogCheckError, LogSource};
use crate::timestamps::for_bundle;
use concerns::Concerns;
use gather::{Gathered, gather};
use logs::Logs;

/// Which messages are to be proven.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// By their ids. Two senders may use one id; then both are meant.
    pub ids: Vec<MessageId>,
    /// By where they stand.
    pub entries: Vec<EntryName>,
    /// All of a case.
    pub cases: Vec<CaseId>,
    /// By their files, which bring what the log does not hold: receipt, salt and body.
    pub files: Vec<MessageFile>,
    /// Whether salts and bodies stay out.
    pub without_bodies: bool,
}

/// What an entry is called: an index in one of the hub's logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryName {
    /// Which log.
    pub log: LogName,
    /// The index in it.
    pub index: u64,
}

/// What one of a hub's logs is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogName {
    /// The one that was given.
    Given,
    /// By the name of its shard.
    Shard(String),
    /// By its origin.
    Origin(String),
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at place {}", self.index)?;
        match &self.log {
            LogName::Given => Ok(()),
            LogName::Shard(name) | LogName::Origin(name) => write!(f, " of {name}"),
        }
    }
}

/// A bundle could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// A log could not be read.
    #[error(transparent)]
    Log(#[from] LogCheckError),
    /// The logs have no such message.
    #[error("the log has no message {0}")]
    NotThere(String),
    /// The entry is one that the hub lost with an abandoned log.
    #[error("the entry {0} is in the part of its log that the hub has lost; {1} entries of that log are left")]
    Lost(EntryName, u64),
    /// A file is not that of a message.
    #[error("a message's file has no receipt that can be read")]
    NoReceipt,
    /// Too many for one file.
    #[error("these are {found} messages; a bundle has at most {most}")]
    TooMany {
        /// How many there are.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// What was put together does not hold.
    #[error("the bundle does not hold: {0}")]
    Fault(#[from] BundleFault),
}

/// What a bundle has of one log.
struct Part {
    checkpoint: String,
    entries: Vec<BundledEntry>,
    timestamps: Vec<BundledTimestamp>,
}

/// Makes a bundle from a log that was checked up to this checkpoint, with the hub's logs before it, and verifies it. Messages of all of
/// these logs can be proven.
///
/// # Errors
/// [`EvidenceError`].
pub async fn make(
    source: &dyn LogSource,
    checkpoint: &SignedCheckpoint,
    vkey: &VerifierKey,
    wanted: &Wanted,
) -> Result<(EvidenceBundle, Proven), EvidenceError> {
    let logs = Logs::find(source, checkpoint).await?;
    let gathered = gather(&logs, wanted).await?;
    complain(wanted, &logs, &gathered)?;
    let mut parts = parts(&logs, &gathered).await?;
    let Part { checkpoint, entries, timestamps } = parts.pop().ok_or(LogCheckError::Stopped)?;
    let earlier = |part: Part| {
        let Part { checkpoint, entries, timestamps } = part;
        EarlierLog { checkpoint, entries, timestamps }
    };
    let bundle = EvidenceBundle {
        format: Format::V1,
        earlier: parts.into_iter().map(earlier).collect(),
        checkpoint,
        entries,
        messages: gathered.messages.iter().map(|message| bundled(message.place, &logs, wanted)).collect(),
        schemas: schemas(gathered.messages.iter().map(|message| message.schema.sha256)),
        timestamps,
    };
    let proven = bundle.verify(vkey)?;
    Ok((bundle, proven))
}

/// The entries that matter, each with its proof, and the timestamps, log by log.
async fn parts(logs: &Logs<'_>, gathered: &Gathered) -> Result<Vec<Part>, LogCheckError> {
    let leaves = Concerns::of(gathered).leaves(gathered);
    let mut parts = Vec::new();
    // What no timestamp of its own log covers, one of a later log does.
    let mut uncovered: Vec<u64> = Vec::new();
    for log in logs.all() {
        let checkpoint = log.signed.checkpoint();
        let size = checkpoint.size;
        let mut hashes = Hashes::new(log.source(), size);
        let mut entries = Vec::new();
        for (place, leaf) in leaves.range(log.places()) {
            let index = place - log.first;
            let plan = ProofPlan::inclusion(index, size).map_err(|_| LogCheckError::Stopped)?;
            entries.push(BundledEntry { index, leaf: (*leaf).to_owned(), proof: hashes.prove(&plan).await? });
        }
        let of_this_log = gathered.messages.iter().map(|message| message.place);
        uncovered.extend(of_this_log.filter(|place| log.places().contains(place)));
        let indices = uncovered.iter().map(|place| place.saturating_sub(log.first));
        let timestamps = for_bundle(log.source(), checkpoint, &mut hashes, indices).await?;
        let stamped = timestamps.last().map_or(0, |stamp| log.first + stamp.size);
        uncovered.retain(|place| *place >= stamped);
        parts.push(Part { checkpoint: log.signed.text().to_owned(), entries, timestamps });
    }
    Ok(parts)
}

/// That everything that was asked for was found.
fn complain(wanted: &Wanted, logs: &Logs<'_>, gathered: &Gathered) -> Result<(), EvidenceError> {
    let found = &gathered.messages;
    if found.len() > MOST_MESSAGES {
        return Err(EvidenceError::TooMany { found: found.len(), most: MOST_MESSAGES });
    }
    let is_there = |name: &EntryName| {
        let place = logs.place_of(name);
        found.iter().any(|message| Some(message.place) == place)
    };
    if let Some((name, left)) = wanted.entries.iter().find_map(|name| Some((name, logs.left_without(name)?))) {
        return Err(EvidenceError::Lost(name.clone(), left));
    }
    let id = wanted.ids.iter().find(|id| found.iter().all(|message| message.claims.jti != **id));
    let entry = wanted.entries.iter().find(|name| !is_there(name));
    let case = wanted.cases.iter().find(|case| found.iter().all(|message| message.claims.case != Some(**case)));
    let missing = id.map(ToString::to_string).or_else(|| entry.map(ToString::to_string));
    match missing.or_else(|| case.map(|case| format!("of the case {case}"))) {
        Some(missing) => Err(EvidenceError::NotThere(missing + &logs.lost())),
        None => Ok(()),
    }
}

/// A message with what its file says.
fn bundled(place: u64, logs: &Logs<'_>, wanted: &Wanted) -> BundledMessage {
    let (log, index) = logs.name_of(place);
    let message = BundledMessage::new(log, index);
    let is_its = |file: &&MessageFile| name(file).and_then(|name| logs.place_of(&name)) == Some(place);
    let Some(file) = wanted.files.iter().find(is_its) else { return message };
    let message = message.with_receipt(file.receipt.clone());
    match file.opened() {
        Ok(Some((salt, body))) if !wanted.without_bodies => message.with_body(&salt, &body),
        _ => message,
    }
}

/// The entry that a file's receipt names.
#[must_use]
pub fn name(file: &MessageFile) -> Option<EntryName> {
    let receipt = UnverifiedReceipt::parse(&file.receipt).ok()?;
    let claims = receipt.claims();
    Some(EntryName { log: LogName::Origin(claims.log.clone()), index: claims.index })
}

/// The texts that this program has; others are at the hub.
fn schemas(hashes: impl Iterator<Item = Sha256Hash>) -> Vec<String> {
    let mut hashes: Vec<Sha256Hash> = hashes.collect();
    hashes.sort_unstable();
    hashes.dedup();
    let Ok(catalogue) = Catalogue::embedded() else { return Vec::new() };
    catalogue.schemas().filter(|text| hashes.contains(&text.sha256)).map(|text| text.text.to_string()).collect()
}

/// The most messages in one bundle.
pub const MOST_MESSAGES: usize = 1000;
