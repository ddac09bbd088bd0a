//! The inbox that systems pull from.

use futures_util::future::join;
use saphan_schemas::b64;
use saphan_schemas::keys::PublicKey;
use saphan_schemas::problem::ProblemCode;
use saphan_schemas::registry::{Change, Entry, EntryId, Role, System, TransportKind};
use serde_json::json;

use crate::harness::{
    Answer, Evidence, LeasedMessage, Submission, TestHub, batch, eventually, in_time, sign_batch, verify,
};

#[tokio::test]
async fn a_leased_message_has_all_its_parts_and_verifies() {
    let hub = TestHub::new().await;
    let message = hub.world.application().sign(&hub.world.portal.key);
    let index = hub.accept(&message).await;
    let lease = hub.lease(&hub.world.office, 10).await;
    assert_eq!(lease.expires_in, 60);
    let [LeasedMessage { attempt: 1, .. }] = &*lease.messages else { panic!("not one message, the first time") };
    let leased = &lease.messages[0];
    let received = Submission {
        envelope: Some(leased.envelope.clone()),
        salt: Some(leased.salt.clone()),
        body: b64::decode_std(&leased.body).unwrap(),
    };
    assert_eq!((received.envelope(), &received.body), (message.envelope(), &message.body));
    let evidence = Evidence { receipt: leased.receipt.clone(), proof: leased.proof.clone() };
    assert_eq!(hub.verify(&received, &evidence).await.index, index);
}

#[tokio::test]
async fn messages_are_leased_in_the_order_of_the_log_and_no_more_than_asked_for() {
    let hub = TestHub::new().await;
    let mut indices = Vec::new();
    for _ in 0..5 {
        indices.push(hub.accept(&hub.world.message()).await);
    }
    let office = &hub.world.office;
    assert_eq!(hub.lease(office, 2).await.indices(), indices[..2]);
    assert_eq!(hub.lease(office, 256).await.indices(), indices[2..]);
    let nothing = hub.lease(office, 256).await;
    assert_eq!((nothing.lease.as_deref(), nothing.messages.len()), (None, 0));
}

#[tokio::test]
async fn a_long_poll_is_woken_by_a_message() {
    let hub = TestHub::new().await;
    let office = &hub.world.office;
    let (answer, index) = in_time(join(hub.lease_answer(office, 1, 30), async {
        eventually(async || hub.waits_for_messages(&office.id)).await;
        hub.accept(&hub.world.message()).await
    }))
    .await;
    assert_eq!(answer.json::<serde_json::Value>(200)["messages"][0]["index"], index);
}

#[tokio::test]
async fn a_long_poll_gives_nothing_to_a_key_that_is_revoked_while_it_waits() {
    let hub = TestHub::new().await;
    let revoked = Change::Revoked(EntryId::Key(hub.world.office.key.id()));
    ended_while_waiting(&hub, revoked).await.problem(ProblemCode::KeyRevoked);
}

#[tokio::test]
async fn a_long_poll_gives_nothing_to_a_system_that_takes_no_more_part_while_it_waits() {
    let hub = TestHub::new().await;
    let (id, roles) = (hub.world.office.id.clone(), [Role::Auditor].into());
    let auditor = Change::Changed(Entry::System(System { id, transport: TransportKind::Pull, roles }));
    ended_while_waiting(&hub, auditor).await.problem(ProblemCode::Forbidden);
}

/// The answer to a long poll during which the change is made, and then a message comes.
async fn ended_while_waiting(hub: &TestHub, change: Change) -> Answer {
    let office = &hub.world.office;
    let (answer, _) = in_time(join(hub.lease_answer(office, 1, 30), async {
        eventually(async || hub.waits_for_messages(&office.id)).await;
        hub.apply([change]).await;
        hub.accept(&hub.world.message()).await
    }))
    .await;
    answer
}

#[tokio::test]
async fn a_message_that_is_given_back_wakes_a_long_poll() {
    let hub = TestHub::new().await;
    let office = &hub.world.office;
    let index = hub.accept(&hub.world.message()).await;
    let lease = hub.lease(office, 1).await;
    let (answer, released) = in_time(join(hub.lease_answer(office, 1, 30), async {
        eventually(async || hub.waits_for_messages(&office.id)).await;
        hub.release(office, &json!({ "lease": lease.id() })).await
    }))
    .await;
    assert_eq!(released.status, 204);
    assert_eq!(answer.json::<serde_json::Value>(200)["messages"][0]["index"], index);
}

#[tokio::test]
async fn one_message_is_leased_to_one_of_two_that_ask_at_once() {
    let hub = TestHub::new().await;
    hub.accept(&hub.world.message()).await;
    let office = &hub.world.office;
    let (first, second) = join(hub.lease(office, 1), hub.lease(office, 1)).await;
    assert_eq!(first.messages.len() + second.messages.len(), 1);
}

#[tokio::test]
async fn a_lease_that_ends_gives_its_messages_back_and_their_next_delivery_is_the_second() {
    let hub = TestHub::new().await;
    let office = &hub.world.office;
    let index = hub.accept(&hub.world.message()).await;
    let lease = hub.lease(office, 1).await;
    hub.clock.advance(59);
    assert!(hub.lease(office, 1).await.messages.is_empty(), "it is still leased");
    hub.clock.advance(1);
    let again = hub.lease(office, 1).await;
    assert_eq!((again.messages[0].index, again.messages[0].attempt), (index, 2));
    hub.extend(office, lease.id()).await.problem(ProblemCode::LeaseLost);
    hub.release(office, &json!({ "lease": lease.id() })).await.problem(ProblemCode::LeaseLost);
}

