//! Nothing that does not verify reaches a handler.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use saphan_connector::testing::Part;
use saphan_connector::trust::Trust;
use saphan_connector::{Handled, Receive, SendError, Status};

use crate::support::{
    OFFICE, PORTAL, Withdrawn, acknowledged, content_office, eventually, hub, in_time, office, portal, until,
    withdrawal,
};

#[tokio::test]
async fn a_message_with_a_changed_part_never_reaches_a_handler() {
    for part in [Part::Body, Part::Salt, Part::Envelope, Part::Receipt, Part::Proof] {
        let hub = hub();
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&runs);
        let office = office(&hub)
            .handle(move |_: Withdrawn| {
                counted.fetch_add(1, Ordering::SeqCst);
                async { Ok(Handled::Done) }
            })
            .build()
            .await
            .unwrap();
        hub.corrupt_next_delivery(part);
        let portal = portal(&hub).await;
        in_time(portal.send(withdrawal())).await.unwrap();
        eventually(async || office.counts().unverified == 1).await;
        assert_eq!((runs.load(Ordering::SeqCst), acknowledged(&hub)), (0, 0), "{part:?}");
        // It was given back; the next delivery is intact.
        hub.expire_leases();
        until(&hub, |hub| acknowledged(hub) == 1).await;
        assert_eq!(runs.load(Ordering::SeqCst), 1, "{part:?}");
    }
}

#[tokio::test]
async fn messages_wait_when_their_senders_key_cannot_be_fetched() {
    let hub = hub();
    let office = content_office(&hub).await;
    hub.hold_deliveries();
    let portal = portal(&hub).await;
    in_time(portal.send(withdrawal())).await.unwrap();
    hub.fail_key_requests(3);
    hub.release_deliveries();
    until(&hub, |hub| acknowledged(hub) == 1).await;
    assert_eq!(office.counts().unverified, 0);
}

#[tokio::test]
async fn new_keys_of_the_hub_are_followed_when_its_operator_vouches_for_them() {
    let hub = hub();
    let office = content_office(&hub).await;
    let portal = portal(&hub).await;
    in_time(portal.send(withdrawal())).await.unwrap();
    hub.rotate_keys().unwrap();
    in_time(portal.send(withdrawal())).await.unwrap();
    until(&hub, |hub| acknowledged(hub) == 2).await;
    assert_eq!(office.counts().unverified, 0, "the receiver followed too, and lost nothing");
}

#[tokio::test]
async fn what_is_said_to_stand_behind_the_end_of_a_hub_key_is_refused_once_the_end_is_known() {
    let hub = hub();
    let office = hub.connector(OFFICE).unwrap().receive(Receive::Pull).hub_keys_every(Duration::from_millis(5));
    let office = office.handle(async |_: Withdrawn| Ok(Handled::Done)).build().await.unwrap();
    let portal = hub.connector(PORTAL).unwrap().hub_keys_every(Duration::from_millis(5)).build().await.unwrap();
    let before = in_time(portal.send(withdrawal())).await.unwrap();
    until(&hub, |hub| acknowledged(hub) == 1).await;
    hub.revoke_keys().unwrap();
    // A thief of both keys has everything but the hub's log.
    eventually(async || matches!(portal.send(withdrawal()).await, Err(SendError::Untrusted { .. }))).await;
    // The office may have learnt of it later than the portal, and taken what came until then.
    eventually(async || {
        portal.enqueue(withdrawal()).await.unwrap();
        office.counts().unverified > 0
    })
    .await;
    assert_eq!(portal.status(before.id()).await.unwrap(), Some(Status::Accepted(before)), "what stood before stands");
}

#[tokio::test]
async fn who_does_not_know_the_operator_trusts_no_new_key_of_the_hub() {
    let hub = hub();
    let trust = Trust { operators: Vec::new(), ..hub.trust() };
    let portal = hub.connector(PORTAL).unwrap().trust(trust).build().await.unwrap();
    let office = content_office(&hub).await;
    hub.rotate_keys().unwrap();
    let error = in_time(portal.send(withdrawal())).await.unwrap_err();
    assert!(matches!(error, SendError::Untrusted { .. }), "{error}");
    drop(office);
}
