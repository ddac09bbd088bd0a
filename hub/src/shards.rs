//! The logs of a hub, one after the other.
//!
//! The store numbers entries on and on: the *place* of an entry is its number over all logs. What is signed, and what others verify,
//! names an entry by its log's origin and its *index* in that log's tree. Here one becomes the other.
//!
//! How each log ended is found out once, when they are read ([`Shards::read`]): whoever cares for the end of a log asks [`Log::end`].

pub mod abandoning;
pub mod beginning;
pub mod closing;
mod tail;
pub mod taking_over;

use saphan_schemas::acknowledgement::{Acknowledged, AcknowledgementClaims};
use saphan_schemas::ids::HubId;
use saphan_schemas::leaf::{Leaf, ShardEvent};

use crate::publication::size_of;
use crate::store::{Store, StoreError};

/// One log, as the store numbers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    /// Which one it is, from 0.
    pub number: u32,
    /// The place of its first entry.
    pub first: u64,
    /// Its origin.
    pub origin: String,
}

/// One log, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Which one it is.
    pub shard: Shard,
    /// Whether it has ended, and how.
    pub end: End,
}

/// Whether a log has ended. Nothing is ever appended to one that has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It is the present one: entries are appended to it.
    Open,
    /// The last of its entries closes it.
    Closed {
        /// How many it has.
        size: u64,
    },
    /// A part of it was lost. Nobody is asked to sign what is left of it.
    Abandoned {
        /// How many of its entries, the first ones, the store has.
        kept: u64,
        /// How many it had, by the largest checkpoint that anybody has shown.
        last: u64,
    },
}

/// All logs up to the present one, oldest first; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shards {
    earlier: Vec<Log>,
    present: Log,
}

/// Where an entry is, for everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Located<'a> {
    /// The origin of its log.
    pub log: &'a str,
    /// Its index in it.
    pub index: u64,
}

impl Shards {
    /// One log that begins the store.
    #[must_use]
    pub const fn first(origin: String) -> Self {
        Self { earlier: Vec::new(), present: Log { shard: Shard { number: 0, first: 0, origin }, end: End::Open } }
    }

    /// Those that a store has, with their ends; `None` for none. A log whose first entry cannot be read is taken for one that began
    /// after a closed one, as almost all do.
    ///
    /// # Errors
    /// The store failed, or an abandoned log's last checkpoint is none.
    pub async fn read(store: &dyn Store) -> Result<Option<Self>, StoreError> {
        let mut stored = store.shards().await?.into_iter();
        let Some(first) = stored.next() else { return Ok(None) };
        let mut shards = Self { earlier: Vec::new(), present: Log { shard: first, end: End::Open } };
        for next in stored {
            let lost = seen_of_lost(store, &next).await?;
            shards = shards.begin(next, lost);
        }
        Ok(Some(shards))
    }

    /// These, the present one of which is closed, and one more that begins at this place.
    #[must_use]
    pub fn followed_by(self, origin: String, first: u64) -> Self {
        let number = self.present.shard.number + 1;
        self.begin(Shard { number, first, origin }, None)
    }

    /// These, the present one of which had `last` entries and is abandoned, and one more that begins at this place.
    #[must_use]
    pub fn abandoned_for(self, origin: String, first: u64, last: u64) -> Self {
        let number = self.present.shard.number + 1;
        self.begin(Shard { number, first, origin }, Some(last))
    }

    /// `lost` is how many entries the present one had, if it is abandoned.
    fn begin(mut self, next: Shard, lost: Option<u64>) -> Self {
        let size = next.first.saturating_sub(self.present.shard.first);
        self.present.end = match lost {
            None => End::Closed { size },
            Some(last) => End::Abandoned { kept: size, last },
        };
        let next = Log { shard: next, end: End::Open };
        self.earlier.push(std::mem::replace(&mut self.present, next));
        self
    }

    /// Whether the hub has had no other log.
    #[must_use]
    pub const fn is_one(&self) -> bool {
        self.earlier.is_empty()
    }

    /// The log that entries are appended to.
    #[must_use]
    pub const fn present(&self) -> &Shard {
        &self.present.shard
    }

    /// All, oldest first; the last one is the present one.
    #[must_use]
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &Log> {
        self.earlier.iter().chain([&self.present])
    }

    /// Those that were closed, oldest first, each with the number of its entries.
    #[must_use]
    pub fn closed(&self) -> impl DoubleEndedIterator<Item = (&Shard, u64)> {
        self.earlier.iter().filter_map(|log| match log.end {
            End::Closed { size } => Some((&log.shard, size)),
            End::Open | End::Abandoned { .. } => None,
        })
    }

    /// The log before the present one.
    #[must_use]
    pub fn before(&self) -> Option<&Log> {
        self.earlier.last()
    }

    /// The log of this origin.
    #[must_use]
    pub fn of_origin(&self, origin: &str) -> Option<&Log> {
        self.all().find(|log| log.shard.origin == origin)
    }

