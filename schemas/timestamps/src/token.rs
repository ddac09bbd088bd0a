//! A token: what an authority signed, and how that is verified (RFC 3161 section 2.4.2, RFC 5652, RFC 5816).

use der::asn1::{Int, ObjectIdentifier};
use der::oid::db::rfc5911::ID_SIGNED_DATA;
use der::{Decode as _, Encode as _, Tag, TagNumber, Tagged as _};
use serde::Serialize;

use crate::asn1::{ContentInfo, SignedData, SignerInfo, TstInfo};
use crate::authorities::Authorities;
use crate::digests::Digest;
use crate::fault::{TimestampFault, Unread, unread};
use crate::signer::Signer;
use crate::time::GenTime;
use crate::{CLOCKS_APART, LONGEST_TOKEN};

/// A token that was read, and not verified.
#[derive(Debug, Clone)]
pub struct Token {
    /// The exact bytes of the `TSTInfo`, which are signed.
    content: Vec<u8>,
    signer: SignerInfo,
    /// What stands in the place of certificates, in DER.
    certificates: Vec<Vec<u8>>,
}

/// What the `TSTInfo` says, as far as it matters.
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
    /// The number that the request gave.
    #[serde(skip)]
    pub(crate) nonce: Option<Int>,
}

impl Timestamp {
    /// What a token proves about `data`, which covers an entry that was logged at `logged`, in seconds since 1970.
    ///
    /// # Errors
    /// [`TimestampFault`], the first thing that does not hold.
    pub fn of(token: &[u8], data: &[u8], logged: u64, trusted: &Authorities) -> Result<Self, TimestampFault> {
        let proven = Token::parse(token)?.verify(data, trusted)?;
        proven.must_not_precede(logged)?;
        Ok(proven)
    }

    /// That it is not older than an entry which it covers, logged at `logged` in seconds since 1970; clocks may differ by
    /// [`CLOCKS_APART`].
    ///
    /// # Errors
    /// [`TimestampFault::Early`].
    pub const fn must_not_precede(&self, logged: u64) -> Result<(), TimestampFault> {
        let time = self.time;
        if time.saturating_add(CLOCKS_APART) < logged { Err(TimestampFault::Early { time, logged }) } else { Ok(()) }
    }
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
        let SignedData { version, digest_algorithms, encap_content_info: inner, certificates, signer_infos, .. } =
            signed;
        if (outer.content_type, inner.content_type, version) != (ID_SIGNED_DATA, TST_INFO, 3) {
            return Err(Unread("the type of what is signed"));
        }
        if (digest_algorithms.tag(), signer_infos.tag()) != (Tag::Set, Tag::Set) {
            return Err(Unread("what is signed"));
        }
        let signer = SignerInfo::from_der(signer_infos.value()).map_err(unread("the one signature"))?;
        let numbered = |constructed, number| Tag::ContextSpecific { constructed, number };
        let is_read = [1, 3].contains(&signer.version)
            && [Tag::Sequence, numbered(false, TagNumber::N0)].contains(&signer.sid.tag())
            && signer.signed_attributes.tag() == numbered(true, TagNumber::N0)
            && signer.unsigned_attributes.as_ref().is_none_or(|other| other.tag() == numbered(true, TagNumber::N1));
        if !is_read {
            return Err(Unread("the one signature"));
        }
        let certificates: Result<Vec<_>, _> = certificates.iter().flatten().map(|any| any.to_der()).collect();
        let certificates = certificates.map_err(unread("a certificate"))?;
        Ok(Self { content: inner.content.into_bytes(), signer, certificates })
    }

    /// Whether the hash in it is that of `data`. Nobody stands for that before [`Self::verify`].
    #[must_use]
    pub fn is_over(&self, data: &[u8]) -> bool {
        Info::read(&self.content).is_ok_and(|info| info.is_over(data))
    }

    /// Verifies that a trusted authority says that `data` existed by some time. Revocation is not asked: that needs the authority's
    /// word of today.
    ///
    /// # Errors
    /// The first thing that does not hold, in the order of [`TimestampFault`].
    pub fn verify(&self, data: &[u8], trusted: &Authorities) -> Result<Timestamp, TimestampFault> {
        let known = self.certificates.iter().map(Vec::as_slice).chain(trusted.certificates());
        let signer = Signer::find(&self.signer.sid, known)?;
        signer.signed(&self.signer, TST_INFO, &self.content)?;
        // Now it is what the signer wrote.
        let info = Info::read(&self.content)?;
        if !info.is_over(data) {
            return Err(TimestampFault::OtherImprint);
        }
        signer.must_be_for_timestamps()?;
        trusted.vouch(signer.der(), &self.certificates, info.made.seconds)?;
        let digits = info.serial.as_bytes().iter().map(|byte| format!("{byte:02x}"));
        Ok(Timestamp {
            time: info.latest,
            authority: signer.name(),
            policy: info.policy.to_string(),
            serial: digits.collect(),
            nonce: info.nonce,
        })
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
            digest: Digest::named(&imprint.hash_algorithm).ok_or(Unread("the algorithm of the hash"))?,
            hash: imprint.hashed_message.into_bytes(),
            serial: info.serial_number,
            made,
            latest: made.latest(info.accuracy.as_ref()),
            nonce: info.nonce,
        })
    }

    fn is_over(&self, data: &[u8]) -> bool {
        self.digest.of(data) == self.hash
    }
}

/// id-ct-TSTInfo (RFC 3161 section 2.4.2).
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
