//! Keys that never leave their token: an HSM, a smart card or SoftHSM, through PKCS #11.
//!
//! Signing is CKM_ECDSA on a SHA-256 hash that is computed here. A token that was away for a while is asked again with fresh
//! sessions, and logged into again; a PIN that it refused is never tried twice, since tokens lock themselves after a few.

mod error;
mod pool;
mod session;

use std::fmt;

use ring::digest::{SHA256, digest};
use saphan_schemas::keys::{KeyError, PublicKey, Signer};

pub use self::error::TokenError;
use self::pool::Pool;
use self::session::{Opener, is_lost};
use crate::passphrase::Passphrase;
use crate::source::TokenKey;

/// An ES256 key in a token. It may be used from many threads: up to eight sessions sign at once.
pub struct TokenSigner {
    pool: Pool,
    public: PublicKey,
}

impl TokenSigner {
    /// Logs into the token and finds the key; signs once, to see that the two halves belong together.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn open(key: &TokenKey, pin: &Passphrase) -> Result<Self, TokenError> {
        let opener = Opener::new(key, pin)?;
        let session = opener.open()?;
        let public = session.public_key()?;
        let signature = session.sign(digest(&SHA256, PROBE).as_ref())?;
        public.verify(PROBE, &signature).map_err(|_| TokenError::Halves { key: key.key.clone() })?;
        Ok(Self { pool: Pool::new(opener, session), public })
    }

    /// Makes a key in the token that cannot be read out of it; answers with its public half.
    ///
    /// # Errors
    /// [`TokenError`], [`TokenError::Exists`] when there is a key with this label.
    pub fn generate(key: &TokenKey, pin: &Passphrase) -> Result<PublicKey, TokenError> {
        Opener::new(key, pin)?.generate()
    }

    fn sign_once(&self, hash: &[u8]) -> Result<[u8; 64], TokenError> {
        let session = self.pool.take()?;
        let signed = session.sign(hash);
        match &signed {
            Ok(_) => self.pool.give_back(session),
            // Whatever state it is in, the next one shall not find it so.
            Err(_) => self.pool.forget(session),
        }
        signed
    }
}

impl Signer for TokenSigner {
    fn public(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, text: &[u8]) -> Result<[u8; 64], KeyError> {
        let hash = digest(&SHA256, text);
        let signed = match self.sign_once(hash.as_ref()) {
            // A session may have died unnoticed: the token was pulled and put back, its service was restarted.
            Err(error) if is_lost(&error) => self.sign_once(hash.as_ref()),
            signed => signed,
        };
        signed.map_err(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, "the token does not sign");
            KeyError::Unavailable { reason: error.reason() }
        })
    }

    fn waits(&self) -> bool {
        true
    }
}

impl fmt::Debug for TokenSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenSigner({}, {:?})", self.public.id(), self.pool.key())
    }
}

const PROBE: &[u8] = b"saphan: do both halves of this key belong together?";
