//! A system that is registered and well-behaved on the wire, and wants what is another's.

use saphan_schemas::ids::MessageId;
use saphan_schemas::problem::ProblemCode;
use saphan_schemas::registry::{Change, EntryId};
use serde_json::{Value, json};

use crate::harness::{Draft, LogCopy, PERSONAL, Submission, TestHub, batch, sign_batch, sign_token};

/// A message from the office to the portal.
fn back(hub: &TestHub, id: MessageId) -> Submission {
    let (office, portal) = (&hub.world.office, &hub.world.portal);
    Draft::withdrawal(&office.id, &portal.id).change(|claims| claims.jti = id).sign(&office.key)
}

#[tokio::test]
async fn a_message_of_others_and_one_that_never_was_are_answered_alike() {
    let hub = TestHub::new().await;
    let (message, never) = (hub.world.message(), hub.world.message());
    let index = hub.accept(&message).await;
    let archive = &hub.world.archive;
    let (theirs, none) = (hub.show(archive, &message).await, hub.show(archive, &never).await);
    theirs.problem(ProblemCode::NotFound);
    assert_eq!((theirs.status, &theirs.body), (none.status, &none.body));
    // Nor does an acknowledgement tell what stands at a place.
    let acknowledge = async |index| {
        let answer = hub.acknowledge(archive, &sign_batch(batch(archive, &[(index, None)]), &archive.key)).await;
        let problem = answer.problem(ProblemCode::AcknowledgementUnknownMessage);
        (problem.detail.unwrap().replace(&index.to_string(), "n"), problem.errors)
    };
    assert_eq!(acknowledge(index).await, acknowledge(index + 1000).await);
}

#[tokio::test]
async fn a_lease_of_ones_own_gives_back_nothing_of_anothers() {
    let hub = TestHub::new().await;
    let (office, portal) = (&hub.world.office, &hub.world.portal);
    let theirs = hub.accept(&hub.world.message()).await;
    let own = hub.accept(&back(&hub, MessageId::new())).await;
    let (their_lease, own_lease) = (hub.lease(office, 10).await, hub.lease(portal, 10).await);
    assert_eq!((their_lease.indices(), own_lease.indices()), (vec![theirs], vec![own]));
    let release = json!({ "lease": own_lease.id(), "indices": [theirs] });
    hub.release(portal, &release).await.problem(ProblemCode::LeaseLost);
    let release = json!({ "lease": their_lease.id(), "indices": [own, theirs] });
    hub.release(portal, &release).await.problem(ProblemCode::LeaseLost);
    assert!(hub.lease(office, 10).await.messages.is_empty(), "it is still leased");
    assert_eq!(hub.extend(office, their_lease.id()).await.status, 200);
    assert_eq!(hub.extend(portal, own_lease.id()).await.status, 200);
}

#[tokio::test]
async fn a_batch_that_acknowledges_ones_own_and_anothers_message_acknowledges_neither() {
    let hub = TestHub::new().await;
    let (office, portal) = (&hub.world.office, &hub.world.portal);
    let message = hub.world.message();
    let theirs = hub.accept(&message).await;
    let answer = back(&hub, MessageId::new());
    let own = hub.accept(&answer).await;
    let size = hub.size();
    for outcomes in [[(own, None), (theirs, None)], [(theirs, Some("wrong-office")), (own, None)]] {
        let mixed = sign_batch(batch(portal, &outcomes), &portal.key);
        hub.acknowledge(portal, &mixed).await.problem(ProblemCode::AcknowledgementUnknownMessage);
    }
    assert_eq!(hub.size(), size);
    for (party, message) in [(portal, &answer), (office, &message)] {
        assert_eq!(hub.show(party, message).await.json::<Value>(200)["state"], "accepted");
    }
}

#[tokio::test]
async fn a_token_in_anothers_name_or_signed_with_its_own_key_for_another_opens_no_call() {
    let hub = TestHub::new().await;
    let (office, portal) = (&hub.world.office, &hub.world.portal);
    let message = hub.world.message();
    let index = hub.accept(&message).await;
    let lease = hub.lease(office, 1).await;
    let show = format!("/v1/messages/{}", message.id());
    let signed = sign_batch(batch(office, &[(index, None)]), &office.key);
    let size = hub.size();
    for (method, path, body) in [
        ("GET", show.as_str(), Value::Null),
        ("GET", "/v1/agreements", Value::Null),
        ("POST", "/v1/inbox/lease", json!({ "max": 10 })),
        ("POST", "/v1/inbox/extend", json!({ "lease": lease.id() })),
        ("POST", "/v1/inbox/release", json!({ "lease": lease.id() })),
        ("POST", "/v1/acknowledgements", json!(signed)),
        ("POST", "/v1/messages/batch", json!({ "messages": [] })),
        ("POST", "/v1/registry", json!({ "entries": [] })),
    ] {
        let call = async |issuer: &str, key| {
            let token = sign_token(hub.token(issuer, method, path), key);
            hub.call_with(&format!("Bearer {token}"), method, path, &body).await
        };
        for (issuer, key) in [(&office.id, &portal.key), (&portal.id, &office.key)] {
            call(issuer.as_str(), key).await.problem(ProblemCode::SenderMismatch);
        }
        for issuer in ["hub.local", "", "*", "th.dlt/licensing ", "TH.DLT/LICENSING", "th.dlt/licensing\0"] {
            call(issuer, &portal.key).await.problem(ProblemCode::SenderMismatch);
        }
    }
    assert_eq!(hub.size(), size);
    assert_eq!(hub.extend(office, lease.id()).await.status, 200, "the lease is as it was");
}

