//! One message's way, a case, and the health of the exchange.

use std::sync::Arc;

use saphan_schemas::ids::CaseId;
use saphan_schemas::message::MessageFile;
use saphan_schemas::problem::ProblemCode;
use serde_json::{Value, json};

use super::Hall;
use crate::harness::{Draft, Evidence, NOW, ScriptedTransport, TestHub};

impl Hall {
    async fn timeline(&self, id: &impl serde::Serialize) -> Value {
        self.ask("timeline", &json!({ "id": id })).await.json(200)
    }
}

#[tokio::test]
async fn a_messages_way_is_told_with_what_proves_it() {
    let hall = Hall::new().await;
    let hub = &hall.hub;
    let message = hub.world.withdrawal().change(|claims| claims.iat = NOW - 60).sign(&hub.world.portal.key);
    let index = hub.accept(&message).await;
    let submitted = json!({ "step": "submitted", "at": (NOW - 60) * 1000, "entry": index });
    let accepted = json!({ "step": "accepted", "at": NOW * 1000, "entry": index });
    let told = hall.timeline(&message.id()).await;
    assert_eq!(told["moments"], json!([submitted, accepted]), "nobody knows more yet");
    hub.clock.advance(10);
    let acknowledgement = hall.settle(index, None).await;
    hub.clock.advance(10);
    hub.erase(&[index], "pdpa-s33").await.json::<Value>(200);
    let erasure = hub.size() - 1;
    let told = hall.timeline(&message.id()).await;
    // The tests' receiver signs at NOW.
    let moments = json!([
        submitted,
        accepted,
        { "step": "delivered", "at": NOW * 1000, "entry": acknowledgement },
        { "step": "acknowledged", "at": (NOW + 10) * 1000, "entry": acknowledgement },
        { "step": "erased", "at": (NOW + 20) * 1000, "entry": erasure },
    ]);
    assert_eq!(told["moments"], moments);
    assert_eq!(
        (told["message"]["outcome"].as_str(), told["message"]["erasure"].as_u64()),
        (Some("processed"), Some(erasure))
    );
    assert!(told["acknowledgement"].as_str().unwrap().split('.').count() == 3);
    // What is to be downloaded is a message's file as others are.
    let file: MessageFile = serde_json::from_value(told["evidence"].clone()).unwrap();
    let evidence = Evidence { receipt: file.receipt, proof: file.proof };
    assert_eq!(file.envelope, message.envelope());
    assert!(told["evidence"]["body"].is_null() && told["evidence"]["salt"].is_null());
    hub.verify(&message, &evidence).await;
}

#[tokio::test]
async fn what_only_the_store_knows_is_told_without_a_time() {
    let broker = Arc::new(ScriptedTransport::new());
    let hall = Hall::beside(TestHub::with_broker(&broker).await).await;
    let message = hall.hub.world.message_to_archive();
    hall.hub.accept(&message).await;
    crate::harness::eventually(async || {
        let state: Value = hall.hub.show(&hall.hub.world.portal, &message).await.json(200);
        state["state"] == "delivered"
    })
    .await;
    let told = hall.timeline(&message.id()).await;
    assert_eq!(told["moments"][2], json!({ "step": "sent" }));
}

#[tokio::test]
async fn of_two_messages_with_one_id_the_sender_tells_which() {
    let hall = Hall::new().await;
    let (hub, world) = (&hall.hub, &hall.hub.world);
    let first = hub.world.message();
    let at = hub.accept(&first).await;
    let twin = Draft::withdrawal(&world.office.id, &world.portal.id).change(|claims| claims.jti = first.id());
    let other = hub.accept(&twin.sign(&world.office.key)).await;
    for (from, wanted) in [(json!(null), at), (json!("th.dga/portal"), at), (json!("th.dlt/licensing"), other)] {
        let mut body = json!({ "id": first.id() });
        if !from.is_null() {
            body["from"] = from;
        }
        let told: Value = hall.ask("timeline", &body).await.json(200);
        assert_eq!(told["message"]["index"].as_u64(), Some(wanted), "{body}");
    }
    let nobodys = json!({ "id": first.id(), "from": "th.dopa/archive" });
    hall.ask("timeline", &nobodys).await.problem(ProblemCode::NotFound);
}

