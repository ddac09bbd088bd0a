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
        let now = self.trust.read().unwrap_or_else(PoisonError::into_inner);
        if !std::ptr::eq(trust, &**now) {
            // Others are trusted meanwhile; it is not remembered under those.
            return Ok(checkpoint);
        }
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
        // What is new may have been taken up by who asks every so often.
        let is_new = self.ask().await? || !Arc::ptr_eq(seen, &self.now());
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

#[cfg(all(test, feature = "testing"))]
mod tests {
    use saphan_schemas::ids::SystemId;
    use saphan_schemas::keys::PublishedKey;
    use saphan_schemas::trust::TrustEntry;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::hub_api::{Answer, HubFuture, Lease, Submission};
    use crate::testing::TestHub;

    /// A hub whose answers about its keys wait until the test lets them go.
    struct Slow {
        hub: Arc<dyn HubApi>,
        asked: Semaphore,
        answers: Semaphore,
    }

    impl HubApi for Slow {
        fn submit<'a>(&'a self, messages: &'a [Submission]) -> HubFuture<'a, Vec<Result<Answer, HubError>>> {
            self.hub.submit(messages)
        }

        fn lease(&self, max: u16, wait: Duration) -> HubFuture<'_, Lease> {
            self.hub.lease(max, wait)
        }

        fn extend<'a>(&'a self, lease: &'a str) -> HubFuture<'a, Duration> {
            self.hub.extend(lease)
        }

        fn release<'a>(&'a self, lease: &'a str, indices: &'a [u64], delay: Duration) -> HubFuture<'a, ()> {
            self.hub.release(lease, indices, delay)
        }

        fn acknowledge<'a>(&'a self, batch: &'a str) -> HubFuture<'a, ()> {
            self.hub.acknowledge(batch)
        }

        fn system_keys<'a>(&'a self, system: &'a SystemId) -> HubFuture<'a, Vec<PublishedKey>> {
            self.hub.system_keys(system)
        }

        fn trust_entries(&self) -> HubFuture<'_, Vec<TrustEntry>> {
            Box::pin(async {
                self.asked.add_permits(1);
                if let Ok(answer) = self.answers.acquire().await {
                    answer.forget();
                }
                self.hub.trust_entries().await
            })
        }
    }

    #[tokio::test]
    async fn keys_that_somebody_else_took_up_meanwhile_are_new_to_who_waited_for_them() {
        let hub = TestHub::new().unwrap();
        let api = hub.api("th.dga/citizen-portal").unwrap();
        let slow = Arc::new(Slow { hub: api, asked: Semaphore::new(0), answers: Semaphore::new(0) });
        let trusted = Trusted::new(Arc::<Slow>::clone(&slow), hub.trust());
        hub.rotate_keys().unwrap();
        let seen = trusted.now();
        let (followed, asked, ()) = tokio::join!(trusted.follow(&seen), trusted.ask(), async {
            slow.asked.acquire_many(2).await.unwrap().forget();
            slow.answers.add_permits(2);
        });
        assert_ne!(*trusted.now(), *seen);
        assert!(followed.unwrap(), "whichever of the two took them up");
        asked.unwrap();
    }
}
