//! What a connector asks of its hub, whatever carries the question.
//!
//! [`crate::ConnectorBuilder::hub`] asks over HTTP; the test hub (feature `testing`) answers in the same process.

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::time::Duration;

use futures_util::Stream;
use saphan_schemas::commitment::Salt;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::{CaseId, EvidenceTypeId, ServiceId, SystemId};
use saphan_schemas::keys::PublishedKey;
use saphan_schemas::message_types::Subject;
use saphan_schemas::problem::{ProblemCode, ProblemDocument};
use saphan_schemas::trust::TrustEntry;

use crate::portal::{CaseEvent, CaseView, EvidenceTypeView, ServiceView, TracePage};

pub(crate) mod http;

/// A future that a trait object returns.
pub type HubFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, HubError>> + Send + 'a>>;

/// What happens in a case, as it happens.
pub type CaseEvents = Pin<Box<dyn Stream<Item = Result<CaseEvent, HubError>> + Send>>;

/// One hub, as one system sees it: who asks, and with which key, is the implementation's business.
///
/// Every call may be repeated: submitting and acknowledging the same again gives the first answer.
pub trait HubApi: Send + Sync {
    /// Submits 1 to 256 messages in one request; answers for each of them, in their order, once it is in the log. Each is
    /// accepted or refused by itself; an error of the whole means that nothing is known of any.
    fn submit<'a>(&'a self, messages: &'a [Submission]) -> HubFuture<'a, Vec<Result<Answer, HubError>>>;

    /// Leases up to `max` messages (1 to 256) of the system's inbox, waiting up to `wait` for the first.
    fn lease(&self, max: u16, wait: Duration) -> HubFuture<'_, Lease>;

    /// Extends a lease; answers with how long it lasts from now on.
    fn extend<'a>(&'a self, lease: &'a str) -> HubFuture<'a, Duration>;

    /// Gives leased messages back; they are available again after `delay`.
    fn release<'a>(&'a self, lease: &'a str, indices: &'a [u64], delay: Duration) -> HubFuture<'a, ()>;

    /// Hands in a signed batch of acknowledgements.
    fn acknowledge<'a>(&'a self, batch: &'a str) -> HubFuture<'a, ()>;

    /// All keys that a system ever had, with their validity.
    fn system_keys<'a>(&'a self, system: &'a SystemId) -> HubFuture<'a, Vec<PublishedKey>>;

    /// The signed registry entries that added or revoked keys of the hub since its log began.
    fn trust_entries(&self) -> HubFuture<'_, Vec<TrustEntry>>;

    /// Where a case is. A hub without cases knows none.
    fn case(&self, _id: CaseId) -> HubFuture<'_, CaseView> {
        not_found()
    }

    /// What happens in a case, after the event `after` or from the beginning. Ends with the case, and otherwise when it pleases: then
    /// it is asked for again.
    fn case_events(&self, _id: CaseId, _after: Option<u64>) -> HubFuture<'_, CaseEvents> {
        not_found()
    }

    /// Who used which data about a person, before this place of the log, the newest first. A hub without cases does not tell.
    fn trace<'a>(&'a self, _subject: &'a Subject, _before: Option<u64>) -> HubFuture<'a, TracePage> {
        not_found()
    }

    /// The public services of the catalogue. Not every hub of a test has one to show.
    fn services(&self) -> HubFuture<'_, Vec<ServiceView>> {
        not_found()
    }

    /// One public service.
    fn service<'a>(&'a self, _id: &'a ServiceId) -> HubFuture<'a, ServiceView> {
        not_found()
    }

    /// One evidence type.
    fn evidence_type<'a>(&'a self, _id: &'a EvidenceTypeId) -> HubFuture<'a, EvidenceTypeView> {
        not_found()
    }

    /// What the hub has of the document of this commitment; `None` if nothing, or nothing that this system may know of.
    fn document(&self, commit: Sha256Hash) -> HubFuture<'_, Option<DocumentState>> {
        let _ = commit;
        no_documents()
    }

    /// Uploads a piece of a document.
    fn put_document<'a>(&'a self, piece: DocumentPiece<'a>) -> HubFuture<'a, DocumentState> {
        let _ = piece;
        no_documents()
    }

    /// Reads a range of a document, in bytes. Fewer than were asked for only where the document ends.
    fn get_document(&self, commit: Sha256Hash, range: Range<u64>) -> HubFuture<'_, DocumentBytes> {
        let _ = (commit, range);
        no_documents()
    }
}

fn not_found<'a, T: Send + 'a>() -> HubFuture<'a, T> {
    let document = Box::new(ProblemCode::NotFound.document());
    Box::pin(std::future::ready(Err(HubError::Problem { document, retry_after: None })))
}

