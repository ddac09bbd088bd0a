//! One request to the hub with what waits, and what it came to for each message.

use std::sync::Arc;

use saphan_schemas::message::{VerifyError, verify_acceptance, verify_envelope};
use saphan_schemas::receipt::UnverifiedReceipt;

use super::Accepted;
use super::queue::{Content, Outgoing};
use crate::checkpoints::Checkpoints;
use crate::hub_api::{Answer, HubApi, HubError, Submission};
use crate::keys::{KeyLookup, SystemKeys};

/// What an attempt needs.
pub(crate) struct Sending {
    pub(crate) hub: Arc<dyn HubApi>,
    pub(crate) checkpoints: Arc<Checkpoints>,
    pub(crate) keys: Arc<SystemKeys>,
}

/// What became of a request.
pub(super) enum Attempt {
    /// The hub said something of each message.
    Answered(Vec<(Outgoing, Result<Accepted, Failure>)>),
    /// A request of several messages failed as a whole.
    Failed(Vec<Outgoing>, HubError),
}

/// Why a message has no receipt that can be trusted.
pub(super) enum Failure {
    Hub(HubError),
    Untrusted(VerifyError),
}

impl Sending {
    pub(super) async fn attempt(&self, messages: Vec<Outgoing>) -> Attempt {
        let submissions: Vec<Submission> = messages.iter().map(Outgoing::submission).collect();
        let answers = match self.hub.submit(&submissions).await {
            Ok(answers) => answers,
            Err(error) => match <[Outgoing; 1]>::try_from(messages) {
                Ok([message]) => return Attempt::Answered(vec![(message, Err(Failure::Hub(error)))]),
                Err(messages) => return Attempt::Failed(messages, error),
            },
        };
        let mut answered = Vec::with_capacity(messages.len());
        for ((message, submission), answer) in messages.into_iter().zip(submissions).zip(answers) {
            let result = match answer {
                Ok(answer) => self
                    .verify(&message, &answer)
                    .await
                    .map(|receipt| Accepted::new(receipt.claims().clone(), submission.envelope, answer)),
                Err(error) => Err(Failure::Hub(error)),
            };
            answered.push((message, result));
        }
        Attempt::Answered(answered)
    }

    async fn verify(&self, message: &Outgoing, answer: &Answer) -> Result<UnverifiedReceipt, Failure> {
        let reread;
        let envelope = match &message.content {
            Content::Fresh(signed) => &signed.envelope,
            Content::Stored(stored) => {
                // Signed in an earlier life, perhaps with an earlier key.
                let key = match self.keys.of_envelope(&stored.envelope).await {
                    KeyLookup::Found(published) => Some(published.key),
                    KeyLookup::Unknown => None,
                    KeyLookup::Unavailable(error) => return Err(Failure::Hub(error)),
                };
                reread = verify_envelope(&stored.envelope, |_, _| key).map_err(Failure::Untrusted)?;
                &reread
            }
        };
        let checkpoint = |text: &str| self.checkpoints.verify(text);
        verify_acceptance(envelope, &answer.receipt, &answer.proof, self.checkpoints.trust(), checkpoint)
            .map_err(Failure::Untrusted)
    }
}
