//! A store whose commits and reads of the head fail as told; all else is the real one's.

use std::collections::VecDeque;
use std::future::ready;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::{BoxFuture, FutureExt as _};
use saphan_hub::cases::{Case, Pseudonym};
use saphan_hub::sealing::{StorageKeyId, StorageKeys};
use saphan_hub::shards::Shard;
use saphan_hub::store::cases::{
    CaseEvent, CaseStore, ConsentRecord, Consequences, Content, DataUse, FollowedEntry, HeldEvidence, Seeker,
    StoredLetter,
};
use saphan_hub::store::sqlite::SqliteStore;
use saphan_hub::store::{
    Asker, Batch, Begun, BodyIndex, BodyRecord, CosignedIndex, Deliveries, DocumentId, DocumentIndex, DocumentRecord,
    Due, Head, KeptCosigned, KeptQuery, KeyIndex, Known, LeaseChange, LeaseRequest, Limit, LoggedEntry, MessageRecord,
    NewDocument, NewPart, Part, Pending, QueryIndex, Quota, Settlement, Store, StoreCounts, StoreError, StoredKey,
    TimestampIndex, Unfinished,
};
use saphan_schemas::acknowledgement::Acknowledged;
use saphan_schemas::catalogue::SchemaText;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::{CaseId, MessageId, SystemId};
use saphan_schemas::log::Stamped;
use tokio::sync::watch;

use super::waiting::in_time;

/// What a commit reports instead of the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommitFault {
    /// It failed and wrote nothing.
    NotWritten,
    /// It failed, though everything was written.
    Written,
}

/// [`SqliteStore`] with faults.
pub(crate) struct FaultyStore {
    inner: SqliteStore,
    commits: Mutex<VecDeque<Option<CommitFault>>>,
    unreadable_heads: AtomicUsize,
    head_reads_failed: AtomicU64,
    looks_failed: AtomicU64,
    down: AtomicBool,
    full: AtomicBool,
    no_room_for_cases: AtomicBool,
    letters_stay: AtomicBool,
    follows_failed: AtomicU64,
    blocked: watch::Sender<bool>,
    entries_held: watch::Sender<bool>,
    waiting: watch::Sender<usize>,
}

impl FaultyStore {
    pub(crate) fn new(inner: SqliteStore) -> Self {
        Self {
            inner,
            commits: Mutex::default(),
            unreadable_heads: AtomicUsize::new(0),
            head_reads_failed: AtomicU64::new(0),
            looks_failed: AtomicU64::new(0),
            down: AtomicBool::new(false),
            full: AtomicBool::new(false),
            no_room_for_cases: AtomicBool::new(false),
            letters_stay: AtomicBool::new(false),
            follows_failed: AtomicU64::new(0),
            blocked: watch::Sender::new(false),
            entries_held: watch::Sender::new(false),
            waiting: watch::Sender::new(0),
        }
    }

    /// What the next commits do, in order; `None` is one that works.
    pub(crate) fn next_commits(&self, faults: impl IntoIterator<Item = Option<CommitFault>>) {
        self.commits.lock().unwrap().extend(faults);
    }

    /// The next `count` reads of the head fail; 0 heals it.
    pub(crate) fn unreadable_heads(&self, count: usize) {
        self.unreadable_heads.store(count, Ordering::SeqCst);
    }

    /// How many reads of the head have failed.
    pub(crate) fn head_reads_failed(&self) -> u64 {
        self.head_reads_failed.load(Ordering::SeqCst)
    }

    /// How many looks for what is due have failed.
    pub(crate) fn looks_failed(&self) -> u64 {
        self.looks_failed.load(Ordering::SeqCst)
    }

