//! What receivers state about messages, and who can see it.

use futures_util::future::join_all;
use saphan_schemas::ids::MessageId;
use saphan_schemas::leaf::Leaf;
use saphan_schemas::problem::ProblemCode;
use saphan_schemas::registry::{Change, EntryId};
use serde_json::{Value, json};

use crate::harness::{Evidence, LogCopy, Submission, TestHub, batch, sign_batch, sign_token};

/// A hub, a message that the office may acknowledge, and its place.
async fn delivered() -> (TestHub, Submission, u64) {
    let hub = TestHub::new().await;
    let message = hub.world.message();
    let index = hub.accept(&message).await;
    (hub, message, index)
}

#[tokio::test]
async fn a_message_that_was_processed_is_shown_so_with_the_receivers_own_words() {
    let (hub, message, index) = delivered().await;
    let office = &hub.world.office;
    let evidence: Evidence = hub.submit(&message).await.json(200);
    let batch = sign_batch(batch(office, &[(index, None)]), &office.key);
    let recorded: Value = hub.acknowledge(office, &batch).await.json(201);
    assert_eq!(recorded, json!({ "log": hub.app.origin, "index": index + 1 }));
    let expected = json!({
        "jti": message.id(),
        "iss": hub.world.portal.id,
        "aud": office.id,
        "type": "application.withdrawn",
        "log": hub.app.origin,
        "index": index,
        "state": "processed",
        "receipt": evidence.receipt,
        "proof": evidence.proof,
        "acknowledgement": batch,
    });
    for party in [&hub.world.portal, office] {
        assert_eq!(hub.show(party, &message).await.json::<Value>(200), expected);
    }
    let log = LogCopy::fetch(&hub).await;
    let Some(Leaf::Acknowledgement { acknowledgement, .. }) = log.leaves.last() else { panic!("no such entry") };
    assert_eq!(*acknowledgement, batch);
}

#[tokio::test]
async fn a_message_that_was_rejected_is_shown_with_the_receivers_code() {
    let (hub, message, index) = delivered().await;
    let office = &hub.world.office;
    let batch = sign_batch(batch(office, &[(index, Some("wrong-office"))]), &office.key);
    assert_eq!(hub.acknowledge(office, &batch).await.status, 201);
    let shown: Value = hub.show(&hub.world.portal, &message).await.json(200);
    assert_eq!((&shown["state"], &shown["code"]), (&json!("rejected"), &json!("wrong-office")));
}

#[tokio::test]
async fn a_message_on_its_way_is_shown_as_accepted_to_its_two_systems_and_to_nobody_else() {
    let (hub, message, index) = delivered().await;
    let shown: Value = hub.show(&hub.world.office, &message).await.json(200);
    assert_eq!((&shown["state"], &shown["index"]), (&json!("accepted"), &json!(index)));
    assert_eq!(shown.get("acknowledgement"), None);
    hub.show(&hub.world.archive, &message).await.problem(ProblemCode::NotFound);
    let path = format!("/v1/messages/{}", message.id());
    hub.get(&path).await.problem(ProblemCode::TokenMissing);
}

