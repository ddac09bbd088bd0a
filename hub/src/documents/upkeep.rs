//! What must be done without anybody asking: keys wrapped again after a rotation, documents checked that could not be, uploads
//! that were abandoned, documents that nobody cites, and what is left of them removed.

use std::sync::Arc;
use std::time::Duration;

use super::Documents;
use super::scanner::ScanError;
use super::storage::StorageError;
use super::upload::UploadError;
use crate::app::App;
use crate::keys::KeyStore;
use crate::sealing::rewrap::{self, Rewrapped};
use crate::store::{DocumentId, DocumentRecord, KeyIndex, StoreError, Unfinished};

/// Does it now and then until the hub stops. Neither waits for the other: a scanner may take its time.
pub async fn run(app: Arc<App>) {
    tokio::join!(keep_keys(&app), keep_documents(&app));
}

async fn keep_keys(app: &App) {
    // Whether something was wrapped since it was last told that nothing is left.
    let mut wrapped = false;
    loop {
        match app.documents.keep_keys(&app.key_store, &*app.store).await {
            Some(Rewrapped { unopened: 0, done: 0 }) if wrapped => {
                wrapped = false;
                // Not at once: what was begun with an older key may have been stored after.
                tracing::info!("everything is wrapped with the newest storage key; the files of older ones can go");
            }
            Some(Rewrapped { done, .. }) => wrapped |= done > 0,
            None => {}
        }
        if stops_within_the_pause(app).await {
            return;
        }
    }
}

async fn keep_documents(app: &App) {
    let mut stopping = app.stopping.clone();
    loop {
        tokio::select! {
            () = app.documents.tidy() => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        if stops_within_the_pause(app).await {
            return;
        }
    }
}

async fn stops_within_the_pause(app: &App) -> bool {
    let mut stopping = app.stopping.clone();
    tokio::time::timeout(PAUSE, stopping.wait_for(|stop| *stop)).await.is_ok()
}

impl Documents {
    /// Takes up new storage keys, and wraps all others with the newest. What fails is logged, and done the next time.
    pub async fn keep_keys(&self, keys: &KeyStore, store: &(impl KeyIndex + ?Sized)) -> Option<Rewrapped> {
        if let Err(error) = self.take_up_keys(keys).await {
            tracing::error!(error = &*error as &dyn std::error::Error, "the storage keys cannot be taken up");
        }
        match rewrap::all(&self.keys, store).await {
            Ok(rewrapped) => {
                if rewrapped.unopened > 0 {
                    tracing::error!(
                        keys = rewrapped.unopened,
                        "keys cannot be wrapped again: they are damaged, or the file of their storage key is not here"
                    );
                }
                Some(rewrapped)
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "keys cannot be wrapped again");
                None
            }
        }
    }

    /// Looks after the documents once. What fails is logged, and done the next time.
    pub async fn tidy(&self) {
        if let Err(error) = self.try_tidy().await {
            tracing::error!(error = &error as &dyn std::error::Error, "documents cannot be looked after");
        }
    }

    /// Takes up storage keys whose files came since.
    async fn take_up_keys(&self, keys: &KeyStore) -> anyhow::Result<()> {
        let (known, keys) = (self.keys.ids(), keys.clone());
        let found = tokio::task::spawn_blocking(move || {
            // Only new ones matter: a file that was taken away too early stays in memory until the hub stops.
            let new = keys.storage_ids()?.into_iter().any(|id| !known.contains(&id));
            if new { keys.open_storage().map(Some) } else { Ok(None) }
        });
        if let Some(found) = found.await?? {
            self.keys.add(found);
        }
        Ok(())
    }

    async fn try_tidy(&self) -> Result<(), StoreError> {
        for record in self.index.unfinished(Unfinished::Received, AT_ONCE).await? {
            if self.try_finish(&record).await == Tried::NoScanner {
                // The others would wait for it as long.
                break;
            }
        }
        for record in
            self.index.unfinished(Unfinished::Abandoned(self.ago(self.limits.abandoned_after)), AT_ONCE).await?
        {
            self.give_up(&record).await;
        }
        let removed = self.index.remove_uncited(self.ago(self.limits.uncited_for), AT_ONCE).await?;
        if removed > 0 {
            tracing::info!(removed, "documents were removed that no message has cited");
        }
        for document in self.index.left_over(AT_ONCE).await? {
            if let Err(error) = self.sweep(document).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "the remains of a document are still there");
            }
        }
        Ok(())
    }

    /// The moment so long ago, in milliseconds since 1970.
    fn ago(&self, time: Duration) -> u64 {
        self.clock.now_ms().saturating_sub(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }

    async fn try_finish(&self, record: &DocumentRecord) -> Tried {
        let Some(mut turn) = self.turns.try_take((record.commit, record.uploader.clone())) else { return Tried::Done };
        let Err(error) = self.finish(record, &mut turn).await else { return Tried::Done };
        tracing::warn!(error = &error as &dyn std::error::Error, "an uploaded document is not readable yet, or never");
        if matches!(error, UploadError::Scan(ScanError::Unreachable(_))) { Tried::NoScanner } else { Tried::Done }
    }

    async fn give_up(&self, record: &DocumentRecord) {
        let Some(mut turn) = self.turns.try_take((record.commit, record.uploader.clone())) else { return };
        match self.destroy(record, &mut turn).await {
            Ok(()) => tracing::info!(system = %record.uploader, "an abandoned upload was removed"),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "an abandoned upload is still there")
            }
        }
    }

    /// Removes the objects of a document without a key, then what is known of it.
    pub(super) async fn sweep(&self, document: DocumentId) -> Result<(), SweepError> {
        self.storage.remove(document).await?;
        Ok(self.index.forget_document(document).await?)
    }
}

/// What came of a look at a document whose bytes are all here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tried {
    /// It was looked at, or somebody else does.
    Done,
    /// There is no scanner to ask.
    NoScanner,
}

/// Why the remains of a document stay.
#[derive(Debug, thiserror::Error)]
pub(super) enum SweepError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<SweepError> for UploadError {
    fn from(error: SweepError) -> Self {
        match error {
            SweepError::Storage(error) => Self::Storage(error),
            SweepError::Store(error) => Self::Store(error),
        }
    }
}

const PAUSE: Duration = Duration::from_secs(30);
/// The others have their turn the next time.
const AT_ONCE: u32 = 64;
