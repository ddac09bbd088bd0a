//! From texts to validators.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jsonschema::{PatternCache, PatternOptions, Registry, ValidationOptions, Validator};
use serde_json::{Value, json};

use super::error::CatalogueError;
use super::format;
use super::text::SchemaText;
use crate::ids::SchemaId;

/// A schema that bodies can be checked against.
pub(super) struct Compiled {
    pub(super) text: SchemaText,
    pub(super) document: Value,
    pub(super) validator: Validator,
    /// The other schemas that it refers to itself.
    refers: BTreeSet<SchemaId>,
}

/// `changed` compiled, together with those of `standing` that stay; of them only those that refer to a changed one are compiled
/// again.
pub(super) fn compile(
    changed: Vec<(SchemaText, Value)>,
    standing: &BTreeMap<SchemaId, Arc<Compiled>>,
) -> Result<BTreeMap<SchemaId, Arc<Compiled>>, CatalogueError> {
    let mut ids: BTreeSet<SchemaId> = changed.iter().map(|(text, _)| text.id.clone()).collect();
    ids = with_dependents(ids, standing);
    let mut documents: BTreeMap<SchemaId, (SchemaText, Value)> = BTreeMap::new();
    for id in &ids {
        if let Some(compiled) = standing.get(id) {
            documents.insert(id.clone(), (compiled.text.clone(), compiled.document.clone()));
        }
    }
    for (text, document) in changed {
        documents.insert(text.id.clone(), (text, document));
    }
    let kept = standing.iter().filter(|(id, _)| !ids.contains(id));
    let resources = kept.clone().map(|(id, compiled)| (id.urn(), &compiled.document));
    let registry = Registry::new()
        .extend(resources.chain(documents.iter().map(|(id, (_, document))| (id.urn(), document))))
        .and_then(|builder| builder.prepare())
        .map_err(|source| CatalogueError::References { source })?;
    let patterns = PatternCache::new();
    let mut validators = BTreeMap::new();
    for (id, (_, document)) in &documents {
        let built = options().with_registry(&registry).with_pattern_cache(patterns.clone()).build(document);
        let validator = built.map_err(|source| CatalogueError::Schema { id: id.clone(), source })?;
        validators.insert(id.clone(), validator);
    }
    drop(registry);
    let mut schemas: BTreeMap<_, _> = kept.map(|(id, compiled)| (id.clone(), Arc::clone(compiled))).collect();
    for ((id, (text, document)), validator) in documents.into_iter().zip(validators.into_values()) {
        let refers = references(&document);
        schemas.insert(id, Arc::new(Compiled { text, document, validator, refers }));
    }
    Ok(schemas)
}

/// `ids` and all schemas that refer to one of them, also by others.
pub(super) fn with_dependents(
    mut ids: BTreeSet<SchemaId>,
    schemas: &BTreeMap<SchemaId, Arc<Compiled>>,
) -> BTreeSet<SchemaId> {
    loop {
        let known = ids.len();
        for (id, compiled) in schemas {
            if !compiled.refers.is_disjoint(&ids) {
                ids.insert(id.clone());
            }
        }
        if ids.len() == known {
            return ids;
        }
    }
}

/// How every schema is read: offline, with formats that count, and with patterns that take time linear in the text.
pub(super) fn options<'r>() -> ValidationOptions<'r> {
    jsonschema::draft202012::options()
        .offline()
        .should_validate_formats(true)
        .should_ignore_unknown_formats(false)
        .with_pattern_options(PatternOptions::regex())
        .with_format("thai-national-id", format::is_national_id)
        .with_format("thai-juristic-number", format::is_juristic_number)
        .with_format("partial-date", format::is_partial_date)
}

/// Whether the linear engine takes the pattern.
pub(super) fn is_pattern(pattern: &str) -> bool {
    options().build(&json!({ "type": "string", "pattern": pattern })).is_ok()
}

fn references(document: &Value) -> BTreeSet<SchemaId> {
    let mut found = BTreeSet::new();
    let mut left = vec![document];
    while let Some(value) = left.pop() {
        match value {
            Value::Object(members) => {
                let target = members.get("$ref").and_then(Value::as_str);
                found.extend(target.and_then(|target| SchemaId::from_urn(target.split('#').next()?)));
                left.extend(members.values());
            }
            Value::Array(items) => left.extend(items),
            _ => {}
        }
    }
    found
}
