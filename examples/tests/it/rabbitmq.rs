#![expect(clippy::unwrap_used, reason = "a test helper that fails should end its test")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use saphan_examples::local::rabbitmq::RabbitNode;
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread")]
async fn a_message_in_a_quorum_queue_survives_a_killed_broker() {
    let mut node = RabbitNode::start().await.unwrap();
    assert!(node.version().starts_with(|c: char| c.is_ascii_digit()), "{}", node.version());
    assert!(node.rss_bytes().unwrap() > 10_000_000);
    assert!(node.cpu_seconds().unwrap() > 0.1);

    let channel = channel(&node).await;
    declare(&channel).await;
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let properties = BasicProperties::default().with_delivery_mode(2);
    let confirm = channel
        .basic_publish("".into(), "kept".into(), BasicPublishOptions::default(), b"still here", properties)
        .await
        .unwrap();
    assert!(confirm.await.unwrap().is_ack());

    node.registered("kept").await.unwrap();
    let first = node.pid().unwrap();
    node.kill().await.unwrap();
    assert_eq!(node.pid(), None);
    assert!(node.cpu_seconds().is_err());
    node.restart().await.unwrap();
    assert_ne!(node.pid().unwrap(), first);

    let channel = self::channel(&node).await;
    declare(&channel).await;
    let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
    let mut consumer = channel.basic_consume("kept".into(), "test".into(), options, none).await.unwrap();
    assert_eq!(consumer.next().await.unwrap().unwrap().data, b"still here");
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_run_side_by_side_and_leave_nothing_behind() {
    let (one, other) = tokio::join!(RabbitNode::start(), RabbitNode::start());
    let (one, other) = (one.unwrap(), other.unwrap());
    declare(&channel(&one).await).await;
    declare(&channel(&other).await).await;
    let folders = [one.folder().to_owned(), other.folder().to_owned()];
    assert!(folders.iter().all(|folder| mentioned_by_a_process(folder)));

    drop(one);
    let panicked = tokio::spawn(async move {
        let _held = other;
        panic!("a test that fails");
    });
    assert!(panicked.await.unwrap_err().is_panic());

    for folder in folders {
        // The node's helpers that left its process group end by themselves, once their node is gone.
        let ends = async {
            while mentioned_by_a_process(&folder) {
                tokio::task::yield_now().await;
            }
        };
        assert!(timeout(ENDS_WITHIN, ends).await.is_ok(), "a process is left of {}", folder.display());
        assert!(!folder.exists());
    }
}

async fn channel(node: &RabbitNode) -> Channel {
    let connection = Connection::connect(node.uri(), ConnectionProperties::default()).await.unwrap();
    connection.create_channel().await.unwrap()
}

async fn declare(channel: &Channel) {
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    channel.queue_declare("kept".into(), options, arguments).await.unwrap();
}

/// Long enough for a busy machine.
const ENDS_WITHIN: Duration = Duration::from_secs(300);

/// Every process of a node has the node's folder as its `HOME`.
fn mentioned_by_a_process(folder: &Path) -> bool {
    let home = format!("HOME={}\0", folder.display());
    fs::read_dir("/proc").unwrap().any(|entry| {
        fs::read(entry.unwrap().path().join("environ"))
            .is_ok_and(|environment| environment.windows(home.len()).any(|window| window == home.as_bytes()))
    })
}
