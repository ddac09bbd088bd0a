//! The logs of a hub before the one that is shown. Each begins with the last checkpoint of the one before it, so whoever trusts the
//! newest finds the others by it; that they are what it says, the check of each shows.

use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::leaf::{Leaf, ShardEvent};
use saphan_schemas::log::{
    Checkpoint, LogRebuilder, SignedCheckpoint, TILE_WIDTH, TileContent, TilePath, VerifierKey, decode_bundle,
    leaf_hash,
};
use saphan_schemas::registry::{RegistryState, Root, UnverifiedRegistryEntry};

use super::error::{LeafFault, LogCheckError};
use super::pipeline::Pipeline;
use super::source::{LogSource, fetch_tile};
use super::{bundles, checkpoint_text};

/// A closed log of the hub.
pub(crate) struct Link {
    pub(crate) source: Box<dyn LogSource>,
    /// Its last checkpoint, as the next log names it.
    pub(crate) signed: SignedCheckpoint,
    /// A key that signed it.
    key: VerifierKey,
    /// The hash of the entry that names it, the first one of the next log.
    named_in: Sha256Hash,
}

impl Link {
    /// A key of the log that signed its last checkpoint.
    pub(crate) const fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// The hash of the entry that names this log, the first one of the next.
    pub(crate) const fn named_in(&self) -> Sha256Hash {
        self.named_in
    }
}

/// What the first leaf of a log says.
struct Opening {
    root: Root,
    previous: Option<String>,
    hash: Sha256Hash,
}

/// The logs before the one that `shown` is of, oldest first; back to `until`, if that is one of them.
///
/// # Errors
/// [`LogCheckError`]: one is not there, or is not what the next one says.
pub(crate) async fn earlier(
    source: &dyn LogSource,
    shown: &Checkpoint,
    until: Option<&str>,
) -> Result<Vec<Link>, LogCheckError> {
    let mut links: Vec<Link> = Vec::new();
    // One that cannot be read, or has not its hash, the check of the entries tells.
    let Some(mut begins) = opening(source, shown, false).await? else { return Ok(links) };
    let mut origin = shown.origin.clone();
    while let Some(text) = begins.previous.take().filter(|_| until != Some(&*origin)) {
        let here = links.last().map_or(source, |link| &*link.source);
        let said = checkpoint_of(&text).ok_or(LogCheckError::Leaf { index: 0, fault: LeafFault::PreviousNotSigned })?;
        let is_known =
            said.origin == shown.origin || links.iter().any(|link| link.signed.checkpoint().origin == said.origin);
        let beside = said.origin.rsplit_once('/').filter(|_| !is_known).and_then(|(_, shard)| here.beside(shard));
        let before = beside.ok_or(LogCheckError::Leaf { index: 0, fault: LeafFault::NotClosed })?;
        let in_it = |error: LogCheckError| error.in_earlier(&said.origin);
        let shown = checkpoint_text(&*before).await.map_err(in_it)?;
        // Its files are those of the size that it shows.
        let begun = opening(&*before, checkpoint_of(&shown).as_ref().unwrap_or(&said), true).await.map_err(in_it)?;
        let Some(begun) = begun else { return Err(in_it(not_opened(&*before, said.size).await)) };
        let keys = match SignedCheckpoint::parse_and_verify(&text, &begun.root.log) {
            Ok(_) => vec![begun.root.log.clone()],
            // Its first key may have ended since.
            Err(_) => closing_keys(&*before, &said, begun.root.clone()).await.map_err(in_it)?,
        };
        let not_signed = LogCheckError::Leaf { index: 0, fault: LeafFault::PreviousNotSigned };
        let by = |key: &VerifierKey| Some((SignedCheckpoint::parse_and_verify(&text, key).ok()?, key.clone()));
        let (signed, key) = keys.iter().find_map(by).ok_or(not_signed)?;
        must_show(&shown, &signed, &keys).map_err(in_it)?;
        let named_in = begins.hash;
        (begins, origin) = (begun, said.origin);
        links.push(Link { source: before, signed, key, named_in });
    }
    links.reverse();
    Ok(links)
}

