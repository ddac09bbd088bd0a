//! Makes outcomes durable, and the replies that go with them, all or nothing.

use std::mem;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::sleep;

use super::acknowledging::Outcome;
use super::{BATCH, Inbox};
use crate::journal::{JournalError, Settled};

pub(super) async fn run(inbox: Arc<Inbox>, mut handled: mpsc::Receiver<Settled>, settled: mpsc::Sender<Outcome>) {
    let mut waiting = Vec::new();
    while handled.recv_many(&mut waiting, BATCH).await > 0 {
        let rows = Arc::new(mem::take(&mut waiting));
        if inbox.until_written(|| inbox.journal.settle(Arc::clone(&rows))).await.is_none() {
            return;
        }
        for row in rows.iter() {
            inbox.stats.ended(row.acknowledge.code.is_some());
            let outcome = Outcome { acknowledge: row.acknowledge.clone(), again: false };
            // Nobody takes it when the connector stops while the hub is away; it is handed in after the next start.
            let _ = settled.send(outcome).await;
        }
    }
}

impl Inbox {
    /// Writes to the journal until it succeeds; `None` when the journal is closed.
    pub(super) async fn until_written<T, F>(&self, mut write: impl FnMut() -> F) -> Option<T>
    where
        F: Future<Output = Result<T, JournalError>>,
    {
        let mut failures = 0;
        loop {
            match write().await {
                Ok(written) => return Some(written),
                Err(JournalError::Closed | JournalError::Interrupted) => return None,
                // The writer has logged why.
                Err(_) => failures += 1,
            }
            sleep(self.backoff.delay(failures, None)).await;
        }
    }
}
