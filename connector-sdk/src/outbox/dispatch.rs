//! The task that brings the outbox to the hub.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use saphan_schemas::ids::MessageId;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::attempt::{Attempt, Failure, Sending};
use super::gate::Gate;
use super::queue::{Outgoing, Queue};
use super::{Accepted, Notice, Outcome, Waiter};
use crate::backoff::Backoff;
use crate::hub_api::HubError;
use crate::journal::{Journal, JournalError};
use crate::stats::Stats;
use crate::stop::Stop;

pub(crate) struct Dispatcher {
    sending: Arc<Sending>,
    journal: Journal,
    backoff: Backoff,
    /// Messages that may be on their way at once.
    window: Arc<Semaphore>,
    stats: Arc<Stats>,
    queue: Queue,
    gate: Gate,
    waiters: HashMap<MessageId, Vec<Waiter>>,
    /// Outcomes that are not committed yet, for those who ask just then.
    settling: HashMap<MessageId, Outcome>,
    attempts: JoinSet<Attempt>,
    records: JoinSet<(Vec<MessageId>, Result<(), JournalError>)>,
}

impl Dispatcher {
    pub(crate) fn new(sending: Sending, journal: Journal, backoff: Backoff, window: usize, stats: Arc<Stats>) -> Self {
        Self {
            sending: Arc::new(sending),
            journal,
            backoff,
            window: Arc::new(Semaphore::new(window.min(Semaphore::MAX_PERMITS))),
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
                    self.gate.close(Instant::now() + self.backoff.delay(self.gate.failures() + 1, None));
                }
            }
        }
    }

    /// Sends what waits as long as there is room. No message waits for others to go with it; requests hold several when messages
    /// come faster than requests end.
    fn start(&mut self) {
        let now = Instant::now();
        self.gate.pass(now);
        while self.gate.is_open(now) && self.has_room() {
            let most = if self.gate.probes() { 1 } else { self.window.available_permits().min(REQUEST_MESSAGES) };
            let messages = self.queue.pop(now, most);
            let count = u32::try_from(messages.len()).unwrap_or(u32::MAX);
            if count == 0 {
                return;
            }
            // There is room for them; given back when the task ends, however it does.
            let room = Arc::clone(&self.window).try_acquire_many_owned(count);
            let sending = Arc::clone(&self.sending);
            self.attempts.spawn(async move {
                let _room = room;
                sending.attempt(messages).await
            });
        }
    }

    fn has_room(&self) -> bool {
        if self.gate.probes() {
            return self.attempts.is_empty();
        }
        self.attempts.len() < REQUESTS && self.window.available_permits() > 0
    }

    /// When there is something to do without anything happening before.
    fn wake(&self) -> Option<Instant> {
        if !self.has_room() {
            return None;
        }
        self.gate.until().or_else(|| self.queue.next_due())
    }

    fn finish(&mut self, attempt: Result<Attempt, tokio::task::JoinError>) {
        match attempt {
            Ok(Attempt::Answered(answered)) => self.answered(answered),
            Ok(Attempt::Failed(messages, error)) if error.is_outage() && !error.is_of_a_proxy() => {
                self.outage(&error);
                messages.into_iter().for_each(|message| self.queue.put_back(message));
            }
            Ok(Attempt::Failed(messages, error)) => {
                self.gate.open();
                tracing::warn!(%error, messages = messages.len(), "a request was not taken; each of its messages is tried alone");
                messages.into_iter().for_each(|message| self.delay(message, error.retry_after()));
            }
            Err(_) => {
                tracing::error!("an attempt to send ended abnormally; its messages go out after the next start");
            }
        }
    }

    fn answered(&mut self, answered: Vec<(Outgoing, Result<Accepted, Failure>)>) {
        let (mut accepted, mut failed) = (Vec::new(), Vec::new());
        for (message, result) in answered {
            match result {
                Ok(receipt) => accepted.push((message, receipt)),
                Err(failure) => failed.push((message, failure)),
            }
        }
        if !accepted.is_empty() {
            self.accepted(accepted);
        }
        // An outage last, whatever its place: the others open the gate.
        failed.sort_by_key(|(_, failure)| matches!(failure, Failure::Hub(error) if error.is_outage()));
        failed.into_iter().for_each(|(message, failure)| self.failed(message, failure));
    }

    fn accepted(&mut self, accepted: Vec<(Outgoing, Accepted)>) {
        self.gate.open();
        Stats::add(&self.stats.accepted, accepted.len());
        let ids = accepted.iter().map(|(message, _)| message.id).collect();
        let rows = accepted.iter().map(|(message, receipt)| (message.seq, receipt.clone())).collect();
        let journal = self.journal.clone();
        self.records.spawn(async move { (ids, journal.accepted(rows).await) });
        accepted.into_iter().for_each(|(message, receipt)| self.settle(message.id, Outcome::Accepted(receipt)));
    }

    fn failed(&mut self, message: Outgoing, failure: Failure) {
        match failure {
            Failure::Hub(HubError::Problem { document, .. }) if !document.retry => {
                self.gate.open();
                Stats::add(&self.stats.refused, 1);
                tracing::warn!(id = %message.id, code = document.code, "the hub refused a message");
                let (journal, id, seq) = (self.journal.clone(), message.id, message.seq);
                let problem = serde_json::to_string(&document).unwrap_or_default();
                self.records.spawn(async move { (vec![id], journal.refused(seq, problem).await) });
                self.settle(id, Outcome::Refused(document));
            }
            Failure::Hub(error) if error.is_outage() => {
                self.outage(&error);
                self.queue.put_back(message);
            }
            Failure::Hub(error) => {
                self.gate.open();
                tracing::warn!(id = %message.id, %error, "a message could not be sent; it is tried again");
                self.delay(message, error.retry_after());
            }
            Failure::Untrusted(error) => {
                tracing::error!(id = %message.id, %error, "the hub's receipt does not verify; the message is tried again");
                let error = Arc::new(error);
                for waiter in self.waiters.remove(&message.id).into_iter().flatten() {
                    tell(waiter, Outcome::Untrusted(Arc::clone(&error)));
                }
                self.delay(message, None);
            }
        }
    }

    /// Closes the gate, once for all that hear of the same outage.
    fn outage(&mut self, error: &HubError) {
        let now = Instant::now();
        if !self.gate.is_open(now) {
            return;
        }
        let delay = self.backoff.delay(self.gate.failures() + 1, error.retry_after());
        if !self.gate.probes() {
            tracing::warn!(%error, "the hub does not take messages; they wait in the outbox");
        }
        self.gate.close(now + delay);
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

    fn recorded(&mut self, record: Result<(Vec<MessageId>, Result<(), JournalError>), tokio::task::JoinError>) {
        let Ok((ids, result)) = record else { return };
        for id in ids {
            self.settling.remove(&id);
            if let Err(error) = &result {
                // It stays waiting in the journal: sent again after a restart, it gets the same answer.
                tracing::error!(%id, %error, "the outcome of a message could not be recorded");
            }
        }
    }
}

