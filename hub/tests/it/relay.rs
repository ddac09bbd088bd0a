//! The relay to the broker: at least once, never lost, always the same message id.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::future::join_all;
use saphan_hub::routing::transport::PublishError;
use saphan_schemas::b64;
use saphan_schemas::registry::{Change, Entry, System, TransportKind, just_a_system};
use serde_json::Value;

use crate::harness::{Evidence, ScriptedTransport, Submission, TestHub, batch, eventually, sign_batch};

#[tokio::test]
async fn a_message_is_published_with_all_its_parts_and_shown_as_delivered() {
    let broker = Arc::new(ScriptedTransport::new());
    let hub = TestHub::with_broker(&broker).await;
    let message = hub.world.message_to_archive();
    let index = hub.accept(&message).await;
    broker.until(|seen| seen.confirmed.len() == 1).await;
    let dispatch = broker.seen(|seen| seen.tried[0].clone());
    let envelope = message.verified(&hub.world.portal.key);
    let claims = envelope.claims();
    assert_eq!((dispatch.index, &*dispatch.claims), (index, claims));
    let received = Submission { envelope: Some(dispatch.envelope), salt: Some(dispatch.salt), body: dispatch.body };
    let evidence = Evidence { receipt: dispatch.receipt, proof: dispatch.proof };
    assert_eq!(hub.verify(&received, &evidence).await.index, index);
    eventually(async || state(&hub, &message).await == "delivered").await;
    assert_eq!(b64::encode_std(&received.body), b64::encode_std(&message.body));
}

#[tokio::test]
async fn inboxes_are_declared_before_the_first_message_and_when_a_system_joins() {
    let broker = Arc::new(ScriptedTransport::new());
    let hub = TestHub::with_broker(&broker).await;
    broker.until(|seen| seen.declared == [hub.world.archive.id.clone()]).await;
    let joined = System {
        id: "th.dopa/second-archive".parse().unwrap(),
        transport: TransportKind::Amqp,
        roles: just_a_system(),
    };
    hub.apply([Change::Added(Entry::System(joined.clone()))]).await;
    hub.app.wakeups.relay().notify_one();
    broker.until(|seen| seen.declared == [hub.world.archive.id.clone(), joined.id.clone()]).await;
}

#[tokio::test]
async fn what_is_not_confirmed_is_published_again_after_a_pause_under_the_same_id() {
    for error in [PublishError::Unroutable, PublishError::Rejected, PublishError::Unknown, PublishError::Unavailable] {
        let broker = Arc::new(ScriptedTransport::new());
        let hub = TestHub::with_broker(&broker).await;
        broker.fail_next([error]);
        let message = hub.world.message_to_archive();
        hub.accept(&message).await;
        broker.until(|seen| seen.tried.len() == 1).await;
        eventually(async || failures(&hub).await == 1).await;
        hub.app.wakeups.relay().notify_one();
        assert_eq!(state(&hub, &message).await, "accepted", "{error}");
        hub.clock.advance(1);
        hub.app.wakeups.relay().notify_one();
        broker.until(|seen| seen.confirmed.len() == 1).await;
        let ids = broker.seen(|seen| seen.tried.iter().map(|dispatch| dispatch.claims.jti).collect::<Vec<_>>());
        assert_eq!(ids, [message.id(), message.id()], "{error}");
    }
}

#[tokio::test]
async fn a_damaged_body_is_put_off_and_holds_up_no_other() {
    let broker = Arc::new(ScriptedTransport::new());
    let hub = TestHub::with_broker(&broker).await;
    broker.fail_next([PublishError::Rejected; 2]);
    let (damaged, whole) = (hub.world.message_to_archive(), hub.world.message_to_archive());
    let place = i64::try_from(hub.accept(&damaged).await).unwrap();
    hub.accept(&whole).await;
    eventually(async || failures(&hub).await == 2).await;
    let mut connection = hub.store_file().await;
    let damage = "UPDATE parts SET body = zeroblob(length(body)) WHERE idx = ?1";
    sqlx::query(damage).bind(place).execute(&mut connection).await.unwrap();
    sqlx::Connection::close(connection).await.unwrap();
    hub.clock.advance(1);
    hub.app.wakeups.relay().notify_one();
    broker.until(|seen| seen.confirmed.len() == 1).await;
    let tried = broker.seen(|seen| seen.tried.iter().map(|dispatch| dispatch.claims.jti).collect::<Vec<_>>());
    assert_eq!(tried, [damaged.id(), whole.id(), whole.id()]);
    let mut connection = hub.store_file().await;
    let now = i64::try_from(saphan_hub::clock::Clock::now_ms(&*hub.clock)).unwrap();
    let due = sqlx::query_scalar::<_, i64>("SELECT due FROM outbox WHERE idx = ?1").bind(place);
    assert_eq!(due.fetch_one(&mut connection).await.unwrap(), now + 300_000, "it is looked at again later");
}

