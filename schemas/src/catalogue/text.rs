//! A schema's text, as it is published and as receipts cite it.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::digest::Sha256Hash;
use crate::ids::SchemaId;
use crate::json::{self, JsonError};

/// The longest text of a schema, in bytes.
pub const MAX_SCHEMA_BYTES: usize = 256 * 1024;

/// A schema as it is published and as receipts cite it.
#[derive(Clone, PartialEq, Eq)]
pub struct SchemaText {
    /// Its id, e.g. `application.submitted@1`; the text's own `$id` says the same.
    pub id: SchemaId,
    /// The exact text.
    pub text: Arc<str>,
    /// SHA-256 of the text.
    pub sha256: Sha256Hash,
}

/// A text is not that of a schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaTextError {
    /// It is too long.
    #[error("the text has {len} bytes; a schema has at most {MAX_SCHEMA_BYTES}")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// It is not strict JSON.
    #[error("the text is {0}")]
    Json(#[from] JsonError),
    /// It does not say which schema it is.
    #[error("the text has no \"$id\" of the form urn:saphan:schema:<name>@<major version>")]
    NoId,
}

impl SchemaText {
    /// Reads the id out of a text.
    ///
    /// # Errors
    /// [`SchemaTextError`].
    pub fn parse(text: &str) -> Result<Self, SchemaTextError> {
        Self::read(text).map(|(text, _)| text)
    }

    /// The same, with what the text says.
    pub(super) fn read(text: &str) -> Result<(Self, Value), SchemaTextError> {
        if text.len() > MAX_SCHEMA_BYTES {
            return Err(SchemaTextError::TooLong { len: text.len() });
        }
        let document = json::parse_value(text.as_bytes(), MAX_DEPTH)?;
        let id = document.get("$id").and_then(Value::as_str).and_then(SchemaId::from_urn);
        let id = id.ok_or(SchemaTextError::NoId)?;
        Ok((Self { id, text: text.into(), sha256: Sha256Hash::of(text.as_bytes()) }, document))
    }
}

impl fmt::Debug for SchemaText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SchemaText({}, {})", self.id, self.sha256)
    }
}

/// Three levels of nesting in a schema are one in a body.
const MAX_DEPTH: usize = 96;
