//! How one log of a bundle follows from the one before.

use super::{BundleFault, EntryFault, Fold, Part, Parts, in_entry, read};
use crate::leaf::{Leaf, ShardEvent};
use crate::log::VerifierKey;
use crate::registry::HubKeyRecord;
use crate::succession::{After, Before, NotNext, Opening};

impl Fold<'_> {
    /// The entry that opens a later log: it goes on from the one before.
    pub(super) fn follow(&mut self, number: usize) -> Result<(), BundleFault> {
        let (part, last) = (self.parts.at(number), self.parts.at(number - 1));
        let (ts, opening) = opening(self.parts, number)?;
        // Of a log that was abandoned nobody has the end.
        if matches!(opening.after, After::Closed(_)) && !last.has_its_last() {
            return Err(BundleFault::NotEnded { log: last.checkpoint.origin.clone() });
        }
        let fault = |fault| in_entry(self.parts, part, 0, fault);
        if ts < self.ts {
            return Err(fault(EntryFault::Misplaced));
        }
        if self.parts.place_of(Some(&part.checkpoint.origin), 0, number).is_some() {
            return Err(fault(NotNext::Again.into()));
        }
        let next = self.next.take();
        let before = Before { next: next.as_deref(), last: Some(&last.checkpoint) };
        let lost = opening.follow(before, &mut self.registry, part.first, ts / 1000);
        self.abandoned.extend(lost.map_err(|not_next| fault(not_next.into()))?);
        self.opened = number + 1;
        self.taken.insert(part.first);
        self.ts = ts;
        Ok(())
    }

    /// That the key which signed the checkpoint was the log's when it had this size.
    pub(super) fn end(&self, part: &Part<'_>, vkey: &VerifierKey) -> Result<(), BundleFault> {
        // A key that was revoked is good for trees that end before that.
        let stood = |record: &HubKeyRecord<VerifierKey>| {
            record.index.is_none_or(|added| added < part.end())
                && record.revoked.is_none_or(|end| part.end() <= end.index)
        };
        let mut records = self.registry.log_keys().all().filter(|record| record.key.name() == part.checkpoint.origin);
        let is_good = if vkey.name() == part.checkpoint.origin {
            records.find(|record| record.key == *vkey).is_none_or(stood)
        } else {
            records.any(|record| stood(record) && part.is_signed_by(&record.key))
        };
        let log = || part.checkpoint.origin.clone();
        if is_good { Ok(()) } else { Err(BundleFault::CheckpointKeyRevoked { log: log() }) }
    }
}

/// What the first entry of a log says, and when. Only the hub's first log has none before it.
pub(super) fn opening(parts: &Parts<'_>, number: usize) -> Result<(u64, Opening), BundleFault> {
    let part = parts.at(number);
    let first = part.entries.first().filter(|entry| entry.index == 0).ok_or(BundleFault::NotOpened)?;
    let fault = |fault| in_entry(parts, part, 0, fault);
    let Leaf::Shard { ts, event } = read(first, &part.checkpoint).map_err(fault)? else {
        return Err(BundleFault::NotOpened);
    };
    if !matches!(&event, ShardEvent::Opened { origin, .. } if *origin == part.checkpoint.origin) {
        return Err(BundleFault::NotOpened);
    }
    if !event.names_fit() {
        return Err(fault(EntryFault::OtherNames));
    }
    let is_in_place = |opening: &Opening| (opening.after == After::Nothing) == (number == 0);
    Opening::of(event).filter(is_in_place).map(|opening| (ts, opening)).ok_or(BundleFault::NotOpened)
}
