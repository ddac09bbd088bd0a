//! What of JSON Schema a published text may use.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use saphan_schemas::catalogue::{MAX_SCHEMA_BYTES, SchemaTextError, Unpublishable};
use serde_json::{Value, json};

use super::{CATALOGUE, id};

/// A schema with a member of this schema, and some definitions.
fn text_with(member: Value) -> Value {
    let mut text = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:saphan:schema:test.lint@1",
        "title": "A test",
        "type": "object",
        "additionalProperties": false,
        "properties": {},
        "$defs": {
            "loop": { "$ref": "#/$defs/loop" },
            "text": { "type": "string", "maxLength": 9 },
        },
    });
    text["properties"]["member"] = member;
    text
}

/// What is wrong with a text, place by place.
fn findings(text: &Value) -> Vec<(String, String)> {
    match CATALOGUE.candidate(&text.to_string(), None) {
        Err(Unpublishable::Profile { findings }) => {
            findings.into_iter().map(|finding| (finding.place, finding.message)).collect()
        }
        Err(error) => panic!("{error}"),
        Ok(_) => Vec::new(),
    }
}

fn without_the_loop(mut text: Value) -> Value {
    text["$defs"].as_object_mut().unwrap().remove("loop");
    text
}

fn member_findings(member: Value) -> Vec<(String, String)> {
    findings(&without_the_loop(text_with(member)))
}

#[test]
fn every_schema_of_the_catalogue_is_inside_the_profile() {
    for schema in CATALOGUE.schemas() {
        CATALOGUE.candidate(&schema.text, None).unwrap_or_else(|error| panic!("{}: {error}", schema.id));
    }
}

#[test]
fn a_keyword_that_generators_get_wrong_is_refused_with_what_to_write_instead() {
    let member = "#/properties/member";
    let object = |keyword: &str, value: Value| {
        let mut object = json!({ "type": "object", "additionalProperties": false, "properties": {} });
        object[keyword] = value;
        object
    };
    for (keyword, value, instead) in [
        ("if", json!({}), "oneOf"),
        ("then", json!({}), "oneOf"),
        ("dependentRequired", json!({}), "an object of their own"),
        ("prefixItems", json!([]), "named members"),
        ("unevaluatedProperties", json!(false), "\"additionalProperties\": false"),
        ("allOf", json!([]), "in one object"),
        ("anyOf", json!([]), "oneOf"),
        ("not", json!({}), "what is accepted"),
        ("patternProperties", json!({}), "a list of objects"),
        ("$anchor", json!("a"), "$defs"),
        ("$dynamicRef", json!("#a"), "$defs"),
        ("multipleOf", json!(1), "smaller unit"),
        ("default", json!(1), "description"),
        ("$comment", json!("x"), "description"),
        ("$id", json!("urn:other"), "top of the text"),
        ("shape", json!(1), "not a keyword"),
    ] {
        let found = member_findings(object(keyword, value));
        let [(place, message)] = &found[..] else { panic!("{keyword}: {found:?}") };
        assert_eq!(*place, format!("{member}/{keyword}"));
        assert!(message.contains(instead), "{keyword}: {message}");
    }
}

#[test]
fn what_is_open_unbounded_or_ambiguous_is_refused_at_its_place() {
    let member = "#/properties/member";
    let tagged = |tag: &str| {
        json!({
            "type": "object", "additionalProperties": false, "required": ["kind"],
            "properties": { "kind": { "type": "string", "const": tag } },
        })
    };
    for (schema, place, word) in [
        (json!({ "type": "string" }), member.to_owned(), "maxLength"),
        (json!({ "type": "integer", "maximum": 3 }), member.to_owned(), "minimum"),
        (json!({ "type": "array", "items": { "$ref": "#/$defs/text" } }), member.to_owned(), "maxItems"),
        (json!({ "type": "array", "maxItems": 3 }), member.to_owned(), "items"),
        (json!({ "type": "object" }), member.to_owned(), "additionalProperties"),
        (json!({ "type": "object", "additionalProperties": true, "properties": {} }), member.to_owned(), "open"),
        (json!({ "description": "Anything." }), member.to_owned(), "type"),
        (json!(true), member.to_owned(), "no schema object"),
        (json!({ "type": ["string", "null"], "maxLength": 1 }), format!("{member}/type"), "null"),
        (json!({ "type": "text" }), format!("{member}/type"), "seven types"),
        (json!({ "$ref": "#/$defs/text", "maxLength": 3 }), format!("{member}/maxLength"), "beside $ref"),
        (json!({ "oneOf": [{ "$ref": "#/$defs/text" }] }), format!("{member}/oneOf"), "tells apart"),
        (json!({ "oneOf": [tagged("a"), tagged("a")] }), format!("{member}/oneOf"), "tells apart"),
        (json!({ "type": "string", "maxLength": 1, "format": "ipv4" }), format!("{member}/format"), "partial-date"),
        (
            json!({ "type": "object", "additionalProperties": false, "required": ["a"], "properties": {} }),
            format!("{member}/required/0"),
            "properties",
        ),
        (json!({ "type": "string", "const": { "$ref": "http://x" } }), format!("{member}/const"), "no text"),
        (json!({ "type": "string", "enum": ["a", []] }), format!("{member}/enum/1"), "no text"),
        (json!({ "type": "string", "maxLength": -1 }), format!("{member}/maxLength"), "this keyword"),
    ] {
        let found = member_findings(schema.clone());
        let [(at, message)] = &found[..] else { panic!("{schema}: {found:?}") };
        assert_eq!(*at, place, "{schema}");
        assert!(message.contains(word), "{message}");
    }
    assert_eq!(member_findings(json!({ "oneOf": [tagged("a"), tagged("b")] })), []);
}

