//! The Rust types of bodies and their schemas agree.

use proptest::prelude::*;
use saphan_schemas::message_types::{
    ApplicationDecided, ApplicationFeePaid, ApplicationStatusChanged, ApplicationSubmitted, ApplicationWithdrawn,
    CaseReminder, CaseSubmitted, ConsentGiven, ConsentRevoked, Date, EvidenceDeclined, EvidencePending,
    EvidenceProvided, EvidenceRequested, EvidenceReused, InformationRequested, InformationSupplied, MessageBody,
    PartialDate, Timestamp,
};
use serde_json::{Value, json};

use super::{CATALOGUE, examples, id};

fn every_valid_example_survives_a_round_trip<T: MessageBody>() {
    let schema = id(T::SCHEMA);
    assert_eq!(schema.name(), T::TYPE);
    for example in examples(&schema, "valid") {
        let body: T =
            serde_json::from_value(example.content.clone()).unwrap_or_else(|error| panic!("{}: {error}", example.name));
        let again = serde_json::to_value(&body).unwrap();
        assert_eq!(again, without_empty_lists(example.content), "{}", example.name);
        assert_eq!(CATALOGUE.validate(&schema, &again), Ok(()), "{}", example.name);
    }
}

/// Bodies leave an empty optional list out.
fn without_empty_lists(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .filter(|(_, member)| member.as_array().is_none_or(|list| !list.is_empty()))
            .map(|(name, member)| (name, without_empty_lists(member)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_empty_lists).collect(),
        other => other,
    }
}

#[test]
fn every_valid_example_of_a_message_type_survives_a_round_trip_through_its_rust_type() {
    every_valid_example_survives_a_round_trip::<ApplicationSubmitted>();
    every_valid_example_survives_a_round_trip::<ApplicationWithdrawn>();
    every_valid_example_survives_a_round_trip::<ApplicationStatusChanged>();
    every_valid_example_survives_a_round_trip::<ApplicationDecided>();
    every_valid_example_survives_a_round_trip::<EvidenceRequested>();
    every_valid_example_survives_a_round_trip::<EvidenceProvided>();
    every_valid_example_survives_a_round_trip::<EvidenceDeclined>();
    every_valid_example_survives_a_round_trip::<InformationRequested>();
    every_valid_example_survives_a_round_trip::<InformationSupplied>();
    every_valid_example_survives_a_round_trip::<EvidencePending>();
    every_valid_example_survives_a_round_trip::<EvidenceReused>();
    every_valid_example_survives_a_round_trip::<ConsentGiven>();
    every_valid_example_survives_a_round_trip::<ConsentRevoked>();
    every_valid_example_survives_a_round_trip::<CaseSubmitted>();
    every_valid_example_survives_a_round_trip::<CaseReminder>();
    every_valid_example_survives_a_round_trip::<ApplicationFeePaid>();
}

#[test]
fn a_receiver_ignores_a_member_that_a_newer_sender_added() {
    let body = json!({ "withdrawn_at": "2026-11-24T09:30:00Z", "withdrawn_by": "APPLICANT", "reason": "OTHER", "mood": "sad" });
    assert!(serde_json::from_value::<ApplicationWithdrawn>(body.clone()).is_ok());
    assert!(CATALOGUE.validate(&id("application.withdrawn@1"), &body).is_err());
}

fn accepts(schema: &str, body: &Value) -> bool {
    CATALOGUE.validate(&id(schema), body).is_ok()
}

proptest! {
    #[test]
    fn schema_and_type_accept_the_same_moments(
        text in "(19|20|22|25)[0-9]{2}-(0[0-9]|1[0-3])-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](\\.[0-9]{0,10})?(Z|Z|z|[+-][0-2][0-9]:?[0-6][0-9])",
    ) {
        let body = json!({ "withdrawn_at": text, "withdrawn_by": "APPLICANT", "reason": "OTHER" });
        prop_assert_eq!(accepts("application.withdrawn@1", &body), text.parse::<Timestamp>().is_ok());
    }

    #[test]
    fn schema_and_type_accept_the_same_dates(text in "(17|18|19|20|22|23|25)[0-9]{2}-(0[0-9]|1[0-3])-[0-3][0-9]( |Z)?") {
        let mut body = json!({ "changed_at": "2026-11-24T09:30:00Z", "status": "CHECK", "next": "DONE", "text": { "th": "ก", "en": "a" } });
        body["expected_by"] = json!(text);
        prop_assert_eq!(accepts("application.status-changed@1", &body), text.parse::<Date>().is_ok());
    }

    #[test]
    fn schema_and_type_accept_the_same_partial_dates(text in "(17|18|19|20|22|23|25)[0-9]{2}(-(0[0-9]|1[0-3])(-[0-3][0-9])?)?") {
        let name = json!({ "title": "นาย", "first": "ก", "last": "ข" });
        let body = json!({ "kind": "Citizen", "national_id": "1990100010008", "name": name, "birth_date": text });
        prop_assert_eq!(accepts("applicant@1", &body), text.parse::<PartialDate>().is_ok());
    }
}
