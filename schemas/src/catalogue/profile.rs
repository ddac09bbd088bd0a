//! The profile: the part of JSON Schema that code generators turn into types faithfully, whose validators bound what they read,
//! and that never needs a network.
//!
//! Whatever the profile does not have is refused with what to write instead. Generators are silent about much of it
//! (`prefixItems`, `unevaluatedProperties`, `dependentRequired`) and stop at some (`if`, a `$ref` to another document).

mod keywords;
mod references;
mod values;

use serde_json::{Map, Value};

use self::keywords::{ALLOWED, FORMATS, ROOT, advice};
pub(super) use self::keywords::{ANNOTATIONS, DRAFT};
use self::references::References;
use super::finding::{Finding, token};
use crate::ids::SchemaId;

/// What of a schema's text is outside of the profile; empty when it is inside. `document` gives the documents of the catalogue.
pub(super) fn findings<'a>(
    id: &'a SchemaId,
    document: &'a Value,
    catalogue: &'a dyn Fn(&SchemaId) -> Option<&'a Value>,
) -> Vec<Finding> {
    let mut lint = Lint { references: References { id, document, catalogue }, findings: Vec::new() };
    lint.root(id, document);
    lint.schema(document, "");
    lint.findings
}

/// Whether the profile has a keyword.
pub(super) fn knows(keyword: &str) -> bool {
    ALLOWED.contains(&keyword) || ROOT.contains(&keyword)
}

struct Lint<'a> {
    references: References<'a>,
    findings: Vec<Finding>,
}

