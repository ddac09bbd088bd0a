//! A log that has ended: its files as far as the store has it. Of one that is closed there comes more later: the cosignatures on its
//! end, and the timestamp. Nothing more comes of one that was abandoned.

use super::{COSIGNED, PublicationError, PublishedLog, size_of};
use crate::app::App;
use crate::shards::{self, End, Log, Shard};
use crate::witnesses::Cosigned;

/// What is published of an earlier log.
pub(super) struct Earlier<'a> {
    shard: &'a Shard,
    size: u64,
    is_closed: bool,
    /// Whether all of its entries are published.
    is_complete: bool,
    cosigned: Option<Cosigned>,
    /// How many timestamps, once that is known.
    timestamps: Option<u64>,
    is_done: bool,
}

impl<'a> Earlier<'a> {
    /// Nothing yet; `None` for the present log.
    pub(super) fn of(log: &'a Log) -> Option<Self> {
        let (shard, size, is_closed) = (&log.shard, log.end.size()?, matches!(log.end, End::Closed { .. }));
        Some(Self { shard, size, is_closed, is_complete: false, cosigned: None, timestamps: None, is_done: false })
    }

    /// Whether all of its entries are published.
    pub(super) const fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Whether nothing more can come.
    pub(super) const fn is_done(&self) -> bool {
        self.is_done
    }

    /// Publishes what is new.
    ///
    /// # Errors
    /// [`PublicationError`]; what is there then is as before, or more.
    pub(super) async fn publish(&mut self, app: &App, present: &PublishedLog) -> Result<(), PublicationError> {
        let (log, store) = (present.beside(shards::name(&self.shard.origin)), &*app.store);
        if !self.is_complete {
            log.complete(store, self.shard, self.size).await?;
            self.is_complete = true;
        }
        let kept = store.kept_cosigned(self.shard).await?;
        let by_all = kept.as_ref().is_some_and(|kept| kept.by_all);
        if let Some(cosigned) = kept.map(|kept| kept.cosigned)
            && self.cosigned.as_ref() != Some(&cosigned)
        {
            self.publish_cosigned(app, &log, &cosigned).await?;
            self.cosigned = Some(cosigned);
        }
        // First what there is, and then all of that is published.
        let stamped = store.newest_timestamp(self.shard).await?.map(|(_, stamped)| stamped.size);
        self.timestamps = Some(log.publish_timestamps(store, self.shard, self.timestamps, self.size).await?);
        let is_stamped = app.timestamps.is_none() || stamped == Some(self.size);
        self.is_done = !self.is_closed || is_stamped && (app.witnesses.is_none() || by_all);
        Ok(())
    }

    /// The last checkpoint as well, which has the cosignatures once they are on that one.
    async fn publish_cosigned(
        &self,
        app: &App,
        log: &PublishedLog,
        cosigned: &Cosigned,
    ) -> Result<(), PublicationError> {
        let head = (cosigned.size, cosigned.text.clone());
        let published = log.checkpoint().await?;
        // Never in the place of one that says more: a store that was brought back from a copy has less.
        let is_at_end = published.is_some_and(|text| size_of(&text) == Some(self.size));
        if !is_at_end || log.get(COSIGNED).await? == Some(head.1.clone().into_bytes()) {
            return Ok(());
        }
        let last = if head.0 == self.size {
            Some(head.1.clone())
        } else {
            app.store.checkpoint(self.shard.first + self.size).await?
        };
        let Some(last) = last else { return Ok(()) };
        log.publish(&*app.store, self.shard, self.size, &(self.size, last), Some(&head)).await
    }
}
