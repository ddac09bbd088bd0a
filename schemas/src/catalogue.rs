//! The catalogue: JSON Schemas of message bodies and forms, public services, evidence types.
//!
//! What a release knows is embedded; a hub may have texts that were published since. Schemas are JSON Schema 2020-12; they refer to each other by URN and never to a
//! network; formats are checked; patterns run in linear time.

mod candidate;
mod compatibility;
mod compile;
mod embedded;
mod error;
mod evidence_type;
mod finding;
pub mod format;
mod profile;
mod service;
mod survey;
mod text;
mod violation;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jsonschema::ValidationError;
use serde_json::Value;

pub use self::candidate::{Candidate, Unpublishable};
pub use self::compatibility::Compatibility;
use self::compile::Compiled;
pub use self::error::CatalogueError;
pub use self::evidence_type::{EvidenceFormat, EvidenceType};
pub use self::finding::Finding;
pub use self::service::{Channel, Organisation, PublicService, Requirement, RequirementSubject, ServiceFamily};
pub use self::survey::{DigitalStatus, MoreThanAll, Percent, Survey};
pub use self::text::{MAX_SCHEMA_BYTES, SchemaText, SchemaTextError};
pub use self::violation::{MAX_VIOLATIONS, SchemaViolation, Violation};
use crate::ids::{EvidenceTypeId, SchemaId, ServiceId};

/// All schemas, compiled, with the services and evidence types. Build it once and share it.
pub struct Catalogue {
    schemas: BTreeMap<SchemaId, Arc<Compiled>>,
    services: Arc<[PublicService]>,
    evidence_types: Arc<[EvidenceType]>,
}

impl Catalogue {
    /// Parses and compiles everything that is embedded in this crate.
    ///
    /// # Errors
    /// [`CatalogueError`] names the file that is wrong; with the files of a release it does not happen.
    pub fn embedded() -> Result<Self, CatalogueError> {
        let mut documents = Vec::with_capacity(embedded::SCHEMAS.len());
        for file in embedded::SCHEMAS {
            let read =
                SchemaText::read(file.text).map_err(|source| CatalogueError::Text { path: file.path, source })?;
            if read.0.id.as_str() != file.stem() {
                return Err(CatalogueError::OtherId { path: file.path });
            }
            documents.push(read);
        }
        let schemas = compile::compile(documents, &BTreeMap::new())?;
        let catalogue = Self { schemas, services: services()?.into(), evidence_types: evidence_types()?.into() };
        catalogue.check_references()?;
        Ok(catalogue)
    }

    /// This catalogue with other texts beside its own, and in place of those that have the same ids. What does not refer to
    /// them is not compiled again.
    ///
    /// # Errors
    /// [`CatalogueError`]: a text does not compile, or refers to what is not there.
    pub fn with(&self, texts: impl IntoIterator<Item = SchemaText>) -> Result<Self, CatalogueError> {
        let mut changed = Vec::new();
        for text in texts {
            if self.schema(&text.id).is_none_or(|own| own.sha256 != text.sha256) {
                let source = |source| CatalogueError::Published { id: text.id.clone(), source };
                changed.push(SchemaText::read(&text.text).map_err(source)?);
            }
        }
        let schemas = compile::compile(changed, &self.schemas)?;
        Ok(Self { schemas, services: Arc::clone(&self.services), evidence_types: Arc::clone(&self.evidence_types) })
    }

    /// This catalogue without these schemas and without those that refer to them.
    #[must_use]
    pub fn without(&self, ids: &BTreeSet<SchemaId>) -> Self {
        let gone = compile::with_dependents(ids.clone(), &self.schemas);
        let kept = self.schemas.iter().filter(|(id, _)| !gone.contains(id));
        Self {
            schemas: kept.map(|(id, compiled)| (id.clone(), Arc::clone(compiled))).collect(),
            services: Arc::clone(&self.services),
            evidence_types: Arc::clone(&self.evidence_types),
        }
    }

    /// The text of a schema.
    #[must_use]
    pub fn schema(&self, id: &SchemaId) -> Option<&SchemaText> {
        self.schemas.get(id).map(|compiled| &compiled.text)
    }

    /// The texts of all schemas, in the order of their ids.
    pub fn schemas(&self) -> impl Iterator<Item = &SchemaText> {
        self.schemas.values().map(|compiled| &compiled.text)
    }

    /// Checks an instance against a schema.
    ///
    /// # Errors
    /// [`SchemaViolation`]: the schema is unknown, or where the instance breaks it.
    pub fn validate(&self, id: &SchemaId, instance: &Value) -> Result<(), SchemaViolation> {
        let compiled = self.schemas.get(id).ok_or_else(|| SchemaViolation::UnknownSchema { id: id.clone() })?;
        if compiled.validator.is_valid(instance) {
            return Ok(());
        }
        let errors = violation::violations(compiled.validator.iter_errors(instance), &|error| self.members(id, error));
        Err(SchemaViolation::Invalid { errors })
    }

    /// The public services, in the order of their ids.
    #[must_use]
    pub fn services(&self) -> &[PublicService] {
        &self.services
    }

