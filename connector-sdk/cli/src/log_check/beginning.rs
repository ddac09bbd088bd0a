//! The beginning of a log that shows more: of an abandoned one the next log counts only what its hub has kept.

use saphan_schemas::log::{TILE_WIDTH, TileContent, TilePath, bundle};

use super::source::{LogSource, SourceError, SourceFuture};

/// A log as it was at an earlier size: partial tiles come from those of the size that it shows now.
pub(super) struct Beginning {
    pub(super) source: Box<dyn LogSource>,
    /// How many entries it shows.
    pub(super) shown: u64,
}

impl Beginning {
    async fn read(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        let Some(tile) = path.parse::<TilePath>().ok().filter(TilePath::is_partial) else {
            return self.source.fetch(path).await;
        };
        let there = self.now(tile);
        let bytes = match self.source.fetch(&there.to_string()).await {
            Err(SourceError::NotFound) if there.is_partial() => {
                return Ok(begin_of(&self.source.fetch(&there.full().to_string()).await?, there.full(), tile));
            }
            other => other?,
        };
        Ok(begin_of(&bytes, there, tile))
    }

    /// The tile in the place of this one at the size that is shown.
    fn now(&self, tile: TilePath) -> TilePath {
        let level = match tile.content() {
            TileContent::Hashes { level } => u32::from(level),
            TileContent::Entries => 0,
        };
        let width =
            self.shown.checked_shr(8 * level).unwrap_or(0).saturating_sub(tile.start()).min(u64::from(TILE_WIDTH));
        let width = u16::try_from(width).unwrap_or(TILE_WIDTH).max(tile.width());
        TilePath::new(tile.content(), tile.index(), width).unwrap_or(tile)
    }
}

impl LogSource for Beginning {
    fn fetch<'a>(&'a self, path: &'a str) -> SourceFuture<'a> {
        Box::pin(self.read(path))
    }

    fn beside(&self, shard: &str) -> Option<Box<dyn LogSource>> {
        self.source.beside(shard)
    }
}

/// What the partial tile at `path` holds, from the longer one at `from` in its place. What is no bundle stays as it is, and its
/// reader tells.
fn begin_of(bytes: &[u8], from: TilePath, path: TilePath) -> Vec<u8> {
    let width = usize::from(path.width());
    match path.content() {
        TileContent::Hashes { .. } => bytes[..bytes.len().min(width * HASH_BYTES)].to_vec(),
        TileContent::Entries => {
            let entries = bundle::decode_bundle(bytes, from.width()).ok();
            let first = entries.and_then(|entries| bundle::encode_bundle(entries.get(..width)?).ok());
            first.unwrap_or_else(|| bytes.to_vec())
        }
    }
}

const HASH_BYTES: usize = 32;
