//! Schemas that ended: they come back as their next version, and that accepts what the last one accepted.

use saphan_hub::registry::{RegistryFile, changes_for};
use saphan_schemas::catalogue::SchemaText;
use saphan_schemas::ids::SchemaId;
use saphan_schemas::problem::ProblemCode;
use saphan_schemas::registry::{Change, Entry, EntryId, Schema};
use serde_json::{Value, json};

use super::{WITHDRAWN, changed, embedded, entry, told, with_channel, withdrawal_with_channel};
use crate::harness::{Answer, TestHub};

/// A schema that no release has.
fn text(id: &str, required: &[&str], properties: Value, definitions: Value) -> SchemaText {
    let mut text = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("urn:saphan:schema:{id}"),
        "title": "A test",
        "type": "object",
        "additionalProperties": false,
        "required": required,
    });
    (text["properties"], text["$defs"]) = (properties, definitions);
    SchemaText::parse(&text.to_string()).unwrap()
}

fn with_a() -> SchemaText {
    text("test.q@1", &["a"], json!({ "a": { "type": "string", "maxLength": 9 } }), json!({}))
}

fn with_z() -> SchemaText {
    text("test.q@1", &["z"], json!({ "z": { "type": "integer", "minimum": 0, "maximum": 9 } }), json!({}))
}

fn revoked(id: &SchemaId) -> Change {
    Change::Revoked(EntryId::Schema(id.clone()))
}

impl TestHub {
    async fn add(&self, text: &SchemaText, version: &str) -> Answer {
        self.send_schemas([Change::Added(Entry::Schema(entry(text, version)))], &[text]).await
    }
}

#[track_caller]
fn is_incompatible(answer: &Answer) {
    let (detail, places) = told(answer.problem(ProblemCode::RegistryEntryInvalid));
    assert!(detail.contains("new major version") && !places.is_empty(), "{detail} {places:?}");
}

#[tokio::test]
async fn a_schema_that_ended_comes_back_as_its_next_version() {
    let hub = TestHub::new().await;
    let id: SchemaId = WITHDRAWN.parse().unwrap();
    hub.apply([revoked(&id)]).await;
    hub.submit(&hub.world.message()).await.problem(ProblemCode::TypeUnknown);
    let text = with_channel();
    let again = |version: &str| Change::Added(Entry::Schema(entry(&text, version)));
    hub.send_schemas([again("1.0")], &[&text]).await.problem(ProblemCode::RegistryEntryInvalid);
    hub.send_schemas([again("1.1")], &[&text]).await.json::<Value>(200);
    hub.submit(&withdrawal_with_channel(&hub)).await.accepted();
}

#[tokio::test]
async fn a_schema_that_ended_comes_back_only_with_a_text_that_accepts_what_was_accepted() {
    let hub = TestHub::new().await;
    let (first, other) = (with_a(), with_z());
    hub.add(&first, "1.0").await.json::<Value>(200);
    // In one request, and after it.
    let size = hub.size();
    let changes = [revoked(&first.id), Change::Added(Entry::Schema(entry(&other, "1.1")))];
    is_incompatible(&hub.send_schemas(changes, &[&other]).await);
    assert_eq!(hub.size(), size);
    hub.apply([revoked(&first.id)]).await;
    is_incompatible(&hub.add(&other, "1.1").await);
    let hub = hub.stop().await.start().await;
    is_incompatible(&hub.add(&other, "1.1").await);
    let wider = text("test.q@1", &[], json!({ "a": { "type": "string", "maxLength": 10 } }), json!({}));
    hub.add(&wider, "1.1").await.json::<Value>(200);
}

#[tokio::test]
async fn what_ended_is_compared_with_its_last_text_and_not_with_that_of_the_release() {
    let hub = TestHub::new().await;
    let (release, wider) = (embedded(WITHDRAWN), with_channel());
    hub.publish(&wider, entry(&wider, "1.1")).await.json::<Value>(200);
    hub.apply([revoked(&wider.id)]).await;
    is_incompatible(&hub.add(&release, "1.2").await);
    let state = hub.app.registry.state();
    assert_eq!(changes_for(&state, RegistryFile::default(), [&release]).unwrap(), [], "it stays replaced");
    hub.add(&wider, "1.1").await.json::<Value>(200);
    hub.submit(&withdrawal_with_channel(&hub)).await.accepted();
}

#[tokio::test]
async fn what_refers_to_a_schema_that_ended_keeps_its_meaning() {
    let hub = TestHub::new().await;
    let common = |length: u32| {
        text("test.common@1", &[], json!({}), json!({ "note": { "type": "string", "maxLength": length } }))
    };
    hub.add(&common(9), "1.0").await.json::<Value>(200);
    let refers = changed(WITHDRAWN, |text| {
        text["properties"]["channel"] = json!({ "$ref": "urn:saphan:schema:test.common@1#/$defs/note" });
    });
    hub.publish(&refers, entry(&refers, "1.1")).await.json::<Value>(200);
    hub.apply([revoked(&common(9).id)]).await;
    hub.submit(&withdrawal_with_channel(&hub)).await.accepted();
    is_incompatible(&hub.add(&common(2), "1.1").await);
    hub.add(&common(20), "1.1").await.json::<Value>(200);
    hub.submit(&withdrawal_with_channel(&hub)).await.accepted();
}

#[tokio::test]
async fn a_schema_that_ended_and_whose_last_text_is_lost_comes_back_only_after_that_text() {
    let hub = TestHub::new().await;
    let first = with_a();
    hub.add(&first, "1.0").await.json::<Value>(200);
    hub.apply([revoked(&first.id)]).await;
    let site = hub.stop().await;
    crate::restart::change(&site, "DELETE FROM schema_text").await;
    let hub = site.start().await;
    let wider = text("test.q@1", &[], json!({ "a": { "type": "string", "maxLength": 10 } }), json!({}));
    let (detail, _) = told(hub.add(&wider, "1.1").await.problem(ProblemCode::RegistryEntryInvalid));
    assert!(detail.contains("publish that very text again first"), "{detail}");
    let accepted = Schema { accepted: Some("it is only longer".parse().unwrap()), ..entry(&wider, "1.1") };
    let added = Change::Added(Entry::Schema(accepted));
    hub.send_schemas([added], &[&wider]).await.problem(ProblemCode::RegistryEntryInvalid);
    hub.add(&first, "1.0").await.json::<Value>(200);
    hub.publish(&wider, entry(&wider, "1.1")).await.json::<Value>(200);
}
