//! The form of a service, from its JSON Schema.
//!
//! It knows what forms of the catalogue are made of: texts, numbers, money, dates, yes and no, choices, groups, lists, and alternatives
//! that a constant `kind` tells apart. Whether what was filled in is right, the schema itself decides, on the server.

mod check;
pub(super) mod labels;
mod read;
mod render;
mod words;

pub(super) use check::{Fault, Faults};
pub(super) use read::Input;
pub(super) use render::Shown;

use saphan_schemas::catalogue::Catalogue;
use saphan_schemas::ids::SchemaId;
use serde_json::{Map, Value};

/// A form.
#[derive(Debug, Clone)]
pub(super) struct Form {
    /// Its schema.
    pub(super) schema: SchemaId,
    /// Its fields, as they are shown.
    pub(super) fields: Vec<Field>,
}

/// A member of a form, or of a group in it.
#[derive(Debug, Clone)]
pub(super) struct Field {
    /// The member's name.
    pub(super) name: String,
    /// Whether it must be there when what it belongs to is.
    pub(super) required: bool,
    /// What the schema says about it, in English.
    pub(super) description: Option<String>,
    /// What it takes.
    pub(super) kind: Kind,
}

/// What a field takes.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// A line of text.
    Text {
        /// At most so many characters.
        longest: Option<u64>,
        /// What it must look like.
        shape: Shape,
    },
    /// A number.
    Number {
        /// The smallest.
        least: Option<i64>,
        /// The largest.
        most: Option<i64>,
        /// Whether it is whole.
        whole: bool,
    },
    /// An amount: in baht for people, in satang in the form.
    Money,
    /// A day.
    Date,
    /// Yes or no.
    YesNo,
    /// Something to agree to.
    Confirmed,
    /// One of these.
    Choice(Vec<String>),
    /// Some of these.
    Choices(Vec<String>),
    /// Several fields.
    Group(Vec<Field>),
    /// One of several groups.
    Alternatives(Vec<Alternative>),
    /// Several of the same.
    List {
        /// What each is.
        item: Box<Field>,
        /// At least so many.
        least: usize,
        /// At most so many.
        most: usize,
    },
    /// A document: a form takes none yet, and says so.
    Document,
}

/// What a text must look like, in words that people know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Anything.
    Free,
    /// A number of the civil registry.
    NationalId,
    /// A number of a juristic person.
    JuristicNumber,
    /// A year, a month, or a day.
    PartialDate,
    /// An e-mail address.
    Email,
    /// Thai letters.
    Thai,
    /// Latin letters.
    Latin,
    /// A time of day.
    TimeOfDay,
    /// So many digits.
    Digits(u8),
    /// Something that the hint tells.
    Other,
}

/// One of several groups.
#[derive(Debug, Clone)]
pub(super) struct Alternative {
    /// The constant that tells it.
    pub(super) tag: String,
    /// Its other fields.
    pub(super) fields: Vec<Field>,
}

impl Form {
    /// The form with this schema; `None` when the catalogue has none, or it is not made of what forms are made of.
    pub(super) fn of(catalogue: &Catalogue, schema: &SchemaId) -> Option<Self> {
        let reader = Schemas { catalogue };
        let document = reader.document(schema)?;
        let fields = reader.fields(&At { document: &document, node: &document })?;
        Some(Self { schema: schema.clone(), fields })
    }
}

/// Reads schemas of a catalogue.
struct Schemas<'a> {
    catalogue: &'a Catalogue,
}

/// A place in a schema.
struct At<'a> {
    document: &'a Value,
    node: &'a Value,
}