#[tokio::test]
async fn pauses_grow_and_no_message_is_tried_before_its_time() {
    let broker = Arc::new(ScriptedTransport::new());
    let hub = TestHub::with_broker(&broker).await;
    broker.fail_next([PublishError::Rejected; 3]);
    hub.accept(&hub.world.message_to_archive()).await;
    for (tries, pause) in (1..).zip([0, 1, 2, 4]) {
        // Up to a moment before, nothing is due.
        if pause > 0 {
            hub.clock.advance(pause - 1);
            assert!(due(&hub).await.is_empty(), "{pause}");
            hub.clock.advance(1);
        }
        hub.app.wakeups.relay().notify_one();
        broker.until(|seen| seen.tried.len() == tries).await;
        eventually(async || due(&hub).await.is_empty()).await;
    }
    assert_eq!(broker.seen(|seen| seen.confirmed.len()), 1);
}

#[tokio::test]
async fn one_message_that_fails_does_not_hold_up_the_others() {
    let broker = Arc::new(ScriptedTransport::new());
    let hub = TestHub::with_broker(&broker).await;
    broker.fail_next([PublishError::Rejected]);
    let first = hub.world.message_to_archive();
    hub.accept(&first).await;
    broker.until(|seen| seen.tried.len() == 1).await;
    let second = hub.world.message_to_archive();
    hub.accept(&second).await;
    broker.until(|seen| seen.confirmed == [second.id()]).await;
}

#[tokio::test]
async fn with_a_broker_that_is_down_messages_are_accepted_and_none_is_lost() {
    let broker = Arc::new(ScriptedTransport::new());
    broker.set_up(false);
    let hub = TestHub::with_broker(&broker).await;
    let messages: Vec<_> = (0..100).map(|_| hub.world.message_to_archive()).collect();
    join_all(messages.iter().map(|message| hub.accept(message))).await;
    assert_eq!(hub.get("/readyz").await.status, 200, "the hub is ready all the same");
    assert!(hub.get("/metrics").await.text().contains("saphan_outbox_amqp 100\n"));
    eventually(async || hub.get("/metrics").await.text().contains("saphan_broker_up 0\n")).await;
    broker.set_up(true);
    hub.app.wakeups.relay().notify_one();
    broker.until(|seen| seen.confirmed.len() == 100).await;
    let confirmed: HashSet<_> = broker.seen(|seen| seen.confirmed.iter().copied().collect());
    assert_eq!(confirmed, messages.iter().map(Submission::id).collect());
    eventually(async || hub.get("/metrics").await.text().contains("saphan_outbox_amqp 0\n")).await;
}

#[tokio::test]
async fn a_message_that_came_while_the_broker_was_away_goes_out_when_it_is_back_and_nothing_else_comes() {
    let broker = Arc::new(ScriptedTransport::new());
    let hub = TestHub::with_broker(&broker).await;
    let (before, meanwhile) = (hub.world.message_to_archive(), hub.world.message_to_archive());
    hub.accept(&before).await;
    // Settled: nothing but the clock makes the relay look from now on.
    eventually(async || state(&hub, &before).await == "delivered").await;
    broker.set_up(false);
    hub.accept(&meanwhile).await;
    // The relay has heard of it and could do nothing.
    eventually(async || hub.get("/metrics").await.text().contains("saphan_broker_up 0\n")).await;
    broker.set_up(true);
    broker.until(|seen| seen.confirmed == [before.id(), meanwhile.id()]).await;
}

