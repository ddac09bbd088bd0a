//! A real hub for each test: on loopback, with real SQLite in a temporary folder, its clock and its faults under the test's
//! control. It ends with the test's runtime, or in good order by [`TestHub::stop`].

mod answer;
mod calls;
mod certificates;
mod clock;
mod documents;
mod fake_authority;
mod fake_clamd;
mod fake_witness;
mod faulty_objects;
mod faulty_store;
mod log_copy;
mod log_lines;
mod messages;
mod old_copies;
mod raw;
mod transport;
mod waiting;
mod world;

pub(crate) use self::answer::{Answer, Evidence};
pub(crate) use self::calls::{LeasedMessage, batch, sign_batch, sign_entry, sign_entry_as, sign_token, verify};
pub(crate) use self::certificates::{Authority, Issued, THIS_MACHINE, TlsFiles};
pub(crate) use self::clock::{NOW, TestClock};
pub(crate) use self::documents::Document;
pub(crate) use self::fake_authority::{Behaviour, FakeAuthority};
pub(crate) use self::fake_clamd::FakeClamd;
pub(crate) use self::fake_witness::{FakeWitness, Manner};
pub(crate) use self::faulty_objects::FaultyObjects;
pub(crate) use self::faulty_store::{CommitFault, FaultyStore};
pub(crate) use self::log_copy::LogCopy;
pub(crate) use self::log_lines::captured;
pub(crate) use self::messages::{Draft, PERSONAL, Submission};
pub(crate) use self::raw::{RawAnswers, RawSubmission};
pub(crate) use self::transport::ScriptedTransport;
pub(crate) use self::waiting::{LIMIT, eventually, in_time};
pub(crate) use self::world::{HUB, LEGAL_BASIS, Party, SERVICE, UNLISTED_SERVICE, World};

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use saphan_hub::app::{App, Opened, Opening};
use saphan_hub::audit::Audit;
use saphan_hub::config::Config;
use saphan_hub::connections::Listener;
use saphan_hub::documents::storage::Storage;
use saphan_hub::keys::KeyStore;
use saphan_hub::routing::relay::Broker;
use saphan_hub::serve;
use saphan_hub::shards::closing;
use saphan_hub::shards::taking_over::take_over;
use saphan_hub::store::sqlite::SqliteStore;
use saphan_hub::tls::ServerTls;
use saphan_schemas::ids::SystemId;
use saphan_schemas::keys::SigningKey;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A hub that is not running: its folder, its clock, its systems.
pub(crate) struct Site {
    pub(crate) config: Config,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) world: World,
    /// Where documents are, if not where the configuration says.
    pub(crate) storage: Option<Storage>,
    /// What auditors wait for the index. By default so long that, however slow the machine is, a search finds all that was logged
    /// before it.
    pub(crate) caught_up_within: Duration,
    folder: TempDir,
}

/// A hub that runs.
pub(crate) struct TestHub {
    /// `http://127.0.0.1:port`, or `https://…`.
    pub(crate) url: String,
    pub(crate) address: SocketAddr,
    /// What it shows, when it serves HTTPS.
    pub(crate) tls: Option<Arc<ServerTls>>,
    pub(crate) app: Arc<App>,
    pub(crate) store: Arc<FaultyStore>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) world: World,
    pub(crate) operator: SigningKey,
    client: reqwest::Client,
    stopping: watch::Sender<bool>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<anyhow::Result<()>>,
    config: Config,
    storage: Option<Storage>,
    folder: TempDir,
}

impl Site {
    /// A new folder with new keys; `settings` is the text of a configuration file.
    pub(crate) fn new(settings: &str) -> Self {
        log_lines::capture();
        // Tests of one program share the provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::parse(settings, std::iter::empty()).unwrap();
        if !settings.contains("refusal_pause_ms") {
            // Tables of bad requests are long.
            config.limits.refusal_pause_ms = 0;
        }
        if !settings.contains("requests_per_second") {
            // The clock stands still, so that an allowance never comes back; how often a test looks until something is so depends on
            // the machine.
            config.limits.requests_per_second = 0;
        }
        config.hub.data_dir = folder.path().into();
        KeyStore::new(folder.path(), String::new()).create().unwrap();
        Self {
            config,
            clock: Arc::new(TestClock::new()),
            world: World::new(),
            storage: None,
            caught_up_within: LIMIT,
            folder,
        }
    }

    /// Starts it with nothing in its registry, or with what the folder holds.
    pub(crate) async fn start(self) -> TestHub {
        self.start_with(None).await
    }

