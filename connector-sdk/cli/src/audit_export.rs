//! Exports of an auditor's search, verified line by line with the log's key and nothing else.
//!
//! Each row brings the exact leaf, and the proof that it stands at its place in the log of the one checkpoint that the export
//! states. Everything that the row says is read from the leaf again. What a row says of its message's end stands in another
//! leaf, which the export brings before it.

mod csv;
mod fault;
mod lines;

use std::collections::VecDeque;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use saphan_schemas::acknowledgement::Outcome;
use saphan_schemas::audit::{End, FORMAT, Fate, Filter, ProvenRow, Row};
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::facts::{EntryFacts, EntryKind};
use saphan_schemas::log::{Checkpoint, SignedCheckpoint, VerifierKey, leaf_hash, verify_inclusion};
use serde::Serialize;

pub use fault::{ExportError, ExportFault};
use lines::{Line, Lines};

/// An export of which everything holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The log's name.
    pub log: String,
    /// The number of entries that the checkpoint speaks of.
    pub size: u64,
    /// The root that it signs.
    pub root: Sha256Hash,
    /// The index of the entry that says that this was asked.
    pub query: u64,
    /// The origin of that entry's log, if it is a later one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_log: Option<String>,
    /// How many entries the hub says it searched.
    pub indexed: u64,
    /// What was asked.
    pub filter: Filter,
    /// Rows that fit, as the hub says.
    pub rows: u64,
    /// Entries that others cite.
    pub supporting: u64,
    /// Rows whose acknowledgement names no log: it is of the hub's first log then, and the export does not show which one that is.
    pub unnamed: u64,
    /// The signed checkpoint, verbatim.
    pub checkpoint: String,
}

/// Verifies an export, JSON Lines or CSV by the name's ending, with keys of the log of which any may have signed the checkpoint.
///
/// # Errors
/// [`ExportError`]: what does not hold, or that the file cannot be read.
pub fn verify(path: &Path, key: &VerifierKey, more: &[VerifierKey]) -> Result<Report, ExportError> {
    let mut lines = Lines::new(BufReader::new(File::open(path)?), path);
    let head = match lines.next()? {
        Some(Line::Head(head)) if head.format == FORMAT => head,
        Some(Line::Head(head)) => return Err(lines.fault(ExportFault::Format { found: head.format })),
        _ => return Err(lines.fault(ExportFault::NoHead)),
    };
    let signed = SignedCheckpoint::parse_and_verify_any(&head.checkpoint, key, more);
    let checkpoint = signed.map_err(|error| lines.fault(ExportFault::Checkpoint(error)))?.into_checkpoint();
    if (checkpoint.size, &checkpoint.origin) != (head.size, &head.log) {
        return Err(lines.fault(ExportFault::OtherCheckpoint));
    }
    let filter = head.filter.clone();
    let mut checking =
        Checking { checkpoint, filter, last: None, cited: VecDeque::new(), unnamed: 0, seen: End::default() };
    loop {
        match lines.next()? {
            Some(Line::Row(proven)) => checking.take(*proven).map_err(|fault| lines.fault(fault))?,
            Some(Line::End(end)) if end == checking.seen => break,
            Some(Line::End(_)) => return Err(lines.fault(ExportFault::WrongCount)),
            Some(Line::Head(_)) => return Err(lines.fault(ExportFault::Format { found: "a second head".into() })),
            None => return Err(lines.fault(ExportFault::CutOff)),
        }
    }
    if lines.next()?.is_some() {
        return Err(lines.fault(ExportFault::AfterTheEnd));
    }
    let Checking { checkpoint, seen, unnamed, .. } = checking;
    Ok(Report {
        log: head.log,
        size: head.size,
        root: checkpoint.root,
        query: head.query,
        query_log: head.query_log,
        indexed: head.indexed,
        filter: head.filter,
        rows: seen.rows,
        supporting: seen.supporting,
        unnamed,
        checkpoint: head.checkpoint,
    })
}

struct Checking {
    checkpoint: Checkpoint,
    filter: Filter,
    /// The place of the last row that fits.
    last: Option<u64>,
    /// What was cited lately: places, and what stands there.
    cited: VecDeque<(u64, EntryFacts)>,
    /// Rows whose acknowledgement names no log.
    unnamed: u64,
    seen: End,
}

