//! What must hold before a message is stored or shown to a handler.

use std::collections::HashMap;
use std::sync::Arc;

use saphan_schemas::commitment::Salt;
use saphan_schemas::ids::SystemId;
use saphan_schemas::keys::{KeyId, PublishedKey};
use saphan_schemas::message::{Parts as PartsRef, Verified, VerifyError, verify_delivered};
use saphan_schemas::message_types::{CaseSubmitted, CopyError, MessageBody as _};
use saphan_schemas::receipt::ReceiptClaims;
use saphan_schemas::trust::Trust;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::backoff::Backoff;
use crate::hub_api::{Answer, HubError, Submission};
use crate::keys::SystemKeys;
use crate::message::{Parts, Received};
use crate::outbox::Outbox;
use crate::outgoing::Identity;
use crate::receive::{Delivery, Token};
use crate::trusted::Trusted;

pub(crate) struct Verifier {
    pub(crate) identity: Arc<Identity>,
    pub(crate) trusted: Arc<Trusted>,
    pub(crate) keys: Arc<SystemKeys>,
    pub(crate) outbox: Outbox,
    pub(crate) backoff: Backoff,
}

/// Why a message is never shown to a handler.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unacceptable {
    #[error(transparent)]
    Verify(#[from] VerifyError),
    #[error("salt: not 32 bytes of URL-safe base64")]
    Salt,
    #[error("envelope: meant for another system")]
    Recipient,
    #[error("envelope: its key was not valid when the hub accepted it")]
    KeyNotValid,
    #[error("a case with a copy that does not hold: {0}")]
    Copy(#[from] CopyError),
}

/// A message that was verified.
pub(super) struct Arrival {
    pub(super) received: Arc<Received>,
    pub(super) token: Token,
}

/// What became of deliveries, in their order.
pub(super) struct Checked {
    pub(super) good: Vec<Arrival>,
    pub(super) bad: Vec<Token>,
}

impl Verifier {
    /// Verifies deliveries, on several threads when there are many. Takes as long as keys cannot be fetched; may be dropped.
    pub(super) async fn check(self: &Arc<Self>, deliveries: Vec<Delivery>) -> Checked {
        let mut tasks = JoinSet::new();
        let mut rest = deliveries.into_iter().peekable();
        let mut pieces = 0;
        while rest.peek().is_some() {
            let piece: Vec<Delivery> = rest.by_ref().take(PIECE).collect();
            let (verifier, number) = (Arc::clone(self), pieces);
            tasks.spawn(async move { (number, verifier.check_piece(piece).await) });
            pieces += 1;
        }
        let mut done = tasks.join_all().await;
        done.sort_unstable_by_key(|(number, _)| *number);
        let mut checked = Checked { good: Vec::new(), bad: Vec::new() };
        for (_, piece) in done {
            checked.good.extend(piece.good);
            checked.bad.extend(piece.bad);
        }
        checked
    }

    async fn check_piece(&self, deliveries: Vec<Delivery>) -> Checked {
        let mut checked = Checked { good: Vec::new(), bad: Vec::new() };
        for delivery in deliveries {
            let token = delivery.token;
            match self.check_one(delivery).await {
                Ok(received) => checked.good.push(Arrival { received: Arc::new(received), token }),
                Err(reason) => {
                    tracing::warn!(%reason, "a message does not verify; no handler sees it");
                    checked.bad.push(token);
                }
            }
        }
        checked
    }

    async fn check_one(&self, delivery: Delivery) -> Result<Received, Unacceptable> {
        let salt: Salt = delivery.submission.salt.parse().map_err(|_| Unacceptable::Salt)?;
        loop {
            let trust = self.trusted.now();
            match self.verify_with(&delivery, &salt, &trust).await {
                // The hub may have a new key.
                Err(Unacceptable::Verify(error)) if error.is_of_an_unknown_hub_key() => {
                    if !self.answer("the hub's new keys", || self.trusted.follow(&trust)).await {
                        return Err(Unacceptable::Verify(error));
                    }
                }
                verified => {
                    let received = self.received(delivery, salt, &verified?);
                    self.check_copies(&received).await?;
                    return Ok(received);
                }
            }
        }
    }

    /// A case holds messages of others; whoever decides on it relies on what they signed, not on who passed it on.
    async fn check_copies(&self, received: &Received) -> Result<(), CopyError> {
        if received.claims().message_type.as_str() != CaseSubmitted::TYPE {
            return Ok(());
        }
        let case: CaseSubmitted = serde_json::from_slice(received.body()).map_err(|_| CopyError::Shape)?;
        let mut keys = HashMap::new();
        for copy in case.copies() {
            let key = self.answer("a sender's keys", || self.keys.of_envelope(&copy.envelope)).await;
            if let Some(PublishedKey { key, .. }) = key {
                keys.insert((copy.envelope_claims()?.iss, key.id()), key);
            }
        }
        case.verify_copies(received.claims(), |system, kid| keys.get(&(system.clone(), kid)).copied())
    }

    async fn verify_with(&self, delivery: &Delivery, salt: &Salt, trust: &Trust) -> Result<Verified, Unacceptable> {
        let mut missing = false;
        let cached = self.verify(delivery, salt, trust, |system, kid| {
            let key = self.keys.cached(system, kid);
            missing = key.is_none();
            key
        });
        if !missing {
            return cached;
        }
        let key = self.answer("a sender's keys", || self.keys.of_envelope(&delivery.submission.envelope)).await;
        self.verify(delivery, salt, trust, |_, _| key)
    }

    fn verify(
        &self,
        delivery: &Delivery,
        salt: &Salt,
        trust: &Trust,
        key: impl FnOnce(&SystemId, KeyId) -> Option<PublishedKey>,
    ) -> Result<Verified, Unacceptable> {
        let parts = PartsRef {
            envelope: &delivery.submission.envelope,
            body: Some((salt, &delivery.submission.body)),
            receipt: &delivery.answer.receipt,
            proof: &delivery.answer.proof,
        };
        let mut used = None;
        let key = |system: &SystemId, kid: KeyId| {
            used = key(system, kid);
            used.as_ref().map(|published| published.key)
        };
        let checkpoint = |text: &str| self.trusted.verify_checkpoint(trust, text);
        let verified = verify_delivered(&parts, trust, key, checkpoint)?;
        if verified.envelope.claims().aud != self.identity.system {
            return Err(Unacceptable::Recipient);
        }
        if !used.is_some_and(|key| was_valid(&key, verified.receipt.claims())) {
            return Err(Unacceptable::KeyNotValid);
        }
        Ok(verified)
    }

    fn received(&self, delivery: Delivery, salt: Salt, verified: &Verified) -> Received {
        let Delivery { submission: Submission { envelope, body, .. }, answer: Answer { receipt, proof }, .. } =
            delivery;
        Received {
            claims: verified.envelope.shared_claims(),
            receipt: verified.receipt.shared_claims(),
            parts: Parts { envelope, salt, body, receipt, proof },
            outbox: self.outbox.clone(),
        }
    }

    /// Asks the hub for `what` until it answers.
    async fn answer<T, F>(&self, what: &str, mut ask: impl FnMut() -> F) -> T
    where
        F: Future<Output = Result<T, HubError>>,
    {
        let mut failures = 0;
        loop {
            match ask().await {
                Ok(answer) => return answer,
                Err(error) => {
                    failures += 1;
                    if failures == 1 {
                        tracing::warn!(%error, "{what} cannot be fetched; messages that need them wait");
                    }
                    sleep(self.backoff.delay(failures, error.retry_after())).await;
                }
            }
        }
    }
}

/// Whether the key could be used when the hub accepted the message, by the hub's own clock. What the hub accepted in the same
/// second in which a key was revoked, it accepted before.
fn was_valid(key: &PublishedKey, receipt: &ReceiptClaims) -> bool {
    let at = receipt.iat;
    key.nbf.is_none_or(|from| from <= at)
        && key.exp.is_none_or(|end| at < end)
        && key.revoked.is_none_or(|revoked| at <= revoked)
}

/// Deliveries verified by one task: about 2 ms of work.
const PIECE: usize = 16;
