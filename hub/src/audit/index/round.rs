//! What some entries of the log come to. Nothing here reads or writes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use saphan_schemas::acknowledgement::Outcome;
use saphan_schemas::facts::{EntryFacts, EntryKind};
use saphan_schemas::ids::{CaseId, MessageId, SystemId};

use super::tally::{Tally, What, step};
use super::term::{self, Role, fate_number, kind_number};
use super::{BLOCK, Entry};
use crate::audit::Fate;

/// A row to be.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) index: u64,
    pub(super) at: u64,
    pub(super) kind: i64,
    pub(super) id: Option<[u8; 16]>,
    pub(super) sender: Option<i64>,
    pub(super) recipient: Option<i64>,
    pub(super) message_type: Option<i64>,
    pub(super) service: Option<i64>,
    pub(super) case: Option<[u8; 16]>,
    pub(super) outcome: Option<i64>,
    pub(super) code: Option<i64>,
    pub(super) acknowledgement: Option<u64>,
    pub(super) acknowledged: Option<u64>,
    pub(super) erasure: Option<u64>,
}

/// What an acknowledgement says of one message.
pub(super) struct Said {
    pub(super) message: u64,
    pub(super) fate: Fate,
    pub(super) code: Option<i64>,
    pub(super) acknowledgement: u64,
    pub(super) at: u64,
}

/// A round: what some entries come to.
#[derive(Default)]
pub(super) struct Round {
    pub(super) first: u64,
    pub(super) rows: Vec<Row>,
    pub(super) terms: BTreeSet<(i64, u64)>,
    pub(super) tally: Tally,
    /// Of messages before this round.
    pub(super) said: Vec<Said>,
    /// Messages before this round whose bodies were erased, with the places of the erasures.
    pub(super) erased: BTreeMap<u64, u64>,
}

pub(super) fn names_of(facts: &EntryFacts, mut tell: impl FnMut(&str)) {
    let EntryFacts { from, to, message_type, service, code, .. } = facts;
    for system in from.as_deref().into_iter().chain(to.as_ref().map(SystemId::as_str)) {
        tell(system);
        tell(member(system));
    }
    message_type.iter().for_each(|name| tell(name.as_str()));
    service.iter().for_each(|name| tell(name.as_str()));
    code.iter().for_each(|name| tell(name.as_str()));
    facts.acknowledged.iter().filter_map(|one| one.code.as_ref()).for_each(|code| tell(code.as_str()));
}

/// The member of a system; the hub, for its operator.
fn member(system: &str) -> &str {
    system.split_once('/').map_or(system, |(member, _)| member)
}

pub(super) fn round(first: u64, entries: &[Entry], names: &HashMap<Box<str>, i64>, last_at: &mut u64) -> Round {
    let mut round = Round { first, ..Round::default() };
    let number = |name: &str| names.get(name).copied();
    for (index, entry) in (first..).zip(entries) {
        let Some(facts) = &entry.facts else {
            round.rows.push(Row { index, at: *last_at, ..Row::default() });
            continue;
        };
        *last_at = facts.at;
        round.rows.push(row(index, facts, number));
        round.count(facts, number);
        round.consequences(index, facts, number);
    }
    round.list(entries, number);
    round
}

fn row(index: u64, facts: &EntryFacts, number: impl Fn(&str) -> Option<i64>) -> Row {
    Row {
        index,
        at: facts.at,
        kind: kind_number(facts.kind),
        id: facts.id.map(MessageId::to_bytes),
        sender: facts.from.as_deref().and_then(&number),
        recipient: facts.to.as_ref().and_then(|name| number(name.as_str())),
        message_type: facts.message_type.as_ref().and_then(|name| number(name.as_str())),
        service: facts.service.as_ref().and_then(|name| number(name.as_str())),
        case: facts.case.map(CaseId::to_bytes),
        outcome: (facts.kind == EntryKind::Message).then(|| fate_number(Fate::Unacknowledged)),
        code: facts.code.as_ref().and_then(|name| number(name.as_str())),
        erasure: facts.erases,
        ..Row::default()
    }
}

