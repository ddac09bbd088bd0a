//! More work than the hub can hold, and the end of its work: a clear answer, and nothing half done.

use futures_util::future::{join, join3};
use saphan_schemas::problem::ProblemCode;
use serde_json::Value;

use crate::harness::{Evidence, LogCopy, RawSubmission, TestHub, eventually, in_time};

#[tokio::test]
async fn a_full_queue_is_answered_busy_and_what_waits_is_still_accepted() {
    let hub = TestHub::with("[limits]\nqueue = 1").await;
    let messages = [hub.world.message(), hub.world.message(), hub.world.message()];
    hub.store.block();
    let (first, second, third) = in_time(join3(
        hub.submit(&messages[0]),
        async {
            // The writer has the first in its hands; this one fills the queue.
            hub.store.until_blocked().await;
            hub.submit(&messages[1]).await
        },
        async {
            hub.store.until_blocked().await;
            eventually(async || hub.app.ledger.room() == 0).await;
            let answer = hub.submit(&messages[2]).await;
            hub.store.release();
            answer
        },
    ))
    .await;
    third.problem(ProblemCode::HubBusy);
    hub.verify(&messages[0], &first.accepted()).await;
    hub.verify(&messages[1], &second.accepted()).await;
    // Later it is accepted, the first time.
    hub.verify(&messages[2], &hub.submit(&messages[2]).await.accepted()).await;
    assert_eq!(LogCopy::fetch(&hub).await.messages().len(), 3);
}

#[tokio::test]
async fn bodies_beyond_the_memory_for_bodies_are_answered_busy_until_there_is_room() {
    let hub = TestHub::with("[limits]\nbody_bytes = 1048576\nbody_memory_mib = 1").await;
    let large = {
        let draft = hub.world.withdrawal();
        let body = [draft.body.clone(), vec![b' '; 1_000_000]].concat();
        draft.with_body(body).sign(&hub.world.portal.key)
    };
    let rooms = hub.app.body_memory.available_permits();
    let raw = RawSubmission::begin(&hub, &large, 10).await;
    eventually(async || hub.app.body_memory.available_permits() < rooms).await;
    let second = hub.world.withdrawal().with_body(large.body.clone()).sign(&hub.world.portal.key);
    hub.submit(&second).await.problem(ProblemCode::HubBusy);
    assert_eq!(in_time(raw.finish()).await, "HTTP/1.1 201 Created");
    eventually(async || hub.app.body_memory.available_permits() == rooms).await;
    hub.submit(&second).await.accepted();
}

#[tokio::test]
async fn a_large_message_of_the_log_that_is_replayed_with_its_body_held_back_is_answered_at_once_and_holds_no_memory() {
    let hub = TestHub::with("[limits]\nbody_bytes = 1048576\nbody_memory_mib = 1").await;
    let draft = hub.world.withdrawal();
    let body = [draft.body.clone(), vec![b' '; 1_000_000]].concat();
    let large = draft.with_body(body).sign(&hub.world.portal.key);
    hub.submit(&large).await.accepted();
    let replay = RawSubmission::begin(&hub, &large, large.body.len() - 1).await;
    assert_eq!(in_time(replay.answer()).await, "HTTP/1.1 200 OK");
    hub.submit(&hub.world.message()).await.accepted();
}

#[tokio::test]
async fn a_sender_that_goes_away_in_the_middle_of_a_body_leaves_nothing_behind() {
    let hub = TestHub::new().await;
    let (size, rooms) = (hub.size(), hub.app.body_memory.available_permits());
    let message = hub.world.message();
    let raw = RawSubmission::begin(&hub, &message, 10).await;
    eventually(async || hub.app.body_memory.available_permits() < rooms).await;
    drop(raw);
    eventually(async || hub.app.body_memory.available_permits() == rooms).await;
    assert_eq!(hub.size(), size);
    hub.submit(&message).await.accepted();
}

#[tokio::test]
async fn a_message_whose_sender_went_away_while_it_was_written_is_accepted_and_its_receipt_is_there_for_the_asking() {
    let hub = TestHub::new().await;
    let message = hub.world.message();
    hub.store.block();
    let raw = RawSubmission::begin(&hub, &message, 0).await;
    hub.store.until_blocked().await;
    drop(raw);
    hub.store.release();
    eventually(async || hub.submit(&message).await.status == 200).await;
    let evidence: Evidence = hub.submit(&message).await.json(200);
    hub.verify(&message, &evidence).await;
}

#[tokio::test]
async fn a_hub_that_is_stopping_says_so_and_ends_long_polls() {
    let hub = TestHub::new().await;
    let (poll, ()) = in_time(join(hub.lease_answer(&hub.world.office, 1, 30), async {
        eventually(async || hub.waits_for_messages(&hub.world.office.id)).await;
        hub.begin_to_stop();
    }))
    .await;
    assert_eq!(poll.json::<Value>(200)["lease"], Value::Null);
    hub.submit(&hub.world.message()).await.problem(ProblemCode::HubStopping);
    hub.get("/readyz").await.problem(ProblemCode::HubStopping);
    assert_eq!(hub.get("/livez").await.status, 200);
}

#[tokio::test]
async fn what_has_begun_before_the_hub_stops_is_finished_and_receipted() {
    let hub = TestHub::new().await;
    let (begun, half_sent) = (hub.world.message(), hub.world.message());
    let rooms = hub.app.body_memory.available_permits();
    let raw = RawSubmission::begin(&hub, &half_sent, 1).await;
    eventually(async || hub.app.body_memory.available_permits() < rooms).await;
    hub.store.block();
    let (answer, status) = in_time(join(hub.submit(&begun), async {
        hub.store.until_blocked().await;
        hub.stop_listening();
        hub.store.release();
        raw.finish().await
    }))
    .await;
    let evidence = answer.accepted();
    assert_eq!(status, "HTTP/1.1 201 Created");
    let hub = hub.stop().await.start().await;
    hub.verify(&begun, &evidence).await;
    assert_eq!(hub.submit(&half_sent).await.status, 200, "it was accepted before");
    assert_eq!(LogCopy::fetch(&hub).await.messages().len(), 2);
}
