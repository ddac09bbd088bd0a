//! Makes verified messages durable; duplicates end here.

use std::collections::HashSet;
use std::mem;
use std::sync::Arc;

use saphan_schemas::ids::{MessageId, SystemId};
use tokio::sync::mpsc;

use super::acknowledging::Outcome;
use super::handling::Work;
use super::trying::{Left, Tried, attempts};
use super::verify::Arrival;
use super::{BATCH, Inbox};
use crate::journal::{Ending, Filed, InboxState, LogPlace, ReceivedRow, ToAcknowledge};
use crate::receive::Token;
use crate::stats::Stats;
use crate::stop::Stop;

pub(super) async fn run(
    inbox: Arc<Inbox>,
    mut verified: mpsc::Receiver<Vec<Arrival>>,
    filed: mpsc::Sender<Vec<Work>>,
    settled: mpsc::Sender<Outcome>,
    mut stop: Stop,
) {
    let mut waiting = Vec::new();
    while verified.recv_many(&mut waiting, BATCH).await > 0 {
        let arrivals: Vec<Arrival> = mem::take(&mut waiting).into_iter().flatten().collect();
        let tokens: Vec<Token> = arrivals.iter().map(|arrival| arrival.token).collect();
        let Some(Next { outcomes, work }) = file(&inbox, &arrivals, &mut stop).await else { return };
        inbox.transport.stored(&tokens).await;
        for outcome in outcomes {
            // Nobody takes it when the connector stops while the hub is away; it is handed in after the next start.
            let _ = settled.send(outcome).await;
        }
        if !work.is_empty() && filed.send(work).await.is_err() {
            return;
        }
    }
}

/// What is to be done about messages that are durable.
#[derive(Default)]
struct Next {
    outcomes: Vec<Outcome>,
    work: Vec<Work>,
}

/// `None` when the journal is closed.
async fn file(inbox: &Arc<Inbox>, arrivals: &[Arrival], stop: &mut Stop) -> Option<Next> {
    let ids: Vec<_> = arrivals.iter().map(id).collect();
    let known = inbox.until_written(|| inbox.journal.known(&ids)).await?;
    let (new, mut next) = sort(arrivals, known);
    Stats::add(&inbox.stats.duplicates, arrivals.len() - new.len());
    if new.is_empty() {
        return Some(next);
    }
    let tried = attempts(inbox, &new, stop).await;
    let (rows, left): (Vec<_>, Vec<_>) = new.iter().zip(tried).map(|(arrival, tried)| row(arrival, tried)).unzip();
    let rows = Arc::new(rows);
    let states = inbox.until_written(|| inbox.journal.receive(Arc::clone(&rows))).await?;
    Stats::add(&inbox.stats.received, new.len());
    inbox.unsettled.send_modify(|count| *count += new.len());
    for ((row, left), state) in rows.iter().zip(left).zip(states) {
        // Whatever else is there was stored by this task, which asked for it before.
        let Filed::New { id } = state else { continue };
        next.outcomes.extend(row.ended.as_ref().map(|ended| outcome(inbox, id, row, ended)));
        next.work.extend(left.map(|left| Work { id, received: Arc::clone(&row.received), left }));
    }
    Some(next)
}

fn id(arrival: &Arrival) -> (&SystemId, MessageId) {
    (&arrival.received.claims.iss, arrival.received.claims.jti)
}

/// What is new; what was acknowledged before is acknowledged again; anything else is under way.
fn sort(arrivals: &[Arrival], known: Vec<Option<InboxState>>) -> (Vec<&Arrival>, Next) {
    let (mut new, mut next, mut ids) = (Vec::new(), Next::default(), HashSet::new());
    for (arrival, known) in arrivals.iter().zip(known) {
        match known {
            None if ids.insert(id(arrival)) => new.push(arrival),
            Some(InboxState::Acknowledged { id, code }) => {
                // The hub gives a message one receipt for ever.
                let place = LogPlace::of(&arrival.received.receipt);
                next.outcomes.push(Outcome { acknowledge: ToAcknowledge { id, place, code }, again: true });
            }
            None | Some(InboxState::Pending | InboxState::Handled) => {}
        }
    }
    (new, next)
}

/// What is stored of a message, and what is left to do about it unless it has ended.
fn row(arrival: &Arrival, tried: Tried) -> (ReceivedRow, Option<Left>) {
    let (ended, left) = match tried.ended() {
        Ok(ending) => (Some(ending), None),
        Err(left) => (None, Some(left)),
    };
    (ReceivedRow { received: Arc::clone(&arrival.received), ended }, left)
}

fn outcome(inbox: &Inbox, id: i64, row: &ReceivedRow, ended: &Ending) -> Outcome {
    inbox.stats.ended(ended.code.is_some());
    let place = LogPlace::of(&row.received.receipt);
    Outcome { acknowledge: ToAcknowledge { id, place, code: ended.code.clone() }, again: false }
}
