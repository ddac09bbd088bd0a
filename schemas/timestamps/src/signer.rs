//! The certificate that a token is signed with.

use cms::cert::x509::Certificate;
use cms::cert::x509::ext::Extension;
use cms::cert::x509::ext::pkix::{ExtendedKeyUsage, SubjectKeyIdentifier};
use cms::signed_data::{SignerIdentifier, SignerInfo};
use der::asn1::{ObjectIdentifier, OctetString};
use der::oid::db::rfc5280::{ID_CE_EXT_KEY_USAGE, ID_CE_SUBJECT_KEY_IDENTIFIER, ID_KP_TIME_STAMPING};
use der::oid::db::rfc5911::{
    ID_AA_SIGNING_CERTIFICATE, ID_AA_SIGNING_CERTIFICATE_V_2, ID_CONTENT_TYPE, ID_MESSAGE_DIGEST,
};
use der::{Any, Decode as _, Encode as _};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;

use crate::asn1::{EssCertId, EssCertIdV2, SigningCertificate};
use crate::digests::Digest;
use crate::fault::TimestampFault;

/// A certificate that a token names as its signer's.
pub(crate) struct Signer<'a> {
    der: &'a [u8],
    certificate: Certificate,
}

impl<'a> Signer<'a> {
    /// The one that the token names, among those that are at hand.
    pub(crate) fn find(
        name: &SignerIdentifier,
        mut known: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Self, TimestampFault> {
        let found = known.find_map(|der| {
            let certificate = Certificate::from_der(der).ok()?;
            is_named(&certificate, name).then_some(Self { der, certificate })
        });
        found.ok_or(TimestampFault::Signature { what: "the signer's certificate is not there" })
    }

    pub(crate) const fn der(&self) -> &[u8] {
        self.der
    }

    /// Its subject.
    pub(crate) fn name(&self) -> String {
        self.certificate.tbs_certificate.subject.to_string()
    }

    /// That it signed this content, of this type (RFC 5652 section 5.4), and named itself in what it signed (RFC 3161 section
    /// 2.4.2): the same key may be in another certificate, for something else.
    pub(crate) fn signed(
        &self,
        signature: &SignerInfo,
        content_type: ObjectIdentifier,
        content: &[u8],
    ) -> Result<(), TimestampFault> {
        let fault = |what| TimestampFault::Signature { what };
        let digest = Digest::named(signature.digest_alg.oid).ok_or(TimestampFault::Malformed { what: DIGEST })?;
        let algorithms = digest.signatures(signature.signature_algorithm.oid);
        if algorithms.is_empty() {
            return Err(TimestampFault::Malformed { what: "the algorithm of the signature" });
        }
        let attributes = signature.signed_attrs.as_ref().ok_or_else(|| fault("nothing is signed"))?;
        let only = |id: ObjectIdentifier| -> Option<&Any> {
            let mut named = attributes.iter().filter(|attribute| attribute.oid == id);
            match (named.next().map(|attribute| attribute.values.as_slice()), named.next()) {
                (Some([value]), None) => Some(value),
                _ => None,
            }
        };
        let signed_type = only(ID_CONTENT_TYPE).and_then(|value| value.decode_as::<ObjectIdentifier>().ok());
        let signed_digest = only(ID_MESSAGE_DIGEST).and_then(|value| value.decode_as::<OctetString>().ok());
        if signed_type != Some(content_type) || signed_digest.map(OctetString::into_bytes) != Some(digest.of(content)) {
            return Err(fault("the content is not the one that was signed"));
        }
        let names_itself = only(ID_AA_SIGNING_CERTIFICATE_V_2).map(|value| self.is_in_v2(value));
        let names_itself = names_itself.or_else(|| only(ID_AA_SIGNING_CERTIFICATE).map(|value| self.is_in_v1(value)));
        if names_itself.flatten().is_none() {
            return Err(fault("what was signed does not name the certificate"));
        }
        let signed = attributes.to_der().map_err(|_| TimestampFault::Malformed { what: "the signed attributes" })?;
        let der = CertificateDer::from(self.der);
        let certificate = EndEntityCert::try_from(&der)
            .map_err(|_| TimestampFault::Malformed { what: "the signer's certificate" })?;
        let signature = signature.signature.as_bytes();
        let verified =
            algorithms.iter().any(|algorithm| certificate.verify_signature(*algorithm, &signed, signature).is_ok());
        if verified { Ok(()) } else { Err(fault("the signature does not hold")) }
    }

    /// That its extended key usage is critical, and timestamps and nothing else (RFC 3161 section 2.3).
    pub(crate) fn must_be_for_timestamps(&self) -> Result<(), TimestampFault> {
        let usage = extension(&self.certificate, ID_CE_EXT_KEY_USAGE).filter(|extension| extension.critical);
        let usage = usage.and_then(|usage| ExtendedKeyUsage::from_der(usage.extn_value.as_bytes()).ok());
        let is_only = usage.is_some_and(|usage| usage.0 == [ID_KP_TIME_STAMPING]);
        if is_only { Ok(()) } else { Err(TimestampFault::NotForTimestamps) }
    }

    /// `Some` if the first certificate of the attribute is this one.
    fn is_in_v2(&self, value: &Any) -> Option<()> {
        let first = first_named(value)?.decode_as::<EssCertIdV2>().ok()?;
        let digest = first.hash_algorithm.map_or(Some(Digest::Sha256), |named| Digest::named(named.oid))?;
        (digest.of(self.der) == first.cert_hash.as_bytes()).then_some(())
    }

    /// The same with SHA-1, which is under the token's own signature here.
    fn is_in_v1(&self, value: &Any) -> Option<()> {
        let first = first_named(value)?.decode_as::<EssCertId>().ok()?;
        (digest(&SHA1_FOR_LEGACY_USE_ONLY, self.der).as_ref() == first.cert_hash.as_bytes()).then_some(())
    }
}

fn first_named(value: &Any) -> Option<Any> {
    value.decode_as::<SigningCertificate>().ok()?.certs.into_iter().next()
}

fn is_named(certificate: &Certificate, name: &SignerIdentifier) -> bool {
    match name {
        SignerIdentifier::IssuerAndSerialNumber(name) => {
            let certificate = &certificate.tbs_certificate;
            certificate.issuer == name.issuer && certificate.serial_number == name.serial_number
        }
        SignerIdentifier::SubjectKeyIdentifier(name) => {
            let own = extension(certificate, ID_CE_SUBJECT_KEY_IDENTIFIER);
            let own = own.and_then(|own| SubjectKeyIdentifier::from_der(own.extn_value.as_bytes()).ok());
            own.is_some_and(|own| own == *name)
        }
    }
}

fn extension(certificate: &Certificate, id: ObjectIdentifier) -> Option<&Extension> {
    certificate.tbs_certificate.extensions.iter().flatten().find(|extension| extension.extn_id == id)
}

const DIGEST: &str = "the algorithm of the hash";
