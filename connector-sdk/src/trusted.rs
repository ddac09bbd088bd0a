//! What is trusted about the hub now. It follows when the hub's operator adds keys; and each checkpoint's signature is verified
//! once, not once a message.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use saphan_schemas::log::Checkpoint;
use saphan_schemas::message::VerifyError;
use saphan_schemas::trust::Trust;
use tokio::time::Instant;

use crate::hub_api::{HubApi, HubError};

/// The hub's keys and the checkpoints verified last.
pub(crate) struct Trusted {
    hub: Arc<dyn HubApi>,
    trust: RwLock<Arc<Trust>>,
    known: Mutex<VecDeque<(Box<str>, Checkpoint)>>,
    /// When the hub was asked last and had nothing new, so that a flood of forgeries does not become one of requests.
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

    /// Whether more is trusted now than `seen`, in which a key was missing: asks the hub which keys its operator has added. Who
    /// asks while another does waits for that answer.
    ///
    /// # Errors
    /// The hub could not be asked; it may be later.
    pub(crate) async fn follow(&self, seen: &Arc<Trust>) -> Result<bool, HubError> {
        let mut nothing_new = self.nothing_new.lock().await;
        if !Arc::ptr_eq(seen, &self.now()) {
            return Ok(true);
        }
        if nothing_new.is_some_and(|at| at.elapsed() < ASKED_AGAIN) {
            return Ok(false);
        }
        let followed = match self.hub.trust_entries().await {
            Ok(entries) => seen.follow(&entries),
            // It tells nobody; then neither us.
            Err(error) if !error.is_retryable() => None,
            Err(error) => return Err(error),
        };
        let Some(trust) = followed else {
            *nothing_new = Some(Instant::now());
            return Ok(false);
        };
        tracing::info!("the hub has new keys, and its operator vouches for them; they are trusted from now on");
        *self.trust.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(trust);
        Ok(true)
    }

    fn find(&self, text: &str) -> Option<Checkpoint> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|(verified, _)| **verified == *text).map(|(_, checkpoint)| checkpoint.clone())
    }
}

/// Messages of one batch share a checkpoint, and few batches are under way at once.
const KEPT: usize = 64;

/// After an answer without the key that was missing, the hub is asked again after this time.
const ASKED_AGAIN: Duration = Duration::from_secs(5);