impl Schemas<'_> {
    fn document(&self, id: &SchemaId) -> Option<Value> {
        serde_json::from_str(&self.catalogue.schema(id)?.text).ok()
    }

    fn fields(&self, at: &At<'_>) -> Option<Vec<Field>> {
        let properties = at.node.get("properties")?.as_object()?;
        let required: Vec<&str> = texts(at.node.get("required"));
        let mut optional: Vec<&str> =
            properties.keys().map(String::as_str).filter(|name| !required.contains(name)).collect();
        optional.sort_by_key(|name| labels::position(name));
        let names = required.iter().map(|name| (*name, true)).chain(optional.into_iter().map(|name| (name, false)));
        names
            .filter(|(name, _)| *name != TAG || properties[*name].get("const").is_none())
            .map(|(name, required)| {
                self.field(name, required, &At { document: at.document, node: properties.get(name)? })
            })
            .collect()
    }

    fn field(&self, name: &str, required: bool, at: &At<'_>) -> Option<Field> {
        let own = at.node.get("description").and_then(Value::as_str).map(str::to_owned);
        if let Some(reference) = at.node.get("$ref").and_then(Value::as_str) {
            let (urn, pointer) = reference.split_once('#')?;
            if pointer == "/$defs/document" {
                return Some(Field { name: name.to_owned(), required, description: own, kind: Kind::Document });
            }
            let other = SchemaId::from_urn(urn).and_then(|id| self.document(&id));
            let document = other.as_ref().unwrap_or(at.document);
            let mut field = self.field(name, required, &At { document, node: document.pointer(pointer)? })?;
            if pointer == "/$defs/satang" {
                field.kind = Kind::Money;
                field.description = None;
            }
            field.description = own.or(field.description);
            return Some(field);
        }
        Some(Field { name: name.to_owned(), required, description: own, kind: self.kind(at)? })
    }

    fn kind(&self, at: &At<'_>) -> Option<Kind> {
        let node = at.node;
        if let Some(alternatives) = node.get("oneOf").and_then(Value::as_array) {
            let each = alternatives.iter().map(|node| self.alternative(&At { document: at.document, node }));
            return each.collect::<Option<_>>().map(Kind::Alternatives);
        }
        let choices: Vec<String> = texts(node.get("enum")).into_iter().map(str::to_owned).collect();
        match node.get("type")?.as_str()? {
            "string" if !choices.is_empty() => Some(Kind::Choice(choices)),
            "string" => Some(text(node)),
            "boolean" if node.get("const") == Some(&Value::Bool(true)) => Some(Kind::Confirmed),
            "boolean" => Some(Kind::YesNo),
            kind @ ("integer" | "number") => {
                let limit = |name| node.get(name).and_then(Value::as_i64);
                Some(Kind::Number { least: limit("minimum"), most: limit("maximum"), whole: kind == "integer" })
            }
            "object" => self.fields(at).map(Kind::Group),
            "array" => self.list(at),
            _ => None,
        }
    }

    fn list(&self, at: &At<'_>) -> Option<Kind> {
        let item = self.field("item", true, &At { document: at.document, node: at.node.get("items")? })?;
        let limit = |name| at.node.get(name).and_then(Value::as_u64).and_then(|limit| usize::try_from(limit).ok());
        Some(match item.kind {
            Kind::Choice(choices) => Kind::Choices(choices),
            Kind::Document => Kind::Document,
            _ => Kind::List {
                least: limit("minItems").unwrap_or_default(),
                most: limit("maxItems").unwrap_or(MOST_ITEMS).min(MOST_ITEMS),
                item: Box::new(item),
            },
        })
    }

    fn alternative(&self, at: &At<'_>) -> Option<Alternative> {
        if let Some(reference) = at.node.get("$ref").and_then(Value::as_str) {
            let node = at.document.pointer(reference.strip_prefix('#')?)?;
            return self.alternative(&At { document: at.document, node });
        }
        let tag = at.node.pointer("/properties/kind/const")?.as_str()?.to_owned();
        Some(Alternative { tag, fields: self.fields(at)? })
    }
}

fn text(node: &Value) -> Kind {
    let longest = node.get("maxLength").and_then(Value::as_u64);
    let word = |name| node.get(name).and_then(Value::as_str);
    let shape = match (word("format"), word("pattern")) {
        (Some("date"), _) => return Kind::Date,
        (Some("thai-national-id"), _) => Shape::NationalId,
        (Some("thai-juristic-number"), _) => Shape::JuristicNumber,
        (Some("partial-date"), _) => Shape::PartialDate,
        (Some("email"), _) => Shape::Email,
        (_, Some(pattern)) => shape(pattern),
        _ => Shape::Free,
    };
    Kind::Text { longest, shape }
}

fn shape(pattern: &str) -> Shape {
    let digits = pattern.strip_prefix("^[0-9]{").and_then(|rest| rest.strip_suffix("}$")?.parse().ok());
    match digits {
        Some(digits) => Shape::Digits(digits),
        None if pattern.starts_with("^[\u{0E01}-") || pattern.starts_with("^[\\u0E01-") => Shape::Thai,
        None if pattern.starts_with("^[A-Za-z\u{C0}-") || pattern.starts_with("^[A-Za-z\\u00C0-") => Shape::Latin,
        None if pattern.contains(":[0-5]") => Shape::TimeOfDay,
        None if pattern == "^[1-9][0-9]{4}$" => Shape::Digits(5),
        None if pattern == "^[1-9][0-9]{5}$" => Shape::Digits(6),
        None => Shape::Other,
    }
}

