//! Fetching ahead, and checking bundles side by side, in bounded numbers; only the fold goes in order.

use std::future::ready;
use std::pin::{Pin, pin};

use futures_util::stream::{self, StreamExt as _};
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::log::{Checkpoint, RebuiltTile, TILE_WIDTH, TileContent, TilePath};
use tokio::sync::mpsc;

use super::arrangement::Arrangement;
use super::entries::{ReadBundle, read_bundle};
use super::error::LogCheckError;
use super::export::Export;
use super::history::{History, Relations};
use super::ledger::{Counting, Judgement, Ledger, SignatureCheck};
use super::place::Place;
use super::source::{LogSource, fetch_tile};
use super::{Progress, source};

type Step<'a, T> = Pin<Box<dyn Future<Output = Result<T, LogCheckError>> + Send + 'a>>;

/// The parts of one check.
#[derive(Clone, Copy)]
pub(super) struct Pipeline<'a> {
    pub(super) source: &'a dyn LogSource,
    pub(super) progress: &'a dyn Progress,
    pub(super) export: Option<&'a Export>,
}

/// A bundle that holds by itself.
struct Held {
    entries: u64,
    relations: Relations,
    place: Option<Place>,
    /// The entry that must not be there: what those before it say of each other comes first.
    fault: Option<LogCheckError>,
}

/// What does not hold, with entries told by their places over all logs, or by their indices already.
enum Uncounted {
    Places(LogCheckError),
    Indices(LogCheckError),
}

impl Uncounted {
    fn counted(self, counting: &Counting) -> LogCheckError {
        match self {
            Self::Places(error) => error.counted(counting),
            Self::Indices(error) => error,
        }
    }
}

impl<'a> Pipeline<'a> {
    /// Takes every bundle from where the ledger stands; the first thing that does not hold, in the order of the log, ends it.
    pub(super) async fn run(
        self,
        checkpoint: &Checkpoint,
        mut ledger: Ledger,
        history: &mut History,
    ) -> Result<Ledger, LogCheckError> {
        let counting = ledger.counting();
        let (bundles, ahead) = (bundles(ledger.taken(), checkpoint.size), ahead());
        let fetched = stream::iter(bundles).map(move |path| self.read(path)).buffered(ahead);
        let folded = fetched.map(|bundle| -> Step<'a, Held> {
            match bundle.and_then(|bundle| ledger.take(bundle)) {
                Ok(judgement) => Box::pin(self.finish(judgement)),
                Err(error) => Box::pin(ready(Err(error))),
            }
        });
        let mut checked = folded.buffered(ahead);
        // While rows are written, bundles are checked.
        let (pass, next) = mpsc::channel(ahead);
        let passing = async move {
            while let Some(held) = checked.next().await {
                let is_last = held.is_err();
                if pass.send(held).await.is_err() || is_last {
                    return;
                }
            }
        };
        let mut related = pin!(self.relate(next, history));
        let held = tokio::select! {
            held = &mut related => held,
            () = passing => related.await,
        };
        held.map_err(|error| error.counted(&counting))?;
        Ok(ledger)
    }

    /// Holds bundles against earlier ones, in their order.
    async fn relate(
        self,
        mut next: mpsc::Receiver<Result<Held, LogCheckError>>,
        history: &mut History,
    ) -> Result<(), Uncounted> {
        while let Some(held) = next.recv().await {
            let Held { entries, relations, place, fault } = match held {
                Ok(held) => held,
                Err(error) => {
                    // What entries before it say of each other comes first.
                    history.write_out().await.map_err(Uncounted::Places)?;
                    return Err(Uncounted::Indices(error));
                }
            };
            history.take(relations).await.map_err(Uncounted::Places)?;
            if let Some(fault) = fault {
                history.write_out().await.map_err(Uncounted::Places)?;
                return Err(Uncounted::Indices(fault));
            }
            if let Some(place) = place {
                history.rest(&place).await.map_err(Uncounted::Places)?;
            }
            self.progress.checked(entries);
        }
        history.write_out().await.map_err(Uncounted::Places)
    }

    fn read(self, path: TilePath) -> Step<'a, ReadBundle> {
        Box::pin(async move {
            let bytes = fetch_tile(self.source, path).await?;
            in_background(move || read_bundle(path, bytes)).await
        })
    }

    /// Files first: where an entry was changed, its hash tells it before its content can mislead.
    async fn finish(self, judgement: Judgement) -> Result<Held, LogCheckError> {
        let Judgement { entries, first, files, signatures, mut fault, mut relations, place } = judgement;
        for file in &files {
            self.compare(file).await?;
        }
        match in_background(move || signatures.into_iter().try_for_each(SignatureCheck::run)).await {
            Err(false_one @ LogCheckError::Leaf { index, .. }) => {
                relations.end_before(first + index);
                fault = Some(false_one);
            }
            others => others?,
        }
        if let (Some(export), None) = (self.export, &fault) {
            for file in &files {
                export.write(&file.path.to_string(), &file.bytes).await?;
            }
        }
        Ok(Held { entries, relations, place, fault })
    }

    /// That the log publishes this file as it must be.
    pub(super) async fn compare(self, file: &RebuiltTile) -> Result<(), LogCheckError> {
        let TileContent::Hashes { level } = file.path.content() else {
            // A bundle has one reading and one writing: it is what it was read from.
            return Ok(());
        };
        let published = source::fetch_tile(self.source, file.path).await?;
        file.compare(&published).map_err(|mismatch| match bundle_beside(file.path) {
            Some(bundle) if level == 0 && mismatch.expected == mismatch.found => {
                let index = file.path.start() + (mismatch.at / HASH_BYTES) as u64;
                let arrangement = Arrangement::of(&hashes(&file.bytes), &hashes(&published));
                LogCheckError::EntryHash { index, bundle, mismatch, arrangement }
            }
            _ => LogCheckError::Tile(mismatch),
        })
    }
}

/// The bundles of a log of `size` entries, from entry `start` on, the first of a bundle.
pub(crate) fn bundles(start: u64, size: u64) -> impl Iterator<Item = TilePath> + Send {
    let width = u64::from(TILE_WIDTH);
    (start / width..size.div_ceil(width)).map_while(move |index| {
        let entries = u16::try_from((size - index * width).min(width)).ok()?;
        TilePath::new(TileContent::Entries, index, entries).ok()
    })
}

/// The bundle with the entries whose hashes are in a tile of level 0.
fn bundle_beside(tile: TilePath) -> Option<TilePath> {
    TilePath::new(TileContent::Entries, tile.index(), tile.width()).ok()
}

fn hashes(bytes: &[u8]) -> Vec<Sha256Hash> {
    bytes.as_chunks::<HASH_BYTES>().0.iter().copied().map(Sha256Hash::from_bytes).collect()
}

async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LogCheckError> + Send + 'static,
) -> Result<T, LogCheckError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(LogCheckError::Stopped))
}

/// Bundles in hand at each of the stages; memory is bounded by this and the largest bundle.
fn ahead() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (cores * 2).clamp(8, 64)
}

const HASH_BYTES: usize = 32;
