//! The places where a new text accepts less, by a walk through both at once.

mod value;

use std::collections::BTreeSet;

use jsonschema::canonical::{Containment, PreparedDocument};
use serde_json::{Map, Value};

use super::bundle::{Bundle, canonical_at};
use crate::catalogue::finding::{Finding, token};
use crate::catalogue::profile;
use crate::ids::SchemaId;

type Members = Map<String, Value>;

pub(super) struct Places<'a> {
    /// Places where something is refused that was accepted.
    pub(super) refused: Vec<Finding>,
    /// Places of which it is not known.
    pub(super) open: Vec<Finding>,
    candidate: &'a SchemaId,
    old: &'a Bundle,
    new: &'a Bundle,
    old_document: Option<PreparedDocument<'a>>,
    new_document: Option<PreparedDocument<'a>>,
    seen: BTreeSet<(String, String)>,
}

impl<'a> Places<'a> {
    pub(super) fn new(candidate: &'a SchemaId, old: &'a Bundle, new: &'a Bundle) -> Self {
        let (old_document, new_document) = (old.prepare(), new.prepare());
        let (refused, open, seen) = (Vec::new(), Vec::new(), BTreeSet::new());
        Self { refused, open, candidate, old, new, old_document, new_document, seen }
    }

    /// Compares a schema as a whole.
    pub(super) fn compare_all(&mut self, id: &SchemaId) {
        let root = format!("/$defs/{id}");
        let covered = self.covers(&root, &root);
        if covered == Containment::Yes {
            return;
        }
        self.compare(&root, &root);
        if covered == Containment::No && self.refused.is_empty() {
            self.refuse(&root, "accepts less than before; compare the two texts");
        }
    }

    /// Whether the new schema at a place accepts all that the old one at another accepts, as far as the library can tell.
    fn covers(&self, old: &str, new: &str) -> Containment {
        let old = canonical_at(self.old_document.as_ref(), old);
        let new = canonical_at(self.new_document.as_ref(), new);
        match (old, new) {
            (Some(old), Some(new)) => new.covers(&old).unwrap_or(Containment::Unknown),
            _ => Containment::Unknown,
        }
    }

    fn compare(&mut self, old: &str, new: &str) {
        let (before, after) = (self.old, self.new);
        let (Some((old, was)), Some((new, is))) = (before.resolve(old), after.resolve(new)) else {
            return self.leave_open(new, "cannot be compared");
        };
        if !self.seen.insert((old.clone(), new.clone())) {
            return;
        }
        let covered = self.covers(&old, &new);
        if covered == Containment::Yes {
            return;
        }
        // What is made of parts covers what it was when each part does, and what this file looks at is all there is.
        let unread = was.keys().chain(is.keys()).any(|keyword| !profile::knows(keyword));
        match (kind(was), kind(is)) {
            _ if unread => self.leave_open(&new, "may accept less than before; it is outside of the profile"),
            (Kind::Object, Kind::Object) => self.objects((&old, was), (&new, is)),
            (Kind::List, Kind::List) => self.lists((&old, was), (&new, is)),
            (Kind::Alternatives, _) | (_, Kind::Alternatives) => self.alternatives((&old, was), (&new, is)),
            _ => self.values((&old, was), (&new, is), covered),
        }
    }

    fn objects(&mut self, (old, was): (&str, &Members), (new, is): (&str, &Members)) {
        let (needed, needs) = (names(was, "required"), names(is, "required"));
        let no_limit = Members::new();
        let defined = was.get("properties").and_then(Value::as_object).unwrap_or(&no_limit);
        let defines = is.get("properties").and_then(Value::as_object).unwrap_or(&no_limit);
        for name in needs.difference(&needed) {
            let message = format!("requires {name} now; who sends by the version before may leave it out");
            // An object that must have members may have no choice but to have this one.
            if number(was, "minProperties").unwrap_or(0) == 0 {
                self.refuse(&format!("{new}/required"), &message);
            } else {
                self.leave_open(&format!("{new}/required"), &message);
            }
        }
        for name in defined.keys() {
            let member = format!("/properties/{}", token(name));
            if defines.contains_key(name) {
                self.compare(&format!("{old}{member}"), &format!("{new}{member}"));
            } else if is_closed(is) {
                self.refuse(
                    &format!("{new}/properties"),
                    &format!("has no {name} any more; who sends by the version before may send it"),
                );
            }
        }
        if !is_closed(was) {
            if is_closed(is) {
                self.refuse(&format!("{new}/additionalProperties"), "is closed now; members of any name were accepted");
            } else if let Some(name) = defines.keys().find(|name| !defined.contains_key(*name)) {
                self.refuse(&format!("{new}/properties/{}", token(name)), "limits a member that could hold anything");
            }
        }
        let most = number(was, "maxProperties").unwrap_or(u64::MAX).min(if is_closed(was) {
            defined.len() as u64
        } else {
            u64::MAX
        });
        if number(is, "maxProperties").is_some_and(|limit| limit < most) {
            self.refuse(&format!("{new}/maxProperties"), "allows fewer members than before");
        }
        let least = number(was, "minProperties").unwrap_or(0).max(needed.len() as u64);
        if number(is, "minProperties").is_some_and(|limit| limit > least) {
            self.refuse(&format!("{new}/minProperties"), "asks for more members than before");
        }
    }

