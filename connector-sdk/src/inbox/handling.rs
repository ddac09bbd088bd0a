//! Runs the handlers of stored messages, each by itself, a bounded number at once.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use saphan_schemas::envelope::UnverifiedEnvelope;
use saphan_schemas::problem::ProblemCode;
use saphan_schemas::receipt::UnverifiedReceipt;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::Inbox;
use super::attempt::{Verdict, attempt};
use super::trying::Left;
use crate::clock;
use crate::error::own_code;
use crate::journal::{Ending, JournalError, LogPlace, Settled, ToAcknowledge};
use crate::message::Received;
use crate::stats::Stats;
use crate::stop::Stop;

/// A message that was stored now, and has not ended.
pub(super) struct Work {
    pub(super) id: i64,
    pub(super) received: Arc<Received>,
    pub(super) left: Left,
}

/// What became of a message of the inbox.
enum Outcome {
    Settled(Settled),
    Again { after: Option<Duration> },
}

pub(super) async fn run(
    inbox: Arc<Inbox>,
    mut filed: mpsc::Receiver<Vec<Work>>,
    left: Vec<i64>,
    handled: mpsc::Sender<Settled>,
    mut stop: Stop,
) {
    let now = Instant::now();
    let due = left.into_iter().map(|id| Reverse((now, id))).collect();
    let mut handling =
        Handling { inbox, ready: VecDeque::new(), due, failures: HashMap::new(), running: JoinSet::new(), handled };
    handling.work(&mut filed, &mut stop).await;
    // Those that run may finish; those that wait stay in the journal.
    while let Some(work) = filed.recv().await {
        handling.take(work);
    }
    while let Some(finished) = handling.running.join_next().await {
        handling.finish(finished).await;
    }
}

struct Handling {
    inbox: Arc<Inbox>,
    ready: VecDeque<(i64, Arc<Received>)>,
    /// What is read back from the journal, and when: from before a restart, or for a retry.
    due: BinaryHeap<Reverse<(Instant, i64)>>,
    /// How often a message was not settled, in this life of the connector.
    failures: HashMap<i64, u32>,
    running: JoinSet<Result<(i64, Outcome), JoinError>>,
    handled: mpsc::Sender<Settled>,
}

impl Handling {
    async fn work(&mut self, filed: &mut mpsc::Receiver<Vec<Work>>, stop: &mut Stop) {
        loop {
            let next = self.due.peek().map(|Reverse((due, _))| *due);
            let waits = !self.ready.is_empty() || next.is_some_and(|due| due <= Instant::now());
            let turns = Arc::clone(&self.inbox.turns);
            tokio::select! {
                () = stop.given() => return,
                Some(finished) = self.running.join_next() => self.finish(finished).await,
                Some(work) = filed.recv() => self.take(work),
                Ok(turn) = turns.acquire_owned(), if waits => self.start(turn),
                () = sleep_until(next.unwrap_or_else(Instant::now)), if !waits && next.is_some() => {}
            }
        }
    }

    fn take(&mut self, work: Vec<Work>) {
        for Work { id, received, left } in work {
            match left {
                Left::Handling => self.ready.push_back((id, received)),
                Left::Again { after } => self.again(id, after),
                Left::Running(run) => {
                    let place = LogPlace::of(&received.receipt);
                    self.running.spawn(async move { run.await.map(|verdict| (id, Outcome::of(id, place, verdict))) });
                }
            }
        }
    }

    /// Starts the next message, what is due again first.
    fn start(&mut self, turn: OwnedSemaphorePermit) {
        let now = Instant::now();
        let due = self.due.peek().is_some_and(|Reverse((due, _))| *due <= now);
        let inbox = Arc::clone(&self.inbox);
        if due && let Some(Reverse((_, id))) = self.due.pop() {
            self.running.spawn(async move {
                let _turn = turn;
                Ok((id, handle_stored(&inbox, id).await))
            });
        } else if let Some((id, received)) = self.ready.pop_front() {
            self.running.spawn(async move {
                let _turn = turn;
                Ok((id, handle_fresh(&inbox, id, received).await))
            });
        }
    }

    async fn finish(&mut self, finished: Result<Result<(i64, Outcome), JoinError>, JoinError>) {
        match finished.flatten() {
            Ok((id, Outcome::Settled(settled))) => {
                self.failures.remove(&id);
                // Nobody takes it when the connector is torn down; then it is handled again after the restart.
                let _ = self.handled.send(settled).await;
            }
            Ok((id, Outcome::Again { after })) => self.again(id, after),
            Err(error) => {
                tracing::error!(%error, "the run of a handler ended abnormally; its message is handled after a restart");
            }
        }
    }

    fn again(&mut self, id: i64, after: Option<Duration>) {
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

impl Outcome {
    fn of(id: i64, place: LogPlace, verdict: Verdict) -> Self {
        match verdict {
            Verdict::Ended(ending) => Self::Settled(settled(id, place, ending)),
            Verdict::Retry { after } => Self::Again { after },
        }
    }
}

fn settled(id: i64, place: LogPlace, ending: Ending) -> Settled {
    let Ending { code, replies } = ending;
    Settled { acknowledge: ToAcknowledge { id, place, code }, replies }
}

async fn handle_fresh(inbox: &Inbox, id: i64, received: Arc<Received>) -> Outcome {
    let place = LogPlace::of(&received.receipt);
    // Too late to act on. One that was stored before may have had its effect already, so it is handled all the same.
    if is_over(&received) {
        return too_late(id, place);
    }
    Outcome::of(id, place, attempt(inbox, received).await)
}

async fn handle_stored(inbox: &Inbox, id: i64) -> Outcome {
    match restore(inbox, id).await {
        Ok(received) => Outcome::of(id, LogPlace::of(&received.receipt), attempt(inbox, Arc::new(received)).await),
        Err(error) => {
            tracing::error!(%error, "a message could not be read back from the journal; it is tried again");
            Outcome::Again { after: None }
        }
    }
}

/// Whether the message's own `not_after` has passed.
fn is_over(received: &Received) -> bool {
    received.claims.not_after.is_some_and(|end| end <= clock::unix_seconds())
}

fn too_late(id: i64, place: LogPlace) -> Outcome {
    tracing::warn!(index = place.index, "a message came after its not_after; it is rejected and no handler sees it");
    match own_code(ProblemCode::MessageExpired) {
        Some(code) => Outcome::Settled(settled(id, place, Ending { code: Some(code), replies: Vec::new() })),
        None => Outcome::Again { after: None },
    }
}

/// Reads a message back. It was verified before it was stored, so it is only parsed.
async fn restore(inbox: &Inbox, id: i64) -> Result<Received, JournalError> {
    let parts = inbox.journal.parts(id).await?;
    let damaged = |column| JournalError::Damaged { column };
    let envelope = UnverifiedEnvelope::parse(&parts.envelope).map_err(|_| damaged("envelope"))?;
    let receipt = UnverifiedReceipt::parse(&parts.receipt).map_err(|_| damaged("receipt"))?;
    Ok(Received {
        claims: envelope.shared_claims(),
        receipt: receipt.shared_claims(),
        parts,
        outbox: inbox.outbox.clone(),
    })
}

const LONGEST_RETRY: Duration = Duration::from_secs(365 * 24 * 60 * 60);
