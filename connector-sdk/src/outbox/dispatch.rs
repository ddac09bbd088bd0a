//! The task that brings the outbox to the hub.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use saphan_schemas::ids::MessageId;
use saphan_schemas::message::{VerifyError, verify_acceptance, verify_envelope};
use saphan_schemas::receipt::UnverifiedReceipt;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::queue::{Content, Outgoing, Queue};
use super::{Accepted, Notice, Outcome, Waiter};
use crate::backoff::Backoff;
use crate::checkpoints::Checkpoints;
use crate::hub_api::{Answer, HubApi, HubError};
use crate::journal::{Journal, JournalError};
use crate::keys::{KeyLookup, SystemKeys};
use crate::stats::Stats;
use crate::stop::Stop;

/// What an attempt needs.
pub(crate) struct Sending {
    pub(crate) hub: Arc<dyn HubApi>,
    pub(crate) checkpoints: Arc<Checkpoints>,
    pub(crate) keys: Arc<SystemKeys>,
}

pub(crate) struct Dispatcher {
    sending: Arc<Sending>,
    journal: Journal,
    backoff: Backoff,
    window: usize,
    stats: Arc<Stats>,
    queue: Queue,
    gate: Gate,
    waiters: HashMap<MessageId, Vec<Waiter>>,
    /// Outcomes that are not committed yet, for those who ask just then.
    settling: HashMap<MessageId, Outcome>,
    attempts: JoinSet<Attempt>,
    records: JoinSet<(MessageId, Result<(), JournalError>)>,
}

struct Attempt {
    message: Outgoing,
    result: Result<Accepted, Failure>,
}

enum Failure {
    Hub(HubError),
    Untrusted(VerifyError),
}

impl Dispatcher {
    pub(crate) fn new(sending: Sending, journal: Journal, backoff: Backoff, window: usize, stats: Arc<Stats>) -> Self {
        Self {
            sending: Arc::new(sending),
            journal,
            backoff,
            window,
            stats,
            queue: Queue::new(),
            gate: Gate::default(),
            waiters: HashMap::new(),
            settling: HashMap::new(),
            attempts: JoinSet::new(),
            records: JoinSet::new(),
        }
    }

    /// Sends until told to stop; then finishes the attempts in flight.
    pub(crate) async fn run(mut self, mut notices: mpsc::UnboundedReceiver<Notice>, mut stop: Stop) {
        loop {
            self.refill().await;
            self.start();
            let wake = self.wake();
            tokio::select! {
                // Notices first: somebody who waits is told of before the outcome that is waited for.
                biased;
                Some(notice) = notices.recv() => self.note(notice),
                () = stop.given() => break,
                Some(attempt) = self.attempts.join_next() => self.finish(attempt),
                Some(record) = self.records.join_next() => self.recorded(record),
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
            }
        }
        while let Some(attempt) = self.attempts.join_next().await {
            self.finish(attempt);
        }
        while let Some(record) = self.records.join_next().await {
            self.recorded(record);
        }
    }

    fn note(&mut self, notice: Notice) {
        match notice {
            Notice::New { seq, message, waiter } => {
                if let Some(waiter) = waiter {
                    self.watch(message.envelope.claims().jti, waiter);
                }
                self.queue.push_new(seq, message);
            }
            Notice::Watch { id, waiter } => self.watch(id, waiter),
        }
    }

    /// A message that was read back from the journal just after its commit may be settled before its notice comes. Its
    /// outcome is recorded after that notice was given, so it is still at hand.
    fn watch(&mut self, id: MessageId, waiter: Waiter) {
        match self.settling.get(&id) {
            Some(outcome) => tell(waiter, outcome.clone()),
            None => self.waiters.entry(id).or_default().push(waiter),
        }
    }

    /// Reads on in the journal when memory has room.
    async fn refill(&mut self) {
        if let Some((from, limit)) = self.queue.wants()
            && self.gate.is_open(Instant::now())
        {
            match self.journal.waiting(from, limit).await {
                Ok(rows) => self.queue.push_stored(rows),
                Err(error) => {
                    tracing::error!(%error, "the outbox could not be read; it is tried again");
                    self.gate.close(Instant::now() + self.backoff.delay(self.gate.failures + 1, None));
                }
            }
        }
    }

