//! How messages come in: one trait, two transports.

#[cfg(feature = "amqp")]
pub(crate) mod amqp;
pub(crate) mod pull;

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::hub_api::{Answer, HubError, Submission};
use crate::journal::LogPlace;

/// How a connector receives.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Receive {
    /// Not at all; it only sends.
    #[default]
    Nothing,
    /// It asks the hub over HTTP, waiting for messages with leases (long poll). Only outgoing connections are needed.
    Pull,
    /// It consumes its inbox queue at the exchange's broker.
    #[cfg(feature = "amqp")]
    Amqp {
        /// `amqps://broker.example:5671/saphan`; `amqp://` on this machine only. The connector logs in with its key: a fresh
        /// token for each connection. An address may name a user and a password instead; it is never logged.
        uri: String,
    },
}

/// Whether an event may be logged by a program that embeds the connector. The AMQP library logs every frame at `trace`, with
/// tokens, passwords and bodies in it; a filter's directives do not keep them out, for the narrowest one wins.
///
/// ```
/// use tracing_subscriber::filter::filter_fn;
/// use tracing_subscriber::layer::SubscriberExt as _;
///
/// let log = tracing_subscriber::fmt().finish().with(filter_fn(saphan_connector::may_be_logged));
/// # drop(log);
/// ```
#[must_use]
pub fn may_be_logged(event: &tracing::Metadata<'_>) -> bool {
    let target = event.target();
    !target.starts_with("lapin") || (*event.level() <= tracing::Level::INFO && target != "lapin::returned_messages")
}

impl fmt::Debug for Receive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("Nothing"),
            Self::Pull => f.write_str("Pull"),
            #[cfg(feature = "amqp")]
            Self::Amqp { .. } => f.write_str("Amqp(uri redacted)"),
        }
    }
}

/// A message as it came; nothing is verified yet.
pub(crate) struct Delivery {
    pub(crate) token: Token,
    pub(crate) submission: Submission,
    pub(crate) answer: Answer,
}

/// What a transport knows a delivery by: a connection or lease, and a number within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) epoch: u64,
    pub(crate) tag: u64,
}

pub(crate) type TransportFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A way for messages to come in, at least once each.
///
/// Deliveries are handed out in order, and [`Self::stored`] and [`Self::refuse`] are called in that order: a delivery is
/// refused before any later one is stored.
pub(crate) trait Transport: Send + Sync {
    /// Waits for messages, and gives up to `max`, perhaps none. May be dropped while it waits without losing one.
    fn next(&self, max: usize) -> TransportFuture<'_, Result<Vec<Delivery>, ReceiveError>>;

    /// The messages are durable here. What fails now is delivered again, and recognised.
    fn stored<'a>(&'a self, tokens: &'a [Token]) -> TransportFuture<'a, ()>;

    /// The messages do not verify; no connector can do anything with them.
    fn refuse<'a>(&'a self, tokens: &'a [Token]) -> TransportFuture<'a, ()>;

    /// The hub has the outcomes of the messages at these places in the log.
    fn acknowledged(&self, places: &[LogPlace]);

    /// Work that goes on beside; runs until dropped.
    fn maintain(&self) -> TransportFuture<'_, ()> {
        Box::pin(std::future::pending())
    }

    /// Stops consuming.
    fn close(&self) -> TransportFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// Nothing came in, for a reason that may pass.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReceiveError {
    #[error(transparent)]
    Hub(#[from] HubError),
    #[cfg(feature = "amqp")]
    #[error("broker: {0}")]
    Broker(#[from] lapin::Error),
    #[cfg(feature = "amqp")]
    #[error("broker: {0}")]
    Lost(&'static str),
}
