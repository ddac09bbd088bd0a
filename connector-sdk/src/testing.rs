//! A hub in the same process, for an agency's own tests: no socket, no broker, no waiting.
//!
//! It is strict where the real hub is: envelopes, keys, commitments and schemas are checked, messages are logged, receipts
//! and proofs are real, so a connector verifies them as it does in production. Faults are switched on by the test. What it
//! leaves out: agreements (every registered system may send to every other), the media types of documents, cases.
//!
//! ```
//! use saphan_connector::testing::TestHub;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let hub = TestHub::new()?;
//! let connector = hub.connector("th.dlt/licensing")?.build().await?;
//! hub.outage(true); // from here on nothing gets through, and `send` waits
//! # drop(connector);
//! # Ok(())
//! # }
//! ```

mod api;
mod documents;
mod exchange;
mod inboxes;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use saphan_schemas::acknowledgement::AcknowledgementClaims;
use saphan_schemas::catalogue::CatalogueError;
use saphan_schemas::envelope::EnvelopeClaims;
use saphan_schemas::ids::{InvalidId, MessageId, SystemId};
use saphan_schemas::jws::SignError;
use saphan_schemas::keys::{KeyError, SigningKey};
use saphan_schemas::trust::Trust;
use tokio::sync::watch;

use self::api::SystemApi;
use self::exchange::Exchange;
use crate::builder::ConnectorBuilder;
use crate::connector::Connector;
use crate::hub_api::HubApi;

/// A hub in the same process. Clones are the same hub; with the last one its folder goes.
#[derive(Clone)]
pub struct TestHub {
    shared: Arc<Shared>,
}

struct Shared {
    exchange: Mutex<Exchange>,
    /// Counts what happened, so that waiting needs no clock.
    changes: watch::Sender<u64>,
    folder: PathBuf,
}

/// The test hub cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TestHubError {
    /// A name is not one of the contract.
    #[error(transparent)]
    Id(#[from] InvalidId),
    /// A key cannot be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The log's key cannot be made.
    #[error(transparent)]
    LogKey(#[from] saphan_schemas::log::note::KeyError),
    /// An entry cannot be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The schemas cannot be compiled.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
}

/// A message that the test hub accepted.
#[derive(Debug, Clone)]
pub struct AcceptedMessage {
    /// Its place in the log.
    pub index: u64,
    /// What its sender signed.
    pub envelope: EnvelopeClaims,
    /// The exact body.
    pub body: Vec<u8>,
}

/// A part of a message that can be changed on its way to the receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// The body.
    Body,
    /// The salt.
    Salt,
    /// The sender's statement.
    Envelope,
    /// The hub's statement.
    Receipt,
    /// The proof that the message is in the log.
    Proof,
    /// A piece of a document that is downloaded.
    Document,
}

