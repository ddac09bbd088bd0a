//! The inbox that receivers pull from: long polls and leases.

use std::time::Duration;

use saphan_schemas::ids::{MessageId, SystemId};
use tokio::time::{Instant, timeout_at};

use crate::app::App;
use crate::store::{LeaseChange, LeaseRequest, Limit, Pending, StoreError};

/// A lease of messages.
#[derive(Debug)]
pub struct Lease {
    /// Its id; empty when nothing was leased.
    pub id: Option<String>,
    /// Its duration, in seconds.
    pub seconds: u64,
    /// The messages.
    pub messages: Vec<Pending>,
}

/// Leases up to `max` messages, waiting up to `wait` seconds for the first. Returns early with nothing when the hub stops. The
/// right to them may end meanwhile, so `may_have` is asked before each look.
///
/// # Errors
/// Of `may_have`, and [`StoreError`].
pub async fn lease<E: From<StoreError>>(
    app: &App,
    system: &SystemId,
    max: u32,
    wait: u64,
    may_have: impl Fn() -> Result<(), E>,
) -> Result<Lease, E> {
    let bell = app.wakeups.receiver(system);
    let deadline = Instant::now() + Duration::from_secs(wait.min(app.inbox.longest_wait_seconds));
    let id = MessageId::new().to_string();
    let seconds = app.inbox.lease_seconds;
    let mut stopping = app.stopping.clone();
    loop {
        // Listen before looking: what is committed in between rings.
        let rung = bell.notified();
        may_have()?;
        let now = app.clock.now_ms();
        let limit = Limit { rows: max.clamp(1, MAX_LEASED), bytes: MAX_LEASED_BYTES };
        let request = LeaseRequest { recipient: system, lease: &id, now, until: now + seconds * 1000, limit };
        let messages = app.store.lease(request).await?;
        if !messages.is_empty() {
            return Ok(Lease { id: Some(id), seconds, messages });
        }
        if Instant::now() >= deadline || *stopping.borrow_and_update() {
            return Ok(Lease { id: None, seconds, messages });
        }
        // Messages that were given back for later come due without a bell.
        let look_again = deadline.min(Instant::now() + LOOK_AGAIN);
        let waited = async {
            tokio::select! {
                () = rung => {}
                _ = stopping.changed() => {}
            }
        };
        let _ = timeout_at(look_again, waited).await;
    }
}

/// Lengthens a lease; `false` when nothing of it is left.
///
/// # Errors
/// [`StoreError`].
pub async fn extend(app: &App, system: &SystemId, lease: &str) -> Result<bool, StoreError> {
    let now = app.clock.now_ms();
    let until = now + app.inbox.lease_seconds * 1000;
    let change = LeaseChange { recipient: system, lease, now, until, only: None, ends: false };
    Ok(app.store.move_lease(change).await? > 0)
}

/// Gives messages back, to be leased again after `delay` seconds; `false` when nothing of the lease is left.
///
/// # Errors
/// [`StoreError`].
pub async fn release(
    app: &App,
    system: &SystemId,
    lease: &str,
    only: Option<&[u64]>,
    delay: u64,
) -> Result<bool, StoreError> {
    let now = app.clock.now_ms();
    let until = now + delay.min(LONGEST_DELAY_SECONDS) * 1000;
    let change = LeaseChange { recipient: system, lease, now, until, only, ends: true };
    let moved = app.store.move_lease(change).await? > 0;
    if delay == 0 {
        app.wakeups.receiver(system).notify_waiters();
    }
    Ok(moved)
}

/// The most messages of one lease.
pub const MAX_LEASED: u32 = 256;
/// About the most bytes of bodies of one lease.
const MAX_LEASED_BYTES: u64 = 16 << 20;
const LOOK_AGAIN: Duration = Duration::from_secs(1);
const LONGEST_DELAY_SECONDS: u64 = 24 * 3600;
