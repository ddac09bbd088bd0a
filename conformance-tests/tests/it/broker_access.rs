//! Who may do what at a real broker, which is configured by what `saphan-hub broker config` writes and by nothing else.

mod attempts;
mod exchange;

use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;
use lapin::options::BasicConsumeOptions;
use lapin::types::FieldTable;
use saphan_conformance::world::bodies;
use saphan_connector::{Message, trust};
use saphan_schemas::ids::{MessageId, SystemId};
use saphan_schemas::keys::SigningKey;
use serde_json::Value;
use tokio::time::timeout;

use self::attempts::everything_forbidden;
use self::exchange::{Exchange, now, sign};
use crate::admin::{client, metric, noting, published};
use crate::agency::saphan;
use crate::patience::{LIMIT, all_handled, in_time, reaches};

#[tokio::test(flavor = "multi_thread")]
async fn a_system_may_read_its_own_inbox_and_nothing_else() {
    let exchange = Exchange::start().await;
    let (own, other) = (exchange.receiver().inbox_queue(), exchange.world.sender().unwrap().inbox_queue());
    let sender = exchange.world.connector(&exchange.world.sender().unwrap()).unwrap().build().await.unwrap();
    let [first, second] = <[Vec<u8>; 2]>::try_from(bodies(2).unwrap()).unwrap();
    sender.send(exchange.world.message(first.clone()).unwrap()).await.unwrap();

    reaches("publications", 1, async || published(&exchange.world).await).await;

    let connection = exchange.log_in(&exchange.receiver()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
    let mut inbox = channel.basic_consume(own.as_str().into(), "".into(), options, none).await.unwrap();
    let mut arrived = async || {
        let delivery = in_time(inbox.next(), || "nothing comes to the inbox".to_owned()).await;
        delivery.unwrap().unwrap().data
    };
    assert_eq!(arrived().await, first);

    assert_eq!(everything_forbidden(&connection, &own, &other).await, Vec::<String>::new());
    for virtual_host in ["/", "other"] {
        exchange.broker.control(&["add_vhost", virtual_host]).await.unwrap();
        let token = sign(exchange.claims(&exchange.receiver()), &exchange.world.key(&exchange.receiver()).unwrap());
        let entered = exchange.connect(exchange.receiver().as_str(), &token, virtual_host).await;
        assert!(entered.unwrap_err().to_string().contains("NOT_ALLOWED"), "{virtual_host}");
    }

    // All that was refused has changed nothing: the next message comes, as the first did.
    sender.send(exchange.world.message(second.clone()).unwrap()).await.unwrap();
    assert_eq!(arrived().await, second);
    exchange.broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_logs_in_without_a_fresh_token_of_an_own_key_for_the_broker() {
    let exchange = Exchange::start().await;
    let (system, another) = (exchange.receiver(), exchange.world.sender().unwrap());
    let (key, anothers) = (exchange.world.key(&system).unwrap(), exchange.world.key(&another).unwrap());
    let (revoked, unknown) = (new_key(), new_key());
    let pulls: SystemId = "th.dlt/kiosk".parse().unwrap();
    let pulling = new_key();
    register(&exchange, &system, "amqp", &revoked).await;
    register(&exchange, &pulls, "pull", &pulling).await;
    revoke(&exchange, &revoked).await;
    let with = |change: fn(&mut saphan_schemas::auth::AuthClaims), key: &SigningKey| {
        let mut claims = exchange.claims(&system);
        change(&mut claims);
        sign(claims, key)
    };

    let own = system.as_str();
    let used = with(|_| {}, &key);
    exchange.connect(own, &used, "saphan").await.unwrap().close(200, "done".into()).await.unwrap();
    // Each is made when it is tried: nothing but what it is said to be is wrong with it.
    let cases: [(&str, &str, &dyn Fn() -> String); 17] = [
        ("a token that was used before", own, &|| used.clone()),
        ("no token", own, &String::new),
        ("not a token", own, &|| "guest".to_owned()),
        ("a stale token", own, &|| with(|claims| claims.iat = now() - 75, &key)),
        ("a token of the future", own, &|| with(|claims| claims.iat = now() + 60, &key)),
        ("a token for HTTP", own, &|| with(|claims| claims.htm = "POST".to_owned(), &key)),
        ("a token for a path", own, &|| with(|claims| claims.htu = "/v1/inbox/lease".to_owned(), &key)),
        ("a token for another virtual host", own, &|| with(|claims| claims.htu = "/".to_owned(), &key)),
        ("a token for another hub", own, &|| with(|claims| claims.aud = "hub.elsewhere".parse().unwrap(), &key)),
        ("a token signed with a revoked key", own, &|| with(|_| {}, &revoked)),
        ("a token signed with a key that nobody registered", own, &|| with(|_| {}, &unknown)),
        ("a token signed with another system's key", own, &|| with(|_| {}, &anothers)),
        ("another system's token", own, &|| sign(exchange.claims(&another), &anothers)),
        ("its token under another system's name", another.as_str(), &|| with(|_| {}, &key)),
        ("its token under the hub's name", exchange.world.hub_id().as_str(), &|| with(|_| {}, &key)),
        ("a system that pulls", pulls.as_str(), &|| sign(exchange.claims(&pulls), &pulling)),
        ("the user that RabbitMQ brings", "guest", &|| "guest".to_owned()),
    ];
    for (what, user, password) in cases {
        let refused = exchange.connect(user, &password(), "saphan").await;
        assert!(refused.unwrap_err().to_string().contains("ACCESS_REFUSED"), "{what}");
    }

    // The other way round: a token for the broker opens nothing over HTTP.
    let token = with(|_| {}, &key);
    let lease = format!("{}/v1/inbox/lease", exchange.world.hub.url());
    let answer = client(&exchange.world).post(lease).bearer_auth(token).json(&serde_json::json!({ "max": 1 })).send();
    assert_eq!(answer.await.unwrap().status(), 401);

    // Nothing listens in clear; Erlang's own protocol between nodes is on loopback in these tests.
    let status = exchange.broker.control(&["status", "--formatter", "json"]).await.unwrap();
    let status: Value = serde_json::from_str(&status).unwrap();
    let listeners = status["listeners"].as_array().unwrap().iter();
    let mut protocols: Vec<_> = listeners.map(|listener| listener["protocol"].as_str().unwrap()).collect();
    protocols.sort_unstable();
    assert_eq!(protocols, ["amqp/ssl", "clustering", "https"]);
    exchange.broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_ends_its_open_connection_and_what_was_accepted_meanwhile_waits_for_the_next_key() {
    let mut exchange = Exchange::start().await;
    let (system, sender) = (exchange.receiver(), exchange.world.sender().unwrap());
    let sender = exchange.world.connector(&sender).unwrap().build().await.unwrap();
    let [first, second, third, fourth] = <[Vec<u8>; 4]>::try_from(bodies(4).unwrap()).unwrap();
    let send = async |exchange: &Exchange, body: Vec<u8>| {
        (sender.send(exchange.world.message(body.clone()).unwrap()).await.unwrap().id(), body)
    };

    let (receiver, handled) = noting(exchange.connector(), with_body).await;
    all_handled(&handled, &[send(&exchange, first).await]).await;
    assert!(receiver.shutdown(LIMIT).await.unwrap().finished);

    // A client that does not go by itself.
    let connection = exchange.log_in(&system).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let (queue, options) = (system.inbox_queue(), BasicConsumeOptions::default());
    let mut inbox = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await.unwrap();
    revoke(&exchange, &exchange.world.key(&system).unwrap()).await;
    let ended = async {
        loop {
            match inbox.next().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => return error.to_string(),
                None => return "no reason was given".to_owned(),
            }
        }
    };
    let why = timeout(Duration::from_secs(60), ended).await.expect("access ends within a minute, open connections too");
    assert!(why.contains("the exchange ended this system's access"), "{why}");
    assert!(metric(&exchange.world, "saphan_broker_connections_closed_total").await > 0);
    let refused = exchange.log_in(&system).await;
    assert!(refused.unwrap_err().to_string().contains("ACCESS_REFUSED"));

    let mut sent = vec![send(&exchange, second).await];
    let next_key = new_key();
    register(&exchange, &system, "amqp", &next_key).await;
    let (receiver, handled) = noting(exchange.connector().key(next_key), with_body).await;
    all_handled(&handled, &sent).await;

    // The hub logs in again after it was killed, and everybody after the broker was.
    exchange.world.hub.kill().await.unwrap();
    exchange.world.hub.restart().await.unwrap();
    sent.push(send(&exchange, third).await);
    all_handled(&handled, &sent).await;
    exchange.broker.registered(&system.inbox_queue()).await.unwrap();
    exchange.broker.kill().await.unwrap();
    exchange.broker.restart().await.unwrap();
    sent.push(send(&exchange, fourth).await);
    all_handled(&handled, &sent).await;
    assert_eq!(*handled.borrow(), sent);
    assert!(receiver.shutdown(LIMIT).await.unwrap().finished);
    exchange.broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_says_whether_the_broker_lets_a_system_in_and_what_is_wrong_when_it_does_not() {
    let exchange = Exchange::start().await;
    let (folder, system) = (tempfile::tempdir().unwrap(), exchange.receiver());
    write_agency(&exchange, folder.path()).await;
    let broker = async || {
        let (code, told) = saphan(folder.path(), &["doctor"]).await;
        let check = told["checks"].as_array().unwrap_or_else(|| panic!("{told}")).last().unwrap().clone();
        assert_eq!(check["step"], "broker", "{told}");
        (code, check["verdict"].as_str().unwrap().to_owned(), check["says"].as_str().unwrap().to_owned())
    };
    exchange.broker.registered(&system.inbox_queue()).await.unwrap();
    let (code, verdict, says) = broker().await;
    assert_eq!((code, verdict.as_str(), says.contains("; 0 messages wait")), (0, "ok", true), "{says}");

    register(&exchange, &system, "pull", &exchange.world.key(&system).unwrap()).await;
    let (code, verdict, says) = broker().await;
    assert_eq!((code, verdict.as_str(), says.contains("does not let this system in")), (1, "failed", true), "{says}");

    exchange.broker.stop().await.unwrap();
    let (code, verdict, says) = broker().await;
    assert_eq!((code, verdict.as_str(), says.contains("was not reached")), (1, "failed", true), "{says}");
}

/// An agency's folder for the receiving system: its key, what it trusts, and that it reads at the broker.
async fn write_agency(exchange: &Exchange, folder: &Path) {
    let hub = &exchange.world.hub;
    let key = exchange.world.pem(&exchange.receiver()).unwrap();
    saphan_keys::file::write_new(&folder.join("key.pem"), key).unwrap();
    let mut trust = trust::fetch(hub.address()).await.unwrap();
    trust.ca = hub.ca().map(ToOwned::to_owned);
    std::fs::write(folder.join("trust.json"), serde_json::to_vec(&trust).unwrap()).unwrap();
    let config = format!(
        "system = \"{}\"\nhub = \"{}\"\nkey = \"key.pem\"\ndata_dir = \"data\"\ntrust_file = \"trust.json\"\n\
         transport = \"amqp\"\namqp = \"{}\"\n",
        exchange.receiver(),
        hub.url(),
        exchange.broker.uri(),
    );
    std::fs::write(folder.join("saphan.toml"), config).unwrap();
}

fn with_body(message: &Message<Value>) -> (MessageId, Vec<u8>) {
    (message.id(), message.bytes().to_vec())
}

fn new_key() -> SigningKey {
    SigningKey::generate().unwrap().0
}

/// Adds a key to a system, and the system if it is not there.
async fn register(exchange: &Exchange, system: &SystemId, transport: &str, key: &SigningKey) {
    let jwk: toml::Value = toml::Value::try_from(key.public()).unwrap();
    let text = format!("[[system]]\nid = \"{system}\"\ntransport = \"{transport}\"\nkeys = [{jwk}]\n");
    exchange.world.hub.apply(&text).await.unwrap();
}

async fn revoke(exchange: &Exchange, key: &SigningKey) {
    exchange.world.hub.apply(&format!("[revoke]\nkeys = [\"{}\"]\n", key.id())).await.unwrap();
}