    /// Starts it with a broker.
    pub(crate) async fn start_with(self, broker: Option<Arc<ScriptedTransport>>) -> TestHub {
        // The program uses one signal for both; tests tell the moments apart.
        let (stopping, stopping_seen) = watch::channel(false);
        let (stop, stop_seen) = watch::channel(false);
        let store = self.open_store().await;
        let mut opened = self.open(Arc::clone(&store), stopping_seen).await.unwrap();
        let opening = Arc::get_mut(&mut opened.app).unwrap();
        *Arc::get_mut(&mut opening.audit).unwrap() = Audit::new(self.config.search_file(), self.caught_up_within);
        if let Some(storage) = &self.storage {
            opening.documents.storage = storage.clone();
        }
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let tls = ServerTls::load(&self.config.tls).unwrap();
        let address = tcp.local_addr().unwrap();
        let url = format!("{}://{address}", if tls.is_some() { "https" } else { "http" });
        let listener = Listener { tcp, tls: tls.clone() };
        let app = Arc::clone(&opened.app);
        let broker = broker.map(|transport| Broker { transport, management: None, rows: 64, again_seconds: 3600 });
        let serving = tokio::spawn(serve::serve(listener, opened, broker, stop_seen));
        let operator = std::fs::read_to_string(self.folder.path().join("operator.pem")).unwrap();
        let operator = SigningKey::from_pem(&operator).unwrap();
        let client = client();
        let Self { config, clock, world, storage, caught_up_within: _, folder } = self;
        TestHub {
            url,
            address,
            tls,
            app,
            store,
            clock,
            world,
            operator,
            client,
            stopping,
            stop,
            serving,
            config,
            storage,
            folder,
        }
    }

    /// Opens the store, and what stands on it, as `saphan-hub serve` does before it listens.
    pub(crate) async fn try_open(&self) -> anyhow::Result<Opened> {
        let (_stop, stopping) = watch::channel(false);
        self.open(self.open_store().await, stopping).await
    }

    /// Closes its log for one with this shard's name, as `saphan-hub shard open` does; commits meet these faults.
    pub(crate) async fn close_for(
        &self,
        shard: &str,
        faults: impl IntoIterator<Item = Option<CommitFault>>,
    ) -> anyhow::Result<()> {
        let store = self.open_store().await;
        let (_stop, stopping) = watch::channel(false);
        let Opened { app, writer } = self.open(Arc::clone(&store), stopping).await?;
        store.next_commits(faults);
        let closed = closing::close(&self.config, &app, &format!("{HUB}/log/{shard}")).await;
        drop((app, store));
        writer.await?;
        closed
    }

    async fn open_store(&self) -> Arc<FaultyStore> {
        open_store(&self.config).await
    }

    async fn open(&self, store: Arc<FaultyStore>, stopping: watch::Receiver<bool>) -> anyhow::Result<Opened> {
        open(&self.config, store, &self.clock, stopping).await
    }
}

impl TestHub {
    /// A hub whose registry knows the [`World`].
    pub(crate) async fn new() -> Self {
        Self::with("").await
    }

    /// The same, with other settings.
    pub(crate) async fn with(settings: &str) -> Self {
        Self::populated(Site::new(settings).start().await).await
    }

    /// The same, with a broker.
    pub(crate) async fn with_broker(broker: &Arc<ScriptedTransport>) -> Self {
        Self::populated(Site::new("").start_with(Some(Arc::clone(broker))).await).await
    }

    async fn populated(hub: Self) -> Self {
        hub.apply(hub.world.changes()).await;
        hub
    }

    /// The number of entries in the log.
    pub(crate) fn size(&self) -> u64 {
        self.app.ledger.committed().borrow().size
    }

    /// Where its keys and its store are.
    pub(crate) fn data_folder(&self) -> &Path {
        self.folder.path()
    }

    /// The parts of a second process on the same data, which the lock of the program forbids.
    pub(crate) async fn twin(&self) -> Arc<App> {
        let store = open_store(&self.config).await;
        open(&self.config, store, &self.clock, self.stopping.subscribe()).await.unwrap().app
    }

    /// Closes the connections that its calls have left open.
    pub(crate) fn hang_up(&mut self) {
        self.client = client();
    }

    /// Whether the system has a long poll open.
    pub(crate) fn waits_for_messages(&self, system: &SystemId) -> bool {
        // The bell itself, and this look at it.
        Arc::strong_count(&self.app.wakeups.receiver(system)) > 1
    }

    /// It knows that it is to stop, and is still reached.
    pub(crate) fn begin_to_stop(&self) {
        self.stopping.send_replace(true);
    }

    /// It takes no more connections and finishes those that it has.
    pub(crate) fn stop_listening(&self) {
        self.begin_to_stop();
        self.stop.send_replace(true);
    }

    /// Stops it, and starts it in the next log.
    pub(crate) async fn go_on_in(self, shard: &str) -> Self {
        let mut site = self.stop().await;
        site.close_for(shard, []).await.unwrap();
        site.config.log.shard = shard.to_owned();
        site.start().await
    }

    /// Stops it in good order; everything in progress is finished first.
    pub(crate) async fn stop(self) -> Site {
        self.stop_listening();
        let Self { app, store, clock, world, client, serving, config, storage, folder, .. } = self;
        drop((app, store, client));
        in_time(serving).await.unwrap().unwrap();
        Site { config, clock, world, storage, caught_up_within: LIMIT, folder }
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn open_store(config: &Config) -> Arc<FaultyStore> {
    Arc::new(FaultyStore::new(SqliteStore::open(&config.store_file()).await.unwrap()))
}

async fn open(
    config: &Config,
    store: Arc<FaultyStore>,
    clock: &Arc<TestClock>,
    stopping: watch::Receiver<bool>,
) -> anyhow::Result<Opened> {
    let keys = config.key_store().open()?;
    let opening = Opening { config, keys, store, clock: Arc::clone(clock) as _, stopping, lost: None };
    let opened = opening.open().await?;
    take_over(&opened.app).await?;
    Ok(opened)
}
