//! Each checkpoint's signature is verified once, not once a message.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use saphan_schemas::log::Checkpoint;
use saphan_schemas::message::{Trust, VerifyError};

/// The checkpoints verified last.
pub(crate) struct Checkpoints {
    trust: Arc<Trust>,
    known: Mutex<VecDeque<(Box<str>, Checkpoint)>>,
}

impl Checkpoints {
    pub(crate) fn new(trust: Arc<Trust>) -> Self {
        Self { trust, known: Mutex::new(VecDeque::with_capacity(KEPT)) }
    }

    pub(crate) fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Verifies a signed checkpoint, or remembers that exactly this text was verified.
    pub(crate) fn verify(&self, text: &str) -> Result<Checkpoint, VerifyError> {
        if let Some(known) = self.find(text) {
            return Ok(known);
        }
        let checkpoint = self.trust.verify_checkpoint(text)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() == KEPT {
            known.pop_back();
        }
        known.push_front((text.into(), checkpoint.clone()));
        Ok(checkpoint)
    }

    fn find(&self, text: &str) -> Option<Checkpoint> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|(verified, _)| **verified == *text).map(|(_, checkpoint)| checkpoint.clone())
    }
}

/// Messages of one batch share a checkpoint, and few batches are under way at once.
const KEPT: usize = 64;