#[tokio::test]
async fn what_is_in_the_store_only_goes_out_although_the_store_failed_when_it_was_looked_for() {
    let broker = Arc::new(ScriptedTransport::new());
    let hub = TestHub::with_broker(&broker).await;
    let before = hub.world.message_to_archive();
    hub.accept(&before).await;
    eventually(async || state(&hub, &before).await == "delivered").await;
    broker.set_up(false);
    // Together more than is handed to the relay beside the store.
    let (portal, archive) = (&hub.world.portal, &hub.world.archive);
    let large = || {
        let draft = crate::harness::Draft::withdrawal(&portal.id, &archive.id);
        let body = [draft.body.clone(), vec![b' '; 9 << 20]].concat();
        draft.with_body(body).sign(&portal.key)
    };
    let messages = [large(), large()];
    for message in &messages {
        hub.accept(message).await;
    }
    hub.store.set_down(true);
    broker.set_up(true);
    hub.app.wakeups.relay().notify_one();
    let failed = hub.store.looks_failed();
    eventually(async || hub.store.looks_failed() > failed).await;
    hub.store.set_down(false);
    broker.until(|seen| messages.iter().all(|message| seen.confirmed.contains(&message.id()))).await;
}

#[tokio::test]
async fn what_waits_for_the_broker_outlives_a_restart() {
    let broker = Arc::new(ScriptedTransport::new());
    broker.set_up(false);
    let hub = TestHub::with_broker(&broker).await;
    let message = hub.world.message_to_archive();
    hub.accept(&message).await;
    let site = hub.stop().await;
    broker.set_up(true);
    let _hub = site.start_with(Some(Arc::clone(&broker))).await;
    broker.until(|seen| seen.confirmed == [message.id()]).await;
}

#[tokio::test]
async fn what_the_broker_confirmed_just_before_a_hub_stops_is_not_published_again_after_its_start() {
    let broker = Arc::new(ScriptedTransport::new());
    let hub = TestHub::with_broker(&broker).await;
    hub.accept(&hub.world.message_to_archive()).await;
    broker.until(|seen| seen.confirmed.len() == 1).await;
    let hub = hub.stop().await.start_with(None).await;
    assert!(due(&hub).await.is_empty());
}

#[tokio::test]
async fn what_was_confirmed_and_never_acknowledged_is_published_again_and_what_was_acknowledged_is_not() {
    let broker = Arc::new(ScriptedTransport::new());
    let hub = TestHub::with_broker(&broker).await;
    let (lost, processed) = (hub.world.message_to_archive(), hub.world.message_to_archive());
    hub.accept(&lost).await;
    let index = hub.accept(&processed).await;
    broker.until(|seen| seen.confirmed.len() == 2).await;
    eventually(async || state(&hub, &processed).await == "delivered").await;
    eventually(async || state(&hub, &lost).await == "delivered").await;
    let archive = &hub.world.archive;
    hub.acknowledge(archive, &sign_batch(batch(archive, &[(index, None)]), &archive.key)).await.json::<Value>(201);
    hub.clock.advance(3600);
    hub.app.wakeups.relay().notify_one();
    broker.until(|seen| seen.confirmed.len() == 3).await;
    assert_eq!(broker.seen(|seen| seen.confirmed[2]), lost.id());
    assert_eq!(state(&hub, &processed).await, "processed");
}

#[tokio::test]
async fn a_message_is_not_published_after_its_not_after() {
    let broker = Arc::new(ScriptedTransport::new());
    broker.set_up(false);
    let hub = TestHub::with_broker(&broker).await;
    let draft = crate::harness::Draft::withdrawal(&hub.world.portal.id, &hub.world.archive.id);
    let expiring = draft.change(|claims| claims.not_after = Some(claims.iat + 10)).sign(&hub.world.portal.key);
    let lasting = hub.world.message_to_archive();
    hub.accept(&expiring).await;
    hub.accept(&lasting).await;
    hub.clock.advance(10);
    broker.set_up(true);
    hub.app.wakeups.relay().notify_one();
    broker.until(|seen| seen.confirmed == [lasting.id()]).await;
    // Until then it could be at the broker, and not be marked yet.
    hub.clock.advance(5);
    eventually(async || state(&hub, &expiring).await == "expired").await;
}

async fn state(hub: &TestHub, message: &Submission) -> String {
    let shown: Value = hub.show(&hub.world.portal, message).await.json(200);
    shown["state"].as_str().unwrap().to_owned()
}

async fn failures(hub: &TestHub) -> u64 {
    let metrics = hub.get("/metrics").await;
    let line = metrics.text().lines().find_map(|line| line.strip_prefix("saphan_publish_failures_total "));
    line.unwrap().parse().unwrap()
}

async fn due(hub: &TestHub) -> Vec<saphan_hub::store::Pending> {
    use saphan_hub::store::{Deliveries, Limit};

    hub.app
        .store
        .due(Deliveries::All, hub.clock.now() * 1000, Limit { rows: 10, bytes: 1 << 20 })
        .await
        .unwrap()
        .messages
}
