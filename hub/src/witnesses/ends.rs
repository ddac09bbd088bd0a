//! The end of each closed log: its last checkpoint, with the entry that closes it. It is shown to the witnesses until all have cosigned
//! it, however long one of them is away, and kept then for ever: whoever audits an earlier log in ten years finds what they signed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use saphan_schemas::log::{NoteSignature, SignedNote};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::asking::{Asked, NotCosigned};
use super::gathering::Gathered;
use super::rounds::note;
use super::{Head, Witnesses};
use crate::app::App;
use crate::shards::Shard;
use crate::store::{KeptCosigned, StoreError};

/// An end that not every witness has cosigned.
struct End {
    shard: Shard,
    head: Head,
    /// Held while what it says is written, so that the last word is the one that stays.
    state: Mutex<Signed>,
}

struct Signed {
    gathered: Gathered,
    /// Who has cosigned it, by the place in the policy.
    by: BTreeSet<usize>,
}

/// Keeps the newest cosigned checkpoint of the present log: it may be closed next, while no witness answers.
pub(crate) async fn keep_newest(app: &App, witnesses: &Witnesses) {
    let cosigned = witnesses.cosigned.borrow().clone();
    let Some(cosigned) = cosigned else { return };
    let kept = KeptCosigned { cosigned: (*cosigned).clone(), by_all: false };
    if let Err(error) = app.store.keep_cosigned(app.shards.present(), &kept).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "the cosigned checkpoint is not kept");
    }
}

/// Shows the ends of closed logs to those who have not cosigned them, about once a second, until all have or the hub stops. Each
/// witness is asked by a task of its own.
pub(super) async fn run(app: Arc<App>, witnesses: Arc<Witnesses>) {
    let (mut stopping, mut trouble) = (app.stopping.clone(), false);
    let ends = loop {
        match unsettled(&app, &witnesses).await {
            Ok(ends) => break Arc::new(ends),
            Err(error) if !std::mem::replace(&mut trouble, true) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the ends of closed logs cannot be read");
            }
            Err(_) => {}
        }
        if timeout(PAUSE, stopping.wait_for(|stop| *stop)).await.is_ok() {
            return;
        }
    };
    app.metrics.closed_uncosigned.set(i64::try_from(ends.len()).unwrap_or(i64::MAX));
    let mut tasks = JoinSet::new();
    for place in 0..witnesses.asked.len() {
        tasks.spawn(ask_on(Arc::clone(&app), Arc::clone(&witnesses), place, Arc::clone(&ends)));
    }
    while tasks.join_next().await.is_some() {}
}

/// The ends that somebody is still to cosign.
async fn unsettled(app: &App, witnesses: &Witnesses) -> Result<Vec<End>, StoreError> {
    let mut ends = Vec::new();
    for (shard, size) in app.shards.closed() {
        let kept = app.store.kept_cosigned(shard).await?.filter(|kept| kept.cosigned.size == size);
        if kept.as_ref().is_some_and(|kept| kept.by_all) {
            continue;
        }
        let Some(checkpoint) = app.store.checkpoint(shard.first + size).await? else { continue };
        let head = Head { size, checkpoint: checkpoint.into() };
        let mut end = End::new(shard, head, kept.as_ref(), witnesses, app.clock.now_ms());
        // Those who have not may not be asked any more.
        match kept.filter(|_| end.is_by_all(witnesses)) {
            Some(kept) => app.store.keep_cosigned(shard, &KeptCosigned { by_all: true, ..kept }).await?,
            None => ends.push(end),
        }
    }
    Ok(ends)
}

impl End {
    fn new(shard: &Shard, head: Head, kept: Option<&KeptCosigned>, witnesses: &Witnesses, now_ms: u64) -> Self {
        let note: Option<SignedNote> = kept.and_then(|kept| kept.cosigned.text.parse().ok());
        let by = |asked: &&Asked| note.as_ref().is_some_and(|note| note.verify_cosignature(asked.key()).is_ok());
        let by = witnesses.asked.iter().filter(by).map(Asked::place).collect();
        let gathered = Gathered::new(witnesses.policy.witnesses().len(), now_ms);
        let gathered = match note {
            Some(note) => gathered.with(head.size, note),
            None => gathered,
        };
        Self { shard: shard.clone(), head, state: Mutex::new(Signed { gathered, by }) }
    }

    fn is_by_all(&mut self, witnesses: &Witnesses) -> bool {
        let by = &self.state.get_mut().by;
        witnesses.asked.iter().all(|asked| by.contains(&asked.place()))
    }

    /// Keeps what a witness signed. Returns whether all have by now.
    async fn take(
        &self,
        app: &App,
        witnesses: &Witnesses,
        asked: &Asked,
        line: NoteSignature,
    ) -> Result<bool, StoreError> {
        let mut state = self.state.lock().await;
        let is_last = witnesses.asked.iter().all(|one| one.place() == asked.place() || state.by.contains(&one.place()));
        if let Some(cosigned) = state.gathered.add(&witnesses.policy, asked, &self.head, line, app.clock.now_ms()) {
            app.store.keep_cosigned(&self.shard, &KeptCosigned { cosigned, by_all: is_last }).await?;
        }
        state.by.insert(asked.place());
        Ok(is_last)
    }
}

/// Asks one witness for each end until it has cosigned all of them.
async fn ask_on(app: Arc<App>, witnesses: Arc<Witnesses>, place: usize, ends: Arc<Vec<End>>) {
    let Some(asked) = witnesses.asked.get(place) else { return };
    let mut stopping = app.stopping.clone();
    let mut left: Vec<(&End, Option<&'static str>)> = Vec::new();
    for end in ends.iter() {
        if !end.state.lock().await.by.contains(&asked.place()) {
            left.push((end, None));
        }
    }
    loop {
        let mut silent = Vec::new();
        for (end, mut trouble) in left {
            // Unknown: it was asked last when the log was open.
            let mut seen = 0;
            let line = tokio::select! {
                line = asked.cosign(&*app.store, &end.shard, &end.head, &mut seen) => line,
                _ = stopping.wait_for(|stop| *stop) => return,
            };
            let outcome = match line {
                Ok(line) => end.take(&app, &witnesses, asked, line).await.map_err(NotCosigned::from),
                Err(error) => Err(error),
            };
            note(&app, asked, &end.shard.origin, &mut trouble, outcome.as_ref().err());
            match outcome {
                Ok(true) => drop(app.metrics.closed_uncosigned.dec()),
                Ok(false) => {}
                Err(_) => silent.push((end, trouble)),
            }
        }
        left = silent;
        if left.is_empty() || timeout(PAUSE, stopping.wait_for(|stop| *stop)).await.is_ok() {
            return;
        }
    }
}

const PAUSE: Duration = Duration::from_secs(1);
