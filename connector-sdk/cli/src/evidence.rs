//! Making evidence bundles ([`EvidenceBundle`]) from a log.
//!
//! In reading order:
//!
//! - `gather`: the entries of the log that may matter, in one pass;
//! - `concerns`: which entries of the registry say who could send a message, with which key, under which agreement.

mod concerns;
mod gather;

use saphan_schemas::catalogue::Catalogue;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::evidence_bundle::{BundleFault, BundledEntry, BundledMessage, EvidenceBundle, Format, Proven};
use saphan_schemas::ids::{CaseId, MessageId};
use saphan_schemas::log::{ProofPlan, SignedCheckpoint, VerifierKey};
use saphan_schemas::message::MessageFile;
use saphan_schemas::receipt::UnverifiedReceipt;

use crate::log_check::hashes::Hashes;
use crate::log_check::{LogCheckError, LogSource};
use crate::timestamps::for_bundle;
use concerns::Concerns;
use gather::{Gathered, gather};

/// Which messages are to be proven.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// By their ids. Two senders may use one id; then both are meant.
    pub ids: Vec<MessageId>,
    /// By their places in the log.
    pub places: Vec<u64>,
    /// All of a case.
    pub cases: Vec<CaseId>,
    /// By their files, which bring what the log does not hold: receipt, salt and body.
    pub files: Vec<MessageFile>,
    /// Whether salts and bodies stay out.
    pub without_bodies: bool,
}

/// A bundle could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] LogCheckError),
    /// The log has no such message.
    #[error("the log has no message {0}")]
    NotThere(String),
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

/// Makes a bundle from a log that was checked up to this checkpoint, and verifies it.
///
/// # Errors
/// [`EvidenceError`].
pub async fn make(
    source: &dyn LogSource,
    checkpoint: &SignedCheckpoint,
    vkey: &VerifierKey,
    wanted: &Wanted,
) -> Result<(EvidenceBundle, Proven), EvidenceError> {
    let size = checkpoint.checkpoint().size;
    let gathered = gather(source, size, wanted).await?;
    complain(wanted, &gathered)?;
    let leaves = Concerns::of(&gathered).leaves(&gathered);
    let mut hashes = Hashes::new(source, size);
    let mut entries = Vec::with_capacity(leaves.len());
    for (index, leaf) in leaves {
        let plan = ProofPlan::inclusion(index, size).map_err(|_| LogCheckError::Stopped)?;
        entries.push(BundledEntry { index, leaf: leaf.to_owned(), proof: hashes.prove(&plan).await? });
    }
    let places = gathered.messages.iter().map(|message| message.index);
    let timestamps = for_bundle(source, checkpoint.checkpoint(), &mut hashes, places).await?;
    let messages = gathered.messages.iter().map(|message| bundled(message.index, wanted)).collect();
    let bundle = EvidenceBundle {
        format: Format::V1,
        checkpoint: checkpoint.text().to_owned(),
        entries,
        messages,
        schemas: schemas(gathered.messages.iter().map(|message| message.schema.sha256)),
        timestamps,
    };
    let proven = bundle.verify(vkey)?;
    Ok((bundle, proven))
}

/// That everything that was asked for was found.
fn complain(wanted: &Wanted, gathered: &Gathered) -> Result<(), EvidenceError> {
    let found = &gathered.messages;
    if found.len() > MOST_MESSAGES {
        return Err(EvidenceError::TooMany { found: found.len(), most: MOST_MESSAGES });
    }
    let id = wanted.ids.iter().find(|id| found.iter().all(|message| message.claims.jti != **id));
    let place = wanted.places.iter().find(|place| found.iter().all(|message| message.index != **place));
    let case = wanted.cases.iter().find(|case| found.iter().all(|message| message.claims.case != Some(**case)));
    let missing = id.map(ToString::to_string);
    let missing = missing.or_else(|| place.map(|place| format!("at place {place}")));
    match missing.or_else(|| case.map(|case| format!("of the case {case}"))) {
        Some(missing) => Err(EvidenceError::NotThere(missing)),
        None => Ok(()),
    }
}

/// A message with what its file says.
fn bundled(index: u64, wanted: &Wanted) -> BundledMessage {
    let message = BundledMessage::new(index);
    let file = wanted.files.iter().find(|file| place(file) == Some(index));
    let Some(file) = file else { return message };
    let message = message.with_receipt(file.receipt.clone());
    match file.opened() {
        Ok(Some((salt, body))) if !wanted.without_bodies => message.with_body(&salt, &body),
        _ => message,
    }
}

/// The place that a file's receipt names.
#[must_use]
pub fn place(file: &MessageFile) -> Option<u64> {
    UnverifiedReceipt::parse(&file.receipt).ok().map(|receipt| receipt.claims().index)
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
