//! Why a catalogue cannot be put together.

use jsonschema::ValidationError;

use super::text::SchemaTextError;
use crate::ids::{Code, SchemaId, ServiceId};

/// A file or a text of the catalogue is wrong; with the files of a release it does not happen.
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
    /// It is not the text of a schema.
    #[error("catalogue file {path} is not a schema")]
    Text {
        /// Path below `schemas/catalogue/`.
        path: &'static str,
        /// Why.
        source: SchemaTextError,
    },
    /// Its name and the id inside differ.
    #[error("catalogue file {path} holds another id than its name says")]
    OtherId {
        /// Path below `schemas/catalogue/`.
        path: &'static str,
    },
    /// A published text is none.
    #[error("the text that stands for schema {id} is not one")]
    Published {
        /// The schema.
        id: SchemaId,
        /// Why.
        source: SchemaTextError,
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
    /// A service or an evidence type needs what is not there.
    #[error("{within} needs {id}, which the catalogue does not have")]
    Unresolved {
        /// The service or evidence type.
        within: String,
        /// The missing schema or evidence type.
        id: String,
    },
    /// No evidence type proves what a service requires.
    #[error("service {service} requires {requirement}, and names no evidence type that proves it")]
    NothingProves {
        /// The service.
        service: ServiceId,
        /// The requirement.
        requirement: Code,
    },
}
