//! What of an abandoned log can be said again in the next one: statements that others signed, as far as they are published. They are
//! logged anew, by the same rules as all others: so a key that was revoked in the lost part does not come back.
//!
//! This is done before anything else is logged, at each start until something else is. So a process that is killed in the middle
//! leaves nothing undone.

use std::collections::HashSet;
use std::ops::Range;

use anyhow::Context as _;
use saphan_schemas::acknowledgement::UnverifiedAcknowledgement;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::envelope::UnverifiedEnvelope;
use saphan_schemas::leaf::{Leaf, ShardEvent};

use super::tail::{self, Tail, UNREADABLE, Worth};
use super::{End, Log, Shard};
use crate::acknowledging::{AcknowledgementError, acknowledge};
use crate::app::App;
use crate::erasing::{EraseError, erase_in};
use crate::registry::ChangeError;

/// What became of the published entries that the store did not have.
#[derive(Debug, Default)]
pub struct TakenOver {
    /// Changes of the registry, acknowledgements and erasures that are in the present log now.
    pub again: usize,
    /// Those that are not, each by its index in the abandoned log, and why.
    pub refused: Vec<(u64, String)>,
    /// The messages whose bodies are lost, each by its index there, with its id, sender and recipient.
    pub messages: Vec<(u64, String)>,
    /// The indices there of lost entries that are not published: nobody knows what they said.
    pub unknown: Vec<Range<u64>>,
}

/// Takes over what can be, if the present log began after one that was abandoned, and nothing else has been logged in it yet.
///
/// # Errors
/// What is published cannot be read, or the store failed.
pub async fn take_over(app: &App) -> anyhow::Result<TakenOver> {
    let mut taken = TakenOver::default();
    let Some(Log { shard: before, end: End::Abandoned { kept, last } }) = app.shards.before() else { return Ok(taken) };
    let (kept, last) = (*kept, *last);
    let Some(own) = statements_so_far(app).await? else { return Ok(taken) };
    taken.unknown.push(kept..last);
    let Some((published, _)) = &app.publication else { return Ok(taken) };
    let published = published.beside(super::name(&before.origin));
    let keys: Vec<_> = app.registry.state().keys_of_log(&before.origin).cloned().collect();
    let Some(shown) = tail::shown(&published, &keys).await? else { return Ok(taken) };
    let tail = Tail::new(&published, &shown, kept);
    let worth = tail.worth(&shown, &*app.store, before).await.context(UNREADABLE)?;
    if !are_all_in(&own, &tail, &before.origin).await? {
        return Ok(TakenOver::default());
    }
    let is_proven = worth == Worth::Proven;
    taken.unknown = if let Worth::Incomplete(missing) = worth { missing } else { Vec::new() };
    let unpublished = shown.checkpoint().size.max(kept)..last;
    taken.unknown.extend(Some(unpublished).filter(|range| !range.is_empty()));
    // Whoever did not come in time does not keep a body from being erased again.
    app.store.expire(app.clock.now_ms()).await?;
    for bundle in tail.bundles() {
        for (index, leaf) in tail.bundle(bundle).await.context(UNREADABLE)? {
            let Ok(leaf) = Leaf::parse(&leaf) else { continue };
            if statement(&leaf, &before.origin).is_some_and(|statement| own.contains(&statement)) {
                continue;
            }
            match say_again(app, before, &leaf, is_proven).await? {
                Again::Said => taken.again += 1,
                Again::Refused(why) => taken.refused.push((index, why)),
                Again::Lost(what) => taken.messages.push((index, what)),
                Again::Nothing => {}
            }
        }
    }
    Ok(taken)
}

/// What the present log holds behind its first entry; `None` if there is anything that is never taken over.
async fn statements_so_far(app: &App) -> anyhow::Result<Option<HashSet<Sha256Hash>>> {
    let (first, end) = (app.shards.present().first + 1, app.ledger.committed().borrow().end());
    let mut found = HashSet::new();
    let mut place = first;
    while place < end {
        let leaves = app.store.entries(place, AT_ONCE).await?;
        if leaves.is_empty() {
            break;
        }
        place += leaves.len() as u64;
        for leaf in leaves {
            let statement = Leaf::parse(&leaf).ok().and_then(|leaf| statement(&leaf, &app.shards.present().origin));
            let Some(statement) = statement else { return Ok(None) };
            found.insert(statement);
        }
    }
    Ok(Some(found))
}