/// That a closed log still shows what the next one began after.
fn must_show(text: &str, closed: &SignedCheckpoint, keys: &[VerifierKey]) -> Result<(), LogCheckError> {
    let Some((key, more)) = keys.split_first() else { return Ok(()) };
    let shown = SignedCheckpoint::parse_and_verify_any(text, key, more)?.into_checkpoint();
    let closed = closed.checkpoint();
    if (shown.size, shown.root) == (closed.size, closed.root) {
        return Ok(());
    }
    Err(LogCheckError::ClosedLogDiffers { log: shown.origin, shown: shown.size, size: closed.size })
}

/// A checkpoint whose signatures were not looked at.
pub(crate) fn checkpoint_of(signed: &str) -> Option<Checkpoint> {
    let (text, _) = signed.split_once("\n\n")?;
    format!("{text}\n").parse().ok()
}

/// `None`: the first entry cannot be read, or it names a log before it, or is of one, and has not the hash in its tile.
async fn opening(
    source: &dyn LogSource,
    checkpoint: &Checkpoint,
    is_earlier: bool,
) -> Result<Option<Opening>, LogCheckError> {
    let width = u16::try_from(checkpoint.size.min(u64::from(TILE_WIDTH))).unwrap_or_default();
    let Ok(path) = TilePath::new(TileContent::Entries, 0, width) else { return Ok(None) };
    let bytes = fetch_tile(source, path).await?;
    let entries = decode_bundle(&bytes, path.width()).map_err(|source| LogCheckError::Bundle { path, source })?;
    let Some(first) = entries.first() else { return Ok(None) };
    match Leaf::parse(first) {
        Ok(Leaf::Shard { event: ShardEvent::Opened { hub, operator, receipts, log, previous, .. }, .. }) => {
            let root = Root { hub, operator: *operator, receipts: *receipts, log: *log };
            let opening = Opening { root, previous, hash: leaf_hash(first) };
            let is_sure = (opening.previous.is_none() && !is_earlier) || has_its_hash(source, width, &entries).await?;
            Ok(is_sure.then_some(opening))
        }
        _ => Ok(None),
    }
}

/// What is wrong with the first bundle of a log of this size, whose first entry does not open it.
async fn not_opened(source: &dyn LogSource, size: u64) -> LogCheckError {
    let first = async {
        let Some(path) = bundles(0, size).next() else { return Ok(()) };
        let bytes = fetch_tile(source, path).await?;
        let fault = |source| LogCheckError::Bundle { path, source };
        let (mut tree, mut files) = (LogRebuilder::new(), Vec::new());
        for entry in decode_bundle(&bytes, path.width()).map_err(fault)? {
            files.extend(tree.push_entry(entry).map_err(fault)?);
        }
        files.extend(tree.partial_tiles());
        let pipeline = Pipeline { source, progress: &(), export: None };
        for file in files.iter().filter(|file| file.path.content() == TileContent::Hashes { level: 0 }) {
            pipeline.compare(file).await?;
        }
        Ok(())
    };
    let found: Result<(), LogCheckError> = first.await;
    found.err().unwrap_or(LogCheckError::Leaf { index: 0, fault: LeafFault::NotOpened })
}

async fn has_its_hash(source: &dyn LogSource, width: u16, entries: &[&[u8]]) -> Result<bool, LogCheckError> {
    let Ok(path) = TilePath::new(TileContent::Hashes { level: 0 }, 0, width) else { return Ok(false) };
    let tile = fetch_tile(source, path).await?;
    Ok(entries.first().is_some_and(|first| tile.starts_with(leaf_hash(first).as_bytes())))
}

/// The keys that a closed log ended with, as its own entries say. They are judged when the log is checked.
async fn closing_keys(source: &dyn LogSource, log: &Checkpoint, root: Root) -> Result<Vec<VerifierKey>, LogCheckError> {
    let mut registry = RegistryState::new(root);
    for path in bundles(0, log.size) {
        let bytes = fetch_tile(source, path).await?;
        let entries = decode_bundle(&bytes, path.width()).map_err(|source| LogCheckError::Bundle { path, source })?;
        for (index, entry) in (path.start()..).zip(entries) {
            let Ok(Leaf::Registry { ts, entry }) = Leaf::parse(entry) else { continue };
            if let Ok(entry) = UnverifiedRegistryEntry::parse(&entry) {
                // Of other things than the hub's keys it cannot know enough here.
                drop(registry.take(entry, index, ts / 1000));
            }
        }
    }
    Ok(registry.keys_of_log(&log.origin).cloned().collect())
}
