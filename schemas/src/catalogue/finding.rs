//! What is found at a place of a schema.

use std::fmt;

/// Something about a place of a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// JSON Pointer (RFC 6901) into the text, as a fragment: `#/properties/note`. A place of another schema that the text's
    /// change reaches begins with that schema's URN.
    pub place: String,
    /// What is wrong there, and what to write instead.
    pub message: String,
}

impl Finding {
    pub(super) fn new(pointer: &str, message: impl Into<String>) -> Self {
        Self { place: format!("#{pointer}"), message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// One member name or index as a part of a JSON Pointer.
pub(super) fn token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
