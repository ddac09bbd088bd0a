//! Waiting with a limit: what never happens fails its test and says what is missing.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use saphan_schemas::ids::MessageId;
use tokio::sync::watch;
use tokio::time::timeout;

/// What a test keeps of a message that was handled.
pub(crate) trait Kept {
    /// Which message it was.
    fn id(&self) -> MessageId;
}

impl Kept for MessageId {
    fn id(&self) -> MessageId {
        *self
    }
}

/// With its body.
impl Kept for (MessageId, Vec<u8>) {
    fn id(&self) -> MessageId {
        self.0
    }
}

/// Waits for something; a test that waits in vain fails with what `missing` says.
pub(crate) async fn in_time<T>(awaited: impl Future<Output = T>, missing: impl FnOnce() -> String) -> T {
    match timeout(LIMIT, awaited).await {
        Ok(came) => came,
        Err(_) => panic!("waited {LIMIT:?} in vain: {}", missing()),
    }
}

/// Looks until there are so many.
pub(crate) async fn reaches(what: &str, wanted: u64, mut count: impl AsyncFnMut() -> u64) {
    let mut last = 0;
    let looking = async {
        while last < wanted {
            tokio::task::yield_now().await;
            last = count().await;
        }
    };
    let reached = timeout(LIMIT, looking).await.is_ok();
    assert!(reached, "waited {LIMIT:?} in vain: {last} of {wanted} {what}");
}

/// Waits until as many messages were handled as have a receipt. The limit is for each pause, so that it does not depend on
/// how many there are.
pub(crate) async fn all_handled<'a, T: Kept + 'a>(
    handled: &watch::Sender<Vec<T>>,
    sent: impl IntoIterator<Item = &'a T>,
) {
    let sent: BTreeSet<MessageId> = sent.into_iter().map(Kept::id).collect();
    let mut handled = handled.subscribe();
    while handled.borrow_and_update().len() < sent.len() {
        let more = timeout(LIMIT, handled.changed()).await;
        assert!(
            more.is_ok(),
            "waited {LIMIT:?} in vain: {}",
            never_handled(&sent, handled.borrow().iter().map(Kept::id))
        );
    }
}

/// The messages that are missing among those that were handled, in words.
pub(crate) fn never_handled(sent: &BTreeSet<MessageId>, handled: impl Iterator<Item = MessageId>) -> String {
    let handled: BTreeSet<_> = handled.collect();
    let missing: Vec<_> = sent.difference(&handled).map(ToString::to_string).collect();
    format!("{} of {} messages with a receipt were never handled: {}", missing.len(), sent.len(), missing.join(", "))
}

/// Long enough for a slow machine; it only makes a wait in vain fail its test.
pub(crate) const LIMIT: Duration = Duration::from_secs(300);

#[test]
fn a_wait_in_vain_names_the_messages_that_were_never_handled() {
    let (handled, lost) = (MessageId::new(), MessageId::new());
    let told = never_handled(&BTreeSet::from([handled, lost]), std::iter::once(handled));
    assert_eq!(told, format!("1 of 2 messages with a receipt were never handled: {lost}"));
}
