//! The hash functions of tokens, and the signatures with them.

use der::Any;
use der::oid::db::rfc5912::{
    ECDSA_WITH_SHA_256, ECDSA_WITH_SHA_384, ID_SHA_256, ID_SHA_384, ID_SHA_512, RSA_ENCRYPTION,
    SHA_256_WITH_RSA_ENCRYPTION, SHA_384_WITH_RSA_ENCRYPTION, SHA_512_WITH_RSA_ENCRYPTION,
};
use ring::digest;
use rustls_pki_types::SignatureVerificationAlgorithm;
use webpki::ring as algorithms;

use crate::asn1::AlgorithmIdentifier;

/// A hash function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Digest {
    Sha256,
    Sha384,
    Sha512,
}

impl Digest {
    /// `None` also for parameters, which none of them has.
    pub(crate) fn named(named: &AlgorithmIdentifier) -> Option<Self> {
        if named.parameters.as_ref().is_some_and(|parameters| *parameters != Any::null()) {
            return None;
        }
        match named.oid {
            ID_SHA_256 => Some(Self::Sha256),
            ID_SHA_384 => Some(Self::Sha384),
            ID_SHA_512 => Some(Self::Sha512),
            _ => None,
        }
    }

    pub(crate) fn of(self, data: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, data).as_ref().to_vec()
    }

    /// What a signature with this name over this digest may be; CMS also names RSA without the digest. None: not supported, or the
    /// two do not fit.
    pub(crate) fn signatures(
        self,
        name: &AlgorithmIdentifier,
    ) -> &'static [&'static dyn SignatureVerificationAlgorithm] {
        if name.parameters.as_ref().is_some_and(|parameters| *parameters != Any::null()) {
            return &[];
        }
        match (self, name.oid) {
            (Self::Sha256, RSA_ENCRYPTION | SHA_256_WITH_RSA_ENCRYPTION) => RSA_SHA256,
            (Self::Sha384, RSA_ENCRYPTION | SHA_384_WITH_RSA_ENCRYPTION) => RSA_SHA384,
            (Self::Sha512, RSA_ENCRYPTION | SHA_512_WITH_RSA_ENCRYPTION) => RSA_SHA512,
            (Self::Sha256, ECDSA_WITH_SHA_256) => ECDSA_SHA256,
            (Self::Sha384, ECDSA_WITH_SHA_384) => ECDSA_SHA384,
            _ => &[],
        }
    }
}

static RSA_SHA256: &[&dyn SignatureVerificationAlgorithm] = &[algorithms::RSA_PKCS1_2048_8192_SHA256];
static RSA_SHA384: &[&dyn SignatureVerificationAlgorithm] = &[algorithms::RSA_PKCS1_2048_8192_SHA384];
static RSA_SHA512: &[&dyn SignatureVerificationAlgorithm] = &[algorithms::RSA_PKCS1_2048_8192_SHA512];
static ECDSA_SHA256: &[&dyn SignatureVerificationAlgorithm] =
    &[algorithms::ECDSA_P256_SHA256, algorithms::ECDSA_P384_SHA256];
static ECDSA_SHA384: &[&dyn SignatureVerificationAlgorithm] =
    &[algorithms::ECDSA_P256_SHA384, algorithms::ECDSA_P384_SHA384];
