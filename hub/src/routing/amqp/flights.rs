//! A set of futures that keeps the order in which they became ready.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// Futures in flight, each with what is needed once it has landed.
///
/// [`Flights::poll_landed`] answers *every* future that was ready when it looked: if one became ready before another,
/// in whatever thread, then an answer that holds the second holds the first, unless an earlier one did.
/// `FuturesUnordered` does not promise that, as it may pause half-way.
pub(super) struct Flights<T, F> {
    slots: Vec<Option<(T, Pin<Box<F>>)>>,
    vacant: Vec<usize>,
    woken: Arc<Woken>,
}

impl<T, F: Future> Flights<T, F> {
    pub(super) fn new() -> Self {
        Self { slots: Vec::new(), vacant: Vec::new(), woken: Arc::default() }
    }

    /// How many are in flight.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.vacant.len()
    }

    /// Adds a future; the next [`Flights::poll_landed`] polls it, in the order of adding.
    pub(super) fn launch(&mut self, fact: T, future: F) {
        let slot = Some((fact, Box::pin(future)));
        let index = match self.vacant.pop() {
            Some(index) => {
                self.slots[index] = slot;
                index
            }
            None => {
                self.slots.push(slot);
                self.slots.len() - 1
            }
        };
        self.woken.add(index);
    }

    /// All that have landed since the last answer, at least one.
    pub(super) fn poll_landed(&mut self, context: &mut Context<'_>) -> Poll<Vec<(T, F::Output)>> {
        // Before the first look, or a wake between the last look and this would be missed.
        self.woken.task.register(context.waker());
        let mut landed = Vec::new();
        loop {
            let woken = mem::take(&mut *self.woken.indices());
            if woken.is_empty() {
                return if landed.is_empty() { Poll::Pending } else { Poll::Ready(landed) };
            }
            landed.extend(woken.into_iter().filter_map(|index| self.look_at(index)));
        }
    }

    fn look_at(&mut self, index: usize) -> Option<(T, F::Output)> {
        let waker = Waker::from(Arc::new(SlotWaker { index, woken: Arc::clone(&self.woken) }));
        // Vacant when it was woken twice, or by a waker of a future that landed long ago.
        let (_, future) = self.slots[index].as_mut()?;
        let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) else { return None };
        let (fact, _) = self.slots[index].take()?;
        self.vacant.push(index);
        Some((fact, output))
    }
}

/// The slots that were woken, oldest first, and the task to tell.
#[derive(Default)]
struct Woken {
    indices: Mutex<Vec<usize>>,
    task: AtomicWaker,
}

impl Woken {
    fn add(&self, index: usize) {
        self.indices().push(index);
        self.task.wake();
    }

    fn indices(&self) -> MutexGuard<'_, Vec<usize>> {
        self.indices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct SlotWaker {
    index: usize,
    woken: Arc<Woken>,
}

impl Wake for SlotWaker {
    fn wake(self: Arc<Self>) {
        self.woken.add(self.index);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.add(self.index);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::FutureExt as _;
    use tokio::sync::oneshot;

    use super::*;

    fn facts<T: Copy, O>(landed: Vec<(T, O)>) -> Vec<T> {
        landed.into_iter().map(|(fact, _)| fact).collect()
    }

    #[tokio::test]
    async fn an_answer_holds_all_that_became_ready_in_that_order() {
        let mut flights = Flights::new();
        let senders: Vec<_> = (0..100)
            .map(|fact| {
                let (sender, receiver) = oneshot::channel::<()>();
                flights.launch(fact, receiver);
                sender
            })
            .collect();
        assert!(poll_fn(|context| flights.poll_landed(context)).now_or_never().is_none());
        for (fact, sender) in senders.into_iter().enumerate().rev() {
            if fact % 2 == 0 {
                sender.send(()).unwrap();
            } else {
                mem::forget(sender);
            }
        }
        let landed = facts(poll_fn(|context| flights.poll_landed(context)).await);
        assert_eq!(landed, (0..100).rev().filter(|fact| fact % 2 == 0).collect::<Vec<_>>());
        assert_eq!(flights.len(), 50);
    }

    #[tokio::test]
    async fn a_slot_is_used_again_and_late_wakes_do_no_harm() {
        let mut flights = Flights::new();
        for round in 0..10 {
            let (sender, receiver) = oneshot::channel::<()>();
            flights.launch(round, receiver);
            flights.woken.add(0);
            drop(sender);
            assert_eq!(facts(poll_fn(|context| flights.poll_landed(context)).await), [round]);
        }
        assert_eq!((flights.len(), flights.slots.len()), (0, 1));
    }
}
