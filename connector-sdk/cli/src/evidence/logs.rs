//! The logs of a hub up to the one that was given, one after the other.

use std::ops::Range;

use saphan_schemas::log::{SignedCheckpoint, VerifierKey};

use super::{EntryName, LogName};
use crate::log_check::chain::{Link, earlier};
use crate::log_check::{COSIGNED_PATH, LogCheckError, LogSource};

/// A log, and the checkpoint that proofs are to lead to.
pub(super) struct Log<'a> {
    source: Source<'a>,
    pub(super) signed: SignedCheckpoint,
    /// The place of its first entry: places go on over all of the hub's logs.
    pub(super) first: u64,
    /// How many entries it had, of which some are lost, if it was abandoned.
    had: Option<u64>,
}

enum Source<'a> {
    Given(&'a dyn LogSource),
    Found(Box<dyn LogSource>),
}

/// All of them, the hub's first log first.
pub(super) struct Logs<'a>(Vec<Log<'a>>);

impl<'a> Logs<'a> {
    /// Finds those before the one that was given and checked. Each with the checkpoint that the next one names as its last, or as that of
    /// what is left: with the cosignatures of witnesses, where the log shows some for it.
    pub(super) async fn find(source: &'a dyn LogSource, signed: &SignedCheckpoint) -> Result<Self, LogCheckError> {
        let (mut logs, mut first) = (Vec::new(), 0);
        for link in earlier(source, signed.checkpoint(), None).await? {
            let key = link.key().clone();
            let Link { source, signed, lost, .. } = link;
            let signed = cosigned(&*source, &signed, &key).await.unwrap_or(signed);
            let size = signed.checkpoint().size;
            let had = lost.map(|lost| lost.checkpoint().size);
            logs.push(Log { source: Source::Found(source), signed, first, had });
            first += size;
        }
        logs.push(Log { source: Source::Given(source), signed: signed.clone(), first, had: None });
        Ok(Self(logs))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Log<'a>> {
        self.0.iter()
    }

    fn of(&self, name: &LogName) -> Option<&Log<'a>> {
        match name {
            LogName::Given => self.0.last(),
            LogName::Origin(origin) => self.all().find(|log| log.origin() == origin),
            LogName::Shard(shard) => {
                self.all().find(|log| log.origin().rsplit_once('/').is_some_and(|(_, name)| name == shard))
            }
        }
    }

    /// How many entries are left of the log of an entry that the hub lost, if it did.
    pub(super) fn left_without(&self, name: &EntryName) -> Option<u64> {
        let log = self.of(&name.log)?;
        let left = log.signed.checkpoint().size;
        log.had.filter(|had| (left..*had).contains(&name.index)).map(|_| left)
    }

    /// In which logs something that is not there may have been.
    pub(super) fn lost(&self) -> String {
        let lost = self.all().filter_map(|log| Some((log.signed.checkpoint(), log.had?)));
        lost.map(|(left, had)| {
            format!(
                "; of {} only {} of {had} entries are left, it may have been among the others",
                left.origin, left.size
            )
        })
        .collect()
    }

    /// The place of an entry; `None` in a log that is none of these, or behind its end.
    pub(super) fn place_of(&self, name: &EntryName) -> Option<u64> {
        let log = self.of(&name.log)?;
        let place = log.first.checked_add(name.index)?;
        log.places().contains(&place).then_some(place)
    }

    /// The index of a place in its log, and the log's origin, if it is not the one that was given.
    pub(super) fn name_of(&self, place: u64) -> (Option<String>, u64) {
        let earlier = self.all().take(self.0.len() - 1).find(|log| log.places().contains(&place));
        match earlier.or(self.0.last()) {
            Some(log) => (earlier.map(|log| log.origin().to_owned()), place.saturating_sub(log.first)),
            None => (None, place),
        }
    }
}

impl Log<'_> {
    pub(super) fn source(&self) -> &dyn LogSource {
        match &self.source {
            Source::Given(source) => *source,
            Source::Found(source) => &**source,
        }
    }

    pub(super) fn origin(&self) -> &str {
        &self.signed.checkpoint().origin
    }

    /// The places of its entries.
    pub(super) const fn places(&self) -> Range<u64> {
        self.first..self.first + self.signed.checkpoint().size
    }
}

/// The last checkpoint of a closed log with cosignatures, where there is one.
async fn cosigned(source: &dyn LogSource, last: &SignedCheckpoint, key: &VerifierKey) -> Option<SignedCheckpoint> {
    let text = String::from_utf8(source.fetch(COSIGNED_PATH).await.ok()?).ok()?;
    let signed = SignedCheckpoint::parse_and_verify(&text, key).ok()?;
    (signed.checkpoint() == last.checkpoint()).then_some(signed)
}
