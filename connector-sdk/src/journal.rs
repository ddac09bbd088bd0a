//! The journal: the one SQLite file in which outbox and inbox are durable.
//!
//! One writer task commits everything that waits in one transaction ([`writer`]); whoever asked hears back after the commit.
//! Reads use a connection of their own. The folder is locked: one journal, one connector.

mod insert;
mod read;
mod rows;
mod schema;
mod writer;

use std::fs::{DirBuilder, File, TryLockError};
use std::path::Path;
use std::sync::Arc;

use saphan_schemas::ids::SystemId;
use sqlx::SqliteConnection;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::error::ConnectorError;
use crate::outbox::{Accepted, Notice, Waiter};
use crate::outgoing::SignedMessage;

pub(crate) use self::read::OutgoingState;
pub(crate) use self::rows::{
    Ending, Enqueued, Filed, InboxState, LogPlace, ReceivedRow, Settled, StoredOutgoing, ToAcknowledge,
};
use self::writer::{Request, Writer};

/// The journal could not do its part.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// SQLite failed: disk full, file damaged, no permission. Nothing of the request was stored.
    #[error("SQLite failed: {0}")]
    Sqlite(#[source] Arc<sqlx::Error>),
    /// A newer version of this SDK wrote the file. Use that version, or newer.
    #[error("the journal has format {found}; this version of the connector reads {known} at most")]
    TooNew {
        /// The format of the file.
        found: i64,
        /// The newest format that is known here.
        known: i64,
    },
    /// The SQLite library has a bug that can damage the file.
    #[error("SQLite {version} can damage a journal (WAL reset bug); 3.51.3 or later is needed")]
    UnsafeSqlite {
        /// The library's version.
        version: String,
    },
    /// A row cannot be read back as what was written.
    #[error("the journal is damaged: the {column} of a row cannot be read")]
    Damaged {
        /// Which part.
        column: &'static str,
    },
    /// The connector has stopped; nothing was stored.
    #[error("the connector has stopped, nothing was stored")]
    Closed,
    /// The connector stopped while it wrote; whether the request was stored shows at the next start.
    #[error("the connector stopped while it wrote to the journal; whether it was stored shows at the next start")]
    Interrupted,
}

impl From<sqlx::Error> for JournalError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sqlite(Arc::new(error))
    }
}

/// A handle on the journal; cheap to clone.
#[derive(Clone)]
pub(crate) struct Journal {
    requests: mpsc::Sender<Request>,
    reader: Arc<Mutex<SqliteConnection>>,
}

/// A journal that was opened, and its writer.
pub(crate) struct Opened {
    pub(crate) journal: Journal,
    pub(crate) writer: JoinHandle<()>,
}

impl Journal {
    /// Opens the journal of `system` in `folder`, making both if needed. Messages that enter the outbox are told to
    /// `notices` after their commit, in the order of their numbers.
    pub(crate) async fn open(
        folder: &Path,
        system: &SystemId,
        notices: mpsc::UnboundedSender<Notice>,
    ) -> Result<Opened, ConnectorError> {
        let lock = lock(folder)?;
        let path = folder.join(FILE_NAME);
        private(&path).map_err(|source| ConnectorError::Folder { path: path.clone(), source })?;
        let mut connection = schema::connect(&path).await?;
        if let Some(owner) = schema::prepare(&mut connection, system).await? {
            return Err(ConnectorError::OtherSystem { path: folder.to_owned(), owner });
        }
        let reader = schema::connect_to_read(&path).await?;
        let (requests, waiting) = mpsc::channel(WAITING_REQUESTS);
        let writer = Writer::new(path, connection, waiting, notices, lock).await?;
        let journal = Self { requests, reader: Arc::new(Mutex::new(reader)) };
        Ok(Opened { journal, writer: tokio::spawn(writer.run()) })
    }

    /// Stores a message in the outbox; durable on return. From then on it goes out, whatever becomes of the caller.
    pub(crate) async fn enqueue(
        &self,
        message: Arc<SignedMessage>,
        waiter: Option<Waiter>,
    ) -> Result<Enqueued, JournalError> {
        self.ask(|done| Request::Enqueue { message, waiter, done }).await
    }

    /// Records the receipts of messages, by their numbers.
    pub(crate) async fn accepted(&self, rows: Vec<(i64, Accepted)>) -> Result<(), JournalError> {
        self.ask(|done| Request::Accepted { rows, done }).await
    }

    /// Records that a message was refused for good.
    pub(crate) async fn refused(&self, seq: i64, problem: String) -> Result<(), JournalError> {
        self.ask(|done| Request::Refused { seq, problem, done }).await
    }

    /// Stores messages in the inbox, and with those that have ended already their replies in the outbox, all or nothing; says of
    /// each whether it is new. Durable on return.
    pub(crate) async fn receive(&self, rows: Arc<Vec<ReceivedRow>>) -> Result<Vec<Filed>, JournalError> {
        self.ask(|done| Request::Receive { rows, done }).await
    }

    /// Records outcomes and puts their replies into the outbox, all or nothing.
    pub(crate) async fn settle(&self, rows: Arc<Vec<Settled>>) -> Result<(), JournalError> {
        self.ask(|done| Request::Settle { rows, done }).await
    }

    /// Records that the hub has the acknowledgements; the messages' contents are dropped.
    pub(crate) async fn acknowledged(&self, ids: Vec<i64>) -> Result<(), JournalError> {
        self.ask(|done| Request::Acknowledged { ids, done }).await
    }

    /// Finishes what waits and closes the file.
    pub(crate) async fn close(&self) -> Result<(), JournalError> {
        self.ask(|done| Request::Close { done }).await
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, JournalError>>) -> Request,
    ) -> Result<T, JournalError> {
        let (done, answer) = oneshot::channel();
        self.requests.send(request(done)).await.map_err(|_| JournalError::Closed)?;
        answer.await.map_err(|_| JournalError::Interrupted)?
    }
}

/// The folder is this connector's until it is dropped.
struct FolderLock(File);

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Closing the file is not enough: a process that was forked meanwhile has it open until it becomes another program.
        let _ = self.0.unlock();
    }
}

fn lock(folder: &Path) -> Result<FolderLock, ConnectorError> {
    let failed = |source| ConnectorError::Folder { path: folder.to_owned(), source };
    private_folder(folder).map_err(failed)?;
    let file = File::create(folder.join(LOCK_NAME)).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(FolderLock(file)),
        Err(TryLockError::WouldBlock) => Err(ConnectorError::InUse { path: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Makes the folder, and those above it that are missing, for this user alone where there is such a thing: messages in it hold
/// personal data. A folder that is there keeps its mode.
fn private_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Makes the file for this user alone, where there is such a thing, before SQLite makes it for everyone; its companions get
/// the same mode.
fn private(path: &Path) -> std::io::Result<()> {
    let mut options = File::options();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(|_| ())
}

const FILE_NAME: &str = "journal.sqlite";
const LOCK_NAME: &str = "journal.lock";

/// Requests that may wait for the writer before askers wait themselves.
const WAITING_REQUESTS: usize = 1024;
