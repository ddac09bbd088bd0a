//! Sessions with a token, and the key in them.

use std::sync::atomic::{AtomicBool, Ordering};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Function, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use ring::rand::{SecureRandom as _, SystemRandom};
use saphan_schemas::keys::PublicKey;

use super::error::TokenError;
use crate::passphrase::Passphrase;
use crate::source::TokenKey;

/// Opens sessions of one token.
pub(super) struct Opener {
    library: Pkcs11,
    key: TokenKey,
    pin: AuthPin,
    /// The token refused the PIN once.
    refused: AtomicBool,
}

/// A session that is logged in, with the key found in it.
pub(super) struct OpenSession {
    session: Session,
    private: ObjectHandle,
    key: TokenKey,
}

impl Opener {
    pub(super) fn new(key: &TokenKey, pin: &Passphrase) -> Result<Self, TokenError> {
        let library =
            Pkcs11::new(&key.module).map_err(|source| TokenError::Module { module: key.module.clone(), source })?;
        let pin = AuthPin::from(pin.expose());
        Ok(Self { library, key: key.clone(), pin, refused: AtomicBool::new(false) })
    }

    pub(super) const fn key(&self) -> &TokenKey {
        &self.key
    }

    pub(super) fn open(&self) -> Result<OpenSession, TokenError> {
        let session = self.library.open_ro_session(self.slot()?)?;
        self.login(&session)?;
        let private = only(&session, &self.key, ObjectClass::PRIVATE_KEY)?;
        Ok(OpenSession { session, private, key: self.key.clone() })
    }

    pub(super) fn generate(&self) -> Result<PublicKey, TokenError> {
        let session = self.library.open_rw_session(self.slot()?)?;
        self.login(&session)?;
        let label = Attribute::Label(self.key.key.clone().into_bytes());
        if !session.find_objects(std::slice::from_ref(&label))?.is_empty() {
            return Err(TokenError::Exists { token: self.key.token.clone(), key: self.key.key.clone() });
        }
        let mut id = [0; 16];
        SystemRandom::new().fill(&mut id).map_err(|_| TokenError::Answer { what: "random id" })?;
        let both = [Attribute::Token(true), label, Attribute::Id(id.to_vec())];
        let public = [
            Attribute::KeyType(KeyType::EC),
            Attribute::EcParams(P256.to_vec()),
            Attribute::Private(false),
            Attribute::Verify(true),
        ];
        let private = [
            Attribute::KeyType(KeyType::EC),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
        ];
        session.generate_key_pair(
            &Mechanism::EccKeyPairGen,
            &[&both[..], &public].concat(),
            &[&both[..], &private].concat(),
        )?;
        drop(session);
        self.open()?.public_key()
    }

    /// By its label each time: a token that was away may come back in another slot.
    fn slot(&self) -> Result<Slot, TokenError> {
        match self.library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            // By an earlier session, or by another key of this process in a token of the same library.
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, Function::Initialize)) => {}
            Err(source) => return Err(TokenError::Module { module: self.key.module.clone(), source }),
        }
        let mut found = Vec::new();
        for slot in self.library.get_slots_with_token()? {
            let Ok(token) = self.library.get_token_info(slot) else { continue };
            if token.label() == self.key.token {
                return Ok(slot);
            }
            if token.token_initialized() {
                found.push(token.label().to_owned());
            }
        }
        Err(TokenError::NoToken { token: self.key.token.clone(), found })
    }

    fn login(&self, session: &Session) -> Result<(), TokenError> {
        if self.refused.load(Ordering::Acquire) {
            return Err(TokenError::Pin { token: self.key.token.clone() });
        }
        match session.login(UserType::User, Some(&self.pin)) {
            // All sessions of a process share one login.
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
            Err(error) => {
                let error = TokenError::of_login(error, &self.key.token);
                self.refused
                    .store(matches!(error, TokenError::Pin { .. } | TokenError::PinLocked { .. }), Ordering::Release);
                Err(error)
            }
        }
    }
}

impl OpenSession {
    /// The private key's signature of a SHA-256 hash.
    pub(super) fn sign(&self, hash: &[u8]) -> Result<[u8; 64], TokenError> {
        let signature = self.session.sign(&Mechanism::Ecdsa, self.private, hash)?;
        signature.as_slice().try_into().map_err(|_| TokenError::Answer { what: "signature" })
    }

    /// The public key of the same label.
    pub(super) fn public_key(&self) -> Result<PublicKey, TokenError> {
        let public = only(&self.session, &self.key, ObjectClass::PUBLIC_KEY)?;
        let attributes = self.session.get_attributes(public, &[AttributeType::EcPoint, AttributeType::EcParams])?;
        let (mut point, mut curve) = (None, None);
        for attribute in attributes {
            match attribute {
                Attribute::EcPoint(bytes) => point = Some(bytes),
                Attribute::EcParams(bytes) => curve = Some(bytes),
                _ => {}
            }
        }
        if curve.as_deref() != Some(&P256[..]) {
            return Err(TokenError::Answer { what: "key: it is on another curve than P-256" });
        }
        point.as_deref().and_then(read_point).ok_or(TokenError::Answer { what: "key" })
    }
}

/// Whether another session may do better.
pub(super) const fn is_lost(error: &TokenError) -> bool {
    use RvError as Rv;
    matches!(
        error,
        TokenError::Failed(Error::Pkcs11(
            Rv::CryptokiNotInitialized
                | Rv::SessionHandleInvalid
                | Rv::SessionClosed
                | Rv::UserNotLoggedIn
                | Rv::KeyHandleInvalid
                | Rv::ObjectHandleInvalid
                | Rv::DeviceRemoved
                | Rv::DeviceError
                | Rv::TokenNotPresent
                | Rv::TokenNotRecognized
                | Rv::OperationActive
                | Rv::OperationNotInitialized
                | Rv::GeneralError
                | Rv::FunctionFailed,
            _
        ))
    )
}

/// The only object of this class with the key's label.
fn only(session: &Session, key: &TokenKey, class: ObjectClass) -> Result<ObjectHandle, TokenError> {
    let label = Attribute::Label(key.key.clone().into_bytes());
    let (token, name) = (|| key.token.clone(), || key.key.clone());
    match session.find_objects(&[Attribute::Class(class), Attribute::KeyType(KeyType::EC), label])?[..] {
        [object] => Ok(object),
        [] => Err(TokenError::NoKey { token: token(), key: name() }),
        _ => Err(TokenError::Ambiguous { token: token(), key: name() }),
    }
}

/// CKA_EC_POINT: an uncompressed point in a DER OCTET STRING, or, from some tokens, bare.
fn read_point(bytes: &[u8]) -> Option<PublicKey> {
    let point = bytes.strip_prefix(&[0x04, 0x41]).filter(|rest| rest.len() == 65).unwrap_or(bytes);
    let (x, y) = point.strip_prefix(&[0x04])?.split_first_chunk::<32>()?;
    PublicKey::from_coordinates(x, y.try_into().ok()?).ok()
}

/// The object identifier of P-256 (1.2.840.10045.3.1.7) in DER: CKA_EC_PARAMS.
const P256: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