    /// Commits and reads fail while it is down, and nothing is written.
    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// Nothing is written while its disk is full; all can be read.
    pub(crate) fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }

    /// What follows for cases is not written while there is no room for it.
    pub(crate) fn set_no_room_for_cases(&self, no_room: bool) {
        self.no_room_for_cases.store(no_room, Ordering::SeqCst);
    }

    /// That a letter is in the log is not noted from now on.
    pub(crate) fn let_letters_stay(&self) {
        self.letters_stay.store(true, Ordering::SeqCst);
    }

    /// How often what follows for cases could not be written.
    pub(crate) fn follows_failed(&self) -> u64 {
        self.follows_failed.load(Ordering::SeqCst)
    }

    /// Commits wait until they are released.
    pub(crate) fn block(&self) {
        self.blocked.send_replace(true);
    }

    pub(crate) fn release(&self) {
        self.blocked.send_replace(false);
    }

    /// Whether reads of entries wait, as what follows the log does.
    pub(crate) fn hold_entries(&self, held: bool) {
        self.entries_held.send_replace(held);
    }

    /// Waits until a commit waits.
    pub(crate) async fn until_blocked(&self) {
        let mut waiting = self.waiting.subscribe();
        in_time(waiting.wait_for(|waiting| *waiting > 0)).await.unwrap();
    }

    async fn faulty_commit(&self, batch: &Batch) -> Result<(), StoreError> {
        self.waiting.send_modify(|waiting| *waiting += 1);
        let mut blocked = self.blocked.subscribe();
        let released = blocked.wait_for(|blocked| !blocked).await.map(|_| ());
        self.waiting.send_modify(|waiting| *waiting -= 1);
        released.unwrap();
        if self.down.load(Ordering::SeqCst) || self.full.load(Ordering::SeqCst) {
            return Err(injected());
        }
        let fault = self.commits.lock().unwrap().pop_front().flatten();
        if fault != Some(CommitFault::NotWritten) {
            self.inner.commit(batch).await?;
        }
        if fault.is_some() { Err(injected()) } else { Ok(()) }
    }

    fn head_fails(&self) -> bool {
        let one_less = |left: usize| left.checked_sub(1);
        let unreadable = self.unreadable_heads.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok();
        let fails = unreadable || self.down.load(Ordering::SeqCst);
        self.head_reads_failed.fetch_add(u64::from(fails), Ordering::SeqCst);
        fails
    }

    /// The answer of the real store, unless it is down.
    fn up<'a, T: Send + 'a>(
        &self,
        answer: BoxFuture<'a, Result<T, StoreError>>,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        if self.down.load(Ordering::SeqCst) { ready(Err(injected())).boxed() } else { answer }
    }
}

impl Store for FaultyStore {
    fn seal_with(&self, keys: Arc<StorageKeys>) {
        self.inner.seal_with(keys);
    }

    fn cases(&self) -> &dyn CaseStore {
        self
    }

