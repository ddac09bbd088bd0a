//! The parts of a running hub, and how they are put together.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use saphan_schemas::catalogue::Catalogue;
use saphan_schemas::ids::HubId;
use saphan_schemas::keys::PublicKey;
use saphan_schemas::leaf::{Leaf, ShardEvent};
use saphan_schemas::log::VerifierKey;
use saphan_schemas::registry::Root;
use tokio::sync::{Mutex, Semaphore, watch};
use tokio::task::JoinHandle;

use crate::admission::Admission;
use crate::broker::login::HubLogin;
use crate::clock::Clock;
use crate::config::Config;
use crate::connections::ConnectionLimits;
use crate::keys::HubKeys;
use crate::ledger::{Draft, Ledger, LedgerKeys};
use crate::metrics::Metrics;
use crate::refusals::LoggedRefusals;
use crate::registry::Registry;
use crate::routing::Wakeups;
use crate::store::Store;

/// Everything a request may need. Built once; shared.
pub struct App {
    /// The hub's name, as envelopes and tokens give it.
    pub hub: HubId,
    /// The key that signs receipts.
    pub receipt_key: PublicKey,
    /// The key that signs checkpoints; its name is the log's origin.
    pub log_key: VerifierKey,
    /// Where connectors reach the broker, if there is one.
    pub broker_address: Option<String>,
    /// Which messages are acceptable.
    pub admission: Arc<Admission>,
    /// Who exists and may do what.
    pub registry: Arc<Registry>,
    /// Held while the registry changes, so that a change is judged on the state that it is applied to.
    pub registry_change: Mutex<()>,
    /// Schemas and public services.
    pub catalogue: Arc<Catalogue>,
    /// The log's writer.
    pub ledger: Ledger,
    /// What is kept.
    pub store: Arc<dyn Store>,
    /// Which refusals are in the log already.
    pub refusals: LoggedRefusals,
    /// Who waits for messages.
    pub wakeups: Arc<Wakeups>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Counters and gauges.
    pub metrics: Arc<Metrics>,
    /// Permits, in KiB, for bodies that are held in memory at once.
    pub body_memory: Arc<Semaphore>,
    /// Permits for messages of batches that are worked on at once.
    pub batch_places: Semaphore,
    /// How many connections at once, and how patient with them.
    pub connections: ConnectionLimits,
    /// Lease and long-poll limits.
    pub inbox: crate::config::InboxConfig,
    /// How the hub logs in at the broker.
    pub broker_login: HubLogin,
    /// Whether the hub is stopping.
    pub stopping: watch::Receiver<bool>,
}

/// An [`App`] with the task that writes its log.
pub struct Opened {
    /// The parts.
    pub app: Arc<App>,
    /// Ends when the last handle on the ledger is gone.
    pub writer: JoinHandle<()>,
}

impl App {
    /// Puts a hub together on an open store, and opens the log's shard if the log is empty.
    ///
    /// # Errors
    /// When store, keys and log do not belong together.
    pub async fn open(
        config: &Config,
        keys: HubKeys,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        stopping: watch::Receiver<bool>,
    ) -> anyhow::Result<Opened> {
        let catalogue = Arc::new(Catalogue::embedded().context("the embedded catalogue is broken")?);
        let registry = Arc::new(Registry::new(Root { hub: config.hub.id.clone(), operator: *keys.operator.public() }));
        let wakeups = Arc::new(Wakeups::default());
        let metrics = Arc::new(Metrics::default());
        let receipt_key = *keys.receipts.public();
        let log_key = keys.log.verifier_key().clone();
        let opening = ShardEvent::Opened {
            origin: config.origin(),
            hub: config.hub.id.clone(),
            operator: Box::new(*keys.operator.public()),
            receipts: Box::new(receipt_key),
            previous: None,
        };
        let ledger_keys =
            LedgerKeys { hub: config.hub.id.clone(), origin: config.origin(), receipts: keys.receipts, log: keys.log };
        let ledger_keys = Arc::new(ledger_keys);
        let broker_login = HubLogin::new(Arc::clone(&ledger_keys), Arc::clone(&clock));
        let (ledger, writer) = Ledger::open(
            Arc::clone(&store),
            ledger_keys,
            Arc::clone(&clock),
            config.limits.queue,
            Arc::clone(&wakeups),
            Arc::clone(&metrics),
        )
        .await?;
        if ledger.committed().borrow().size == 0 {
            ledger.append(Draft::Shard(Box::new(opening))).await.context("the log's first entry cannot be written")?;
        } else {
            check_opening(&*store, &opening).await?;
        }
        registry.catch_up(&*store).await.context("the registry cannot be read from the log")?;
        let admission = Admission::new(
            config.hub.id.clone(),
            Arc::clone(&registry),
            Arc::clone(&catalogue),
            Arc::clone(&clock),
            config.limits.message(),
        );
        let app = Self {
            hub: config.hub.id.clone(),
            receipt_key,
            log_key,
            broker_address: Some(config.amqp.address.clone()).filter(|address| !address.is_empty()),
            admission: Arc::new(admission),
            registry,
            registry_change: Mutex::new(()),
            catalogue,
            ledger,
            store,
            refusals: LoggedRefusals::default(),
            wakeups,
            clock,
            metrics,
            body_memory: Arc::new(Semaphore::new(config.limits.body_memory_mib as usize * 1024)),
            batch_places: Semaphore::new(BATCH_PLACES),
            connections: config.limits.connections(),
            inbox: config.inbox.clone(),
            broker_login,
            stopping,
        };
        Ok(Opened { app: Arc::new(app), writer })
    }

    /// Whether the hub is stopping.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }
}

/// A few commits' worth: two connectors at full speed.
const BATCH_PLACES: usize = 1024;

/// The keys must be those that the log's first entry names: nobody could verify the receipts of another one.
async fn check_opening(store: &dyn Store, expected: &ShardEvent) -> anyhow::Result<()> {
    let first = store.entries(0, 1).await?.pop();
    match first.as_deref().map(Leaf::parse) {
        Some(Ok(Leaf::Shard { event, .. })) if event == *expected => Ok(()),
        _ => bail!("the log was opened with other keys; start with the keys and the data that belong together"),
    }
}
