//! What everyone shares: one system alone never has all of it.

use futures_util::future::join;
use saphan_schemas::problem::ProblemCode;

use crate::harness::{Draft, LogCopy, RawSubmission, Submission, TestHub, eventually, in_time};

#[tokio::test]
async fn one_system_fills_half_of_the_queue_and_another_finds_its_place() {
    let hub = TestHub::with("[limits]\nqueue = 4").await;
    let (portal, office) = (&hub.world.portal, &hub.world.office);
    let [written, queued, also_queued, too_many] = std::array::from_fn(|_| hub.world.message());
    let other = Draft::withdrawal(&office.id, &portal.id).sign(&office.key);
    hub.store.block();
    let begun = async {
        // The writer has the first in its hands; the others wait.
        hub.store.until_blocked().await;
        join(hub.submit(&queued), hub.submit(&also_queued)).await
    };
    let beyond = async {
        hub.store.until_blocked().await;
        eventually(async || hub.app.ledger.room() == 2).await;
        hub.submit(&too_many).await.problem(ProblemCode::RateLimited);
        let others = join(hub.submit(&other), async {
            eventually(async || hub.app.ledger.room() == 1).await;
            hub.store.release();
        });
        others.await.0.accepted();
    };
    let (first, ((second, third), ())) = in_time(join(hub.submit(&written), join(begun, beyond))).await;
    for answer in [first, second, third] {
        answer.accepted();
    }
    hub.submit(&too_many).await.accepted();
    assert_eq!(LogCopy::fetch(&hub).await.messages().len(), 5);
}

#[tokio::test]
async fn one_system_holds_half_of_the_memory_for_bodies_and_another_finds_room() {
    let hub = TestHub::with("[limits]\nbody_bytes = 1048576\nbody_memory_mib = 2").await;
    let (portal, office) = (&hub.world.portal, &hub.world.office);
    let large = padded(hub.world.withdrawal(), 1_000_000).sign(&portal.key);
    let rooms = hub.app.body_memory.available_permits();
    let held = RawSubmission::begin(&hub, &large, 10).await;
    eventually(async || hub.app.body_memory.available_permits() < rooms).await;
    let more = padded(hub.world.withdrawal(), 500_000).sign(&portal.key);
    hub.submit(&more).await.problem(ProblemCode::RateLimited);
    let other = padded(Draft::withdrawal(&office.id, &portal.id), 1_000_000).sign(&office.key);
    hub.submit(&other).await.accepted();
    assert_eq!(in_time(held.finish()).await, "HTTP/1.1 201 Created");
    hub.submit(&more).await.accepted();
}

#[tokio::test]
async fn messages_of_the_public_log_that_strangers_send_again_with_their_bodies_held_back_leave_their_sender_its_room()
{
    let hub = TestHub::with("[limits]\nbody_bytes = 1048576\nbody_memory_mib = 2").await;
    let portal = &hub.world.portal;
    let replayed: Vec<Submission> = (0..8).map(|_| padded(hub.world.withdrawal(), 200_000).sign(&portal.key)).collect();
    for message in &replayed {
        hub.submit(message).await.accepted();
    }
    let rooms = hub.app.body_memory.available_permits();
    let mut held = Vec::new();
    for message in &replayed[..2] {
        let left = hub.app.body_memory.available_permits();
        held.push(RawSubmission::begin(&hub, message, 10).await);
        eventually(async || hub.app.body_memory.available_permits() < left).await;
    }
    // A quarter of its room is gone; from there on the hub asks first whether it knows them.
    for message in &replayed[2..] {
        let known = RawSubmission::begin(&hub, message, 10).await;
        assert_eq!(in_time(known.answer()).await, "HTTP/1.1 200 OK");
    }
    let large = padded(hub.world.withdrawal(), 600_000).sign(&portal.key);
    hub.submit(&large).await.accepted();
    drop(held);
    eventually(async || hub.app.body_memory.available_permits() == rooms).await;
}

fn padded(draft: Draft, bytes: usize) -> Draft {
    let body = [draft.body.clone(), vec![b' '; bytes]].concat();
    draft.with_body(body)
}
