//! The parts of a running hub. How they are put together: `opening`.

mod opening;

pub use opening::{Opened, Opening};
pub(crate) use opening::{new_root, witnesses};

use std::sync::Arc;

use saphan_schemas::ids::{HubId, SystemId};
use tokio::sync::{Mutex, Semaphore, watch};

use crate::admission::Admission;
use crate::audit::Audit;
use crate::broker::login::HubLogin;
use crate::caller;
use crate::cases::Cases;
use crate::clock::Clock;
use crate::connections::ConnectionLimits;
use crate::console::Console;
use crate::documents::Documents;
use crate::keys::KeyStore;
use crate::ledger::Ledger;
use crate::limits::{Exhausted, Payer, SystemLimits};
use crate::metrics::Metrics;
use crate::publication::PublishedLog;
use crate::refusals::LoggedRefusals;
use crate::registry::Registry;
use crate::routing::Wakeups;
use crate::shards::{Shard, Shards};
use crate::store::{Store, StoreError};
use crate::timestamps::Timestamps;
use crate::used_tokens::UsedTokens;
use crate::witnesses::{Cosigned, Witnesses};

/// Everything a request may need. Built once; shared.
pub struct App {
    /// The hub's name, as envelopes and tokens give it.
    pub hub: HubId,
    /// The present log's origin.
    pub origin: String,
    /// The hub's logs.
    pub shards: Arc<Shards>,
    /// Where its keys are.
    pub key_store: KeyStore,
    /// Where connectors reach the broker, if there is one.
    pub broker_address: Option<String>,
    /// The CA certificates (PEM) that vouch for hub and broker, if connectors are to believe no others.
    pub ca: Option<String>,
    /// Which messages are acceptable.
    pub admission: Arc<Admission>,
    /// Who exists and may do what.
    pub registry: Arc<Registry>,
    /// Held while the registry changes, so that a change is judged on the state that it is applied to.
    pub registry_change: Mutex<()>,
    /// The log's writer.
    pub ledger: Ledger,
    /// Who cosigns the log's checkpoints, if anybody does.
    pub witnesses: Option<Arc<Witnesses>>,
    /// Who else says when a checkpoint existed, if anybody does.
    pub timestamps: Option<Arc<Timestamps>>,
    /// What is kept.
    pub store: Arc<dyn Store>,
    /// Files that travel beside messages.
    pub documents: Documents,
    /// Where the log is published as files, with how many entries were when the hub was opened.
    pub publication: Option<(Arc<PublishedLog>, u64)>,
    /// Which refusals are in the log already.
    pub refusals: LoggedRefusals,
    /// Which request tokens were used.
    pub used_tokens: UsedTokens,
    /// Who waits for messages.
    pub wakeups: Arc<Wakeups>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Counters and gauges.
    pub metrics: Arc<Metrics>,
    /// Permits, in KiB, for bodies that are held in memory at once.
    pub body_memory: Arc<Semaphore>,
    /// Permits for messages of batches that are judged at once.
    pub batch_turns: Arc<Semaphore>,
    /// What one system may ask for.
    pub limits: SystemLimits,
    /// How many connections at once, and how patient with them.
    pub connections: ConnectionLimits,
    /// Lease and long-poll limits.
    pub inbox: crate::config::InboxConfig,
    /// What auditors search.
    pub audit: Arc<Audit>,
    /// Who of them is signed in at the pages that show it.
    pub console: Console,
    /// Applications that need evidence, if the hub has a system for them.
    pub cases: Option<Arc<Cases>>,
    /// How the hub logs in at the broker.
    pub broker_login: HubLogin,
    /// Whether the hub is stopping.
    pub stopping: watch::Receiver<bool>,
}

impl App {
    /// Signs with the keys that the registry has, from the next commit on. A key whose file cannot be read leaves those before
    /// it in use, which the registry still has.
    pub async fn take_up_keys(&self) {
        let store = self.key_store.clone();
        let opened = tokio::task::spawn_blocking(move || store.open()).await;
        let keys = opened.map_err(anyhow::Error::from).and_then(|keys| Ok(keys?));
        match keys.and_then(|keys| Ok(keys.signing(&self.registry.state(), &self.origin)?)) {
            Ok(keys) => self.ledger.sign_with(keys),
            Err(error) => {
                tracing::error!(error = &*error as &dyn std::error::Error, "the hub's new keys cannot be used")
            }
        }
    }

    /// Notes that a request is this system's, and takes it from the system's allowance. Only once a token has proven it.
    ///
    /// # Errors
    /// [`Exhausted`].
    pub fn take_request(&self, system: &SystemId) -> Result<(), Exhausted> {
        caller::proven(system);
        self.limits.requests.take(&Payer::System(system.clone()), self.clock.now_ms())
    }

    /// The newest checkpoint of a log of this hub that a quorum of witnesses has cosigned.
    ///
    /// # Errors
    /// The store failed.
    pub async fn cosigned_of(&self, shard: &Shard) -> Result<Option<Arc<Cosigned>>, StoreError> {
        if shard == self.shards.present() {
            return Ok(self.cosigned());
        }
        Ok(self.store.kept_cosigned(shard).await?.map(|kept| Arc::new(kept.cosigned)))
    }

    /// The newest checkpoint of the present log that a quorum of witnesses has cosigned.
    #[must_use]
    pub fn cosigned(&self) -> Option<Arc<Cosigned>> {
        self.witnesses.as_ref()?.cosigned().borrow().clone()
    }

    /// The newest checkpoint and its size; with the cosignatures of witnesses, once they are there.
    #[must_use]
    pub fn newest_checkpoint(&self) -> (u64, String) {
        let (size, checkpoint) = {
            let committed = self.ledger.committed();
            let committed = committed.borrow();
            (committed.size, committed.checkpoint.to_string())
        };
        let cosigned = self.cosigned().filter(|cosigned| cosigned.size == size);
        (size, cosigned.map_or(checkpoint, |cosigned| cosigned.text.clone()))
    }

    /// Whether the hub is stopping.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }
}
