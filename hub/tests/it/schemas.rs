//! Schemas as a contract: published on a running hub, in force at once, compatible, and in the log.

mod ended;

use saphan_hub::store::Store as _;
use saphan_schemas::catalogue::{Catalogue, SchemaText};
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::SchemaId;
use saphan_schemas::leaf::Leaf;
use saphan_schemas::problem::{ProblemCode, ProblemDocument};
use saphan_schemas::receipt::UnverifiedReceipt;
use saphan_schemas::registry::{Change, Entry, Schema};
use serde_json::{Value, json};

use crate::harness::{Answer, Evidence, HUB, LogCopy, Submission, TestHub, sign_entry, sign_token};

const WITHDRAWN: &str = "application.withdrawn@1";

fn embedded(id: &str) -> SchemaText {
    Catalogue::embedded().unwrap().schema(&id.parse().unwrap()).unwrap().clone()
}

/// A text of the catalogue, changed.
fn changed(id: &str, change: impl FnOnce(&mut Value)) -> SchemaText {
    let mut document: Value = serde_json::from_str(&embedded(id).text).unwrap();
    change(&mut document);
    SchemaText::parse(&serde_json::to_string_pretty(&document).unwrap()).unwrap()
}

/// A minor version of the withdrawal with a member more.
fn with_channel() -> SchemaText {
    changed(WITHDRAWN, |text| {
        text["properties"]["channel"] = json!({ "type": "string", "enum": ["COUNTER", "WEB"] });
    })
}

/// The same times in another pattern: nobody can decide that.
fn with_other_words() -> SchemaText {
    changed("th.dopa.birth-registration@1", |text| {
        text["properties"]["child"]["properties"]["born_at"]["pattern"] = "^(2[0-3]|[01][0-9]):[0-5][0-9]$".into();
    })
}

fn entry(text: &SchemaText, version: &str) -> Schema {
    Schema { version: version.parse().unwrap(), ..Schema::first(text.id.clone(), text.sha256) }
}

impl TestHub {
    async fn send_schemas(&self, changes: impl IntoIterator<Item = Change>, texts: &[&SchemaText]) -> Answer {
        let entries: Vec<_> = changes.into_iter().map(|change| sign_entry(change, &self.operator)).collect();
        let texts: Vec<&str> = texts.iter().map(|text| &*text.text).collect();
        let token = sign_token(self.token(HUB, "POST", "/v1/registry"), &self.operator);
        let body = json!({ "entries": entries, "schemas": texts });
        self.call_with(&format!("Bearer {token}"), "POST", "/v1/registry", &body).await
    }

    /// Registers a text of the catalogue, as `registry apply` does with all of them.
    async fn register(&self, id: &str) {
        let text = embedded(id);
        self.apply([Change::Added(Entry::Schema(Schema::first(text.id, text.sha256)))]).await;
    }

    async fn publish(&self, text: &SchemaText, schema: Schema) -> Answer {
        self.send_schemas([Change::Changed(Entry::Schema(schema))], &[text]).await
    }

    /// The schema version that the leaf of an accepted message names.
    async fn cited(&self, evidence: &Evidence) -> (SchemaId, Sha256Hash) {
        let index = UnverifiedReceipt::parse(&evidence.receipt).unwrap().claims().index;
        let leaf = self.store.entries(index, 1).await.unwrap().pop().unwrap();
        match Leaf::parse(&leaf).unwrap() {
            Leaf::Message { schema, .. } => (schema.id, schema.sha256),
            other => panic!("{other:?}"),
        }
    }
}

fn withdrawal_with_channel(hub: &TestHub) -> Submission {
    hub.world.withdrawal().with_json(|body| body["channel"] = "WEB".into()).sign(&hub.world.portal.key)
}

/// The detail of a refusal and its places.
fn told(problem: ProblemDocument) -> (String, Vec<String>) {
    (problem.detail.unwrap_or_default(), problem.errors.into_iter().map(|place| place.pointer).collect())
}

