//! The end of a log of which entries are lost: others have seen more of it than the store has.
//!
//! Nothing may be appended to it, for its key has signed other entries at those places. The next log begins with the largest
//! checkpoint that is known, and says how much of it the hub still has.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use saphan_schemas::catalogue::Catalogue;
use saphan_schemas::leaf::{Abandoned, Leaf};
use saphan_schemas::log::{SignedCheckpoint, VerifierKey};
use saphan_schemas::registry::{RegistryState, are_logs_of_one_hub};
use saphan_schemas::succession::{After, Opening};

use super::beginning::{Lost, closed_for};
use super::closing::{must_be_new, must_follow, new_key};
use super::tail::{self, Tail, UNREADABLE, Worth};
use super::{Shard, Shards, name};
use crate::app;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::continuity;
use crate::keys::KeyStore;
use crate::publication::{PublicationError, PublishedLog, size_of};
use crate::registry::{Registry, opening};
use crate::store::Store;
use crate::witnesses::rounds;

/// A checkpoint of the log, and who has it.
struct Seen {
    who: String,
    signed: SignedCheckpoint,
}

/// What the log `next` begins with, if the present one of these is given up for it, `now` (in seconds since 1970): the largest
/// checkpoint that anybody has, where it is published, among the `given` ones with who has them, which may be anybody, and with all
/// witnesses asked that none has cosigned more. A key of the next log is made if there is none. Nothing is written to the store.
///
/// # Errors
/// Nobody has seen more than the store has; or it is not known what others have seen; or that is another history, or the log was closed
/// in it or is in the store, or was given up before; or `next` cannot follow.
pub async fn give_up(
    config: &Config,
    store: &dyn Store,
    shards: &Shards,
    next: &str,
    given: &[(String, String)],
    now: u64,
) -> anyhow::Result<Lost> {
    if let Some((after, _)) = closed_for(store).await? {
        bail!(
            "{} is closed for {after}, as the store has it. Set log.shard = \"{}\" and start the hub; if {after} was begun before, the \
             store has nothing of it, and cannot go on from it: see `Back up and restore` in the operator guide",
            shards.present().origin,
            name(&after)
        );
    }
    must_be_new(config, shards, next).await?;
    let (_, root) = opening(store).await?.context("the log is empty")?;
    let registry = Registry::new(root, Arc::new(Catalogue::embedded()?));
    registry.catch_up(store).await?;
    let registry = registry.state();
    must_follow(&registry, shards, next)?;
    let (Seen { who, signed: last }, abandoned) = find(config, store, shards.present(), &registry, given).await?;
    must_not_have_gone_on(config, shards).await?;
    let keys = KeyStore { origin: next.to_owned(), ..config.key_store() };
    let key = new_key(config, &keys, &registry, next, now)?;
    let (kept, size) = (size_of(&abandoned.kept), last.checkpoint().size);
    tracing::warn!(log = shards.present().origin, kept, size, seen_by = who, "the log is abandoned");
    Ok(Lost { last: last.text().to_owned(), abandoned: Abandoned { key, ..abandoned } })
}

async fn find(
    config: &Config,
    store: &dyn Store,
    shard: &Shard,
    registry: &RegistryState,
    given: &[(String, String)],
) -> anyhow::Result<(Seen, Abandoned)> {
    let head = store.head().await?.context("the log is empty")?;
    let kept = head.range.size();
    let keys: Vec<_> = registry.keys_of_log(&shard.origin).cloned().collect();
    let mut seen = Vec::new();
    for (who, text) in given {
        let signed = signed_by_any(text, &keys);
        let signed = signed.with_context(|| {
            format!("{who} has no checkpoint of {} that a key of it has signed as the store knows them", shard.origin)
        })?;
        seen.push(Seen { who: who.clone(), signed });
    }
    seen.extend(published(config, store, shard, &keys, kept).await?);
    must_agree(&seen)?;
    for seen in seen.iter().filter(|seen| seen.signed.checkpoint().size <= kept) {
        continuity::must_begin_with(store, shard, seen.signed.checkpoint(), &seen.who).await?;
    }
    let Some(last) = seen.into_iter().max_by_key(|seen| seen.signed.checkpoint().size) else {
        bail!("nothing is known of {} but what the store has; give a checkpoint of it with --checkpoint", shard.origin)
    };
    let size = last.signed.checkpoint().size;
    no_witness_has_more(config, shard, registry, size).await?;
    if size <= kept {
        bail!(
            "nobody has shown more than the {kept} entries of {} that the store has: there is nothing to abandon. `saphan-hub shard \
             open` without --abandon closes it",
            shard.origin
        );
    }
    Ok((last, Abandoned { kept: head.checkpoint, key: None }))
}

