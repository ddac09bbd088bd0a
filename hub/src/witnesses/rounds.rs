//! The tasks that ask witnesses, until the hub stops. Nothing else of the hub waits for them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::join_all;
use saphan_schemas::log::{Checkpoint, empty_root};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::asking::{Asked, NotCosigned};
use super::{Head, Witnesses, ends};
use crate::app::App;
use crate::continuity::NotAll;
use crate::ledger::LedgerKeys;

/// Asks each witness once, all at the same time, before the hub accepts anything: it may have seen more of the log than the store
/// has. Who does not answer soon is not waited for.
///
/// # Errors
/// [`NotAll`].
pub async fn first(app: &App, witnesses: &Witnesses) -> Result<(), NotAll> {
    let Some(head) = newest(app) else { return Ok(()) };
    let ask = async |asked: &Asked| timeout(SOON, asked.cosign(&*app.store, app.shards.present(), &head, &mut 0)).await;
    let answers = join_all(witnesses.asked.iter().map(ask)).await;
    for (asked, answer) in witnesses.asked.iter().zip(answers) {
        let who = || format!("the witness {}", asked.name());
        match answer {
            Ok(Ok(line)) => witnesses.take(asked, &head, line, app.clock.now_ms()),
            Ok(Err(NotCosigned::Ahead { seen, size })) => return Err(NotAll::Behind { who: who(), seen, size }),
            Ok(Err(NotCosigned::OtherHistory)) => return Err(NotAll::OtherHistory { who: who() }),
            // The rounds tell what is the matter.
            Ok(Err(_)) | Err(_) => {}
        }
    }
    Ok(())
}

/// Asks each witness, before a hub that has no entry yet signs the first one, whether it has seen entries of this log: the store may
/// have been lost. What it is asked with is the empty tree, which every history begins with.
///
/// # Errors
/// [`NotAll`].
pub async fn before_the_first_entry(witnesses: &Witnesses, keys: &LedgerKeys) -> anyhow::Result<()> {
    for (name, seen) in seen(witnesses, keys).await? {
        if let Some(seen) = seen.filter(|seen| *seen > 0) {
            return Err(NotAll::Behind { who: format!("the witness {name}"), seen, size: 0 }.into());
        }
    }
    Ok(())
}

/// How many entries of a log each witness has cosigned, by its name; `None` where it does not say soon.
///
/// # Errors
/// The log has no key to ask with.
pub async fn seen<'a>(witnesses: &'a Witnesses, keys: &LedgerKeys) -> anyhow::Result<Vec<(&'a str, Option<u64>)>> {
    let nothing = Checkpoint::new(keys.origin.clone(), 0, empty_root());
    let (first, more) = keys.logs.split_first().context("the log has no key")?;
    let nothing = nothing.sign_with(first, more.iter().map(AsRef::as_ref))?;
    let ask = async |asked: &Asked| timeout(SOON, asked.seen(&nothing)).await.ok().flatten();
    let answers = join_all(witnesses.asked.iter().map(ask)).await;
    Ok(witnesses.asked.iter().map(Asked::name).zip(answers).collect())
}

fn newest(app: &App) -> Option<Head> {
    let committed = app.ledger.committed();
    let committed = committed.borrow();
    // A log without entries has no checkpoint.
    (committed.size > 0).then(|| Head { size: committed.size, checkpoint: Arc::clone(&committed.checkpoint) })
}

/// Brings the newest checkpoint before all witnesses, about once a second. They get the same one, so that their cosignatures
/// meet on it; each has a task of its own, so that a slow one delays no other.
pub async fn run(app: Arc<App>, witnesses: Arc<Witnesses>) {
    let mut stopping = app.stopping.clone();
    let (heads, seen) = watch::channel(None);
    let mut tasks = JoinSet::new();
    for place in 0..witnesses.asked.len() {
        tasks.spawn(ask_on(Arc::clone(&app), Arc::clone(&witnesses), place, seen.clone()));
    }
    drop(seen);
    let closed = tokio::spawn(ends::run(Arc::clone(&app), Arc::clone(&witnesses)));
    loop {
        if let Some(newest) = newest(&app) {
            heads.send_replace(Some(newest));
        }
        if timeout(PAUSE, stopping.wait_for(|stop| *stop)).await.is_ok() {
            ends::keep_newest(&app, &witnesses).await;
            // It may be writing; it stops by itself.
            let _ = closed.await;
            return;
        }
    }
}

/// Asks one witness for each head that it is not too slow for.
async fn ask_on(app: Arc<App>, witnesses: Arc<Witnesses>, place: usize, mut heads: watch::Receiver<Option<Head>>) {
    let Some(asked) = witnesses.asked.get(place) else { return };
    let (mut seen, mut signed, mut trouble) = (0, None, None);
    while heads.changed().await.is_ok() {
        let Some(head) = heads.borrow_and_update().clone() else { continue };
        let recent = |at_ms: u64| app.clock.now_ms().saturating_sub(at_ms) < CONFIRM_AGAIN_MS;
        if signed.is_some_and(|(size, at_ms)| size == head.size && recent(at_ms)) {
            continue;
        }
        let outcome = asked.cosign(&*app.store, app.shards.present(), &head, &mut seen).await;
        let now_ms = app.clock.now_ms();
        note(&app, asked, &app.origin, &mut trouble, outcome.as_ref().err());
        if let Ok(line) = outcome {
            signed = Some((head.size, now_ms));
            witnesses.take(asked, &head, line, now_ms);
        }
    }
}

/// Counts a failure about the log of this origin. The hub's own log has a line when the trouble begins, changes and ends, and not each
/// second.
pub(super) fn note(
    app: &App,
    asked: &Asked,
    log: &str,
    trouble: &mut Option<&'static str>,
    error: Option<&NotCosigned>,
) {
    let (witness, reason) = (asked.name(), error.map(NotCosigned::reason));
    if let Some(error) = error {
        app.metrics.witness_failed(witness, error.reason());
    }
    match (std::mem::replace(trouble, reason), error) {
        (before, Some(error)) if before != reason => {
            let error = error as &dyn std::error::Error;
            tracing::error!(witness, log, error, "the witness has not cosigned; messages are accepted all the same");
        }
        (Some(_), None) => tracing::info!(witness, log, "the witness cosigns again"),
        _ => {}
    }
}

const PAUSE: Duration = Duration::from_secs(1);
/// How long a start of the hub takes because of a witness that is silent.
const SOON: Duration = Duration::from_secs(3);
/// A checkpoint that stays the newest is cosigned again so often, so that its cosignatures do not look old.
const CONFIRM_AGAIN_MS: u64 = 60_000;
