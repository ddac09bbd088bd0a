//! The one task that writes: everything that waits goes into one transaction; answers follow the commit.

mod batch;

use std::path::PathBuf;
use std::sync::Arc;

use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use self::batch::{Answers, Statements};
use super::FolderLock;
use super::rows::{Enqueued, Filed, ReceivedRow, Settled};
use super::{JournalError, read, schema};
use crate::clock;
use crate::outbox::{Accepted, Notice, Waiter};
use crate::outgoing::SignedMessage;

type Done<T> = oneshot::Sender<Result<T, JournalError>>;

/// One thing to write.
pub(crate) enum Request {
    Enqueue { message: Arc<SignedMessage>, waiter: Option<Waiter>, done: Done<Enqueued> },
    Accepted { rows: Vec<(i64, Accepted)>, done: Done<()> },
    Refused { seq: i64, problem: String, done: Done<()> },
    Receive { rows: Arc<Vec<ReceivedRow>>, done: Done<Vec<Filed>> },
    Settle { rows: Arc<Vec<Settled>>, done: Done<()> },
    Acknowledged { ids: Vec<i64>, done: Done<()> },
    Close { done: Done<()> },
}

impl Request {
    /// What handlers want sent with the ends of their messages.
    fn replies(&self) -> impl Iterator<Item = &Arc<SignedMessage>> {
        let (received, settled): (&[ReceivedRow], &[Settled]) = match self {
            Self::Receive { rows, .. } => (rows, &[]),
            Self::Settle { rows, .. } => (&[], rows),
            _ => (&[], &[]),
        };
        let received = received.iter().filter_map(|row| row.ended.as_ref()).flat_map(|ended| &ended.replies);
        received.chain(settled.iter().flat_map(|row| &row.replies))
    }
}

pub(super) struct Writer {
    path: PathBuf,
    connection: SqliteConnection,
    /// Whether the last transaction failed. SQLite rolls one back by itself when, say, the disk is full, and the driver then no
    /// longer knows where its connection stands; a new one does.
    suspect: bool,
    waiting: mpsc::Receiver<Request>,
    notices: mpsc::UnboundedSender<Notice>,
    statements: Statements,
    numbers: Numbers,
    purged: Instant,
    /// Held as long as this task may write.
    _lock: FolderLock,
}

/// The numbers that the next rows get.
#[derive(Clone, Copy)]
pub(super) struct Numbers {
    outbox: i64,
    inbox: i64,
}

impl Numbers {
    pub(super) const fn next_outbox(&mut self) -> i64 {
        self.outbox += 1;
        self.outbox
    }

    pub(super) const fn next_inbox(&mut self) -> i64 {
        self.inbox += 1;
        self.inbox
    }
}

impl Writer {
    pub(super) async fn new(
        path: PathBuf,
        mut connection: SqliteConnection,
        waiting: mpsc::Receiver<Request>,
        notices: mpsc::UnboundedSender<Notice>,
        lock: FolderLock,
    ) -> Result<Self, JournalError> {
        let (outbox, inbox) = read::last_numbers(&mut connection).await?;
        let (numbers, purged) = (Numbers { outbox, inbox }, Instant::now());
        let statements = Statements::new();
        Ok(Self { path, connection, suspect: false, waiting, notices, statements, numbers, purged, _lock: lock })
    }

    pub(super) async fn run(mut self) {
        let mut batch = Vec::new();
        while self.waiting.recv_many(&mut batch, MAX_BATCH).await > 0 {
            let closing = self.commit(&mut batch).await;
            if !closing.is_empty() {
                let closed = self.connection.close().await.map_err(JournalError::from);
                closing.into_iter().for_each(|done| answer(done, closed.clone()));
                return;
            }
        }
    }

    /// Commits the batch and answers everyone in it; gives back who wants the journal closed.
    async fn commit(&mut self, batch: &mut Vec<Request>) -> Vec<Done<()>> {
        let mut numbers = self.numbers;
        match self.write(batch, &mut numbers).await {
            Ok(answers) => {
                self.numbers = numbers;
                self.tell(batch, answers)
            }
            Err(error) => {
                tracing::error!(%error, requests = batch.len(), "the journal could not be written");
                batch.drain(..).filter_map(|request| fail(request, &error)).collect()
            }
        }
    }

    async fn write(&mut self, batch: &[Request], numbers: &mut Numbers) -> Result<Answers, JournalError> {
        let now = i64::try_from(clock::unix_seconds()).unwrap_or(i64::MAX);
        if self.suspect {
            self.connection = schema::connect(&self.path).await?;
        }
        self.suspect = true;
        // Dropped without a commit it rolls back.
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        let answers = self.statements.write(&mut transaction, batch, numbers, now).await?;
        if self.purged.elapsed() >= PURGE_EVERY {
            self.purged = Instant::now();
            batch::purge(&mut transaction, now - KEEP_SECONDS).await?;
        }
        transaction.commit().await?;
        self.suspect = false;
        Ok(answers)
    }

