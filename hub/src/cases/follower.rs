//! The task that follows the log: what it says is folded, what follows is written in one transaction, and only then said.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use saphan_schemas::keys::KeyId;
use saphan_schemas::message_types::ReminderKind;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::fold::{Fold, FoldError, Folded, NotSent};
use super::letters::Letter;
use super::{Cases, What, posting, reading};
use crate::app::App;
use crate::registry::Current;
use crate::store::StoreError;

/// Follows the log until the hub stops.
pub struct Follower {
    app: Arc<App>,
    room: Arc<Cases>,
    next: u64,
    /// Until when everybody may answer in any case, in milliseconds since 1970: the hub may have been away, or its disk full.
    not_late_before: u64,
    letters: mpsc::UnboundedSender<Letter>,
    refused: mpsc::UnboundedReceiver<NotSent>,
    /// Refused letters whose consequences are not written yet.
    pending: Vec<NotSent>,
}

impl Follower {
    /// The tasks of the room: the follower, and the one that posts its letters.
    pub async fn run(app: Arc<App>, room: Arc<Cases>) {
        let (letters, to_post) = mpsc::unbounded_channel();
        let (say_refused, refused) = mpsc::unbounded_channel();
        let own = room.desk.signer.public().id();
        let mut follower =
            Self { app: Arc::clone(&app), room, next: 0, not_late_before: 0, letters, refused, pending: Vec::new() };
        follower.give_time();
        let posting = post_all(app, own, to_post, say_refused);
        tokio::join!(follower.follow(), posting);
    }