    fn head(&self) -> BoxFuture<'_, Result<Option<Head>, StoreError>> {
        if self.head_fails() { ready(Err(injected())).boxed() } else { self.inner.head() }
    }

    fn commit<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<(), StoreError>> {
        self.faulty_commit(batch).boxed()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        if self.full.load(Ordering::SeqCst) { ready(Err(injected())).boxed() } else { self.up(self.inner.probe()) }
    }

    fn known<'a>(
        &'a self,
        asker: Asker,
        keys: &'a [(&'a SystemId, MessageId)],
    ) -> BoxFuture<'a, Result<Vec<Known>, StoreError>> {
        self.up(self.inner.known(asker, keys))
    }

    fn messages(&self, id: MessageId) -> BoxFuture<'_, Result<Vec<MessageRecord>, StoreError>> {
        self.up(self.inner.messages(id))
    }

    fn not_addressed<'a>(
        &'a self,
        recipient: &'a SystemId,
        indices: &'a [u64],
    ) -> BoxFuture<'a, Result<Option<u64>, StoreError>> {
        self.up(self.inner.not_addressed(recipient, indices))
    }

    fn outcomes<'a>(
        &'a self,
        asker: Asker,
        indices: &'a [u64],
    ) -> BoxFuture<'a, Result<Vec<Acknowledged>, StoreError>> {
        self.up(self.inner.outcomes(asker, indices))
    }

    fn receipt(&self, index: u64) -> BoxFuture<'_, Result<Option<String>, StoreError>> {
        self.up(self.inner.receipt(index))
    }

    fn acknowledgement<'a>(
        &'a self,
        asker: Asker,
        receiver: &'a SystemId,
        id: MessageId,
    ) -> BoxFuture<'a, Result<Option<(Sha256Hash, u64)>, StoreError>> {
        self.up(self.inner.acknowledgement(asker, receiver, id))
    }

    fn entries(&self, first: u64, count: u32) -> BoxFuture<'_, Result<Vec<Vec<u8>>, StoreError>> {
        let mut held = self.entries_held.subscribe();
        async move {
            held.wait_for(|held| !held).await.unwrap();
            self.up(self.inner.entries(first, count)).await
        }
        .boxed()
    }

    fn shards(&self) -> BoxFuture<'_, Result<Vec<Shard>, StoreError>> {
        self.up(self.inner.shards())
    }

    fn hashes<'a>(
        &'a self,
        shard: &'a Shard,
        level: u8,
        first: u64,
        count: u32,
    ) -> BoxFuture<'a, Result<Vec<Sha256Hash>, StoreError>> {
        self.up(self.inner.hashes(shard, level, first, count))
    }

    fn checkpoint(&self, size: u64) -> BoxFuture<'_, Result<Option<String>, StoreError>> {
        self.up(self.inner.checkpoint(size))
    }

    fn registry_entries(&self, first: u64) -> BoxFuture<'_, Result<Vec<LoggedEntry>, StoreError>> {
        self.up(self.inner.registry_entries(first))
    }

    fn keep_schemas<'a>(&'a self, texts: &'a [SchemaText]) -> BoxFuture<'a, Result<(), StoreError>> {
        self.up(self.inner.keep_schemas(texts))
    }

    fn schema_texts<'a>(&'a self, hashes: &'a [Sha256Hash]) -> BoxFuture<'a, Result<Vec<SchemaText>, StoreError>> {
        self.up(self.inner.schema_texts(hashes))
    }

    fn due(&self, which: Deliveries, now: u64, limit: Limit) -> BoxFuture<'_, Result<Due, StoreError>> {
        let due = self.up(self.inner.due(which, now, limit));
        async {
            let due = due.await;
            self.looks_failed.fetch_add(u64::from(due.is_err()), Ordering::SeqCst);
            due
        }
        .boxed()
    }

    fn settle<'a>(&'a self, settlements: &'a [Settlement]) -> BoxFuture<'a, Result<(), StoreError>> {
        self.up(self.inner.settle(settlements))
    }

    fn lease<'a>(&'a self, request: LeaseRequest<'a>) -> BoxFuture<'a, Result<Vec<Pending>, StoreError>> {
        self.up(self.inner.lease(request))
    }

    fn move_lease<'a>(&'a self, change: LeaseChange<'a>) -> BoxFuture<'a, Result<u64, StoreError>> {
        self.up(self.inner.move_lease(change))
    }

    fn expire(&self, now: u64) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.up(self.inner.expire(now))
    }

    fn counts(&self) -> BoxFuture<'_, Result<StoreCounts, StoreError>> {
        self.up(self.inner.counts())
    }
}

impl CaseStore for FaultyStore {
    fn followed(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.up(self.inner.followed())
    }

