//! The parts of a running hub, and how they are put together.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use saphan_schemas::catalogue::Catalogue;
use saphan_schemas::ids::{HubId, SystemId};
use saphan_schemas::registry::Root;
use tokio::sync::{Mutex, Semaphore, watch};
use tokio::task::JoinHandle;

use crate::admission::Admission;
use crate::audit::Audit;
use crate::broker::login::HubLogin;
use crate::caller;
use crate::cases::{CaseLimits, Cases, Desk};
use crate::clock::Clock;
use crate::config::Config;
use crate::connections::ConnectionLimits;
use crate::console::Console;
use crate::continuity;
use crate::documents::Documents;
use crate::keys::{HubKeys, KeyStore};
use crate::ledger::{Draft, Ledger};
use crate::limits::{Exhausted, Payer, SystemLimits};
use crate::metrics::Metrics;
use crate::publication::PublishedLog;
use crate::refusals::LoggedRefusals;
use crate::registry::Registry;
use crate::routing::Wakeups;
use crate::sealing::StorageKeys;
use crate::shards::beginning::{self, Beginning, Found, Lost};
use crate::shards::{Shard, Shards};
use crate::store::{Store, StoreError};
use crate::timestamps::Timestamps;
use crate::tls;
use crate::used_tokens::UsedTokens;
use crate::witnesses::{Cosigned, Witnesses, rounds};

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

/// An [`App`] with the task that writes its log.
pub struct Opened {
    /// The parts.
    pub app: Arc<App>,
    /// Ends when the last handle on the ledger is gone.
    pub writer: JoinHandle<()>,
}

impl App {
    /// Puts a hub together on an open store, and begins the log that the configuration names if the store is empty, or if the log
    /// before was closed for it.
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
        Self::open_after(config, keys, store, clock, stopping, None).await
    }

    /// As [`Self::open`], on a store whose present log is `lost` in part: the log that the configuration names begins after it.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_after(
        config: &Config,
        keys: HubKeys,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        stopping: watch::Receiver<bool>,
        lost: Option<Lost>,
    ) -> anyhow::Result<Opened> {
        let ca = tls::authorities(&config.tls)?;
        let catalogue = Arc::new(Catalogue::embedded().context("the embedded catalogue is broken")?);
        let wakeups = Arc::new(Wakeups::default());
        let metrics = Arc::new(Metrics::default());
        let origin = config.origin();
        let Found { shards, root, begins } = beginning::look(&*store, &origin, lost).await?;
        let shards = Arc::new(shards);
        let root = match root {
            Some(root) => root,
            None => new_root(config, &keys)?,
        };
        if root.hub != config.hub.id {
            bail!(
                "the data are of the hub {}, not of {}; start with the configuration that belongs to them",
                root.hub,
                config.hub.id
            );
        }
        let registry = Arc::new(Registry::new(root, catalogue));
        registry.catch_up(&*store).await.context("the registry cannot be read from the log")?;
        if let Some(Beginning::AfterLost(lost)) = &begins
            && let Some(entry) = lost.abandoned.vouching(&origin)?
        {
            registry.foresee(entry, shards.present().first, clock.now_ms() / 1000)?;
        }
        let key_store = config.key_store();
        let storage_keys = storage_keys(&key_store, &*store).await?;
        store.seal_with(Arc::clone(&storage_keys));
        let ledger_keys = keys.signing(&registry.state(), &origin)?;
        let (ledger, writer) = Ledger::open(
            Arc::clone(&store),
            Arc::clone(&shards),
            ledger_keys,
            Arc::clone(&clock),
            config.limits.queue,
            Arc::clone(&wakeups),
            Arc::clone(&metrics),
        )
        .await?;
        let publication = publication(config, begins.as_ref() == Some(&Beginning::First))?;
        let publication = match publication {
            None => None,
            Some(publication) => {
                let ring = registry.state();
                let known: Vec<_> = ring.keys_of_log(&origin).cloned().collect();
                let published = continuity::with_publication(&publication, &*store, shards.present(), &known).await?;
                Some((Arc::new(publication), published))
            }
        };
        let timestamps = Timestamps::open(&config.timestamps, clock.now_ms())?.map(Arc::new);
        let witnesses = witnesses(config, &*clock)?;
        if let Some(beginning) = &begins {
            if let Some(witnesses) = &witnesses {
                rounds::before_the_first_entry(witnesses, &ledger.keys().borrow()).await?;
            }
            let opening = beginning::opening(&registry.state(), &ledger.keys().borrow(), beginning)?;
            ledger.append(Draft::Shard(Box::new(opening))).await.context("the log's first entry cannot be written")?;
        }
        let broker_login = HubLogin::new(config.hub.id.clone(), ledger.keys(), Arc::clone(&clock));
        let admission =
            Admission::new(config.hub.id.clone(), Arc::clone(&registry), Arc::clone(&clock), config.message_limits());
        let cases = cases(config, &store, &shards, &registry, &clock, &ledger)?;
        let documents =
            Documents::open(&config.documents, &config.hub.data_dir, storage_keys, &store, Arc::clone(&clock))?;
        let app = Self {
            hub: config.hub.id.clone(),
            origin,
            shards,
            key_store,
            broker_address: Some(config.amqp.address.clone()).filter(|address| !address.is_empty()),
            ca,
            admission: Arc::new(admission),
            registry,
            registry_change: Mutex::new(()),
            ledger,
            witnesses,
            timestamps,
            publication,
            store,
            documents,
            refusals: LoggedRefusals::default(),
            used_tokens: UsedTokens::new(clock.now_ms() / 1000),
            wakeups,
            clock,
            metrics,
            body_memory: Arc::new(Semaphore::new(config.limits.body_memory_mib as usize * 1024)),
            batch_turns: Arc::new(Semaphore::new(BATCH_TURNS)),
            limits: SystemLimits::new(&config.limits),
            connections: config.limits.connections(),
            inbox: config.inbox.clone(),
            audit: Arc::new(Audit::new(config.search_file())),
            console: Console::new(config),
            cases,
            broker_login,
            stopping,
        };
        Ok(Opened { app: Arc::new(app), writer })
    }

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