impl Checking {
    fn take(&mut self, proven: ProvenRow) -> Result<(), ExportFault> {
        let ProvenRow { row, supports, leaf, hash, proof } = proven;
        let index = row.index;
        if leaf_hash(leaf.as_bytes()) != hash {
            return Err(ExportFault::Leaf { index });
        }
        verify_inclusion(hash, index, self.checkpoint.size, &proof, self.checkpoint.root)
            .map_err(|_| ExportFault::Proof { index })?;
        let facts = EntryFacts::read(leaf.as_bytes());
        if let Some(member) = self.unlike(&row, supports, facts.as_ref()) {
            return Err(ExportFault::Row { index, member });
        }
        if supports {
            self.seen.supporting += 1;
            self.cited.extend(facts.map(|facts| (index, facts)));
            while self.cited.len() > REMEMBERED {
                self.cited.pop_front();
            }
            return Ok(());
        }
        if self.last.is_some_and(|last| index >= last) {
            return Err(ExportFault::Order { index });
        }
        if !self.filter.fits(&row) {
            return Err(ExportFault::NotAskedFor { index });
        }
        let names_no_log = |place: u64| self.cited(place, "acknowledgement").is_ok_and(|facts| facts.log.is_none());
        self.unnamed += u64::from(row.acknowledgement.is_some_and(names_no_log));
        self.last = Some(index);
        self.seen.rows += 1;
        Ok(())
    }

    /// The first thing that a row says otherwise than its leaf, and those it cites.
    fn unlike(&self, row: &Row, supports: bool, facts: Option<&EntryFacts>) -> Option<&'static str> {
        let Some(facts) = facts else {
            // An entry that cannot be read says nothing, and has the time of the one before it.
            return (*row != Row::empty(row.index, row.at)).then_some("kind");
        };
        let mut wanted = Row::new(row.index, facts);
        wanted.erasure_log = wanted.erasure_log.filter(|_| !self.is_of_this_log(facts));
        let mut wanted = wanted.of_one_log();
        let ends = facts.kind == EntryKind::Message && !supports;
        if ends && let Err(member) = self.end_of_the_message(row, facts, &mut wanted) {
            return Some(member);
        }
        row.first_difference(&wanted)
    }

    /// What acknowledgement and erasure say, as far as the row cites them.
    fn end_of_the_message(&self, row: &Row, facts: &EntryFacts, wanted: &mut Row) -> Result<(), &'static str> {
        if let Some(place) = row.acknowledgement {
            let cited = self.cited(place, "acknowledgement")?;
            let said = cited.acknowledged.iter().find(|said| said.index == row.index);
            let to = facts.to.as_ref().map(|to| to.as_str());
            let said =
                said.filter(|_| cited.from.as_deref() == to && self.is_of_this_log(cited)).ok_or("acknowledgement")?;
            wanted.outcome = Some(fate(said.outcome));
            wanted.code = said.code.as_ref().map(ToString::to_string);
            (wanted.acknowledgement, wanted.acknowledged_at) = (Some(place), Some(cited.at));
        }
        if let Some(place) = row.erasure {
            let cited = self.cited(place, "erasure")?;
            wanted.erasure = (cited.erases == Some(row.index) && self.is_of_this_log(cited)).then_some(place);
        }
        Ok(())
    }

    /// Whether what an entry says is about messages of the log that it stands in: a hub has one log after the other.
    fn is_of_this_log(&self, facts: &EntryFacts) -> bool {
        facts.log.as_deref().is_none_or(|log| log == self.checkpoint.origin)
    }

    fn cited(&self, place: u64, member: &'static str) -> Result<&EntryFacts, &'static str> {
        self.cited.iter().rev().find(|(at, _)| *at == place).map(|(_, facts)| facts).ok_or(member)
    }
}

const fn fate(outcome: Outcome) -> Fate {
    match outcome {
        Outcome::Processed => Fate::Processed,
        Outcome::Rejected => Fate::Rejected,
    }
}

/// More than a hub leaves between an entry and what cites it.
const REMEMBERED: usize = 1024;
