//! The task that asks the authority, until the hub stops. Nothing else of the hub waits for it.

use std::sync::Arc;
use std::time::Duration;

use saphan_schemas::leaf::Leaf;
use saphan_schemas::log::{SignedNote, Stamped};
use tokio::sync::watch;
use tokio::time::timeout;

use super::asking::NotStamped;
use super::{Newest, Timestamps};
use crate::app::App;
use crate::shards::Shard;
use crate::store::StoreError;

/// A checkpoint that is to be stamped.
pub(super) struct Head {
    pub(super) size: u64,
    /// The text that the log signs.
    pub(super) text: String,
    /// When its last entry was logged, in seconds since 1970.
    pub(super) newest: u64,
}

/// Has the newest checkpoint stamped once in each interval in which the log has grown, and once the end of each log that is closed.
pub async fn run(app: Arc<App>, timestamps: Arc<Timestamps>) {
    let mut stopping = app.stopping.clone();
    let (mut tries, mut begun) = (Tries::default(), false);
    // The newest first, so that the oldest is taken first.
    let mut closed: Vec<_> = app.shards.closed().rev().collect();
    loop {
        if tries.is_due(app.clock.now_ms()) {
            let round = async {
                if !begun {
                    remember(&app, &timestamps).await?;
                    begun = true;
                }
                let stamped = stamp(&app, &timestamps, &mut stopping).await?;
                if let Some(newest) = stamped {
                    timestamps.set_newest(newest);
                }
                let mut ends = 0_u32;
                while let Some((shard, size)) = closed.last() {
                    match stamp_end(&app, &timestamps, shard, *size, &mut stopping).await? {
                        End::Stamped => ends += 1,
                        End::Settled => {}
                        End::Stopping => break,
                    }
                    closed.pop();
                }
                Ok((stamped, ends))
            };
            match round.await {
                Ok((None, 0)) => {}
                // The present log's next token has its own time.
                Ok((None, _)) => tries.succeeded(0),
                Ok((Some(newest), _)) => tries.succeeded(newest.at_ms + timestamps.every_ms),
                Err(error) => tries.failed(&app, &timestamps, &error),
            }
        }
        if timeout(PAUSE, stopping.wait_for(|stop| *stop)).await.is_ok() {
            return;
        }
    }
}

/// Goes on from the newest token in the store.
async fn remember(app: &App, timestamps: &Timestamps) -> Result<(), StoreError> {
    if let Some((_, stamped)) = app.store.newest_timestamp(app.shards.present()).await? {
        // The authority's clock may be ahead of ours.
        let at_ms = timestamps.newest().at_ms.min(stamped.time.saturating_mul(1000));
        timestamps.set_newest(Newest { size: stamped.size, at_ms });
    }
    Ok(())
}

/// `None` when there is nothing to do: too early, nothing new, or the hub stops.
async fn stamp(
    app: &App,
    timestamps: &Timestamps,
    stopping: &mut watch::Receiver<bool>,
) -> Result<Option<Newest>, NotStamped> {
    let newest = timestamps.newest();
    let is_early = newest.size > 0 && app.clock.now_ms() < newest.at_ms.saturating_add(timestamps.every_ms);
    let (size, checkpoint) = {
        let committed = app.ledger.committed();
        let committed = committed.borrow();
        (committed.size, Arc::clone(&committed.checkpoint))
    };
    if size <= newest.size || is_early {
        return Ok(None);
    }
    let stamped = stamp_one(app, timestamps, app.shards.present(), size, &checkpoint, stopping).await?;
    Ok(stamped.map(|stamped| Newest { size: stamped.size, at_ms: app.clock.now_ms() }))
}

/// What became of the end of an earlier log.
enum End {
    Stamped,
    /// It has its token.
    Settled,
    Stopping,
}

/// The end of a closed log, unless it has a token.
async fn stamp_end(
    app: &App,
    timestamps: &Timestamps,
    shard: &Shard,
    size: u64,
    stopping: &mut watch::Receiver<bool>,
) -> Result<End, NotStamped> {
    let is_done = app.store.newest_timestamp(shard).await?.is_some_and(|(_, stamped)| stamped.size >= size);
    let checkpoint = if is_done { None } else { app.store.checkpoint(shard.first + size).await? };
    let Some(checkpoint) = checkpoint else { return Ok(End::Settled) };
    let stamped = stamp_one(app, timestamps, shard, size, &checkpoint, stopping).await?;
    Ok(if stamped.is_some() { End::Stamped } else { End::Stopping })
}

/// Has one checkpoint of a log stamped, and keeps the token. `None` when the hub stops.
async fn stamp_one(
    app: &App,
    timestamps: &Timestamps,
    shard: &Shard,
    size: u64,
    checkpoint: &str,
    stopping: &mut watch::Receiver<bool>,
) -> Result<Option<Stamped>, NotStamped> {
    let damaged = || StoreError::Corrupt { what: "a checkpoint, or its last entry" };
    let note: SignedNote = checkpoint.parse().map_err(|_| damaged())?;
    let last = app.store.entries((shard.first + size).saturating_sub(1), 1).await?.pop();
    let last = last.and_then(|leaf| Leaf::parse(&leaf).ok()).ok_or_else(damaged)?;
    let head = Head { size, text: note.text().to_owned(), newest: last.ts() / 1000 };
    let (stamped, token) = tokio::select! {
        stamped = timestamps.stamp(&*app.clock, &head) => stamped?,
        _ = stopping.wait_for(|stop| *stop) => return Ok(None),
    };
    app.store.keep_timestamp(shard, stamped, &token).await?;
    Ok(Some(stamped))
}

/// When to try, and what to say about it.
#[derive(Default)]
struct Tries {
    /// Not before then, in milliseconds since 1970.
    due_ms: u64,
    failures: u32,
    trouble: Option<&'static str>,
}

impl Tries {
    const fn is_due(&self, now_ms: u64) -> bool {
        now_ms >= self.due_ms
    }

    fn succeeded(&mut self, due_ms: u64) {
        if self.trouble.is_some() {
            tracing::info!("checkpoints are timestamped again");
        }
        *self = Self { due_ms, ..Self::default() };
    }

    /// Counts a failure. The log has a line when the trouble begins and changes, and not each time.
    fn failed(&mut self, app: &App, timestamps: &Timestamps, error: &NotStamped) {
        let reason = error.reason();
        app.metrics.timestamp_failed(reason);
        let pause_ms = (FIRST_PAUSE_MS << self.failures.min(DOUBLINGS)).min(timestamps.every_ms);
        self.due_ms = app.clock.now_ms().saturating_add(pause_ms);
        self.failures = self.failures.saturating_add(1);
        if self.trouble.replace(reason) != Some(reason) {
            let error = error as &dyn std::error::Error;
            tracing::error!(error, "no timestamp on the checkpoint; messages are accepted all the same");
        }
    }
}

/// Between looks at whether it is time.
const PAUSE: Duration = Duration::from_secs(1);
/// After a failure; twice as long after each further one, and never longer than the interval.
const FIRST_PAUSE_MS: u64 = 5_000;
/// 5 s × 2^8 is about 21 minutes.
const DOUBLINGS: u32 = 8;