    /// One public service.
    #[must_use]
    pub fn service(&self, id: &ServiceId) -> Option<&PublicService> {
        self.services.binary_search_by(|service| service.id.cmp(id)).ok().map(|at| &self.services[at])
    }

    /// The evidence types, in the order of their ids.
    #[must_use]
    pub fn evidence_types(&self) -> &[EvidenceType] {
        &self.evidence_types
    }

    /// One evidence type.
    #[must_use]
    pub fn evidence_type(&self, id: &EvidenceTypeId) -> Option<&EvidenceType> {
        self.evidence_types.binary_search_by(|known| known.id.cmp(id)).ok().map(|at| &self.evidence_types[at])
    }

    /// The members that the object schema at the place of `error` defines.
    fn members(&self, validated: &SchemaId, error: &ValidationError<'_>) -> Vec<String> {
        let (id, keyword) = match error.absolute_keyword_location().map(|location| location.as_str().split_once('#')) {
            Some(Some((urn, pointer))) => (SchemaId::from_urn(urn), pointer),
            _ => (Some(validated.clone()), error.schema_path().as_str()),
        };
        let schema = id.and_then(|id| self.schemas.get(&id)).map(|compiled| &compiled.document);
        let object = keyword.rsplit_once('/').and_then(|(object, _)| schema?.pointer(object));
        let properties = object.and_then(|object| object.get("properties")?.as_object());
        properties.map(|properties| properties.keys().cloned().collect()).unwrap_or_default()
    }

    fn check_references(&self) -> Result<(), CatalogueError> {
        self.services.iter().try_for_each(|service| self.check_service(service))?;
        let lost = self.evidence_types.iter().find(|known| !self.schemas.contains_key(&known.schema));
        lost.map_or(Ok(()), |known| Err(unresolved(&known.id, &known.schema)))
    }

    fn check_service(&self, service: &PublicService) -> Result<(), CatalogueError> {
        if !self.schemas.contains_key(&service.form) {
            return Err(unresolved(&service.id, &service.form));
        }
        for requirement in &service.requirements {
            if requirement.evidence.is_empty() {
                let (service, requirement) = (service.id.clone(), requirement.id.clone());
                return Err(CatalogueError::NothingProves { service, requirement });
            }
            if let Some(lost) = requirement.evidence.iter().find(|id| self.evidence_type(id).is_none()) {
                return Err(unresolved(&service.id, lost));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (schemas, services) = (self.schemas.len(), self.services.len());
        f.debug_struct("Catalogue").field("schemas", &schemas).field("services", &services).finish_non_exhaustive()
    }
}

fn unresolved(within: &dyn fmt::Display, id: &dyn fmt::Display) -> CatalogueError {
    CatalogueError::Unresolved { within: within.to_string(), id: id.to_string() }
}

fn services() -> Result<Vec<PublicService>, CatalogueError> {
    let mut services = Vec::with_capacity(embedded::SERVICES.len());
    for file in embedded::SERVICES {
        let service: PublicService = read(file)?;
        if service.id.as_str() != file.stem() {
            return Err(CatalogueError::OtherId { path: file.path });
        }
        services.push(service);
    }
    services.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(services)
}

fn evidence_types() -> Result<Vec<EvidenceType>, CatalogueError> {
    let mut all = Vec::new();
    for file in embedded::EVIDENCE_TYPES {
        let of_issuer: Vec<EvidenceType> = read(file)?;
        if of_issuer.iter().any(|known| known.issuer.member.as_str() != file.stem()) {
            return Err(CatalogueError::OtherId { path: file.path });
        }
        all.extend(of_issuer);
    }
    all.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(all)
}

fn read<T: serde::de::DeserializeOwned>(file: &embedded::File) -> Result<T, CatalogueError> {
    serde_json::from_str(file.text).map_err(|source| CatalogueError::Malformed { path: file.path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong when the first service and the first evidence type are changed like this.
    fn error(service: impl FnOnce(&mut PublicService), evidence_type: impl FnOnce(&mut EvidenceType)) -> String {
        let mut catalogue = Catalogue::embedded().unwrap();
        let (mut services, mut types) = (catalogue.services.to_vec(), catalogue.evidence_types.to_vec());
        service(&mut services[0]);
        evidence_type(&mut types[0]);
        (catalogue.services, catalogue.evidence_types) = (services.into(), types.into());
        catalogue.check_references().unwrap_err().to_string()
    }

    #[test]
    fn what_is_referred_to_and_is_not_there_is_named_with_who_refers_to_it() {
        let said = error(|service| service.form = "a.form@9".parse().unwrap(), |_| ());
        assert_eq!(said, "th.bma.building-permit needs a.form@9, which the catalogue does not have");
        let said = error(|service| service.requirements[0].evidence.push("a.paper".parse().unwrap()), |_| ());
        assert_eq!(said, "th.bma.building-permit needs a.paper, which the catalogue does not have");
        let said = error(|_| (), |known| known.schema = "a.paper@1".parse().unwrap());
        assert_eq!(said, "th.bma.building-use needs a.paper@1, which the catalogue does not have");
        let said = error(|service| service.requirements[0].evidence.clear(), |_| ());
        assert_eq!(
            said,
            "service th.bma.building-permit requires land-title, and names no evidence type that proves it"
        );
    }
}
