//! `[documents]`: files that travel beside messages.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::documents::DocumentLimits;
use crate::documents::scanner::Scanner;

/// Documents.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentsConfig {
    /// Where they are: a folder, relative to the data folder; empty for `documents` there. Default empty;
    /// `SAPHAN_HUB__DOCUMENTS__FOLDER`.
    pub folder: PathBuf,
    /// `s3://bucket` or `s3://bucket/prefix` in place of a folder; empty for the folder. Default empty;
    /// `SAPHAN_HUB__DOCUMENTS__STORAGE`.
    pub storage: String,
    /// The longest in bytes. Default 2 GiB; `SAPHAN_HUB__DOCUMENTS__MAX_BYTES`.
    pub max_bytes: u64,
    /// The length of an encrypted chunk in KiB: 64, 128, 256, 512 or 1024. Default 256; `SAPHAN_HUB__DOCUMENTS__CHUNK_KIB`.
    pub chunk_kib: u32,
    /// Unfinished uploads of one system. Default 16; `SAPHAN_HUB__DOCUMENTS__UPLOADS_PER_SYSTEM`.
    pub uploads_per_system: u32,
    /// Hours after which an upload that stands still is removed. Default 24; `SAPHAN_HUB__DOCUMENTS__ABANDONED_AFTER_HOURS`.
    pub abandoned_after_hours: u64,
    /// Days after which a document that no message has cited is removed. Default 30; `SAPHAN_HUB__DOCUMENTS__UNCITED_DAYS`.
    pub uncited_days: u64,
    /// GiB of documents of one system that no message cites. Default 64; `SAPHAN_HUB__DOCUMENTS__UNCITED_GIB_PER_SYSTEM`.
    pub uncited_gib_per_system: u64,
    /// The virus scanner clamd: `host:port`, or `unix:` and a path; empty for none. Default empty;
    /// `SAPHAN_HUB__DOCUMENTS__CLAMD`.
    pub clamd: String,
}

impl DocumentsConfig {
    /// The virus scanner, if there is one.
    #[must_use]
    pub fn scanner(&self) -> Option<Scanner> {
        Scanner::parse(&self.clamd)
    }

    /// What documents may take.
    #[must_use]
    pub const fn limits(&self) -> DocumentLimits {
        DocumentLimits {
            bytes: self.max_bytes,
            chunk: self.chunk_kib * 1024,
            uploads: self.uploads_per_system,
            abandoned_after: Duration::from_secs(self.abandoned_after_hours * 3600),
            uncited_bytes: self.uncited_gib_per_system << 30,
            uncited_for: Duration::from_secs(self.uncited_days * 86_400),
        }
    }

    /// The rules of these settings: whether one holds, its setting, and what it says.
    pub(super) fn rules(&self) -> [(bool, &'static str, &'static str); 9] {
        let is_address = self.clamd.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && !port.is_empty());
        [
            (
                self.storage.is_empty() || self.storage.strip_prefix("s3://").is_some_and(|bucket| !bucket.is_empty()),
                "documents.storage",
                "empty or s3://bucket/prefix",
            ),
            ((1..=64 << 30).contains(&self.max_bytes), "documents.max_bytes", "1 to 68719476736"),
            ([64, 128, 256, 512, 1024].contains(&self.chunk_kib), "documents.chunk_kib", "64, 128, 256, 512 or 1024"),
            ((1..=1000).contains(&self.uploads_per_system), "documents.uploads_per_system", "1 to 1000"),
            ((1..=8760).contains(&self.abandoned_after_hours), "documents.abandoned_after_hours", "1 to 8760"),
            ((1..=3650).contains(&self.uncited_days), "documents.uncited_days", "1 to 3650"),
            (
                (1..=1_048_576).contains(&self.uncited_gib_per_system),
                "documents.uncited_gib_per_system",
                "1 to 1048576",
            ),
            (
                self.uncited_gib_per_system.saturating_mul(1 << 30) >= self.max_bytes,
                "documents.uncited_gib_per_system",
                "enough for one document of max_bytes",
            ),
            (self.clamd.is_empty() || is_address, "documents.clamd", "empty, host:port, or unix: and a path"),
        ]
    }
}
