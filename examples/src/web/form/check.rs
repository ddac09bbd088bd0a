//! What is wrong with what was filled in, at the field that it is about.

use std::collections::BTreeMap;

use saphan_schemas::catalogue::{Catalogue, SchemaViolation};
use serde_json::{Map, Value};

use super::{Field, Filled, Form, Kind};

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Fault {
    /// It must be filled in.
    Missing,
    /// It is not as it must be.
    Wrong,
}

/// Faults by the JSON Pointers of their fields.
pub(in super::super) type Faults = BTreeMap<String, Fault>;

impl Form {
    /// What the schema does not accept. Empty: it accepts all.
    pub(in super::super) fn faults(&self, catalogue: &Catalogue, filled: &Filled) -> Faults {
        let mut faults = Faults::new();
        missing(&self.fields, filled, "", &mut faults);
        if let Err(violation) = catalogue.validate(&self.schema, &Value::Object(filled.clone())) {
            let SchemaViolation::Invalid { errors } = violation else { return faults };
            for error in errors {
                // What lacks a member is reported as a whole; the member that it lacks is known better.
                let is_told = faults.keys().any(|known| is_within(known, &error.pointer));
                if !is_told {
                    faults.insert(error.pointer, Fault::Wrong);
                }
            }
        }
        faults
    }
}

fn is_within(inner: &str, outer: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn missing(fields: &[Field], members: &Map<String, Value>, path: &str, faults: &mut Faults) {
    for field in fields {
        let pointer = format!("{path}/{}", field.name);
        match members.get(&field.name) {
            Some(value) => missing_in(&field.kind, value, &pointer, faults),
            None if field.required => {
                faults.insert(pointer, Fault::Missing);
            }
            None => {}
        }
    }
}

fn missing_in(kind: &Kind, value: &Value, pointer: &str, faults: &mut Faults) {
    match (kind, value) {
        (Kind::Group(fields), Value::Object(members)) => missing(fields, members, pointer, faults),
        (Kind::Alternatives(alternatives), Value::Object(members)) => {
            let chosen = alternatives.iter().find(|one| Some(one.tag.as_str()) == super::tag(value));
            if let Some(chosen) = chosen {
                missing(&chosen.fields, members, pointer, faults);
            }
        }
        (Kind::List { item, .. }, Value::Array(items)) => {
            for (at, value) in items.iter().enumerate() {
                missing_in(&item.kind, value, &format!("{pointer}/{at}"), faults);
            }
        }
        _ => {}
    }
}
