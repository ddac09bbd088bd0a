//! The writer task.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::Arc;
use std::time::{Duration, Instant};

use saphan_schemas::acknowledgement::Acknowledged;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::{MessageId, SystemId};
use saphan_schemas::leaf::{Leaf, ShardEvent};
use saphan_schemas::log::{CompactRange, SignedCheckpoint};
use tokio::sync::{mpsc, oneshot, watch};

use super::batch::{BatchError, Written, build, write_leaf};
use super::{AcknowledgementDraft, Appended, Draft, Judgement, LedgerError, LedgerKeys, OpenError, SentBack, Waiting};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::routing::Wakeups;
use crate::shards::Shards;
use crate::store::{Asker, Batch, Head, Store, StoreError};

/// What was committed last.
#[derive(Debug, Clone, Default)]
pub struct Committed {
    /// The place of the log's first entry.
    pub first: u64,
    /// The number of entries in the log.
    pub size: u64,
    /// The signed checkpoint of that size; empty for a log without entries.
    pub checkpoint: Arc<str>,
    /// Whether the last commit failed and the store has not answered since.
    pub halted: bool,
    /// Whether the last try to write failed: the disk may be full.
    pub failed: bool,
}

impl Committed {
    /// The place after the last entry.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.first + self.size
    }
}

pub(super) struct Writer {
    store: Arc<dyn Store>,
    shards: Arc<Shards>,
    keys: watch::Receiver<Arc<LedgerKeys>>,
    clock: Arc<dyn Clock>,
    waiting: mpsc::Receiver<Waiting>,
    range: CompactRange,
    committed: watch::Sender<Committed>,
    last_ts: u64,
    /// The place after the last registry entry.
    registry: u64,
    /// Whether the log has its last entry.
    closed: bool,
    wakeups: Arc<Wakeups>,
    metrics: Arc<Metrics>,
}

type Reply = oneshot::Sender<Result<Appended, LedgerError>>;

