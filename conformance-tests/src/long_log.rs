//! Long logs, made in minutes: a real hub begins one, and then entries are appended as the hub would, by many threads and
//! thousands at a time.
//!
//! Every signature is real: of the sender, of the receiver that acknowledges, of the hub for receipts and checkpoints. What never was
//! is the traffic: no request was made, nothing was delivered, and the bodies only were as long as their commitments took.
//!
//! - [`Pattern`], `block`: what the entries are;
//! - [`PublishedLog`]: the log as static files, to audit;
//! - [`grow_store`]: the log in the hub's own store, to start the hub on.

mod block;
mod published;
mod store;

use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use saphan_hub::config::Config;
use saphan_schemas::catalogue::Catalogue;
use saphan_schemas::ids::{Code, HubId, LegalBasis, ServiceId, SystemId};
use saphan_schemas::keys::{Signer, SigningKey};
use saphan_schemas::leaf::{Leaf, SchemaVersion};
use saphan_schemas::log::NoteSigner;
use saphan_schemas::message_types::{ApplicationSubmitted, MessageBody as _};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use std::sync::Arc;

use crate::world::{World, bodies};
use block::Made;

pub use published::PublishedLog;
pub use store::grow_store;

/// What a long log consists of, besides its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// 64 messages, and the acknowledgement of all of them. Every entry has a signature to verify.
    Exchanged,
    /// The same, and then the erasure of each of their bodies: a hub whose agreements say how long bodies are kept.
    Erased,
}

/// A log that a hub has begun, and everybody who signs in it.
pub struct Begun {
    /// Its entries so far.
    leaves: Vec<Vec<u8>>,
    writers: Arc<Writers>,
}

/// Who signs, and what the messages say beside their bodies.
pub(crate) struct Writers {
    hub: HubId,
    origin: String,
    sender: SystemId,
    sender_key: SigningKey,
    receiver: SystemId,
    receiver_key: SigningKey,
    receipts: Arc<dyn Signer>,
    log: Arc<NoteSigner>,
    schema: SchemaVersion,
    service: ServiceId,
    purpose: Code,
    law: LegalBasis,
    body: Vec<u8>,
}

impl Begun {
    /// The log of a world whose hub has stopped.
    ///
    /// # Errors
    /// When its store or its keys cannot be read.
    pub async fn of(world: &World) -> anyhow::Result<Self> {
        ensure!(world.hub.pid().is_none(), "the hub must have stopped");
        let config = Config::load(&world.hub.folder().join("hub").join("hub.toml"), std::iter::empty())?;
        let keys = config.key_store().open()?;
        let mut store = SqliteConnectOptions::new().filename(world.store_file()).read_only(true).connect().await?;
        let leaves = sqlx::query_scalar("SELECT leaf FROM entry ORDER BY idx").fetch_all(&mut store).await?;
        store.close().await?;
        let catalogue = Catalogue::embedded()?;
        let schema = catalogue.schemas().find(|text| text.id.to_string() == ApplicationSubmitted::SCHEMA);
        let schema = schema.context("the schema of applications")?;
        let writers = Writers {
            hub: world.hub_id().clone(),
            origin: config.origin(),
            sender: world.sender()?,
            sender_key: world.key(&world.sender()?)?,
            receiver: world.receiver()?,
            receiver_key: world.key(&world.receiver()?)?,
            receipts: keys.receipts.keys.first().cloned().context("the hub has no key for receipts")?,
            log: keys.logs.keys.first().cloned().context("the hub has no key for checkpoints")?,
            schema: SchemaVersion { id: schema.id.clone(), sha256: schema.sha256 },
            service: world.service()?,
            purpose: world.mandate.purpose.parse()?,
            law: world.mandate.law.parse()?,
            body: bodies(1)?.pop().context("one body")?,
        };
        Ok(Self { leaves, writers: Arc::new(writers) })
    }

    /// When the last entry was logged.
    fn last_ts(&self) -> anyhow::Result<u64> {
        let last = self.leaves.last().context("a hub's log has entries")?;
        Ok(Leaf::parse(last)?.ts())
    }
}

impl Writers {
    /// The next blocks, from this place on, made on all cores.
    fn blocks(&self, pattern: Pattern, first: u64, blocks: usize, ts: u64) -> anyhow::Result<Vec<Vec<Made>>> {
        on_all_cores((0..blocks as u64).collect(), |number| self.block(pattern, first + number * pattern.entries(), ts))
    }
}

/// Does something with each item on all cores; the results are in the order of the items.
fn on_all_cores<T: Send, R: Send>(
    items: Vec<T>,
    work: impl Fn(T) -> anyhow::Result<R> + Sync,
) -> anyhow::Result<Vec<R>> {
    let cores = thread::available_parallelism()?.get();
    let each = items.len().div_ceil(cores).max(1);
    let mut items = items.into_iter().peekable();
    let work = &work;
    thread::scope(|scope| {
        let mut threads = Vec::new();
        while items.peek().is_some() {
            let some: Vec<T> = items.by_ref().take(each).collect();
            threads.push(scope.spawn(move || some.into_iter().map(work).collect::<anyhow::Result<Vec<R>>>()));
        }
        let mut results = Vec::new();
        for thread in threads {
            results.extend(thread.join().map_err(|_| anyhow::anyhow!("a thread was lost"))??);
        }
        Ok(results)
    })
}

fn now_ms() -> anyhow::Result<u64> {
    Ok(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?)
}

/// Blocks that are made together: about 10 MB.
const BLOCKS_AT_ONCE: usize = 64;
