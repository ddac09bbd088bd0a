//! What is trusted about the hub now. It follows when the hub's operator adds or revokes keys; and each checkpoint's signature is
//! verified once, not once a message.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use saphan_schemas::log::Checkpoint;
use saphan_schemas::message::VerifyError;
use saphan_schemas::trust::Trust;
use tokio::time::{Instant, sleep, sleep_until};

use crate::hub_api::{HubApi, HubError};

/// The hub's keys and the checkpoints verified last.
pub(crate) struct Trusted {
    hub: Arc<dyn HubApi>,
    trust: RwLock<Arc<Trust>>,
    known: Mutex<VecDeque<(Box<str>, Checkpoint)>>,
    /// When the hub was asked last of those times that it had nothing new.
    nothing_new: tokio::sync::Mutex<Option<Instant>>,
}

impl Trusted {
    pub(crate) fn new(hub: Arc<dyn HubApi>, trust: Trust) -> Self {
        Self {
            hub,
            trust: RwLock::new(Arc::new(trust)),
            known: Mutex::new(VecDeque::with_capacity(KEPT)),
            nothing_new: tokio::sync::Mutex::new(None),
        }
    }

    /// What is trusted at this moment.
    pub(crate) fn now(&self) -> Arc<Trust> {
        Arc::clone(&self.trust.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Verifies a signed checkpoint, or remembers that exactly this text was verified.
    pub(crate) fn verify_checkpoint(&self, trust: &Trust, text: &str) -> Result<Checkpoint, VerifyError> {
        if let Some(known) = self.find(text) {
            return Ok(known);
        }
        let checkpoint = trust.verify_checkpoint(text)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() == KEPT {
            known.pop_back();
        }
        known.push_front((text.into(), checkpoint.clone()));
        Ok(checkpoint)
    }

    /// Whether something else is trusted now than `seen`, with which something did not verify: asks the hub which keys its
    /// operator has added. Who asks while another does waits for that answer, and the hub is not asked more often than every
    /// five seconds: a flood of forgeries must not become one of requests. Nothing is said to be unknown without a question that
    /// was put after it came.
    ///
    /// # Errors
    /// The hub could not be asked; it may be later.
    pub(crate) async fn follow(&self, seen: &Arc<Trust>) -> Result<bool, HubError> {
        let came = Instant::now();
        let mut nothing_new = self.nothing_new.lock().await;
        if !Arc::ptr_eq(seen, &self.now()) {
            return Ok(true);
        }
        if let Some(asked) = *nothing_new {
            if came <= asked {
                return Ok(false);
            }
            sleep_until(asked + ASKED_AGAIN).await;
        }
        let asked = Instant::now();
        let is_new = self.ask().await?;
        *nothing_new = (!is_new).then_some(asked);
        Ok(is_new)
    }

    /// Asks every so often which keys the hub's operator has added or revoked: a revoked key is known as such no later. Runs until
    /// dropped.
    pub(crate) async fn keep_up(&self, every: Duration) {
        loop {
            if let Err(error) = self.ask().await {
                tracing::debug!(%error, "the hub could not be asked for its keys; those that are trusted stay so");
            }
            sleep(every).await;
        }
    }

    /// Takes up what the hub's operator has changed; whether it was anything.
    async fn ask(&self) -> Result<bool, HubError> {
        let entries = match self.hub.trust_entries().await {
            Ok(entries) => entries,
            // It tells nobody; then neither us.
            Err(error) if !error.is_retryable() => return Ok(false),
            Err(error) => return Err(error),
        };
        let mut trust = self.trust.write().unwrap_or_else(PoisonError::into_inner);
        let Some(followed) = trust.follow(&entries) else { return Ok(false) };
        tracing::info!("the hub's operator has added or revoked keys of the hub; from now on others are trusted");
        *trust = Arc::new(followed);
        // What was verified with a key that ended may not be good any more.
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(true)
    }

    fn find(&self, text: &str) -> Option<Checkpoint> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|(verified, _)| **verified == *text).map(|(_, checkpoint)| checkpoint.clone())
    }
}

/// Messages of one batch share a checkpoint, and few batches are under way at once.
const KEPT: usize = 64;

/// After an answer without the key that was missing, the hub is asked again after this time at the earliest.
const ASKED_AGAIN: Duration = Duration::from_secs(5);
