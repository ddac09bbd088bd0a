//! Documents: files that travel beside messages, too large for a body.
//!
//! A document is uploaded under its commitment, in as many requests as it takes, and is readable once all of it is here and was
//! checked. In the order of its way:
//!
//! - [`upload`]: the use case behind `PUT`; [`turns`]: one request at a time works on an upload;
//! - [`chunks`], [`storage`]: what is stored: encrypted chunks, in parts that are one object each;
//! - [`media`], [`scanner`]: what a document may be;
//! - [`reading`]: the way back, whole or in ranges;
//! - [`citing`]: whether a message may cite a document;
//! - [`upkeep`]: what must be done without anybody asking.
//!
//! Who is told of a document: its uploader, and sender and recipient of a message in the log that cites it.

mod chunks;
pub mod citing;
mod media;
pub mod reading;
pub mod scanner;
pub mod storage;
mod turns;
pub mod upkeep;
pub mod upload;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use saphan_schemas::ids::SystemId;
use tokio::sync::Semaphore;

use self::scanner::Scanner;
use self::storage::Storage;
use self::turns::Turns;
use crate::clock::Clock;
use crate::config::DocumentsConfig;
use crate::keys::KeyStore;
use crate::limits::Shares;
use crate::sealing::StorageKeys;
use crate::store::{DocumentIndex, Store};

/// The documents of a hub.
pub struct Documents {
    /// Where their content is.
    pub storage: Storage,
    index: Arc<dyn DocumentIndex>,
    keys: StorageKeys,
    scanner: Option<Scanner>,
    clock: Arc<dyn Clock>,
    turns: Turns,
    /// For requests that upload.
    room: Semaphore,
    /// What of it a system has.
    shares: Shares<SystemId>,
    limits: DocumentLimits,
}

/// What documents may take.
#[derive(Debug, Clone, Copy)]
pub struct DocumentLimits {
    /// The longest, in bytes.
    pub bytes: u64,
    /// The chunks of new ones, in bytes.
    pub chunk: u32,
    /// Unfinished uploads of one system.
    pub uploads: u32,
    /// How long an upload may stand still.
    pub abandoned_after: Duration,
}

impl Documents {
    /// The documents of this configuration, with their keys: made when the hub never had any, and else all there.
    ///
    /// # Errors
    /// When storage or keys cannot be used.
    pub async fn open(
        config: &DocumentsConfig,
        data: &Path,
        keys: &KeyStore,
        store: &Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let index: Arc<dyn DocumentIndex> = Arc::<dyn Store>::clone(store);
        Ok(Self {
            storage: Storage::open(config, data)?,
            index,
            keys: storage_keys(keys, &**store).await?,
            scanner: config.scanner(),
            clock,
            turns: Turns::default(),
            room: Semaphore::new(AT_ONCE),
            shares: Shares::new(AT_ONCE / 2, "requests that upload"),
            limits: config.limits(),
        })
    }

    /// The limits in force.
    #[must_use]
    pub const fn limits(&self) -> &DocumentLimits {
        &self.limits
    }

    /// The keys that wrap the documents' keys.
    #[must_use]
    pub const fn keys(&self) -> &StorageKeys {
        &self.keys
    }
}

async fn storage_keys(keys: &KeyStore, store: &dyn Store) -> anyhow::Result<StorageKeys> {
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
            "the file storage-{missing}.key is not in {}; without it documents cannot be read. Put it back",
            keys.folder.display()
        );
    }
    found.iter().max_by_key(|key| key.id()).context("there is no storage key")?;
    Ok(StorageKeys::new(found))
}

/// Requests that upload at once. Each holds a part in memory.
const AT_ONCE: usize = 32;
