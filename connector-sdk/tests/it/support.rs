//! What the tests share: a hub, two systems, a message.

use std::future::Future;
use std::time::Duration;

use saphan_connector::schemas::message_types::{ApplicationWithdrawn, WithdrawalReason, WithdrawnBy};
use saphan_connector::testing::TestHub;
use saphan_connector::{Connector, ConnectorBuilder, Handled, Message, OutgoingMessage, Receive};
use tokio::runtime::Runtime;

pub(crate) const PORTAL: &str = "th.dga/citizen-portal";
pub(crate) const OFFICE: &str = "th.dlt/licensing";

pub(crate) type Withdrawn = Message<ApplicationWithdrawn>;

pub(crate) fn hub() -> TestHub {
    TestHub::new().unwrap()
}

pub(crate) async fn portal(hub: &TestHub) -> Connector {
    hub.connector(PORTAL).unwrap().build().await.unwrap()
}

/// The licensing office before it has handlers; its inbox exists from now on.
pub(crate) fn office(hub: &TestHub) -> ConnectorBuilder {
    hub.connector(OFFICE).unwrap().receive(Receive::Pull)
}

/// The licensing office, content with everything.
pub(crate) async fn content_office(hub: &TestHub) -> Connector {
    office(hub).handle(|_: Withdrawn| async { Ok(Handled::Done) }).build().await.unwrap()
}

pub(crate) fn body() -> ApplicationWithdrawn {
    ApplicationWithdrawn {
        withdrawn_at: "2026-11-24T09:30:00+07:00".parse().unwrap(),
        withdrawn_by: WithdrawnBy::Applicant,
        reason: WithdrawalReason::NoLongerNeeded,
        note: None,
    }
}

pub(crate) fn withdrawal() -> OutgoingMessage {
    OutgoingMessage::new(OFFICE.parse().unwrap(), &body())
}

pub(crate) fn acknowledged(hub: &TestHub) -> usize {
    hub.acknowledgements().iter().map(|batch| batch.messages.len()).sum()
}

/// Waits on the hub, but not for ever: a condition that never holds fails its test.
pub(crate) async fn until(hub: &TestHub, condition: impl FnMut(&TestHub) -> bool) {
    in_time(hub.until(condition)).await;
}

/// Lets other tasks work until the condition holds.
pub(crate) async fn eventually<F: Future<Output = bool>>(mut condition: impl FnMut() -> F) {
    in_time(async {
        while !condition().await {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, future).await.expect("it took too long")
}

/// Far longer than anything takes on the slowest machine.
pub(crate) const LONG: Duration = Duration::from_secs(300);

/// Runs one life of a program on a runtime of its own; when `life` returns, everything in it ends where it stands, as in a
/// crash.
pub(crate) fn until_crash<T>(life: impl Future<Output = T>) -> T {
    let runtime = Runtime::new().unwrap();
    let result = runtime.block_on(life);
    drop(runtime);
    result
}
