//! The ASN.1 structures of RFC 3161, of CMS around its tokens, and of the attribute that it takes from RFC 2634 and RFC 5035.
//!
//! Whatever is not needed to judge a token stays bytes: what a token holds besides, such as certificates that nobody asks for, is no
//! reason to refuse it.

use der::asn1::{BitString, Int, ObjectIdentifier, OctetString};
use der::{Any, Sequence};
use x509_cert::ext::Extensions;

/// `AlgorithmIdentifier` (RFC 5280 section 4.1.1.2).
pub(crate) type AlgorithmIdentifier = x509_cert::spki::AlgorithmIdentifierOwned;

/// `ContentInfo` (RFC 5652 section 3).
#[derive(Debug, Sequence)]
pub(crate) struct ContentInfo {
    pub(crate) content_type: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    pub(crate) content: Any,
}

/// `SignedData` (RFC 5652 section 5.1).
#[derive(Debug, Sequence)]
pub(crate) struct SignedData {
    pub(crate) version: u8,
    /// A `SET`, which says nothing that the signer does not say.
    pub(crate) digest_algorithms: Any,
    pub(crate) encap_content_info: EncapsulatedContentInfo,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    pub(crate) certificates: Option<Vec<Any>>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    pub(crate) crls: Option<Vec<Any>>,
    /// A `SET OF SignerInfo`.
    pub(crate) signer_infos: Any,
}

/// `EncapsulatedContentInfo` (RFC 5652 section 5.2).
#[derive(Debug, Sequence)]
pub(crate) struct EncapsulatedContentInfo {
    pub(crate) content_type: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    pub(crate) content: OctetString,
}

/// `SignerInfo` (RFC 5652 section 5.3). Attributes are signed in every token.
#[derive(Debug, Clone, Sequence)]
pub(crate) struct SignerInfo {
    pub(crate) version: u8,
    /// `IssuerAndSerialNumber`, or `[0]` with a subject key identifier.
    pub(crate) sid: Any,
    pub(crate) digest_algorithm: AlgorithmIdentifier,
    /// `[0]`, in whose place a `SET` is signed.
    pub(crate) signed_attributes: Any,
    pub(crate) signature_algorithm: AlgorithmIdentifier,
    pub(crate) signature: OctetString,
    /// `[1]`
    #[asn1(optional = "true")]
    pub(crate) unsigned_attributes: Option<Any>,
}

/// `TimeStampReq` (section 2.4.1).
#[derive(Debug, Sequence)]
pub(crate) struct TimeStampReq {
    pub(crate) version: u8,
    pub(crate) message_imprint: MessageImprint,
    #[asn1(optional = "true")]
    pub(crate) req_policy: Option<ObjectIdentifier>,
    #[asn1(optional = "true")]
    pub(crate) nonce: Option<Int>,
    #[asn1(default = "Default::default")]
    pub(crate) cert_req: bool,
}

/// `MessageImprint` (section 2.4.1).
#[derive(Debug, Sequence)]
pub(crate) struct MessageImprint {
    pub(crate) hash_algorithm: AlgorithmIdentifier,
    pub(crate) hashed_message: OctetString,
}

/// `TimeStampResp` (section 2.4.2).
#[derive(Debug, Sequence)]
pub(crate) struct TimeStampResp {
    pub(crate) status: PkiStatusInfo,
    #[asn1(optional = "true")]
    pub(crate) time_stamp_token: Option<Any>,
}

/// `PKIStatusInfo` (section 2.4.2). The free text is nothing that anybody but its author may rely on.
#[derive(Debug, Sequence)]
pub(crate) struct PkiStatusInfo {
    pub(crate) status: u32,
    #[asn1(optional = "true")]
    pub(crate) status_string: Option<Vec<Any>>,
    #[asn1(optional = "true")]
    pub(crate) fail_info: Option<BitString>,
}

/// `TSTInfo` (section 2.4.2).
#[derive(Debug, Sequence)]
pub(crate) struct TstInfo {
    pub(crate) version: u8,
    pub(crate) policy: ObjectIdentifier,
    pub(crate) message_imprint: MessageImprint,
    pub(crate) serial_number: Int,
    /// A `GeneralizedTime`, which may have fractions of a second here.
    pub(crate) gen_time: Any,
    #[asn1(optional = "true")]
    pub(crate) accuracy: Option<Accuracy>,
    #[asn1(default = "Default::default")]
    pub(crate) ordering: bool,
    #[asn1(optional = "true")]
    pub(crate) nonce: Option<Int>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(crate) tsa: Option<Any>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    pub(crate) extensions: Option<Extensions>,
}

/// `Accuracy` (section 2.4.2).
#[derive(Debug, Sequence)]
pub(crate) struct Accuracy {
    #[asn1(optional = "true")]
    pub(crate) seconds: Option<u32>,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    pub(crate) millis: Option<u16>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    pub(crate) micros: Option<u16>,
}

/// `SigningCertificate` (RFC 2634 section 5.4) or `SigningCertificateV2` (RFC 5035 section 3); the first of `certs` is the signer's.
#[derive(Debug, Sequence)]
pub(crate) struct SigningCertificate {
    pub(crate) certs: Vec<Any>,
    #[asn1(optional = "true")]
    pub(crate) policies: Option<Vec<Any>>,
}

/// `ESSCertID` (RFC 2634 section 5.4.1): the hash is SHA-1.
#[derive(Debug, Sequence)]
pub(crate) struct EssCertId {
    pub(crate) cert_hash: OctetString,
    #[asn1(optional = "true")]
    pub(crate) issuer_serial: Option<Any>,
}

/// `ESSCertIDv2` (RFC 5035 section 4): the hash is SHA-256 unless it says otherwise.
#[derive(Debug, Sequence)]
pub(crate) struct EssCertIdV2 {
    #[asn1(optional = "true")]
    pub(crate) hash_algorithm: Option<AlgorithmIdentifier>,
    pub(crate) cert_hash: OctetString,
    #[asn1(optional = "true")]
    pub(crate) issuer_serial: Option<Any>,
}
