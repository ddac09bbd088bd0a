//! Checking a whole log, as an auditor does: nothing the hub says is believed.
//!
//! [`check`] reads a log from a [`LogSource`] (a hub over HTTP, or a folder with the same files), verifies the signed
//! checkpoint, downloads every entry bundle and tile of its size, derives every tile and the root again from the entries,
//! reads every leaf, and checks every signature against the keys that the log itself registered before that place.
//! Memory does not grow with the log. In reading order:
//!
//! - `source`, `folder`, `http`: where the files come from;
//! - `chain`, `beginning`: the hub's earlier logs, and what is left of one that was abandoned;
//! - `entries`: the leaves of one bundle, read;
//! - `ledger`: the fold over all leaves, in order: the tree and the registered keys;
//! - `history`: what entries say about others, on disk; `place`: where a later check can go on;
//! - `class`: the name of each way in which a log may not hold; `arrangement`: what was done to a bundle;
//! - `moment`: the registry at some place, picked up on the way;
//! - `pipeline`: fetching ahead, and checking bundles side by side;
//! - `cosigned`: whether witnesses stand for it;
//! - `export`: writing the static copy.

mod arrangement;
mod beginning;
pub(crate) mod chain;
mod class;
mod cosigned;
mod entries;
mod error;
mod export;
mod folder;
pub(crate) mod hashes;
pub(crate) mod history;
mod http;
mod ledger;
mod moment;
mod pipeline;
pub(crate) mod place;
mod report;
mod source;

use std::path::Path;

use saphan_schemas::log::{SignedCheckpoint, VerifierKey};

pub use arrangement::Arrangement;
pub use class::TamperClass;
pub use cosigned::{Cosigned, NotCosigned, cosigned};
pub use error::{LeafFault, LogCheckError};
pub use folder::FolderLog;
pub use http::{HttpLog, NotALogAddress};
pub use moment::{Moment, RegistryAt};
pub(crate) use pipeline::bundles;
pub use report::{LeafCounts, LogReport};
pub(crate) use source::fetch_tile;
pub use source::{LogSource, SourceError, SourceFuture};

use chain::Link;
use export::Export;
use history::History;
use ledger::{Checked, Ledger};
use pipeline::Pipeline;
use place::Place;

/// Hears how far a check has come. `&()` hears nothing.
pub trait Progress: Send + Sync {
    /// The checkpoint holds; so many entries are to be checked.
    fn started(&self, _entries: u64) {}

    /// So many more entries hold.
    fn checked(&self, _entries: u64) {}
}

impl Progress for () {}

/// Checks a whole log against its key, and before it the hub's earlier logs, which its registry follows from.
///
/// # Errors
/// The first thing that does not hold, in the order of the log; or why the log could not be checked
/// ([`LogCheckError::is_verdict`] tells the two apart).
pub async fn check(
    source: &dyn LogSource,
    vkey: &VerifierKey,
    progress: &dyn Progress,
) -> Result<LogReport, LogCheckError> {
    Ok(run(source, vkey, progress, None, None).await?.0.report)
}

/// As [`check`], with the registry as it was at some moment; `None` if that is not in the log.
///
/// # Errors
/// As [`check`].
pub async fn registry_at(
    source: &dyn LogSource,
    vkey: &VerifierKey,
    progress: &dyn Progress,
    moment: Moment,
) -> Result<(LogReport, Option<RegistryAt>), LogCheckError> {
    let (Checked { report, registry }, _) = run(source, vkey, progress, None, Some(moment)).await?;
    Ok((report, registry))
}

/// As [`registry_at`] the end, with the hub's earlier logs, oldest first.
///
/// # Errors
/// As [`check`].
pub(crate) async fn with_earlier(
    source: &dyn LogSource,
    vkey: &VerifierKey,
    progress: &dyn Progress,
) -> Result<(LogReport, Option<RegistryAt>, Vec<Link>), LogCheckError> {
    let (Checked { report, registry }, earlier) = run(source, vkey, progress, None, Some(Moment::End)).await?;
    Ok((report, registry, earlier))
}

/// As [`check`], and writes the static copy (C2SP tlog-tiles) into `folder`: tiles and bundles once they are checked, timestamps, the
/// checkpoint last, so that a folder with a checkpoint is complete. The key is written as `vkey`.
///
/// # Errors
/// As [`check`], and [`LogCheckError::Export`].
pub async fn check_and_export(
    source: &dyn LogSource,
    vkey: &VerifierKey,
    progress: &dyn Progress,
    folder: &Path,
) -> Result<LogReport, LogCheckError> {
    Ok(run(source, vkey, progress, Some(&Export::new(folder)), None).await?.0.report)
}