    fn follow_entries(&self, first: u64, count: u32) -> BoxFuture<'_, Result<Vec<FollowedEntry>, StoreError>> {
        self.up(self.inner.follow_entries(first, count))
    }

    fn contents<'a>(&'a self, indices: &'a [u64]) -> BoxFuture<'a, Result<Vec<Content>, StoreError>> {
        self.up(self.inner.contents(indices))
    }

    fn cases<'a>(&'a self, ids: &'a [CaseId]) -> BoxFuture<'a, Result<Vec<Case>, StoreError>> {
        self.up(CaseStore::cases(&self.inner, ids))
    }

    fn waking(&self, now: u64, limit: u32) -> BoxFuture<'_, Result<Vec<CaseId>, StoreError>> {
        self.up(self.inner.waking(now, limit))
    }

    fn next_wake(&self) -> BoxFuture<'_, Result<Option<u64>, StoreError>> {
        self.up(self.inner.next_wake())
    }

    fn cases_with_consent(&self, consent: MessageId) -> BoxFuture<'_, Result<Vec<CaseId>, StoreError>> {
        self.up(self.inner.cases_with_consent(consent))
    }

    fn case_events(&self, id: CaseId, seq: u64) -> BoxFuture<'_, Result<Vec<CaseEvent>, StoreError>> {
        self.up(self.inner.case_events(id, seq))
    }

    fn reusable<'a>(
        &'a self,
        people: &'a [Pseudonym],
        now: u64,
    ) -> BoxFuture<'a, Result<Vec<HeldEvidence>, StoreError>> {
        self.up(self.inner.reusable(people, now))
    }

    fn seeking<'a>(&'a self, people: &'a [Pseudonym]) -> BoxFuture<'a, Result<Vec<Seeker>, StoreError>> {
        self.up(self.inner.seeking(people))
    }

    fn consent(&self, id: MessageId) -> BoxFuture<'_, Result<Option<ConsentRecord>, StoreError>> {
        self.up(self.inner.consent(id))
    }

    fn uses<'a>(
        &'a self,
        subject: &'a Pseudonym,
        before: u64,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<DataUse>, StoreError>> {
        self.up(self.inner.uses(subject, before, limit))
    }

    fn letters(&self) -> BoxFuture<'_, Result<Vec<StoredLetter>, StoreError>> {
        self.up(self.inner.letters())
    }

    fn follow<'a>(&'a self, consequences: &'a Consequences) -> BoxFuture<'a, Result<(), StoreError>> {
        let no_room = self.full.load(Ordering::SeqCst) || self.no_room_for_cases.load(Ordering::SeqCst);
        let stays = self.letters_stay.load(Ordering::SeqCst) && !consequences.done_letters.is_empty();
        if no_room || stays {
            self.follows_failed.fetch_add(1, Ordering::SeqCst);
            return ready(Err(injected())).boxed();
        }
        self.up(self.inner.follow(consequences))
    }
}

impl BodyIndex for FaultyStore {
    fn bodies<'a>(&'a self, indices: &'a [u64]) -> BoxFuture<'a, Result<Vec<BodyRecord>, StoreError>> {
        self.up(self.inner.bodies(indices))
    }

    fn erasures<'a>(&'a self, asker: Asker, indices: &'a [u64]) -> BoxFuture<'a, Result<Vec<(u64, u64)>, StoreError>> {
        self.up(self.inner.erasures(asker, indices))
    }

    fn bodies_due(&self, now: u64, limit: u32) -> BoxFuture<'_, Result<Vec<u64>, StoreError>> {
        self.up(self.inner.bodies_due(now, limit))
    }

    fn keep_bodies<'a>(&'a self, indices: &'a [u64], until: u64) -> BoxFuture<'a, Result<(), StoreError>> {
        self.up(self.inner.keep_bodies(indices, until))
    }

    fn wipe(&self) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.up(self.inner.wipe())
    }
}

impl CosignedIndex for FaultyStore {
    fn keep_cosigned<'a>(
        &'a self,
        shard: &'a Shard,
        cosigned: &'a KeptCosigned,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.up(self.inner.keep_cosigned(shard, cosigned))
    }

    fn kept_cosigned<'a>(&'a self, shard: &'a Shard) -> BoxFuture<'a, Result<Option<KeptCosigned>, StoreError>> {
        self.up(self.inner.kept_cosigned(shard))
    }
}