#[test]
fn values_that_nothing_can_have_or_no_generator_can_name_are_refused_at_their_place() {
    let member = "#/properties/member";
    let text = |values: Value| json!({ "type": "string", "enum": values });
    let integer = |minimum: i64, maximum: i64| json!({ "type": "integer", "minimum": minimum, "maximum": maximum });
    for (schema, place, word) in [
        (text(json!([])), "/enum", "is empty"),
        (json!({ "type": "string", "const": 3 }), "/const", "not of the type string"),
        (json!({ "type": ["integer", "boolean"], "enum": [1, true, "x"] }), "/enum/2", "integer or boolean"),
        (json!({ "type": "integer", "enum": [1, 1.5] }), "/enum/1", "not of the type integer"),
        (json!({ "type": "integer", "const": 9_007_199_254_740_992_i64 }), "/const", "is beyond"),
        (integer(-9_007_199_254_740_992, 0), "/minimum", "is beyond"),
        (integer(0, 9_007_199_254_740_992), "/maximum", "is beyond"),
        (integer(2, 1), "/minimum", "above maximum"),
        (json!({ "type": "number", "minimum": 0.2, "maximum": 0.1 }), "/minimum", "above maximum"),
        (json!({ "type": "string", "minLength": 2, "maxLength": 1 }), "/minLength", "above maxLength"),
        (
            json!({ "type": "array", "items": { "$ref": "#/$defs/text" }, "minItems": 2, "maxItems": 1 }),
            "/minItems",
            "above maxItems",
        ),
        (
            json!({ "type": "object", "minProperties": 2, "maxProperties": 1, "additionalProperties": false }),
            "/minProperties",
            "above maxProperties",
        ),
        (text(json!(["A_B", "C", "AB"])), "/enum/2", "one name"),
        (text(json!(["A_B", "a_b"])), "/enum/1", "one name"),
        (text(json!(["ก ข", "กข"])), "/enum/1", "one name"),
        (text(json!(["A", ""])), "/enum/1", "no letter and no digit"),
        (text(json!(["-", "A"])), "/enum/0", "no letter and no digit"),
    ] {
        let found = member_findings(schema.clone());
        let [(at, message)] = &found[..] else { panic!("{schema}: {found:?}") };
        assert_eq!(*at, format!("{member}{place}"), "{schema}");
        assert!(message.contains(word), "{message}");
    }
    for schema in [
        text(json!(["ชาย", "หญิง", "เก่า", "เก้า", "A1", "A2"])),
        json!({ "type": ["integer", "boolean"], "enum": [1, 2.0, true] }),
        integer(-9_007_199_254_740_991, 9_007_199_254_740_991),
        integer(1, 1),
    ] {
        assert_eq!(member_findings(schema.clone()), [], "{schema}");
    }
}

