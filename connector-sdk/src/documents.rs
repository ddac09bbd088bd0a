//! Documents: files that travel beside messages, too large for a body.
//!
//! A document is uploaded first, and then cited by the messages it belongs to; sender and recipient of such a message may read it, and
//! nobody else. It goes up and down in pieces: a cut connection costs the piece that was on its way, and the memory of one piece
//! is all that is needed. What was read is checked against the commitment that the message's sender signed.
//!
//! ```
//! use saphan_connector::testing::TestHub;
//! use saphan_connector::schemas::message_types::{ApplicationWithdrawn, WithdrawalReason, WithdrawnBy};
//! use saphan_connector::OutgoingMessage;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let hub = TestHub::new()?;
//! # let _office = hub.register(&"th.dlt/licensing".parse()?)?;
//! # let portal = hub.connector("th.dga/citizen-portal")?.build().await?;
//! # let folder = std::env::temp_dir().join(format!("saphan-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let (file, copy) = (folder.join("letter.pdf"), folder.join("copy.pdf"));
//! # std::fs::write(&file, b"%PDF-1.7 a letter")?;
//! # let body = ApplicationWithdrawn {
//! #     withdrawn_at: "2026-11-24T09:30:00+07:00".parse()?,
//! #     withdrawn_by: WithdrawnBy::Applicant,
//! #     reason: WithdrawalReason::NoLongerNeeded,
//! #     note: None,
//! # };
//! let letter = portal.documents().upload_file(&file, "application/pdf").await?;
//! portal.send(OutgoingMessage::new("th.dlt/licensing".parse()?, &body).document(letter.clone())).await?;
//!
//! // The other side finds the reference in `message.envelope().documents`.
//! portal.documents().download_file(&letter, &copy).await?;
//! # assert_eq!(std::fs::read(&copy)?, std::fs::read(&file)?);
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok(())
//! # }
//! ```

mod download;
mod prepared;
mod upload;

pub use prepared::PreparedDocument;

use std::fmt;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::envelope::DocumentReference;
use saphan_schemas::ids::SystemId;
use saphan_schemas::keys::Signer;
use saphan_schemas::problem::ProblemCode;
use saphan_schemas::trust::Trust;
use tokio::fs::File;
use tokio::time::sleep;

use crate::address::HubAddress;
use crate::backoff::Backoff;
use crate::error::ConnectorError;
use crate::hub_api::http::HttpHub;
use crate::hub_api::{DocumentState, HubApi, HubError};
use crate::outgoing::Identity;

/// The documents of a connector's hub; cheap to clone, and usable from handlers and from anywhere else.
#[derive(Clone)]
pub struct Documents {
    hub: Arc<dyn HubApi>,
    backoff: Backoff,
}

/// Why a document was not uploaded or downloaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// The hub said no, or was not reached for too long. An upload goes on where it ended when it is called again with the same
    /// [`PreparedDocument`].
    #[error(transparent)]
    Hub(#[from] HubError),
    /// The hub does not have the document, or this system may not read it.
    #[error("the hub has no document {commit} that this system may read")]
    NotThere {
        /// Its commitment.
        commit: Sha256Hash,
    },
    /// What the hub gave is not the document of this commitment: it, or someone in between, changed it. What was written of it is
    /// not to be used.
    #[error("what came is not the document that the commitment is of")]
    Untrusted,
    /// The file, or whatever the bytes come from or go to.
    #[error("cannot read or write the document here: {0}")]
    File(#[from] std::io::Error),
    /// It has no byte.
    #[error("the document is empty")]
    Empty,
    /// Not `type/subtype`.
    #[error("{media_type:?} is no media type, such as application/pdf, without parameters")]
    MediaType {
        /// What was given.
        media_type: String,
    },
    /// The system has no random numbers for a salt.
    #[error(transparent)]
    Salt(#[from] saphan_schemas::keys::KeyError),
}

impl DocumentError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Hub(error) if error.is_retryable())
    }

    /// The problem's code, if the hub gave one.
    #[must_use]
    pub fn problem_code(&self) -> Option<ProblemCode> {
        match self {
            Self::Hub(error) => error.problem_code(),
            _ => None,
        }
    }
}

impl Documents {
    pub(crate) fn new(hub: Arc<dyn HubApi>, backoff: Backoff) -> Self {
        Self { hub, backoff }
    }

    /// The documents of a hub for a system without a running connector: nothing is kept, so no folder is needed.
    ///
    /// # Errors
    /// [`ConnectorError::Address`], [`ConnectorError::Certificates`], [`ConnectorError::Client`].
    pub fn of_hub(
        hub: impl Into<HubAddress>,
        system: SystemId,
        signer: Arc<dyn Signer>,
        trust: &Trust,
    ) -> Result<Self, ConnectorError> {
        let identity = Arc::new(Identity { system, hub: trust.hub.clone(), key: signer });
        Ok(Self::new(Arc::new(HttpHub::new(&hub.into(), identity)?), Backoff::default()))
    }

    /// Uploads a file; answers with what a message cites it by. The file must not change meanwhile.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub async fn upload_file(&self, path: &Path, media_type: &str) -> Result<DocumentReference, DocumentError> {
        let mut file = File::open(path).await?;
        let prepared = PreparedDocument::read(&mut file, media_type).await?;
        self.upload(&prepared, &mut file).await
    }

    /// What the hub says of a document that this system may read: its length and media type. Nothing of that is verified before the
    /// document is downloaded. `None` if there is none.
    ///
    /// # Errors
    /// [`DocumentError::Hub`].
    pub async fn find(&self, commit: Sha256Hash) -> Result<Option<DocumentReference>, DocumentError> {
        let mut failures = Failures::new(self.backoff);
        let state = failures.until_answered(|| self.hub.document(commit)).await?;
        Ok(match state {
            Some(DocumentState::Complete { len, media_type }) => {
                Some(DocumentReference { commit, len, media_type, evidence_type: None })
            }
            Some(DocumentState::Uploading { .. }) | None => None,
        })
    }
}

impl fmt::Debug for Documents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Documents").finish_non_exhaustive()
    }
}

/// Failures in a row, and how long to wait after each.
struct Failures {
    backoff: Backoff,
    count: u32,
}

impl Failures {
    const fn new(backoff: Backoff) -> Self {
        Self { backoff, count: 0 }
    }

    /// Something got through.
    const fn ended(&mut self) {
        self.count = 0;
    }

    /// Waits after a failure that may pass; gives it back when there were too many.
    async fn bear(&mut self, error: HubError) -> Result<(), HubError> {
        self.count += 1;
        if !error.is_retryable() || self.count > PATIENCE {
            return Err(error);
        }
        sleep(self.backoff.delay(self.count, error.retry_after())).await;
        Ok(())
    }

    async fn until_answered<T, F>(&mut self, mut ask: impl FnMut() -> F) -> Result<T, HubError>
    where
        F: Future<Output = Result<T, HubError>>,
    {
        loop {
            match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => self.bear(error).await?,
            }
        }
    }
}

/// What goes up or down in one request, in bytes.
const PIECE: u64 = 8 << 20;
/// Failures in a row after which it is the caller's turn. With the usual waits, half a minute to a minute.
const PATIENCE: u32 = 10;