async fn run(
    source: &dyn LogSource,
    vkey: &VerifierKey,
    progress: &dyn Progress,
    export: Option<&Export>,
    moment: Option<Moment>,
) -> Result<(Checked, Vec<Link>), LogCheckError> {
    let signed = signed_checkpoint(source, vkey).await?;
    let checkpoint = signed.checkpoint();
    let earlier = chain::earlier(source, checkpoint, None).await?;
    let before: u64 = earlier.iter().map(|link| link.signed.checkpoint().size).sum();
    let mut ledger = Ledger::new(moment.map(|moment| moment.in_log_at(before)));
    progress.started(before + checkpoint.size);
    let mut history = History::passing().await?;
    for Link { source, signed, .. } in &earlier {
        let checkpoint = signed.checkpoint();
        let in_it = |error: LogCheckError| error.in_earlier(&checkpoint.origin);
        ledger.begin(checkpoint);
        let pipeline = Pipeline { source: &**source, progress, export: None };
        ledger = pipeline.run(checkpoint, ledger, &mut history).await.map_err(in_it)?;
        ledger.close(signed).map_err(in_it)?;
    }
    ledger.begin(checkpoint);
    let ledger = Pipeline { source, progress, export }.run(checkpoint, ledger, &mut history).await?;
    let mut checked = ledger.finish(&signed)?;
    checked.registry = checked.registry.and_then(|found| found.in_log_at(before));
    if let Some(export) = export {
        export.copy_timestamps(source, signed.checkpoint().size).await?;
        export.write(VKEY_PATH, format!("{vkey}\n").as_bytes()).await?;
        export.write(CHECKPOINT_PATH, signed.text().as_bytes()).await?;
    }
    Ok((checked, earlier))
}

/// The checkpoint that the log shows now, signed by its key.
pub(crate) async fn signed_checkpoint(
    source: &dyn LogSource,
    vkey: &VerifierKey,
) -> Result<SignedCheckpoint, LogCheckError> {
    Ok(SignedCheckpoint::parse_and_verify(&checkpoint_text(source).await?, vkey)?)
}

/// What the log shows as its checkpoint, whoever signed it.
pub(crate) async fn checkpoint_text(source: &dyn LogSource) -> Result<String, LogCheckError> {
    let text = source::fetch(source, CHECKPOINT_PATH).await?;
    String::from_utf8(text).map_err(|_| LogCheckError::NotText { path: CHECKPOINT_PATH.to_owned() })
}

/// Whether these can be names of logs of one hub, which differ in the shard alone.
pub(crate) fn are_of_one_hub(one: &str, other: &str) -> bool {
    let hub = |name: &str| name.rsplit_once('/').map(|(hub, _)| hub.to_owned());
    hub(one).is_some_and(|hub_of_one| hub(other) == Some(hub_of_one))
}

/// Whether the leaves that the registry follows from say that `key` signs checkpoints of one of the hub's logs.
pub(crate) fn registers(registry: &[(u64, Vec<u8>)], key: &VerifierKey) -> bool {
    Ledger::keys_of_log(registry, key.name(), None).contains(key)
}

/// The keys of a log of the hub that stand after these leaves, and one more entry of the registry, newest first.
pub(crate) fn keys_of_log(registry: &[(u64, Vec<u8>)], origin: &str, more: Option<&str>) -> Vec<VerifierKey> {
    Ledger::keys_of_log(registry, origin, more)
}

/// Goes on from a place, with the leaves before it that the registry follows from. `None` if the two do not belong together.
pub(crate) async fn go_on(
    source: &dyn LogSource,
    signed: &SignedCheckpoint,
    progress: &dyn Progress,
    from: (Place, &[(u64, Vec<u8>)]),
    history: &mut History,
) -> Option<Result<LogReport, LogCheckError>> {
    let checkpoint = signed.checkpoint();
    let (place, registry) = from;
    progress.started(checkpoint.size.saturating_sub(place.size));
    let ledger = Ledger::resume(checkpoint, place, registry)?;
    let pipeline = Pipeline { source, progress, export: None };
    let ledger = pipeline.run(checkpoint, ledger, history).await;
    Some(ledger.and_then(|ledger| ledger.finish(signed)).map(|checked| checked.report))
}

/// Where a log serves its checkpoint, below its prefix.
const CHECKPOINT_PATH: &str = "checkpoint";
/// Where a hub serves the newest checkpoint that its witnesses cosigned.
pub const COSIGNED_PATH: &str = "checkpoint.cosigned";
/// Where a hub serves the log's key, and where an export keeps it.
pub(crate) const VKEY_PATH: &str = "vkey";
