//! A text that may become the one that stands for its schema.

use std::collections::BTreeSet;

use super::compatibility::{self, Compatibility, Documents};
use super::error::CatalogueError;
use super::finding::Finding;
use super::text::{SchemaText, SchemaTextError};
use super::{Catalogue, compile, profile};
use crate::digest::Sha256Hash;

/// A text inside the profile that compiles, and what it means for those who send by the text before it.
#[derive(Debug)]
pub struct Candidate {
    /// The text.
    pub text: SchemaText,
    /// The catalogue with it.
    pub catalogue: Catalogue,
    /// Whether it accepts all that is accepted now, by itself and where other schemas refer to it.
    pub compatibility: Compatibility,
}

/// A text cannot be published at all.
#[derive(Debug, thiserror::Error)]
pub enum Unpublishable {
    /// It is no schema's text.
    #[error(transparent)]
    Text(#[from] SchemaTextError),
    /// It is outside of the profile.
    #[error("the text is outside of the profile for schemas in {} place(s): {}", findings.len(), told(findings))]
    Profile {
        /// The places.
        findings: Vec<Finding>,
    },
    /// The text before it is lost.
    #[error(
        "the text before it, with the SHA-256 {before}, is not here, so the two cannot be compared; publish that very text again first, or this one as a new major version"
    )]
    NothingToCompare {
        /// SHA-256 of the text before it.
        before: Sha256Hash,
    },
    /// It does not compile, or what refers to it does not any more.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
}

impl Catalogue {
    /// Judges a text: whether it is inside the profile, compiles, and is compatible with the text before it. `before` is the text
    /// that stood last under its id, also where that ended, if the registry ever had one.
    ///
    /// # Errors
    /// [`Unpublishable`].
    pub fn candidate(&self, text: &str, before: Option<Sha256Hash>) -> Result<Candidate, Unpublishable> {
        let (text, document) = SchemaText::read(text)?;
        let documents = |id: &_| self.schemas.get(id).map(|compiled| &compiled.document);
        let findings = profile::findings(&text.id, &document, &documents);
        if !findings.is_empty() {
            return Err(Unpublishable::Profile { findings });
        }
        let compared = self.schema(&text.id).map(|own| own.sha256);
        if let Some(before) = before.filter(|before| compared != Some(*before) && text.sha256 != *before) {
            return Err(Unpublishable::NothingToCompare { before });
        }
        let catalogue = self.with([text.clone()]).map_err(not_compiled)?;
        let compatibility = match self.schema(&text.id) {
            None => Compatibility::New,
            Some(standing) if standing.sha256 == text.sha256 => Compatibility::Same,
            Some(_) => {
                let reached = compile::with_dependents(BTreeSet::from([text.id.clone()]), &self.schemas);
                let reached: Vec<_> = reached.into_iter().collect();
                compatibility::compare(&text.id, &reached, &self.documents(), &catalogue.documents())
            }
        };
        Ok(Candidate { text, catalogue, compatibility })
    }

    fn documents(&self) -> Documents<'_> {
        self.schemas.iter().map(|(id, compiled)| (id, &compiled.document)).collect()
    }
}

/// A keyword with a value that it cannot have is told like any other place of the text.
fn not_compiled(error: CatalogueError) -> Unpublishable {
    match error {
        CatalogueError::Schema { source, .. } => {
            let message = format!("{source}; write a value that this keyword can have");
            Unpublishable::Profile { findings: vec![Finding::new(source.instance_path().as_str(), message)] }
        }
        error => error.into(),
    }
}

/// The findings, one after the other.
fn told(findings: &[Finding]) -> String {
    findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
