//! One system sends all that it can, another what it must.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use saphan_schemas::b64;
use saphan_schemas::invitation::InvitationCode;
use saphan_schemas::problem::ProblemCode;
use saphan_schemas::registry::{Change, Entry, EntryId, MOST_KEYS};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::{Answer, Draft, Submission, TestHub, in_time, sign_entry_as};
use crate::joining::Attempt;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_one_system_floods_the_hub_beyond_its_limit_every_message_of_another_is_accepted() {
    flood("[limits]\nmessages_per_second = 40\nrequests_per_second = 40").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_limit_of_rates_the_shares_alone_keep_the_way_free_for_another() {
    let rates = "[limits]\nmessages_per_second = 0\nrequests_per_second = 0";
    flood(&format!("{rates}\nqueue = 16\nbody_memory_mib = 2\nbody_bytes = 65536")).await;
}

/// The portal sends without a pause on many connections, alone and in batches, good and bad, until it was told a hundred times to
/// come later; meanwhile each message of the office must be accepted at once.
async fn flood(settings: &str) {
    let hub = Arc::new(TestHub::with(settings).await);
    let (done, limited) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut floods = JoinSet::new();
    for number in 0..8 {
        let (hub, done, limited) = (Arc::clone(&hub), Arc::clone(&done), Arc::clone(&limited));
        floods.spawn(async move {
            while !done.load(Ordering::SeqCst) {
                let told = if number % 2 == 0 { batch(&hub).await } else { alone(&hub).await };
                limited.fetch_add(told, Ordering::SeqCst);
            }
        });
    }
    let (portal, office) = (&hub.world.portal, &hub.world.office);
    let mut sent = 0;
    while sent < 60 || limited.load(Ordering::SeqCst) < 100 {
        let message = Draft::withdrawal(&office.id, &portal.id).sign(&office.key);
        accept_soon(&hub, &message).await;
        if sent % 20 == 0 {
            in_time(hub.lease_answer(office, 1, 0)).await.json::<Value>(200);
            // What the office may send in a second comes again with the clock, and what the portal may.
            hub.clock.advance(1);
        }
        sent += 1;
    }
    done.store(true, Ordering::SeqCst);
    while let Some(flood) = floods.join_next().await {
        flood.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_one_system_and_strangers_flood_the_registry_every_message_of_another_is_accepted_and_keys_are_revoked_at_once()
 {
    let hub = Arc::new(TestHub::new().await);
    let (done, limited) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let size = hub.size();
    let mut floods = JoinSet::new();
    for number in 0..8 {
        let (hub, done, limited) = (Arc::clone(&hub), Arc::clone(&done), Arc::clone(&limited));
        floods.spawn(async move {
            while !done.load(Ordering::SeqCst) {
                if number % 2 == 0 {
                    limited.fetch_add(new_key(&hub).await, Ordering::SeqCst);
                } else {
                    let guess = Attempt::new(&hub.world.archive.id, &InvitationCode::generate().unwrap());
                    guess.send(&hub).await.problem(ProblemCode::InvitationInvalid);
                }
            }
        });
    }
    let (portal, office) = (&hub.world.portal, &hub.world.office);
    let mut messages = 0;
    while messages < 60 || limited.load(Ordering::SeqCst) < 100 {
        let message = Draft::withdrawal(&office.id, &portal.id).sign(&office.key);
        accept_soon(&hub, &message).await;
        messages += 1;
    }
    let revoked = EntryId::Key(hub.world.archive.key.id());
    in_time(hub.apply([Change::Revoked(revoked)])).await;
    done.store(true, Ordering::SeqCst);
    while let Some(flood) = floods.join_next().await {
        flood.unwrap();
    }
    let most = size + messages + 1 + MOST_KEYS as u64;
    assert!(hub.size() <= most, "{} entries, where {most} are the most", hub.size());
}

/// A message must be accepted, and stand in the log behind few of those that the flood brings meanwhile.
async fn accept_soon(hub: &TestHub, message: &Submission) {
    let before = hub.size();
    let overtaken = in_time(hub.accept(message)).await - before;
    assert!(overtaken <= A_COMMIT, "{overtaken} entries went before it");
}

/// Registers a key; returns 1 when told to come later.
async fn new_key(hub: &TestHub) -> usize {
    let portal = &hub.world.portal;
    let change = Change::Added(Entry::Key(portal.another_key().key_entry()));
    let entry = sign_entry_as(portal.id.as_str(), change, &portal.key);
    let answer = hub.call(portal, "POST", "/v1/registry", &json!({ "entries": [entry] })).await;
    assert!([200, 422, 429].contains(&answer.status), "{}", answer.text());
    usize::from(answer.status == 429)
}

/// Sends one message; returns how many were told to come later.
async fn alone(hub: &TestHub) -> usize {
    let draft = hub.world.withdrawal();
    let body = [draft.body.clone(), vec![b' '; 60_000]].concat();
    let answer = hub.submit(&draft.with_body(body).sign(&hub.world.portal.key)).await;
    usize::from(is_told_to_come_later(&answer))
}

/// Sends a batch of good messages and garbage; returns how many were told to come later.
async fn batch(hub: &TestHub) -> usize {
    let good: Vec<Submission> = (0..32).map(|_| hub.world.message()).collect();
    let forged = Submission { envelope: Some(format!("{}A", good[0].envelope())), ..good[0].clone() };
    let messages: Vec<Value> = good.iter().chain(std::iter::repeat_n(&forged, 32)).map(item).collect();
    let answer = hub.call(&hub.world.portal, "POST", "/v1/messages/batch", &json!({ "messages": messages })).await;
    if is_told_to_come_later(&answer) {
        return 1;
    }
    let body: Value = answer.json(200);
    let results = body["results"].as_array().unwrap();
    results.iter().filter(|result| result["problem"]["code"] == ProblemCode::RateLimited.as_str()).count()
}

/// It may be told that the hub is busy too: its own doing.
fn is_told_to_come_later(answer: &Answer) -> bool {
    assert!(answer.status < 400 || [429, 503].contains(&answer.status), "{}", answer.text());
    answer.status >= 400
}

fn item(message: &Submission) -> Value {
    json!({ "envelope": message.envelope, "salt": message.salt, "body": b64::encode_std(&message.body) })
}

/// The entries of one commit.
const A_COMMIT: u64 = 256;
