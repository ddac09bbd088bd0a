//! Places that are waited for, of which no system holds all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use saphan_schemas::ids::SystemId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// So many places, and for each system at most its part of them. Who finds none waits, each system in a line of its own.
#[derive(Debug)]
pub struct Lanes {
    places: Arc<Semaphore>,
    each: usize,
    /// One for each system that ever came; there are as many as the registry has.
    lanes: Mutex<HashMap<SystemId, Arc<Semaphore>>>,
}

/// A place; free again when dropped.
#[derive(Debug)]
pub struct Lane {
    _own: Option<OwnedSemaphorePermit>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Lanes {
    /// `places` in all, `each` for one system.
    #[must_use]
    pub fn new(places: usize, each: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places)), each, lanes: Mutex::default() }
    }

    /// Waits for a place.
    pub async fn enter(&self, system: &SystemId) -> Lane {
        // Neither is ever closed. The system's own first: the common line holds at most its part of each system.
        let own = self.lane(system).acquire_owned().await.ok();
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        Lane { _own: own, _place: place }
    }

    /// Waits for a place, for some time; `None` if there is none by then.
    pub async fn enter_within(&self, system: &SystemId, wait: Duration) -> Option<Lane> {
        timeout(wait, self.enter(system)).await.ok()
    }

    fn lane(&self, system: &SystemId) -> Arc<Semaphore> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        match lanes.get(system) {
            Some(lane) => Arc::clone(lane),
            None => Arc::clone(lanes.entry(system.clone()).or_insert_with(|| Arc::new(Semaphore::new(self.each)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_system_that_takes_all_that_it_can_leaves_a_place_for_another() {
        let lanes = Lanes::new(4, 2);
        let [a, b, c] = ["a", "b", "c"].map(|name| format!("th.dga/{name}").parse::<SystemId>().unwrap());
        let (first, _second) = (lanes.enter(&a).await, lanes.enter(&a).await);
        assert!(lanes.enter(&a).now_or_never().is_none(), "it waits");
        let _others = (lanes.enter(&b).await, lanes.enter(&b).await);
        assert!(lanes.enter(&c).now_or_never().is_none(), "all places are taken");
        assert!(lanes.enter_within(&c, Duration::ZERO).await.is_none());
        drop(first);
        assert!(lanes.enter_within(&c, Duration::ZERO).await.is_some());
    }
}