/// That no log is published which goes on from the present one, itself or by way of others: none goes on in two ways.
async fn must_not_have_gone_on(config: &Config, shards: &Shards) -> anyhow::Result<()> {
    let present = &shards.present().origin;
    let Some(published) = PublishedLog::open(&config.log.publish, name(present))? else { return Ok(()) };
    let folders = published.shards().await.with_context(|| {
        format!("it is not known which logs are published in {}. {WITHOUT_KNOWING}", config.log.publish)
    })?;
    let mut unknown = BTreeMap::new();
    for folder in folders {
        let other = published.beside(&folder);
        let opening = unknown_log(&other, shards).await.with_context(|| {
            let place = other.place();
            format!(
                "it is not known whether the log that is published in {place} goes on from {present}. {WITHOUT_KNOWING}"
            )
        })?;
        unknown.extend(opening.map(|opening| (opening.origin, opening.after)));
    }
    for log in unknown.keys() {
        let Some(before) = came_from(log, &unknown) else { continue };
        if before == present {
            bail!(
                "{present} has been gone on from before, in {log}, which is published in {}. {LOOK_FOR_IT}",
                config.log.publish
            );
        }
        if shards.of_origin(before).is_none() {
            bail!(
                "{log}, which is published in {}, goes on from {before}, which is neither published nor in the store, so it is not known \
                 whether that went on from {present}. {LOOK_FOR_IT} If it has nothing to do with this store, move it away",
                config.log.publish
            );
        }
    }
    Ok(())
}

/// The log that this one goes on from, by way of others that are unknown too; `None` if a hub began with one of them.
fn came_from<'a>(log: &'a str, unknown: &'a BTreeMap<String, After>) -> Option<&'a str> {
    let mut log = log;
    // Each is passed once at most, unless they go in a circle.
    for _ in unknown {
        match unknown.get(log) {
            Some(after) => log = after.log()?,
            None => return Some(log),
        }
    }
    Some(log)
}

/// How a log of this hub begins that is published and not in the store; `None` for one that the store has, and for what is no log of this
/// hub.
async fn unknown_log(published: &PublishedLog, shards: &Shards) -> anyhow::Result<Option<Opening>> {
    let checkpoint = match published.checkpoint().await {
        Ok(checkpoint) => checkpoint,
        Err(PublicationError::NotText) => None,
        Err(error) => return Err(error.into()),
    };
    let named = checkpoint.as_ref().and_then(|text| Some((text, text.lines().next()?)));
    let Some((checkpoint, origin)) = named.filter(|(_, origin)| origin.contains("/log/")) else {
        // A checkpoint is published behind its tiles.
        return if published.has_tiles().await? { Err(PublicationError::NoSize.into()) } else { Ok(None) };
    };
    if !are_logs_of_one_hub(origin, &shards.present().origin) || shards.of_origin(origin).is_some() {
        return Ok(None);
    }
    // One that cannot be read is no reason to go on.
    let first = published.first_entry(checkpoint).await?;
    let opening = match Leaf::parse(&first).with_context(|| format!("the first entry of {origin} cannot be read"))? {
        Leaf::Shard { event, .. } => Opening::of(event),
        _ => None,
    };
    match opening.filter(|opening| opening.origin == origin) {
        Some(opening) => Ok(Some(opening)),
        None => bail!("its first entry does not begin the log {origin}, which its checkpoint names"),
    }
}

