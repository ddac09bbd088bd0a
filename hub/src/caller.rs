//! Who the request that is being answered proved to be from: for the log, and for the patience with who proves nothing.

use std::cell::OnceCell;

use saphan_schemas::ids::SystemId;
use tokio::task_local;

/// Answers a request; returns also the system that it proved to be from, if it did.
pub async fn watch<T>(answer: impl Future<Output = T>) -> (T, Option<SystemId>) {
    PROVEN
        .scope(OnceCell::new(), async {
            let answered = answer.await;
            (answered, PROVEN.with(|proven| proven.get().cloned()))
        })
        .await
}

/// Notes that the request is this system's: a signature made for it has shown it. Outside a request it does nothing.
pub fn proven(system: &SystemId) {
    // The first proof counts; another one of the same request is of the same system.
    let _ = PROVEN.try_with(|proven| proven.set(system.clone()));
}

task_local! {
    static PROVEN: OnceCell<SystemId>;
}
