//! A broker in memory that answers as told.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::{BoxFuture, FutureExt as _};
use saphan_hub::routing::transport::{Dispatch, PublishError, Transport};
use saphan_schemas::ids::{MessageId, SystemId};
use tokio::sync::watch;

use super::waiting::in_time;

/// Confirms everything, except what its script says.
pub(crate) struct ScriptedTransport {
    script: Mutex<VecDeque<PublishError>>,
    up: AtomicBool,
    seen: watch::Sender<Seen>,
}

/// What reached the broker.
#[derive(Default)]
pub(crate) struct Seen {
    /// Every publication, confirmed or not, in order.
    pub(crate) tried: Vec<Dispatch>,
    /// The ids of those that were confirmed.
    pub(crate) confirmed: Vec<MessageId>,
    /// The inboxes that were declared.
    pub(crate) declared: Vec<SystemId>,
}

impl ScriptedTransport {
    pub(crate) fn new() -> Self {
        Self { script: Mutex::default(), up: AtomicBool::new(true), seen: watch::Sender::default() }
    }

    /// The next publications fail like this.
    pub(crate) fn fail_next(&self, errors: impl IntoIterator<Item = PublishError>) {
        self.script.lock().unwrap().extend(errors);
    }

    /// Whether there is a connection.
    pub(crate) fn set_up(&self, up: bool) {
        self.up.store(up, Ordering::SeqCst);
    }

    pub(crate) fn seen<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.seen.borrow())
    }

    /// Waits for what reaches the broker.
    pub(crate) async fn until(&self, condition: impl FnMut(&Seen) -> bool) {
        in_time(self.seen.subscribe().wait_for(condition)).await.unwrap();
    }
}

impl Transport for ScriptedTransport {
    fn publish(&self, dispatch: Dispatch) -> BoxFuture<'_, Result<(), PublishError>> {
        async move {
            let outcome = if self.healthy() {
                self.script.lock().unwrap().pop_front().map_or(Ok(()), Err)
            } else {
                Err(PublishError::Unavailable)
            };
            self.seen.send_modify(|seen| {
                seen.confirmed.extend(outcome.is_ok().then_some(dispatch.claims.jti));
                seen.tried.push(dispatch);
            });
            outcome
        }
        .boxed()
    }

    fn ensure_inbox<'a>(&'a self, system: &'a SystemId) -> BoxFuture<'a, Result<(), PublishError>> {
        async move {
            if !self.healthy() {
                return Err(PublishError::Unavailable);
            }
            self.seen.send_modify(|seen| seen.declared.push(system.clone()));
            Ok(())
        }
        .boxed()
    }

    fn healthy(&self) -> bool {
        self.up.load(Ordering::SeqCst)
    }
}
