//! Whether a new text is compatible with the one that stands.

use std::collections::HashSet;

use saphan_schemas::catalogue::{Candidate, Compatibility, Finding};
use serde_json::{Value, json};

use super::{CATALOGUE, examples, id, schema_ids};

/// The text of a schema, changed.
fn changed(schema: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut document: Value = serde_json::from_str(&CATALOGUE.schema(&id(schema)).unwrap().text).unwrap();
    change(&mut document);
    document.to_string()
}

fn candidate(schema: &str, change: impl FnOnce(&mut Value)) -> Candidate {
    CATALOGUE.candidate(&changed(schema, change), None).unwrap_or_else(|error| panic!("{error}"))
}

fn judge(schema: &str, change: impl FnOnce(&mut Value)) -> Compatibility {
    candidate(schema, change).compatibility
}

fn places(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.place.as_str()).collect()
}

#[track_caller]
fn refused_at(found: &Compatibility, expected: &[&str]) {
    let Compatibility::Incompatible(findings) = found else { panic!("{found:?}") };
    assert_eq!(places(findings), expected, "{findings:?}");
}

#[track_caller]
fn open_at(found: &Compatibility, expected: &[&str]) {
    let Compatibility::Unknown(findings) = found else { panic!("{found:?}") };
    assert_eq!(places(findings), expected, "{findings:?}");
}

const WITHDRAWN: &str = "application.withdrawn@1";

#[test]
fn a_text_that_stands_is_the_same_and_one_of_another_id_is_new() {
    for schema in schema_ids() {
        let text = &CATALOGUE.schema(schema).unwrap().text;
        assert_eq!(CATALOGUE.candidate(text, None).unwrap().compatibility, Compatibility::Same, "{schema}");
    }
    let next = judge(WITHDRAWN, |text| text["$id"] = "urn:saphan:schema:application.withdrawn@2".into());
    assert_eq!(next, Compatibility::New);
}

#[test]
fn every_schema_is_proven_compatible_with_itself_in_other_words() {
    for schema in CATALOGUE.schemas() {
        let found = judge(schema.id.as_str(), |text| text["description"] = "Other words.".into());
        assert_eq!(found, Compatibility::Compatible, "{}", schema.id);
    }
}

#[test]
fn accepting_more_is_compatible() {
    let optional = json!({ "type": "string", "maxLength": 20, "pattern": "^[A-Z]+$" });
    let alternative = json!({
        "type": "object", "additionalProperties": false, "required": ["kind"],
        "properties": { "kind": { "type": "string", "const": "Later" } },
    });
    type Widening = (&'static str, &'static str, Box<dyn FnOnce(&mut Value)>);
    let widenings: Vec<Widening> = vec![
        ("an optional member", WITHDRAWN, Box::new(move |text| text["properties"]["channel"] = optional)),
        ("a longer text", WITHDRAWN, Box::new(|text| text["properties"]["note"]["maxLength"] = 1001.into())),
        ("another value", WITHDRAWN, Box::new(|text| push(&mut text["properties"]["reason"]["enum"], "MOVED"))),
        ("a member that may be missing", WITHDRAWN, Box::new(|text| drop(pop(&mut text["required"])))),
        (
            "no format",
            WITHDRAWN,
            Box::new(|text| {
                text["properties"]["withdrawn_at"] = json!({ "type": "string", "maxLength": 35 });
            }),
        ),
        (
            "another alternative",
            "information.supplied@1",
            Box::new(move |text| {
                text["properties"]["answers"]["items"]["oneOf"].as_array_mut().unwrap().push(alternative);
            }),
        ),
        (
            "more items",
            "information.supplied@1",
            Box::new(|text| text["properties"]["answers"]["maxItems"] = 60.into()),
        ),
        (
            "a smaller number",
            "th.dopa.birth-registration@1",
            Box::new(|text| {
                text["properties"]["child"]["properties"]["weight_grams"]["minimum"] = 100.into();
            }),
        ),
    ];
    for (name, schema, change) in widenings {
        assert_eq!(judge(schema, change), Compatibility::Compatible, "{name}");
    }
}

