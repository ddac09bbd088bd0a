//! Where files wait until they go with a message: a form that must be mended loses none, and a hub that is down costs no second upload
//! from a phone.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use saphan_schemas::ids::{Code, MessageId};
use tokio::time::{Instant, sleep_until};

use super::{FileFault, Received};

/// Whose files, and what they are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in super::super) struct Owner {
    /// The place in the list of people.
    pub(in super::super) person: usize,
    /// The question that they answer, or the application that they belong to.
    pub(in super::super) message: MessageId,
}

/// All files that wait.
#[derive(Default)]
pub(in super::super) struct Shelf(Mutex<HashMap<(Owner, Code), Waiting>>);

struct Waiting {
    file: Arc<Received>,
    until: Instant,
}

/// Files that wait for a message.
pub(in super::super) type Held = BTreeMap<Code, Arc<Received>>;
/// What is wrong with files.
pub(in super::super) type Faults = BTreeMap<Code, FileFault>;

impl Shelf {
    /// Keeps what came, or answers what is wrong with it. Either way the file before is let go.
    pub(in super::super) fn keep(
        self: &Arc<Self>,
        owner: Owner,
        what: &Code,
        came: Result<Received, FileFault>,
    ) -> Option<FileFault> {
        match came {
            Ok(file) => {
                self.put(owner, what.clone(), file);
                None
            }
            Err(fault) => {
                self.remove(owner, what);
                Some(fault)
            }
        }
    }

    /// Keeps a file instead of the one before, for an hour.
    fn put(self: &Arc<Self>, owner: Owner, what: Code, file: Received) {
        let until = Instant::now() + LASTS;
        let mut waiting = self.lock();
        if waiting.len() >= MOST {
            let oldest = waiting.iter().min_by_key(|(_, one)| one.until).map(|(key, _)| key.clone());
            oldest.and_then(|key| waiting.remove(&key));
        }
        waiting.insert((owner, what), Waiting { file: Arc::new(file), until });
        drop(waiting);
        let shelf = Arc::downgrade(self);
        tokio::spawn(async move {
            sleep_until(until).await;
            if let Some(shelf) = shelf.upgrade() {
                shelf.lock().retain(|_, one| one.until > until);
            }
        });
    }

    /// What waits for a message.
    pub(in super::super) fn of(&self, owner: Owner) -> Held {
        let waiting = self.lock();
        let own = waiting.iter().filter(|((whose, _), _)| *whose == owner);
        own.map(|((_, what), one)| (what.clone(), Arc::clone(&one.file))).collect()
    }

    /// Lets one go.
    pub(in super::super) fn remove(&self, owner: Owner, what: &Code) {
        self.lock().remove(&(owner, what.clone()));
    }

    /// Lets all go that wait for a message.
    pub(in super::super) fn clear(&self, owner: Owner) {
        self.lock().retain(|(whose, _), _| *whose != owner);
    }

    /// Lets all of a person go.
    pub(in super::super) fn clear_all_of(&self, person: usize) {
        self.lock().retain(|(whose, _), _| whose.person != person);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(Owner, Code), Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const LASTS: Duration = Duration::from_secs(60 * 60);
/// The oldest go first.
const MOST: usize = 200;
