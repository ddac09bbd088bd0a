//! Takes deliveries from the transport and verifies them.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::sleep;

use super::verify::{Arrival, Checked};
use super::{BATCH, Inbox, MOST_UNSETTLED};
use crate::receive::{Delivery, ReceiveError};
use crate::stats::Stats;
use crate::stop::Stop;

pub(super) async fn run(inbox: Arc<Inbox>, verified: mpsc::Sender<Vec<Arrival>>, mut stop: Stop) {
    tokio::select! {
        () = stop.given() => {}
        () = take_in(&inbox, verified) => {}
        () = inbox.transport.maintain() => {}
    }
}

async fn take_in(inbox: &Inbox, verified: mpsc::Sender<Vec<Arrival>>) {
    let mut unsettled = inbox.unsettled.subscribe();
    let mut failures = 0;
    loop {
        if unsettled.wait_for(|count| *count < MOST_UNSETTLED).await.is_err() {
            return;
        }
        match inbox.transport.next(BATCH).await {
            Ok(deliveries) => {
                failures = 0;
                if !pass_on(inbox, deliveries, &verified).await {
                    return;
                }
            }
            Err(error) => {
                failures += 1;
                wait(inbox, &error, failures).await;
            }
        }
    }
}

/// False when nobody takes messages any more.
async fn pass_on(inbox: &Inbox, deliveries: Vec<Delivery>, verified: &mpsc::Sender<Vec<Arrival>>) -> bool {
    if deliveries.is_empty() {
        return true;
    }
    let Checked { good, bad } = inbox.verifier.check(deliveries).await;
    if !bad.is_empty() {
        Stats::add(&inbox.stats.unverified, bad.len());
        inbox.transport.refuse(&bad).await;
    }
    good.is_empty() || verified.send(good).await.is_ok()
}

async fn wait(inbox: &Inbox, error: &ReceiveError, failures: u32) {
    if failures == 1 {
        tracing::warn!(%error, "no messages come in; it is tried again");
    } else {
        tracing::debug!(%error, failures, "still no messages come in");
    }
    let asked = match error {
        ReceiveError::Hub(error) => error.retry_after(),
        #[cfg(feature = "amqp")]
        _ => None,
    };
    sleep(inbox.backoff.delay(failures, asked)).await;
}
