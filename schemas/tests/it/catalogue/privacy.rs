//! What people entrust to a body stays out of error texts and of `Debug`.

use std::collections::BTreeSet;

use saphan_schemas::catalogue::SchemaViolation;
use saphan_schemas::message_types::{
    Applicant, ApplicationDecided, ApplicationStatusChanged, ApplicationSubmitted, ApplicationWithdrawn,
    EvidenceProvided, EvidenceRequested, InformationSupplied, MessageBody,
};
use serde_json::{Value, json};

use super::{CATALOGUE, examples, id, schema_ids};

/// All texts in `value` that are long enough not to occur by chance.
fn texts<'v>(value: &'v Value, found: &mut BTreeSet<&'v str>) {
    match value {
        Value::String(text) if text.chars().count() >= 4 => {
            found.insert(text);
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(members) => members.values().for_each(|member| texts(member, found)),
        _ => {}
    }
}

#[test]
fn a_violation_never_repeats_what_the_instance_holds() {
    let published: String = CATALOGUE.schemas().map(|schema| &*schema.text).collect();
    let mut compared = 0;
    for schema in schema_ids() {
        for example in examples(schema, "invalid") {
            let instance = &example.content["instance"];
            let violation = CATALOGUE.validate(schema, instance).unwrap_err();
            let told = format!("{violation} {violation:?}");
            let mut held = BTreeSet::new();
            texts(instance, &mut held);
            for text in held.into_iter().filter(|text| !published.contains(text)) {
                assert!(!told.contains(text), "{}: {told}", example.name);
                compared += 1;
            }
        }
    }
    assert!(compared > 200, "only {compared} texts were compared");
}

#[test]
fn a_member_that_is_not_defined_is_refused_by_what_is_defined_and_not_by_its_name() {
    let body =
        json!({ "withdrawn_at": "2026-11-24T09:30:00Z", "withdrawn_by": "APPLICANT", "reason": "OTHER", "สมชาย": 1 });
    let violation = CATALOGUE.validate(&id("application.withdrawn@1"), &body).unwrap_err();
    let SchemaViolation::Invalid { errors } = violation else { panic!("{violation}") };
    assert_eq!(
        errors[0].message,
        "has members that are not defined here; defined are note, reason, withdrawn_at, withdrawn_by"
    );
}

#[test]
fn a_violation_inside_a_common_part_tells_what_that_part_defines() {
    let body = json!({ "kind": "Foreigner", "passport_number": "X0012345", "nationality": "JP", "name": { "first": "Hanako", "nick": "H" } });
    let violation = CATALOGUE.validate(&id("applicant@1"), &body).unwrap_err();
    let SchemaViolation::Invalid { errors } = violation else { panic!("{violation}") };
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].pointer, "/name");
    assert!(errors[0].message.ends_with("defined are first, last, middle, title"), "{}", errors[0].message);
}

fn debug_hides_people<T: MessageBody + std::fmt::Debug>() -> usize {
    let mut compared = 0;
    for example in examples(&id(T::SCHEMA), "valid") {
        let body: T = serde_json::from_value(example.content.clone()).unwrap();
        compared += assert_hidden(&format!("{body:?}"), &example.content, &example.name);
    }
    compared
}

fn assert_hidden(shown: &str, content: &Value, name: &str) -> usize {
    let mut personal = BTreeSet::new();
    personal_texts(content, &mut personal);
    for text in &personal {
        assert!(!shown.contains(text), "{name}: {shown}");
    }
    personal.len()
}

/// Texts below members that hold personal data or free text.
fn personal_texts<'v>(value: &'v Value, found: &mut BTreeSet<&'v str>) {
    const PERSONAL: &[&str] = &[
        "national_id",
        "person_number",
        "passport_number",
        "name",
        "latin_name",
        "birth_date",
        "house_number",
        "road",
        "lane",
        "building",
        "contact",
        "form",
        "content",
        "note",
        "value",
        "staff_number",
        "record_number",
        "decision_number",
        "reference_number",
        "title",
        "payment_reference",
    ];
    match value {
        Value::Array(items) => items.iter().for_each(|item| personal_texts(item, found)),
        // The name of an office is no personal data; neither is the name of a fact.
        Value::Object(members) => members.iter().for_each(|(name, member)| match name.as_str() {
            "office" | "decided_by" | "requested_by" | "label" => {}
            "name" if member.is_string() => {}
            name if PERSONAL.contains(&name) => texts(member, found),
            _ => personal_texts(member, found),
        }),
        _ => {}
    }
}

#[test]
fn debug_of_a_body_shows_no_personal_data() {
    let compared = [
        debug_hides_people::<ApplicationSubmitted>(),
        debug_hides_people::<ApplicationWithdrawn>(),
        debug_hides_people::<ApplicationStatusChanged>(),
        debug_hides_people::<ApplicationDecided>(),
        debug_hides_people::<EvidenceRequested>(),
        debug_hides_people::<EvidenceProvided>(),
        debug_hides_people::<InformationSupplied>(),
    ];
    assert!(compared.iter().all(|compared| *compared > 0), "{compared:?}");
}

#[test]
fn debug_of_an_applicant_shows_the_kind_only() {
    for example in examples(&id("applicant@1"), "valid") {
        let applicant: Applicant = serde_json::from_value(example.content.clone()).unwrap();
        assert!(assert_hidden(&format!("{applicant:?}"), &example.content, &example.name) > 0);
        assert!(!format!("{:?}", applicant.subject()).chars().any(|c| c.is_ascii_digit()));
    }
}
