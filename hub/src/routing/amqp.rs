//! RabbitMQ, through lapin.
//!
//! One connection, owned by a task that dials, declares the topology and publishes; it dials again, with a jittered
//! back-off, whenever the connection is lost. Only the hub declares; connectors read their own inbox.
//!
//! lapin logs a returned message with its body at `warn`, and every frame at `trace`, passwords and bodies included: whoever sets
//! up logging must ask [`may_be_logged`], whatever else the log's filter says.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use lapin::Connection;
use lapin::types::ShortString;
use saphan_schemas::ids::SystemId;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::transport::{Dispatch, PublishError, Transport};
use crate::broker::login::HubLogin;
use dialling::Dialler;
use publisher::Job;

mod connection;
mod dialling;
mod flights;
mod properties;
mod publisher;
mod topology;

/// Whether an event may be in the hub's log: no body and no frame ever is. A filter's directives do not suffice for that: the
/// narrowest one wins, so an operator's `lapin::io_loop=trace` would.
#[must_use]
pub fn may_be_logged(event: &tracing::Metadata<'_>) -> bool {
    let target = event.target();
    !target.starts_with("lapin") || (*event.level() <= tracing::Level::INFO && target != "lapin::returned_messages")
}

/// How to reach the broker, and how patient to be.
#[derive(Clone)]
pub struct AmqpConfig {
    /// `amqp://user:password@host:port/virtual-host`, or `amqps:`. A secret, unless it names no user.
    pub uri: String,
    /// The hub logs in with a fresh token for each connection; `None`: the user of the address.
    pub login: Option<HubLogin>,
    /// The certificates (PEM) of the authorities that may vouch for the broker; none: those that the machine trusts.
    pub ca: Option<String>,
    /// After how long an unanswered publication is unknown, the wait for a free place in the window included.
    pub publish_timeout: Duration,
    /// Publications that may be unconfirmed at once, at least 1.
    pub window: usize,
    /// How often the broker and the hub tell each other that they are there; whole seconds, at least 1.
    pub heartbeat: Duration,
}

impl AmqpConfig {
    /// The broker at `uri`, with a time-out of 30 s, a window of 512 and a heartbeat of 10 s.
    #[must_use]
    pub fn new(uri: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            login: None,
            ca: None,
            publish_timeout: Duration::from_secs(30),
            window: 512,
            heartbeat: Duration::from_secs(10),
        }
    }
}

impl fmt::Debug for AmqpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AmqpConfig")
            .field("uri", &"redacted")
            .field("login", &self.login)
            .field("ca", &self.ca.is_some())
            .field("publish_timeout", &self.publish_timeout)
            .field("window", &self.window)
            .field("heartbeat", &self.heartbeat)
            .finish()
    }
}

/// The broker cannot be dialled so. The texts do not repeat the address, as it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBroker {
    /// The address is not one.
    #[error("the broker's address is not of the form amqps://host:port/virtual-host")]
    Address,
    /// The certificates of the authorities cannot be read.
    #[error("the certificates of the broker's authorities are not PEM: {0}")]
    Certificates(String),
}

/// The transport over RabbitMQ. Dropping it closes the connection.
pub struct AmqpTransport {
    shared: Arc<Shared>,
    link: watch::Receiver<Option<Arc<Link>>>,
    window: Semaphore,
    publish_timeout: Duration,
    user: ShortString,
    owner: JoinHandle<()>,
}

/// A connection that is up.
struct Link {
    connection: Connection,
    jobs: mpsc::Sender<Job>,
}

/// What outlives a connection.
#[derive(Default)]
struct Shared {
    /// The inboxes that every connection declares.
    inboxes: Mutex<BTreeSet<SystemId>>,
}

impl AmqpTransport {
    /// Starts dialling and returns at once; must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`InvalidBroker`].
    pub fn new(config: &AmqpConfig) -> Result<Self, InvalidBroker> {
        let dialler = Dialler::new(config)?;
        let user = ShortString::try_new(dialler.user()).map_err(|_| InvalidBroker::Address)?;
        let shared = Arc::new(Shared::default());
        let (up, link) = watch::channel(None);
        let owner = tokio::spawn(connection::keep(dialler, Arc::clone(&shared), up, config.window.max(1)));
        let window = Semaphore::new(config.window.clamp(1, Semaphore::MAX_PERMITS));
        Ok(Self { shared, link, window, publish_timeout: config.publish_timeout, user, owner })
    }

