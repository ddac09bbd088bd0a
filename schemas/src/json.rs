//! Strict JSON (RFC 8259): one reading for every text.
//!
//! Two programs that read the same bytes must see the same values, so what parsers disagree on is refused:
//! duplicate keys, invalid UTF-8, anything after the value, nesting beyond a limit.

pub(crate) mod form;

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

/// Why a text is not strict JSON. Positions count from 1; texts never quote the input's values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The bytes are not UTF-8.
    #[error("not UTF-8: invalid byte at offset {offset}")]
    InvalidUtf8 {
        /// Offset in bytes, from 0.
        offset: usize,
    },
    /// Not JSON, or something follows the value.
    #[error("not JSON: error at line {line}, column {column}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// An object has the same key twice.
    #[error("an object has the same key twice")]
    DuplicateKey {
        /// JSON Pointer (RFC 6901) of the second occurrence.
        pointer: String,
    },
    /// Arrays and objects are nested too deep.
    #[error("nested deeper than {limit} levels")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// JSON, but not of the expected shape (a missing, unknown or ill-typed member).
    #[error("not the expected members: {detail}")]
    Shape {
        /// What serde found missing, unknown or ill-typed.
        detail: String,
    },
}

/// Parses any JSON value, nested at most `max_depth` levels of arrays and objects.
///
/// # Errors
/// See [`JsonError`].
pub fn parse_value(bytes: &[u8], max_depth: usize) -> Result<Value, JsonError> {
    let text = utf8(bytes)?;
    let scan = Scan { limit: max_depth, fault: RefCell::new(None), path: RefCell::new(Vec::new()) };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let parsed = StrictValue { scan: &scan, depth: 0 }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    parsed.map_err(|error| {
        let fault = scan.fault.take();
        fault
            .map(|fault| scan.locate(fault))
            .unwrap_or_else(|| JsonError::Syntax { line: error.line(), column: error.column() })
    })
}

/// Parses a typed object, from an object only. `T` must refuse unknown members itself (`deny_unknown_fields`); serde refuses duplicates.
///
/// # Errors
/// See [`JsonError`].
pub fn parse_typed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_str(utf8(bytes)?);
    let parsed = form::object(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    parsed.map_err(|error: serde_json::Error| match error.classify() {
        serde_json::error::Category::Data => JsonError::Shape { detail: shape(&error) },
        _ => JsonError::Syntax { line: error.line(), column: error.column() },
    })
}

/// serde's own text may quote the input; names of members that this crate defines are all that is kept of it.
fn shape(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = match text.split(['`', ' ']).next() {
        Some("missing" | "duplicate") => text.split(" at line ").next().unwrap_or_default().to_owned(),
        _ if text.starts_with(form::NOT_SECONDS) => form::NOT_SECONDS.to_owned(),
        Some("unknown") => "a member or word that is not defined".to_owned(),
        _ => "a member of another type or form than defined".to_owned(),
    };
    format!("{what}, at line {}, column {}", error.line(), error.column())
}

fn utf8(bytes: &[u8]) -> Result<&str, JsonError> {
    std::str::from_utf8(bytes).map_err(|error| JsonError::InvalidUtf8 { offset: error.valid_up_to() })
}

/// What the recursive reader shares: serde's errors carry text only, so the reason is kept here.
struct Scan {
    limit: usize,
    fault: RefCell<Option<JsonError>>,
    /// The way to the fault, innermost first: it is found while the readers return, so that good texts cost nothing.
    path: RefCell<Vec<String>>,
}

impl Scan {
    fn fail<E: serde::de::Error>(&self, fault: JsonError) -> E {
        let error = E::custom(&fault);
        self.fault.replace(Some(fault));
        error
    }

    /// Notes, on the way back, that what failed is inside this member or item.
    fn within(&self, key: impl FnOnce() -> String) {
        if self.fault.borrow().is_some() {
            self.path.borrow_mut().push(key());
        }
    }