fn tell(waiter: Waiter, outcome: Outcome) {
    // Whoever waited may have gone; the message is settled all the same.
    let _ = waiter.send(outcome);
}

/// Requests on their way at once; what comes meanwhile goes into the next one together.
const REQUESTS: usize = 8;

/// The most messages of a request.
const REQUEST_MESSAGES: usize = 64;

#[cfg(all(test, feature = "testing"))]
mod tests {
    use saphan_schemas::ids::SystemId;
    use saphan_schemas::problem::ProblemCode;
    use tokio::sync::oneshot;

    use super::*;
    use crate::OutgoingMessage;
    use crate::journal::Opened;
    use crate::keys::SystemKeys;
    use crate::outbox::queue::Content;
    use crate::outgoing::{Identity, SignedMessage};
    use crate::testing::TestHub;
    use crate::trusted::Trusted;

    #[tokio::test]
    async fn whoever_waits_for_a_message_that_settled_before_its_notice_came_is_told() {
        let (mut dispatcher, message, _folder) = dispatcher().await;
        let id = message.envelope.claims().jti;

        dispatcher.settle(id, Outcome::Refused(Box::new(ProblemCode::TypeUnknown.document())));
        let (waiter, told) = oneshot::channel();
        dispatcher.note(Notice::New { seq: 1, message, waiter: Some(waiter) });
        let told = told.await.unwrap_or_else(|_| panic!("nobody was told"));
        assert!(matches!(told, Outcome::Refused(problem) if problem.code() == Some(ProblemCode::TypeUnknown)));
    }

    #[tokio::test]
    async fn a_busy_hub_closes_the_gate_whatever_it_says_of_the_messages_after() {
        let (mut dispatcher, message, _folder) = dispatcher().await;
        let answered = [ProblemCode::HubBusy, ProblemCode::TypeUnknown].map(|code| {
            let (id, content) = (message.envelope.claims().jti, Content::Fresh(Arc::clone(&message)));
            let problem = HubError::Problem { document: Box::new(code.document()), retry_after: None };
            (Outgoing { seq: 1, id, failures: 0, content }, Err(Failure::Hub(problem)))
        });
        dispatcher.answered(answered.into());
        assert!(dispatcher.gate.probes(), "one message asks whether the hub is still busy");
        assert_eq!(dispatcher.queue.pop(Instant::now(), 9).len(), 1, "the other one is settled");
    }

    #[tokio::test]
    async fn a_hub_that_has_enough_of_this_system_is_left_alone_for_as_long_as_it_asks() {
        let (mut dispatcher, message, _folder) = dispatcher().await;
        let (id, content) = (message.envelope.claims().jti, Content::Fresh(Arc::clone(&message)));
        let (document, asked) = (Box::new(ProblemCode::RateLimited.document()), Duration::from_secs(7));
        let problem = HubError::Problem { document, retry_after: Some(asked) };
        let answered = Instant::now();
        dispatcher.answered(vec![(Outgoing { seq: 1, id, failures: 0, content }, Err(Failure::Hub(problem)))]);
        assert!(!dispatcher.gate.is_open(answered + asked - Duration::from_millis(1)));
        assert_eq!(dispatcher.queue.pop(Instant::now(), 9).len(), 1, "the message is kept");
    }

    #[expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]
    async fn dispatcher() -> (Dispatcher, Arc<SignedMessage>, tempfile::TempDir) {
        let (hub, folder) = (TestHub::new().unwrap(), tempfile::tempdir().unwrap());
        let system: SystemId = "th.dga/citizen-portal".parse().unwrap();
        let (notices, _noticed) = mpsc::unbounded_channel();
        let Opened { journal, .. } = Journal::open(folder.path(), &system, notices).await.unwrap();
        let api = hub.api(system.as_str()).unwrap();
        let sending = Sending {
            hub: Arc::clone(&api),
            trusted: Arc::new(Trusted::new(Arc::clone(&api), hub.trust())),
            keys: Arc::new(SystemKeys::new(api)),
        };
        let dispatcher = Dispatcher::new(sending, journal, Backoff::default(), 1, Arc::default());
        let (key, hub) = (hub.register(&system).unwrap(), hub.trust().hub);
        let message = OutgoingMessage::bytes(system.clone(), "a.b@1".parse().unwrap(), b"{}".to_vec());
        let message = message.sign(&Identity { system, hub, key: Arc::new(key) }).await.unwrap();
        (dispatcher, Arc::new(message), folder)
    }
}