    async fn follow(mut self) {
        if !self.begin().await {
            return;
        }
        let mut committed = self.app.ledger.committed();
        let mut pause = FIRST_PAUSE;
        while !self.app.is_stopping() {
            let (size, is_in_trouble) = {
                let committed = committed.borrow_and_update();
                (committed.end(), committed.failed || committed.halted)
            };
            // Its mark stays until something is committed; whether there is room again is tried out.
            if is_in_trouble && self.app.store.probe().await.is_err() {
                self.give_time();
            }
            match self.round(size).await {
                Ok(true) => pause = FIRST_PAUSE,
                Ok(false) => {
                    pause = FIRST_PAUSE;
                    self.wait(&mut committed).await;
                }
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "the log cannot be followed; trying again"
                    );
                    self.give_time();
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Nobody is late from now on until all who could not reach the hub have tried again.
    fn give_time(&mut self) {
        let grace = self.room.limits.patience.min(TRIED_AGAIN_WITHIN_MS);
        self.not_late_before = self.not_late_before.max(self.app.clock.now_ms().saturating_add(grace));
    }

    /// Takes up where the last run ended. Returns whether the hub still runs.
    async fn begin(&mut self) -> bool {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.take_up().await {
                Ok(()) => return true,
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "cases cannot be read; trying again");
                }
            }
            if self.app.is_stopping() {
                return false;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn take_up(&mut self) -> Result<(), StoreError> {
        let store = self.app.store.cases();
        self.next = store.followed().await?;
        self.room.followed.send_replace(self.next);
        for stored in store.letters().await? {
            let id = stored.id;
            match posting::reopen(&self.app, &self.room.desk, stored) {
                Ok(letter) => drop(self.letters.send(letter)),
                Err(Some(not_sent)) => {
                    self.app.metrics.letters_refused.inc();
                    self.pending.push(not_sent);
                }
                Err(None) => {
                    tracing::error!(letter = %id, "a letter of the hub's own system cannot be read; it is not sent")
                }
            }
        }
        Ok(())
    }

    /// Follows some entries, and does what it is time for. Returns whether there was something to do.
    async fn round(&mut self, size: u64) -> Result<bool, FoldError> {
        let Current { state, catalogue } = self.app.registry.current();
        let store = self.app.store.cases();
        while let Ok(refused) = self.refused.try_recv() {
            self.pending.push(refused);
        }
        let now = self.app.clock.now_ms();
        let mut fold = Fold::new(&self.room, store, &state, &catalogue, now, self.not_late_before);
        let mut followed = None;
        // Until the log is followed to its end, it is as late as its last entry that was: what was said in time is not too late.
        let mut time = Some(now);
        if self.next < size {
            let (last, at) = self.entries(&mut fold, size).await?;
            (followed, time) = (Some(last), at);
        }
        // A letter that was refused, or cannot be read any more, may stand in the log all the same: what is there comes first.
        let is_at_the_end = followed.is_none_or(|last| last == size);
        for refused in self.pending.iter().filter(|_| is_at_the_end) {
            fold.not_sent(refused).await?;
        }
        let due = match time {
            Some(time) => store.waking(time, DUE_AT_ONCE).await?,
            None => Vec::new(),
        };
        if followed.is_none() && self.pending.is_empty() && due.is_empty() {
            return Ok(false);
        }
        fold.tick(due, time.unwrap_or(now)).await?;
        let folded = fold.finish(followed).await?;
        self.write(folded, followed).await?;
        if is_at_the_end {
            self.pending.clear();
        }
        Ok(true)
    }

    /// Folds entries from `self.next` on, as many as their bodies allow. Returns the first place that was not, and the time of the
    /// last that was (ms).
    async fn entries(&self, fold: &mut Fold<'_>, size: u64) -> Result<(u64, Option<u64>), FoldError> {
        let count = u32::try_from(size - self.next).unwrap_or(u32::MAX).min(ENTRIES_AT_ONCE);
        let mut last = self.next + u64::from(count);
        let mut entries = Vec::new();
        let mut bytes = 0;
        for followed in self.app.store.cases().follow_entries(self.next, count).await? {
            let Some(entry) = reading::read(&followed, &self.room.desk.shards) else { continue };
            bytes += entry.body_needed(&self.room.desk.own);
            if bytes > BYTES_AT_ONCE && !entries.is_empty() {
                last = entry.index;
                break;
            }
            entries.push(entry);
        }
        fold.load(&entries).await?;
        for entry in &entries {
            fold.entry(entry).await?;
        }
        Ok((last, entries.last().map(|entry| entry.at)))
    }

    async fn write(&mut self, folded: Folded, followed: Option<u64>) -> Result<(), StoreError> {
        self.app.store.cases().follow(&folded.consequences).await?;
        let overdue = What::Reminded { kind: ReminderKind::Overdue };
        let overdue = folded.consequences.events.iter().filter(|(_, event)| event.what == overdue).count();
        self.app.metrics.cases_overdue.inc_by(overdue as u64);
        self.app.metrics.letters_rejected.inc_by(folded.rejected);
        self.app.metrics.letters_refused.inc_by(folded.unwritten);
        if let Some(next) = followed {
            self.next = next;
        }
        for letter in folded.letters {
            // The receiver ends after this task.
            drop(self.letters.send(letter));
        }
        self.room.followed.send_replace(self.next);
        Ok(())
    }

    /// Until something was committed, a letter was refused, or it is time for a case.
    async fn wait(&mut self, committed: &mut tokio::sync::watch::Receiver<crate::ledger::Committed>) {
        let wake = self.app.store.cases().next_wake().await.ok().flatten();
        let now = self.app.clock.now_ms();
        let longest = Instant::now() + LOOK_AGAIN;
        let until =
            wake.map_or(longest, |at| longest.min(Instant::now() + Duration::from_millis(at.saturating_sub(now))));
        let mut stopping = self.app.stopping.clone();
        tokio::select! {
            _ = committed.changed() => {}
            refused = self.refused.recv() => self.pending.extend(refused),
            () = sleep_until(until) => {}
            _ = stopping.changed() => {}
        }
    }
}

/// Posts letters as they come, many at a time, until the follower has ended. `own` is the key of the hub's own system.
async fn post_all(
    app: Arc<App>,
    own: KeyId,
    mut letters: mpsc::UnboundedReceiver<Letter>,
    refused: mpsc::UnboundedSender<NotSent>,
) {
    let mut posting = FuturesUnordered::new();
    loop {
        tokio::select! {
            letter = letters.recv(), if posting.len() < POSTED_AT_ONCE => match letter {
                Some(letter) => posting.push(posting::post(Arc::clone(&app), own, letter)),
                None => break,
            },
            Some(answer) = posting.next(), if !posting.is_empty() => {
                if let Some(not_sent) = answer {
                    drop(refused.send(not_sent));
                }
            }
        }
    }
    while let Some(_answer) = posting.next().await {}
}

/// Entries that are followed together.
const ENTRIES_AT_ONCE: u32 = 256;
/// Bodies that are held together.
const BYTES_AT_ONCE: u64 = 8 << 20;
/// Longer than the longest pause after which a connector tries again to reach the hub.
const TRIED_AGAIN_WITHIN_MS: u64 = 600_000;
const DUE_AT_ONCE: u32 = 64;
const POSTED_AT_ONCE: usize = 512;
/// A case may become due by the clock alone, and a test's clock jumps.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
