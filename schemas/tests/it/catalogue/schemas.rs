//! Schemas keep to the profile: closed, bounded, offline, translatable into types.

use saphan_schemas::digest::Sha256Hash;
use serde_json::Value;

use super::CATALOGUE;

/// Calls `check` with every schema object inside a schema document and its JSON Pointer.
fn walk(schema: &Value, at: &str, check: &mut dyn FnMut(&Value, &str)) {
    check(schema, at);
    for map in ["properties", "$defs"] {
        for (name, child) in schema.get(map).and_then(Value::as_object).into_iter().flatten() {
            walk(child, &format!("{at}/{map}/{name}"), check);
        }
    }
    for (index, child) in schema.get("oneOf").and_then(Value::as_array).into_iter().flatten().enumerate() {
        walk(child, &format!("{at}/oneOf/{index}"), check);
    }
    if let Some(items) = schema.get("items") {
        walk(items, &format!("{at}/items"), check);
    }
}

fn every_schema_object(check: impl Fn(&Value, &str)) {
    let mut seen = 0;
    for schema in CATALOGUE.schemas() {
        let document: Value = serde_json::from_str(&schema.text).unwrap();
        walk(&document, schema.id.as_str(), &mut |object, at| {
            check(object, at);
            seen += 1;
        });
    }
    assert!(seen > 300, "only {seen} schema objects were seen");
}

fn has_type(schema: &Value, name: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(one)) => one == name,
        Some(Value::Array(several)) => several.iter().any(|one| one == name),
        _ => false,
    }
}

#[test]
fn schemas_use_only_keywords_that_the_profile_allows() {
    const ALLOWED: &[&str] = &[
        "$schema",
        "$id",
        "$ref",
        "$defs",
        "title",
        "description",
        "type",
        "required",
        "properties",
        "additionalProperties",
        "minProperties",
        "maxProperties",
        "items",
        "minItems",
        "maxItems",
        "uniqueItems",
        "minLength",
        "maxLength",
        "pattern",
        "format",
        "minimum",
        "maximum",
        "enum",
        "const",
        "oneOf",
    ];
    every_schema_object(|schema, at| {
        for keyword in schema.as_object().unwrap_or_else(|| panic!("{at} is no object")).keys() {
            assert!(ALLOWED.contains(&keyword.as_str()), "{at} uses {keyword}");
        }
    });
}

#[test]
fn every_object_is_closed_and_every_text_list_and_number_has_a_limit() {
    every_schema_object(|schema, at| {
        // Checked against schemas of their own.
        let open = ["application.submitted@1/properties/form", "evidence.provided@1/properties/content"].contains(&at);
        if has_type(schema, "object") && !open {
            assert_eq!(schema.get("additionalProperties"), Some(&Value::Bool(false)), "{at}");
        }
        let listed = schema.get("enum").is_some() || schema.get("const").is_some();
        assert!(!has_type(schema, "string") || listed || schema.get("maxLength").is_some(), "{at} has no maxLength");
        assert!(!has_type(schema, "array") || schema.get("maxItems").is_some(), "{at} has no maxItems");
        assert!(!has_type(schema, "integer") || schema.get("maximum").is_some(), "{at} has no maximum");
    });
}

#[test]
fn references_stay_inside_the_catalogue() {
    every_schema_object(|schema, at| {
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let known =
                ["#/$defs/", "urn:saphan:schema:common@1#/$defs/"].iter().any(|prefix| reference.starts_with(prefix));
            assert!(known, "{at} refers to {reference}");
        }
    });
}

#[test]
fn alternatives_are_told_apart_by_a_required_constant() {
    let mut alternatives = 0;
    for schema in CATALOGUE.schemas() {
        let document: Value = serde_json::from_str(&schema.text).unwrap();
        walk(&document, schema.id.as_str(), &mut |object, at| {
            for alternative in object.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
                let local =
                    alternative.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
                let target = local.map_or(Some(alternative), |pointer| document.pointer(pointer)).unwrap();
                let tagged = target["required"].as_array().unwrap().iter().filter_map(Value::as_str);
                assert!(tagged.into_iter().any(|name| target["properties"][name].get("const").is_some()), "{at}");
                alternatives += 1;
            }
        });
    }
    assert!(alternatives >= 10);
}

#[test]
fn the_hash_of_a_schema_is_that_of_its_exact_text() {
    for schema in CATALOGUE.schemas() {
        assert_eq!(schema.sha256, Sha256Hash::of(schema.text.as_bytes()));
        let same = CATALOGUE.schema(&schema.id).map(|found| &found.text);
        assert_eq!(same, Some(&schema.text));
    }
}
