//! The certificate that a token is signed with.

use der::asn1::{ObjectIdentifier, OctetString};
use der::oid::db::rfc5280::{ID_CE_EXT_KEY_USAGE, ID_CE_SUBJECT_KEY_IDENTIFIER, ID_KP_TIME_STAMPING};
use der::oid::db::rfc5911::{
    ID_AA_SIGNING_CERTIFICATE, ID_AA_SIGNING_CERTIFICATE_V_2, ID_CONTENT_TYPE, ID_MESSAGE_DIGEST,
};
use der::{Any, Decode as _, Encode as _, Tag, Tagged as _};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm};
use webpki::EndEntityCert;
use x509_cert::Certificate;
use x509_cert::attr::Attributes;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{ExtendedKeyUsage, SubjectKeyIdentifier};

use crate::asn1::{EssCertId, EssCertIdV2, SignerInfo, SigningCertificate};
use crate::digests::Digest;
use crate::fault::TimestampFault;

/// A certificate that a token names as its signer's.
pub(crate) struct Signer<'a> {
    der: &'a [u8],
    certificate: Certificate,
}

impl<'a> Signer<'a> {
    /// The one that the token names, among those that are at hand. What is no certificate is passed over.
    pub(crate) fn find(name: &Any, mut known: impl Iterator<Item = &'a [u8]>) -> Result<Self, TimestampFault> {
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
        let unread = |what| TimestampFault::Malformed { what };
        let digest = Digest::named(&signature.digest_algorithm).ok_or(unread("the algorithm of the hash"))?;
        let algorithms = digest.signatures(&signature.signature_algorithm);
        if algorithms.is_empty() {
            return Err(unread("the algorithm of the signature"));
        }
        let signed = Any::new(Tag::Set, signature.signed_attributes.value()).and_then(|set| set.to_der());
        let signed = signed.map_err(|_| unread("the signed attributes"))?;
        let der = CertificateDer::from(self.der);
        let certificate =
            EndEntityCert::try_from(&der).map_err(|_| fault("the signer's certificate cannot be used"))?;
        let by = |algorithm: &&dyn SignatureVerificationAlgorithm| {
            certificate.verify_signature(*algorithm, &signed, signature.signature.as_bytes()).is_ok()
        };
        if !algorithms.iter().any(by) {
            return Err(fault("the signature does not hold"));
        }
        let attributes = Attributes::from_der(&signed).map_err(|_| unread("the signed attributes"))?;
        let only = |id: ObjectIdentifier| -> Option<&Any> {
            let mut named = attributes.iter().filter(|attribute| attribute.oid == id);
            match (named.next().map(|attribute| attribute.values.as_slice()), named.next()) {
                (Some([value]), None) => Some(value),
                _ => None,
            }
        };
        let signed_type = only(ID_CONTENT_TYPE).and_then(|value| value.decode_as::<ObjectIdentifier>().ok());
        let signed_digest = only(ID_MESSAGE_DIGEST).and_then(|value| value.decode_as::<OctetString>().ok());
        let signed_digest = signed_digest.map(OctetString::into_bytes);
        if signed_type != Some(content_type) || signed_digest != Some(digest.of(content)) {
            return Err(fault("the content is not the one that was signed"));
        }
        let names_itself = only(ID_AA_SIGNING_CERTIFICATE_V_2).map(|value| self.is_in_v2(value));
        let names_itself = names_itself.or_else(|| only(ID_AA_SIGNING_CERTIFICATE).map(|value| self.is_in_v1(value)));
        names_itself.flatten().ok_or(fault("what was signed does not name the certificate"))
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
        let digest = first.hash_algorithm.map_or(Some(Digest::Sha256), |named| Digest::named(&named))?;
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

/// By issuer and serial number or, with the tag `[0]`, by the identifier of its key.
fn is_named(certificate: &Certificate, name: &Any) -> bool {
    if name.tag() == Tag::Sequence {
        let certificate = &certificate.tbs_certificate;
        let own =
            certificate.issuer.to_der().and_then(|issuer| Ok([issuer, certificate.serial_number.to_der()?].concat()));
        return own.is_ok_and(|own| own == name.value());
    }
    let own = extension(certificate, ID_CE_SUBJECT_KEY_IDENTIFIER);
    let own = own.and_then(|own| SubjectKeyIdentifier::from_der(own.extn_value.as_bytes()).ok());
    own.is_some_and(|own| own.0.as_bytes() == name.value())
}

fn extension(certificate: &Certificate, id: ObjectIdentifier) -> Option<&Extension> {
    certificate.tbs_certificate.extensions.iter().flatten().find(|extension| extension.extn_id == id)
}
