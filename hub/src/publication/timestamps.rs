//! Timestamps beside the published log: first the tokens, then the page that lists them.

use saphan_schemas::log::Stamped;

use super::{PublicationError, PublishedLog};
use crate::shards::Shard;
use crate::store::{Store, StoreError};

impl PublishedLog {
    /// Publishes tokens for checkpoints of up to `size` entries, which are there. `before` tokens are there, if that is known; returns
    /// how many are now.
    ///
    /// # Errors
    /// [`PublicationError`]; what is there then is as before, or more.
    pub(super) async fn publish_timestamps(
        &self,
        store: &dyn Store,
        shard: &Shard,
        before: Option<u64>,
        size: u64,
    ) -> Result<u64, PublicationError> {
        let Some((count, _)) = store.newest_timestamp(shard).await? else { return Ok(0) };
        let mut done = match before {
            Some(before) => before,
            None => self.timestamps(count).await?,
        };
        while done < count {
            let first = done - done % Stamped::PER_PAGE;
            let mut page = store.timestamps(shard, first, Stamped::PER_PAGE as u32).await?;
            page.retain(|stamped| stamped.size <= size);
            let end = first + page.len() as u64;
            if end <= done {
                break;
            }
            for stamped in page.iter().skip((done - first) as usize) {
                let token =
                    store.timestamp(shard, stamped.size).await?.ok_or(StoreError::Corrupt { what: "a timestamp" })?;
                self.put(&Stamped::token_path(stamped.size), token).await?;
            }
            self.put(&Stamped::page_path(first / Stamped::PER_PAGE), Stamped::to_page(&page).into_bytes()).await?;
            done = end;
        }
        Ok(done)
    }

    /// How many of the first `count` are published, by the last page that is there.
    async fn timestamps(&self, count: u64) -> Result<u64, PublicationError> {
        for page in (0..count.div_ceil(Stamped::PER_PAGE)).rev() {
            let Some(bytes) = self.get(&Stamped::page_path(page)).await? else { continue };
            // One that cannot be read is written again.
            let there = Stamped::parse_page(&bytes).map_or(0, |page| page.len() as u64);
            return Ok(page * Stamped::PER_PAGE + there);
        }
        Ok(0)
    }
}
