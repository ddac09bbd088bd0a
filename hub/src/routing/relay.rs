//! The relay: reads the outbox, publishes, and marks what the broker confirmed.
//!
//! Rounds of bounded count and size: take what was just committed, or read what is due; publish it all at once. What was not
//! confirmed is due again after a back-off, and what was confirmed but never acknowledged after a longer one, should the broker
//! have lost it; receivers tell repetitions by the message id.
//!
//! What became of publications is written a little later: most are acknowledged by then and have no row any more. A hub that
//! ends before publishes them again.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use saphan_schemas::envelope::{EnvelopeClaims, UnverifiedEnvelope};
use saphan_schemas::ids::SystemId;
use saphan_schemas::leaf::split_message;
use saphan_schemas::registry::TransportKind;
use tokio::time::{Instant, sleep, sleep_until};

use super::fresh::Committed;
use super::transport::{Dispatch, PublishError, Transport};
use crate::app::App;
use crate::broker::management::Management;
use crate::store::{Deliveries, Due, Limit, Pending, Settlement, StoreError};

/// A broker, and how the relay uses it.
pub struct Broker {
    /// The way to it.
    pub transport: Arc<dyn Transport>,
    /// Where connections whose right has ended are closed, if that is possible.
    pub management: Option<Management>,
    /// Publications that may be unconfirmed at once.
    pub rows: u32,
    /// Seconds after which a message that was confirmed but not acknowledged is published again, the first time.
    pub again_seconds: u64,
}

/// The relay between one hub's outbox and one broker.
pub struct Relay {
    app: Arc<App>,
    transport: Arc<dyn Transport>,
    rows: u32,
    again_seconds: u64,
    declared: HashSet<SystemId>,
    /// What became of publications and is not written yet, and since when the first of it waits.
    settlements: Vec<Settlement>,
    unsettled: Option<Instant>,
    /// When the store was last read to the end; `None` when it has to be read now.
    read: Option<Instant>,
    /// Whether it was read to the end since the queue of what is fresh was opened.
    caught_up: bool,
    /// What was read last of all that is due; it may come again among what is fresh.
    known: HashSet<u64>,
}

impl Relay {
    /// A relay between the outbox of `app` and a broker.
    #[must_use]
    pub fn new(app: Arc<App>, broker: Broker) -> Self {
        let Broker { transport, rows, again_seconds, .. } = broker;
        Self {
            app,
            transport,
            rows,
            again_seconds,
            declared: HashSet::new(),
            settlements: Vec::new(),
            unsettled: None,
            read: None,
            caught_up: false,
            known: HashSet::new(),
        }
    }

