//! The static files of a log (C2SP tlog-tiles): their paths, which ones a size needs, and the hashes in them.

use std::fmt;
use std::str::FromStr;

use super::TILE_WIDTH;
use super::checkpoint::parse_decimal;
use crate::digest::Sha256Hash;

/// The path of a tile or entry bundle: `tile/<L>/<N>[.p/<W>]` or `tile/entries/<N>[.p/<W>]`.
///
/// `N` is written in groups of three digits, all but the last after an `x`: `x001/x234/067`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TilePath {
    content: TileContent,
    index: u64,
    width: u16,
}

/// What stands in a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TileContent {
    /// Hashes of this level, 0 to 63.
    Hashes {
        /// The tile level; level 0 is leaf hashes.
        level: u8,
    },
    /// Log entries.
    Entries,
}

/// A text or its parts are not the path of a tile, or bytes are not the hashes of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// The text is not the canonical path of a tile.
    #[error("not a tile path: expected tile/<level 0 to 63, or entries>/<index as x001/234>[.p/<width 1 to 255>]")]
    BadPath,
    /// A level, index or width that no tile has.
    #[error("a tile has a level of at most 63, an index below 2^56 and a width of 1 to 256")]
    OutOfRange,
    /// The hashes are not as many as the path says.
    #[error("a hash tile of width {width} has {expected} bytes, not {found}")]
    WrongLength {
        /// The width by the path.
        width: u16,
        /// The bytes it must have.
        expected: usize,
        /// The bytes it has.
        found: usize,
    },
}

impl TilePath {
    /// The path of a tile of `width` entries or hashes, 256 if it is full.
    ///
    /// # Errors
    /// [`TileError::OutOfRange`].
    pub const fn new(content: TileContent, index: u64, width: u16) -> Result<Self, TileError> {
        let level_fits = !matches!(content, TileContent::Hashes { level: 64.. });
        if level_fits && index < MAX_INDEX && width >= 1 && width <= TILE_WIDTH {
            Ok(Self { content, index, width })
        } else {
            Err(TileError::OutOfRange)
        }
    }

    /// For callers that derived the parts from a log's size.
    pub(super) const fn from_derived(content: TileContent, index: u64, width: u16) -> Self {
        Self { content, index, width }
    }

    /// What stands in the tile.
    #[must_use]
    pub const fn content(&self) -> TileContent {
        self.content
    }

    /// The position of the tile among those of its level.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// The number of hashes or entries, 1 to 256.
    #[must_use]
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// Whether the tile is not full, so that a longer log has another one in its place.
    #[must_use]
    pub const fn is_partial(&self) -> bool {
        self.width < TILE_WIDTH
    }

    /// The position within the level of the first hash, or the index of the first entry.
    #[must_use]
    pub const fn start(&self) -> u64 {
        self.index * TILE_WIDTH as u64
    }

    /// The full tile in the place of this one.
    #[must_use]
    pub const fn full(self) -> Self {
        Self { width: TILE_WIDTH, ..self }
    }

    /// Whether a log of `size` entries has this tile, in this width or, if it is partial, a larger one.
    #[must_use]
    pub fn exists_at(&self, size: u64) -> bool {
        let level = match self.content {
            TileContent::Hashes { level } => u32::from(level),
            TileContent::Entries => 0,
        };
        self.start() + u64::from(self.width) <= size.checked_shr(8 * level).unwrap_or(0)
    }
}

impl FromStr for TilePath {
    type Err = TileError;