    fn start(&mut self) {
        let now = Instant::now();
        self.gate.pass(now);
        while self.gate.is_open(now) && self.attempts.len() < self.gate.window(self.window) {
            let Some(message) = self.queue.pop(now) else { return };
            let sending = Arc::clone(&self.sending);
            self.attempts.spawn(async move {
                let result = sending.attempt(&message).await;
                Attempt { message, result }
            });
        }
    }

    /// When there is something to do without anything happening before.
    fn wake(&self) -> Option<Instant> {
        if self.attempts.len() >= self.gate.window(self.window) {
            return None;
        }
        self.gate.until.or_else(|| self.queue.next_due())
    }

    fn finish(&mut self, attempt: Result<Attempt, tokio::task::JoinError>) {
        let Ok(Attempt { message, result }) = attempt else {
            tracing::error!("an attempt to send ended abnormally; its message goes out after the next start");
            return;
        };
        let now = Instant::now();
        match result {
            Ok(accepted) => {
                self.gate.open();
                Stats::add(&self.stats.accepted, 1);
                let (journal, id, seq) = (self.journal.clone(), message.id, message.seq);
                let recorded = accepted.clone();
                self.records.spawn(async move { (id, journal.accepted(seq, recorded).await) });
                self.settle(id, Outcome::Accepted(accepted));
            }
            Err(Failure::Hub(HubError::Problem { document, .. })) if !document.retry => {
                self.gate.open();
                Stats::add(&self.stats.refused, 1);
                tracing::warn!(id = %message.id, code = document.code, "the hub refused a message");
                let (journal, id, seq) = (self.journal.clone(), message.id, message.seq);
                let problem = serde_json::to_string(&document).unwrap_or_default();
                self.records.spawn(async move { (id, journal.refused(seq, problem).await) });
                self.settle(id, Outcome::Refused(document));
            }
            Err(Failure::Hub(error)) if error.is_outage() => {
                if self.gate.is_open(now) {
                    let delay = self.backoff.delay(self.gate.failures + 1, error.retry_after());
                    if self.gate.failures == 0 {
                        tracing::warn!(%error, "the hub does not take messages; they wait in the outbox");
                    }
                    self.gate.close(now + delay);
                }
                self.queue.put_back(message);
            }
            Err(Failure::Hub(error)) => {
                self.gate.open();
                tracing::warn!(id = %message.id, %error, "a message could not be sent; it is tried again");
                self.delay(message, error.retry_after());
            }
            Err(Failure::Untrusted(error)) => {
                tracing::error!(id = %message.id, %error, "the hub's receipt does not verify; the message is tried again");
                let error = Arc::new(error);
                for waiter in self.waiters.remove(&message.id).into_iter().flatten() {
                    tell(waiter, Outcome::Untrusted(Arc::clone(&error)));
                }
                self.delay(message, None);
            }
        }
    }

    fn delay(&mut self, mut message: Outgoing, asked: Option<Duration>) {
        message.failures += 1;
        let due = Instant::now() + self.backoff.delay(message.failures, asked);
        self.queue.delay(message, due);
    }

    fn settle(&mut self, id: MessageId, outcome: Outcome) {
        for waiter in self.waiters.remove(&id).into_iter().flatten() {
            tell(waiter, outcome.clone());
        }
        self.settling.insert(id, outcome);
    }

    fn recorded(&mut self, record: Result<(MessageId, Result<(), JournalError>), tokio::task::JoinError>) {
        if let Ok((id, result)) = record {
            self.settling.remove(&id);
            if let Err(error) = result {
                // It stays waiting in the journal: sent again after a restart, it gets the same answer.
                tracing::error!(%id, %error, "the outcome of a message could not be recorded");
            }
        }
    }
}

impl Sending {
    async fn attempt(&self, message: &Outgoing) -> Result<Accepted, Failure> {
        let submission = message.submission();
        let answer = self.hub.submit(&submission).await.map_err(Failure::Hub)?;
        let receipt = self.verify(message, &answer).await?;
        Ok(Accepted::new(receipt.claims().clone(), submission.envelope, answer))
    }

