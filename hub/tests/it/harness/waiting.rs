//! Waiting on conditions, never on time: the limit only makes a condition that never holds fail its test.

use std::future::Future;
use std::time::Duration;

use tokio::time::timeout;

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
    timeout(LIMIT, future).await.expect("it took too long")
}

/// Far longer than anything takes on the slowest machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(300);
