//! What must hold before a message is stored or shown to a handler.

use std::sync::Arc;

use saphan_schemas::commitment::Salt;
use saphan_schemas::ids::SystemId;
use saphan_schemas::keys::{KeyId, PublishedKey};
use saphan_schemas::message::{Parts as PartsRef, Verified, VerifyError, verify_delivered};
use saphan_schemas::receipt::ReceiptClaims;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::backoff::Backoff;
use crate::checkpoints::Checkpoints;
use crate::hub_api::{Answer, Submission};
use crate::journal::ReceivedRow;
use crate::keys::{KeyLookup, SystemKeys};
use crate::message::{Parts, Received};
use crate::outbox::Outbox;
use crate::outgoing::Identity;
use crate::receive::{Delivery, Token};

pub(crate) struct Verifier {
    pub(crate) identity: Arc<Identity>,
    pub(crate) checkpoints: Arc<Checkpoints>,
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
}

/// What became of deliveries, in their order.
pub(super) struct Checked {
    pub(super) good: Vec<ReceivedRow>,
    pub(super) bad: Vec<Token>,
}

impl Verifier {
    /// Verifies deliveries, on several threads when there are many. Takes as long as the senders' keys cannot be fetched;
    /// may be dropped.
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
                Ok(received) => checked.good.push(ReceivedRow { received: Arc::new(received), token }),
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
        let mut missing = false;
        let cached = self.verify(&delivery, &salt, |system, kid| {
            let key = self.keys.cached(system, kid);
            missing = key.is_none();
            key
        });
        let verified = if missing {
            let key = self.wait_for_key(&delivery.submission.envelope).await;
            self.verify(&delivery, &salt, |_, _| key)?
        } else {
            cached?
        };
        Ok(self.received(delivery, salt, &verified))
    }

    fn verify(
        &self,
        delivery: &Delivery,
        salt: &Salt,
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
        let checkpoint = |text: &str| self.checkpoints.verify(text);
        let verified = verify_delivered(&parts, self.checkpoints.trust(), key, checkpoint)?;
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
            claims: verified.envelope.claims().clone(),
            receipt: verified.receipt.claims().clone(),
            parts: Parts { envelope, salt, body, receipt, proof },
            outbox: self.outbox.clone(),
        }
    }

    async fn wait_for_key(&self, envelope: &str) -> Option<PublishedKey> {
        let mut failures = 0;
        loop {
            match self.keys.of_envelope(envelope).await {
                KeyLookup::Found(key) => return Some(key),
                KeyLookup::Unknown => return None,
                KeyLookup::Unavailable(error) => {
                    failures += 1;
                    if failures == 1 {
                        tracing::warn!(%error, "a sender's keys cannot be fetched; its messages wait");
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