impl TimestampIndex for FaultyStore {
    fn keep_timestamp<'a>(
        &'a self,
        shard: &'a Shard,
        stamped: Stamped,
        token: &'a [u8],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.up(self.inner.keep_timestamp(shard, stamped, token))
    }

    fn timestamps<'a>(
        &'a self,
        shard: &'a Shard,
        first: u64,
        count: u32,
    ) -> BoxFuture<'a, Result<Vec<Stamped>, StoreError>> {
        self.up(self.inner.timestamps(shard, first, count))
    }

    fn newest_timestamp<'a>(&'a self, shard: &'a Shard) -> BoxFuture<'a, Result<Option<(u64, Stamped)>, StoreError>> {
        self.up(self.inner.newest_timestamp(shard))
    }

    fn timestamp<'a>(&'a self, shard: &'a Shard, size: u64) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        self.up(self.inner.timestamp(shard, size))
    }
}

impl DocumentIndex for FaultyStore {
    fn upload<'a>(
        &'a self,
        commit: Sha256Hash,
        uploader: &'a SystemId,
    ) -> BoxFuture<'a, Result<Option<DocumentRecord>, StoreError>> {
        self.up(self.inner.upload(commit, uploader))
    }

    fn begin_upload<'a>(&'a self, new: &'a NewDocument, most: Quota) -> BoxFuture<'a, Result<Begun, StoreError>> {
        self.up(self.inner.begin_upload(new, most))
    }

    fn add_part<'a>(&'a self, part: &'a NewPart) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.up(self.inner.add_part(part))
    }

    fn parts(&self, document: DocumentId) -> BoxFuture<'_, Result<Vec<Part>, StoreError>> {
        self.up(self.inner.parts(document))
    }

    fn complete_upload(&self, document: DocumentId) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.up(self.inner.complete_upload(document))
    }

    fn refuse_upload(&self, document: DocumentId) -> BoxFuture<'_, Result<(), StoreError>> {
        self.up(self.inner.refuse_upload(document))
    }

    fn left_over(&self, limit: u32) -> BoxFuture<'_, Result<Vec<DocumentId>, StoreError>> {
        self.up(self.inner.left_over(limit))
    }

    fn forget_document(&self, document: DocumentId) -> BoxFuture<'_, Result<(), StoreError>> {
        self.up(self.inner.forget_document(document))
    }

    fn touch(&self, document: DocumentId, now: u64) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.up(self.inner.touch(document, now))
    }

    fn remove_uncited(&self, before: u64, limit: u32) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.up(self.inner.remove_uncited(before, limit))
    }

    fn unfinished(&self, which: Unfinished, limit: u32) -> BoxFuture<'_, Result<Vec<DocumentRecord>, StoreError>> {
        self.up(self.inner.unfinished(which, limit))
    }

    fn readable<'a>(
        &'a self,
        commit: Sha256Hash,
        reader: &'a SystemId,
    ) -> BoxFuture<'a, Result<Option<DocumentRecord>, StoreError>> {
        self.up(self.inner.readable(commit, reader))
    }
}

impl QueryIndex for FaultyStore {
    fn queries<'a>(&'a self, indices: &'a [u64]) -> BoxFuture<'a, Result<Vec<KeptQuery>, StoreError>> {
        self.up(self.inner.queries(indices))
    }
}

impl KeyIndex for FaultyStore {
    fn wrapped_otherwise(&self, newest: StorageKeyId, limit: u32) -> BoxFuture<'_, Result<Vec<StoredKey>, StoreError>> {
        self.up(self.inner.wrapped_otherwise(newest, limit))
    }

    fn wrap_again<'a>(&'a self, keys: &'a [StoredKey]) -> BoxFuture<'a, Result<(), StoreError>> {
        self.up(self.inner.wrap_again(keys))
    }

    fn storage_keys(&self) -> BoxFuture<'_, Result<Vec<StorageKeyId>, StoreError>> {
        self.up(self.inner.storage_keys())
    }
}

fn injected() -> StoreError {
    StoreError::Failed { action: "was told to fail", source: "a fault of the test".into() }
}