#[tokio::test]
async fn a_case_is_its_messages_in_order_and_who_takes_part() {
    let hall = Hall::new().await;
    let (hub, world, case) = (&hall.hub, &hall.hub.world, CaseId::new());
    let asked = hub.accept(&hall.message_in(case)).await;
    hub.accept(&hub.world.message()).await;
    let answer = Draft::withdrawal(&world.office.id, &world.portal.id).change(|claims| claims.case = Some(case));
    let answered = hub.accept(&answer.sign(&world.office.key)).await;
    hall.settle(asked, Some("not-ours")).await;
    let told: Value = hall.ask("case", &json!({ "case": case })).await.json(200);
    let messages = told["messages"].as_array().unwrap();
    let told_of = |row: &Value| (row["index"].as_u64().unwrap(), row["outcome"].as_str().unwrap().to_owned());
    let wanted = [(asked, "rejected".to_owned()), (answered, "unacknowledged".to_owned())];
    assert_eq!(messages.iter().map(told_of).collect::<Vec<_>>(), wanted);
    assert_eq!(told["systems"], json!(["th.dga/portal", "th.dlt/licensing"]));
    let rest: Value = hall.ask("case", &json!({ "case": case, "after": asked + 1 })).await.json(200);
    assert_eq!(rest["messages"].as_array().unwrap().len(), 1);
    hall.ask("case", &json!({ "case": CaseId::new() })).await.problem(ProblemCode::NotFound);
}

#[tokio::test]
async fn health_counts_what_was_logged_slot_by_slot() {
    let hall = Hall::new().await;
    let hub = &hall.hub;
    let (one, two) = (hub.accept(&hub.world.message()).await, hub.accept(&hub.world.message()).await);
    hall.refused().await;
    hub.clock.advance(60);
    hub.accept(&hub.world.message()).await;
    hall.settle(one, None).await;
    hub.clock.advance(60);
    hall.settle(two, Some("not-ours")).await;
    let query = json!({ "since": NOW * 1000, "until": (NOW + 240) * 1000, "minutes": 1 });
    let told: Value = hall.ask("health", &query).await.json(200);
    let slots = told["slots"].as_array().unwrap();
    let minute = |number: u64| (NOW + 60 * number) * 1000;
    assert_eq!(slots.len(), 4);
    let first = json!({ "since": minute(0), "accepted": 2, "refused": { "agreement-missing": 1 }, "processed": 0, "rejected": {} });
    assert_eq!(slots[0], first);
    assert_eq!((slots[1]["accepted"].as_u64(), slots[1]["processed"].as_u64()), (Some(1), Some(1)));
    let took = slots[1]["acknowledged_within"]["half"].as_u64().unwrap();
    assert!((60_000..=90_000).contains(&took), "{took}");
    assert_eq!(slots[2]["rejected"], json!({ "not-ours": 1 }));
    assert_eq!(slots[3], json!({ "since": minute(3), "accepted": 0, "refused": {}, "processed": 0, "rejected": {} }));
    let whole = json!({ "since": NOW * 1000, "until": (NOW + 240) * 1000, "minutes": 10 });
    let told: Value = hall.ask("health", &whole).await.json(200);
    assert_eq!((told["slots"].as_array().unwrap().len(), told["slots"][0]["accepted"].as_u64()), (1, Some(3)));
}

#[tokio::test]
async fn codes_that_receivers_make_up_do_not_fill_an_answer() {
    let hall = Hall::new().await;
    let mut codes: Vec<String> = (0..40).map(|number| format!("code-{number:02}")).collect();
    // These came often, and are named however many others there are.
    codes.extend(["code-38".to_owned(), "code-39".to_owned()]);
    for (number, code) in codes.iter().enumerate() {
        let index = hall.hub.accept(&hall.hub.world.message()).await;
        hall.settle(index, Some(code)).await;
        if number % 20 == 19 {
            hall.hub.clock.advance(60);
        }
    }
    let query = json!({ "since": NOW * 1000, "until": (NOW + 240) * 1000, "minutes": 1 });
    let told: Value = hall.ask("health", &query).await.json(200);
    let slots = told["slots"].as_array().unwrap();
    let named = |slot: &Value| slot["rejected"].as_object().unwrap().clone();
    let names: std::collections::BTreeSet<String> =
        slots.iter().flat_map(|slot| named(slot).into_iter()).map(|(name, _)| name).collect();
    assert_eq!(names.len(), 32, "the same in all slots: {names:?}");
    assert!(names.contains("code-38") && names.contains("code-39"), "{names:?}");
    let of = |slot: &Value| {
        let named: u64 = named(slot).values().map(|count| count.as_u64().unwrap()).sum();
        named + slot["rejected_others"].as_u64().unwrap_or_default()
    };
    assert_eq!(slots.iter().map(of).collect::<Vec<_>>(), [20, 20, 2, 0], "none is lost: {slots:?}");
    let others = slots.iter().filter_map(|slot| slot["rejected_others"].as_u64()).sum::<u64>();
    assert_eq!(others, 8, "{slots:?}");
    assert!(slots[3].get("rejected_others").is_none());
}