impl Writer {
    pub(super) async fn open(
        store: Arc<dyn Store>,
        shards: Arc<Shards>,
        keys: watch::Receiver<Arc<LedgerKeys>>,
        clock: Arc<dyn Clock>,
        waiting: mpsc::Receiver<Waiting>,
        wakeups: Arc<Wakeups>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, OpenError> {
        let newest = store.head().await?;
        let end = newest.as_ref().map_or(0, Head::end);
        // A log that is to begin has none yet.
        let head = newest.filter(|head| head.first == shards.present().first);
        if head.is_none() && end != shards.present().first {
            return Err(OpenError::BrokenHead);
        }
        if let Some(head) = &head {
            let vkeys: Vec<_> = keys.borrow().logs.iter().map(|signer| signer.verifier_key().clone()).collect();
            let (vkey, more) = vkeys.split_first().ok_or(OpenError::BrokenHead)?;
            let checkpoint = SignedCheckpoint::parse_and_verify_any(&head.checkpoint, vkey, more);
            let checkpoint = checkpoint.map_err(OpenError::ForeignHead)?.into_checkpoint();
            if (checkpoint.size, checkpoint.root) != (head.range.size(), head.range.root()) {
                return Err(OpenError::BrokenHead);
            }
        }
        // The log's times never run backwards, whatever the clock does; not after a restart either.
        let last_ts = match end.checked_sub(1) {
            Some(last) => {
                store.entries(last, 1).await?.pop().and_then(|leaf| Leaf::parse(&leaf).ok()).map_or(0, |leaf| leaf.ts())
            }
            None => 0,
        };
        let first = shards.present().first;
        let committed = watch::Sender::new(Committed { first, ..Committed::default() });
        let registry = store.registry_entries(0).await?.last().map_or(0, |entry| entry.index + 1);
        let range = CompactRange::new();
        let mut writer = Self {
            registry,
            closed: false,
            store,
            shards,
            keys,
            clock,
            waiting,
            range,
            committed,
            last_ts,
            wakeups,
            metrics,
        };
        if let Some(head) = head {
            writer.advance(head);
        }
        Ok(writer)
    }

    pub(super) fn committed(&self) -> watch::Receiver<Committed> {
        self.committed.subscribe()
    }

    pub(super) async fn run(mut self) {
        let mut taken = Vec::with_capacity(MAX_BATCH);
        while self.waiting.recv_many(&mut taken, MAX_BATCH).await > 0 {
            let started = Instant::now();
            taken.iter_mut().for_each(|waiting| drop(waiting.place.take()));
            self.metrics.commit_entries.observe(taken.len() as f64);
            self.write(std::mem::take(&mut taken)).await;
            self.metrics.commit_seconds.observe(started.elapsed().as_secs_f64());
        }
    }

    async fn write(&mut self, taken: Vec<Waiting>) {
        let now = self.clock.now_ms().max(self.last_ts);
        self.last_ts = now;
        let Some(Sorted { fresh, twins }) = self.sort_out_duplicates(taken).await else { return };
        let Some(fresh) = self.sort_out_contradictions(fresh).await else { return };
        let (mut written, mut replies) = (Vec::new(), Vec::new());
        let mut registry = self.registry;
        for Waiting { draft, reply, .. } in fresh {
            if self.closed {
                answer(reply, Err(LedgerError::Stopped));
                continue;
            }
            let outdated = |judgement: Judgement| {
                judgement.registry < registry || judgement.until.is_some_and(|until| until <= now)
            };
            if draft.judgement().is_some_and(outdated) {
                answer(reply, Err(LedgerError::Outdated(Box::new(SentBack { draft, registry }))));
                continue;
            }
            if matches!(draft, Draft::Registry(_)) {
                registry = self.end() + written.len() as u64 + 1;
            }
            self.closed = matches!(&draft, Draft::Shard(event) if matches!(**event, ShardEvent::Closed { .. }));
            match write_leaf(draft, &self.shards, now) {
                Ok(leaf) => {
                    written.push(leaf);
                    replies.push(reply);
                }
                Err(error) => answer(reply, Err(error)),
            }
        }
        if !written.is_empty() {
            match self.commit(written, replies, now).await {
                true => self.registry = registry,
                false => self.closed = false,
            }
        }
        for Waiting { draft, reply, .. } in twins {
            answer(reply, self.find(&draft).await);
        }
    }

    /// What became of the first of two equal drafts of one batch.
    async fn find(&self, draft: &Draft) -> Result<Appended, LedgerError> {
        let known = self.known(std::iter::once(draft)).await.map_err(|_| LedgerError::Unavailable)?;
        let place = known.into_values().find_map(|(_, index)| index);
        place.map(|index| Appended::Duplicate { index }).ok_or(LedgerError::Unavailable)
    }

    /// Those of the drafts whose ids were used before, with the content and the place of what used them.
    async fn known(&self, drafts: impl Iterator<Item = &Draft> + Send) -> Result<Seen, StoreError> {
        let (mut messages, mut erased) = (Vec::new(), Vec::new());
        let mut seen = Seen::new();
        for draft in drafts {
            match draft {
                Draft::Message(message) => {
                    messages.push((&message.envelope.claims().iss, message.envelope.claims().jti));
                }
                Draft::Acknowledgement(draft) => {
                    let claims = draft.acknowledgement.claims();
                    if let Some((content, index)) =
                        self.store.acknowledgement(Asker::Ledger, &claims.iss, claims.jti).await?
                    {
                        seen.insert(Key::Acknowledgement(claims.iss.clone(), claims.jti), (content, Some(index)));
                    }
                }
                Draft::Erasure(draft) => erased.push(draft.index),
                Draft::Refusal(_) | Draft::Registry(_) | Draft::Query(_) | Draft::Shard(_) => {}
            }
        }
        for one in self.store.known(Asker::Ledger, &messages).await? {
            seen.insert(Key::Message(one.sender, one.id), (one.content, Some(one.index)));
        }
        for (index, place) in self.store.erasures(Asker::Ledger, &erased).await? {
            seen.insert(Key::Erasure(index), (ERASED, Some(place)));
        }
        Ok(seen)
    }

    async fn build(&self, written: Vec<Written>, now: u64) -> Result<(Batch, Vec<Appended>), BatchError> {
        let keys = Arc::clone(&self.keys.borrow());
        if !keys.receipts.waits() {
            return build(&self.range, self.shards.present(), written, &keys, now);
        }
        let (range, shards) = (self.range.clone(), Arc::clone(&self.shards));
        tokio::task::spawn_blocking(move || build(&range, shards.present(), written, &keys, now))
            .await
            .map_err(|_| BatchError::Thread)?
    }

    /// Returns whether the batch was written.
    async fn commit(&mut self, written: Vec<Written>, replies: Vec<Reply>, now: u64) -> bool {
        let (batch, answers) = match self.build(written, now).await {
            Ok(built) => built,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a batch could not be signed");
                replies.into_iter().for_each(|reply| answer(reply, Err(LedgerError::Unavailable)));
                return false;
            }
        };
        match self.store.commit(&batch).await {
            Ok(()) => {
                self.advance(batch.head);
                self.wakeups.committed(batch.first, batch.entries);
                replies.into_iter().zip(answers).for_each(|(reply, appended)| answer(reply, Ok(appended)));
                true
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a commit failed; reading the head again");
                let written = self.recover(batch).await;
                for (reply, appended) in replies.into_iter().zip(answers) {
                    answer(reply, if written { Ok(appended) } else { Err(LedgerError::Unavailable) });
                }
                written
            }
        }
    }

