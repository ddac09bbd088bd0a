//! The relay: reads the outbox, publishes, and marks what the broker confirmed.
//!
//! Rounds of bounded count and size: read what is due, publish it all at once, write what became of it. What was not
//! confirmed is due again after a back-off; its receiver tells repetitions by the message id.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use saphan_schemas::envelope::UnverifiedEnvelope;
use saphan_schemas::ids::SystemId;
use saphan_schemas::leaf::split_message;
use saphan_schemas::registry::TransportKind;
use tokio::time::timeout;

use super::transport::{Dispatch, PublishError, Transport};
use crate::app::App;
use crate::store::{Limit, Pending, Settlement, StoreError};

/// The relay between one hub's outbox and one broker.
pub struct Relay {
    app: Arc<App>,
    transport: Arc<dyn Transport>,
    rows: u32,
    declared: HashSet<SystemId>,
}

impl Relay {
    /// A relay that has at most `rows` publications unconfirmed.
    #[must_use]
    pub fn new(app: Arc<App>, transport: Arc<dyn Transport>, rows: u32) -> Self {
        Self { app, transport, rows, declared: HashSet::new() }
    }

    /// Works until the hub stops; a round that has begun is finished.
    pub async fn run(mut self) {
        let mut stopping = self.app.stopping.clone();
        while !*stopping.borrow_and_update() {
            let rung = self.round().await;
            self.app.metrics.broker_up.set(i64::from(self.transport.healthy()));
            let idle = match rung {
                Ok(published) => published == 0,
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "the outbox cannot be read or written");
                    true
                }
            };
            if idle {
                let wait = async {
                    tokio::select! {
                        () = self.app.wakeups.relay().notified() => {}
                        _ = stopping.changed() => {}
                    }
                };
                // Rows that failed come due without a bell.
                let _ = timeout(LOOK_AGAIN, wait).await;
            }
        }
    }

    /// One round; returns how many messages it handled.
    async fn round(&mut self) -> Result<usize, StoreError> {
        self.declare_inboxes().await;
        if !self.transport.healthy() {
            return Ok(0);
        }
        let limit = Limit { rows: self.rows, bytes: ROUND_BYTES };
        let due = self.app.store.due(self.app.clock.now_ms(), limit).await?;
        let mut publications: FuturesUnordered<_> =
            due.into_iter().map(|pending| publish(&*self.transport, pending)).collect();
        let mut settlements = Vec::with_capacity(publications.len());
        while let Some((index, attempts, result)) = publications.next().await {
            settlements.push(self.settlement(index, attempts, result));
        }
        if !settlements.is_empty() {
            self.app.store.settle(&settlements).await?;
        }
        Ok(settlements.len())
    }

    fn settlement(&self, index: u64, attempts: u32, result: Result<(), PublishError>) -> Settlement {
        match result {
            Ok(()) => {
                self.app.metrics.published.inc();
                Settlement::Delivered { index }
            }
            Err(error) => {
                self.app.metrics.publish_failures.inc();
                tracing::warn!(index, attempts, %error, "a publication was not confirmed and will be repeated");
                Settlement::Retry { index, at: self.app.clock.now_ms() + back_off(attempts) }
            }
        }
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

async fn publish(transport: &dyn Transport, pending: Pending) -> (u64, u32, Result<(), PublishError>) {
    let (index, attempts) = (pending.index, pending.attempts);
    let Some(dispatch) = dispatch(pending) else {
        tracing::error!(index, "an outbox row does not hold a message; it stays for its operator to look at");
        return (index, attempts, Err(PublishError::Unavailable));
    };
    (index, attempts, transport.publish(&dispatch).await)
}

fn dispatch(pending: Pending) -> Option<Dispatch> {
    let (_, text) = split_message(&pending.leaf)?;
    // The signature was verified before the envelope was logged.
    let envelope = UnverifiedEnvelope::parse(text).ok()?;
    let claims = envelope.claims().clone();
    Some(Dispatch {
        index: pending.index,
        recipient: pending.recipient,
        sender: claims.iss,
        id: claims.jti,
        message_type: claims.message_type,
        schema: claims.schema,
        service: claims.service,
        case: claims.case,
        reply_to: claims.reply_to,
        issued_at: claims.iat,
        envelope: text.to_owned(),
        salt: pending.salt.to_text(),
        receipt: pending.receipt,
        proof: pending.proof,
        body: pending.body,
    })
}

/// Milliseconds until the next try: 1 s, doubled each time, at most 5 minutes.
fn back_off(attempts: u32) -> u64 {
    1000_u64.saturating_mul(1 << attempts.min(16)).min(300_000)
}

const ROUND_BYTES: u64 = 32 << 20;
const LOOK_AGAIN: Duration = Duration::from_secs(1);
