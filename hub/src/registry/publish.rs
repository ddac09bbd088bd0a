//! Whether a registry entry about a schema may be logged: the hub has the text, the text is inside the profile, and it is
//! compatible with the text before it, or the operator says that it is where that cannot be decided.

use std::collections::HashMap;
use std::sync::Arc;

use saphan_schemas::catalogue::{
    Candidate, Catalogue, Compatibility, Finding, SchemaText, SchemaTextError, Unpublishable,
};
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::SchemaId;
use saphan_schemas::registry::{Change, Entry, RegistryState, Schema};

use crate::store::{Store, StoreError};

/// Why an entry about a schema is not logged.
#[derive(Debug, thiserror::Error)]
pub enum SchemaRefusal {
    /// Nobody could say what a body is to be checked against.
    #[error("the hub does not have the text of {id} with this hash; send it with the entry")]
    NoText {
        /// The schema.
        id: SchemaId,
    },
    /// The text is that of another schema.
    #[error("the text with this hash is that of {id}")]
    OtherId {
        /// Whose text it is.
        id: SchemaId,
    },
    /// What was sent beside the entries is no schema.
    #[error("text {at} is not a schema: {source}")]
    NotASchema {
        /// Which, from 0.
        at: usize,
        /// Why.
        #[source]
        source: SchemaTextError,
    },
    /// The text is outside of the profile, or does not compile.
    #[error("{id}: {source}")]
    Unpublishable {
        /// The schema.
        id: SchemaId,
        /// Why.
        #[source]
        source: Box<Unpublishable>,
    },
    /// It refuses what was accepted.
    #[error(
        "{id} refuses what the text before it accepts; publish it as a new major version, and keep this one for who sends by it"
    )]
    Incompatible {
        /// The schema.
        id: SchemaId,
        /// The places.
        findings: Vec<Finding>,
    },
    /// Only the operator can tell.
    #[error(
        "whether {id} accepts all that the text before it accepts cannot be decided; look at the places, and accept it with a reason or leave it"
    )]
    Undecided {
        /// The schema.
        id: SchemaId,
        /// The places.
        findings: Vec<Finding>,
    },
    /// A reason where none is needed would say that somebody decided.
    #[error("{id} is compatible without anyone's decision; leave \"accepted\" out")]
    NothingToAccept {
        /// The schema.
        id: SchemaId,
    },
}

impl SchemaRefusal {
    /// The places of the text.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        match self {
            Self::Incompatible { findings, .. } | Self::Undecided { findings, .. } => findings,
            Self::Unpublishable { source, .. } => match &**source {
                Unpublishable::Profile { findings } => findings,
                Unpublishable::Text(_) | Unpublishable::NothingToCompare { .. } | Unpublishable::Catalogue(_) => &[],
            },
            _ => &[],
        }
    }
}

/// Why a judgement could not be made, or went against the entry.
#[derive(Debug, thiserror::Error)]
pub(super) enum JudgeError {
    #[error(transparent)]
    Refused(#[from] SchemaRefusal),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the check of a schema did not finish")]
    Lost,
}

/// Judges entries in the order in which they will stand.
pub(super) struct SchemaJudge<'a> {
    catalogue: Arc<Catalogue>,
    offered: HashMap<Sha256Hash, SchemaText>,
    store: &'a dyn Store,
    kept: Vec<SchemaText>,
}

impl<'a> SchemaJudge<'a> {
    /// Begins at a catalogue, with the texts that came with the entries.
    pub(super) fn new(
        catalogue: Arc<Catalogue>,
        offered: &[String],
        store: &'a dyn Store,
    ) -> Result<Self, SchemaRefusal> {
        let mut texts = HashMap::new();
        for (at, text) in offered.iter().enumerate() {
            let text = SchemaText::parse(text).map_err(|source| SchemaRefusal::NotASchema { at, source })?;
            texts.insert(text.sha256, text);
        }
        Ok(Self { catalogue, offered: texts, store, kept: Vec::new() })
    }

    /// Judges a change; if it is one of a schema, `before` is the text that stood last.
    pub(super) async fn judge(&mut self, before: Option<Sha256Hash>, change: &Change) -> Result<(), JudgeError> {
        let (Change::Added(Entry::Schema(schema)) | Change::Changed(Entry::Schema(schema))) = change else {
            return Ok(());
        };
        let text = self.text(schema).await?;
        if text.id != schema.id {
            return Err(SchemaRefusal::OtherId { id: text.id }.into());
        }
        let catalogue = Arc::clone(&self.catalogue);
        let exact = Arc::clone(&text.text);
        let judged = tokio::task::spawn_blocking(move || catalogue.candidate(&exact, before)).await;
        let candidate = judged
            .map_err(|_| JudgeError::Lost)?
            .map_err(|source| SchemaRefusal::Unpublishable { id: schema.id.clone(), source: Box::new(source) })?;
        let Candidate { catalogue, compatibility, .. } = candidate;
        permits(schema, compatibility)?;
        self.catalogue = Arc::new(catalogue);
        self.kept.push(text);
        Ok(())
    }

    /// The texts to keep before any of the entries is logged: theirs, and those that came for entries which stand in `state`.
    pub(super) fn kept(mut self, state: &RegistryState) -> Vec<SchemaText> {
        for (hash, text) in self.offered {
            if state.schema_texts(&text.id).contains(&hash) && !self.kept.contains(&text) {
                self.kept.push(text);
            }
        }
        self.kept
    }

    async fn text(&self, schema: &Schema) -> Result<SchemaText, JudgeError> {
        if let Some(text) = self.offered.get(&schema.sha256) {
            return Ok(text.clone());
        }
        if let Some(text) = self.catalogue.schema(&schema.id).filter(|text| text.sha256 == schema.sha256) {
            return Ok(text.clone());
        }
        let kept = self.store.schema_texts(&[schema.sha256]).await?.pop();
        Ok(kept.ok_or_else(|| SchemaRefusal::NoText { id: schema.id.clone() })?)
    }
}

/// Whether the operator's word is needed, and there.
fn permits(schema: &Schema, compatibility: Compatibility) -> Result<(), SchemaRefusal> {
    let id = schema.id.clone();
    match (compatibility, &schema.accepted) {
        (Compatibility::Incompatible(findings), _) => Err(SchemaRefusal::Incompatible { id, findings }),
        (Compatibility::Unknown(findings), None) => Err(SchemaRefusal::Undecided { id, findings }),
        (Compatibility::Unknown(_), Some(_)) => Ok(()),
        (Compatibility::New | Compatibility::Same | Compatibility::Compatible, None) => Ok(()),
        (Compatibility::New | Compatibility::Same | Compatibility::Compatible, Some(_)) => {
            Err(SchemaRefusal::NothingToAccept { id })
        }
    }
}
