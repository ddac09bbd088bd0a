//! Leaves are read as hubs write them, and in no other way.

use std::io;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::{Leaf, MAX_LEAF_BYTES, MESSAGE_START, SchemaVersion};
use crate::json::form::YEAR_9999;
use crate::json::{self, JsonError};

/// Why bytes are not a leaf.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeafError {
    /// Not one of the seven kinds.
    #[error(transparent)]
    Kind(#[from] JsonError),
    /// Longer than any leaf.
    #[error("it is longer than {MAX_LEAF_BYTES} bytes")]
    TooLong,
    /// A time in the year 9999 or later.
    #[error("`ts` is milliseconds since 1970, before the year 9999")]
    Time,
    /// It says what a leaf says, in other bytes: with blanks, other escapes, or its members in another order.
    #[error("it is not written as a hub writes it")]
    Writing,
}

impl Leaf {
    /// Reads a leaf. There is one way to write each: what it says is all that its bytes say.
    ///
    /// # Errors
    /// [`LeafError`] for anything that no hub writes.
    pub fn parse(bytes: &[u8]) -> Result<Self, LeafError> {
        if bytes.len() > MAX_LEAF_BYTES {
            return Err(LeafError::TooLong);
        }
        let leaf = Self::read(bytes)?;
        if leaf.ts() >= YEAR_9999 * 1000 {
            return Err(LeafError::Time);
        }
        let mut rest = Rest(bytes);
        let is_written_so = serde_json::to_writer(&mut rest, &leaf).is_ok() && rest.0.is_empty();
        is_written_so.then_some(leaf).ok_or(LeafError::Writing)
    }

    fn read(bytes: &[u8]) -> Result<Self, JsonError> {
        // Almost all leaves are messages, and what names its kind anywhere within it is read twice.
        if bytes.starts_with(MESSAGE_START)
            && let Ok(MessageLeaf { t: MessageKind::Message, ts, schema, envelope }) = json::parse_typed(bytes)
        {
            return Ok(Self::Message { ts, schema, envelope });
        }
        json::parse_typed(bytes)
    }
}

/// What is still to be written of bytes that are known.
struct Rest<'a>(&'a [u8]);

impl io::Write for Rest<'_> {
    fn write(&mut self, next: &[u8]) -> io::Result<usize> {
        self.0 = self.0.strip_prefix(next).ok_or(io::ErrorKind::InvalidData)?;
        Ok(next.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn nonce<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let is_one = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_one.then_some(text).ok_or_else(|| D::Error::custom("a nonce is 32 hexadecimal digits"))
}

/// The leaf of an accepted message, whose kind stands first.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageLeaf {
    t: MessageKind,
    ts: u64,
    schema: SchemaVersion,
    envelope: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum MessageKind {
    Message,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Sha256Hash;

    #[test]
    fn what_no_hub_would_write_is_no_leaf() {
        let (hash, nonce) = (Sha256Hash::of(b"x"), "0123456789abcdef".repeat(2));
        let message =
            format!(r#"{{"t":"message","ts":5,"schema":{{"id":"a.b@1","sha256":"{hash}"}},"envelope":"a.b.c"}}"#);
        let refusal = format!(r#"{{"t":"refusal","ts":5,"code":"a","env":"{hash}","nonce":"{nonce}"}}"#);
        for good in [&message, &refusal] {
            assert_eq!(Leaf::parse(good.as_bytes()).unwrap().to_bytes(), good.as_bytes());
            for (from, to) in [
                (r#""ts":5"#, r#""ts":5,"more":1"#),
                (r#""ts":5"#, r#""ts":5,"ts":5"#),
                (r#""ts":5"#, r#""ts":5,"t":"message""#),
                (r#""ts":5"#, r#""ts":"5""#),
                (r#""ts":5"#, r#""ts":253370764800000"#),
                (r#""ts":5,"#, ""),
                (r#""t":"#, r#""\u0074":"#),
                (r#""ts":5"#, r#""ts": 5"#),
                (r#""ts":5"#, r#""ts":05"#),
                ("{", " {"),
                ("}", "} "),
            ] {
                let other = good.replacen(from, to, 1);
                assert_ne!(other, *good);
                assert!(Leaf::parse(other.as_bytes()).is_err(), "{other}");
            }
        }
        let last = message.replacen(r#""t":"message","#, "", 1).replacen("a.b.c\"", "a.b.c\",\"t\":\"message\"", 1);
        assert_eq!(Leaf::parse(last.as_bytes()), Err(LeafError::Writing));
        let swapped = message.replacen(r#""t":"message","ts":5"#, r#""ts":5,"t":"message""#, 1);
        assert_eq!(Leaf::parse(swapped.as_bytes()), Err(LeafError::Writing));
        for other in [message.replacen("a.b@1", "a.b", 1), refusal.replacen(&nonce, &nonce.to_uppercase(), 1)] {
            assert!(matches!(Leaf::parse(other.as_bytes()), Err(LeafError::Kind(_))), "{other}");
        }
        let long = message.replacen("a.b.c", &"a".repeat(MAX_LEAF_BYTES), 1);
        assert_eq!(Leaf::parse(long.as_bytes()), Err(LeafError::TooLong));
    }

    #[test]
    fn unknown_kinds_and_members_are_refused() {
        assert!(Leaf::parse(br#"{"t":"gossip","ts":1}"#).is_err());
        assert!(Leaf::parse(br#"{"t":"erasure","ts":1,"index":2,"basis":"pdpa","more":1}"#).is_err());
    }
}