#[tokio::test]
async fn an_extended_lease_lasts_as_long_again_from_now() {
    let hub = TestHub::new().await;
    let office = &hub.world.office;
    hub.accept(&hub.world.message()).await;
    let lease = hub.lease(office, 1).await;
    hub.clock.advance(59);
    assert_eq!(hub.extend(office, lease.id()).await.json::<serde_json::Value>(200), json!({ "expires_in": 60 }));
    hub.clock.advance(59);
    assert!(hub.lease(office, 1).await.messages.is_empty());
    hub.clock.advance(1);
    hub.extend(office, lease.id()).await.problem(ProblemCode::LeaseLost);
    assert_eq!(hub.lease(office, 1).await.messages.len(), 1);
}

#[tokio::test]
async fn some_messages_of_a_lease_may_be_given_back_for_later() {
    let hub = TestHub::new().await;
    let office = &hub.world.office;
    let kept = hub.accept(&hub.world.message()).await;
    let back = hub.accept(&hub.world.message()).await;
    let lease = hub.lease(office, 2).await;
    let answer = hub.release(office, &json!({ "lease": lease.id(), "indices": [back], "delay": 30 })).await;
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    assert!(hub.lease(office, 2).await.messages.is_empty(), "not before the delay");
    hub.clock.advance(30);
    let again = hub.lease(office, 2).await;
    assert_eq!(again.indices(), [back]);
    assert_eq!(again.messages[0].attempt, 2);
    assert_eq!(hub.extend(office, lease.id()).await.status, 200, "the other one is still leased");
    assert_eq!(lease.indices(), [kept, back]);
}

#[tokio::test]
async fn nobody_sees_or_changes_another_systems_inbox() {
    let hub = TestHub::new().await;
    let (office, portal) = (&hub.world.office, &hub.world.portal);
    hub.accept(&hub.world.message()).await;
    assert!(hub.lease(portal, 10).await.messages.is_empty());
    let lease = hub.lease(office, 1).await;
    hub.extend(portal, lease.id()).await.problem(ProblemCode::LeaseLost);
    hub.release(portal, &json!({ "lease": lease.id() })).await.problem(ProblemCode::LeaseLost);
    assert_eq!(hub.extend(office, lease.id()).await.status, 200);
}

#[tokio::test]
async fn messages_for_the_broker_cannot_be_pulled() {
    let hub = TestHub::new().await;
    hub.accept(&hub.world.message_to_archive()).await;
    assert!(hub.lease(&hub.world.archive, 10).await.messages.is_empty());
}

#[tokio::test]
async fn an_acknowledgement_ends_the_lease_and_the_message_never_comes_again() {
    let hub = TestHub::new().await;
    let office = &hub.world.office;
    let index = hub.accept(&hub.world.message()).await;
    let lease = hub.lease(office, 1).await;
    let batch = sign_batch(batch(office, &[(index, None)]), &office.key);
    assert_eq!(hub.acknowledge(office, &batch).await.status, 201);
    hub.extend(office, lease.id()).await.problem(ProblemCode::LeaseLost);
    hub.clock.advance(3600);
    assert!(hub.lease(office, 1).await.messages.is_empty());
}

#[tokio::test]
async fn a_message_is_not_delivered_after_its_not_after_and_its_sender_can_see_it() {
    let hub = TestHub::new().await;
    let message = hub.world.withdrawal().change(|claims| claims.not_after = Some(claims.iat + 100));
    let message = message.sign(&hub.world.portal.key);
    hub.accept(&message).await;
    hub.clock.advance(100);
    assert!(hub.lease(&hub.world.office, 1).await.messages.is_empty());
    let state = async || -> String {
        let shown: serde_json::Value = hub.show(&hub.world.portal, &message).await.json(200);
        shown["state"].as_str().unwrap().to_owned()
    };
    eventually(async || state().await == "expired").await;
    // It is counted once it is written.
    eventually(async || hub.get("/metrics").await.text().contains("saphan_messages_expired_total 1\n")).await;
}

#[tokio::test]
async fn a_message_that_expires_under_lease_is_still_the_receivers_to_acknowledge() {
    let hub = TestHub::new().await;
    let office = &hub.world.office;
    let message = hub.world.withdrawal().change(|claims| claims.not_after = Some(claims.iat + 10));
    let index = hub.accept(&message.sign(&hub.world.portal.key)).await;
    hub.lease(office, 1).await;
    hub.clock.advance(30);
    assert_eq!(hub.app.store.expire(hub.clock.now() * 1000).await.unwrap(), 0);
    let batch = sign_batch(batch(office, &[(index, None)]), &office.key);
    assert_eq!(hub.acknowledge(office, &batch).await.status, 201);
}

#[tokio::test]
async fn proofs_of_one_batch_all_verify() {
    let hub = TestHub::new().await;
    let messages = [hub.world.message(), hub.world.message(), hub.world.message()];
    futures_util::future::join_all(messages.iter().map(|message| hub.accept(message))).await;
    let (lease, trust) = (hub.lease(&hub.world.office, 10).await, hub.trust().await);
    let key: PublicKey = *hub.world.portal.key.public();
    for leased in lease.messages {
        let message = messages.iter().find(|message| message.envelope() == leased.envelope).unwrap();
        let evidence = Evidence { receipt: leased.receipt, proof: leased.proof };
        assert_eq!(verify(message, &evidence, &trust, |_| Some(key)).index, leased.index);
    }
}
