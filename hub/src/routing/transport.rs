//! The way from the hub to a broker, behind one trait: publish with confirmation, and nothing else.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use saphan_schemas::envelope::EnvelopeClaims;
use saphan_schemas::ids::SystemId;

/// One message on its way out.
#[derive(Clone)]
pub struct Dispatch {
    /// Its place in the log.
    pub index: u64,
    /// What the envelope says. The recipient is also the routing key.
    pub claims: Arc<EnvelopeClaims>,
    /// The sender's compact JWS.
    pub envelope: String,
    /// The salt, as text.
    pub salt: String,
    /// The hub's compact JWS.
    pub receipt: String,
    /// The `tlog-proof@v1` text.
    pub proof: String,
    /// The exact body.
    pub body: Vec<u8>,
}

/// Why a publication is not confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum PublishError {
    /// The broker has no queue for the recipient.
    #[error("the broker has no queue for the recipient")]
    Unroutable,
    /// The broker refused it: the recipient's queue is full.
    #[error("the broker refused it: the recipient's queue is full")]
    Rejected,
    /// No answer in time, or the connection was lost meanwhile: it may have been delivered.
    #[error("the broker did not answer; it may have been delivered")]
    Unknown,
    /// There is no connection; it was not sent.
    #[error("there is no connection to the broker")]
    Unavailable,
}

/// A broker. Implementations reconnect by themselves; callers repeat what was not confirmed, with the same message id.
pub trait Transport: Send + Sync {
    /// Publishes durably. `Ok` means that the broker took responsibility for it in the recipient's queue.
    fn publish(&self, dispatch: Dispatch) -> BoxFuture<'_, Result<(), PublishError>>;

    /// Declares the recipient's queue, now and after each reconnection.
    fn ensure_inbox<'a>(&'a self, system: &'a SystemId) -> BoxFuture<'a, Result<(), PublishError>>;

    /// Whether there is a connection.
    fn healthy(&self) -> bool;
}
