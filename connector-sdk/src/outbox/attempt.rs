//! One request to the hub with what waits, and what it came to for each message.

use std::sync::Arc;

use saphan_schemas::message::{VerifyError, verify_acceptance, verify_envelope};
use saphan_schemas::receipt::UnverifiedReceipt;

use super::Accepted;
use super::queue::{Content, Outgoing};
use crate::hub_api::{Answer, HubApi, HubError, Submission};
use crate::keys::SystemKeys;
use crate::trusted::Trusted;

/// What an attempt needs.
pub(crate) struct Sending {
    pub(crate) hub: Arc<dyn HubApi>,
    pub(crate) trusted: Arc<Trusted>,
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
        let mut answers = match self.hub.submit(&submissions).await {
            Ok(answers) => answers.into_iter(),
            Err(error) => match <[Outgoing; 1]>::try_from(messages) {
                Ok([message]) => return Attempt::Answered(vec![(message, Err(Failure::Hub(error)))]),
                Err(messages) => return Attempt::Failed(messages, error),
            },
        };
        let mut answered = Vec::with_capacity(messages.len());
        for (message, submission) in messages.into_iter().zip(submissions) {
            let result = match answers.next().unwrap_or_else(|| Err(missing_answer())) {
                Ok(answer) => self
                    .verify(&message, &answer)
                    .await
                    .map(|receipt| Accepted::new(receipt.shared_claims(), submission.envelope, answer)),
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
                let published = self.keys.of_envelope(&stored.envelope).await.map_err(Failure::Hub)?;
                let key = published.map(|published| published.key);
                reread = verify_envelope(&stored.envelope, |_, _| key).map_err(Failure::Untrusted)?;
                &reread
            }
        };
        loop {
            let trust = self.trusted.now();
            let checkpoint = |text: &str| self.trusted.verify_checkpoint(&trust, text);
            match verify_acceptance(envelope, &answer.receipt, &answer.proof, &trust, checkpoint) {
                // The hub may have a new key.
                Err(error) if error.is_of_an_unknown_hub_key() => {
                    if !self.trusted.follow(&trust).await.map_err(Failure::Hub)? {
                        return Err(Failure::Untrusted(error));
                    }
                }
                verified => return verified.map_err(Failure::Untrusted),
            }
        }
    }
}

/// A hub that leaves out a message must not make it vanish from the queue.
fn missing_answer() -> HubError {
    HubError::Unreachable { source: "there is no answer for this message".into() }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use std::time::Duration;

    use saphan_schemas::commitment::Salt;
    use saphan_schemas::ids::{MessageId, SystemId};
    use saphan_schemas::keys::PublishedKey;
    use saphan_schemas::trust::TrustEntry;

    use super::*;
    use crate::hub_api::{HubFuture, Lease};
    use crate::journal::StoredOutgoing;
    use crate::testing::TestHub;

    /// Answers a request as if it held no message.
    struct Forgetful;

    impl HubApi for Forgetful {
        fn submit<'a>(&'a self, _: &'a [Submission]) -> HubFuture<'a, Vec<Result<Answer, HubError>>> {
            Box::pin(async { Ok(Vec::new()) })
        }

        fn lease(&self, _: u16, _: Duration) -> HubFuture<'_, Lease> {
            Box::pin(async { Err(missing_answer()) })
        }

        fn extend<'a>(&'a self, _: &'a str) -> HubFuture<'a, Duration> {
            Box::pin(async { Err(missing_answer()) })
        }

        fn release<'a>(&'a self, _: &'a str, _: &'a [u64], _: Duration) -> HubFuture<'a, ()> {
            Box::pin(async { Err(missing_answer()) })
        }

        fn acknowledge<'a>(&'a self, _: &'a str) -> HubFuture<'a, ()> {
            Box::pin(async { Err(missing_answer()) })
        }

        fn system_keys<'a>(&'a self, _: &'a SystemId) -> HubFuture<'a, Vec<PublishedKey>> {
            Box::pin(async { Err(missing_answer()) })
        }

        fn trust_entries(&self) -> HubFuture<'_, Vec<TrustEntry>> {
            Box::pin(async { Err(missing_answer()) })
        }
    }

    #[tokio::test]
    async fn a_message_that_a_hub_says_nothing_of_is_kept_to_be_sent_again() {
        let hub: Arc<dyn HubApi> = Arc::new(Forgetful);
        let trusted = Arc::new(Trusted::new(Arc::clone(&hub), TestHub::new().unwrap().trust()));
        let sending = Sending { keys: Arc::new(SystemKeys::new(Arc::clone(&hub))), hub, trusted };
        let messages = [1, 2].map(|seq| {
            let (id, salt) = (MessageId::new(), Salt::from_bytes([0; 32]));
            let content = StoredOutgoing { seq, id, envelope: String::new(), salt, body: Vec::new() };
            Outgoing { seq, id, failures: 0, content: Content::Stored(content) }
        });
        let Attempt::Answered(answered) = sending.attempt(messages.into()).await else { panic!("it was answered") };
        let kept = answered.iter().map(|(message, result)| match result {
            Err(Failure::Hub(error)) if error.is_outage() => message.seq,
            _ => panic!("message {} is not to be sent again", message.seq),
        });
        assert_eq!(kept.collect::<Vec<_>>(), [1, 2]);
    }
}
