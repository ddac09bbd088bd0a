//! How one log of a bundle follows from the one before.

use super::{BundleFault, BundledEntry, EntryFault, Fold, Part, Parts, in_entry, read};
use crate::leaf::{Leaf, ShardEvent};
use crate::log::{Checkpoint, SignedCheckpoint, VerifierKey};
use crate::registry::{HubKeyRecord, Root};

impl Fold<'_> {
    /// The entry that opens a later log: it goes on from the one before, in which the registry has the keys that it names.
    pub(super) fn follow(&mut self, number: usize) -> Result<(), BundleFault> {
        let (part, last) = (self.parts.at(number), self.parts.at(number - 1));
        let (ts, root, previous) = opening(self.parts, number)?;
        let previous = previous.ok_or(BundleFault::NotOpened)?;
        let fault = |fault| in_entry(self.parts, part, 0, fault);
        if ts < self.ts {
            return Err(fault(EntryFault::Misplaced));
        }
        let is_new = self.parts.place_of(Some(&part.checkpoint.origin), 0, number).is_none();
        if !is_new || self.next.take().as_ref() != Some(&part.checkpoint.origin) {
            return Err(fault(EntryFault::NotClosed));
        }
        if !self.has(&root) {
            return Err(fault(EntryFault::OtherRoot));
        }
        self.must_be_last(&previous, &last.checkpoint).map_err(fault)?;
        self.opened = number + 1;
        self.taken.insert(part.first);
        self.ts = ts;
        Ok(())
    }

    /// Whether these are keys of the hub that stand.
    fn has(&self, root: &Root) -> bool {
        let registry = &self.registry;
        *registry.hub() == root.hub
            && registry.operator_keys().standing().any(|key| *key == root.operator)
            && registry.receipt_keys().standing().any(|key| *key == root.receipts)
            && registry.log_keys().standing().any(|key| *key == root.log)
    }

    fn must_be_last(&self, signed: &str, last: &Checkpoint) -> Result<(), EntryFault> {
        let keys: Vec<VerifierKey> = self.registry.keys_of_log(&last.origin).cloned().collect();
        let (key, more) = keys.split_first().ok_or(EntryFault::PreviousNotSigned)?;
        let said = SignedCheckpoint::parse_and_verify_any(signed, key, more);
        let said = said.map_err(|_| EntryFault::PreviousNotSigned)?.into_checkpoint();
        let is_it = (said.size, said.root) == (last.size, last.root);
        if is_it { Ok(()) } else { Err(EntryFault::OtherPrevious) }
    }

    /// That a log ends where the next begins, and that a key signed its checkpoint that stood at its size.
    pub(super) fn end(&self, part: &Part<'_>, vkey: &VerifierKey) -> Result<(), BundleFault> {
        let log = || part.checkpoint.origin.clone();
        let is_last = |entry: &BundledEntry| entry.index + 1 == part.checkpoint.size;
        if self.opened <= self.parts.last() && !part.entries.last().is_some_and(is_last) {
            return Err(BundleFault::NotEnded { log: log() });
        }
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
        if is_good { Ok(()) } else { Err(BundleFault::CheckpointKeyRevoked { log: log() }) }
    }
}

/// What the first entry of a log says: its time, its keys, and the last checkpoint of the log before.
pub(super) fn opening(parts: &Parts<'_>, number: usize) -> Result<(u64, Root, Option<String>), BundleFault> {
    let part = parts.at(number);
    let first = part.entries.first().filter(|entry| entry.index == 0).ok_or(BundleFault::NotOpened)?;
    let leaf = read(first, &part.checkpoint).map_err(|fault| in_entry(parts, part, 0, fault))?;
    let is_of_log =
        |event: &ShardEvent| matches!(event, ShardEvent::Opened { origin, .. } if *origin == part.checkpoint.origin);
    match leaf {
        Leaf::Shard { event: ShardEvent::Opened { abandoned: Some(_), .. }, .. } => {
            Err(in_entry(parts, part, 0, EntryFault::AfterAbandoned))
        }
        Leaf::Shard { event, .. } if is_of_log(&event) && !event.names_fit() => {
            Err(in_entry(parts, part, 0, EntryFault::OtherNames))
        }
        Leaf::Shard { ts, event: ShardEvent::Opened { origin, hub, operator, receipts, log, previous, .. } }
            if origin == part.checkpoint.origin =>
        {
            Ok((ts, Root { hub, operator: *operator, receipts: *receipts, log: *log }, previous))
        }
        _ => Err(BundleFault::NotOpened),
    }
}