fn texts(list: Option<&Value>) -> Vec<&str> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

/// What is filled in so far.
pub(super) type Filled = Map<String, Value>;

const TAG: &str = "kind";
/// More rows than anybody fills in on one page.
const MOST_ITEMS: usize = 50;

/// Which alternative a value is.
fn tag(value: &Value) -> Option<&str> {
    value.get(TAG)?.as_str()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use saphan_schemas::message_types::Language;

    use super::*;
    use crate::web::language::baht;

    /// What a browser would send for a value; `None` when the form cannot take it.
    fn send(field: &Field, path: &str, value: &Value, pairs: &mut Vec<(String, String)>) {
        let mut add = |value: String| pairs.push((path.to_owned(), value));
        let text = || value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match &field.kind {
            Kind::Money => add(value.as_u64().map_or_else(text, baht)),
            Kind::YesNo => add(if value == true { "yes".to_owned() } else { "no".to_owned() }),
            Kind::Confirmed if value == false => {}
            Kind::Choices(_) => value.as_array().unwrap().iter().for_each(|one| add(one.as_str().unwrap().to_owned())),
            Kind::Group(fields) => send_all(fields, path, value, pairs),
            Kind::Alternatives(alternatives) => {
                add(value["kind"].as_str().unwrap().to_owned());
                for one in alternatives.iter().filter(|one| value["kind"] == one.tag) {
                    send_all(&one.fields, &format!("{path}:{}", one.tag), value, pairs);
                }
            }
            Kind::List { item, .. } => {
                for (row, value) in value.as_array().unwrap().iter().enumerate() {
                    send(item, &format!("{path}/{row}"), value, pairs);
                }
            }
            Kind::Document => {}
            _ => add(text()),
        }
    }

    fn send_all(fields: &[Field], path: &str, members: &Value, pairs: &mut Vec<(String, String)>) {
        for field in fields {
            if let Some(value) = members.get(&field.name) {
                send(field, &format!("{path}/{}", field.name), value, pairs);
            }
        }
    }

    /// The examples of a schema.
    fn examples(id: &SchemaId, kind: &str) -> Vec<(String, Value)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/catalogue/examples");
        let files = std::fs::read_dir(folder.join(id.as_str()).join(kind)).unwrap();
        let read = |file: std::io::Result<std::fs::DirEntry>| {
            let path = file.unwrap().path();
            (path.display().to_string(), serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap())
        };
        files.map(read).collect()
    }

    #[test]
    fn what_the_examples_hold_can_be_filled_in_and_comes_out_as_it_is() {
        let catalogue = Catalogue::embedded().unwrap();
        for service in catalogue.services() {
            let form = Form::of(&catalogue, &service.form).unwrap();
            for (name, mut example) in examples(&service.form, "valid") {
                let mut pairs = Vec::new();
                send_all(&form.fields, "", &example, &mut pairs);
                let filled = form.read(&Input::new(pairs));
                for field in form.fields.iter().filter(|field| matches!(field.kind, Kind::Document)) {
                    example.as_object_mut().unwrap().remove(&field.name);
                }
                assert_eq!(Value::Object(filled.clone()), example, "{name}");
                assert_eq!(form.faults(&catalogue, &filled), Faults::new(), "{name}");
            }
        }
    }

    #[test]
    fn every_fault_of_a_filled_in_form_is_at_a_field_that_the_page_shows() {
        let catalogue = Catalogue::embedded().unwrap();
        for service in catalogue.services() {
            let form = Form::of(&catalogue, &service.form).unwrap();
            for example in [Value::Object(Filled::new()), serde_json::json!({ "receive_by": { "kind": "PromptPay" } })]
            {
                let mut pairs = Vec::new();
                send_all(&form.fields, "", &example, &mut pairs);
                let filled = form.read(&Input::new(pairs));
                let faults = form.faults(&catalogue, &filled);
                assert!(!faults.is_empty());
                for language in [Language::Th, Language::En] {
                    let shown = Shown { language, filled: &filled, faults: &faults, add: None };
                    let summary = form.summary(&shown);
                    assert_eq!(summary.as_str().matches("<li>").count(), faults.len(), "{} {faults:?}", service.id);
                    let fields = form.show(&shown);
                    assert_eq!(fields.as_str().matches("class=\"error\"").count(), faults.len(), "{}", service.id);
                }
            }
        }
    }
}