impl<'a> Lint<'a> {
    fn find(&mut self, pointer: &str, message: impl Into<String>) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(Finding::new(pointer, message));
        }
    }

    fn root(&mut self, id: &SchemaId, document: &Value) {
        if document.get("$schema").and_then(Value::as_str) != Some(DRAFT) {
            self.find("/$schema", format!("must be \"{DRAFT}\""));
        }
        if document.get("$id").and_then(Value::as_str) != Some(&id.urn()) {
            self.find("/$id", format!("must be \"{}\"", id.urn()));
        }
        if document.get("title").and_then(Value::as_str).is_none_or(str::is_empty) {
            self.find("", "has no title; say in a few words what a body of it states");
        }
        let Some(members) = document.as_object() else { return };
        if members.keys().all(|key| ROOT.contains(&key.as_str())) && !members.contains_key("$defs") {
            self.find("", "accepts everything; a body is an object: write \"type\": \"object\" with its members");
        }
    }

    /// Looks at a place where a schema stands, and at what is below it.
    fn schema(&mut self, schema: &'a Value, at: &str) {
        let Some(members) = schema.as_object() else {
            return self.find(at, "is no schema object; write one that says what is accepted");
        };
        for keyword in members.keys() {
            let place = format!("{at}/{}", token(keyword));
            let only_root = ROOT.contains(&keyword.as_str()) && !ANNOTATIONS.contains(&keyword.as_str());
            if only_root && !at.is_empty() {
                self.find(&place, format!("{keyword} stands at the top of the text only"));
            } else if !only_root && !ALLOWED.contains(&keyword.as_str()) {
                self.find(&place, advice(keyword));
            }
        }
        self.children("$defs", members, at);
        let others = |but: &str| {
            let mut keys = members.keys().filter(|key| *key != but && !ROOT.contains(&key.as_str()));
            keys.next().cloned()
        };
        if members.contains_key("$ref") {
            if let Some(other) = others("$ref") {
                self.find(&format!("{at}/{}", token(&other)), "stands beside $ref, which generators ignore; put it into the schema that is referred to, or write that out here");
            }
            self.reference(members, at);
        } else if members.contains_key("oneOf") {
            if let Some(other) = others("oneOf") {
                self.find(&format!("{at}/{}", token(&other)), "stands beside oneOf; put it into each alternative");
            }
            self.alternatives(members, at);
        } else if members.contains_key("type") {
            self.typed(members, at);
        } else if !at.is_empty() || others("$defs").is_some() {
            self.find(at, "says no type; write \"type\", \"$ref\" or \"oneOf\"");
        }
    }

    fn children(&mut self, keyword: &str, members: &'a Map<String, Value>, at: &str) {
        let Some(children) = members.get(keyword) else { return };
        let Some(children) = children.as_object() else {
            return self.find(&format!("{at}/{keyword}"), "must be an object of schemas");
        };
        for (name, child) in children {
            let place = format!("{at}/{keyword}/{}", token(name));
            if !is_snake_case(name) {
                self.find(&place, "is named in another way than snake_case (a-z, 0-9, _; at most 64); generators rename it, and may give two members one name");
            }
            self.schema(child, &place);
        }
    }

    fn reference(&mut self, members: &Map<String, Value>, at: &str) {
        let place = format!("{at}/$ref");
        let Some(target) = members.get("$ref").and_then(Value::as_str) else {
            return self.find(&place, "must be a text");
        };
        if let Err(message) = self.references.check(target) {
            self.find(&place, message);
        }
    }

    /// Alternatives are told apart by one member that each of them requires, with another constant in each.
    fn alternatives(&mut self, members: &'a Map<String, Value>, at: &str) {
        let place = format!("{at}/oneOf");
        let Some(alternatives) = members.get("oneOf").and_then(Value::as_array).filter(|list| !list.is_empty()) else {
            return self.find(&place, "must be a list of alternatives");
        };
        let mut tags: Vec<Vec<(String, Value)>> = Vec::new();
        for (index, alternative) in alternatives.iter().enumerate() {
            self.schema(alternative, &format!("{place}/{index}"));
            tags.push(self.references.tags(alternative));
        }
        let told_apart = |name: &str| {
            let values: Vec<_> = tags.iter().filter_map(|tags| tags.iter().find(|tag| tag.0 == name)).collect();
            let distinct = values.iter().enumerate().all(|(at, one)| values[..at].iter().all(|other| other.1 != one.1));
            values.len() == tags.len() && distinct
        };
        if !tags.first().is_some_and(|first| first.iter().any(|(name, _)| told_apart(name))) {
            self.find(&place, "has alternatives that no member tells apart; require one member in each, e.g. \"kind\", with another \"const\" in each");
        }
    }

    fn typed(&mut self, members: &'a Map<String, Value>, at: &str) {
        let names: Vec<&str> = match members.get("type") {
            Some(Value::String(name)) => vec![name],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if names.is_empty() || names.iter().any(|name| !TYPES.contains(name)) {
            return self.find(&format!("{at}/type"), "must be one of the seven types, or a list of them");
        }
        if names.contains(&"null") {
            self.find(
                &format!("{at}/type"),
                "has null; leave the member out of \"required\" instead, so that there is one way to say nothing",
            );
        }
        if names.len() > 1 && names.iter().any(|name| ["object", "array"].contains(name)) {
            self.find(
                &format!("{at}/type"),
                "mixes objects or lists with other types; use oneOf with alternatives that a member tells apart",
            );
        }
        if names.contains(&"object") {
            self.object(members, at);
        }
        if names.contains(&"array") {
            self.array(members, at);
        }
        let listed = members.contains_key("enum") || members.contains_key("const");
        for (name, keyword, advice) in BOUNDS {
            if names.contains(name) && !listed && !members.contains_key(*keyword) {
                self.find(at, format!("has no {keyword}; {advice}"));
            }
        }
        self.texts(members, at);
        self.limits(members, &names, at);
        self.values(members, &names, at);
    }

    fn object(&mut self, members: &'a Map<String, Value>, at: &str) {
        let closed = members.get("additionalProperties") == Some(&Value::Bool(false));
        let content_elsewhere = !members.contains_key("additionalProperties")
            && !members.contains_key("properties")
            && members.contains_key("maxProperties");
        if !closed && !content_elsewhere {
            self.find(
                at,
                "is open; write \"additionalProperties\": false, so that a sender cannot invent or misspell members",
            );
        }
        self.children("properties", members, at);
        let defined = members.get("properties").and_then(Value::as_object);
        let required = members.get("required").and_then(Value::as_array);
        for (index, name) in required.into_iter().flatten().enumerate() {
            if name.as_str().is_some_and(|name| defined.is_none_or(|defined| !defined.contains_key(name))) {
                self.find(&format!("{at}/required/{index}"), "is not among the properties");
            }
        }
    }

    fn array(&mut self, members: &'a Map<String, Value>, at: &str) {
        match members.get("items") {
            Some(items) => self.schema(items, &format!("{at}/items")),
            None => self.find(at, "has no items; say what its items are"),
        }
    }

    fn texts(&mut self, members: &Map<String, Value>, at: &str) {
        if let Some(Value::String(pattern)) = members.get("pattern")
            && !super::compile::is_pattern(pattern)
        {
            self.find(&format!("{at}/pattern"), "is no pattern of the linear engine, which has no lookaround and no backreferences; write it without, and check the rest in the receiving system");
        }
        if let Some(format) = members.get("format").and_then(Value::as_str)
            && !FORMATS.contains(&format)
        {
            self.find(&format!("{at}/format"), format!("is not checked here; the formats are {}", FORMATS.join(", ")));
        }
    }
}

fn is_snake_case(name: &str) -> bool {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    name.len() <= 64 && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(word)
}

const MAX_FINDINGS: usize = 100;
const TYPES: &[&str] = &["array", "boolean", "integer", "null", "number", "object", "string"];
/// What must be bounded, by which keyword, and why.
const BOUNDS: &[(&str, &str, &str)] = &[
    ("string", "maxLength", "say how long a text may be, so that receivers can make room for it"),
    ("array", "maxItems", "say how many items there may be, so that receivers can make room for them"),
    ("integer", "minimum", "say which is the smallest; a number below -9007199254740991 is not the same everywhere"),
    ("integer", "maximum", "say which is the largest; a number beyond 9007199254740991 is not the same everywhere"),
];