    /// Reads the head until the store answers: nothing may be signed on a tree that is not known to be the stored one.
    /// Returns whether `batch` was written all the same.
    async fn recover(&mut self, batch: Batch) -> bool {
        self.committed.send_modify(|committed| committed.halted = true);
        let mut pause = FIRST_PAUSE;
        let head = loop {
            match self.store.head().await {
                Ok(head) => break head,
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "the head cannot be read; trying again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        };
        let written = head.as_ref() == Some(&batch.head);
        match head {
            Some(head) if head.first == self.shards.present().first => self.advance(head),
            // Its log has not begun.
            _ => self.committed.send_modify(|committed| committed.halted = false),
        }
        if written {
            self.wakeups.committed(batch.first, batch.entries);
        } else {
            self.failed();
        }
        written
    }

    fn failed(&self) {
        self.committed.send_modify(|committed| committed.failed = true);
    }

    /// The place after the last entry.
    fn end(&self) -> u64 {
        self.shards.present().first + self.range.size()
    }

    fn advance(&mut self, head: Head) {
        let (first, size, checkpoint) = (head.first, head.range.size(), head.checkpoint.into());
        let committed = Committed { first, size, checkpoint, halted: false, failed: false };
        self.range = head.range;
        self.committed.send_replace(committed);
    }

    /// Answers acknowledgements that contradict the log or an earlier one of this batch: they were checked when they came, but
    /// what counts is their place. `None`: the store failed, and all are answered.
    async fn sort_out_contradictions(&self, fresh: Vec<Waiting>) -> Option<Vec<Waiting>> {
        let named: Vec<u64> = fresh
            .iter()
            .filter_map(|waiting| acknowledged(&waiting.draft))
            .flat_map(|draft| draft.places().map(|message| message.index))
            .collect();
        if named.is_empty() {
            return Some(fresh);
        }
        let mut settled: HashMap<u64, Acknowledged> = match self.store.outcomes(Asker::Ledger, &named).await {
            Ok(outcomes) => outcomes.into_iter().map(|said| (said.index, said)).collect(),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "outcomes could not be looked for");
                self.failed();
                fresh.into_iter().for_each(|one| answer(one.reply, Err(LedgerError::Unavailable)));
                return None;
            }
        };
        let mut kept = Vec::with_capacity(fresh.len());
        for waiting in fresh {
            let draft = acknowledged(&waiting.draft);
            let messages: Vec<_> = draft.map(|draft| draft.places().collect()).unwrap_or_default();
            let contradicted = messages.iter().find(|one| settled.get(&one.index).is_some_and(|said| said != *one));
            if let Some(index) = contradicted.map(|one| self.shards.located(one.index).index) {
                answer(waiting.reply, Err(LedgerError::Contradiction { index }));
                continue;
            }
            settled.extend(messages.into_iter().map(|one| (one.index, one)));
            kept.push(waiting);
        }
        Some(kept)
    }

