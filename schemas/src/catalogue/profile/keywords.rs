//! Which keywords the profile has, and what to write instead of the others.

/// The `$schema` of every text.
pub(in crate::catalogue) const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// At the top of a text only, beside the annotations.
pub(super) const ROOT: &[&str] = &["$schema", "$id", "$defs", "title", "description"];

/// Say nothing about what is accepted.
pub(in crate::catalogue) const ANNOTATIONS: &[&str] = &["title", "description"];

/// The keywords of the profile, but for those of the root.
pub(super) const ALLOWED: &[&str] = &[
    "$ref",
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

/// The formats that the hub checks.
pub(super) const FORMATS: &[&str] =
    &["date", "date-time", "email", "partial-date", "thai-juristic-number", "thai-national-id", "uri", "uuid"];

/// What is wrong with a keyword that the profile does not have, and what to write instead.
pub(super) fn advice(keyword: &str) -> String {
    let advice = match keyword {
        "if" | "then" | "else" => {
            "stops code generators; use oneOf with alternatives that a required constant member tells apart"
        }
        "dependentRequired" | "dependentSchemas" | "dependencies" => {
            "is ignored by code generators; group members that belong together in an object of their own"
        }
        "prefixItems" | "additionalItems" => {
            "is misread by code generators; use an object with named members instead of a list by position"
        }
        "unevaluatedProperties" | "unevaluatedItems" => {
            "is ignored by code generators; write \"additionalProperties\": false in each object"
        }
        "allOf" => "loses closedness when it is translated; write all members out in one object",
        "anyOf" => {
            "has alternatives that overlap; use oneOf with alternatives that a required constant member tells apart"
        }
        "not" => "has no type in any language; say what is accepted instead",
        "patternProperties" | "propertyNames" => {
            "has no type in most languages; use a list of objects with the name as a member"
        }
        "contains" | "minContains" | "maxContains" => {
            "has no type in any language; give what must be there a member of its own"
        }
        "exclusiveMinimum" | "exclusiveMaximum" => "is not in the profile; use minimum and maximum",
        "multipleOf" => "compares fractions that computers round; use an integer of the smaller unit, e.g. satang",
        "$anchor" | "$dynamicAnchor" | "$dynamicRef" | "$recursiveRef" | "$recursiveAnchor" => {
            "is not followed by code generators; use $defs and a $ref to #/$defs/…"
        }
        "definitions" => "is of an old draft; use $defs",
        "default" => "is not applied by anyone; say in the description what a missing member means",
        "examples" | "example" => "belongs beside the schema, in files that a test can check",
        "$comment" => "is dropped by tools; use description",
        "contentEncoding" | "contentMediaType" | "contentSchema" => {
            "is not checked; use a pattern for the text, or send a document beside the body"
        }
        _ => "is not a keyword of the profile; leave it out",
    };
    format!("{keyword} {advice}")
}
