//! The Saphan connector SDK: send and receive service messages from a back-office system.
//!
//! A [`Connector`] is one system's connection to the exchange. It signs what it sends and keeps it in a durable outbox until
//! the hub's receipt is there and verified; it verifies what arrives, keeps it in a durable inbox, hands it to a typed
//! handler, and acknowledges the outcome. Hub, broker and program may stop at any moment: nothing is lost, and an effect
//! happens once ([`effects`]).
//!
//! # Quick start
//!
//! A portal withdraws an application; the licensing office takes note. It runs as it stands, on the hub of
//! the module `testing`; in production `hub.connector(…)` becomes [`Connector::builder`] with the hub's address,
//! its [`trust`], a registered key and a folder.
//!
//! ```
//! use saphan_connector::schemas::message_types::{ApplicationWithdrawn, WithdrawalReason, WithdrawnBy};
//! use saphan_connector::{Handled, Message, OutgoingMessage, Receive, testing::TestHub};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let hub = TestHub::new()?;
//! let office = hub.connector("th.dlt/licensing")?.receive(Receive::Pull);
//! let office = office.handle(|message: Message<ApplicationWithdrawn>| async move {
//!     println!("{} withdrew: {:?}", message.sender(), message.body().reason);
//!     Ok(Handled::Done)
//! });
//! let _running = office.build().await?;
//! let portal = hub.connector("th.dga/citizen-portal")?.build().await?;
//!
//! let body = ApplicationWithdrawn {
//!     withdrawn_at: "2026-11-24T09:30:00+07:00".parse()?,
//!     withdrawn_by: WithdrawnBy::Applicant,
//!     reason: WithdrawalReason::NoLongerNeeded,
//!     note: None,
//! };
//! let accepted = portal.send(OutgoingMessage::new("th.dlt/licensing".parse()?, &body)).await?;
//! println!("place {} in the log", accepted.index());
//! hub.until(|hub| hub.acknowledgements().len() == 1).await;
//! # Ok(())
//! # }
//! ```
//!
//! # Where to read on
//!
//! - Sending: [`OutgoingMessage`], [`Connector::send`], [`SendError`].
//! - Files beside messages: [`documents`], [`OutgoingMessage::document`].
//! - Joining, keys and agreements: [`membership`].
//! - Portals: where a case is, who used whose data, which services there are: [`portal`], [`Connector::case`].
//! - Receiving: [`ConnectorBuilder::handle`], [`Message`], [`Handled`], [`Receive`].
//! - What a crash can and cannot do: [`effects`], [`Handled::Reply`], [`OutgoingMessage::id`].
//! - Where the key is kept, passphrases and tokens: [`key_store`], [`ConnectorBuilder::signer`].
//! - The program's log: [`may_be_logged`].
//! - Tests without a hub or a broker: `testing`, with the feature of that name.

mod address;
mod backoff;
mod builder;
mod clock;
mod connector;
pub mod documents;
pub mod effects;
mod error;
mod handler;
pub mod hub_api;
mod inbox;
mod journal;
mod keys;
pub mod membership;
mod message;
mod outbox;
mod outgoing;
pub mod portal;
mod receive;
mod stats;
mod stop;
#[cfg(feature = "testing")]
pub mod testing;
pub mod trust;
mod trusted;
mod watching;

pub use address::HubAddress;
pub use builder::ConnectorBuilder;
pub use connector::{Connector, Drained};
pub use documents::{DocumentError, Documents, PreparedDocument};
pub use error::{ConnectorError, JournalError, OutgoingError, SendError};
pub use handler::{Handled, HandlerError};
pub use hub_api::http::client as http_client;
pub use message::Message;
pub use outbox::{Accepted, Outbox, Status};
pub use outgoing::OutgoingMessage;
#[cfg(feature = "amqp")]
pub use receive::amqp::BrokerError;
pub use receive::{Receive, may_be_logged};
pub use saphan_keys as key_store;
pub use saphan_schemas as schemas;
pub use stats::Counts;
pub use watching::CaseWatch;
