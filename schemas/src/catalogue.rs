//! The catalogue: JSON Schemas of message bodies and forms, public services, evidence types.
//!
//! All of it is embedded. Schemas are JSON Schema 2020-12; they refer to each other by URN and never to a
//! network; formats are checked; patterns run in linear time.

mod embedded;
pub mod format;
mod service;
mod violation;

use std::collections::BTreeMap;
use std::fmt;

use jsonschema::{PatternCache, PatternOptions, Registry, ValidationError, Validator};
use serde_json::Value;

pub use self::service::{EvidenceType, Organisation, PublicService, RequiredEvidence, ServiceFamily};
pub use self::violation::{MAX_VIOLATIONS, SchemaViolation, Violation};
use crate::digest::Sha256Hash;
use crate::ids::{EvidenceTypeId, InvalidId, SchemaId, ServiceId};

/// A schema as it is published and as receipts cite it.
#[derive(Debug, Clone)]
pub struct SchemaText {
    /// Its id, e.g. `application.submitted@1`.
    pub id: SchemaId,
    /// The exact text.
    pub text: &'static str,
    /// SHA-256 of the text.
    pub sha256: Sha256Hash,
}

/// All schemas, compiled, with the services and evidence types. Build it once and share it.
pub struct Catalogue {
    schemas: BTreeMap<SchemaId, Compiled>,
    services: Vec<PublicService>,
    evidence_types: Vec<EvidenceType>,
}

struct Compiled {
    text: SchemaText,
    document: Value,
    validator: Validator,
}

impl Catalogue {
    /// Parses and compiles everything that is embedded in this crate.
    ///
    /// # Errors
    /// [`CatalogueError`] names the file that is wrong; with the files of a release it does not happen.
    pub fn embedded() -> Result<Self, CatalogueError> {
        let catalogue =
            Self { schemas: compile(embedded::SCHEMAS)?, services: services()?, evidence_types: evidence_types()? };
        catalogue.check_references()?;
        Ok(catalogue)
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
            Some(Some((urn, pointer))) => (urn.strip_prefix(URN_PREFIX).and_then(|id| id.parse().ok()), pointer),
            _ => (Some(validated.clone()), error.schema_path().as_str()),
        };
        let schema = id.and_then(|id| self.schemas.get(&id)).map(|compiled| &compiled.document);
        let object = keyword.rsplit_once('/').and_then(|(object, _)| schema?.pointer(object));
        let properties = object.and_then(|object| object.get("properties")?.as_object());
        properties.map(|properties| properties.keys().cloned().collect()).unwrap_or_default()
    }

    fn check_references(&self) -> Result<(), CatalogueError> {
        for service in &self.services {
            let unresolved = |id: String| CatalogueError::Unresolved { service: service.id.clone(), id };
            if !self.schemas.contains_key(&service.form) {
                return Err(unresolved(service.form.to_string()));
            }
            if let Some(needed) =
                service.evidence.iter().find(|needed| self.evidence_type(&needed.evidence_type).is_none())
            {
                return Err(unresolved(needed.evidence_type.to_string()));
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

/// An embedded file is wrong: a defect of this crate.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// It is not the JSON that is expected there.
    #[error("catalogue file {path} cannot be read")]
    Malformed {
        /// Path below `schemas/catalogue/`.
        path: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// Its name is not an id.
    #[error("catalogue file {path} is not named after an id")]
    Name {
        /// Path below `schemas/catalogue/`.
        path: &'static str,
        /// Why.
        source: InvalidId,
    },
    /// Its name and the id inside differ.
    #[error("catalogue file {path} holds another id than its name says")]
    OtherId {
        /// Path below `schemas/catalogue/`.
        path: &'static str,
    },
    /// References between schemas do not resolve.
    #[error("the schemas' references do not resolve")]
    References {
        /// Why.
        source: jsonschema::ReferencingError,
    },
    /// It is no JSON Schema of the supported kind.
    #[error("schema {id} does not compile")]
    Schema {
        /// The schema.
        id: SchemaId,
        /// Why.
        source: ValidationError<'static>,
    },
    /// A service needs a form or an evidence type that is not there.
    #[error("service {service} needs {id}, which the catalogue does not have")]
    Unresolved {
        /// The service.
        service: ServiceId,
        /// The missing schema or evidence type.
        id: String,
    },
}

fn compile(files: &'static [embedded::File]) -> Result<BTreeMap<SchemaId, Compiled>, CatalogueError> {
    let mut documents = Vec::with_capacity(files.len());
    for file in files {
        let id: SchemaId = file.stem().parse().map_err(|source| CatalogueError::Name { path: file.path, source })?;
        let document: Value = read(file)?;
        if document.get("$id").and_then(Value::as_str) != Some(&id.urn()) {
            return Err(CatalogueError::OtherId { path: file.path });
        }
        let text = SchemaText { id, text: file.text, sha256: Sha256Hash::of(file.text.as_bytes()) };
        documents.push((text, document));
    }
    let registry = Registry::new()
        .extend(documents.iter().map(|(text, document)| (text.id.urn(), document)))
        .and_then(|builder| builder.prepare())
        .map_err(|source| CatalogueError::References { source })?;
    let patterns = PatternCache::new();
    let validators: Vec<_> = documents
        .iter()
        .map(|(text, document)| validator(&text.id, document, &registry, &patterns))
        .collect::<Result<_, _>>()?;
    drop(registry);
    let compiled = documents.into_iter().zip(validators);
    Ok(compiled
        .map(|((text, document), validator)| (text.id.clone(), Compiled { text, document, validator }))
        .collect())
}

fn validator(
    id: &SchemaId,
    document: &Value,
    registry: &Registry<'_>,
    patterns: &PatternCache,
) -> Result<Validator, CatalogueError> {
    jsonschema::draft202012::options()
        .offline()
        .with_registry(registry)
        .should_validate_formats(true)
        .should_ignore_unknown_formats(false)
        .with_pattern_options(PatternOptions::regex())
        .with_pattern_cache(patterns.clone())
        .with_format("thai-national-id", format::is_national_id)
        .with_format("thai-juristic-number", format::is_juristic_number)
        .with_format("partial-date", format::is_partial_date)
        .build(document)
        .map_err(|source| CatalogueError::Schema { id: id.clone(), source })
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

const URN_PREFIX: &str = "urn:saphan:schema:";
