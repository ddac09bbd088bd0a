//! The task that asks the authority, until the hub stops. Nothing else of the hub waits for it.

use std::sync::Arc;
use std::time::Duration;

use saphan_schemas::log::SignedNote;
use tokio::sync::watch;
use tokio::time::timeout;

use super::asking::NotStamped;
use super::{Newest, Timestamps};
use crate::app::App;
use crate::store::StoreError;

/// A checkpoint that is to be stamped.
pub(super) struct Head {
    pub(super) size: u64,
    /// The text that the log signs.
    pub(super) text: String,
}

/// Has the newest checkpoint stamped once in each interval in which the log has grown.
pub async fn run(app: Arc<App>, timestamps: Arc<Timestamps>) {
    let mut stopping = app.stopping.clone();
    let (mut tries, mut begun) = (Tries::default(), false);
    loop {
        if tries.is_due(app.clock.now_ms()) {
            let round = async {
                if !begun {
                    remember(&app, &timestamps).await?;
                    begun = true;
                }
                stamp(&app, &timestamps, &mut stopping).await
            };
            match round.await {
                Ok(None) => {}
                Ok(Some(newest)) => {
                    timestamps.set_newest(newest);
                    tries.succeeded(newest.at_ms + timestamps.every_ms);
                }
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
    let Some(head) = head(app).filter(|head| head.size > newest.size && !is_early) else { return Ok(None) };
    let (stamped, token) = tokio::select! {
        stamped = timestamps.stamp(&head) => stamped?,
        _ = stopping.wait_for(|stop| *stop) => return Ok(None),
    };
    app.store.keep_timestamp(app.shards.present(), stamped, &token).await?;
    Ok(Some(Newest { size: stamped.size, at_ms: app.clock.now_ms() }))
}

/// The newest checkpoint, without its signatures.
fn head(app: &App) -> Option<Head> {
    let committed = app.ledger.committed();
    let committed = committed.borrow();
    let note: SignedNote = committed.checkpoint.parse().ok()?;
    Some(Head { size: committed.size, text: note.text().to_owned() })
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
