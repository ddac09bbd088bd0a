//! Valid examples are accepted, invalid ones refused where they say.

use std::collections::BTreeSet;

use serde_json::json;

use super::{CATALOGUE, examples, examples_folder, id, pointers, schema_ids};

#[test]
fn every_schema_has_valid_and_invalid_examples() {
    for schema in schema_ids() {
        let is_form = CATALOGUE.services().iter().any(|service| service.form == *schema);
        let is_evidence = CATALOGUE.evidence_types().iter().any(|known| known.schema == *schema);
        let (valid, invalid) = if is_form || is_evidence { (1, 2) } else { (2, 3) };
        assert!(examples(schema, "valid").len() >= valid, "{schema} has too few valid examples");
        assert!(examples(schema, "invalid").len() >= invalid, "{schema} has too few invalid examples");
    }
}

#[test]
fn no_example_belongs_to_a_schema_that_is_not_there() {
    let folders: BTreeSet<String> = std::fs::read_dir(examples_folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(folders, schema_ids().map(ToString::to_string).collect());
}

#[test]
fn every_valid_example_is_accepted() {
    for schema in schema_ids() {
        for example in examples(schema, "valid") {
            assert_eq!(CATALOGUE.validate(schema, &example.content), Ok(()), "{}", example.name);
        }
    }
}

#[test]
fn every_invalid_example_is_refused_at_exactly_the_places_that_it_names() {
    for schema in schema_ids() {
        for example in examples(schema, "invalid") {
            let violation = CATALOGUE.validate(schema, &example.content["instance"]).expect_err(&example.name);
            let mut expected: Vec<String> = serde_json::from_value(example.content["expect"].clone()).unwrap();
            expected.sort();
            assert_eq!(pointers(&violation), expected, "{}: {violation:?}", example.name);
        }
    }
}

#[test]
fn the_form_of_every_valid_application_follows_the_form_of_its_service() {
    let mut forms = 0;
    for example in examples(&id("application.submitted@1"), "valid") {
        let form = id(example.content["form_schema"].as_str().unwrap());
        assert_eq!(CATALOGUE.validate(&form, &example.content["form"]), Ok(()), "{}", example.name);
        forms += 1;
    }
    assert!(forms >= 2);
}

#[test]
fn the_content_of_every_valid_piece_of_evidence_follows_the_schema_of_its_type() {
    let mut contents = 0;
    for example in examples(&id("evidence.provided@1"), "valid") {
        let Some(content) = example.content.get("content") else { continue };
        let known = example.content["evidence_type"].as_str().unwrap().parse().unwrap();
        let schema = &CATALOGUE.evidence_type(&known).unwrap().schema;
        assert_eq!(example.content["content_schema"].as_str(), Some(schema.as_str()), "{}", example.name);
        assert_eq!(CATALOGUE.validate(schema, content), Ok(()), "{}", example.name);
        contents += 1;
    }
    assert!(contents >= 1);
}

#[test]
fn a_schema_that_the_catalogue_does_not_have_is_called_unknown() {
    let violation = CATALOGUE.validate(&id("application.submitted@9"), &json!({})).unwrap_err();
    assert_eq!(violation.to_string(), "there is no schema application.submitted@9");
}

#[test]
fn an_answer_lists_at_most_32_violations() {
    let answers: Vec<_> = (0..50).map(|_| json!({ "kind": "Value", "item": "x" })).collect();
    let body = json!({ "supplied_at": "2026-11-24T09:30:00+07:00", "answers": answers });
    let violation = CATALOGUE.validate(&id("information.supplied@1"), &body).unwrap_err();
    assert_eq!(pointers(&violation).len(), 32);
}