/// The storage keys: made when the hub never had any, and else all there that something is wrapped with.
async fn storage_keys(keys: &KeyStore, store: &dyn Store) -> anyhow::Result<Arc<StorageKeys>> {
    let needed = store.storage_keys().await?;
    let mut found = keys.open_storage()?;
    // Made with the others by `init`; the folder of an older hub has none yet.
    if found.is_empty() && needed.is_empty() {
        let key = keys.add_storage()?;
        tracing::warn!(key = %key.id(), "made a storage key; keep a copy of its file apart from this machine");
        found.push(key);
    }
    if let Some(missing) = needed.iter().find(|id| found.iter().all(|key| key.id() != **id)) {
        bail!(
            "the file storage-{missing}.key is not in {}; without it bodies and documents cannot be read. Put it back",
            keys.folder.display()
        );
    }
    found.iter().max_by_key(|key| key.id()).context("there is no storage key")?;
    Ok(Arc::new(StorageKeys::new(found)))
}

/// Where the log is published, if the configuration names a place.
fn publication(config: &Config, is_new: bool) -> anyhow::Result<Option<PublishedLog>> {
    let place = &config.log.publish;
    if !is_new && PublishedLog::is_missing(place) {
        bail!(
            "log.publish: the folder {place} is not there; is it mounted? Make it if the log is to be published for the first time"
        );
    }
    PublishedLog::open(place, &config.log.shard)
}

/// The witnesses, if the configuration names any.
pub(crate) fn witnesses(config: &Config, clock: &dyn Clock) -> anyhow::Result<Option<Arc<Witnesses>>> {
    let policy = &config.witnesses.policy;
    if policy.as_os_str().is_empty() {
        return Ok(None);
    }
    Ok(Some(Arc::new(Witnesses::open(policy, clock.now_ms())?)))
}

/// The room of cases, if the configuration names its system.
fn cases(
    config: &Config,
    store: &Arc<dyn Store>,
    shards: &Arc<Shards>,
    registry: &Arc<Registry>,
    clock: &Arc<dyn Clock>,
    ledger: &Ledger,
) -> anyhow::Result<Option<Arc<Cases>>> {
    let Some(own) = config.cases.system.clone() else { return Ok(None) };
    let keys = config.key_store();
    let signer = keys.cases().context("the key of the hub's own system cannot be used")?;
    if registry.state().key(signer.public().id()).is_none_or(|record| record.key.system != own) {
        tracing::warn!(system = %own, "the hub's own system is not registered with its key; `saphan-hub registry apply` does it");
    }
    let pseudonyms = keys.pseudonyms().context("the key of pseudonyms cannot be used")?;
    let desk = Desk { own, hub: config.hub.id.clone(), shards: Arc::clone(shards), signer };
    let limits = CaseLimits {
        patience: config.cases.evidence_seconds * 1000,
        answer_time: u64::from(config.cases.answer_days) * 86_400_000,
        pause: u64::from(config.cases.again_seconds) * 1000,
        body_bytes: config.limits.body_bytes,
    };
    let (store, registry, clock) = (Arc::clone(store), Arc::clone(registry), Arc::clone(clock));
    Ok(Some(Arc::new(Cases::new(desk, pseudonyms, limits, store, registry, clock, ledger.committed()))))
}

/// What a log begins with. The operator's key is needed for nothing else here.
pub(crate) fn new_root(config: &Config, keys: &HubKeys) -> anyhow::Result<Root> {
    let operators = config.key_store().open_operators()?;
    let operator = operators.all()?.first().context("there is no key of the operator")?;
    Ok(keys.root(&config.hub.id, operator.public())?)
}

/// Enough for all processors to stay busy. Each costs what comes alone a tenth of a millisecond at every step, when batches of
/// garbage flood the hub.
const BATCH_TURNS: usize = 16;
