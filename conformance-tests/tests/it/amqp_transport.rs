//! The hub's AMQP transport, on a real broker.

#![expect(clippy::unwrap_used, reason = "a test helper that fails should end its test")]

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use lapin::Consumer;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable};
use saphan_examples::local::rabbitmq::RabbitNode;
use saphan_hub::routing::amqp::{AmqpConfig, AmqpTransport};
use saphan_hub::routing::transport::{Dispatch, PublishError, Transport as _};
use saphan_schemas::commitment::{BodyCommitment, Salt};
use saphan_schemas::ids::{CaseId, MessageId, SystemId};
use serde_json::json;
use tokio::sync::Mutex;

use crate::admin::{channel, header};
use crate::patience::in_time;

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmed_message_arrives_with_all_its_properties_and_headers() {
    let node = shared_node().await;
    let transport = connected(&node).await;
    let recipient = system("th.dopa/properties");
    transport.ensure_inbox(&recipient).await.unwrap();
    let mut inbox = Inbox::open(&node, &recipient).await;

    let sent = dispatch(&recipient);
    assert_eq!(transport.publish(sent.clone()).await, Ok(()));
    let arrived = inbox.next().await;

    assert_eq!(arrived.data, sent.body);
    assert_eq!((arrived.exchange.as_str(), arrived.routing_key.as_str()), ("saphan.deliver", recipient.as_str()));
    let properties = &arrived.properties;
    let text = |value: &Option<lapin::types::ShortString>| value.as_ref().map(ToString::to_string);
    assert_eq!(text(properties.message_id()), Some(sent.claims.jti.to_string()));
    assert_eq!(text(properties.correlation_id()), sent.claims.case.map(|case| case.to_string()));
    assert_eq!(text(properties.kind()).as_deref(), Some("application.submitted"));
    assert_eq!(text(properties.content_type()).as_deref(), Some("application/json"));
    assert_eq!(properties.timestamp(), &Some(sent.claims.iat));
    assert_eq!(properties.delivery_mode(), &Some(2));
    assert!(node.uri().contains(&format!("//{}:", text(properties.user_id()).unwrap())), "the hub's login");
    let headers = [
        ("saphan-envelope", sent.envelope.as_str()),
        ("saphan-salt", &sent.salt),
        ("saphan-receipt", &sent.receipt),
        ("saphan-proof", &sent.proof),
        ("saphan-reply-to", &sent.claims.reply_to.unwrap().to_string()),
        ("saphan-service", "th.dlt.driving-licence-renewal"),
        ("cloudEvents_specversion", "1.0"),
        ("cloudEvents_id", &sent.claims.jti.to_string()),
        ("cloudEvents_source", "th.dga/citizen-portal"),
        ("cloudEvents_time", "2023-11-14T22:13:20Z"),
        ("cloudEvents_type", "application.submitted"),
        ("cloudEvents_dataschema", "urn:saphan:schema:application.submitted@1"),
    ];
    for (name, value) in headers {
        assert_eq!(header(&arrived, name).as_deref(), Some(value), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unroutable_message_among_many_is_never_taken_for_delivered() {
    let node = shared_node().await;
    let transport = connected(&node).await;
    let (here, nowhere) = (system("th.dopa/here"), system("th.dopa/nowhere"));
    transport.ensure_inbox(&here).await.unwrap();
    let mut inbox = Inbox::open(&node, &here).await;

    let messages: Vec<_> = (0..1000).map(|n| dispatch(if n % 10 == 3 { &nowhere } else { &here })).collect();
    let outcomes = join_all(messages.iter().map(|message| transport.publish(message.clone()))).await;
    for (message, outcome) in messages.iter().zip(&outcomes) {
        // Unknown is a safe answer, and the one for a message whose confirmation carried another's return.
        let fitting = if message.claims.aud == nowhere {
            [Err(PublishError::Unroutable), Err(PublishError::Unknown)]
        } else {
            [Ok(()), Err(PublishError::Unknown)]
        };
        assert!(fitting.contains(outcome), "{} to {}: {outcome:?}", message.claims.jti, message.claims.aud);
    }
    let count = |outcome: Result<(), PublishError>| outcomes.iter().filter(|other| **other == outcome).count();
    assert!(count(Err(PublishError::Unroutable)) > 0);
    assert!(count(Ok(())) > 500, "{}", count(Ok(())));
    for _ in 0..900 {
        assert_eq!(inbox.next().await.routing_key.as_str(), here.as_str());
    }

    let late = messages.iter().find(|message| message.claims.aud == nowhere).unwrap();
    transport.ensure_inbox(&nowhere).await.unwrap();
    assert_eq!(transport.publish(late.clone()).await, Ok(()));
    assert_eq!(Inbox::open(&node, &nowhere).await.next().await.data, late.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_that_somebody_deleted_is_declared_again() {
    let node = shared_node().await;
    let transport = connected(&node).await;
    let recipient = system("th.dopa/deleted");
    transport.ensure_inbox(&recipient).await.unwrap();
    let channel = channel(&node).await;
    channel.queue_delete(recipient.inbox_queue().into(), QueueDeleteOptions::default()).await.unwrap();

    let message = dispatch(&recipient);
    assert_eq!(transport.publish(message.clone()).await, Err(PublishError::Unroutable));
    assert_eq!(transport.publish(message.clone()).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_inbox_refuses_and_nothing_is_dropped() {
    let node = shared_node().await;
    let recipient = system("th.dopa/full");
    let mut arguments = FieldTable::default();
    for (name, value) in [("x-queue-type", "quorum"), ("x-overflow", "reject-publish")] {
        arguments.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(3));
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel(&node).await.queue_declare(recipient.inbox_queue().into(), durable, arguments).await.unwrap();

    // The transport takes an inbox as its operator made it.
    let transport = connected(&node).await;
    transport.ensure_inbox(&recipient).await.unwrap();
    let mut accepted = Vec::new();
    let refused = loop {
        let message = dispatch(&recipient);
        match transport.publish(message.clone()).await {
            Ok(()) => accepted.push(message.claims.jti),
            Err(error) => break error,
        }
        assert!(accepted.len() < 100, "the limit is 3");
    };
    assert_eq!(refused, PublishError::Rejected);
    let mut inbox = Inbox::open(&node, &recipient).await;
    for id in accepted {
        assert_eq!(inbox.next().await.properties.message_id().as_ref().unwrap().as_str(), id.to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_killed_broker_publishing_goes_on_by_itself_and_nothing_confirmed_is_lost() {
    let mut node = RabbitNode::start().await.unwrap();
    let transport = connected(&node).await;
    let recipient = system("th.dopa/killed");
    transport.ensure_inbox(&recipient).await.unwrap();
    node.registered(&recipient.inbox_queue()).await.unwrap();

    let unconfirmed =
        |outcome: &Result<(), PublishError>| matches!(outcome, Err(PublishError::Unknown | PublishError::Unavailable));
    // Until the kill has come, however long that takes.
    let publishing = async {
        let mut published: Vec<(Dispatch, Result<(), PublishError>)> = Vec::new();
        while !published.iter().any(|(_, outcome)| unconfirmed(outcome)) {
            let messages: Vec<_> = (0..5000).map(|_| dispatch(&recipient)).collect();
            let outcomes = join_all(messages.iter().map(|message| transport.publish(message.clone()))).await;
            published.extend(messages.into_iter().zip(outcomes));
        }
        published
    };
    let killing = async {
        assert_eq!(transport.publish(dispatch(&recipient)).await, Ok(()), "while the others are on their way");
        node.kill().await.unwrap();
    };
    let (published, ()) = tokio::join!(publishing, killing);
    assert!(published.iter().all(|(_, outcome)| outcome.is_ok() || unconfirmed(outcome)));

    // Callers may hear of the lost connection a little before the transport has put it away.
    let noticed = async {
        while transport.healthy() {
            tokio::task::yield_now().await
        }
    };
    in_time(noticed, || "the transport takes a dead broker for healthy".to_owned()).await;
    assert_eq!(transport.publish(published[0].0.clone()).await, Err(PublishError::Unavailable));
    node.restart().await.unwrap();
    until_connected(&transport).await;
    let last = dispatch(&recipient);
    assert_eq!(transport.publish(last.clone()).await, Ok(()));

    let mut arrived = std::collections::HashSet::new();
    let mut inbox = Inbox::open(&node, &recipient).await;
    while !arrived.contains(&last.claims.jti.to_string()) {
        arrived.insert(inbox.next().await.properties.message_id().as_ref().unwrap().to_string());
    }
    for (message, outcome) in &published {
        assert!(
            outcome.is_err() || arrived.contains(&message.claims.jti.to_string()),
            "{} was confirmed and is lost",
            message.claims.jti
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_short_of_memory_makes_publications_unknown_in_time_and_recovers() {
    let node = RabbitNode::start().await.unwrap();
    let config = AmqpConfig { publish_timeout: Duration::from_secs(2), ..AmqpConfig::new(node.uri()) };
    let transport = AmqpTransport::new(&config).unwrap();
    until_connected(&transport).await;
    let recipient = system("th.dopa/short-of-memory");
    transport.ensure_inbox(&recipient).await.unwrap();

    node.control(&["set_vm_memory_high_watermark", "absolute", "1MB"]).await.unwrap();
    let message = dispatch(&recipient);
    // The broker states the alarm after the first message at the latest.
    let alarm = async { while transport.publish(message.clone()).await == Ok(()) {} };
    in_time(alarm, || "the broker confirms everything".to_owned()).await;
    assert_eq!(transport.publish(message.clone()).await, Err(PublishError::Unknown));
    node.control(&["set_vm_memory_high_watermark", "0.6"]).await.unwrap();
    let end = async { while transport.publish(message.clone()).await != Ok(()) {} };
    in_time(end, || "the broker confirms nothing".to_owned()).await;
    assert_eq!(Inbox::open(&node, &recipient).await.next().await.data, message.body);
}

/// One node for all tests that run at the same time and do not harm it; it ends with the last of them.
async fn shared_node() -> Arc<RabbitNode> {
    static NODE: Mutex<Weak<RabbitNode>> = Mutex::const_new(Weak::new());
    let mut shared = NODE.lock().await;
    if let Some(node) = shared.upgrade() {
        return node;
    }
    let node = Arc::new(RabbitNode::start().await.unwrap());
    *shared = Arc::downgrade(&node);
    node
}

async fn connected(node: &RabbitNode) -> AmqpTransport {
    let config = AmqpConfig { window: 256, ..AmqpConfig::new(node.uri()) };
    let transport = AmqpTransport::new(&config).unwrap();
    until_connected(&transport).await;
    transport
}

async fn until_connected(transport: &AmqpTransport) {
    in_time(transport.connected(), || "the transport does not connect".to_owned()).await;
}

/// A receiver of one system.
struct Inbox(Consumer);

impl Inbox {
    async fn open(node: &RabbitNode, system: &SystemId) -> Self {
        let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
        let queue = system.inbox_queue();
        Self(channel(node).await.basic_consume(queue.into(), "test".into(), options, none).await.unwrap())
    }

    async fn next(&mut self) -> Delivery {
        let delivery = in_time(self.0.next(), || "nothing comes to the inbox".to_owned()).await.unwrap().unwrap();
        delivery.ack(BasicAckOptions::default()).await.unwrap();
        delivery
    }
}

fn system(name: &str) -> SystemId {
    name.parse().unwrap()
}

fn dispatch(recipient: &SystemId) -> Dispatch {
    let id = MessageId::new();
    let salt = Salt::from_bytes([1; 32]);
    let body = format!("{{\"id\":\"{id}\"}}").into_bytes();
    let claims = json!({
        "iss": "th.dga/citizen-portal",
        "aud": recipient,
        "hub": "hub.local",
        "jti": id,
        "iat": 1_700_000_000,
        "type": "application.submitted",
        "schema": "application.submitted@1",
        "service": "th.dlt.driving-licence-renewal",
        "case": CaseId::new(),
        "reply_to": MessageId::new(),
        "body": BodyCommitment::new(&salt, &body),
    });
    Dispatch {
        index: 7,
        claims: Arc::new(serde_json::from_value(claims).unwrap()),
        envelope: "e".repeat(900),
        salt: salt.to_text(),
        receipt: "r".repeat(700),
        proof: "line one\nline two\n".repeat(40),
        body,
    }
}
