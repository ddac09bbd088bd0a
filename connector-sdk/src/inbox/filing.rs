//! Makes verified messages durable; duplicates end here.

use std::mem;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::acknowledging::Outcome;
use super::handling::Work;
use super::{BATCH, Inbox};
use crate::journal::{Filed, InboxState, ReceivedRow};
use crate::receive::Token;
use crate::stats::Stats;

pub(super) async fn run(
    inbox: Arc<Inbox>,
    mut verified: mpsc::Receiver<Vec<ReceivedRow>>,
    filed: mpsc::Sender<Vec<Work>>,
    settled: mpsc::Sender<Outcome>,
) {
    let mut waiting = Vec::new();
    while verified.recv_many(&mut waiting, BATCH).await > 0 {
        let rows: Arc<Vec<ReceivedRow>> = Arc::new(mem::take(&mut waiting).into_iter().flatten().collect());
        let Some(states) = inbox.until_written(|| inbox.journal.receive(Arc::clone(&rows))).await else { return };
        let tokens: Vec<Token> = rows.iter().map(|row| row.token).collect();
        let (work, again) = sort(&rows, states);
        Stats::add(&inbox.stats.received, work.len());
        Stats::add(&inbox.stats.duplicates, rows.len() - work.len());
        inbox.unsettled.send_modify(|count| *count += work.len());
        inbox.transport.stored(&tokens).await;
        for outcome in again {
            if settled.send(outcome).await.is_err() {
                return;
            }
        }
        if !work.is_empty() && filed.send(work).await.is_err() {
            return;
        }
    }
}

/// What is new is handled; what was acknowledged before is acknowledged again; anything else is under way.
fn sort(rows: &[ReceivedRow], states: Vec<Filed>) -> (Vec<Work>, Vec<Outcome>) {
    let (mut work, mut again) = (Vec::new(), Vec::new());
    for (row, state) in rows.iter().zip(states) {
        match state {
            Filed::New { id } => work.push(Work::Fresh { id, received: Arc::clone(&row.received) }),
            Filed::Known(InboxState::Acknowledged(acknowledge)) => again.push(Outcome { acknowledge, again: true }),
            Filed::Known(InboxState::Pending | InboxState::Handled) => {}
        }
    }
    (work, again)
}
