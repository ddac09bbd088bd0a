//! The logs of a hub before the one that is shown. Each begins with the last checkpoint of the one before it, so whoever trusts the
//! newest finds the others by it; that they are what it says, the check of each shows.

use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::leaf::Leaf;
use saphan_schemas::log::{
    Checkpoint, LogRebuilder, SignedCheckpoint, TILE_WIDTH, TileContent, TilePath, VerifierKey, decode_bundle,
    leaf_hash,
};
use saphan_schemas::registry::{RegistryState, Root, UnverifiedRegistryEntry, is_shard_name};
use saphan_schemas::succession::{After, NotNext, Opening};

use super::beginning::Beginning;
use super::error::{LeafFault, LogCheckError};
use super::pipeline::Pipeline;
use super::source::{LogSource, SourceError, fetch_tile};
use super::{COSIGNED_PATH, bundles, checkpoint_text};
use crate::log_audit::consistency::{self, Consistency};

/// A log of the hub that has ended.
pub(crate) struct Link {
    /// Up to its last entry, or up to the last one that is left.
    pub(crate) source: Box<dyn LogSource>,
    /// The checkpoint of these, as the next log names it: the last one, unless it was abandoned.
    pub(crate) signed: SignedCheckpoint,
    /// The last one that the hub knows of, if it was abandoned.
    pub(crate) lost: Option<SignedCheckpoint>,
    /// The registry entry for the key of the next log that this one brings itself, if this one was abandoned.
    pub(crate) vouching: Option<String>,
    /// What it shows.
    pub(crate) shown: SignedCheckpoint,
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

/// How a log begins.
struct Begun {
    opening: Opening,
    /// The hash of its first leaf.
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
    while until != Some(&*origin) {
        if links.len() == MOST_LOGS {
            return Err(LogCheckError::TooMuch { what: "more than 1,000 logs of one hub" });
        }
        let Begun { opening: Opening { after, .. }, hash: named_in } = begins;
        let (text, last, vouching) = match after {
            After::Nothing => break,
            After::Closed(last) => (last, None, None),
            After::Lost { last, abandoned } => (abandoned.kept, Some(last), abandoned.key),
        };
        let said = checkpoint_of(&text).ok_or(LogCheckError::not_next(NotNext::PreviousNotSigned))?;
        if last.as_deref().is_some_and(|last| checkpoint_of(last).is_none()) {
            return Err(LogCheckError::not_next(NotNext::PreviousNotSigned));
        }
        if said.origin == shown.origin || links.iter().any(|link| link.signed.checkpoint().origin == said.origin) {
            return Err(LogCheckError::not_next(NotNext::Again));
        }
        let here = links.last().map_or(source, |link| &*link.source);
        let shard = said.origin.rsplit_once('/').map(|(_, shard)| shard);
        // Whoever serves a log chose the name: nothing is looked for that is no log of a hub.
        if shard.is_some_and(|shard| !is_shard_name(shard)) {
            return Err(LogCheckError::Leaf { index: 0, fault: LeafFault::OtherNames });
        }
        let before = shard.and_then(|shard| here.beside(shard));
        let before = before.ok_or(LogCheckError::not_next(NotNext::NotClosed))?;
        let in_it = |error: LogCheckError| error.in_earlier(&said.origin);
        let shown = checkpoint_text(&*before).await.map_err(in_it)?;
        // Its files are those of the size that it shows.
        let begun = opening(&*before, checkpoint_of(&shown).as_ref().unwrap_or(&said), true).await.map_err(in_it)?;
        let Some(begun) = begun else { return Err(in_it(not_opened(&*before, said.size).await)) };
        let first = |text: &str| SignedCheckpoint::parse_and_verify(text, &begun.opening.root.log).is_ok();
        let before = shortened(before, &shown, &said, last.is_some());
        let keys = match first(&text) && last.as_deref().is_none_or(first) {
            true => vec![begun.opening.root.log.clone()],
            // Its first key may have ended since.
            false => closing_keys(&*before, &said, begun.opening.root.clone()).await.map_err(in_it)?,
        };
        let not_signed = || LogCheckError::not_next(NotNext::PreviousNotSigned);
        let by = |text: &str| {
            let by = |key: &VerifierKey| Some((SignedCheckpoint::parse_and_verify(text, key).ok()?, key.clone()));
            keys.iter().find_map(by).ok_or_else(not_signed)
        };
        let (signed, key) = by(&text)?;
        let lost = last.map(|last| by(&last)).transpose()?.map(|(lost, _)| lost);
        let shown = match &lost {
            None => must_show(&shown, &signed, &keys),
            Some(lost) => must_show_what_is_left(&*before, &shown, &signed, lost, &keys).await,
        };
        let shown = shown.map_err(in_it)?;
        (begins, origin) = (begun, said.origin);
        links.push(Link { source: before, signed, lost, vouching, shown, key, named_in });
    }
    links.reverse();
    Ok(links)
}

/// That a closed log still shows what the next one began after.
fn must_show(text: &str, closed: &SignedCheckpoint, keys: &[VerifierKey]) -> Result<SignedCheckpoint, LogCheckError> {
    let signed = shown_checkpoint(text, keys)?;
    let (shown, closed) = (signed.checkpoint(), closed.checkpoint());
    if (shown.size, shown.root) == (closed.size, closed.root) { Ok(signed) } else { Err(differs(shown, closed)) }
}

fn shown_checkpoint(text: &str, keys: &[VerifierKey]) -> Result<SignedCheckpoint, LogCheckError> {
    let (key, more) = keys.split_first().ok_or(LogCheckError::not_next(NotNext::PreviousNotSigned))?;
    Ok(SignedCheckpoint::parse_and_verify_any(text, key, more)?)
}

fn differs(shown: &Checkpoint, closed: &Checkpoint) -> LogCheckError {
    LogCheckError::ClosedLogDiffers { log: shown.origin.clone(), shown: shown.size, size: closed.size }
}

/// That an abandoned log shows all that is left of it, and nothing beyond the last checkpoint that the next one names; that witnesses
/// have cosigned nothing beyond that and no other history of these sizes, as far as it shows; and that its tiles lead from what is left to what it shows.
async fn must_show_what_is_left(
    source: &dyn LogSource,
    text: &str,
    kept: &SignedCheckpoint,
    lost: &SignedCheckpoint,
    keys: &[VerifierKey],
) -> Result<SignedCheckpoint, LogCheckError> {
    let signed = shown_checkpoint(text, keys)?;
    let shown = signed.checkpoint();
    let (kept, lost) = (kept.checkpoint(), lost.checkpoint());
    if shown.size < kept.size {
        return Err(differs(shown, kept));
    }
    if shown.size > lost.size || (shown.size == lost.size && shown.root != lost.root) {
        return Err(differs(shown, lost));
    }
    if let Some(cosigned) = cosigned_checkpoint(source, keys).await? {
        let cosigned = cosigned.checkpoint();
        if cosigned.size > lost.size {
            return Err(differs(cosigned, lost));
        }
        let is_other = |one: &&Checkpoint| cosigned.size == one.size && cosigned.root != one.root;
        if let Some(one) = [lost, kept, shown].into_iter().find(is_other) {
            return Err(differs(cosigned, one));
        }
    }
    match consistency::ask(source, kept, shown).await? {
        Consistency::Grown => Ok(signed),
        Consistency::Forked(_) => Err(differs(shown, kept)),
    }
}

/// The checkpoint that witnesses cosigned, where the log shows one that can be read and that a key of it signed. Any other says nothing.
async fn cosigned_checkpoint(
    source: &dyn LogSource,
    keys: &[VerifierKey],
) -> Result<Option<SignedCheckpoint>, LogCheckError> {
    match source.fetch(COSIGNED_PATH).await {
        Ok(bytes) => Ok(String::from_utf8(bytes).ok().and_then(|text| shown_checkpoint(&text, keys).ok())),
        Err(SourceError::NotFound | SourceError::TooLarge { .. }) => Ok(None),
        Err(error) => Err(LogCheckError::fetch(COSIGNED_PATH, error)),
    }
}

/// The log up to what is left, if it was abandoned and shows more.
fn shortened(source: Box<dyn LogSource>, shown: &str, kept: &Checkpoint, is_abandoned: bool) -> Box<dyn LogSource> {
    match checkpoint_of(shown) {
        Some(shown) if is_abandoned && shown.size > kept.size => Box::new(Beginning { source, shown: shown.size }),
        _ => source,
    }
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
) -> Result<Option<Begun>, LogCheckError> {
    let width = u16::try_from(checkpoint.size.min(u64::from(TILE_WIDTH))).unwrap_or_default();
    let Ok(path) = TilePath::new(TileContent::Entries, 0, width) else { return Ok(None) };
    let bytes = fetch_tile(source, path).await?;
    let entries = decode_bundle(&bytes, path.width()).map_err(|source| LogCheckError::Bundle { path, source })?;
    let Some(first) = entries.first() else { return Ok(None) };
    let Ok(Leaf::Shard { event, .. }) = Leaf::parse(first) else { return Ok(None) };
    let Some(opening) = Opening::of(event) else { return Ok(None) };
    let is_sure = (opening.after == After::Nothing && !is_earlier) || has_its_hash(source, width, &entries).await?;
    Ok(is_sure.then(|| Begun { opening, hash: leaf_hash(first) }))
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
    each_registry_leaf(source, log, |index, leaf, _| {
        let Leaf::Registry { ts, entry } = leaf else { return };
        if let Ok(entry) = UnverifiedRegistryEntry::parse(&entry) {
            // Of other things than the hub's keys it cannot know enough here.
            drop(registry.take(entry, index, ts / 1000));
        }
    })
    .await?;
    Ok(registry.keys_of_log(&log.origin).cloned().collect())
}

/// The entries of a log that the registry follows from, each with its index, as the bundles have them: nothing is judged.
///
/// # Errors
/// [`LogCheckError`] if a bundle cannot be had or read, or if they are too many.
pub(crate) async fn registry_leaves(
    source: &dyn LogSource,
    log: &Checkpoint,
) -> Result<Vec<(u64, Vec<u8>)>, LogCheckError> {
    let mut leaves = Vec::new();
    each_registry_leaf(source, log, |index, _, bytes| leaves.push((index, bytes.to_vec()))).await?;
    Ok(leaves)
}

/// Nobody who is known has signed this log yet: it may be of any length, and what is kept of it has an end.
async fn each_registry_leaf(
    source: &dyn LogSource,
    log: &Checkpoint,
    mut take: impl FnMut(u64, Leaf, &[u8]),
) -> Result<(), LogCheckError> {
    let mut taken = 0;
    for path in bundles(0, log.size) {
        let bytes = fetch_tile(source, path).await?;
        let entries = decode_bundle(&bytes, path.width()).map_err(|source| LogCheckError::Bundle { path, source })?;
        for (index, entry) in (path.start()..).zip(entries) {
            let Ok(leaf @ (Leaf::Registry { .. } | Leaf::Shard { .. })) = Leaf::parse(entry) else { continue };
            taken += entry.len();
            if taken > MOST_OF_A_REGISTRY {
                return Err(LogCheckError::TooMuch { what: "more than 256 MiB of entries of the registry in one log" });
            }
            take(index, leaf, entry);
        }
    }
    Ok(())
}

/// The most logs of one hub that are followed: each is a file at least.
const MOST_LOGS: usize = 1_000;
/// The most bytes of entries of the registry that are read before anybody who is known has signed their log. A registry of 100,000
/// entries has half as many.
const MOST_OF_A_REGISTRY: usize = 256 << 20;