    /// Answers drafts that were accepted before. `None`: the store failed, and all are answered.
    async fn sort_out_duplicates(&self, taken: Vec<Waiting>) -> Option<Sorted> {
        let mut seen = match self.known(taken.iter().map(|waiting| &waiting.draft)).await {
            Ok(seen) => seen,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "duplicates could not be looked for");
                self.failed();
                taken.into_iter().for_each(|one| answer(one.reply, Err(LedgerError::Unavailable)));
                return None;
            }
        };
        let mut sorted = Sorted { fresh: Vec::with_capacity(taken.len()), twins: Vec::new() };
        for waiting in taken {
            let Some((key, content)) = identity(&waiting.draft) else {
                sorted.fresh.push(waiting);
                continue;
            };
            match seen.entry(key) {
                Slot::Vacant(slot) => {
                    slot.insert((content, None));
                    sorted.fresh.push(waiting);
                }
                Slot::Occupied(slot) => match *slot.get() {
                    (other, _) if other != content => answer(waiting.reply, Err(LedgerError::DuplicateId)),
                    (_, Some(index)) => answer(waiting.reply, Ok(Appended::Duplicate { index })),
                    (_, None) => sorted.twins.push(waiting),
                },
            }
        }
        Some(sorted)
    }
}

/// A draft that is a batch of acknowledgements.
fn acknowledged(draft: &Draft) -> Option<&AcknowledgementDraft> {
    match draft {
        Draft::Acknowledgement(draft) => Some(draft),
        _ => None,
    }
}

/// Drafts by what is to be done with them.
struct Sorted {
    fresh: Vec<Waiting>,
    /// Equal to one of `fresh`: answered when that one is.
    twins: Vec<Waiting>,
}

/// The content, and the place of what is committed; `None` for what stands earlier in this batch.
type Seen = HashMap<Key, (Sha256Hash, Option<u64>)>;

/// What counts once. Ids are unique for a kind and a signer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Message(SystemId, MessageId),
    Acknowledgement(SystemId, MessageId),
    Erasure(u64),
}

/// Whose and what a draft is, for those that count once.
fn identity(draft: &Draft) -> Option<(Key, Sha256Hash)> {
    match draft {
        Draft::Message(message) => {
            let claims = message.envelope.claims();
            Some((Key::Message(claims.iss.clone(), claims.jti), message.envelope.content_hash()))
        }
        Draft::Acknowledgement(draft) => {
            let claims = draft.acknowledgement.claims();
            Some((Key::Acknowledgement(claims.iss.clone(), claims.jti), draft.acknowledgement.content_hash()))
        }
        Draft::Erasure(draft) => Some((Key::Erasure(draft.index), ERASED)),
        Draft::Refusal(_) | Draft::Registry(_) | Draft::Query(_) | Draft::Shard(_) => None,
    }
}

fn answer(reply: Reply, with: Result<Appended, LedgerError>) {
    // A caller that went away needs no answer; its entry stands.
    let _ = reply.send(with);
}

/// All erasures of a body are the same.
const ERASED: Sha256Hash = Sha256Hash::from_bytes([0; 32]);
/// Large enough that the signatures of a batch, not its commit, bound the rate; small enough to keep latency in milliseconds.
const MAX_BATCH: usize = 256;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