    fn lists(&mut self, (old, was): (&str, &Members), (new, is): (&str, &Members)) {
        let most = number(was, "maxItems").unwrap_or(u64::MAX);
        if number(is, "maxItems").is_some_and(|limit| limit < most) {
            // A list without repetitions may never have got that long.
            let told = "allows fewer items than before";
            if is_set(was) {
                self.leave_open(&format!("{new}/maxItems"), told)
            } else {
                self.refuse(&format!("{new}/maxItems"), told)
            }
        }
        if number(is, "minItems").unwrap_or(0) > number(was, "minItems").unwrap_or(0) {
            self.refuse(&format!("{new}/minItems"), "asks for more items than before");
        }
        if is_set(is) && !is_set(was) && most > 1 {
            self.refuse(&format!("{new}/uniqueItems"), "refuses the same item twice, which was accepted");
        }
        match (was.contains_key("items"), is.contains_key("items")) {
            (true, true) => self.compare(&format!("{old}/items"), &format!("{new}/items")),
            (false, true) => self.refuse(&format!("{new}/items"), "limits items that could be anything"),
            (_, false) => {}
        }
    }

    fn alternatives(&mut self, old: (&str, &Members), new: (&str, &Members)) {
        let (was, is) = (branches(old), branches(new));
        for branch in &was {
            let Some(tag) = tag(self.old, branch) else {
                return self.leave_open(new.0, "has alternatives that no member tells apart, or had");
            };
            match is.iter().find(|other| tag_is(self.new, other, &tag)) {
                Some(other) => self.compare(branch, other),
                None => self.refuse(new.0, &format!("has no alternative with {} = {} any more", tag.0, tag.1)),
            }
        }
    }

    fn refuse(&mut self, place: &str, message: &str) {
        let finding = self.finding(place, message);
        self.refused.push(finding);
    }

    fn leave_open(&mut self, place: &str, message: &str) {
        let finding = self.finding(place, message);
        self.open.push(finding);
    }

    /// Places are told as in the candidate's own text.
    fn finding(&self, pointer: &str, message: &str) -> Finding {
        let inside = pointer.strip_prefix("/$defs/").unwrap_or(pointer);
        let (id, below) = inside.find('/').map_or((inside, ""), |at| inside.split_at(at));
        let other = id.parse().ok().filter(|id: &SchemaId| id != self.candidate);
        let urn = other.map(|id| id.urn()).unwrap_or_default();
        Finding { place: format!("{urn}#{below}"), message: message.to_owned() }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Object,
    List,
    Alternatives,
    Value,
}

fn kind(schema: &Members) -> Kind {
    match schema.get("type").and_then(Value::as_str) {
        _ if schema.contains_key("oneOf") => Kind::Alternatives,
        Some("object") => Kind::Object,
        Some("array") => Kind::List,
        _ => Kind::Value,
    }
}

fn branches((pointer, schema): (&str, &Members)) -> Vec<String> {
    match schema.get("oneOf").and_then(Value::as_array) {
        Some(list) => (0..list.len()).map(|index| format!("{pointer}/oneOf/{index}")).collect(),
        None => vec![pointer.to_owned()],
    }
}

/// The first member that an alternative requires to be a constant, with that constant.
fn tag(bundle: &Bundle, branch: &str) -> Option<(String, Value)> {
    let (pointer, schema) = bundle.resolve(branch)?;
    let mut required = names(schema, "required").into_iter();
    required.find_map(|name| constant(bundle, &pointer, &name).map(|value| (name, value)))
}

fn tag_is(bundle: &Bundle, branch: &str, (name, value): &(String, Value)) -> bool {
    bundle.resolve(branch).and_then(|(pointer, _)| constant(bundle, &pointer, name)).as_ref() == Some(value)
}

fn constant(bundle: &Bundle, object: &str, member: &str) -> Option<Value> {
    let (_, schema) = bundle.resolve(&format!("{object}/properties/{}", token(member)))?;
    schema.get("const").cloned()
}

fn names(schema: &Members, keyword: &str) -> BTreeSet<String> {
    let list = schema.get(keyword).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(ToOwned::to_owned).collect()
}

fn number(schema: &Members, keyword: &str) -> Option<u64> {
    schema.get(keyword).and_then(Value::as_u64)
}

/// Inside the profile an object is closed, or says nothing of its members.
fn is_closed(schema: &Members) -> bool {
    schema.get("additionalProperties") == Some(&Value::Bool(false))
}

fn is_set(schema: &Members) -> bool {
    schema.get("uniqueItems") == Some(&Value::Bool(true))
}