    async fn verify(&self, message: &Outgoing, answer: &Answer) -> Result<UnverifiedReceipt, Failure> {
        let reread;
        let envelope = match &message.content {
            Content::Fresh(signed) => &signed.envelope,
            Content::Stored(stored) => {
                // Signed in an earlier life, perhaps with an earlier key.
                let key = match self.keys.of_envelope(&stored.envelope).await {
                    KeyLookup::Found(published) => Some(published.key),
                    KeyLookup::Unknown => None,
                    KeyLookup::Unavailable(error) => return Err(Failure::Hub(error)),
                };
                reread = verify_envelope(&stored.envelope, |_, _| key).map_err(Failure::Untrusted)?;
                &reread
            }
        };
        let checkpoint = |text: &str| self.checkpoints.verify(text);
        verify_acceptance(envelope, &answer.receipt, &answer.proof, self.checkpoints.trust(), checkpoint)
            .map_err(Failure::Untrusted)
    }
}

/// Whether the hub takes messages. After an outage one message probes before the others follow.
#[derive(Default)]
struct Gate {
    failures: u32,
    until: Option<Instant>,
}

impl Gate {
    fn is_open(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| until <= now)
    }

    /// Forgets a time that has come, so that nobody waits for it again.
    fn pass(&mut self, now: Instant) {
        self.until = self.until.filter(|until| *until > now);
    }

    const fn window(&self, full: usize) -> usize {
        if self.failures == 0 { full } else { 1 }
    }

    fn close(&mut self, until: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.until = Some(until);
    }

    fn open(&mut self) {
        if self.failures > 0 {
            tracing::info!("the hub takes messages again");
        }
        *self = Self::default();
    }
}

fn tell(waiter: Waiter, outcome: Outcome) {
    // Whoever waited may have gone; the message is settled all the same.
    let _ = waiter.send(outcome);
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use saphan_schemas::ids::SystemId;
    use saphan_schemas::problem::ProblemCode;
    use tokio::sync::oneshot;

    use super::*;
    use crate::OutgoingMessage;
    use crate::journal::Opened;
    use crate::outgoing::Identity;
    use crate::testing::TestHub;

    #[tokio::test]
    async fn whoever_waits_for_a_message_that_settled_before_its_notice_came_is_told() {
        let (hub, folder) = (TestHub::new().unwrap(), tempfile::tempdir().unwrap());
        let system: SystemId = "th.dga/citizen-portal".parse().unwrap();
        let (notices, _noticed) = mpsc::unbounded_channel();
        let Opened { journal, .. } = Journal::open(folder.path(), &system, notices).await.unwrap();
        let api = hub.api(system.as_str()).unwrap();
        let sending = Sending {
            hub: Arc::clone(&api),
            checkpoints: Arc::new(Checkpoints::new(Arc::new(hub.trust()))),
            keys: Arc::new(SystemKeys::new(api)),
        };
        let mut dispatcher = Dispatcher::new(sending, journal, Backoff::default(), 1, Arc::default());
        let (key, hub) = (hub.register(&system).unwrap(), hub.trust().hub);
        let message = OutgoingMessage::bytes(system.clone(), "a.b@1".parse().unwrap(), b"{}".to_vec());
        let message = Arc::new(message.sign(&Identity { system, hub, key }).unwrap());
        let id = message.envelope.claims().jti;

        dispatcher.settle(id, Outcome::Refused(Box::new(ProblemCode::TypeUnknown.document())));
        let (waiter, told) = oneshot::channel();
        dispatcher.note(Notice::New { seq: 1, message, waiter: Some(waiter) });
        let told = told.await.unwrap_or_else(|_| panic!("nobody was told"));
        assert!(matches!(told, Outcome::Refused(problem) if problem.code() == Some(ProblemCode::TypeUnknown)));
    }

    #[test]
    fn a_gate_whose_time_has_come_is_open_and_waits_for_nothing() {
        let (now, mut gate) = (Instant::now(), Gate::default());
        gate.close(now + Duration::from_secs(1));
        assert!(!gate.is_open(now));
        gate.pass(now + Duration::from_secs(1));
        assert_eq!((gate.until, gate.window(64)), (None, 1), "one message probes");
        gate.open();
        assert_eq!(gate.window(64), 64);
    }
}