#[tokio::test]
async fn the_same_batch_again_is_answered_with_its_place_and_logged_once() {
    let (hub, _, index) = delivered().await;
    let office = &hub.world.office;
    let claims = batch(office, &[(index, None)]);
    let first: Value = hub.acknowledge(office, &sign_batch(claims.clone(), &office.key)).await.json(201);
    // Signed again: other bytes, the same statement.
    let again: Value = hub.acknowledge(office, &sign_batch(claims, &office.key)).await.json(200);
    assert_eq!(again, first);
    assert_eq!(hub.size(), index + 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_contradictory_batches_at_the_same_moment_one_is_recorded_and_the_others_are_refused() {
    let (hub, message, index) = delivered().await;
    let office = &hub.world.office;
    let codes: [Option<&str>; 4] = [None, Some("a"), Some("b"), Some("c")];
    let batches = codes.map(|code| sign_batch(batch(office, &[(index, code)]), &office.key));
    let answers = join_all(batches.iter().map(|batch| hub.acknowledge(office, batch))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.problem(ProblemCode::AcknowledgementConflict);
    }
    let logged = LogCopy::fetch(&hub).await.leaves.into_iter().filter_map(|leaf| match leaf {
        Leaf::Acknowledgement { acknowledgement, .. } => Some(acknowledgement),
        _ => None,
    });
    let shown: Value = hub.show(&hub.world.portal, &message).await.json(200);
    assert_eq!(logged.collect::<Vec<_>>(), [shown["acknowledgement"].as_str().unwrap()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_batch_many_times_at_the_same_moment_is_recorded_once_and_nobody_is_turned_away() {
    let (hub, _, index) = delivered().await;
    let office = &hub.world.office;
    let batch = sign_batch(batch(office, &[(index, None)]), &office.key);
    let answers = join_all((0..8).map(|_| hub.acknowledge(office, &batch))).await;
    let firsts = answers.iter().filter(|answer| answer.status == 201).count();
    for answer in &answers {
        assert_eq!(
            answer.json::<Value>(if answer.status == 201 { 201 } else { 200 }),
            json!({ "log": hub.app.origin, "index": index + 1 })
        );
    }
    assert_eq!((firsts, hub.size()), (1, index + 2));
}

#[tokio::test]
async fn a_batch_id_that_comes_again_with_other_content_is_refused() {
    let (hub, _, index) = delivered().await;
    let office = &hub.world.office;
    let claims = batch(office, &[(index, None)]);
    hub.acknowledge(office, &sign_batch(claims.clone(), &office.key)).await.json::<Value>(201);
    let other = saphan_schemas::acknowledgement::AcknowledgementClaims { iat: claims.iat + 1, ..claims };
    hub.acknowledge(office, &sign_batch(other, &office.key)).await.problem(ProblemCode::DuplicateId);
}

#[tokio::test]
async fn an_outcome_that_contradicts_an_earlier_one_is_refused_and_nothing_of_its_batch_recorded() {
    let (hub, message, index) = delivered().await;
    let other = hub.world.message();
    let other_index = hub.accept(&other).await;
    let office = &hub.world.office;
    let signed = |outcomes: &[(u64, Option<&str>)]| sign_batch(batch(office, outcomes), &office.key);
    hub.acknowledge(office, &signed(&[(index, Some("wrong-office"))])).await.json::<Value>(201);
    for contradiction in [(index, None), (index, Some("too-late"))] {
        let answer = hub.acknowledge(office, &signed(&[(other_index, None), contradiction])).await;
        let problem = answer.problem(ProblemCode::AcknowledgementConflict);
        assert_eq!(problem.detail, Some(format!("place {index}")));
    }
    let shown: Value = hub.show(office, &message).await.json(200);
    assert_eq!((&shown["state"], &shown["code"]), (&json!("rejected"), &json!("wrong-office")));
    let shown: Value = hub.show(office, &other).await.json(200);
    assert_eq!(shown["state"], "accepted");
    // The same outcome once more, in another batch, contradicts nothing.
    let again = signed(&[(other_index, None), (index, Some("wrong-office"))]);
    assert_eq!(hub.acknowledge(office, &again).await.status, 201);
}

#[tokio::test]
async fn nobody_acknowledges_for_another_system() {
    let (hub, message, index) = delivered().await;
    let (office, portal) = (&hub.world.office, &hub.world.portal);
    let mine = sign_batch(batch(portal, &[(index, None)]), &portal.key);
    hub.acknowledge(portal, &mine).await.problem(ProblemCode::AcknowledgementUnknownMessage);
    let in_its_name = sign_batch(batch(office, &[(index, None)]), &portal.key);
    hub.acknowledge(portal, &in_its_name).await.problem(ProblemCode::Forbidden);
    hub.acknowledge(office, &in_its_name).await.problem(ProblemCode::KeyUnknown);
    let shown: Value = hub.show(office, &message).await.json(200);
    assert_eq!(shown["state"], "accepted");
}

#[tokio::test]
async fn a_batch_for_another_hub_or_with_a_changed_word_or_an_unknown_or_revoked_key_is_refused() {
    let (hub, _, index) = delivered().await;
    let office = &hub.world.office;
    let good = batch(office, &[(index, None)]);
    let mut elsewhere = good.clone();
    elsewhere.aud = "hub.elsewhere".parse().unwrap();
    hub.acknowledge(office, &sign_batch(elsewhere, &office.key)).await.problem(ProblemCode::HubMismatch);
    let first = sign_batch(good.clone(), &office.key);
    let second = sign_batch(batch(office, &[(index, Some("wrong-office"))]), &office.key);
    let (input, _) = first.rsplit_once('.').unwrap();
    let (_, signature) = second.rsplit_once('.').unwrap();
    let swapped = format!("{input}.{signature}");
    hub.acknowledge(office, &swapped).await.problem(ProblemCode::SignatureInvalid);
    let unknown = office.another_key();
    hub.acknowledge(office, &sign_batch(good.clone(), &unknown.key)).await.problem(ProblemCode::KeyUnknown);
    hub.apply([Change::Added(saphan_schemas::registry::Entry::Key(unknown.key_entry()))]).await;
    hub.apply([Change::Revoked(EntryId::Key(unknown.key.id()))]).await;
    hub.acknowledge(office, &sign_batch(good, &unknown.key)).await.problem(ProblemCode::KeyRevoked);
}

#[tokio::test]
async fn a_batch_that_breaks_a_rule_of_its_kind_is_refused_with_the_rule() {
    let (hub, _, index) = delivered().await;
    let office = &hub.world.office;
    let good = serde_json::to_value(batch(office, &[(index, None)])).unwrap();
    let forged = |messages: Value| {
        let mut claims = good.clone();
        claims["messages"] = messages;
        let kid = office.key.id();
        let header = format!(r#"{{"alg":"ES256","cty":"json","kid":"{kid}","typ":"saphan-ack+jws"}}"#);
        let forged = hub.world.withdrawal().forge(&header, Some(&claims.to_string()), &office.key);
        forged.envelope().to_owned()
    };
    let processed = json!({ "index": index, "outcome": "processed" });
    for (messages, rule) in [
        (json!([]), "must hold 1 to 256 entries"),
        (json!([processed, processed]), "names an index twice"),
        (json!([{ "index": index, "outcome": "rejected" }]), "`code` belongs to a rejected message"),
        (json!([{ "index": index, "outcome": "processed", "code": "x" }]), "`code` belongs to a rejected message"),
        (json!([{ "index": index, "outcome": "lost" }]), "not the expected members"),
    ] {
        let problem = hub.acknowledge(office, &forged(messages)).await.problem(ProblemCode::AcknowledgementMalformed);
        assert!(problem.detail.as_ref().is_some_and(|detail| detail.contains(rule)), "{problem:?}");
    }
}

#[tokio::test]
async fn the_largest_batch_there_may_be_is_recorded() {
    let hub = TestHub::new().await;
    let office = &hub.world.office;
    let messages: Vec<_> = (0..256).map(|_| hub.world.message()).collect();
    let indices = join_all(messages.iter().map(|message| hub.accept(message))).await;
    let outcomes: Vec<_> = indices.iter().map(|index| (*index, None)).collect();
    let signed = sign_batch(batch(office, &outcomes), &office.key);
    assert_eq!(hub.acknowledge(office, &signed).await.status, 201);
    assert!(hub.get("/metrics").await.text().contains("saphan_messages_acknowledged_total 256\n"));
    assert!(hub.get("/metrics").await.text().contains("saphan_outbox_pull 0\n"));
}

#[tokio::test]
async fn an_operator_is_no_receiver() {
    let (hub, ..) = delivered().await;
    let path = format!("/v1/messages/{}", MessageId::new());
    let token = sign_token(hub.token("hub.local", "GET", &path), &hub.operator);
    hub.call_with(&format!("Bearer {token}"), "GET", &path, &Value::Null).await.problem(ProblemCode::KeyUnknown);
}
