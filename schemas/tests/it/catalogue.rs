//! The catalogue: every schema against its examples, every service against what it refers to.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test helper that fails should end its test")]

mod bodies;
mod compatibility;
mod examples;
mod privacy;
mod profile;
mod schemas;
mod services;

use std::path::PathBuf;
use std::sync::LazyLock;

use saphan_schemas::catalogue::{Catalogue, SchemaViolation};
use saphan_schemas::ids::SchemaId;
use serde_json::Value;

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::embedded().unwrap());

/// One example file: what it is called, and what it holds.
struct Example {
    name: String,
    content: Value,
}

/// The examples of a schema, `verdict` being `valid` or `invalid`.
fn examples(schema: &SchemaId, verdict: &str) -> Vec<Example> {
    let folder = examples_folder().join(schema.to_string()).join(verdict);
    let Ok(entries) = std::fs::read_dir(&folder) else { return Vec::new() };
    let read = |path: PathBuf| Example {
        name: format!("{schema}/{verdict}/{}", path.file_name().unwrap().to_str().unwrap()),
        content: serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap(),
    };
    entries.map(|entry| read(entry.unwrap().path())).collect()
}

fn examples_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("catalogue/examples")
}

fn schema_ids() -> impl Iterator<Item = &'static SchemaId> {
    CATALOGUE.schemas().map(|schema| &schema.id).filter(|id| id.as_str() != "common@1")
}

fn id(text: &str) -> SchemaId {
    text.parse().unwrap()
}

/// The pointers of the violations, each once, in order.
fn pointers(violation: &SchemaViolation) -> Vec<String> {
    let SchemaViolation::Invalid { errors } = violation else { panic!("{violation}") };
    let mut pointers: Vec<_> = errors.iter().map(|error| error.pointer.clone()).collect();
    pointers.sort();
    pointers.dedup();
    pointers
}
