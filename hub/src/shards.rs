//! The logs of a hub, one after the other.
//!
//! The store numbers entries on and on: the *place* of an entry is its number over all logs. What is signed, and what others verify,
//! names an entry by its log's origin and its *index* in that log's tree. Here one becomes the other.

pub mod abandoning;
pub mod beginning;
pub mod closing;
mod tail;
pub mod taking_over;

use saphan_schemas::acknowledgement::{Acknowledged, AcknowledgementClaims};
use saphan_schemas::ids::HubId;

/// One log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    /// Which one it is, from 0.
    pub number: u32,
    /// The place of its first entry.
    pub first: u64,
    /// Its origin.
    pub origin: String,
}

/// All logs up to the present one, oldest first; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shards {
    earlier: Vec<Shard>,
    present: Shard,
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
        Self { earlier: Vec::new(), present: Shard { number: 0, first: 0, origin } }
    }

    /// Of those that a store has, oldest first; `None` for none.
    #[must_use]
    pub fn from_stored(mut stored: Vec<Shard>) -> Option<Self> {
        let present = stored.pop()?;
        Some(Self { earlier: stored, present })
    }

    /// These, and one more that begins at this place.
    #[must_use]
    pub fn followed_by(mut self, origin: String, first: u64) -> Self {
        let next = Shard { number: self.present.number + 1, first, origin };
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
        &self.present
    }

    /// Those that have ended, closed or abandoned, oldest first, each with the number of its entries that the store has.
    pub fn closed(&self) -> impl Iterator<Item = (&Shard, u64)> {
        let ends = self.earlier.iter().skip(1).chain([&self.present]).map(|next| next.first);
        self.earlier.iter().zip(ends).map(|(shard, end)| (shard, end - shard.first))
    }

    /// The log of this origin, and how many entries it has if it is closed.
    #[must_use]
    pub fn of_origin(&self, origin: &str) -> Option<(&Shard, Option<u64>)> {
        if self.present.origin == origin {
            return Some((&self.present, None));
        }
        self.closed().find(|(shard, _)| shard.origin == origin).map(|(shard, size)| (shard, Some(size)))
    }

    /// The log that has this place.
    #[must_use]
    pub fn at(&self, place: u64) -> &Shard {
        if place >= self.present.first {
            return &self.present;
        }
        self.earlier.iter().rev().find(|shard| shard.first <= place).unwrap_or(&self.present)
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
        let (shard, size) = self.of_origin(origin)?;
        if size.is_some_and(|size| index >= size) { None } else { shard.first.checked_add(index) }
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
            Some(origin) => self.of_origin(origin).map(|(shard, _)| shard).ok_or(UnknownLog::Foreign),
            None if self.earlier.is_empty() => Ok(&self.present),
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
}
