//! Messages that somebody with all rights at the broker has changed: no handler sees them, and they are kept as they came.

use futures_util::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions, BasicPublishOptions, ConfirmSelectOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation};
use saphan_conformance::programs;
use saphan_conformance::world::{World, bodies};
use saphan_connector::Receive;
use saphan_examples::local::hub::HubProgram;
use saphan_examples::local::rabbitmq::RabbitNode;
use saphan_schemas::b64;
use saphan_schemas::ids::MessageId;
use serde_json::Value;

use crate::admin::{channel, everything_is_settled, header, noting, published, waiting};
use crate::observer::Observer;
use crate::patience::{LIMIT, all_handled, in_time, reaches};

/// What is changed: the body (`None`) or a header, and how.
type Case = (&'static str, Option<&'static str>, fn(&str) -> String);

const CASES: [Case; 6] = [
    ("a body that means the same with one byte changed", None, |body| {
        format!("{}\n", body.strip_suffix(' ').expect("bodies are filled up"))
    }),
    ("an envelope with a new id, to have the effect twice", Some("saphan-envelope"), |envelope| {
        with_claim(envelope, "jti", MessageId::new().to_string().into())
    }),
    ("another salt", Some("saphan-salt"), |_| b64::encode_url([7; 32])),
    ("a receipt of another place", Some("saphan-receipt"), |receipt| with_claim(receipt, "index", 0.into())),
    ("a receipt of another time", Some("saphan-receipt"), |receipt| {
        with_claim(receipt, "iat", 4_000_000_000_u64.into())
    }),
    ("a proof with a changed hash", Some("saphan-proof"), with_a_changed_hash),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_at_the_broker_reaches_no_handler_and_is_kept_as_a_dead_letter() {
    let broker = RabbitNode::start().await.unwrap();
    let program = HubProgram::saphan_hub(programs::saphan_hub().unwrap());
    let mut world = World::start(program, Some(broker.uri().to_owned())).await.unwrap();
    let inbox = world.receiver().unwrap().inbox_queue();
    let sender = world.connector(&world.sender().unwrap()).unwrap().build().await.unwrap();
    let mut sent = Vec::new();
    let mut send = async |body: Vec<u8>| {
        sent.push((sender.send(world.message(body.clone()).unwrap()).await.unwrap().id(), body));
    };
    let [before, copied, after] = <[Vec<u8>; 3]>::try_from(bodies(3).unwrap()).unwrap();
    send(before).await;
    send(copied).await;
    reaches("publications", 2, async || published(&world).await).await;

    // The forgeries come before the message that they are made of, so that no earlier message hides a later one.
    let admin = channel(&broker).await;
    admin.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let (first, genuine) = (take(&admin, &inbox).await, take(&admin, &inbox).await);
    let forgeries = CASES.map(|(name, part, change)| (name, changed(&genuine, part, change)));
    for (_, (body, properties)) in &forgeries {
        publish(&admin, &inbox, body, properties.clone()).await;
    }
    publish(&admin, &inbox, &genuine.data, genuine.properties.clone()).await;
    genuine.ack(BasicAckOptions::default()).await.unwrap();
    first.nack(BasicNackOptions { requeue: true, ..BasicNackOptions::default() }).await.unwrap();

    let receiver = world.connector(&world.receiver().unwrap()).unwrap();
    let receiver = receiver.receive(Receive::Amqp { uri: broker.uri().to_owned() });
    let (receiver, handled) = noting(receiver, |message| (message.id(), message.bytes().to_vec())).await;
    send(after).await;
    all_handled(&handled, &sent).await;
    // A handler sees a message before it is stored.
    reaches("messages stored", 3, async || receiver.counts().received).await;
    let counts = receiver.counts();
    assert_eq!((counts.unverified, counts.received, counts.duplicates), (forgeries.len() as u64, 3, 0));
    assert!(receiver.shutdown(LIMIT).await.unwrap().finished);
    let mut arrived = handled.borrow().clone();
    arrived.sort();
    sent.sort();
    assert_eq!(arrived, sent, "the genuine messages, once each");

    let dead = dead_letters(&admin, forgeries.len()).await;
    for (name, forgery) in &forgeries {
        assert_eq!(dead.iter().filter(|letter| is_unchanged(letter, forgery)).count(), 1, "{name}");
    }
    assert_eq!((waiting(&admin, DEAD).await, waiting(&admin, &inbox).await), (0, 0));
    let report = Observer::default().check_log(&world).await;
    assert_eq!((report.leaves.messages, report.leaves.processed), (3, 3));
    world.stop().await.unwrap();
    everything_is_settled(&world, 3).await;
    broker.stop().await.unwrap();
}

/// Takes the next message out of a queue; not acknowledged.
async fn take(admin: &Channel, queue: &str) -> Delivery {
    admin.basic_get(queue.into(), BasicGetOptions::default()).await.unwrap().unwrap().delivery
}

/// Puts a message into a queue past the hub.
async fn publish(admin: &Channel, queue: &str, body: &[u8], properties: BasicProperties) {
    let mandatory = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let confirmed = admin.basic_publish("".into(), queue.into(), mandatory, body, properties).await.unwrap().await;
    assert_eq!(confirmed.unwrap(), Confirmation::Ack(None));
}

async fn dead_letters(admin: &Channel, count: usize) -> Vec<Delivery> {
    let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
    let consumer = admin.basic_consume(DEAD.into(), "test".into(), options, none).await.unwrap();
    let letters = consumer.take(count).map(Result::unwrap).collect();
    let letters: Vec<_> = in_time(letters, || format!("there are no {count} dead letters")).await;
    for letter in &letters {
        letter.ack(BasicAckOptions::default()).await.unwrap();
    }
    letters
}

type Copy = (Vec<u8>, BasicProperties);

fn changed(genuine: &Delivery, part: Option<&str>, change: fn(&str) -> String) -> Copy {
    let (mut body, mut headers) = (genuine.data.clone(), genuine.properties.headers().clone().unwrap());
    match part {
        None => body = change(std::str::from_utf8(&body).unwrap()).into_bytes(),
        Some(name) => {
            let text = change(&header(genuine, name).unwrap());
            headers.insert(name.into(), AMQPValue::LongString(text.into()));
        }
    }
    let copy = (body, genuine.properties.clone().with_headers(headers));
    assert_ne!(copy, (genuine.data.clone(), genuine.properties.clone()), "nothing was changed");
    copy
}

/// The broker adds headers of its own to a dead letter (`x-death` and its kin); all others, and the rest, must be the same.
fn is_unchanged(letter: &Delivery, (body, properties): &Copy) -> bool {
    let headers = |properties: &BasicProperties| properties.headers().clone().unwrap_or_default();
    let mut expected = headers(properties);
    for (name, value) in headers(&letter.properties).inner().iter().filter(|(name, _)| name.as_str().starts_with("x-"))
    {
        expected.insert(name.clone(), value.clone());
    }
    letter.data == *body && letter.properties == properties.clone().with_headers(expected)
}

/// A compact JWS with one member changed and its signature kept.
fn with_claim(jws: &str, member: &str, value: Value) -> String {
    let [header, payload, signature] = <[&str; 3]>::try_from(jws.split('.').collect::<Vec<_>>()).unwrap();
    let mut claims: Value = serde_json::from_slice(&b64::decode_url(payload).unwrap()).unwrap();
    claims[member] = value;
    format!("{header}.{}.{signature}", b64::encode_url(claims.to_string()))
}

/// The first line after that of the index is a hash: the message is not the first entry of its log.
fn with_a_changed_hash(proof: &str) -> String {
    let (index, _) = proof.match_indices("index ").next().unwrap();
    let hash = index + proof[index..].find('\n').unwrap() + 1;
    let letter = if proof[hash..].starts_with('A') { 'B' } else { 'A' };
    format!("{}{letter}{}", &proof[..hash], &proof[hash + 1..])
}

const DEAD: &str = "saphan.dead";