    /// The log that has this place.
    #[must_use]
    pub fn at(&self, place: u64) -> &Shard {
        let log = self.all().rev().find(|log| log.shard.first <= place);
        &log.unwrap_or(&self.present).shard
    }

    /// Where the entry at this place is.
    #[must_use]
    pub fn located(&self, place: u64) -> Located<'_> {
        let shard = self.at(place);
        Located { log: &shard.origin, index: place - shard.first.min(place) }
    }

    /// The place of this index in this log; `None` for a log of others, and beyond the end of a closed one.
    #[must_use]
    pub fn place(&self, origin: &str, index: u64) -> Option<u64> {
        let log = self.of_origin(origin)?;
        if log.end.size().is_some_and(|size| index >= size) { None } else { log.shard.first.checked_add(index) }
    }
}

impl End {
    /// How many entries the store has of a log that has ended.
    #[must_use]
    pub const fn size(self) -> Option<u64> {
        match self {
            Self::Open => None,
            Self::Closed { size } => Some(size),
            Self::Abandoned { kept, .. } => Some(kept),
        }
    }
}

/// How many entries the log before this one had, if it was abandoned: its first entry says so.
async fn seen_of_lost(store: &dyn Store, shard: &Shard) -> Result<Option<u64>, StoreError> {
    let first = store.entries(shard.first, 1).await?.pop();
    match first.as_deref().map(Leaf::parse) {
        Some(Ok(Leaf::Shard {
            event: ShardEvent::Opened { abandoned: Some(_), previous: Some(previous), .. },
            ..
        })) => {
            let size = size_of(&previous);
            size.map(Some).ok_or(StoreError::Corrupt { what: "the checkpoint that a log begins after" })
        }
        _ => Ok(None),
    }
}

/// The log that a batch of acknowledgements is about cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnknownLog {
    /// It names none, and this is not the first log.
    #[error("`log` is missing: the hub is in a later log than its first, so the batch must say which one it is about")]
    NotNamed,
    /// It names another's.
    #[error("`log` is none of this hub's logs")]
    Foreign,
}

impl Shards {
    /// The log that a batch is about, which comes now.
    ///
    /// # Errors
    /// [`UnknownLog`].
    pub fn of_batch(&self, claims: &AcknowledgementClaims) -> Result<&Shard, UnknownLog> {
        match &claims.log {
            Some(origin) => self.of_origin(origin).map(|log| &log.shard).ok_or(UnknownLog::Foreign),
            None if self.is_one() => Ok(self.present()),
            None => Err(UnknownLog::NotNamed),
        }
    }

    /// The messages of a batch that was logged or written before, by their places. Without `log` it is of the first log. What is of
    /// no log of this hub is left out.
    #[must_use]
    pub fn acknowledged(&self, claims: &AcknowledgementClaims) -> Vec<Acknowledged> {
        let origin = claims.log.as_deref().unwrap_or_else(|| &self.at(0).origin);
        let places = claims
            .messages
            .iter()
            .filter_map(|one| Some(Acknowledged { index: self.place(origin, one.index)?, ..one.clone() }));
        places.collect()
    }
}

/// The origin of a log: `<hub>/log/<shard>`.
#[must_use]
pub fn origin(hub: &HubId, shard: &str) -> String {
    format!("{hub}/log/{shard}")
}

/// The name of the shard in an origin.
#[must_use]
pub fn name(origin: &str) -> &str {
    origin.rsplit_once('/').map_or(origin, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_an_index_in_its_log_and_back() {
        let shards = Shards::first("h/log/a".into()).followed_by("h/log/b".into(), 5).followed_by("h/log/c".into(), 7);
        for (place, log, index) in [(0, "a", 0), (4, "a", 4), (5, "b", 0), (6, "b", 1), (7, "c", 0), (900, "c", 893)] {
            let log = format!("h/log/{log}");
            assert_eq!(shards.located(place), Located { log: &log, index }, "{place}");
            assert_eq!(shards.place(&log, index), Some(place));
        }
        for (log, index) in [("h/log/a", 5), ("h/log/b", 2), ("h/log/d", 0), ("a", 0), ("h/log/c", u64::MAX)] {
            assert_eq!(shards.place(log, index), None, "{log} {index}");
        }
        let closed: Vec<_> = shards.closed().map(|(shard, size)| (shard.number, size)).collect();
        assert_eq!((closed, shards.present().number), (vec![(0, 5), (1, 2)], 2));
    }

    #[test]
    fn a_log_that_was_abandoned_ends_where_the_store_ends_and_is_not_closed() {
        let shards = Shards::first("a".into()).abandoned_for("b".into(), 5, 9).followed_by("c".into(), 7);
        let ends: Vec<_> = shards.all().map(|log| log.end).collect();
        assert_eq!(ends, [End::Abandoned { kept: 5, last: 9 }, End::Closed { size: 2 }, End::Open]);
        assert_eq!((shards.place("a", 4), shards.place("a", 5)), (Some(4), None));
        assert_eq!(shards.closed().map(|(shard, _)| shard.number).collect::<Vec<_>>(), [1]);
    }
}
