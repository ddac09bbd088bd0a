//! A hub killed in the one moment in which a message is the broker's and the hub has not written so.

use std::collections::BTreeSet;

use saphan_conformance::programs;
use saphan_conformance::world::{World, bodies};
use saphan_connector::{Message, Receive};
use saphan_examples::local::hub::HubProgram;
use saphan_examples::local::rabbitmq::RabbitNode;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use crate::admin::{channel, everything_is_settled, noting, published, waiting};
use crate::observer::Observer;
use crate::patience::{LIMIT, all_handled, reaches};

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_killed_after_the_broker_confirmed_and_before_it_wrote_so_repeats_messages_and_no_effect() {
    let mut broker = RabbitNode::start().await.unwrap();
    broker.kill().await.unwrap();
    let program = HubProgram::saphan_hub(programs::saphan_hub().unwrap());
    let mut world = World::start(program, Some(broker.uri().to_owned())).await.unwrap();
    let mut observer = Observer::default();
    let mut sent = BTreeSet::new();
    let sender = world.connector(&world.sender().unwrap()).unwrap().build().await.unwrap();
    for body in bodies(MESSAGES).unwrap() {
        let accepted = sender.send(world.message(body).unwrap()).await.unwrap();
        observer.receipt(accepted.receipt());
        sent.insert(accepted.id());
    }

    // Whoever holds the store's write lock keeps the hub from writing what the broker confirms, for ten seconds.
    let mut store = SqliteConnectOptions::new().filename(world.store_file()).connect().await.unwrap();
    let mut lock = store.begin_with("BEGIN IMMEDIATE").await.unwrap();
    broker.restart().await.unwrap();
    reaches("publications", sent.len() as u64, async || published(&world).await).await;
    world.hub.kill().await.unwrap();
    let unmarked: i64 =
        sqlx::query_scalar("SELECT count(*) FROM outbox WHERE published = 0").fetch_one(&mut *lock).await.unwrap();
    assert_eq!(usize::try_from(unmarked).unwrap(), sent.len(), "the hub was killed too late");
    lock.rollback().await.unwrap();
    store.close().await.unwrap();
    let inbox = world.receiver().unwrap().inbox_queue();
    let admin = channel(&broker).await;
    assert_eq!(waiting(&admin, &inbox).await as usize, sent.len());

    world.hub.restart().await.unwrap();
    reaches("publications", sent.len() as u64, async || published(&world).await).await;
    assert_eq!(waiting(&admin, &inbox).await as usize, 2 * sent.len(), "each message is there twice");
    let receiver = world.connector(&world.receiver().unwrap()).unwrap();
    let receiver = receiver.receive(Receive::Amqp { uri: broker.uri().to_owned() });
    let (receiver, handled) = noting(receiver, Message::id).await;
    all_handled(&handled, &sent).await;
    reaches("duplicates", sent.len() as u64, async || receiver.counts().duplicates).await;
    assert!(receiver.shutdown(LIMIT).await.unwrap().finished);
    let handled = handled.borrow().clone();
    assert_eq!(handled.len(), sent.len(), "an effect happened twice");
    assert_eq!(handled.into_iter().collect::<BTreeSet<_>>(), sent);
    assert_eq!(waiting(&admin, &inbox).await, 0);
    let report = observer.check_log(&world).await;
    observer.no_checkpoint_was_ever_contradicted(&world, report.size).await;
    world.stop().await.unwrap();
    everything_is_settled(&world, sent.len()).await;
    broker.stop().await.unwrap();
}

const MESSAGES: usize = 40;