impl Round {
    fn count(&mut self, facts: &EntryFacts, number: impl Fn(&str) -> Option<i64>) {
        match facts.kind {
            EntryKind::Message => self.tally.count(facts.at, What::Accepted, 0),
            EntryKind::Refusal => {
                let code = facts.code.as_ref().and_then(|code| number(code.as_str()));
                self.tally.count(facts.at, What::Refused, code.unwrap_or(0));
            }
            _ => {}
        }
    }

    /// What an entry says of messages before it: in this round at once, before it later.
    fn consequences(&mut self, index: u64, facts: &EntryFacts, number: impl Fn(&str) -> Option<i64>) {
        for one in &facts.acknowledged {
            let fate = match one.outcome {
                Outcome::Processed => Fate::Processed,
                Outcome::Rejected => Fate::Rejected,
            };
            let code = one.code.as_ref().and_then(|code| number(code.as_str()));
            let said = Said { message: one.index, fate, code, acknowledgement: index, at: facts.at };
            match self.place(one.index) {
                Some(place) => self.settle(place, &said),
                None => self.said.push(said),
            }
        }
        if let Some(message) = facts.erases {
            match self.place(message) {
                // A body is erased once.
                Some(place) => drop(self.rows[place].erasure.get_or_insert(index)),
                None => drop(self.erased.entry(message).or_insert(index)),
            }
        }
    }

    /// Where a message of this round is in `rows`.
    fn place(&self, message: u64) -> Option<usize> {
        let place = usize::try_from(message.checked_sub(self.first)?).ok()?;
        (place < self.rows.len()).then_some(place)
    }

    /// The first acknowledgement counts, as it does for the ledger.
    fn settle(&mut self, place: usize, said: &Said) {
        let row = &mut self.rows[place];
        if row.outcome != Some(fate_number(Fate::Unacknowledged)) {
            return;
        }
        row.outcome = Some(fate_number(said.fate));
        row.code = said.code;
        row.acknowledgement = Some(said.acknowledgement);
        row.acknowledged = Some(said.at);
        let accepted = row.at;
        self.settled(said, accepted);
    }

    /// Counts a message that was settled, and that was accepted at this time (ms).
    pub(super) fn settled(&mut self, said: &Said, accepted: u64) {
        let (what, which) = match said.fate {
            Fate::Rejected => (What::Rejected, said.code.unwrap_or(0)),
            _ => (What::Processed, 0),
        };
        self.tally.count(said.at, what, which);
        self.tally.count(said.at, What::Took, step(said.at.saturating_sub(accepted)));
    }

    /// Lists the blocks of this round under the terms of their rows.
    fn list(&mut self, entries: &[Entry], number: impl Fn(&str) -> Option<i64>) {
        for (row, entry) in self.rows.iter().zip(entries) {
            let Some(facts) = &entry.facts else { continue };
            let block = row.index / BLOCK;
            let mut list = |term: Option<i64>| self.terms.extend(term.map(|term| (term, block)));
            let named = |role: Role, name: Option<i64>| name.map(|name| term::named(role, name));
            list(Some(term::kind(facts.kind)));
            list(row.outcome.and_then(term::fate_of).map(term::fate));
            list(named(Role::From, row.sender));
            list(named(Role::To, row.recipient));
            list(named(Role::Party, row.sender));
            list(named(Role::Party, row.recipient));
            list(named(Role::Type, row.message_type));
            list(named(Role::Service, row.service));
            list(named(Role::Code, row.code));
            for system in facts.from.as_deref().into_iter().chain(facts.to.as_ref().map(SystemId::as_str)) {
                list(named(Role::Member, number(member(system))));
            }
        }
    }
}