fn no_documents<'a, T: Send + 'a>() -> HubFuture<'a, T> {
    Box::pin(std::future::ready(Err(HubError::Unsupported { what: "documents" })))
}

/// What the hub has of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DocumentState {
    /// All of it; it is readable.
    Complete {
        /// Its length in bytes.
        len: u64,
        /// Its media type.
        media_type: String,
    },
    /// Its bytes up to `offset`. When that is all, they are still to be checked.
    Uploading {
        /// Where the upload goes on.
        offset: u64,
    },
}

/// A piece of a document on its way to the hub.
#[derive(Debug)]
pub struct DocumentPiece<'a> {
    /// The commitment to the document.
    pub commit: Sha256Hash,
    /// Its salt.
    pub salt: &'a Salt,
    /// The document's media type.
    pub media_type: &'a str,
    /// Its length in bytes.
    pub len: u64,
    /// Where the piece begins. 0 begins the upload anew.
    pub offset: u64,
    /// The piece. Empty at the end of the document: to be checked again.
    pub bytes: Vec<u8>,
}

/// Bytes of a document, not verified yet.
#[derive(Debug)]
pub struct DocumentBytes {
    /// The salt of its commitment.
    pub salt: Salt,
    /// The length of the whole document.
    pub len: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// A message as it is submitted.
#[derive(Clone)]
pub struct Submission {
    /// The sender's compact JWS.
    pub envelope: String,
    /// The salt as text.
    pub salt: String,
    /// The exact body.
    pub body: Vec<u8>,
}

/// The hub's answer to a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The receipt, a compact JWS.
    pub receipt: String,
    /// The proof, a `tlog-proof@v1` text.
    pub proof: String,
}

impl fmt::Debug for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submission").field("envelope", &self.envelope).finish_non_exhaustive()
    }
}

/// Messages that the hub holds back from others while this system works on them.
#[derive(Debug, Default)]
pub struct Lease {
    /// The lease's id; `None` when no message came in time.
    pub id: Option<String>,
    /// How long it lasts.
    pub expires_in: Duration,
    /// The messages.
    pub messages: Vec<Leased>,
}

/// A leased message with all its parts as text; nothing is verified yet.
#[derive(Debug)]
pub struct Leased {
    /// The number by which the hub leases it: its place over all of the hub's logs.
    pub index: u64,
    /// What was submitted.
    pub submission: Submission,
    /// What the hub answered to its sender.
    pub answer: Answer,
}

/// Why the hub did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// The hub said no, and why.
    #[error("{} ({})", document.title, document.code)]
    Problem {
        /// What the hub said.
        document: Box<ProblemDocument>,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// The hub was not reached, or its answer did not arrive; whether it did its part is not known.
    #[error("the hub was not reached, or its answer did not arrive")]
    Unreachable {
        /// What the client says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The connection cannot be made safe: the hub's certificate is not one to believe, or the hub does not take ours.
    #[error("the connection to the hub cannot be made safe: {reason}")]
    Insecure {
        /// What TLS says.
        reason: String,
    },
    /// Something answered that is not a hub of this contract: a proxy, mostly.
    #[error("the answer (HTTP status {status}) is not one of the contract; is there a proxy in between?")]
    Unreadable {
        /// The HTTP status.
        status: u16,
    },
    /// This hub of the program's own does not do this.
    #[error("this hub has no {what}")]
    Unsupported {
        /// What it does not have.
        what: &'static str,
    },
    /// A request could not be signed.
    #[error("the request could not be signed: {0}")]
    Sign(#[from] saphan_schemas::jws::SignError),
}

impl HubError {
    /// The problem's code, when the hub gave one that this version knows.
    #[must_use]
    pub fn problem_code(&self) -> Option<ProblemCode> {
        match self {
            Self::Problem { document, .. } => document.code(),
            _ => None,
        }
    }

    /// Whether the same request may succeed later, unchanged.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Problem { document, .. } => document.retry,
            Self::Unsupported { .. } => false,
            _ => true,
        }
    }

    /// Whether the hub as a whole is not there, or takes nothing more of this system for now, as opposed to having trouble with
    /// this one request.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::Problem { document, .. } => {
                document.retry && matches!(document.status, SERVICE_UNAVAILABLE | TOO_MANY_REQUESTS)
            }
            Self::Unreachable { .. } | Self::Insecure { .. } | Self::Unreadable { .. } => true,
            Self::Sign(_) | Self::Unsupported { .. } => false,
        }
    }

    /// Whether something before the hub turned this very request away: its path, its length, its looks.
    pub(crate) const fn is_of_a_proxy(&self) -> bool {
        matches!(self, Self::Unreadable { status: 400..=428 | 430..=499 })
    }

    pub(crate) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Problem { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

const SERVICE_UNAVAILABLE: u16 = 503;
const TOO_MANY_REQUESTS: u16 = 429;
