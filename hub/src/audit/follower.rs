//! The task that follows the log into the index.
//!
//! Nothing waits for it but auditors. While the exchange is busy it takes in a little now and then; when it is not, or somebody
//! searches, it goes on until it is at the end.

use std::sync::Arc;
use std::time::Duration;

use saphan_schemas::acknowledgement::Acknowledged;
use saphan_schemas::facts::{EntryFacts, EntryKind};
use saphan_schemas::log::leaf_hash;
use tokio::time::{Instant, timeout};

use super::index::{self, Cursor, Entry, IndexError, Writer};
use super::{Audit, AuditError};
use crate::app::App;
use crate::shards::Shards;
use crate::store::StoreError;

/// Follows the log until the hub stops.
pub async fn run(app: Arc<App>) {
    let mut pause = FIRST_PAUSE;
    while !app.is_stopping() {
        let started = Instant::now();
        match follow(&app).await {
            Ok(()) => return,
            Err(error) => {
                let damaged = matches!(&error, AuditError::Index(error) if error.is_damage());
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    damaged,
                    "the auditors' index cannot follow the log; trying again"
                );
                app.audit.set_index(None);
                if damaged && let Err(error) = index::remove(app.audit.path()) {
                    tracing::error!(error = &error as &dyn std::error::Error, "the auditors' index stays damaged");
                }
            }
        }
        if started.elapsed() > LONGEST_PAUSE {
            pause = FIRST_PAUSE;
        }
        let mut stopping = app.stopping.clone();
        let _ = timeout(pause, stopping.wait_for(|stop| *stop)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Follows until the hub stops. On return nobody writes to the file any more: it may be removed.
async fn follow(app: &App) -> Result<(), AuditError> {
    let audit = &*app.audit;
    let (index, mut writer, cursor) = open(app).await?;
    audit.set_index(Some(index.clone()));
    audit.indexed.send_replace(cursor.next);
    let followed = rounds(app, &mut writer, cursor.next).await;
    audit.set_index(None);
    index.close().await;
    writer.close().await;
    followed
}

async fn rounds(app: &App, writer: &mut Writer, mut next: u64) -> Result<(), AuditError> {
    let audit = &*app.audit;
    let mut committed = app.ledger.committed();
    let mut pace = Pace { since: Instant::now(), size: committed.borrow().end(), busy: false };
    while !app.is_stopping() {
        if audit.is_damaged() {
            return Err(IndexError::Unreadable { what: "a reader found it damaged" }.into());
        }
        let size = committed.borrow_and_update().end();
        let wanted = audit.is_wanted(next);
        let (started, busy) = (Instant::now(), pace.is_busy(size));
        let most = if busy && !wanted { ENTRIES_WHEN_BUSY } else { ENTRIES_AT_ONCE };
        let until = size.min(next + most);
        if next < until {
            take(app, writer, next, until).await?;
            next = until;
            audit.indexed.send_replace(next);
        }
        if next < size && (wanted || !busy) {
            continue;
        }
        wait(app, audit, next, started + PAUSE, &mut committed).await;
    }
    Ok(())
}

/// How fast the log grows.
struct Pace {
    since: Instant,
    size: u64,
    busy: bool,
}

impl Pace {
    /// Whether the exchange is busy, by what the log has grown in the last second or so.
    fn is_busy(&mut self, size: u64) -> bool {
        let elapsed = self.since.elapsed();
        if elapsed >= WINDOW {
            let grown = u128::from(size.saturating_sub(self.size)) * 1000;
            self.busy = grown > u128::from(BUSY_ENTRIES_PER_SECOND) * elapsed.as_millis();
            (self.since, self.size) = (Instant::now(), size);
        }
        self.busy
    }
}

/// Opens the file; one of a log that went another way is made again.
async fn open(app: &App) -> Result<(index::Index, Writer, Cursor), AuditError> {
    // The index is of all logs of the hub, by places; the first one tells whose it is.
    let (path, origin) = (app.audit.path(), &*app.shards.at(0).origin);
    let opened = index::open(path, origin).await?;
    if fits(app, opened.2).await? {
        return Ok(opened);
    }
    tracing::warn!("the auditors' index is of a log that went another way; it is made again");
    opened.1.close().await;
    index::remove(path)?;
    Ok(index::open(path, origin).await?)
}

/// Whether the log has the entry at which the index ends.
async fn fits(app: &App, cursor: Cursor) -> Result<bool, StoreError> {
    let Some(last) = cursor.next.checked_sub(1) else { return Ok(true) };
    let (shard, index) = (app.shards.at(last), app.shards.located(last).index);
    Ok(app.store.hashes(shard, 0, index, 1).await?.pop() == cursor.last)
}

/// Takes entries in, in one transaction; reads them a little at a time, so that others get their turn.
async fn take(app: &App, writer: &mut Writer, first: u64, until: u64) -> Result<(), AuditError> {
    let mut entries = Vec::with_capacity(usize::try_from(until - first).unwrap_or(0));
    let mut at = first;
    while at < until {
        let count = (until - at).min(READ_AT_ONCE);
        let leaves = app.store.entries(at, count as u32).await?;
        if leaves.len() as u64 != count {
            return Err(StoreError::Corrupt { what: "an entry of the log is missing" }.into());
        }
        let shards = Arc::clone(&app.shards);
        let read = tokio::task::spawn_blocking(move || {
            let places = at..;
            places.zip(&leaves).map(|(place, leaf)| entry(&shards, place, leaf)).collect::<Vec<_>>()
        });
        entries.extend(read.await.map_err(|_| AuditError::Lost)?);
        at += count;
    }
    Ok(writer.take(first, entries).await?)
}

fn entry(shards: &Shards, place: u64, leaf: &[u8]) -> Entry {
    Entry { hash: leaf_hash(leaf), facts: EntryFacts::read(leaf).map(|facts| placed(shards, place, facts)) }
}

/// The index numbers entries over all logs. What is said of an entry that no log of the hub has is left out.
fn placed(shards: &Shards, place: u64, facts: EntryFacts) -> EntryFacts {
    let origin = match (facts.log.as_deref(), facts.kind) {
        (Some(log), _) => log,
        (None, EntryKind::Acknowledgement) => &shards.at(0).origin,
        (None, _) => &shards.at(place).origin,
    };
    let acknowledged = facts.acknowledged.iter();
    let acknowledged =
        acknowledged.filter_map(|one| Some(Acknowledged { index: shards.place(origin, one.index)?, ..one.clone() }));
    let (acknowledged, erases) = (acknowledged.collect(), facts.erases.and_then(|index| shards.place(origin, index)));
    EntryFacts { acknowledged, erases, ..facts }
}

/// Until `earliest`, or somebody wants to search; and then until there is something new.
async fn wait(
    app: &App,
    audit: &Audit,
    next: u64,
    earliest: Instant,
    committed: &mut tokio::sync::watch::Receiver<crate::ledger::Committed>,
) {
    let mut stopping = app.stopping.clone();
    let calm = async {
        tokio::time::sleep_until(earliest).await;
        // At its end it waits for what comes; else it goes on.
        if committed.borrow_and_update().end() <= next {
            let _ = committed.changed().await;
        }
    };
    tokio::select! {
        () = calm => {}
        () = audit.called() => {}
        _ = stopping.wait_for(|stop| *stop) => {}
    }
}

/// From here on the exchange is busy.
const BUSY_ENTRIES_PER_SECOND: u64 = 500;
const WINDOW: Duration = Duration::from_millis(250);
/// Then so many are taken in about each second.
const ENTRIES_WHEN_BUSY: u64 = 1024;
/// Entries of one transaction.
const ENTRIES_AT_ONCE: u64 = 4096;
/// Entries that are read together.
const READ_AT_ONCE: u64 = 256;
/// Between rounds.
const PAUSE: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
