//! `saphan-hub serve`.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::app::{self, Opened, Opening};
use crate::broker::login::HubLogin;
use crate::broker::management::Management;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::connections::Listener;
use crate::routing::amqp::{AmqpConfig, AmqpTransport, may_be_logged};
use crate::routing::relay::Broker;
use crate::serve;
use crate::shards::beginning::Lost;
use crate::shards::taking_over::{TakenOver, take_over};
use crate::store::sqlite::SqliteStore;
use crate::timestamps::Timestamps;
use crate::tls::{self, ServerTls};
use crate::witnesses::rounds;

pub(super) fn load(path: &Path) -> anyhow::Result<Config> {
    Ok(Config::load(path, std::env::vars())?)
}

/// Reads what `serve` would read, certificate and key included.
pub(super) fn check(path: &Path) -> anyhow::Result<()> {
    let config = load(path)?;
    ServerTls::load(&config.tls)?;
    tls::authorities(&config.tls)?;
    app::witnesses(&config, &SystemClock)?;
    Timestamps::open(&config.timestamps, 0)?;
    println!("{} is valid: hub {}, log {}", path.display(), config.hub.id, config.origin());
    Ok(())
}

pub(super) fn serve(path: &Path) -> anyhow::Result<()> {
    let config = load(path)?;
    log_to_stderr();
    // A crypto provider that is installed already, by a program that embeds this one, serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    runtime()?.block_on(run(config))
}

pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the runtime cannot start")
}

/// Takes the data folder for this process alone, until the file is dropped.
pub(super) fn lock(config: &Config) -> anyhow::Result<Option<File>> {
    let path = config.hub.data_dir.join("lock");
    let file = File::create(&path).with_context(|| format!("{} cannot be written", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(std::fs::TryLockError::WouldBlock) => Ok(None),
        Err(std::fs::TryLockError::Error(error)) => Err(error).context("the data folder cannot be locked"),
    }
}

pub(super) async fn open(config: &Config, stopping: watch::Receiver<bool>) -> anyhow::Result<Opened> {
    let (opened, taken) = open_after(config, stopping, None).await?;
    if taken.again > 0 {
        tracing::warn!(
            entries = taken.again,
            refused = taken.refused.len(),
            lost_messages = taken.messages.len(),
            unknown = taken.unknown.iter().map(|range| range.end - range.start).sum::<u64>(),
            "statements of the abandoned log are in this one now"
        );
    }
    Ok(opened)
}

/// As [`open`]; with the end of a log that is abandoned, and what was taken over from it.
pub(super) async fn open_after(
    config: &Config,
    stopping: watch::Receiver<bool>,
    lost: Option<Lost>,
) -> anyhow::Result<(Opened, TakenOver)> {
    let keys = config.key_store().open()?;
    let store = SqliteStore::open(&config.store_file()).await?;
    let opening = Opening { config, keys, store: Arc::new(store), clock: Arc::new(SystemClock), stopping, lost };
    let opened = opening.open().await?;
    if let Some(witnesses) = &opened.app.witnesses {
        rounds::first(&opened.app, witnesses).await?;
    }
    let taken = take_over(&opened.app).await?;
    Ok((opened, taken))
}

async fn run(config: Config) -> anyhow::Result<()> {
    let Some(_lock) = lock(&config)? else {
        bail!("{} is in use by another hub process", config.hub.data_dir.display());
    };
    let (stop, stopping) = watch::channel(false);
    let tls = ServerTls::load(&config.tls)?;
    let tcp = TcpListener::bind(config.hub.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.hub.listen))?;
    let address = tcp.local_addr()?;
    let opened = open(&config, stopping.clone()).await?;
    let broker = broker(&config, &opened.app.broker_login)?;
    // Before the line is printed: whoever reads it may send a signal at once.
    let signals = Signals::listen().context("signals cannot be received")?;
    tokio::spawn(signals.stop(stop));
    let scheme = if tls.is_some() { "https" } else { "http" };
    if let Some(tls) = tls.clone() {
        let hangup = signal(SignalKind::hangup()).context("signals cannot be received")?;
        tokio::spawn(reload(tls, hangup));
    }
    println!("listening on {scheme}://{address}");
    tracing::info!(hub = %config.hub.id, %address, log = config.origin(), "the hub serves");
    serve::serve(Listener { tcp, tls }, opened, broker, stopping).await?;
    tracing::info!("the hub has stopped; everything accepted is written");
    Ok(())
}

fn broker(config: &Config, login: &HubLogin) -> anyhow::Result<Option<Broker>> {
    let section = &config.amqp;
    if section.uri.is_empty() {
        return Ok(None);
    }
    let ca = match section.ca_file.as_os_str().is_empty() {
        true => None,
        false => Some(fs::read_to_string(&section.ca_file).with_context(|| section.ca_file.display().to_string())?),
    };
    let management = match section.management.as_str() {
        "" => {
            tracing::warn!(
                "amqp.management is not set: a revoked key keeps the connection to the broker that it opened"
            );
            None
        }
        address => Some(Management::new(address, ca.as_deref(), login.clone())?),
    };
    let amqp = AmqpConfig {
        login: section.logs_in_with_tokens().then(|| login.clone()),
        ca,
        publish_timeout: Duration::from_secs(section.publish_timeout_seconds),
        window: section.window,
        ..AmqpConfig::new(&section.uri)
    };
    Ok(Some(Broker {
        transport: Arc::new(AmqpTransport::new(&amqp)?),
        management,
        rows: u32::try_from(section.window).unwrap_or(u32::MAX),
        again_seconds: section.publish_again_seconds,
    }))
}

/// What ends the hub in good order.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn stop(mut self, stop: watch::Sender<bool>) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        tracing::info!("stopping");
        stop.send_replace(true);
    }
}

/// SIGHUP: the certificate's files were replaced.
async fn reload(tls: Arc<ServerTls>, mut hangup: Signal) {
    while hangup.recv().await.is_some() {
        tls.reload_and_say();
    }
}

pub(super) fn log_to_stderr() {
    let wanted = std::env::var("SAPHAN_LOG").unwrap_or_else(|_| "info".to_owned());
    let log = tracing_subscriber::fmt().json().with_writer(std::io::stderr).with_env_filter(EnvFilter::new(wanted));
    let log = log.finish().with(filter_fn(may_be_logged));
    // A subscriber that is installed already, by a program that embeds this one, serves as well.
    let _ = log.try_init();
}