    /// Waits until there is a connection.
    pub async fn connected(&self) {
        // An error means that the owner of the connection has ended: it never will be, and waiting is the answer.
        if self.link.clone().wait_for(Option::is_some).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    async fn send(&self, dispatch: Dispatch) -> Result<(), PublishError> {
        let deadline = Instant::now() + self.publish_timeout;
        let link = self.current()?;
        let Ok(Ok(_place)) = timeout_at(deadline, self.window.acquire()).await else {
            return Err(PublishError::Unavailable);
        };
        let (message_id, routing_key) = (dispatch.claims.jti, dispatch.claims.aud.as_str().into());
        let (reply, answer) = oneshot::channel();
        let (properties, body) = properties::properties(dispatch, self.user.clone());
        let job = Job { message_id, routing_key, properties, body, reply };
        match timeout_at(deadline, link.jobs.send(job)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return Err(PublishError::Unavailable),
        }
        match timeout_at(deadline, answer).await {
            Ok(Ok(outcome)) => outcome,
            // The connection was lost, or nothing was heard in time.
            Ok(Err(_)) | Err(_) => Err(PublishError::Unknown),
        }
    }

    async fn declare(&self, system: &SystemId) -> Result<(), PublishError> {
        // Remembered first: a connection that comes up meanwhile declares it as well.
        self.shared.inboxes().insert(system.clone());
        let link = self.current()?;
        let deadline = Instant::now() + self.publish_timeout;
        match timeout_at(deadline, topology::declare_inbox(&link.connection, system)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::warn!(%system, %error, "the broker did not declare an inbox");
                Err(PublishError::Unavailable)
            }
            Err(_) => Err(PublishError::Unknown),
        }
    }

    fn current(&self) -> Result<Arc<Link>, PublishError> {
        self.link.borrow().clone().ok_or(PublishError::Unavailable)
    }
}

impl Transport for AmqpTransport {
    fn publish(&self, dispatch: Dispatch) -> BoxFuture<'_, Result<(), PublishError>> {
        Box::pin(async move {
            let claims = Arc::clone(&dispatch.claims);
            let outcome = self.send(dispatch).await;
            if outcome == Err(PublishError::Unroutable) && self.shared.inboxes().contains(&claims.aud) {
                // Somebody deleted the queue; the caller's next try shall find one.
                let _ = self.declare(&claims.aud).await;
            }
            outcome
        })
    }

    fn ensure_inbox<'a>(&'a self, system: &'a SystemId) -> BoxFuture<'a, Result<(), PublishError>> {
        Box::pin(self.declare(system))
    }

    fn healthy(&self) -> bool {
        self.link.borrow().is_some()
    }
}

impl Drop for AmqpTransport {
    fn drop(&mut self) {
        self.owner.abort();
    }
}

impl Shared {
    fn inboxes(&self) -> MutexGuard<'_, BTreeSet<SystemId>> {
        self.inboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_password() {
        let shown = format!("{:?}", AmqpConfig::new("amqp://hub:hunter2@127.0.0.1:5672/saphan"));
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[tokio::test]
    async fn an_address_of_another_kind_is_refused_without_repeating_it() {
        let error = AmqpTransport::new(&AmqpConfig::new("https://hub:hunter2@example")).err().unwrap();
        assert!(!error.to_string().contains("hunter2"));
    }

    #[tokio::test]
    async fn without_a_broker_nothing_is_sent_and_the_caller_is_told() {
        let transport = AmqpTransport::new(&AmqpConfig::new("amqp://u:p@127.0.0.1:1/saphan")).unwrap();
        let system: SystemId = "th.dopa/civil-registry".parse().unwrap();
        assert_eq!(transport.ensure_inbox(&system).await, Err(PublishError::Unavailable));
        assert!(!transport.healthy());
    }
}
