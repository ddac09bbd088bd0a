//! What must be done without anybody asking: keys wrapped again after a rotation, documents checked that could not be, uploads
//! that were abandoned and what is left of them removed.

use std::sync::Arc;
use std::time::Duration;

use super::Documents;
use super::storage::StorageError;
use super::upload::UploadError;
use crate::app::App;
use crate::keys::KeyStore;
use crate::sealing::rewrap::{self, RewrapError};
use crate::store::{DocumentId, DocumentRecord, KeyIndex, StoreError, Unfinished};

/// Does it now and then until the hub stops.
pub async fn run(app: Arc<App>) {
    let mut stopping = app.stopping.clone();
    loop {
        app.documents.keep_up(&app.key_store, &*app.store).await;
        let pause = tokio::time::timeout(PAUSE, stopping.wait_for(|stop| *stop));
        if pause.await.is_ok() {
            return;
        }
    }
}

impl Documents {
    /// Does all of it once. What fails is logged, and done the next time.
    pub async fn keep_up(&self, keys: &KeyStore, store: &(impl KeyIndex + ?Sized)) {
        if let Err(error) = self.take_up_keys(keys).await {
            tracing::error!(error = &*error as &dyn std::error::Error, "the storage keys cannot be taken up");
        }
        if let Err(error) = self.wrap_again(store).await {
            tracing::error!(error = &error as &dyn std::error::Error, "keys cannot be wrapped again");
        }
        if let Err(error) = self.tidy().await {
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

    async fn wrap_again(&self, store: &(impl KeyIndex + ?Sized)) -> Result<(), RewrapError> {
        let wrapped = rewrap::all(&self.keys, store).await?;
        if wrapped > 0 {
            let newest = self.keys.newest()?;
            tracing::info!(wrapped, key = %newest, "all keys are wrapped with this storage key; the files of older ones can go");
        }
        Ok(())
    }

    async fn tidy(&self) -> Result<(), StoreError> {
        for record in self.index.unfinished(Unfinished::Received, AT_ONCE).await? {
            self.try_finish(&record).await;
        }
        let idle = u64::try_from(self.limits.abandoned_after.as_millis()).unwrap_or(u64::MAX);
        let before = self.clock.now_ms().saturating_sub(idle);
        for record in self.index.unfinished(Unfinished::Abandoned(before), AT_ONCE).await? {
            self.give_up(&record).await;
        }
        for document in self.index.left_over(AT_ONCE).await? {
            if let Err(error) = self.sweep(document).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "the remains of a document are still there");
            }
        }
        Ok(())
    }

    async fn try_finish(&self, record: &DocumentRecord) {
        let Some(mut turn) = self.turns.try_take((record.commit, record.uploader.clone())) else { return };
        if let Err(error) = self.finish(record, &mut turn).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "an uploaded document is not readable yet, or never"
            );
        }
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