#[tokio::test]
async fn a_minor_version_is_in_force_when_its_publication_is_answered_and_its_hash_is_cited() {
    let hub = TestHub::new().await;
    let (before, text) = (hub.world.message(), with_channel());
    let early = hub.submit(&before).await.accepted();
    hub.submit(&withdrawal_with_channel(&hub)).await.problem(ProblemCode::SchemaViolation);
    hub.publish(&text, entry(&text, "1.1")).await.json::<Value>(200);
    let evidence = hub.submit(&withdrawal_with_channel(&hub)).await.accepted();
    assert_eq!(hub.cited(&evidence).await, (text.id.clone(), text.sha256));
    assert_eq!(hub.cited(&early).await.1, embedded(WITHDRAWN).sha256);
    // Who sends by the version before goes on.
    hub.submit(&hub.world.message()).await.accepted();
    // Receipts cite hashes; each text is there for as long as the log.
    let at = format!("/v1/schemas/{WITHDRAWN}");
    assert_eq!(hub.get(&at).await.text(), &*text.text);
    assert_eq!(hub.get(&format!("{at}?sha256={}", text.sha256)).await.text(), &*text.text);
    let old = embedded(WITHDRAWN);
    assert_eq!(hub.get(&format!("{at}?sha256={}", old.sha256)).await.text(), &*old.text);
    let other = Sha256Hash::of(b"another");
    hub.get(&format!("{at}?sha256={other}")).await.problem(ProblemCode::NotFound);
    let path = format!("/v1/schemas/application.decided@1?sha256={}", old.sha256);
    hub.get(&path).await.problem(ProblemCode::NotFound);
    hub.get(&format!("{at}?sha256=x")).await.problem(ProblemCode::RequestMalformed);
}

#[tokio::test]
async fn a_published_schema_is_in_force_after_a_restart() {
    let hub = TestHub::new().await;
    let text = with_channel();
    hub.publish(&text, entry(&text, "1.1")).await.json::<Value>(200);
    let hub = hub.stop().await.start().await;
    let evidence = hub.submit(&withdrawal_with_channel(&hub)).await.accepted();
    assert_eq!(hub.cited(&evidence).await.1, text.sha256);
    let old = embedded(WITHDRAWN).sha256;
    assert_eq!(hub.get(&format!("/v1/schemas/{WITHDRAWN}?sha256={old}")).await.status, 200);
}

#[tokio::test]
async fn a_new_schema_can_refer_to_one_that_was_published_and_bodies_follow_it() {
    let hub = TestHub::new().await;
    let text = changed(WITHDRAWN, |text| {
        text["$id"] = "urn:saphan:schema:application.withdrawn@2".into();
        text["properties"]["fax"] = json!({ "type": "string", "maxLength": 20 });
        text["required"].as_array_mut().unwrap().push("fax".into());
    });
    let added = Change::Added(Entry::Schema(Schema::first(text.id.clone(), text.sha256)));
    hub.send_schemas([added], &[&text]).await.json::<Value>(200);
    let message = |fax: bool| {
        let draft = hub.world.withdrawal().change(|claims| claims.schema = text.id.clone());
        draft
            .with_json(|body| {
                if fax {
                    body["fax"] = "02".into()
                }
            })
            .sign(&hub.world.portal.key)
    };
    hub.submit(&message(false)).await.problem(ProblemCode::SchemaViolation);
    hub.submit(&message(true)).await.accepted();
}

#[tokio::test]
async fn a_text_that_refuses_what_was_accepted_is_refused_with_its_places_and_nothing_is_logged() {
    let hub = TestHub::new().await;
    let text = changed(WITHDRAWN, |text| {
        text["properties"].as_object_mut().unwrap().remove("note");
        text["properties"]["reason"]["enum"].as_array_mut().unwrap().pop();
    });
    let size = hub.size();
    let mut schema = entry(&text, "1.1");
    let (detail, places) = told(hub.publish(&text, schema.clone()).await.problem(ProblemCode::RegistryEntryInvalid));
    assert!(detail.contains("new major version"), "{detail}");
    assert_eq!(places, ["#/properties", "#/properties/reason"]);
    // Nobody's word makes it compatible.
    schema.accepted = Some("it is only one member".parse().unwrap());
    hub.publish(&text, schema).await.problem(ProblemCode::RegistryEntryInvalid);
    assert_eq!(hub.size(), size);
    assert_eq!(hub.store.schema_texts(&[text.sha256]).await.unwrap(), []);
    hub.submit(&hub.world.message()).await.accepted();
}

