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

use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::facts::{EntryFacts, EntryKind};
use saphan_schemas::log::{Checkpoint, SignedCheckpoint, VerifierKey, leaf_hash, verify_inclusion};
use serde::{Deserialize, Serialize};

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
    /// The place of the entry that says that this was asked.
    pub query: u64,
    /// How many entries the hub says it searched.
    pub indexed: u64,
    /// What was asked.
    pub filter: serde_json::Value,
    /// Rows that fit, as the hub says.
    pub rows: u64,
    /// Entries that others cite.
    pub supporting: u64,
    /// Rows whose acknowledgement names no log: it is of the hub's first log then, and the export does not show which one that is.
    pub unnamed: u64,
    /// The signed checkpoint, verbatim.
    pub checkpoint: String,
}

/// What an export says of itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    format: String,
    log: String,
    size: u64,
    checkpoint: String,
    query: u64,
    indexed: u64,
    filter: serde_json::Value,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    rows: u64,
    supporting: u64,
}

/// What an export says of an entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    index: u64,
    at: u64,
    kind: Option<String>,
    id: Option<String>,
    from: Option<String>,
    to: Option<String>,
    #[serde(rename = "type")]
    message_type: Option<String>,
    service: Option<String>,
    case: Option<String>,
    outcome: Option<String>,
    code: Option<String>,
    acknowledgement: Option<u64>,
    acknowledged_at: Option<u64>,
    erasure: Option<u64>,
}

/// A row with its proof.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Proven {
    row: Row,
    #[serde(default)]
    supports: bool,
    leaf: String,
    hash: Sha256Hash,
    proof: Vec<Sha256Hash>,
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
    filter: serde_json::Value,
    /// The place of the last row that fits.
    last: Option<u64>,
    /// What was cited lately: places, and what stands there.
    cited: VecDeque<(u64, EntryFacts)>,
    /// Rows whose acknowledgement names no log.
    unnamed: u64,
    seen: End,
}

impl Checking {
    fn take(&mut self, proven: Proven) -> Result<(), ExportFault> {
        let Proven { row, supports, leaf, hash, proof } = proven;
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
        if !fits(&self.filter, &row) {
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
            let empty = Row { index: row.index, at: row.at, ..Row::default() };
            return (*row != empty).then_some("kind");
        };
        let mut wanted = plain(row.index, facts);
        wanted.erasure = wanted.erasure.filter(|_| self.is_of_this_log(facts));
        let ends = facts.kind == EntryKind::Message && !supports;
        if ends && let Err(member) = self.end_of_the_message(row, facts, &mut wanted) {
            return Some(member);
        }
        first_difference(row, &wanted)
    }

    /// What acknowledgement and erasure say, as far as the row cites them.
    fn end_of_the_message(&self, row: &Row, facts: &EntryFacts, wanted: &mut Row) -> Result<(), &'static str> {
        if let Some(place) = row.acknowledgement {
            let cited = self.cited(place, "acknowledgement")?;
            let said = cited.acknowledged.iter().find(|said| said.index == row.index);
            let to = facts.to.as_ref().map(|to| to.as_str());
            let said =
                said.filter(|_| cited.from.as_deref() == to && self.is_of_this_log(cited)).ok_or("acknowledgement")?;
            wanted.outcome = Some(said.outcome.as_str().to_owned());
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

/// The row of an entry that says this, before any other entry says something about it.
fn plain(index: u64, facts: &EntryFacts) -> Row {
    Row {
        index,
        at: facts.at,
        kind: Some(facts.kind.to_string()),
        id: facts.id.map(|id| id.to_string()),
        from: facts.from.as_deref().map(str::to_owned),
        to: facts.to.as_ref().map(ToString::to_string),
        message_type: facts.message_type.as_ref().map(ToString::to_string),
        service: facts.service.as_ref().map(ToString::to_string),
        case: facts.case.map(|case| case.to_string()),
        outcome: (facts.kind == EntryKind::Message).then(|| "unacknowledged".to_owned()),
        code: facts.code.as_ref().map(ToString::to_string),
        acknowledgement: None,
        acknowledged_at: None,
        erasure: facts.erases,
    }
}

fn first_difference(row: &Row, wanted: &Row) -> Option<&'static str> {
    let differs = [
        ("at", row.at != wanted.at),
        ("kind", row.kind != wanted.kind),
        ("id", row.id != wanted.id),
        ("from", row.from != wanted.from),
        ("to", row.to != wanted.to),
        ("type", row.message_type != wanted.message_type),
        ("service", row.service != wanted.service),
        ("case", row.case != wanted.case),
        ("outcome", row.outcome != wanted.outcome),
        ("code", row.code != wanted.code),
        ("acknowledgement", row.acknowledgement != wanted.acknowledgement),
        ("acknowledged_at", row.acknowledged_at != wanted.acknowledged_at),
        ("erasure", row.erasure != wanted.erasure),
    ];
    differs.into_iter().find_map(|(member, differs)| differs.then_some(member))
}

/// Whether a row is what was asked for. A member that is not known here is not fulfilled.
fn fits(filter: &serde_json::Value, row: &Row) -> bool {
    let Some(filter) = filter.as_object() else { return false };
    filter.iter().all(|(member, wanted)| {
        let is = |found: &Option<String>| found.as_deref() == wanted.as_str();
        let is_of = |system: &Option<String>| {
            let member = system.as_deref().and_then(|system| system.split_once('/')).map(|(member, _)| member);
            member == wanted.as_str() && member.is_some()
        };
        match member.as_str() {
            _ if wanted.is_null() => true,
            "member" => is_of(&row.from) || is_of(&row.to),
            "system" => is(&row.from) || is(&row.to),
            "from" => is(&row.from),
            "to" => is(&row.to),
            "type" => is(&row.message_type),
            "service" => is(&row.service),
            "case" => is(&row.case),
            "kind" => is(&row.kind),
            "outcome" => is(&row.outcome),
            "code" => is(&row.code),
            "since" => wanted.as_u64().is_some_and(|since| row.at >= since),
            "until" => wanted.as_u64().is_some_and(|until| row.at < until),
            _ => false,
        }
    })
}

const FORMAT: &str = "saphan-audit-export-1";
/// More than a hub leaves between an entry and what cites it.
const REMEMBERED: usize = 1024;