    /// Works until the hub stops; a round that has begun is finished.
    pub async fn run(mut self) {
        let mut stopping = self.app.stopping.clone();
        let mut rung = true;
        while !*stopping.borrow_and_update() {
            let round = self.round(rung).await;
            rung = false;
            self.app.metrics.broker_up.set(i64::from(self.transport.healthy()));
            let idle = match round {
                Ok(published) => published == 0,
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "the outbox cannot be read or written");
                    true
                }
            };
            if idle {
                // Rows that failed come due without a bell.
                rung = tokio::select! {
                    () = self.app.wakeups.fresh().bell().notified() => false,
                    () = self.app.wakeups.relay().notified() => true,
                    () = sleep(LOOK_AGAIN) => true,
                    () = sleep_until(self.settle_at().unwrap_or_else(Instant::now)), if self.unsettled.is_some() => false,
                    _ = stopping.changed() => false,
                };
            }
        }
        if let Err(error) = self.settle().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "what was published last is published again");
        }
    }

    /// One round; returns how many messages it handled.
    async fn round(&mut self, look: bool) -> Result<usize, StoreError> {
        if self.settle_at().is_some_and(|at| at <= Instant::now()) {
            self.settle().await?;
        }
        self.declare_inboxes().await;
        if !self.transport.healthy() {
            return Ok(0);
        }
        let next = self.next(look).await?;
        let mut publications: FuturesUnordered<_> =
            next.into_iter().map(|outgoing| publish(&*self.transport, outgoing)).collect();
        let mut outcomes = Vec::with_capacity(publications.len());
        while let Some(outcome) = publications.next().await {
            outcomes.push(outcome);
        }
        if outcomes.is_empty() {
            return Ok(0);
        }
        // One time for all: the store writes those together that become due together.
        let (now, published) = (self.app.clock.now_ms(), outcomes.len());
        let settlements: Vec<Settlement> =
            outcomes.into_iter().map(|(of, result)| self.settlement(of, result, now)).collect();
        self.settlements.extend(settlements);
        self.unsettled.get_or_insert_with(Instant::now);
        Ok(published)
    }

    fn settle_at(&self) -> Option<Instant> {
        self.unsettled.map(|since| since + SETTLE_AFTER)
    }

    /// Writes what became of publications. What cannot be written is kept.
    async fn settle(&mut self) -> Result<(), StoreError> {
        if self.settlements.is_empty() {
            return Ok(());
        }
        // Should this fail, it is tried again after as long.
        self.unsettled = Some(Instant::now());
        self.app.store.settle(&self.settlements).await?;
        self.settlements.clear();
        self.unsettled = None;
        Ok(())
    }

    /// What was just committed; or, when told to `look`, once a second, and whenever that may not be all, what is due in the store.
    async fn next(&mut self, look: bool) -> Result<Vec<Outgoing>, StoreError> {
        let (now, limit) = (self.app.clock.now_ms(), Limit { rows: self.rows, bytes: ROUND_BYTES });
        if self.read.is_some_and(|read| read.elapsed() < LOOK_AGAIN)
            && let Some(messages) = self.take_fresh(now, limit)
            && (!messages.is_empty() || !look)
        {
            return Ok(messages);
        }
        // What is published is due until that is written.
        self.settle().await?;
        let fresh = self.app.wakeups.fresh();
        let which = if self.caught_up && fresh.is_open() { Deliveries::Again } else { Deliveries::All };
        if which == Deliveries::All {
            // First this: what is committed from now on is fresh, and the rest is in the store, until it is read to its end.
            self.caught_up = false;
            fresh.open();
            self.known.clear();
        }
        let Due { messages, unreadable, more } = self.app.store.due(which, now, limit).await?;
        self.read = (!more).then(Instant::now);
        // Out of the way of the others, which would otherwise have no room behind them.
        let later = unreadable.into_iter().map(|index| Settlement::Retry { index, at: now + LONGEST_PAUSE_MS });
        self.settlements.extend(later);
        self.settle().await?;
        if which == Deliveries::All {
            self.caught_up = !more;
            self.known = messages.iter().map(|message| message.index).collect();
        } else if messages.is_empty() {
            // The bell of what is fresh may have rung while the broker was away, or for this very round.
            return Ok(self.take_fresh(now, limit).unwrap_or_default());
        }
        Ok(messages.into_iter().map(Outgoing::stored).collect())
    }

    fn take_fresh(&self, now: u64, limit: Limit) -> Option<Vec<Outgoing>> {
        let messages = self.app.wakeups.fresh().take(now, limit)?;
        let unknown = messages.into_iter().filter(|message| !self.known.contains(&message.row.index));
        Some(unknown.map(Outgoing::fresh).collect())
    }

    fn settlement(&self, of: Publication, result: Result<(), PublishError>, now: u64) -> Settlement {
        let Publication { index, attempts, published } = of;
        match result {
            Ok(()) => {
                self.app.metrics.published.inc();
                Settlement::Delivered { index, again: now + self.again_ms(published) }
            }
            Err(error) => {
                self.app.metrics.publish_failures.inc();
                tracing::warn!(index, attempts, %error, "a publication was not confirmed and will be repeated");
                Settlement::Retry { index, at: now + back_off(attempts) }
            }
        }
    }

    /// Milliseconds until a confirmed message that nobody acknowledged is published again: doubled each time, so that a
    /// receiver that is down for a week finds a handful of copies, which it tells apart by their ids.
    fn again_ms(&self, published: u32) -> u64 {
        (self.again_seconds * 1000).saturating_mul(1 << published.min(8))
    }

    /// Queues exist before the first message is due, so that a recipient can connect at once.
    async fn declare_inboxes(&mut self) {
        let registry = self.app.registry.state();
        for system in registry.systems().filter(|system| system.transport == TransportKind::Amqp) {
            if self.declared.contains(&system.id) {
                continue;
            }
            match self.transport.ensure_inbox(&system.id).await {
                Ok(()) => {
                    self.declared.insert(system.id.clone());
                }
                Err(error) => {
                    tracing::warn!(system = %system.id, %error, "an inbox could not be declared yet");
                    return;
                }
            }
        }
    }
}

/// What is written of a publication afterwards.
#[derive(Debug, Clone, Copy)]
struct Publication {
    index: u64,
    attempts: u32,
    published: u32,
}

/// A message to publish.
struct Outgoing {
    of: Publication,
    /// `None` if the outbox row holds no message.
    dispatch: Option<Dispatch>,
}

impl Outgoing {
    fn fresh(message: Committed) -> Self {
        Self::new(message.row, Some(message.claims))
    }

    fn stored(row: Pending) -> Self {
        // The signature was verified before the envelope was logged.
        let envelope = split_message(&row.leaf).and_then(|(_, envelope)| UnverifiedEnvelope::parse(envelope).ok());
        Self::new(row, envelope.map(|envelope| envelope.shared_claims()))
    }

    fn new(row: Pending, claims: Option<Arc<EnvelopeClaims>>) -> Self {
        let Pending { index, leaf, salt, receipt, proof, body, attempts, published, .. } = row;
        let envelope = split_message(&leaf).map(|(_, envelope)| envelope.to_owned());
        let salt = salt.to_text();
        let dispatch = envelope.zip(claims);
        let dispatch =
            dispatch.map(|(envelope, claims)| Dispatch { index, claims, envelope, salt, receipt, proof, body });
        Self { of: Publication { index, attempts, published }, dispatch }
    }
}

async fn publish(transport: &dyn Transport, outgoing: Outgoing) -> (Publication, Result<(), PublishError>) {
    let Outgoing { of, dispatch } = outgoing;
    let result = match dispatch {
        Some(dispatch) => transport.publish(dispatch).await,
        None => {
            tracing::error!(
                index = of.index,
                "an outbox row does not hold a message; it stays for the operator to look at"
            );
            Err(PublishError::Unavailable)
        }
    };
    (of, result)
}

/// Milliseconds until the next try: 1 s, doubled each time, at most 5 minutes.
fn back_off(attempts: u32) -> u64 {
    1000_u64.saturating_mul(1 << attempts.min(16)).min(LONGEST_PAUSE_MS)
}

const LONGEST_PAUSE_MS: u64 = 300_000;
const ROUND_BYTES: u64 = 32 << 20;
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Longer than most messages take to be acknowledged, short for those who ask where their message is.
const SETTLE_AFTER: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_from_one_second_to_five_minutes() {
        let pauses: Vec<u64> = (0..10).map(|attempts| back_off(attempts) / 1000).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(back_off(u32::MAX), 300_000);
    }
}
