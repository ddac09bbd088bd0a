//! What an administrator can see and do: the broker's queues, the hub's metrics, the hub's store.

use std::sync::Arc;

use lapin::message::Delivery;
use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ConnectionProperties};
use saphan_conformance::world::World;
use saphan_connector::{Connector, ConnectorBuilder, Handled, Message};
use saphan_examples::local::rabbitmq::RabbitNode;
use serde_json::Value;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;
use tokio::sync::watch;

/// A channel of an own connection, with all rights.
pub(crate) async fn channel(node: &RabbitNode) -> Channel {
    let connection = Connection::connect(node.uri(), ConnectionProperties::default()).await.unwrap();
    connection.create_channel().await.unwrap()
}

/// A header of text.
pub(crate) fn header(delivery: &Delivery, name: &str) -> Option<String> {
    match delivery.properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::LongString(text) => Some(text.to_string()),
        _ => None,
    }
}

/// How many messages of a queue wait for a receiver.
pub(crate) async fn waiting(channel: &Channel, queue: &str) -> u32 {
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), passive, FieldTable::default()).await.unwrap().message_count()
}

/// An HTTP client that believes the hub.
pub(crate) fn client(world: &World) -> reqwest::Client {
    world.hub.address().secure(reqwest::Client::builder().no_proxy()).unwrap().build().unwrap()
}

/// How many publications the broker has confirmed to the hub that runs, by its metrics.
pub(crate) async fn published(world: &World) -> u64 {
    metric(world, "saphan_messages_published_total").await
}

/// A metric of the hub that runs.
pub(crate) async fn metric(world: &World, name: &str) -> u64 {
    let answer = client(world).get(format!("{}/metrics", world.hub.url())).send().await.unwrap();
    let metrics = answer.error_for_status().unwrap().text().await.unwrap();
    let value = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(' ')?.to_owned());
    metrics.lines().find_map(value).unwrap().parse().unwrap()
}

/// Builds a receiver that is content with everything, and notes of each message what `note` takes from it.
pub(crate) async fn noting<T: Send + Sync + 'static>(
    receiver: ConnectorBuilder,
    note: impl Fn(&Message<Value>) -> T + Send + Sync + 'static,
) -> (Connector, Arc<watch::Sender<Vec<T>>>) {
    let handled = Arc::new(watch::Sender::new(Vec::new()));
    let seen = Arc::clone(&handled);
    let receiver = receiver.handle_any(move |message: Message<Value>| {
        seen.send_modify(|seen| seen.push(note(&message)));
        async { Ok(Handled::Done) }
    });
    (receiver.build().await.unwrap(), handled)
}

/// In the store of a stopped hub: as many messages as receipts, each processed, and nothing left to deliver. A message that
/// came twice was acknowledged twice, so the log's acknowledgements do not tell.
pub(crate) async fn everything_is_settled(world: &World, receipts: usize) {
    let mut store = SqliteConnectOptions::new().filename(world.store_file()).connect().await.unwrap();
    let count = |sql: &'static str| sqlx::query_scalar::<_, i64>(sql);
    let messages = count("SELECT count(*) FROM message").fetch_one(&mut store).await.unwrap();
    let processed = count("SELECT count(*) FROM message WHERE state = 2").fetch_one(&mut store).await.unwrap();
    let outbox = count("SELECT count(*) FROM outbox").fetch_one(&mut store).await.unwrap();
    assert_eq!((messages, processed, outbox), (i64::try_from(receipts).unwrap(), messages, 0));
}