#[tokio::test]
async fn a_common_part_is_judged_by_what_refers_to_it_and_changes_that_too() {
    let hub = TestHub::new().await;
    hub.register("common@1").await;
    let narrower = changed("common@1", |text| text["$defs"]["contact"]["minProperties"] = 2.into());
    let refused = hub.publish(&narrower, entry(&narrower, "1.1")).await.problem(ProblemCode::RegistryEntryInvalid);
    assert_eq!(told(refused).1, ["#/$defs/contact/minProperties"]);
    let wider = changed("common@1", |text| {
        text["$defs"]["contact"]["properties"]["line_id"] = json!({ "type": "string", "maxLength": 40 });
    });
    let message = || {
        let draft = hub.world.application().with_json(|body| body["contact"]["line_id"] = "somchai".into());
        draft.sign(&hub.world.portal.key)
    };
    hub.submit(&message()).await.problem(ProblemCode::SchemaViolation);
    hub.publish(&wider, entry(&wider, "1.1")).await.json::<Value>(200);
    hub.submit(&message()).await.accepted();
}

#[tokio::test]
async fn what_cannot_be_decided_needs_the_operators_reason_and_the_reason_is_in_the_log() {
    let hub = TestHub::new().await;
    hub.register("th.dopa.birth-registration@1").await;
    let text = with_other_words();
    let mut schema = entry(&text, "1.1");
    let (detail, places) = told(hub.publish(&text, schema.clone()).await.problem(ProblemCode::RegistryEntryInvalid));
    assert!(detail.contains("cannot be decided"), "{detail}");
    assert_eq!(places, ["#/properties/child/properties/born_at"]);
    schema.accepted = Some("ticket 4711: the same times".parse().unwrap());
    hub.publish(&text, schema.clone()).await.json::<Value>(200);
    let log = LogCopy::fetch(&hub).await;
    let Some(Leaf::Registry { entry: logged, .. }) = log.leaves.last() else { panic!("{:?}", log.leaves.last()) };
    let logged = saphan_schemas::registry::UnverifiedRegistryEntry::parse(logged).unwrap();
    let logged = logged.verify(hub.app.registry.state().operator_keys().standing().next().unwrap()).unwrap();
    assert_eq!(logged.claims().change, Change::Changed(Entry::Schema(schema)));
    // A reason where nothing had to be decided would say that somebody did.
    let text = with_channel();
    let mut schema = entry(&text, "1.1");
    schema.accepted = Some("just so".parse().unwrap());
    let (detail, _) = told(hub.publish(&text, schema).await.problem(ProblemCode::RegistryEntryInvalid));
    assert!(detail.contains("without anyone's decision"), "{detail}");
}

#[tokio::test]
async fn an_entry_without_its_text_or_with_a_text_outside_of_the_profile_is_refused() {
    let hub = TestHub::new().await;
    let size = hub.size();
    let text = with_channel();
    let schema = entry(&text, "1.1");
    let alone = hub.send_schemas([Change::Changed(Entry::Schema(schema.clone()))], &[]).await;
    let (detail, _) = told(alone.problem(ProblemCode::RegistryEntryInvalid));
    assert!(detail.contains("send it with the entry"), "{detail}");
    let mut other = schema.clone();
    other.id = "application.decided@1".parse().unwrap();
    let (detail, _) = told(hub.publish(&text, other).await.problem(ProblemCode::RegistryEntryInvalid));
    assert!(detail.contains("is that of application.withdrawn@1"), "{detail}");
    let outside = changed(WITHDRAWN, |text| {
        text["if"] = json!({});
        text["properties"]["note"]["pattern"] = "(?=a)".into();
    });
    let refused = hub.publish(&outside, entry(&outside, "1.1")).await.problem(ProblemCode::RegistryEntryInvalid);
    assert_eq!(told(refused).1, ["#/if", "#/properties/note/pattern"]);
    let (detail, _) = told(hub.publish(&text, entry(&text, "1.2")).await.problem(ProblemCode::RegistryEntryInvalid));
    assert!(detail.contains("has version 1.1"), "{detail}");
    assert_eq!(hub.size(), size);
}

