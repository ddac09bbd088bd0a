//! Outcomes are signed in batches.

use std::sync::Arc;

use saphan_connector::Handled;
use tokio::sync::Semaphore;

use crate::support::{Withdrawn, acknowledged, eventually, hub, in_time, office, portal, until, withdrawal};

#[tokio::test]
async fn many_outcomes_go_into_few_acknowledgements() {
    let hub = hub();
    let go = Arc::new(Semaphore::new(0));
    let wait = Arc::clone(&go);
    let office = office(&hub)
        .handlers_at_once(500)
        .handle(move |_: Withdrawn| {
            let wait = Arc::clone(&wait);
            async move {
                wait.acquire().await?.forget();
                Ok(Handled::Done)
            }
        })
        .build()
        .await
        .unwrap();
    let portal = portal(&hub).await;
    for sent in futures_util::future::join_all((0..400).map(|_| portal.send(withdrawal()))).await {
        sent.unwrap();
    }
    eventually(async || office.counts().received == 400).await;
    // All are at hand before one is handed in.
    hub.outage(true);
    go.add_permits(400);
    eventually(async || office.counts().processed == 400).await;
    hub.outage(false);
    until(&hub, |hub| acknowledged(hub) == 400).await;
    let batches = hub.acknowledgements();
    // What was tried while the hub was away, and the rest as it fits into leaves.
    assert!(batches.len() <= 3, "{} batches for 400 messages", batches.len());
    let mut indices: Vec<u64> = batches.iter().flat_map(|batch| &batch.messages).map(|told| told.index).collect();
    indices.sort_unstable();
    assert_eq!(indices, (0..400).collect::<Vec<u64>>());
}

#[tokio::test]
async fn the_same_batch_is_handed_in_again_when_the_answer_is_lost() {
    let hub = hub();
    hub.hold_deliveries();
    let _office = crate::support::content_office(&hub).await;
    let portal = portal(&hub).await;
    in_time(portal.send(withdrawal())).await.unwrap();
    hub.lose_next_responses(2);
    hub.release_deliveries();
    until(&hub, |hub| acknowledged(hub) == 1 && hub.unanswered() == 2).await;
    in_time(portal.send(withdrawal())).await.unwrap();
    until(&hub, |hub| acknowledged(hub) == 2).await;
    assert_eq!(hub.acknowledgements().len(), 2);
}
