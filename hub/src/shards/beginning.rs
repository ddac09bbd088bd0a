//! Which log a hub goes on with: the one that it had, or one that begins.
//!
//! A log ends with a `closed` leaf that names the next, and nothing is ever appended to it again. Whoever opens the store then begins
//! that log and no other, with the last checkpoint as its `previous`. So a process that is killed between the two leaves nothing
//! that could be gone on with in two ways. A log that is abandoned has no such end: there the beginning of the next is all in one.

use anyhow::{Context as _, bail};
use saphan_schemas::keys::PublicKey;
use saphan_schemas::leaf::{Abandoned, Leaf, ShardEvent};
use saphan_schemas::registry::{RegistryState, Root};

use super::{Shards, name};
use crate::ledger::LedgerKeys;
use crate::publication::size_of;
use crate::registry;
use crate::store::Store;

/// What a store has.
#[derive(Debug)]
pub struct Found {
    /// Its logs, and the one that begins.
    pub shards: Shards,
    /// What the registry of the first one begins with; `None` in a store without entries.
    pub root: Option<Root>,
    /// Whether the present log is still to begin, and after what.
    pub begins: Option<Beginning>,
}

/// How a log begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beginning {
    /// As the first one.
    First,
    /// After one that is closed, whose last checkpoint this is.
    After(String),
    /// After one of which a part was lost.
    AfterLost(Lost),
}

/// What is known of a log that cannot be gone on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The largest checkpoint that anybody has shown, as it was signed.
    pub last: String,
    /// What is left of it.
    pub abandoned: Abandoned,
}

/// What the store has, for a hub whose configuration names this log. If the present one is `lost` in part, that log begins after it.
///
/// # Errors
/// When the store is of another log than the one that the configuration names.
pub async fn look(store: &dyn Store, origin: &str, lost: Option<Lost>) -> anyhow::Result<Found> {
    let Some(shards) = Shards::read(store).await? else {
        let shards = Shards::first(origin.to_owned());
        return Ok(Found { shards, root: None, begins: Some(Beginning::First) });
    };
    let root = registry::opening(store).await?.map(|(_, root)| root);
    let present = shards.present().origin.clone();
    match closed_for(store).await? {
        Some((next, last)) if next == origin => {
            let first = store.head().await?.map_or(0, |head| head.end());
            let shards = shards.followed_by(next, first);
            Ok(Found { shards, root, begins: Some(Beginning::After(last)) })
        }
        Some((next, _)) => {
            bail!("the log {present} is closed, and goes on as {next}: set log.shard = \"{}\"", name(&next))
        }
        None if present == origin => Ok(Found { shards, root, begins: None }),
        None if shards.of_origin(origin).is_some() => {
            bail!(
                "the log {origin} has ended; the data are of the log {present}: set log.shard = \"{}\"",
                name(&present)
            )
        }
        None => match lost {
            Some(lost) => {
                let first = store.head().await?.map_or(0, |head| head.end());
                let last = size_of(&lost.last).context("what is known of the lost log is no checkpoint")?;
                let shards = shards.abandoned_for(origin.to_owned(), first, last);
                Ok(Found { shards, root, begins: Some(Beginning::AfterLost(lost)) })
            }
            None => bail!(
                "the data are of the log {present}, not of {origin}; start with the configuration that belongs to them. To close that log and \
             go on in this one: `saphan-hub shard open`"
            ),
        },
    }
}

/// The origin that the newest log was closed for, with its last checkpoint; `None` while it is open.
///
/// # Errors
/// The store failed.
pub async fn closed_for(store: &dyn Store) -> anyhow::Result<Option<(String, String)>> {
    let Some(head) = store.head().await? else { return Ok(None) };
    let last = store.entries(head.end().saturating_sub(1), 1).await?.pop();
    match last.as_deref().map(Leaf::parse) {
        Some(Ok(Leaf::Shard { event: ShardEvent::Closed { next }, .. })) => Ok(Some((next, head.checkpoint))),
        _ => Ok(None),
    }
}

/// The first leaf of a log.
///
/// # Errors
/// The registry has no key that it could name.
pub fn opening(registry: &RegistryState, keys: &LedgerKeys, beginning: &Beginning) -> anyhow::Result<ShardEvent> {
    let operator: &PublicKey = registry.operator_keys().standing().next().context("there is no key of the operator")?;
    let log = registry.keys_of_log(&keys.origin).next().context("there is no key of the log")?;
    Ok(ShardEvent::Opened {
        origin: keys.origin.clone(),
        hub: registry.hub().clone(),
        operator: Box::new(*operator),
        receipts: Box::new(*keys.receipts.public()),
        log: Box::new(log.clone()),
        previous: match beginning {
            Beginning::First => None,
            Beginning::After(checkpoint) => Some(checkpoint.clone()),
            Beginning::AfterLost(lost) => Some(lost.last.clone()),
        },
        abandoned: match beginning {
            Beginning::First | Beginning::After(_) => None,
            Beginning::AfterLost(lost) => Some(Box::new(lost.abandoned.clone())),
        },
    })
}
