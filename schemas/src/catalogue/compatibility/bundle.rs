//! A schema and all that it refers to, in one document, so that two versions of it can be compared.

use jsonschema::PatternOptions;
use jsonschema::canonical::{self, CanonicalSchema, PreparedDocument};
use serde_json::{Map, Value, json};

use super::Documents;
use crate::catalogue::compile;
use crate::catalogue::profile::DRAFT;
use crate::ids::SchemaId;

/// Each schema lies below `/$defs/<id>`; all references are local.
pub(super) struct Bundle {
    document: Value,
}

impl Bundle {
    /// `None` when there is no such schema.
    pub(super) fn new(id: &SchemaId, documents: &Documents<'_>) -> Option<Self> {
        let mut definitions = Map::new();
        let mut left = vec![id.clone()];
        while let Some(id) = left.pop() {
            let Some(document) = documents.get(&id) else { continue };
            if definitions.contains_key(id.as_str()) {
                continue;
            }
            let mut document = Value::clone(document);
            localise(&mut document, &id, &mut left);
            definitions.insert(id.to_string(), document);
        }
        definitions.contains_key(id.as_str()).then(|| Self {
            document: json!({ "$schema": DRAFT, "$ref": format!("#/$defs/{id}"), "$defs": definitions }),
        })
    }

    /// The schema at a place, behind all references, with the place where it really is.
    pub(super) fn resolve(&self, pointer: &str) -> Option<(String, &Map<String, Value>)> {
        let mut pointer = pointer.to_owned();
        for _ in 0..MAX_STEPS {
            let schema = self.document.pointer(&pointer)?.as_object()?;
            let Some(next) = schema.get("$ref").and_then(Value::as_str) else { return Some((pointer, schema)) };
            pointer = next.strip_prefix('#')?.to_owned();
        }
        None
    }

    /// The document, read once.
    pub(super) fn prepare(&self) -> Option<PreparedDocument<'_>> {
        canonical::options()
            .offline()
            .should_validate_formats(true)
            .with_pattern_options(PatternOptions::regex())
            .prepare(&self.document)
            .ok()
    }

    /// Which of these values the schema at a place accepts.
    pub(super) fn accepts(&self, pointer: &str, values: &[Value]) -> Option<Vec<bool>> {
        let mut document = self.document.clone();
        document["$ref"] = Value::String(format!("#{pointer}"));
        let validator = compile::options().build(&document).ok()?;
        Some(values.iter().map(|value| validator.is_valid(value)).collect())
    }
}

/// The normal form of the schema at a place.
pub(super) fn canonical_at(document: Option<&PreparedDocument<'_>>, pointer: &str) -> Option<CanonicalSchema> {
    document?.canonicalize_at(pointer).ok()
}

fn localise(value: &mut Value, own: &SchemaId, left: &mut Vec<SchemaId>) {
    match value {
        Value::Object(members) => {
            members.remove("$id");
            members.remove("$schema");
            if let Some(Value::String(target)) = members.get_mut("$ref") {
                let (urn, pointer) = target.split_once('#').unwrap_or((target, ""));
                let id = SchemaId::from_urn(urn).unwrap_or_else(|| own.clone());
                *target = format!("#/$defs/{id}{pointer}");
                left.push(id);
            }
            members.values_mut().for_each(|member| localise(member, own, left));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| localise(item, own, left)),
        _ => {}
    }
}

const MAX_STEPS: usize = 32;
