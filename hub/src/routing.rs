//! From the outbox to the receiver: the relay with its [`transport`], and the inbox that receivers pull from.

pub mod amqp;
mod fresh;
pub mod inbox;
pub mod relay;
pub mod transport;
mod wakeups;

pub use wakeups::Wakeups;
