//! Where a `$ref` may lead.

use serde_json::Value;

use crate::ids::SchemaId;

/// Resolves references inside a text and into the catalogue, and nowhere else.
pub(super) struct References<'a> {
    pub(super) id: &'a SchemaId,
    pub(super) document: &'a Value,
    pub(super) catalogue: &'a dyn Fn(&SchemaId) -> Option<&'a Value>,
}

/// A place in a document: whose it is, and the schema there.
#[derive(Clone, Copy)]
struct Place<'a> {
    document: &'a Value,
    schema: &'a Value,
}

impl<'a> References<'a> {
    /// That a target is there, and that the way to it ends.
    pub(super) fn check(&self, target: &str) -> Result<(), String> {
        self.follow(self.resolve(self.document, target)?).map(|_| ())
    }

    /// The members that this alternative, or what it refers to, requires to be a constant.
    pub(super) fn tags(&self, alternative: &'a Value) -> Vec<(String, Value)> {
        let Ok(place) = self.follow(Place { document: self.document, schema: alternative }) else {
            return Vec::new();
        };
        let required = place.schema.get("required").and_then(Value::as_array).into_iter().flatten();
        let constant = |name: &Value| {
            let name = name.as_str()?;
            let member = place.schema.get("properties")?.get(name)?;
            let member = self.follow(Place { document: place.document, schema: member }).ok()?;
            Some((name.to_owned(), member.schema.get("const")?.clone()))
        };
        required.filter_map(constant).collect()
    }

    /// The schema behind all references.
    fn follow(&self, mut place: Place<'a>) -> Result<Place<'a>, String> {
        for _ in 0..MAX_STEPS {
            let Some(next) = place.schema.get("$ref").and_then(Value::as_str) else { return Ok(place) };
            place = self.resolve(place.document, next)?;
        }
        Err("leads in a circle; refer to a schema that says something itself".to_owned())
    }

    fn resolve(&self, from: &'a Value, target: &str) -> Result<Place<'a>, String> {
        let (urn, pointer) = target.split_once('#').unwrap_or((target, ""));
        let document = match SchemaId::from_urn(urn) {
            _ if urn.is_empty() => from,
            Some(id) if id == *self.id => self.document,
            Some(id) => {
                let unknown = || format!("refers to {id}, which the catalogue does not have; publish that first");
                (self.catalogue)(&id).ok_or_else(unknown)?
            }
            None => {
                return Err("leads out of the catalogue, and nothing is ever fetched; refer to #/$defs/… or to urn:saphan:schema:<id>#/$defs/…".to_owned());
            }
        };
        if !is_linted(pointer) {
            return Err(
                "refers to a place below another; refer to # or to #/$defs/<name>, and put there what is used twice"
                    .to_owned(),
            );
        }
        let schema = document.pointer(pointer).filter(|schema| schema.is_object());
        schema.map(|schema| Place { document, schema }).ok_or_else(|| "refers to a place where no schema is".to_owned())
    }
}

/// Whether the lint looks at this place as a schema, whatever the text holds. Elsewhere an object may be none, as `properties` is:
/// what a validator reads there as keywords are names to the lint.
fn is_linted(pointer: &str) -> bool {
    pointer.is_empty() || pointer.strip_prefix("/$defs/").is_some_and(|name| !name.contains('/'))
}

const MAX_STEPS: usize = 32;
