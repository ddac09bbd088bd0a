//! The catalogue with the texts that the registry names.

use std::collections::BTreeSet;
use std::sync::Arc;

use saphan_schemas::catalogue::{Catalogue, SchemaText};
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::SchemaId;
use saphan_schemas::registry::RegistryState;

use super::{Current, RegistryError};
use crate::store::Store;

/// The embedded catalogue with the registered text of every schema, and without those schemas whose registered text the hub does
/// not have: their messages are refused, for nobody could say what they were checked against. A schema that ended stays with its
/// last text: what refers to it keeps its meaning, its next text is compared with it, and the registry refuses its messages.
pub(super) async fn catalogue(
    embedded: &Arc<Catalogue>,
    state: &RegistryState,
    store: &dyn Store,
) -> Result<Arc<Catalogue>, RegistryError> {
    let embedded_text = |id: &SchemaId| embedded.schema(id).map(|text| text.sha256);
    let named: Vec<(SchemaId, Sha256Hash)> = state
        .last_schema_texts()
        .filter(|(id, hash)| embedded_text(id) != Some(*hash))
        .map(|(id, hash)| (id.clone(), hash))
        .collect();
    if named.is_empty() {
        return Ok(Arc::clone(embedded));
    }
    let hashes: Vec<_> = named.iter().map(|(_, hash)| *hash).collect();
    let texts = store.schema_texts(&hashes).await?;
    let lacking = named.into_iter().filter(|(_, hash)| !texts.iter().any(|text| text.sha256 == *hash));
    let lacking: BTreeSet<SchemaId> = lacking.map(|(id, _)| id).collect();
    for id in &lacking {
        tracing::error!(schema = %id, "the registry names a text of this schema that the hub does not have");
    }
    let embedded = Arc::clone(embedded);
    let compiled = tokio::task::spawn_blocking(move || compile(&embedded, texts, lacking));
    compiled.await.map(Arc::new).map_err(|_| RegistryError::NotCompiled)
}

/// Whether every registered text is in the catalogue.
pub(super) fn is_complete(current: &Current) -> bool {
    let here = |id, hash| current.catalogue.schema(id).is_some_and(|text| text.sha256 == hash);
    current.state.last_schema_texts().all(|(id, hash)| here(id, hash))
}

/// A text that does not compile, because the hub was replaced by one that reads schemas in another way, must not keep the hub from
/// starting: it is treated like one that is missing.
fn compile(embedded: &Catalogue, texts: Vec<SchemaText>, mut lacking: BTreeSet<SchemaId>) -> Catalogue {
    let mut catalogue = match embedded.with(texts.iter().cloned()) {
        Ok(catalogue) => return catalogue.without(&lacking),
        Err(_) => embedded.without(&BTreeSet::new()),
    };
    for text in texts {
        let id = text.id.clone();
        match catalogue.with([text]) {
            Ok(with) => catalogue = with,
            Err(error) => {
                tracing::error!(schema = %id, error = &error as &dyn std::error::Error, "a published schema does not compile");
                lacking.insert(id);
            }
        }
    }
    catalogue.without(&lacking)
}
