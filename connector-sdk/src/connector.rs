//! The connector: one system's connection to the exchange.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use saphan_schemas::ids::{CaseId, EvidenceTypeId, MessageId, ServiceId, SystemId};
use saphan_schemas::message_types::Subject;
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::{Instant, timeout_at};

use crate::builder::ConnectorBuilder;
use crate::documents::Documents;
use crate::error::{JournalError, SendError};
use crate::hub_api::{HubApi, HubError};
use crate::journal::Journal;
use crate::outbox::{Accepted, Outbox, Status};
use crate::outgoing::OutgoingMessage;
use crate::portal::{CaseView, EvidenceTypeView, ServiceView, TracePage};
use crate::receive::Transport;
use crate::stats::{Counts, Stats};
use crate::stop::Stopper;
use crate::watching::CaseWatch;

/// A running connector. It sends and receives in the background until [`Connector::shutdown`].
///
/// Dropping it is like a crash: everything stops at once, and nothing that was durable is lost.
pub struct Connector {
    pub(crate) hub: Arc<dyn HubApi>,
    pub(crate) outbox: Outbox,
    pub(crate) journal: Journal,
    pub(crate) stats: Arc<Stats>,
    pub(crate) stopper: Stopper,
    pub(crate) tasks: JoinSet<()>,
    pub(crate) transport: Option<Arc<dyn Transport>>,
    pub(crate) writer: AbortOnDrop,
}

impl Connector {
    /// Begins to set up the connector of a system.
    pub fn builder(system: SystemId) -> ConnectorBuilder {
        ConnectorBuilder::new(system)
    }

    /// The system that it connects.
    #[must_use]
    pub fn system(&self) -> &SystemId {
        self.outbox.system()
    }

    /// Stores a message in the outbox and waits until the hub has accepted it. See [`Outbox::send`].
    ///
    /// # Errors
    /// [`SendError`]; [`SendError::is_retryable`] says whether to call again.
    pub async fn send(&self, message: OutgoingMessage) -> Result<Accepted, SendError> {
        self.outbox.send(message).await
    }

    /// Stores a message in the outbox and returns once it is durable there. See [`Outbox::enqueue`].
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn enqueue(&self, message: OutgoingMessage) -> Result<MessageId, SendError> {
        self.outbox.enqueue(message).await
    }

    /// What became of a message. See [`Outbox::status`].
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn status(&self, id: MessageId) -> Result<Option<Status>, JournalError> {
        self.outbox.status(id).await
    }

    /// Where a case is, for the portal that submitted it and the authority that has it. A case is there a moment after the
    /// receipt of its application; until then, and for everybody else, the hub knows none.
    ///
    /// # Errors
    /// [`HubError`]; [`HubError::problem_code`] is `not-found` when there is no such case to be seen.
    pub async fn case(&self, id: CaseId) -> Result<CaseView, HubError> {
        self.hub.case(id).await
    }

    /// Follows a case: what happens in it, as it happens, after the event of this number or from the beginning.
    ///
    /// ```no_run
    /// # async fn follow(portal: &saphan_connector::Connector, case: saphan_schemas::ids::CaseId) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut watch = portal.watch_case(case, None);
    /// while let Some(event) = watch.next().await? {
    ///     println!("{}: {}", event.event, event.now.text.th);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn watch_case(&self, id: CaseId, after: Option<u64>) -> CaseWatch {
        CaseWatch::new(Arc::clone(&self.hub), id, after)
    }

    /// Who used which data about a person, the newest first: for a portal, on behalf of the person, whom it has identified.
    /// `before` is [`TracePage::next`] of the page before.
    ///
    /// # Errors
    /// [`HubError`].
    pub async fn trace(&self, subject: &Subject, before: Option<u64>) -> Result<TracePage, HubError> {
        self.hub.trace(subject, before).await
    }

    /// The public services that people can apply for.
    ///
    /// # Errors
    /// [`HubError`].
    pub async fn services(&self) -> Result<Vec<ServiceView>, HubError> {
        self.hub.services().await
    }

    /// One public service.
    ///
    /// # Errors
    /// [`HubError`]; [`HubError::problem_code`] is `not-found` when there is none.
    pub async fn service(&self, id: &ServiceId) -> Result<ServiceView, HubError> {
        self.hub.service(id).await
    }

    /// One evidence type: whether the person must consent to its use, say.
    ///
    /// # Errors
    /// [`HubError`]; [`HubError::problem_code`] is `not-found` when there is none.
    pub async fn evidence_type(&self, id: &EvidenceTypeId) -> Result<EvidenceTypeView, HubError> {
        self.hub.evidence_type(id).await
    }

    /// The outbox, for the parts of a program that send.
    #[must_use]
    pub const fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// The hub's documents: to upload, to download.
    #[must_use]
    pub const fn documents(&self) -> &Documents {
        self.outbox.documents()
    }

    /// What this connector has done since it started.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.stats.counts()
    }

    /// Stops in order: takes in nothing more, lets running handlers finish, hands in acknowledgements, finishes the
    /// attempts to send that are under way. After `deadline` it stops at once. What is left stays in the journal, and the
    /// next start goes on with it.
    ///
    /// # Errors
    /// [`JournalError`] when the journal cannot be closed; what it holds is durable all the same.
    pub async fn shutdown(mut self, deadline: Duration) -> Result<Drained, JournalError> {
        let end = Instant::now() + deadline;
        self.stopper.stop();
        let finished = timeout_at(end, async { while self.tasks.join_next().await.is_some() {} }).await.is_ok();
        self.tasks.shutdown().await;
        if let Some(transport) = &self.transport {
            // The broker may be the reason for the shutdown; it notices a dropped connection as well.
            let _ = timeout_at(end.max(Instant::now() + CLOSING), transport.close()).await;
        }
        let (outbox, inbox) = self.journal.left().await?;
        self.journal.close().await?;
        // With the writer the lock on the folder goes.
        let _ = (&mut self.writer.0).await;
        Ok(Drained { finished, outbox, inbox })
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("outbox", &self.outbox)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

/// What a shutdown left over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Everything that ran came to its end before the deadline.
    pub finished: bool,
    /// Messages that wait in the outbox.
    pub outbox: u64,
    /// Messages in the inbox that are not handled, or whose acknowledgement is not handed in.
    pub inbox: u64,
}

/// A task that ends with its owner.
pub(crate) struct AbortOnDrop<T = ()>(pub(crate) JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<T> Future for AbortOnDrop<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context)
    }
}

const CLOSING: Duration = Duration::from_millis(500);
