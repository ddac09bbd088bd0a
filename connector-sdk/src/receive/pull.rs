//! Receiving over HTTP: long poll with leases.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use saphan_schemas::receipt::UnverifiedReceipt;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::{Delivery, ReceiveError, Token, Transport, TransportFuture};
use crate::hub_api::{HubApi, Lease, Leased};
use crate::journal::LogPlace;

/// Leases messages and keeps the leases while the messages are worked on.
pub(crate) struct Pull {
    hub: Arc<dyn HubApi>,
    leases: Mutex<Leases>,
    changed: Notify,
}

#[derive(Default)]
struct Leases {
    epoch: u64,
    held: HashMap<u64, Held>,
    /// Which lease holds a message, by the number that the hub leases it by.
    holder: HashMap<u64, u64>,
    /// That number, by the message's place.
    leased: HashMap<LogPlace, u64>,
}

struct Held {
    id: Arc<str>,
    lasts: Duration,
    renew: Instant,
    indices: HashMap<u64, Option<LogPlace>>,
}

impl Pull {
    pub(crate) fn new(hub: Arc<dyn HubApi>) -> Self {
        Self { hub, leases: Mutex::default(), changed: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Leases> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn renew(&self, epoch: u64, id: &str) {
        let extended = self.hub.extend(id).await;
        let mut leases = self.lock();
        match extended {
            Ok(lasts) => leases.renewed(epoch, lasts),
            Err(error) if error.is_retryable() => {
                tracing::debug!(%error, "a lease could not be extended; it is tried again");
                leases.try_again(epoch);
            }
            // The hub delivers its messages again, and they are recognised.
            Err(_) => leases.drop_lease(epoch),
        }
    }
}

impl Transport for Pull {
    fn next(&self, max: usize) -> TransportFuture<'_, Result<Vec<Delivery>, ReceiveError>> {
        Box::pin(async move {
            let max = u16::try_from(max).unwrap_or(MOST_LEASED).clamp(1, MOST_LEASED);
            let lease = self.hub.lease(max, WAIT).await?;
            let deliveries = self.lock().add(lease);
            self.changed.notify_one();
            Ok(deliveries)
        })
    }

    fn stored<'a>(&'a self, _: &'a [Token]) -> TransportFuture<'a, ()> {
        // The lease is kept until the outcome is acknowledged.
        Box::pin(std::future::ready(()))
    }

    fn refuse<'a>(&'a self, tokens: &'a [Token]) -> TransportFuture<'a, ()> {
        Box::pin(async move {
            let released = self.lock().give_back(tokens);
            for (id, indices) in released {
                if let Err(error) = self.hub.release(&id, &indices, REFUSED_FOR).await {
                    tracing::debug!(%error, "messages could not be given back; they return when their lease ends");
                }
            }
        })
    }

    fn acknowledged(&self, places: &[LogPlace]) {
        let mut leases = self.lock();
        for place in places {
            if let Some(index) = leases.leased.get(place).copied() {
                leases.settle(index);
            }
        }
    }

    fn maintain(&self) -> TransportFuture<'_, ()> {
        Box::pin(async move {
            loop {
                let next = self.lock().next_renewal();
                match next {
                    None => self.changed.notified().await,
                    Some((due, epoch, id)) => tokio::select! {
                        () = sleep_until(due) => self.renew(epoch, &id).await,
                        () = self.changed.notified() => {}
                    },
                }
            }
        })
    }
}

impl Leases {
    fn add(&mut self, lease: Lease) -> Vec<Delivery> {
        let Some(id) = lease.id else { return Vec::new() };
        self.epoch += 1;
        let epoch = self.epoch;
        let mut indices = HashMap::new();
        for message in &lease.messages {
            self.settle(message.index);
            self.holder.insert(message.index, epoch);
            // One that cannot be read is given back by its number.
            let receipt = UnverifiedReceipt::parse(&message.answer.receipt).ok();
            let place = receipt.map(|receipt| LogPlace::of(receipt.claims()));
            self.leased.extend(place.clone().map(|place| (place, message.index)));
            indices.insert(message.index, place);
        }
        let renew = Instant::now() + lease.expires_in / 2;
        self.held.insert(epoch, Held { id: id.into(), lasts: lease.expires_in, renew, indices });
        let deliver = |Leased { index, submission, answer }| {
            let token = Token { epoch, tag: index };
            Delivery { token, submission, answer }
        };
        lease.messages.into_iter().map(deliver).collect()
    }

    fn settle(&mut self, index: u64) {
        let Some(epoch) = self.holder.remove(&index) else { return };
        if let Some(held) = self.held.get_mut(&epoch) {
            if let Some(place) = held.indices.remove(&index).flatten() {
                self.leased.remove(&place);
            }
            if held.indices.is_empty() {
                self.held.remove(&epoch);
            }
        }
    }

    fn give_back(&mut self, tokens: &[Token]) -> Vec<(Arc<str>, Vec<u64>)> {
        let mut released: HashMap<u64, (Arc<str>, Vec<u64>)> = HashMap::new();
        for Token { epoch, tag } in tokens {
            if let Some(held) = self.held.get(epoch) {
                released.entry(*epoch).or_insert_with(|| (Arc::clone(&held.id), Vec::new())).1.push(*tag);
            }
            self.settle(*tag);
        }
        released.into_values().collect()
    }

    fn next_renewal(&self) -> Option<(Instant, u64, Arc<str>)> {
        let next = self.held.iter().min_by_key(|(_, held)| held.renew)?;
        Some((next.1.renew, *next.0, Arc::clone(&next.1.id)))
    }

    fn renewed(&mut self, epoch: u64, lasts: Duration) {
        if let Some(held) = self.held.get_mut(&epoch) {
            (held.lasts, held.renew) = (lasts, Instant::now() + lasts / 2);
        }
    }

    fn try_again(&mut self, epoch: u64) {
        if let Some(held) = self.held.get_mut(&epoch) {
            held.renew = Instant::now() + (held.lasts / 8).max(Duration::from_secs(1));
        }
    }

    fn drop_lease(&mut self, epoch: u64) {
        if let Some(held) = self.held.remove(&epoch) {
            for (index, place) in held.indices {
                self.holder.remove(&index);
                place.map(|place| self.leased.remove(&place));
            }
        }
    }
}

/// How long the hub may wait for a first message.
const WAIT: Duration = Duration::from_secs(20);

/// The most messages a lease may hold (contract).
const MOST_LEASED: u16 = 256;

/// How long a message that does not verify stays away.
const REFUSED_FOR: Duration = Duration::from_secs(300);
