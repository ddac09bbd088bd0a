//! Bodies of `consent.*`: records of their own, signed by the portal that asked the person.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{BilingualText, Subject, Timestamp};
use crate::ids::{Code, EvidenceTypeId, MemberId, MessageId};

/// `consent.given`: a person consents to the use of evidence. Its message id is what other messages cite.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentGiven {
    /// When.
    pub given_at: Timestamp,
    /// Whose data.
    pub subject: Subject,
    /// Which data.
    pub evidence_types: BTreeSet<EvidenceTypeId>,
    /// What for: the purpose that messages cite.
    pub purpose: Code,
    /// The members that may receive it.
    pub recipients: BTreeSet<MemberId>,
    /// From when on; absent: from when it is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Timestamp>,
    /// Until when.
    pub valid_until: Timestamp,
    /// How the person was identified when consenting.
    pub identification: Identification,
    /// What the person read and agreed to.
    pub text: BilingualText,
}

/// How a person was identified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identification {
    /// The portal's code of the method.
    pub method: Code,
    /// How well the person is known.
    pub identity_assurance: IdentityAssurance,
    /// How well the person was recognised.
    pub authentication_assurance: AuthenticationAssurance,
}

/// Identity assurance level (NIST SP 800-63A; Thai practice uses the same names).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum IdentityAssurance {
    /// What the person says.
    #[serde(rename = "IAL1")]
    Level1,
    /// Evidence was checked.
    #[serde(rename = "IAL2")]
    Level2,
    /// Evidence was checked with the person there.
    #[serde(rename = "IAL3")]
    Level3,
}

/// Authentication assurance level (NIST SP 800-63B).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AuthenticationAssurance {
    /// One factor.
    #[serde(rename = "AAL1")]
    Level1,
    /// Two factors.
    #[serde(rename = "AAL2")]
    Level2,
    /// Two factors, one of them hardware that cannot be copied.
    #[serde(rename = "AAL3")]
    Level3,
}

/// `consent.revoked`: a person takes a consent back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentRevoked {
    /// When.
    pub revoked_at: Timestamp,
    /// The message `consent.given`.
    pub consent: MessageId,
}

redacted_debug! {
    ConsentGiven { given_at, evidence_types, purpose, recipients, valid_from, valid_until, identification }
}

message_body!(ConsentGiven, "consent.given", "consent.given@1");
message_body!(ConsentRevoked, "consent.revoked", "consent.revoked@1");