/// Whether the log goes its own way by now.
async fn are_all_in(own: &HashSet<Sha256Hash>, tail: &Tail<'_>, log: &str) -> anyhow::Result<bool> {
    let mut left = own.clone();
    for bundle in tail.bundles() {
        if left.is_empty() {
            return Ok(true);
        }
        for (_, leaf) in tail.bundle(bundle).await.context(UNREADABLE)? {
            if let Some(statement) = Leaf::parse(&leaf).ok().and_then(|leaf| statement(&leaf, log)) {
                left.remove(&statement);
            }
        }
    }
    Ok(left.is_empty())
}

/// What tells a statement that can be made again from all others; `log` is the one that the leaf is in.
fn statement(leaf: &Leaf, log: &str) -> Option<Sha256Hash> {
    match leaf {
        Leaf::Registry { entry, .. } => Some(Sha256Hash::of(entry.as_bytes())),
        Leaf::Acknowledgement { acknowledgement, .. } => Some(Sha256Hash::of(acknowledgement.as_bytes())),
        Leaf::Erasure { index, log: of, .. } => {
            Some(Sha256Hash::of(format!("{} {index}", of.as_deref().unwrap_or(log)).as_bytes()))
        }
        _ => None,
    }
}

enum Again {
    Said,
    Refused(String),
    /// A message.
    Lost(String),
    /// It is the hub's own word about something that is over.
    Nothing,
}

async fn say_again(app: &App, before: &Shard, leaf: &Leaf, is_proven: bool) -> anyhow::Result<Again> {
    match leaf {
        Leaf::Registry { entry, .. } => {
            let entry = std::slice::from_ref(entry);
            let before = app.registry.state();
            match app.registry.change(entry, &[], app.clock.now_ms() / 1000, &app.ledger, &*app.store).await {
                Ok(_) => {
                    // The next change may end the key that this one follows.
                    if !before.has_the_hub_keys_of(&app.registry.state()) {
                        app.take_up_keys().await;
                    }
                    Ok(Again::Said)
                }
                Err(
                    error @ (ChangeError::Malformed { .. }
                    | ChangeError::Rejected { .. }
                    | ChangeError::InUse { .. }
                    | ChangeError::Schema(_)),
                ) => Ok(Again::Refused(format!("a change of the registry: {error}"))),
                Err(error) => Err(error.into()),
            }
        }
        Leaf::Acknowledgement { acknowledgement, .. } => {
            let Ok(batch) = UnverifiedAcknowledgement::parse(acknowledgement) else { return Ok(Again::Nothing) };
            match acknowledge(app, &batch.claims().iss, acknowledgement).await {
                Ok(recorded) if recorded.first => Ok(Again::Said),
                Ok(_) => Ok(Again::Nothing),
                Err(error @ (AcknowledgementError::Malformed(_) | AcknowledgementError::Problem { .. })) => {
                    Ok(Again::Refused(format!("acknowledgements of {}: {error}", batch.claims().iss)))
                }
                Err(error) => Err(error.into()),
            }
        }
        // Nobody but the hub signs it, so the tree must stand for it.
        Leaf::Erasure { index, log, basis, .. } if is_proven => {
            match erase_in(app, log.as_deref().unwrap_or(&before.origin), &[*index], basis).await {
                // What was erased before stays as it is, and nothing is logged.
                Ok(erasure) if erasure.erased.iter().all(|one| one.before) => Ok(Again::Nothing),
                Ok(_) => Ok(Again::Said),
                // Its message is lost, body and all.
                Err(EraseError::NoMessage { .. }) => Ok(Again::Nothing),
                // What made it superfluous is not in this log, or not yet.
                Err(error @ EraseError::Needed { .. }) => Ok(Again::Refused(format!("an erasure: {error}"))),
                Err(error) => Err(error.into()),
            }
        }
        Leaf::Erasure { .. } => Ok(Again::Refused("an erasure, which the published files do not prove".to_owned())),
        Leaf::Message { envelope, .. } => Ok(match UnverifiedEnvelope::parse(envelope) {
            Ok(envelope) => {
                let claims = envelope.claims();
                Again::Lost(format!("{} from {} to {}", claims.jti, claims.iss, claims.aud))
            }
            Err(_) => Again::Nothing,
        }),
        // It was published only after the log was abandoned without it.
        Leaf::Shard { event: ShardEvent::Closed { next }, .. } => {
            Ok(Again::Refused(format!("the log was closed for {next}, of which nothing counts")))
        }
        Leaf::Refusal { .. } | Leaf::Query { .. } | Leaf::Shard { .. } => Ok(Again::Nothing),
    }
}

/// Entries that are read together.
const AT_ONCE: u32 = 256;
