//! Messages and answers over both transports, through the real hub.

use std::sync::Arc;

use saphan_conformance::programs;
use saphan_conformance::world::{World, bodies};
use saphan_connector::{Handled, Message, Receive};
use saphan_examples::local::hub::HubProgram;
use saphan_examples::local::rabbitmq::RabbitNode;
use serde_json::Value;
use tokio::sync::watch;

use crate::observer::Observer;
use crate::patience::{LIMIT, all_handled};

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_exchanged_and_acknowledged_by_pulling() {
    let world = World::start(HubProgram::saphan_hub(programs::saphan_hub().unwrap()), None).await.unwrap();
    exchange(world, Receive::Pull).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_exchanged_and_acknowledged_by_pulling_over_https() {
    let world = World::start_over_tls(HubProgram::saphan_hub(programs::saphan_hub().unwrap())).await.unwrap();
    assert!(world.hub.url().starts_with("https://"));
    exchange(world, Receive::Pull).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_exchanged_and_acknowledged_through_rabbitmq() {
    let broker = RabbitNode::start().await.unwrap();
    let program = HubProgram::saphan_hub(programs::saphan_hub().unwrap());
    let world = World::start(program, Some(broker.uri().to_owned())).await.unwrap();
    exchange(world, Receive::Amqp { uri: broker.uri().to_owned() }).await;
    broker.stop().await.unwrap();
}

async fn exchange(mut world: World, receive: Receive) {
    let handled = Arc::new(watch::Sender::new(Vec::new()));
    let seen = Arc::clone(&handled);
    let receiver = world
        .connector(&world.receiver().unwrap())
        .unwrap()
        .receive(receive)
        .handle_any(move |message: Message<Value>| {
            let seen = Arc::clone(&seen);
            async move {
                seen.send_modify(|seen| seen.push((message.id(), message.bytes().to_vec())));
                Ok(Handled::Done)
            }
        })
        .build()
        .await
        .unwrap();
    let sender = world.connector(&world.sender().unwrap()).unwrap().build().await.unwrap();
    let mut observer = Observer::default();
    let mut sent = Vec::new();
    for body in bodies(50).unwrap() {
        let accepted = sender.send(world.message(body.clone()).unwrap()).await.unwrap();
        observer.receipt(accepted.receipt());
        sent.push((accepted.id(), body));
    }
    all_handled(&handled, &sent).await;
    assert!(receiver.shutdown(LIMIT).await.unwrap().finished);
    let mut arrived = handled.borrow().clone();
    arrived.sort();
    sent.sort();
    assert_eq!(arrived, sent, "the very bytes that were sent, once each");
    let report = observer.check_log(&world).await;
    assert_eq!((report.leaves.messages, report.leaves.processed), (50, 50));
    observer.no_checkpoint_was_ever_contradicted(&world, report.size).await;
    world.stop().await.unwrap();
}
