//! Private keys under a passphrase: PKCS #8 `EncryptedPrivateKeyInfo` (RFC 5958) with PBES2 (RFC 8018 section 6.2).

use pkcs8::der::Decode as _;
use pkcs8::der::pem::{LineEnding, PemLabel as _};
use pkcs8::pkcs5::{Error as Pkcs5Error, pbes2::Parameters};
use pkcs8::{EncryptedPrivateKeyInfo, PrivateKeyInfo, SecretDocument};
use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

use crate::passphrase::Passphrase;

/// Why a protected key cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Locked {
    /// Not one `ENCRYPTED PRIVATE KEY` block with what RFC 5958 says.
    NotProtected,
    /// Another scheme than PBES2 with PBKDF2-HMAC-SHA-256 or scrypt, and AES in CBC mode.
    UnknownScheme,
    /// Another passphrase, or changed bytes.
    WrongPassphrase,
}

/// Whether a PEM text holds a key that needs a passphrase.
pub(crate) fn is_protected(pem: &str) -> bool {
    pem.contains(concat!("-----BEGIN ", "ENCRYPTED PRIVATE KEY-----"))
}

/// Takes the protection off; gives PKCS #8 in DER.
pub(crate) fn unlock(pem: &str, passphrase: &Passphrase) -> Result<Zeroizing<Vec<u8>>, Locked> {
    let (label, document) = SecretDocument::from_pem(pem.trim()).map_err(|_| Locked::NotProtected)?;
    if label != EncryptedPrivateKeyInfo::PEM_LABEL {
        return Err(Locked::NotProtected);
    }
    let protected = EncryptedPrivateKeyInfo::from_der(document.as_bytes()).map_err(|_| Locked::UnknownScheme)?;
    let clear = protected.decrypt(passphrase.expose()).map_err(|error| match error {
        // `EncryptFailed` is what this version of the library says of a wrong padding.
        pkcs8::Error::EncryptedPrivateKey(Pkcs5Error::DecryptFailed | Pkcs5Error::EncryptFailed)
        | pkcs8::Error::Asn1(_) => Locked::WrongPassphrase,
        _ => Locked::UnknownScheme,
    })?;
    // One in 256 wrong passphrases gives a plausible padding.
    PrivateKeyInfo::from_der(clear.as_bytes()).map_err(|_| Locked::WrongPassphrase)?;
    Ok(clear.to_bytes())
}

/// Protects PKCS #8 in DER; gives a PEM text. `None` when the random source fails or `der` is not PKCS #8.
pub(crate) fn lock(der: &[u8], passphrase: &Passphrase) -> Option<Zeroizing<String>> {
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    let random = SystemRandom::new();
    random.fill(&mut salt).and_then(|()| random.fill(&mut iv)).ok()?;
    let parameters = Parameters::pbkdf2_sha256_aes256cbc(ITERATIONS, &salt, &iv).ok()?;
    let key = PrivateKeyInfo::from_der(der).ok()?;
    let protected = key.encrypt_with_params(parameters, passphrase.expose()).ok()?;
    protected.to_pem(EncryptedPrivateKeyInfo::PEM_LABEL, LineEnding::LF).ok()
}

/// PBKDF2 rather than scrypt, because `openssl` refuses scrypt with parameters that are worth it; as many rounds as OWASP asks
/// for in 2023, a third of a second.
const ITERATIONS: u32 = 600_000;