fn signed_by_any(text: &str, keys: &[VerifierKey]) -> Option<SignedCheckpoint> {
    keys.iter().find_map(|key| SignedCheckpoint::parse_and_verify(text, key).ok())
}

async fn published(
    config: &Config,
    store: &dyn Store,
    shard: &Shard,
    keys: &[VerifierKey],
    kept: u64,
) -> anyhow::Result<Option<Seen>> {
    let place = &config.log.publish;
    if PublishedLog::is_missing(place) {
        bail!("log.publish: the folder {place} is not there; is it mounted? Empty the setting to go without");
    }
    let Some(published) = PublishedLog::open(place, name(&shard.origin))? else { return Ok(None) };
    if published.checkpoint().await?.is_none() {
        return Ok(None);
    }
    let who = format!("the published log in {}", published.place());
    let Some(signed) = tail::shown(&published, keys).await? else {
        bail!(
            "{who} has a checkpoint that no key of the log has signed as the store knows them; empty log.publish to go without"
        )
    };
    if signed.checkpoint().size > kept {
        let tail = Tail::new(&published, &signed, kept);
        if tail.worth(&signed, store, shard).await.context(UNREADABLE)? == Worth::Other {
            bail!(
                "the entries of {who} do not lead from those of the store to its checkpoint: one of the two was changed, or is another \
                 history. Empty log.publish to go without it, and give a checkpoint with --checkpoint"
            );
        }
        if let Some(next) = tail.closed_for().await.context(UNREADABLE)? {
            bail!(
                "{who} ends with its closing for {next}, which the hub has begun: a store that has {next} is what to look for. This one \
                 cannot go on: nothing of {next} would count, and keys that were revoked there would be good again. If no such store is \
                 left, only a new hub folder is: `Give a log up` in the operator guide"
            );
        }
    }
    Ok(Some(Seen { who, signed }))
}

/// Of one size there is one root.
fn must_agree(seen: &[Seen]) -> anyhow::Result<()> {
    for one in seen {
        let this = one.signed.checkpoint();
        let other = seen.iter().find(|other| {
            let other = other.signed.checkpoint();
            other.size == this.size && other.root != this.root
        });
        if let Some(other) = other {
            bail!("{} and {} have two histories of {} entries", one.who, other.who, this.size);
        }
    }
    Ok(())
}

async fn no_witness_has_more(
    config: &Config,
    shard: &Shard,
    registry: &RegistryState,
    size: u64,
) -> anyhow::Result<()> {
    let Some(witnesses) = app::witnesses(config, &SystemClock)? else { return Ok(()) };
    let keys = KeyStore { origin: shard.origin.clone(), ..config.key_store() }.open()?;
    for (witness, seen) in rounds::seen(&witnesses, &keys.signing(registry, &shard.origin)?).await? {
        match seen {
            Some(seen) if seen > size => bail!(
                "the witness {witness} has cosigned {seen} entries of {}, and the largest checkpoint at hand has {size}. Its operator has \
                 the one that it cosigned (logs/*.note in the folder of `saphan witness`): give it with --checkpoint",
                shard.origin
            ),
            Some(_) => {}
            None => bail!(
                "the witness {witness} does not say how much of {} it has cosigned. Try again when it answers, or take it out of the policy",
                shard.origin
            ),
        }
    }
    Ok(())
}

const LOOK_FOR_IT: &str = "A store that has that log is what to look for. From this one nothing of it would count, and keys that were \
    revoked there would be good again. If no such store is left, only a new hub folder is: `Give a log up` in the operator guide.";
/// What is there and cannot be read is no reason to go on without it.
const WITHOUT_KNOWING: &str = "Make it readable, or bring it back from a copy; move it away if it is no log of this hub; or empty \
    log.publish to go without: then nobody knows whether the log was given up before, and if it was, it goes on in two ways";
