//! Members in the one form that the contract gives them.
//!
//! serde reads more than it writes: an object also from an array of its members, a word also from an object with that member, `null`
//! for what may be left out. Readers that share no code with it do not, so none of these is read from what is signed.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, DeserializeSeed as _, Error, IntoDeserializer as _, Visitor};
use serde::{Deserialize, Deserializer, forward_to_deserialize_any};
use serde_json::Value;

use super::{Scan, StrictValue};

/// An object.
pub(crate) fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::deserialize(Object(deserializer))
}

/// A list of objects.
pub(crate) fn objects<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let all = Vec::<Element<T>>::deserialize(deserializer)?;
    Ok(all.into_iter().map(|Element(element)| element).collect())
}

/// A member that may be left out: where it is there, it has a value.
pub(crate) fn there<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// One of a few words.
pub(crate) fn word<'de, T: DeserializeOwned, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_str(Word(PhantomData))
}

/// A set of such words.
pub(crate) fn words<'de, T: DeserializeOwned + Ord, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeSet<T>, D::Error> {
    let all = Vec::<String>::deserialize(deserializer)?;
    all.iter().map(|text| T::deserialize((&**text).into_deserializer())).collect()
}

/// A number of things, or the place of one: below 2^63, as databases and most languages count.
pub(crate) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let count = u64::deserialize(deserializer)?;
    if count < COUNTS { Ok(count) } else { Err(D::Error::custom("a number of 2^63 or more")) }
}

/// A time in seconds since 1970, before [`YEAR_9999`], also one that may be left out: neither read nor written otherwise.
pub(crate) mod seconds {
    use serde::de::{Deserialize as _, Deserializer, Error as _};
    use serde::ser::{Error as _, Serializer};

    use super::{NOT_SECONDS, YEAR_9999};

    pub(crate) fn serialize<T: Copy + Into<Option<u64>>, S: Serializer>(
        time: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match (*time).into() {
            Some(time) if time < YEAR_9999 => serializer.serialize_u64(time),
            Some(_) => Err(S::Error::custom(NOT_SECONDS)),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, T: From<u64>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        let time = u64::deserialize(deserializer)?;
        if time < YEAR_9999 { Ok(time.into()) } else { Err(D::Error::custom(NOT_SECONDS)) }
    }
}

/// Two members and no more: a word, and what goes with it.
pub(crate) fn pair<'de, D: Deserializer<'de>>(
    deserializer: D,
    [word, content]: [&str; 2],
) -> Result<(String, Value), D::Error> {
    let scan = Scan { limit: DEEPEST, fault: RefCell::new(None), path: RefCell::new(Vec::new()) };
    let value = StrictValue { scan: &scan, depth: 0 }.deserialize(deserializer)?;
    if let Value::Object(mut members) = value
        && let (Some(Value::String(word)), Some(content)) = (members.remove(word), members.remove(content))
        && members.is_empty()
    {
        return Ok((word, content));
    }
    Err(D::Error::custom("not an object of a word and what goes with it"))
}

struct Object<D>(D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Object<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

struct Element<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Element<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object(deserializer).map(Self)
    }
}

struct Word<T>(PhantomData<T>);

impl<T: DeserializeOwned> Visitor<'_> for Word<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::deserialize(text.into_deserializer())
    }
}

/// The first number that is no count.
pub(crate) const COUNTS: u64 = 1 << 63;
/// 9999-01-01T00:00:00Z, in seconds since 1970: later times are mistakes (milliseconds, mostly) and overflow other systems' dates.
pub(crate) const YEAR_9999: u64 = 253_370_764_800;
/// What is said of other times.
pub(crate) const NOT_SECONDS: &str = "a time is not in seconds since 1970, before the year 9999";
/// Nothing in a statement is nested as deep.
const DEEPEST: usize = 16;

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;
    use crate::json::parse_typed;

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Colour {
        Red,
    }

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[serde(deserialize_with = "word")]
        colour: Colour,
        #[serde(default, deserialize_with = "there")]
        note: Option<String>,
    }

    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Times {
        #[serde(with = "seconds")]
        at: u64,
        #[serde(default, with = "seconds", skip_serializing_if = "Option::is_none")]
        until: Option<u64>,
    }

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[serde(deserialize_with = "object")]
        one: Inner,
        #[serde(deserialize_with = "objects")]
        many: Vec<Inner>,
        #[serde(deserialize_with = "count")]
        size: u64,
    }

    #[test]
    fn what_serde_would_read_besides_is_refused() {
        let good = r#"{"one":{"colour":"red"},"many":[{"colour":"red","note":"x"}],"size":9223372036854775807}"#;
        assert_eq!(parse_typed::<Outer>(good.as_bytes()).unwrap().many[0].note.as_deref(), Some("x"));
        for (from, to) in [
            (good, r#"[{"colour":"red"},[],1]"#),
            (r#""one":{"colour":"red"}"#, r#""one":["red","x"]"#),
            (r#"[{"colour":"red","note":"x"}]"#, r#"[["red","x"]]"#),
            (r#""colour":"red""#, r#""colour":{"red":null}"#),
            (r#""note":"x""#, r#""note":null"#),
            ("9223372036854775807", "9223372036854775808"),
        ] {
            let other = good.replacen(from, to, 1);
            assert_ne!(other, good);
            assert!(parse_typed::<Outer>(other.as_bytes()).is_err(), "{other}");
        }
    }

    #[test]
    fn a_time_of_the_year_9999_is_neither_read_nor_written() {
        let (last, first) = (YEAR_9999 - 1, YEAR_9999);
        for (until, text) in
            [(Some(last), format!(r#"{{"at":{last},"until":{last}}}"#)), (None, format!(r#"{{"at":{last}}}"#))]
        {
            let times = Times { at: last, until };
            assert_eq!(serde_json::to_string(&times).unwrap(), text);
            assert_eq!(parse_typed::<Times>(text.as_bytes()).unwrap(), times);
        }
        for (at, until) in [(first, None), (0, Some(first)), (u64::MAX, Some(0))] {
            assert_eq!(serde_json::to_string(&Times { at, until }).unwrap_err().to_string(), NOT_SECONDS);
            let text = format!(r#"{{"at":{at},"until":{}}}"#, until.unwrap_or(0));
            let refused = parse_typed::<Times>(text.as_bytes()).unwrap_err().to_string();
            assert!(refused.contains(NOT_SECONDS), "{refused}");
        }
        for text in
            [r#"{"at":0,"until":null}"#, r#"{"at":null}"#, r#"{"at":-1}"#, r#"{"at":"0"}"#, r#"{"at":1.0}"#, "{}"]
        {
            assert!(parse_typed::<Times>(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_pair_has_its_two_members_each_once() {
        let read = |text: &str| pair(&mut serde_json::Deserializer::from_str(text), ["is", "of"]);
        assert_eq!(read(r#"{"of":{"a":1},"is":"x"}"#).unwrap().0, "x");
        for text in [
            r#"{"is":"x"}"#,
            r#"{"is":"x","of":1,"more":1}"#,
            r#"{"is":"x","is":"x","of":1}"#,
            r#"{"is":"x","of":{"a":1,"a":1}}"#,
            r#"{"is":{"x":null},"of":1}"#,
            r#"["x",1]"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
