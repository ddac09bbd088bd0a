//! The commitment that ties a body to its envelope and lets the body be erased later.
//!
//! `commit = HMAC-SHA-256(key = salt, exact body bytes)`. Without salt and body nobody can test a guess of the body. Documents are
//! committed to in the same way; [`Committing`] is for those that are too large to be held.

use std::fmt;
use std::str::FromStr;

use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::b64::{self, NotBase64};
use crate::digest::Sha256Hash;
use crate::json::form;
use crate::keys::KeyError;

/// 32 random bytes, made anew for every body; part of the secret until the body is erased.
#[derive(Clone, PartialEq, Eq)]
pub struct Salt([u8; 32]);

impl Salt {
    /// A fresh salt.
    ///
    /// # Errors
    /// [`KeyError::NoRandomness`].
    pub fn generate() -> Result<Self, KeyError> {
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes).map_err(|_| KeyError::NoRandomness)?;
        Ok(Self(bytes))
    }

    /// The text that travels: 43 characters of URL-safe base64.
    #[must_use]
    pub fn to_text(&self) -> String {
        b64::encode_url(self.0)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// From 32 stored bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl FromStr for Salt {
    type Err = NotBase64;

    fn from_str(text: &str) -> Result<Self, NotBase64> {
        b64::decode_url_array(text).map(Self)
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(redacted)")
    }
}

/// A commitment in the making: bytes go in piece by piece. A clone goes on by itself.
#[derive(Clone)]
pub struct Committing {
    context: hmac::Context,
    len: u64,
}

impl Committing {
    /// To nothing yet.
    #[must_use]
    pub fn new(salt: &Salt) -> Self {
        Self { context: hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &salt.0)), len: 0 }
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
        self.len += bytes.len() as u64;
    }

    /// How many bytes it took in.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether it took in nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The commitment to all of them, and how many they are.
    #[must_use]
    pub fn finish(self) -> (Sha256Hash, u64) {
        let mut commit = [0; 32];
        commit.copy_from_slice(self.context.sign().as_ref());
        (Sha256Hash::from_bytes(commit), self.len)
    }
}

impl fmt::Debug for Committing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Committing").field("len", &self.len).finish_non_exhaustive()
    }
}

/// The `body` claim of an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BodyCommitment {
    #[serde(deserialize_with = "form::word")]
    alg: CommitmentAlgorithm,
    commit: Sha256Hash,
    #[serde(deserialize_with = "form::count")]
    len: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum CommitmentAlgorithm {
    #[serde(rename = "HMAC-SHA-256")]
    HmacSha256,
}

/// Body and salt are not those that the sender committed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("body and salt do not match the commitment in the envelope")]
pub struct CommitmentMismatch;

impl BodyCommitment {
    /// Commits to exact bytes.
    #[must_use]
    pub fn new(salt: &Salt, body: &[u8]) -> Self {
        let mut committing = Committing::new(salt);
        committing.update(body);
        let (commit, len) = committing.finish();
        Self { alg: CommitmentAlgorithm::HmacSha256, commit, len }
    }

    /// The length of the body in bytes.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether the body is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Checks exact bytes against the commitment.
    ///
    /// # Errors
    /// [`CommitmentMismatch`].
    pub fn open(&self, salt: &Salt, body: &[u8]) -> Result<(), CommitmentMismatch> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &salt.0);
        if self.len != body.len() as u64 || hmac::verify(&key, body, self.commit.as_bytes()).is_err() {
            return Err(CommitmentMismatch);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_salt_and_body_open_a_commitment() {
        let salt = Salt::generate().unwrap();
        let commitment = BodyCommitment::new(&salt, b"{}");
        assert_eq!(commitment.open(&salt, b"{}"), Ok(()));
        assert_eq!(commitment.open(&salt, b"{ }"), Err(CommitmentMismatch));
        assert_eq!(commitment.open(&Salt::generate().unwrap(), b"{}"), Err(CommitmentMismatch));
    }

    #[test]
    fn pieces_commit_to_the_same_as_the_whole() {
        let salt = Salt::generate().unwrap();
        let mut committing = Committing::new(&salt);
        for piece in [&b"%PDF"[..], b"", b"-1.7"] {
            committing.update(piece);
        }
        let whole = BodyCommitment::new(&salt, b"%PDF-1.7");
        assert_eq!(committing.finish(), (whole.commit, whole.len));
    }

    #[test]
    fn debug_shows_no_salt() {
        assert_eq!(format!("{:?}", Salt::from_bytes([7; 32])), "Salt(redacted)");
    }
}