    fn from_str(text: &str) -> Result<Self, TileError> {
        let (content, rest) =
            text.strip_prefix("tile/").and_then(|rest| rest.split_once('/')).ok_or(TileError::BadPath)?;
        let content = match content {
            "entries" => TileContent::Entries,
            level => TileContent::Hashes { level: parse_small(level)? },
        };
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, parse_small::<u8>(width)?.into()),
            None => (rest, TILE_WIDTH),
        };
        Self::new(content, parse_index(index).ok_or(TileError::BadPath)?, width)
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.content {
            TileContent::Hashes { level } => write!(f, "tile/{level}/")?,
            TileContent::Entries => f.write_str("tile/entries/")?,
        }
        let groups = self.index.checked_ilog(1000).unwrap_or(0);
        for group in (1..=groups).rev() {
            write!(f, "x{:03}/", self.index / 1000u64.pow(group) % 1000)?;
        }
        write!(f, "{:03}", self.index % 1000)?;
        if self.is_partial() { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

/// Every file that a static copy of a log of `size` entries has, besides the checkpoint: level by level, then the bundles.
pub fn tiles_for_size(size: u64) -> impl Iterator<Item = TilePath> {
    contents(size).flat_map(|(content, count)| {
        let full = count / u64::from(TILE_WIDTH);
        let rest = (count % u64::from(TILE_WIDTH)) as u16;
        let partial = (rest > 0).then_some(TilePath { content, index: full, width: rest });
        (0..full).map(move |index| TilePath { content, index, width: TILE_WIDTH }).chain(partial)
    })
}

/// The partial tiles and bundles of a log of `size` entries: those that grow.
pub fn partial_tiles(size: u64) -> impl Iterator<Item = TilePath> {
    contents(size).filter_map(|(content, count)| {
        let rest = (count % u64::from(TILE_WIDTH)) as u16;
        (rest > 0).then_some(TilePath { content, index: count / u64::from(TILE_WIDTH), width: rest })
    })
}

/// The full tiles and bundles that a log got while it grew from `old` to `new` entries; these never change again.
pub fn tiles_completed(old: u64, new: u64) -> impl Iterator<Item = TilePath> {
    let before = move |content| match content {
        TileContent::Hashes { level } => old >> (8 * u32::from(level)),
        TileContent::Entries => old,
    };
    contents(new).flat_map(move |(content, count)| {
        let completed = before(content) / u64::from(TILE_WIDTH)..count / u64::from(TILE_WIDTH);
        completed.map(move |index| TilePath { content, index, width: TILE_WIDTH })
    })
}

/// The bytes of a hash tile: its hashes, one after the other.
#[must_use]
pub fn encode_hashes(hashes: &[Sha256Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

/// Reads a hash tile that must hold exactly `width` hashes.
///
/// # Errors
/// [`TileError::WrongLength`].
pub fn decode_hashes(bytes: &[u8], width: u16) -> Result<Vec<Sha256Hash>, TileError> {
    let expected = usize::from(width) * 32;
    if bytes.len() != expected {
        return Err(TileError::WrongLength { width, expected, found: bytes.len() });
    }
    Ok(bytes.as_chunks::<32>().0.iter().copied().map(Sha256Hash::from_bytes).collect())
}

/// The levels that a log of `size` entries has, with their numbers of hashes, and its entries.
fn contents(size: u64) -> impl Iterator<Item = (TileContent, u64)> {
    let levels = (0u8..8).map(move |level| (TileContent::Hashes { level }, size >> (8 * u32::from(level))));
    levels.take_while(|(_, count)| *count > 0).chain((size > 0).then_some((TileContent::Entries, size)))
}

fn parse_small<N: TryFrom<u64>>(text: &str) -> Result<N, TileError> {
    parse_decimal(text).and_then(|number| number.try_into().ok()).ok_or(TileError::BadPath)
}

fn parse_index(text: &str) -> Option<u64> {
    let (groups, last) = text.rsplit_once('/').map_or((None, text), |(groups, last)| (Some(groups), last));
    let mut index: u64 = 0;
    for (at, group) in groups.into_iter().flat_map(|groups| groups.split('/')).enumerate() {
        let group = parse_group(group.strip_prefix('x')?)?;
        if at == 0 && group == 0 {
            return None;
        }
        index = index.checked_mul(1000)?.checked_add(group)?;
    }
    index.checked_mul(1000)?.checked_add(parse_group(last)?)
}

fn parse_group(text: &str) -> Option<u64> {
    (text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

// So that the position of a tile's hashes never overflows.
const MAX_INDEX: u64 = 1 << 56;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::log::naive;

    fn path(text: &str) -> TilePath {
        text.parse().unwrap()
    }

    fn texts(tiles: impl Iterator<Item = TilePath>) -> Vec<String> {
        tiles.map(|tile| tile.to_string()).collect()
    }

    #[test]
    fn paths_are_written_as_in_the_specification() {
        for (content, index, width, text) in [
            (TileContent::Hashes { level: 0 }, 1_234_067, 256, "tile/0/x001/x234/067"),
            (TileContent::Hashes { level: 63 }, 0, 255, "tile/63/000.p/255"),
            (TileContent::Entries, 999, 1, "tile/entries/999.p/1"),
            (TileContent::Entries, 1000, 256, "tile/entries/x001/000"),
            (TileContent::Entries, 1_000_000, 256, "tile/entries/x001/x000/000"),
        ] {
            let tile = TilePath::new(content, index, width).unwrap();
            assert_eq!(tile.to_string(), text);
            assert_eq!(path(text), tile);
        }
    }

    #[test]
    fn other_texts_are_no_paths() {
        for text in [
            "",
            "tile",
            "tile/0",
            "tile/0/",
            "tile/00/000",
            "tile/-1/000",
            "tile/256/000",
            "tile/entry/000",
            "/tile/0/000",
            "tile/0/0",
            "tile/0/0000",
            "tile/0/x000/001",
            "tile/0/001/001",
            "tile/0/x001",
            "tile/0/x001/x001",
            "tile/0/000/",
            "tile/0//000",
            "tile/0/+01",
            "tile/0/000.p",
            "tile/0/000.p/",
            "tile/0/000.p/01",
            "tile/0/000.p/256",
            "tile/0/000.p/1/",
            "tile/0/000.p/1.p/1",
            "tile/0/x00๑/000",
            "tile/0/../000",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert_eq!(text.parse::<TilePath>(), Err(TileError::BadPath), "{text}");
        }
        for text in ["tile/64/000", "tile/0/000.p/0", "tile/0/x999/x999/x999/x999/x999/999"] {
            assert_eq!(text.parse::<TilePath>(), Err(TileError::OutOfRange), "{text}");
        }
    }

    #[test]
    fn the_sizes_of_the_specification_have_its_tiles() {
        assert_eq!(texts(tiles_for_size(0)), Vec::<String>::new());
        assert_eq!(texts(tiles_for_size(256)), ["tile/0/000", "tile/1/000.p/1", "tile/entries/000"]);
        let tiles: Vec<_> = tiles_for_size(70_000).collect();
        let of = |level| tiles.iter().filter(move |tile| tile.content() == TileContent::Hashes { level });
        assert_eq!(
            (of(0).filter(|tile| !tile.is_partial()).count(), of(0).next_back()),
            (273, Some(&path("tile/0/273.p/112")))
        );
        assert_eq!(texts(of(1).copied()), ["tile/1/000", "tile/1/001.p/17"]);
        assert_eq!(texts(of(2).copied()), ["tile/2/000.p/1"]);
        assert_eq!(tiles.iter().filter(|tile| tile.content() == TileContent::Entries).count(), 274);
    }

    #[test]
    fn a_tile_exists_from_the_size_on_that_fills_it() {
        for (text, size) in
            [("tile/0/000.p/1", 1), ("tile/entries/001", 512), ("tile/1/000.p/2", 512), ("tile/2/000", 1 << 24)]
        {
            assert!(path(text).exists_at(size), "{text} at {size}");
            assert!(!path(text).exists_at(size - 1), "{text} at {size} - 1");
        }
        assert!(!path("tile/63/000.p/1").exists_at(u64::MAX));
    }

    proptest! {
        #[test]
        fn a_path_round_trips(level in prop::option::of(0u8..64), index in 0..MAX_INDEX, shift in 0u32..56, width in 1u16..=256) {
            let content = level.map_or(TileContent::Entries, |level| TileContent::Hashes { level });
            let tile = TilePath::new(content, index >> shift, width).unwrap();
            prop_assert_eq!(tile.to_string().parse(), Ok(tile));
            prop_assert_eq!(tile.full().index(), tile.index());
        }

        #[test]
        fn a_changed_path_is_refused_or_another_one(index in 0..MAX_INDEX, width in 1u16..=256, at: usize, flip in 1u8..) {
            let tile = TilePath::new(TileContent::Hashes { level: 1 }, index, width).unwrap();
            if let Some(changed) = naive::mutate(&tile.to_string(), at, flip)
                && let Ok(other) = changed.parse::<TilePath>()
            {
                prop_assert_ne!(other, tile);
                prop_assert_eq!(other.to_string(), changed);
            }
        }

        #[test]
        fn partial_tiles_are_those_that_are_not_full(size in 0u64..70_000) {
            prop_assert!(partial_tiles(size).eq(tiles_for_size(size).filter(TilePath::is_partial)));
        }

        #[test]
        fn completed_tiles_are_the_full_ones_that_were_not_there_before(old in 0u64..70_000, more in 0u64..70_000) {
            let full = |size| tiles_for_size(size).filter(|tile| !tile.is_partial());
            let before: std::collections::HashSet<_> = full(old).collect();
            let expected: Vec<_> = full(old + more).filter(|tile| !before.contains(tile)).collect();
            prop_assert_eq!(tiles_completed(old, old + more).collect::<Vec<_>>(), expected);
        }

        #[test]
        fn hashes_round_trip_and_other_lengths_are_refused(hashes in prop::collection::vec(any::<[u8; 32]>(), 1..=256), cut: prop::sample::Index) {
            let hashes: Vec<_> = hashes.into_iter().map(Sha256Hash::from_bytes).collect();
            let (bytes, width) = (encode_hashes(&hashes), hashes.len() as u16);
            prop_assert!(decode_hashes(&bytes[..cut.index(bytes.len())], width).is_err());
            prop_assert!(decode_hashes(&[&bytes[..], &[0]].concat(), width).is_err());
            prop_assert_eq!(decode_hashes(&bytes, width), Ok(hashes));
        }
    }
}
