//! Runs the handlers, each message by itself, a bounded number at once.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use saphan_schemas::envelope::UnverifiedEnvelope;
use saphan_schemas::problem::ProblemCode;
use saphan_schemas::receipt::UnverifiedReceipt;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::Inbox;
use crate::clock;
use crate::error::own_code;
use crate::handler::Handled;
use crate::journal::{JournalError, LogPlace, Settled, ToAcknowledge};
use crate::message::Received;
use crate::stats::Stats;
use crate::stop::Stop;

/// A message to handle.
pub(super) enum Work {
    /// Just received.
    Fresh { id: i64, received: Arc<Received> },
    /// In the journal, from before a restart or for a retry.
    Stored { id: i64 },
}

/// What a handler's run came to.
enum Verdict {
    Settled(Settled),
    Retry { after: Option<Duration> },
}

pub(super) async fn run(
    inbox: Arc<Inbox>,
    filed: mpsc::Receiver<Vec<Work>>,
    left: Vec<i64>,
    handled: mpsc::Sender<Settled>,
    mut stop: Stop,
) {
    let now = Instant::now();
    let due = left.into_iter().map(|id| Reverse((now, id))).collect();
    let mut handling =
        Handling { inbox, ready: VecDeque::new(), due, failures: HashMap::new(), running: JoinSet::new(), handled };
    handling.work(filed, &mut stop).await;
    // Those that run may finish; those that wait stay in the journal.
    while let Some(finished) = handling.running.join_next().await {
        handling.finish(finished).await;
    }
}

struct Handling {
    inbox: Arc<Inbox>,
    ready: VecDeque<Work>,
    due: BinaryHeap<Reverse<(Instant, i64)>>,
    /// How often a message was not settled, in this life of the connector.
    failures: HashMap<i64, u32>,
    running: JoinSet<(i64, Verdict)>,
    handled: mpsc::Sender<Settled>,
}

impl Handling {
    async fn work(&mut self, mut filed: mpsc::Receiver<Vec<Work>>, stop: &mut Stop) {
        loop {
            self.start();
            let room = self.running.len() < self.inbox.concurrency;
            let wake = self.due.peek().map(|Reverse((due, _))| *due).filter(|_| room);
            tokio::select! {
                () = stop.given() => return,
                Some(finished) = self.running.join_next() => self.finish(finished).await,
                Some(work) = filed.recv(), if room => self.ready.extend(work),
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
            }
        }
    }

    fn start(&mut self) {
        let now = Instant::now();
        while self.running.len() < self.inbox.concurrency {
            let due = self.due.peek().is_some_and(|Reverse((due, _))| *due <= now);
            let retry = if due { self.due.pop() } else { None };
            let work = match retry {
                Some(Reverse((_, id))) => Some(Work::Stored { id }),
                None => self.ready.pop_front(),
            };
            let Some(work) = work else { return };
            self.running.spawn(handle(Arc::clone(&self.inbox), work));
        }
    }

    async fn finish(&mut self, finished: Result<(i64, Verdict), tokio::task::JoinError>) {
        let (id, verdict) = match finished {
            Ok(finished) => finished,
            Err(error) => {
                tracing::error!(%error, "the run of a handler ended abnormally; its message is handled after a restart");
                return;
            }
        };
        match verdict {
            Verdict::Settled(settled) => {
                self.failures.remove(&id);
                // Nobody takes it when the connector is torn down; then it is handled again after the restart.
                let _ = self.handled.send(settled).await;
            }
            Verdict::Retry { after } => {
                Stats::add(&self.inbox.stats.retried, 1);
                let failures = self.failures.entry(id).or_default();
                *failures += 1;
                let delay = after.unwrap_or_else(|| self.inbox.backoff.delay(*failures, None));
                // A time beyond the clock's range is as good as the longest that it holds.
                let now = Instant::now();
                let due = now.checked_add(delay).unwrap_or(now + LONGEST_RETRY);
                self.due.push(Reverse((due, id)));
            }
        }
    }
}