#[tokio::test]
async fn a_reference_to_another_machine_is_refused_and_the_machine_never_asked() {
    let hub = TestHub::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/schema.json", listener.local_addr().unwrap());
    let text = changed(WITHDRAWN, |text| text["properties"]["note"] = json!({ "$ref": url }));
    let refused = hub.publish(&text, entry(&text, "1.1")).await.problem(ProblemCode::RegistryEntryInvalid);
    assert_eq!(told(refused).1, ["#/properties/note/$ref"]);
    let asked = futures_util::future::FutureExt::now_or_never(listener.accept());
    assert!(asked.is_none(), "somebody came");
}

#[tokio::test]
async fn a_schema_whose_text_is_lost_is_refused_until_the_same_text_is_sent_again() {
    let hub = TestHub::new().await;
    let text = with_channel();
    hub.publish(&text, entry(&text, "1.1")).await.json::<Value>(200);
    let site = hub.stop().await;
    crate::restart::change(&site, "DELETE FROM schema_text").await;
    let hub = site.start().await;
    let refused = hub.submit(&withdrawal_with_channel(&hub)).await.problem(ProblemCode::TypeUnknown);
    assert!(refused.detail.is_some_and(|detail| detail.contains("must publish it again")));
    hub.get(&format!("/v1/schemas/{WITHDRAWN}")).await.problem(ProblemCode::NotFound);
    // What cannot be compared is not taken for compatible.
    let next = changed(WITHDRAWN, |text| text["title"] = "Other words".into());
    let refused = hub.publish(&next, entry(&next, "1.2")).await.problem(ProblemCode::RegistryEntryInvalid);
    assert!(told(refused).0.contains("publish that very text again first"));
    let accepted = Schema { accepted: Some("only words".parse().unwrap()), ..entry(&next, "1.2") };
    hub.publish(&next, accepted).await.problem(ProblemCode::RegistryEntryInvalid);
    let size = hub.size();
    hub.send_schemas([], &[&text]).await.json::<Value>(200);
    assert_eq!(hub.size(), size, "a text alone is no entry");
    hub.submit(&withdrawal_with_channel(&hub)).await.accepted();
}

#[tokio::test]
async fn a_text_that_no_entry_names_is_not_kept() {
    let hub = TestHub::new().await;
    let text = with_channel();
    hub.send_schemas([], &[&text]).await.json::<Value>(200);
    assert_eq!(hub.store.schema_texts(&[text.sha256]).await.unwrap(), []);
}

#[tokio::test]
async fn nothing_is_logged_when_the_text_cannot_be_kept() {
    let hub = TestHub::new().await;
    let (size, text) = (hub.size(), with_channel());
    hub.store.set_down(true);
    hub.publish(&text, entry(&text, "1.1")).await.problem(ProblemCode::HubUnavailable);
    hub.store.set_down(false);
    assert_eq!(hub.size(), size);
    hub.publish(&text, entry(&text, "1.1")).await.json::<Value>(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_is_refused_while_a_minor_version_takes_the_place_of_another() {
    let hub = TestHub::new().await;
    let text = with_channel();
    let messages: Vec<_> = (0..40).map(|_| hub.world.message()).collect();
    let submit = async {
        let mut answers = Vec::new();
        for message in &messages {
            answers.push(hub.submit(message).await);
        }
        answers
    };
    let (published, answers) = tokio::join!(hub.publish(&text, entry(&text, "1.1")), submit);
    published.json::<Value>(200);
    let mut cited = std::collections::BTreeSet::new();
    for answer in answers {
        // A judgement that the new entry overtook is made again: the hub says busy, never that the type is unknown.
        if answer.status == 201 {
            cited.insert(hub.cited(&answer.accepted()).await.1);
        } else {
            answer.problem(ProblemCode::HubBusy);
        }
    }
    assert!(cited.iter().all(|hash| [embedded(WITHDRAWN).sha256, text.sha256].contains(hash)), "{cited:?}");
    LogCopy::fetch(&hub).await;
}
