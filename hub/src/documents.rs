//! Documents: files that travel beside messages, too large for a body.
//!
//! A document is uploaded under its commitment, in as many requests as it takes, and is readable once all of it is here and was
//! checked. In the order of its way:
//!
//! - [`upload`]: the use case behind `PUT`; `turns`: one request at a time works on an upload;
//! - `chunks`, [`storage`]: what is stored: encrypted chunks, in parts that are one object each;
//! - `media`, [`scanner`]: what a document may be;
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

use saphan_schemas::ids::SystemId;
use tokio::sync::Semaphore;

use self::scanner::Scanner;
use self::storage::Storage;
use self::turns::Turns;
use crate::clock::Clock;
use crate::config::DocumentsConfig;
use crate::limits::Shares;
use crate::sealing::StorageKeys;
use crate::store::{DocumentIndex, Store};

/// The documents of a hub.
pub struct Documents {
    /// Where their content is.
    pub storage: Storage,
    index: Arc<dyn DocumentIndex>,
    keys: Arc<StorageKeys>,
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
    /// Bytes of one system's documents that no message cites.
    pub uncited_bytes: u64,
    /// How long a document is kept that no message cites.
    pub uncited_for: Duration,
}

impl Documents {
    /// The documents of this configuration, under these keys.
    ///
    /// # Errors
    /// When the storage cannot be used.
    pub fn open(
        config: &DocumentsConfig,
        data: &Path,
        keys: Arc<StorageKeys>,
        store: &Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let index: Arc<dyn DocumentIndex> = Arc::<dyn Store>::clone(store);
        Ok(Self {
            storage: Storage::open(config, data)?,
            index,
            keys,
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
    pub fn keys(&self) -> &StorageKeys {
        &self.keys
    }
}

/// Requests that upload at once. Each holds a part in memory.
const AT_ONCE: usize = 32;