async fn handle(inbox: Arc<Inbox>, work: Work) -> (i64, Verdict) {
    let (id, received) = match work {
        // Too late to act on. One that was stored before may have had its effect already, so it is handled all the same.
        Work::Fresh { id, received } if is_over(&received) => return (id, too_late(id, &received)),
        Work::Fresh { id, received } => (id, received),
        Work::Stored { id } => match restore(&inbox, id).await {
            Ok(received) => (id, Arc::new(received)),
            Err(error) => {
                tracing::error!(%error, "a message could not be read back from the journal; it is tried again");
                return (id, Verdict::Retry { after: None });
            }
        },
    };
    let (place, message) = (LogPlace::of(&received.receipt), received.claims.jti);
    let index = place.index;
    // Called inside, so that a handler that panics before its first await is caught as well.
    let handled = AssertUnwindSafe(async { inbox.handlers.call(received).await }).catch_unwind().await;
    let verdict = match handled {
        Ok(Ok(handled)) => verdict(&inbox, id, place, handled).await,
        Ok(Err(_)) => {
            // The error may quote the message, so its text is left to the handler's own log.
            tracing::warn!(%message, index, "a handler failed; its message is handled again");
            Verdict::Retry { after: None }
        }
        Err(_) => {
            tracing::error!(%message, index, "a handler panicked; its message is handled again");
            Verdict::Retry { after: None }
        }
    };
    (id, verdict)
}

/// Whether the message's own `not_after` has passed.
fn is_over(received: &Received) -> bool {
    received.claims.not_after.is_some_and(|end| end <= clock::unix_seconds())
}

fn too_late(id: i64, received: &Received) -> Verdict {
    let place = LogPlace::of(&received.receipt);
    tracing::warn!(index = place.index, "a message came after its not_after; it is rejected and no handler sees it");
    match own_code(ProblemCode::MessageExpired) {
        Some(code) => Verdict::Settled(Settled {
            acknowledge: ToAcknowledge { id, place, code: Some(code) },
            replies: Vec::new(),
        }),
        None => Verdict::Retry { after: None },
    }
}

async fn verdict(inbox: &Inbox, id: i64, place: LogPlace, handled: Handled) -> Verdict {
    let index = place.index;
    let settled = |code, replies| Verdict::Settled(Settled { acknowledge: ToAcknowledge { id, place, code }, replies });
    match handled {
        Handled::Done => settled(None, Vec::new()),
        Handled::Reject(code) => settled(Some(code), Vec::new()),
        Handled::Retry { after } => Verdict::Retry { after },
        Handled::Reply(messages) => {
            let mut replies = Vec::with_capacity(messages.len());
            for message in messages {
                match inbox.outbox.sign(message).await {
                    Ok(reply) => replies.push(Arc::new(reply)),
                    Err(error) => {
                        tracing::error!(%error, index, "a handler's reply cannot be sent; its message is handled again");
                        return Verdict::Retry { after: None };
                    }
                }
            }
            settled(None, replies)
        }
    }
}

/// Reads a message back. It was verified before it was stored, so it is only parsed.
async fn restore(inbox: &Inbox, id: i64) -> Result<Received, JournalError> {
    let parts = inbox.journal.parts(id).await?;
    let damaged = |column| JournalError::Damaged { column };
    let envelope = UnverifiedEnvelope::parse(&parts.envelope).map_err(|_| damaged("envelope"))?;
    let receipt = UnverifiedReceipt::parse(&parts.receipt).map_err(|_| damaged("receipt"))?;
    Ok(Received {
        claims: envelope.claims().clone(),
        receipt: receipt.claims().clone(),
        parts,
        outbox: inbox.outbox.clone(),
    })
}

const LONGEST_RETRY: Duration = Duration::from_secs(365 * 24 * 60 * 60);