#[tokio::test]
async fn an_id_that_somebody_else_used_first_neither_blocks_a_message_nor_hides_it() {
    let hub = TestHub::new().await;
    let (office, portal, archive) = (&hub.world.office, &hub.world.portal, &hub.world.archive);
    let message = hub.world.message();
    // The attacker, who is its receiver too, knew the id before it was sent.
    let earlier = hub.accept(&back(&hub, message.id())).await;
    let index = hub.accept(&message).await;
    for (party, mine) in [(portal, index), (office, earlier)] {
        let shown: Value = hub.show(party, &message).await.json(200);
        assert_eq!((&shown["iss"], &shown["index"]), (&json!(party.id), &json!(mine)), "what one sent oneself");
    }
    hub.show(archive, &message).await.problem(ProblemCode::NotFound);
}

#[tokio::test]
async fn an_acknowledgement_is_no_way_to_use_up_anothers_batch_id() {
    let hub = TestHub::new().await;
    let (office, portal) = (&hub.world.office, &hub.world.portal);
    let theirs = hub.accept(&hub.world.message()).await;
    let own = hub.accept(&back(&hub, MessageId::new())).await;
    let good = batch(office, &[(theirs, None)]);
    let mut same_id = batch(portal, &[(own, None)]);
    same_id.jti = good.jti;
    assert_eq!(hub.acknowledge(portal, &sign_batch(same_id, &portal.key)).await.status, 201);
    assert_eq!(hub.acknowledge(office, &sign_batch(good, &office.key)).await.status, 201);
}

#[tokio::test]
async fn a_system_that_was_revoked_reads_and_changes_nothing_from_the_next_request_on() {
    let hub = TestHub::new().await;
    let office = &hub.world.office;
    let message = hub.world.message();
    let index = hub.accept(&message).await;
    hub.accept(&hub.world.message()).await;
    let lease = hub.lease(office, 1).await;
    hub.apply([Change::Revoked(EntryId::System(office.id.clone()))]).await;
    let signed = sign_batch(batch(office, &[(index, None)]), &office.key);
    let size = hub.size();
    for answer in [
        hub.show(office, &message).await,
        hub.lease_answer(office, 10, 0).await,
        hub.extend(office, lease.id()).await,
        hub.release(office, &json!({ "lease": lease.id() })).await,
        hub.acknowledge(office, &signed).await,
        hub.call(office, "GET", "/v1/agreements", &Value::Null).await,
        hub.submit(&back(&hub, MessageId::new())).await,
    ] {
        assert!(matches!(answer.status, 401 | 403), "{}: {}", answer.status, answer.text());
    }
    let refusals = hub.size() - size;
    assert!(refusals <= 1, "of its message at most, and nothing else was logged");
}

#[tokio::test]
async fn the_public_log_holds_nothing_of_bodies_and_no_salt() {
    let hub = TestHub::new().await;
    let (office, portal) = (&hub.world.office, &hub.world.portal);
    let message = hub.world.application().sign(&portal.key);
    let index = hub.accept(&message).await;
    let bad = hub.world.application().with_json(|body| body["applicant"]["national_id"] = json!("1990100010009"));
    hub.submit(&bad.sign(&portal.key)).await.problem(ProblemCode::SchemaViolation);
    hub.acknowledge(office, &sign_batch(batch(office, &[(index, None)]), &office.key)).await.json::<Value>(201);
    // Every tile and entry is fetched, and the entries give the root.
    let log = LogCopy::fetch(&hub).await;
    assert_eq!(log.size(), hub.size());
    let entries = hub.app.store.entries(0, u32::try_from(hub.size()).unwrap()).await.unwrap();
    let salt = message.salt.clone().unwrap();
    for entry in entries {
        // Envelopes are base64 inside of the entry, and say what they say in the open all the same.
        let text = String::from_utf8(entry).unwrap();
        let inside: String = text.split(['"', '.', '\\']).filter_map(decoded).collect();
        for word in PERSONAL.into_iter().chain([salt.as_str(), "1990100010009"]) {
            assert!(!text.contains(word) && !inside.contains(word), "the log holds {word}: {text}");
        }
    }
}

fn decoded(part: &str) -> Option<String> {
    String::from_utf8(saphan_schemas::b64::decode_url(part).ok()?).ok()
}