    fn locate(&self, fault: JsonError) -> JsonError {
        match fault {
            JsonError::DuplicateKey { .. } => JsonError::DuplicateKey { pointer: self.pointer() },
            other => other,
        }
    }

    fn pointer(&self) -> String {
        let path = self.path.borrow();
        path.iter().rev().map(|key| format!("/{}", key.replace('~', "~0").replace('/', "~1"))).collect()
    }
}

struct StrictValue<'a> {
    scan: &'a Scan,
    depth: usize,
}

impl StrictValue<'_> {
    fn inner<E: serde::de::Error>(&self) -> Result<Self, E> {
        if self.depth == self.scan.limit {
            return Err(self.scan.fail(JsonError::TooDeep { limit: self.scan.limit }));
        }
        Ok(Self { scan: self.scan, depth: self.depth + 1 })
    }
}

impl Clone for StrictValue<'_> {
    fn clone(&self) -> Self {
        *self
    }
}

impl Copy for StrictValue<'_> {}

impl<'de> DeserializeSeed<'de> for StrictValue<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StrictValue<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut items = Vec::new();
        loop {
            let item = access.next_element_seed(inner).inspect_err(|_| self.scan.within(|| items.len().to_string()))?;
            let Some(item) = item else { return Ok(Value::Array(items)) };
            items.push(item);
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut members = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            match members.entry(key) {
                Entry::Vacant(place) => {
                    let value = access.next_value_seed(inner);
                    let value = value.inspect_err(|_| self.scan.within(|| place.key().clone()))?;
                    place.insert(value);
                }
                Entry::Occupied(first) => {
                    let fault = self.scan.fail(JsonError::DuplicateKey { pointer: String::new() });
                    self.scan.within(|| first.key().clone());
                    return Err(fault);
                }
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_duplicate_key_is_refused_with_its_pointer() {
        let error = parse_value(br#"{"a":[0,{"b/c":1,"b/c":2}]}"#, 8).unwrap_err();
        assert_eq!(error, JsonError::DuplicateKey { pointer: "/a/1/b~1c".into() });
    }

    #[test]
    fn an_escaped_duplicate_key_is_refused() {
        assert!(matches!(parse_value(br#"{"a":1,"\u0061":2}"#, 8), Err(JsonError::DuplicateKey { .. })));
    }

    #[test]
    fn nesting_up_to_the_limit_is_read_and_one_more_is_refused() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse_value(nested(32).as_bytes(), 32).is_ok());
        assert_eq!(parse_value(nested(33).as_bytes(), 32), Err(JsonError::TooDeep { limit: 32 }));
        assert!(parse_value(nested(100_000).as_bytes(), 32).is_err());
    }

    #[test]
    fn invalid_utf8_and_trailing_bytes_are_refused() {
        assert_eq!(parse_value(b"\"\xff\"", 8), Err(JsonError::InvalidUtf8 { offset: 1 }));
        assert!(matches!(parse_value(b"{} x", 8), Err(JsonError::Syntax { .. })));
        assert!(matches!(parse_value(b"", 8), Err(JsonError::Syntax { .. })));
    }

    #[test]
    fn what_is_said_of_a_wrong_member_quotes_nothing_of_it() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Shape {
            #[expect(dead_code, reason = "only its absence and its type are of interest")]
            count: u64,
        }
        for (text, said) in [
            (r#"{"count":"somchai"}"#, "a member of another type or form than defined"),
            (r#"{"somchai":1}"#, "a member or word that is not defined"),
            ("{}", "missing field `count`"),
            (r#"{"count":1,"count":1}"#, "duplicate field `count`"),
        ] {
            let error = parse_typed::<Shape>(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains("somchai"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_means_the_same_to_an_ordinary_parser(text in "[\\[\\]{}:,\"a-c0-9eE.\\\\ -]{0,40}") {
            if let Ok(value) = parse_value(text.as_bytes(), 16) {
                prop_assert_eq!(value, serde_json::from_str::<Value>(&text).unwrap());
            }
        }
    }
}
