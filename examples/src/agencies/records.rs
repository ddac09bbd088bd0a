//! What receivers keep of each message: its parts, for auditors, and how often its effect happened.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use saphan_connector::effects::EffectKey;
use saphan_connector::{Handled, HandlerError, Message};
use saphan_schemas::ids::MessageId;
use saphan_schemas::message::MessageFile;
use tokio::sync::watch;

/// A message that was received.
#[derive(Clone)]
pub struct KeptMessage {
    /// Its id.
    pub id: MessageId,
    /// Its place in the log.
    pub index: u64,
    /// All its parts; holds personal data.
    pub file: MessageFile,
    /// How often a handler let its effect happen. More than once is a defect.
    pub effects: u32,
}

/// The messages that some receivers got. Clones share them.
#[derive(Clone)]
pub struct Records {
    kept: Arc<Mutex<HashMap<EffectKey, KeptMessage>>>,
    count: watch::Sender<usize>,
}

impl Records {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self { kept: Arc::default(), count: watch::Sender::new(0) }
    }

    /// A handler for the SDK that lets `desk` do one step with each message, and keeps the message.
    pub fn step<S, T>(
        &self,
        desk: &Arc<S>,
        step: fn(&S, &Message<T>) -> Result<Handled, HandlerError>,
    ) -> impl Fn(Message<T>) -> Ready<Result<Handled, HandlerError>> + Send + Sync + use<S, T>
    where
        S: Send + Sync + 'static,
        T: 'static,
    {
        let (records, desk) = (self.clone(), Arc::clone(desk));
        move |message| {
            let handled = step(&desk, &message);
            if handled.is_ok() {
                records.keep(&message);
            }
            ready(handled)
        }
    }

    /// As [`Self::step`], for a step that waits: for the receipt of something it says, say.
    pub fn work<S, T, F, Fut>(
        &self,
        desk: &Arc<S>,
        work: F,
    ) -> impl Fn(Message<T>) -> Working + Send + Sync + use<S, T, F, Fut>
    where
        S: Send + Sync + 'static,
        T: Clone + Send + Sync + 'static,
        F: Fn(Arc<S>, Message<T>) -> Fut + Send + Sync,
        Fut: Future<Output = Result<Handled, HandlerError>> + Send + 'static,
    {
        let (records, desk) = (self.clone(), Arc::clone(desk));
        move |message: Message<T>| {
            let (records, handling) = (records.clone(), work(Arc::clone(&desk), message.clone()));
            Box::pin(async move {
                let handled = handling.await;
                if handled.is_ok() {
                    records.keep(&message);
                }
                handled
            })
        }
    }

    /// How many messages there are, and every change of it.
    #[must_use]
    pub fn count(&self) -> watch::Receiver<usize> {
        self.count.subscribe()
    }

    /// All messages, in the order of the log.
    #[must_use]
    pub fn all(&self) -> Vec<KeptMessage> {
        let mut all: Vec<_> = self.lock().values().cloned().collect();
        all.sort_by_key(|kept| kept.index);
        all
    }

    /// How many messages had their effect more than once.
    #[must_use]
    pub fn doubled(&self) -> usize {
        self.lock().values().filter(|kept| kept.effects > 1).count()
    }

    pub(super) fn keep<T>(&self, message: &Message<T>) {
        let count = {
            let mut kept = self.lock();
            match kept.entry(message.effect()) {
                Entry::Occupied(mut again) => again.get_mut().effects += 1,
                Entry::Vacant(first) => {
                    let (id, index, file) = (message.id(), message.index(), message.file());
                    first.insert(KeptMessage { id, index, file, effects: 1 });
                }
            }
            kept.len()
        };
        self.count.send_if_modified(|known| std::mem::replace(known, count.max(*known)) < count);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<EffectKey, KeptMessage>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A handler's step under way.
pub(super) type Working = Pin<Box<dyn Future<Output = Result<Handled, HandlerError>> + Send>>;

impl Default for Records {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records").field("messages", &self.lock().len()).finish_non_exhaustive()
    }
}
