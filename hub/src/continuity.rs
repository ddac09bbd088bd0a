//! Whether the store has all of the log that others have seen. A hub that goes on with a restored old copy gives the same places
//! of the log a second time; the receipts that it gave before prove that for ever.

use anyhow::Context as _;
use saphan_schemas::log::{Checkpoint, ProofPlan, SignedCheckpoint, VerifierKey, verify_consistency};

use crate::ledger::hashes_of;
use crate::publication::PublishedLog;
use crate::shards::Shard;
use crate::store::Store;

/// The store does not have what somebody has seen of its log.
#[derive(Debug, thiserror::Error)]
pub enum NotAll {
    /// It has less.
    #[error("{who} has seen {seen} entries of this log, and the store has {size}: it is an old copy. {ADVICE}")]
    Behind {
        /// Who has seen more.
        who: String,
        /// So much.
        seen: u64,
        /// What the store has.
        size: u64,
    },
    /// It has something else.
    #[error(
        "{who} has seen another history of this log than the store has: it went on from an old copy, another hub signs with the same key, or it was changed. {OF_A_FORK}"
    )]
    OtherHistory {
        /// Who has seen something else.
        who: String,
    },
}

const OF_A_FORK: &str = "The hub does not go on with it, and nothing makes one history of two: what is left is in `Give a log up` in the operator \
    guide";
const ADVICE: &str = "The hub does not go on with it: it would give the same places of the log a second time. Bring a newer copy \
    back. If there is none, `saphan-hub shard open --abandon` gives this log up, and goes on in another one: `Back up and restore` in the \
    operator guide";

/// Holds what the store has of a log, the newest, against what was published last of it. Returns how many entries were.
///
/// # Errors
/// [`NotAll`]; or that what is published cannot be read, or is not of this log, so that nobody knows.
pub async fn with_publication(
    publication: &PublishedLog,
    store: &dyn Store,
    shard: &Shard,
    keys: &[VerifierKey],
) -> anyhow::Result<u64> {
    let place = publication.place();
    let unknown = || {
        format!(
            "log.publish: whether the store is the newest cannot be told from {place}; empty the setting to go without"
        )
    };
    let Some(text) = publication.checkpoint().await.with_context(unknown)? else { return Ok(0) };
    let (key, more) = keys.split_first().context("the log has no key")?;
    let seen = SignedCheckpoint::parse_and_verify_any(&text, key, more)
        .with_context(|| {
            format!(
                "log.publish: the checkpoint in {place} is not of this log, or signed with a key that the store does not know; each \
                 log needs a place of its own, and a store that does not know its log's newest key is an old copy"
            )
        })?
        .into_checkpoint();
    must_begin_with(store, shard, &seen, &format!("the published log in {place}")).await?;
    Ok(seen.size)
}

/// Holds what the store has of its newest log against a checkpoint of it that somebody has seen.
///
/// # Errors
/// [`NotAll`], or the store failed.
pub async fn must_begin_with(store: &dyn Store, shard: &Shard, seen: &Checkpoint, who: &str) -> anyhow::Result<()> {
    let head = store.head().await?.filter(|head| head.first == shard.first);
    let (size, root) = head.map_or((0, None), |head| (head.range.size(), Some(head.range.root())));
    let Some(root) = root.filter(|_| seen.size <= size) else {
        return Err(NotAll::Behind { who: who.to_owned(), seen: seen.size, size }.into());
    };
    let plan = ProofPlan::consistency(seen.size, size).context("a log of no entries was seen")?;
    let proof = hashes_of(store, shard, &plan).await?;
    verify_consistency(seen.size, seen.root, size, root, &proof)
        .map_err(|_| NotAll::OtherHistory { who: who.to_owned() })?;
    Ok(())
}
