//! The static files of the log, by C2SP tlog-tiles, made of what the store has.

use saphan_schemas::log::{TileContent, TilePath, bundle, tile};

use crate::shards::Shard;
use crate::store::{Store, StoreError};

/// The bytes of a tile or a bundle of a log. The log must be long enough for it ([`TilePath::exists_at`]).
///
/// # Errors
/// [`StoreError`]; also when the store has gaps.
pub async fn file(store: &dyn Store, shard: &Shard, path: &TilePath) -> Result<Vec<u8>, StoreError> {
    let (first, width) = (path.start(), path.width());
    match path.content() {
        TileContent::Hashes { level } => {
            let hashes = store.hashes(shard, level, first, u32::from(width)).await?;
            complete(hashes.len(), width)?;
            Ok(tile::encode_hashes(&hashes))
        }
        TileContent::Entries => {
            let entries = store.entries(shard.first + first, u32::from(width)).await?;
            complete(entries.len(), width)?;
            bundle::encode_bundle(&entries).map_err(|_| StoreError::Corrupt { what: "an entry" })
        }
    }
}

fn complete(found: usize, width: u16) -> Result<(), StoreError> {
    if found == usize::from(width) { Ok(()) } else { Err(StoreError::Corrupt { what: "a tile with gaps" }) }
}
