//! One request at a time works on an upload; and the newest wins, because who asks again has given up what came before.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use saphan_schemas::commitment::Committing;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::SystemId;
use tokio::sync::{OwnedMutexGuard, watch};

use crate::store::DocumentId;

/// Which upload: a commitment, and who uploads under it.
pub(super) type UploadName = (Sha256Hash, SystemId);

/// The uploads that are worked on, or were and are not finished.
#[derive(Debug, Default)]
pub(super) struct Turns {
    slots: Mutex<HashMap<UploadName, Slot>>,
}

#[derive(Debug, Default)]
struct Slot {
    progress: Arc<tokio::sync::Mutex<Option<Progress>>>,
    /// How many asked for a turn.
    asked: watch::Sender<u64>,
}

/// What is known of an upload beyond what is stored: the commitment of what was stored, so that it need not be read again.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) document: DocumentId,
    pub(super) committing: Committing,
}

/// The right to work on an upload.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    name: UploadName,
    asked: watch::Receiver<u64>,
    mine: u64,
    pub(super) progress: OwnedMutexGuard<Option<Progress>>,
}

impl Turns {
    /// Waits for the turn; whoever has it is told that another waits.
    pub(super) async fn take(&self, name: UploadName) -> Turn<'_> {
        let (asked, mine, progress) = {
            // Counted before the slot is let go of, so that nobody takes it away.
            let mut slots = self.lock();
            let slot = slots.entry(name.clone()).or_default();
            slot.asked.send_modify(|asked| *asked += 1);
            let mine = *slot.asked.borrow();
            (slot.asked.subscribe(), mine, Arc::clone(&slot.progress))
        };
        let progress = progress.lock_owned().await;
        Turn { turns: self, name, asked, mine, progress }
    }

    /// The turn, if nobody has it and nobody waits.
    pub(super) fn try_take(&self, name: UploadName) -> Option<Turn<'_>> {
        let mut slots = self.lock();
        let slot = slots.entry(name.clone()).or_default();
        let progress = Arc::clone(&slot.progress).try_lock_owned().ok()?;
        let (asked, mine) = (slot.asked.subscribe(), *slot.asked.borrow());
        drop(slots);
        Some(Turn { turns: self, name, asked, mine, progress })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<UploadName, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// Returns when another asks for the turn.
    pub(super) async fn superseded(&mut self) {
        let mine = self.mine;
        // The slot lives as long as its turn: it is in the map.
        let _ = self.asked.wait_for(|asked| *asked != mine).await;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut slots = self.turns.lock();
        // Nothing to remember, and nobody waits.
        let is_idle = self.progress.is_none() && *self.asked.borrow() == self.mine;
        if is_idle {
            slots.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_newest_request_gets_the_turn_and_what_is_finished_is_forgotten() {
        let turns = Turns::default();
        let name = (Sha256Hash::of(b"x"), "th.dga/portal".parse().unwrap());
        let mut first = turns.take(name.clone()).await;
        assert!(turns.try_take(name.clone()).is_none());
        let second = async { turns.take(name.clone()).await };
        let give_way = async move {
            first.superseded().await;
            drop(first);
        };
        let (second, ()) = tokio::join!(second, give_way);
        assert_eq!(turns.lock().len(), 1);
        drop(second);
        assert!(turns.lock().is_empty());
    }
}