#[test]
fn accepting_less_is_incompatible_and_the_place_is_named() {
    let properties = "#/properties";
    refused_at(&judge(WITHDRAWN, |text| push(&mut text["required"], "note")), &["#/required"]);
    refused_at(
        &judge(WITHDRAWN, |text| drop(text["properties"].as_object_mut().unwrap().remove("note"))),
        &[properties],
    );
    refused_at(
        &judge(WITHDRAWN, |text| drop(pop(&mut text["properties"]["reason"]["enum"]))),
        &["#/properties/reason"],
    );
    refused_at(
        &judge(WITHDRAWN, |text| text["properties"]["note"] = json!({ "type": "integer", "minimum": 0, "maximum": 9 })),
        &["#/properties/note"],
    );
    refused_at(&judge(WITHDRAWN, |text| text["properties"]["note"]["maxLength"] = 999.into()), &["#/properties/note"]);
    refused_at(&judge(WITHDRAWN, |text| text["properties"]["note"]["minLength"] = 2.into()), &["#/properties/note"]);
    refused_at(
        &judge("th.dopa.birth-registration@1", |text| {
            text["properties"]["child"]["properties"]["weight_grams"]["minimum"] = 300.into();
        }),
        &["#/properties/child/properties/weight_grams"],
    );
    refused_at(
        &judge("information.supplied@1", |text| {
            drop(pop(&mut text["properties"]["answers"]["items"]["oneOf"]));
        }),
        &["#/properties/answers/items"],
    );
    refused_at(
        &judge("information.supplied@1", |text| text["properties"]["answers"]["maxItems"] = 49.into()),
        &["#/properties/answers/maxItems"],
    );
    refused_at(
        &judge("application.submitted@1", |text| text["properties"]["form"]["additionalProperties"] = false.into()),
        &["#/properties/form/additionalProperties"],
    );
}

#[test]
fn a_format_or_a_pattern_that_refuses_what_was_accepted_is_found_by_trying_values() {
    refused_at(
        &judge(WITHDRAWN, |text| text["properties"]["note"]["format"] = "thai-national-id".into()),
        &["#/properties/note"],
    );
    refused_at(
        &judge(WITHDRAWN, |text| text["properties"]["note"]["pattern"] = "^[ -~]*$".into()),
        &["#/properties/note"],
    );
}

#[test]
fn what_cannot_be_decided_is_left_to_the_operator_and_named() {
    // The same language, written in another way; nothing here can know that.
    let same = judge("th.dopa.birth-registration@1", |text| {
        text["properties"]["child"]["properties"]["born_at"]["pattern"] = "^(2[0-3]|[01][0-9]):[0-5][0-9]$".into();
    });
    open_at(&same, &["#/properties/child/properties/born_at"]);
}

#[test]
fn a_change_of_common_parts_is_judged_where_they_are_used() {
    let found = judge("common@1", |text| push(&mut text["$defs"]["citizen"]["required"], "sex"));
    refused_at(&found, &["#/$defs/citizen/required"]);
    let found = judge("common@1", |text| {
        text["$defs"]["contact"]["properties"]["line_id"] = json!({ "type": "string", "maxLength": 40 });
    });
    assert_eq!(found, Compatibility::Compatible);
}

#[test]
fn common_parts_that_others_refer_to_cannot_be_removed() {
    let text = changed("common@1", |text| drop(text["$defs"].as_object_mut().unwrap().remove("contact")));
    assert!(CATALOGUE.candidate(&text, None).is_err());
}

/// Every keyword of every schema made a little different; whatever is called compatible must take all that was valid.
#[test]
fn no_text_is_called_compatible_that_refuses_a_valid_example() {
    let (mut judged, mut verdicts) = (0, HashSet::new());
    for schema in schema_ids() {
        let examples = examples(schema, "valid");
        for change in variations(&serde_json::from_str(&CATALOGUE.schema(schema).unwrap().text).unwrap()) {
            let Ok(candidate) = CATALOGUE.candidate(&change.to_string(), None) else { continue };
            judged += 1;
            verdicts.insert(std::mem::discriminant(&candidate.compatibility));
            for example in &examples {
                let accepted = candidate.catalogue.validate(schema, &example.content).is_ok();
                let proven = candidate.compatibility == Compatibility::Compatible;
                assert!(accepted || !proven, "{} is refused by {change}", example.name);
            }
        }
    }
    assert!(judged > 200, "only {judged} variations were judged");
    assert!(verdicts.len() >= 2, "the variations do not differ");
}

/// The document with one number, list or object in it changed; for each of them.
fn variations(document: &Value) -> Vec<Value> {
    let mut pointers = Vec::new();
    collect(document, "", &mut pointers);
    let vary = |pointer: String| {
        let mut changed = document.clone();
        match changed.pointer_mut(&pointer)? {
            Value::Number(number) => {
                let less = number.as_u64()?.checked_sub(1)?;
                *number = less.into();
            }
            Value::Array(list) => drop(list.pop()?),
            Value::Object(members) => drop(members.remove(&members.keys().next()?.clone())?),
            _ => return None,
        }
        Some(changed)
    };
    pointers.into_iter().filter_map(vary).collect()
}

fn collect(value: &Value, at: &str, pointers: &mut Vec<String>) {
    pointers.push(at.to_owned());
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| collect(member, &format!("{at}/{name}"), pointers))
        }
        Value::Array(items) => {
            (0..).zip(items).for_each(|(index, item): (usize, _)| collect(item, &format!("{at}/{index}"), pointers))
        }
        _ => {}
    }
}

fn push(list: &mut Value, name: &str) {
    list.as_array_mut().unwrap().push(name.into());
}

fn pop(list: &mut Value) -> Value {
    list.as_array_mut().unwrap().pop().unwrap()
}
