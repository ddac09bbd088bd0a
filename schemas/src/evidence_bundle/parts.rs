//! The logs in a bundle, one after the other: where each begins, and who signed its checkpoint.

use std::collections::BTreeMap;

use super::fault::BundleFault;
use super::{BundledEntry, BundledMessage, BundledTimestamp, EvidenceBundle};
use crate::leaf::{Leaf, ShardEvent};
use crate::log::{Checkpoint, CheckpointError, SignedCheckpoint, VerifierKey};
use crate::registry::{Change, Entry, HubKey, UnverifiedRegistryEntry};

/// What a bundle has of one log.
pub(super) struct Part<'a> {
    pub(super) checkpoint: Checkpoint,
    /// The checkpoint as it was signed.
    pub(super) signed: &'a str,
    pub(super) entries: &'a [BundledEntry],
    pub(super) timestamps: &'a [BundledTimestamp],
    /// The place of its first entry: places go on over all of the hub's logs.
    pub(super) first: u64,
}

/// All of them, the hub's first log first. There is one at least.
pub(super) struct Parts<'a>(Vec<Part<'a>>);

impl<'a> Parts<'a> {
    /// Reads the checkpoints. That of the log that the trusted key is of is signed by that key; each other one by a key that an entry
    /// of the bundle names for its log, which stays to be judged.
    pub(super) fn read(bundle: &'a EvidenceBundle, vkey: &VerifierKey) -> Result<Self, BundleFault> {
        let earlier = bundle.earlier.iter().map(|log| (&log.checkpoint, &log.entries, &log.timestamps));
        let newest = (&bundle.checkpoint, &bundle.entries, &bundle.timestamps);
        // Of one log it is the trusted key or none.
        let named = if bundle.earlier.is_empty() { Named::new() } else { named_keys(bundle) };
        let (mut parts, mut first) = (Vec::with_capacity(bundle.earlier.len() + 1), 0_u64);
        for (signed, entries, timestamps) in earlier.chain([newest]) {
            let checkpoint = checkpoint_of(signed, vkey, &named)?;
            let end = first.checked_add(checkpoint.size).ok_or(CheckpointError::BadSize)?;
            parts.push(Part { checkpoint, signed, entries, timestamps, first });
            first = end;
        }
        let parts = Self(parts);
        if parts.all().all(|part| part.checkpoint.origin != vkey.name()) {
            let (expected, found) = (vkey.name().to_owned(), parts.newest().checkpoint.origin.clone());
            return Err(CheckpointError::WrongOrigin { expected, found }.into());
        }
        Ok(parts)
    }

    pub(super) fn all(&self) -> impl DoubleEndedIterator<Item = &Part<'a>> {
        self.0.iter()
    }

    pub(super) fn at(&self, number: usize) -> &Part<'a> {
        &self.0[number]
    }

    pub(super) fn newest(&self) -> &Part<'a> {
        &self.0[self.0.len() - 1]
    }

    pub(super) const fn last(&self) -> usize {
        self.0.len() - 1
    }

    /// The log's origin, where that must be said.
    pub(super) fn named(&self, part: &Part<'_>) -> Option<String> {
        (self.0.len() > 1).then(|| part.checkpoint.origin.clone())
    }

    /// The place of an entry of one of the first `opened` logs. Without a log it is of the hub's first, as long as that is the only one.
    pub(super) fn place_of(&self, log: Option<&str>, index: u64, opened: usize) -> Option<u64> {
        let so_far = &self.0[..opened];
        let part = match log {
            Some(log) => so_far.iter().find(|part| part.checkpoint.origin == log)?,
            None => so_far.first().filter(|_| opened == 1)?,
        };
        part.place_of(index)
    }

    /// The place of a message of the bundle.
    pub(super) fn place_of_message(&self, message: &BundledMessage) -> Option<u64> {
        let part = match &message.log {
            Some(log) => self.all().find(|part| part.checkpoint.origin == *log)?,
            None => self.newest(),
        };
        part.place_of(message.index)
    }
}

impl Part<'_> {
    fn place_of(&self, index: u64) -> Option<u64> {
        (index < self.checkpoint.size).then_some(self.first + index)
    }

    /// Whether its last entry is in the bundle.
    pub(super) fn has_its_last(&self) -> bool {
        self.entries.last().is_some_and(|entry| entry.index + 1 == self.checkpoint.size)
    }

    /// The place behind its last entry.
    pub(super) const fn end(&self) -> u64 {
        self.first + self.checkpoint.size
    }

    /// Whether this key signed its checkpoint.
    pub(super) fn is_signed_by(&self, key: &VerifierKey) -> bool {
        SignedCheckpoint::parse_and_verify(self.signed, key).is_ok()
    }
}

fn checkpoint_of(signed: &str, vkey: &VerifierKey, named: &Named) -> Result<Checkpoint, BundleFault> {
    let origin = signed.lines().next().unwrap_or_default();
    if origin == vkey.name() {
        return Ok(SignedCheckpoint::parse_and_verify(signed, vkey)?.into_checkpoint());
    }
    let keys = named.get(origin).and_then(|keys| keys.split_first());
    let found = keys.and_then(|(key, more)| SignedCheckpoint::parse_and_verify_any(signed, key, more).ok());
    found.map(SignedCheckpoint::into_checkpoint).ok_or_else(|| BundleFault::NotSigned { log: origin.to_owned() })
}

/// The keys of each log, by its origin.
type Named = BTreeMap<String, Vec<VerifierKey>>;

/// The keys that entries of the bundle name for logs, each once. What these entries are worth is not looked at.
fn named_keys(bundle: &EvidenceBundle) -> Named {
    let mut keys = BTreeMap::new();
    let mut name = |key: VerifierKey| drop(keys.insert(key.to_string(), key));
    for entry in bundle.earlier.iter().flat_map(|log| &log.entries).chain(&bundle.entries) {
        let Ok(leaf) = Leaf::parse(entry.leaf.as_bytes()) else { continue };
        let brought = leaf.registry_entry().and_then(|entry| UnverifiedRegistryEntry::parse(entry).ok());
        if let Some(Change::Added(Entry::HubKey(HubKey::Log { vkey }))) = brought.as_ref().map(|it| &it.claims().change)
        {
            name(vkey.clone());
        }
        if let Leaf::Shard { event: ShardEvent::Opened { log, .. }, .. } = leaf {
            name(*log);
        }
    }
    let mut named = Named::new();
    for key in keys.into_values() {
        named.entry(key.name().to_owned()).or_default().push(key);
    }
    named
}
