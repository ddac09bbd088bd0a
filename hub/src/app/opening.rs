//! How a hub is put together.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use saphan_schemas::catalogue::Catalogue;
use saphan_schemas::leaf::ShardEvent;
use saphan_schemas::registry::Root;
use tokio::sync::{Mutex, Semaphore, watch};
use tokio::task::JoinHandle;

use super::App;
use crate::admission::Admission;
use crate::audit::{Audit, CAUGHT_UP_WITHIN};
use crate::broker::login::HubLogin;
use crate::cases::{CaseLimits, Cases, Desk};
use crate::clock::Clock;
use crate::config::Config;
use crate::console::Console;
use crate::continuity;
use crate::documents::Documents;
use crate::keys::{HubKeys, KeyStore};
use crate::ledger::{Draft, Ledger};
use crate::limits::SystemLimits;
use crate::metrics::Metrics;
use crate::publication::PublishedLog;
use crate::refusals::LoggedRefusals;
use crate::registry::Registry;
use crate::routing::Wakeups;
use crate::sealing::StorageKeys;
use crate::shards::Shards;
use crate::shards::beginning::{self, Beginning, Found, Lost};
use crate::store::Store;
use crate::timestamps::Timestamps;
use crate::tls;
use crate::used_tokens::UsedTokens;
use crate::witnesses::{Witnesses, rounds};

/// What a hub is put together from.
pub struct Opening<'a> {
    /// Its configuration.
    pub config: &'a Config,
    /// Its keys.
    pub keys: HubKeys,
    /// Its store, open.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whether it is stopping.
    pub stopping: watch::Receiver<bool>,
    /// What is known of the present log, if a part of it is lost: it is abandoned, and the one that the configuration names begins.
    pub lost: Option<Lost>,
}

/// An [`App`] with the task that writes its log.
pub struct Opened {
    /// The parts.
    pub app: Arc<App>,
    /// Ends when the last handle on the ledger is gone.
    pub writer: JoinHandle<()>,
}

impl Opening<'_> {
    /// Puts a hub together, and begins the log that the configuration names if the store is empty, or if the log before has ended.
    ///
    /// # Errors
    /// When store, keys and log do not belong together.
    pub async fn open(self) -> anyhow::Result<Opened> {
        let Self { config, keys, store, clock, stopping, lost } = self;
        let ca = tls::authorities(&config.tls)?;
        let wakeups = Arc::new(Wakeups::default());
        let metrics = Arc::new(Metrics::default());
        let origin = config.origin();
        let Found { shards, root, begins } = beginning::look(&*store, &origin, lost).await?;
        let shards = Arc::new(shards);
        let root = match root {
            Some(root) => root,
            None => new_root(config, &keys)?,
        };
        let registry = Arc::new(registry(config, &*store, root).await?);
        let before = registry.state();
        if let Some(Beginning::AfterLost(lost)) = &begins
            && let Some(entry) = lost.abandoned.vouching(&origin)?
        {
            registry.foresee(entry, shards.present().first, clock.now_ms() / 1000)?;
        }
        let key_store = config.key_store();
        let storage_keys = storage_keys(&key_store, &*store).await?;
        store.seal_with(Arc::clone(&storage_keys));
        let (ledger, writer) = Ledger::open(
            Arc::clone(&store),
            Arc::clone(&shards),
            keys.signing(&registry.state(), &origin)?,
            Arc::clone(&clock),
            config.limits.queue,
            Arc::clone(&wakeups),
            Arc::clone(&metrics),
        )
        .await?;
        let publication = publication(config, &*store, &shards, &registry, begins.as_ref()).await?;
        let timestamps = Timestamps::open(&config.timestamps, clock.now_ms())?.map(Arc::new);
        let witnesses = witnesses(config, &*clock)?;
        if let Some(beginning) = &begins {
            let opening = beginning::opening(&registry.state(), &ledger.keys().borrow(), beginning)?;
            beginning::must_follow(&opening, &shards, &*store, &before, clock.now_ms() / 1000).await?;
            begin(opening, witnesses.as_deref(), &ledger).await?;
        }
        let broker_login = HubLogin::new(config.hub.id.clone(), ledger.keys(), Arc::clone(&clock));
        let admission =
            Admission::new(config.hub.id.clone(), Arc::clone(&registry), Arc::clone(&clock), config.message_limits());
        let cases = cases(config, &store, &shards, &registry, &clock, &ledger)?;
        let documents =
            Documents::open(&config.documents, &config.hub.data_dir, storage_keys, &store, Arc::clone(&clock))?;
        let app = App {
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
            audit: Arc::new(Audit::new(config.search_file(), CAUGHT_UP_WITHIN)),
            console: Console::new(config),
            cases,
            broker_login,
            stopping,
        };
        Ok(Opened { app: Arc::new(app), writer })
    }
}

/// The registry, as it follows from the log that begins with this.
async fn registry(config: &Config, store: &dyn Store, root: Root) -> anyhow::Result<Registry> {
    if root.hub != config.hub.id {
        bail!(
            "the data are of the hub {}, not of {}; start with the configuration that belongs to them",
            root.hub,
            config.hub.id
        );
    }
    let catalogue = Catalogue::embedded().context("the embedded catalogue is broken")?;
    let registry = Registry::new(root, Arc::new(catalogue));
    registry.catch_up(store).await.context("the registry cannot be read from the log")?;
    Ok(registry)
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

/// Where the log is published, if the configuration names a place, and how many entries are published there. The store has them all.
async fn publication(
    config: &Config,
    store: &dyn Store,
    shards: &Shards,
    registry: &Registry,
    begins: Option<&Beginning>,
) -> anyhow::Result<Option<(Arc<PublishedLog>, u64)>> {
    let place = &config.log.publish;
    if begins != Some(&Beginning::First) && PublishedLog::is_missing(place) {
        bail!(
            "log.publish: the folder {place} is not there; is it mounted? Make it if the log is to be published for the first time"
        );
    }
    let Some(publication) = PublishedLog::open(place, &config.log.shard)? else { return Ok(None) };
    let keys: Vec<_> = registry.state().keys_of_log(&shards.present().origin).cloned().collect();
    let published = continuity::with_publication(&publication, store, shards.present(), &keys).await?;
    Ok(Some((Arc::new(publication), published)))
}

/// The witnesses, if the configuration names any.
pub(crate) fn witnesses(config: &Config, clock: &dyn Clock) -> anyhow::Result<Option<Arc<Witnesses>>> {
    let policy = &config.witnesses.policy;
    if policy.as_os_str().is_empty() {
        return Ok(None);
    }
    Ok(Some(Arc::new(Witnesses::open(policy, clock.now_ms())?)))
}

/// Writes the first entry of a log that no witness has seen anything of.
async fn begin(opening: ShardEvent, witnesses: Option<&Witnesses>, ledger: &Ledger) -> anyhow::Result<()> {
    let keys = ledger.keys();
    if let Some(witnesses) = witnesses {
        rounds::before_the_first_entry(witnesses, &keys.borrow()).await?;
    }
    ledger.append(Draft::Shard(Box::new(opening))).await.context("the log's first entry cannot be written")?;
    Ok(())
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