impl TestHub {
    /// A hub with an empty log.
    ///
    /// # Errors
    /// [`TestHubError`] when the system has no random numbers.
    pub fn new() -> Result<Self, TestHubError> {
        let folder = std::env::temp_dir().join(format!("saphan-test-hub-{}", MessageId::new()));
        let shared = Shared { exchange: Mutex::new(Exchange::new()?), changes: watch::Sender::new(0), folder };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// A builder for a system's connector that lacks nothing: the system is registered with a key, its journal is in the
    /// hub's folder, and retries come after milliseconds.
    ///
    /// Called again for the same system it gives the same key and folder, so a test can drop a connector and start another
    /// where it left off.
    ///
    /// # Errors
    /// [`TestHubError`].
    pub fn connector(&self, system: &str) -> Result<ConnectorBuilder, TestHubError> {
        let system: SystemId = system.parse()?;
        let key = self.register(&system)?;
        let api = self.api(system.as_str())?;
        let folder = self.shared.folder.join(system.as_str().replace('/', "__"));
        Ok(Connector::builder(system)
            .hub_api(api)
            .trust(self.trust())
            .key(key)
            .data_dir(folder)
            .retry_delays(Duration::from_millis(2), Duration::from_millis(20)))
    }

    /// Registers a system and gives its key, the same each time.
    ///
    /// # Errors
    /// [`TestHubError`].
    pub fn register(&self, system: &SystemId) -> Result<SigningKey, TestHubError> {
        Ok(self.exchange().register(system)?)
    }

    /// The keys that this hub is trusted with.
    #[must_use]
    pub fn trust(&self) -> Trust {
        self.exchange().trust()
    }

    /// Signs with other keys from now on, as a hub does after a rotation: the operator vouches for them.
    ///
    /// # Errors
    /// [`TestHubError`].
    pub fn rotate_keys(&self) -> Result<(), TestHubError> {
        self.change(Exchange::rotate_keys)
    }

    /// The operator revokes the keys of receipts and log, and they go on signing, as whoever stole them would.
    ///
    /// # Errors
    /// [`TestHubError`].
    pub fn revoke_keys(&self) -> Result<(), TestHubError> {
        self.change(Exchange::revoke_keys)
    }

    /// The messages accepted so far, in the order of the log.
    #[must_use]
    pub fn accepted(&self) -> Vec<AcceptedMessage> {
        self.exchange().accepted()
    }

    /// The batches of acknowledgements taken so far.
    #[must_use]
    pub fn acknowledgements(&self) -> Vec<AcknowledgementClaims> {
        self.exchange().acknowledgements().to_vec()
    }

    /// Waits until `condition` holds, looking again after each thing that happens at the hub. Bound it with a time-out.
    pub async fn until(&self, mut condition: impl FnMut(&Self) -> bool) {
        let mut changes = self.shared.changes.subscribe();
        while !condition(self) {
            // The sender lives as long as this hub.
            let _ = changes.changed().await;
        }
    }

    /// The hub as a system sees it, without a connector.
    ///
    /// # Errors
    /// [`TestHubError`].
    pub fn api(&self, system: &str) -> Result<Arc<dyn HubApi>, TestHubError> {
        let system: SystemId = system.parse()?;
        self.register(&system)?;
        Ok(Arc::new(SystemApi { hub: self.clone(), system }))
    }

    /// Requests so far that got no answer, because of an outage or a lost response. Polls of an inbox do not count.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.exchange().faults.unanswered
    }

    /// While it is out, nothing reaches the hub, and nobody gets an answer.
    pub fn outage(&self, out: bool) {
        self.change(|exchange| exchange.faults.outage = out);
    }

    /// Does what the next `count` requests ask that submit, acknowledge or upload, and loses their answers: of one that submits several
    /// messages, all answers.
    pub fn lose_next_responses(&self, count: usize) {
        self.change(|exchange| exchange.faults.lost_responses = count);
    }

    /// Delivers each of the next `count` messages twice.
    pub fn duplicate_deliveries(&self, count: usize) {
        self.change(|exchange| exchange.faults.duplicates = count);
    }

    /// Delivers every message again, also those that were acknowledged, as a hub or broker may that lost its place.
    pub fn deliver_all_again(&self) {
        self.change(Exchange::deliver_all_again);
    }

    /// Delivers nothing until [`Self::release_deliveries`]; messages are accepted and wait.
    pub fn hold_deliveries(&self) {
        self.change(|exchange| exchange.faults.held = true);
    }

    /// Ends [`Self::hold_deliveries`].
    pub fn release_deliveries(&self) {
        self.change(|exchange| exchange.faults.held = false);
    }

    /// Changes a part of the next message that is delivered, or a piece of the next document that is downloaded.
    pub fn corrupt_next_delivery(&self, part: Part) {
        self.change(|exchange| exchange.faults.corrupted = Some(part));
    }

    /// Changes a part of the answer to the next submission: [`Part::Receipt`] or [`Part::Proof`].
    pub fn corrupt_next_answer(&self, part: Part) {
        self.change(|exchange| exchange.faults.corrupted_answer = Some(part));
    }

    /// Does not answer the next `count` requests for a system's keys.
    pub fn fail_key_requests(&self, count: usize) {
        self.change(|exchange| exchange.faults.lost_keys = count);
    }

    /// Ends all leases, as if their time had come: what is not acknowledged is delivered again.
    pub fn expire_leases(&self) {
        self.change(Exchange::expire_all);
    }

    fn change<T>(&self, change: impl FnOnce(&mut Exchange) -> T) -> T {
        let changed = change(&mut self.exchange());
        self.shared.changes.send_modify(|count| *count += 1);
        changed
    }

    fn exchange(&self) -> MutexGuard<'_, Exchange> {
        self.shared.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for TestHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestHub").field("accepted", &self.accepted().len()).finish_non_exhaustive()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Nothing may have been written there.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
