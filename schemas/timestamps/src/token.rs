//! A token: what an authority signed, and how that is verified (RFC 3161 section 2.4.2, RFC 5652, RFC 5816).

use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{SignedData, SignerInfo};
use der::asn1::{Int, ObjectIdentifier, OctetString};
use der::oid::db::rfc5911::ID_SIGNED_DATA;
use der::{Decode as _, Encode as _};
use serde::Serialize;

use crate::LONGEST_TOKEN;
use crate::asn1::TstInfo;
use crate::authorities::Authorities;
use crate::digests::Digest;
use crate::fault::{TimestampFault, Unread, unread};
use crate::request::PolicyId;
use crate::signer::Signer;
use crate::time::GenTime;

/// A token that was read, and not verified.
#[derive(Debug, Clone)]
pub struct Token {
    info: Info,
    /// The exact bytes of the `TSTInfo`, which are signed.
    content: Vec<u8>,
    signer: SignerInfo,
    /// The certificates in the token, in DER.
    certificates: Vec<Vec<u8>>,
}

/// What the `TSTInfo` says, as far as it matters.
#[derive(Debug, Clone)]
struct Info {
    policy: ObjectIdentifier,
    digest: Digest,
    hash: Vec<u8>,
    serial: Int,
    made: GenTime,
    latest: u64,
    nonce: Option<Int>,
}

/// What a token proves: that a text existed by some time, on the word of an authority that is trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Timestamp {
    /// The latest second at which the text can have been new, in seconds since 1970: the authority's time and what it says of
    /// the accuracy of its clock, rounded up.
    pub time: u64,
    /// The subject of its certificate (RFC 4514).
    pub authority: String,
    /// The policy that it followed.
    pub policy: String,
    /// The token's number at the authority, in hexadecimal digits.
    pub serial: String,
}

impl Token {
    /// Reads a token: a `ContentInfo` of CMS in DER, with nothing behind it. Nothing is verified.
    ///
    /// # Errors
    /// [`TimestampFault::Malformed`].
    pub fn parse(token: &[u8]) -> Result<Self, TimestampFault> {
        Ok(Self::read(token)?)
    }

    fn read(token: &[u8]) -> Result<Self, Unread> {
        if token.len() > LONGEST_TOKEN {
            return Err(Unread("more bytes than a token has"));
        }
        let outer = ContentInfo::from_der(token).map_err(unread("the token"))?;
        let signed: SignedData = outer.content.decode_as().map_err(unread("what is signed"))?;
        let content = &signed.encap_content_info;
        if outer.content_type != ID_SIGNED_DATA || content.econtent_type != TST_INFO || signed.version != CmsVersion::V3
        {
            return Err(Unread("the type of what is signed"));
        }
        let content: OctetString = match &content.econtent {
            Some(content) => content.decode_as().map_err(unread("what is signed"))?,
            None => return Err(Unread("what is signed")),
        };
        let [signer] = signed.signer_infos.0.as_slice() else { return Err(Unread("the one signature")) };
        let certificates = signed.certificates.iter().flat_map(|certificates| certificates.0.iter());
        let certificates: Result<Vec<_>, _> = certificates.map(|certificate| certificate.to_der()).collect();
        Ok(Self {
            info: Info::read(content.as_bytes())?,
            content: content.into_bytes(),
            signer: signer.clone(),
            certificates: certificates.map_err(unread("a certificate"))?,
        })
    }

    /// Whether the hash in it is that of `data`. Nobody stands for that before [`Self::verify`].
    #[must_use]
    pub fn is_over(&self, data: &[u8]) -> bool {
        self.info.digest.of(data) == self.info.hash
    }

    /// Verifies that a trusted authority says that `data` existed by some time. Revocation is not asked: that needs the authority's
    /// word of today.
    ///
    /// # Errors
    /// The first thing that does not hold, in the order of [`TimestampFault`].
    pub fn verify(&self, data: &[u8], trusted: &Authorities) -> Result<Timestamp, TimestampFault> {
        if !self.is_over(data) {
            return Err(TimestampFault::OtherImprint);
        }
        let known = self.certificates.iter().map(Vec::as_slice).chain(trusted.certificates());
        let signer = Signer::find(&self.signer.sid, known)?;
        signer.signed(&self.signer, TST_INFO, &self.content)?;
        signer.must_be_for_timestamps()?;
        trusted.vouch(signer.der(), &self.certificates, self.info.made.seconds)?;
        let digits = self.info.serial.as_bytes().iter().map(|byte| format!("{byte:02x}"));
        Ok(Timestamp {
            time: self.info.latest,
            authority: signer.name(),
            policy: self.info.policy.to_string(),
            serial: digits.collect(),
        })
    }

    /// The number that the request gave.
    pub(crate) const fn nonce(&self) -> Option<&Int> {
        self.info.nonce.as_ref()
    }

    pub(crate) const fn policy(&self) -> PolicyId {
        PolicyId(self.info.policy)
    }
}

impl Info {
    fn read(content: &[u8]) -> Result<Self, Unread> {
        let info = TstInfo::from_der(content).map_err(unread("the TSTInfo"))?;
        let made = GenTime::read(&info.gen_time)?;
        let imprint = info.message_imprint;
        // Who does not know an extension that is critical must not use the token.
        let has_critical = info.extensions.iter().flatten().any(|extension| extension.critical);
        if info.version != 1 || has_critical {
            return Err(Unread("the version or an extension of the TSTInfo"));
        }
        Ok(Self {
            policy: info.policy,
            digest: Digest::named(imprint.hash_algorithm.oid).ok_or(Unread("the algorithm of the hash"))?,
            hash: imprint.hashed_message.into_bytes(),
            serial: info.serial_number,
            made,
            latest: made.latest(info.accuracy.as_ref()),
            nonce: info.nonce,
        })
    }
}

/// id-ct-TSTInfo (RFC 3161 section 2.4.2).
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