#[test]
fn a_text_says_what_it_is() {
    let good = without_the_loop(text_with(json!({ "$ref": "#/$defs/text" })));
    assert_eq!(findings(&good), []);
    let mut other = good.clone();
    other["$schema"] = "http://json-schema.org/draft-07/schema#".into();
    other.as_object_mut().unwrap().remove("title");
    let places: Vec<_> = findings(&other).into_iter().map(|finding| finding.0).collect();
    assert_eq!(places, ["#/$schema", "#"]);
    let mut nameless = good.clone();
    nameless["$id"] = "https://example.com/schema".into();
    let refused = CATALOGUE.candidate(&nameless.to_string(), None);
    assert!(matches!(refused, Err(Unpublishable::Text(SchemaTextError::NoId))));
    let twice = good.to_string().replacen("\"title\"", "\"type\":\"object\",\"title\"", 1);
    assert!(matches!(CATALOGUE.candidate(&twice, None), Err(Unpublishable::Text(SchemaTextError::Json(_)))));
    let long = format!("{good}{}", " ".repeat(MAX_SCHEMA_BYTES));
    assert!(matches!(CATALOGUE.candidate(&long, None), Err(Unpublishable::Text(SchemaTextError::TooLong { .. }))));
}

#[test]
fn a_reference_leads_into_the_text_or_the_catalogue_and_is_never_fetched() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let remote = format!("http://{}/schema.json", listener.local_addr().unwrap());
    for target in [&remote, &format!("{remote}#/$defs/x"), "file:///etc/passwd", "other.json#/x", "urn:other:x"] {
        let found = member_findings(json!({ "$ref": target }));
        let [(place, message)] = &found[..] else { panic!("{target}: {found:?}") };
        assert_eq!(place, "#/properties/member/$ref");
        assert!(message.contains("nothing is ever fetched"), "{message}");
    }
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "nobody came");
    for (target, word) in [
        ("urn:saphan:schema:test.absent@1#/$defs/x", "does not have"),
        ("urn:saphan:schema:common@1#/$defs/absent", "where no schema is"),
        ("#/$defs/absent", "where no schema is"),
    ] {
        let found = member_findings(json!({ "$ref": target }));
        assert!(found.len() == 1 && found[0].1.contains(word), "{target}: {found:?}");
    }
    assert_eq!(member_findings(json!({ "$ref": "urn:saphan:schema:common@1#/$defs/satang" })), []);
    let circle = findings(&text_with(json!({ "$ref": "#/$defs/text" })));
    assert!(circle.len() == 1 && circle[0].1.contains("circle"), "{circle:?}");
}

#[test]
fn a_reference_never_makes_a_schema_of_what_the_lint_does_not_read_as_one() {
    let mut text = without_the_loop(text_with(json!({ "type": "string", "maxLength": 9 })));
    let member = json!({ "type": "string", "maxLength": 9 });
    text["properties"] = json!({ "a": { "$ref": "#/properties" }, "not": member, "if": member, "then": member });
    let found = findings(&text);
    let [(place, message)] = &found[..] else { panic!("{found:?}") };
    assert_eq!(place, "#/properties/a/$ref");
    assert!(message.contains("#/$defs/<name>"), "{message}");
    for target in
        ["#/$defs", "#/$defs/text/title", "#/properties/member", "urn:saphan:schema:common@1#/$defs/contact/properties"]
    {
        let found = member_findings(json!({ "$ref": target }));
        assert!(found.len() == 1 && found[0].1.contains("#/$defs/<name>"), "{target}: {found:?}");
    }
    let own = json!({ "type": "array", "maxItems": 2, "items": { "$ref": "#" } });
    assert_eq!(member_findings(own), []);
    assert_eq!(member_findings(json!({ "$ref": "urn:saphan:schema:application.withdrawn@1" })), []);
}

#[test]
fn a_pattern_with_lookaround_or_a_backreference_is_refused_at_its_place() {
    for pattern in ["^(?=a)a$", "(?<!b)a", r"^(a)\1$", "(a", "(?:a{1000}){1000}"] {
        let found = member_findings(json!({ "type": "string", "maxLength": 9, "pattern": pattern }));
        let [(place, message)] = &found[..] else { panic!("{pattern}: {found:?}") };
        assert_eq!(place, "#/properties/member/pattern");
        assert!(message.contains("linear engine"), "{message}");
    }
}

#[test]
fn a_pattern_that_makes_backtracking_engines_hang_takes_time_linear_in_the_text() {
    let text = without_the_loop(text_with(json!({ "type": "string", "maxLength": 100_001, "pattern": "^(a+)+$" })));
    let catalogue = CATALOGUE.candidate(&text.to_string(), None).unwrap().catalogue;
    let schema = id("test.lint@1");
    let started = Instant::now();
    let body = |end: &str| json!({ "member": format!("{}{end}", "a".repeat(100_000)) });
    assert!(catalogue.validate(&schema, &body("")).is_ok());
    assert!(catalogue.validate(&schema, &body("!")).is_err());
    // A backtracking engine tries 2 to the power of 100,000 ways.
    assert!(started.elapsed() < Duration::from_secs(300), "{:?}", started.elapsed());
}