    fn tell(&self, batch: &mut Vec<Request>, mut answers: Answers) -> Vec<Done<()>> {
        let mut closing = Vec::new();
        for request in batch.drain(..) {
            for message in request.replies() {
                let seq = answers.replies.next().flatten();
                self.tell_outbox(Arc::clone(message), seq, Enqueued::Waiting, None);
            }
            match request {
                Request::Enqueue { message, waiter, done } => {
                    let (enqueued, seq) = answers.enqueued.next().unwrap_or((Enqueued::Waiting, None));
                    self.tell_outbox(message, seq, enqueued, waiter);
                    answer(done, Ok(enqueued));
                }
                Request::Receive { done, .. } => answer(done, Ok(answers.filed.next().unwrap_or_default())),
                Request::Settle { done, .. }
                | Request::Accepted { done, .. }
                | Request::Refused { done, .. }
                | Request::Acknowledged { done, .. } => answer(done, Ok(())),
                Request::Close { done } => closing.push(done),
            }
        }
        closing
    }

    /// The outbox may be gone already when the connector stops; then the message goes out after the next start.
    fn tell_outbox(&self, message: Arc<SignedMessage>, seq: Option<i64>, enqueued: Enqueued, waiter: Option<Waiter>) {
        let notice = match (seq, enqueued, waiter) {
            (Some(seq), _, waiter) => Notice::New { seq, message, waiter },
            (None, Enqueued::Waiting, Some(waiter)) => Notice::Watch { id: message.envelope.claims().jti, waiter },
            _ => return,
        };
        let _ = self.notices.send(notice);
    }
}

/// Whoever asked may have gone; what was written stays written.
fn answer<T>(done: Done<T>, result: Result<T, JournalError>) {
    let _ = done.send(result);
}

fn fail(request: Request, error: &JournalError) -> Option<Done<()>> {
    match request {
        Request::Enqueue { done, .. } => answer(done, Err(error.clone())),
        Request::Receive { done, .. } => answer(done, Err(error.clone())),
        Request::Accepted { done, .. }
        | Request::Refused { done, .. }
        | Request::Settle { done, .. }
        | Request::Acknowledged { done, .. } => answer(done, Err(error.clone())),
        Request::Close { done } => return Some(done),
    }
    None
}

/// Requests in one transaction; a request may hold many messages.
const MAX_BATCH: usize = 512;

/// Settled rows are kept this long: receipts as evidence, message ids to recognise duplicates.
const KEEP_SECONDS: i64 = 90 * 24 * 60 * 60;

/// Old rows are purged in small bites, at most this often.
const PURGE_EVERY: std::time::Duration = std::time::Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use saphan_schemas::keys::SigningKey;

    use super::*;
    use crate::OutgoingMessage;
    use crate::outgoing::Identity;

    #[tokio::test]
    async fn a_journal_that_was_full_goes_on_when_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let (path, lock) = (folder.path().join("journal"), crate::journal::lock(folder.path()).unwrap());
        let system: saphan_schemas::ids::SystemId = "th.dga/citizen-portal".parse().unwrap();
        let mut connection = schema::connect(&path).await.unwrap();
        schema::prepare(&mut connection, &system).await.unwrap();
        // SQLITE_FULL, as on a full disk, for this connection.
        sqlx::raw_sql("PRAGMA max_page_count = 32").execute(&mut connection).await.unwrap();
        let ((requests, waiting), (notices, _noticed)) = (mpsc::channel(1), mpsc::unbounded_channel());
        tokio::spawn(Writer::new(path, connection, waiting, notices, lock).await.unwrap().run());
        let from = Identity {
            system: system.clone(),
            hub: "hub.local".parse().unwrap(),
            key: Arc::new(SigningKey::generate().unwrap().0),
        };
        let enqueue = async || {
            let body = format!("\"{}\"", "x".repeat(1 << 20)).into_bytes();
            let message = OutgoingMessage::bytes(system.clone(), "a.b@1".parse().unwrap(), body);
            let message = message.sign(&from).await.unwrap();
            let (done, stored) = oneshot::channel();
            let request = Request::Enqueue { message: Arc::new(message), waiter: None, done };
            assert!(requests.send(request).await.is_ok(), "the writer is gone");
            stored.await.unwrap()
        };
        assert!(matches!(enqueue().await, Err(JournalError::Sqlite(_))));
        for _ in 0..2 {
            assert_eq!(enqueue().await.unwrap(), Enqueued::Waiting);
        }
    }
}
