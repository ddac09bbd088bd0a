//! Messages as senders make them, good and bad.

use saphan_schemas::b64;
use saphan_schemas::commitment::{BodyCommitment, Salt};
use saphan_schemas::envelope::{Envelope, EnvelopeClaims, UnverifiedEnvelope};
use saphan_schemas::ids::{CaseId, MessageId, SystemId};
use saphan_schemas::jws::Signed;
use saphan_schemas::keys::SigningKey;
use serde_json::Value;

use super::clock::NOW;
use super::world::{HUB, PURPOSE, SERVICE};

/// A message that is not signed yet.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) claims: EnvelopeClaims,
    pub(crate) salt: Salt,
    pub(crate) body: Vec<u8>,
}

/// What travels: a request's headers and body.
#[derive(Debug, Clone)]
pub(crate) struct Submission {
    pub(crate) envelope: Option<String>,
    pub(crate) salt: Option<String>,
    pub(crate) body: Vec<u8>,
}

impl Draft {
    /// A withdrawal, the smallest message there is.
    pub(crate) fn withdrawal(from: &SystemId, to: &SystemId) -> Self {
        Self::new(from, to, "application.withdrawn", WITHDRAWAL.as_bytes())
    }

    /// A complete application of a citizen, full of personal data.
    pub(crate) fn application(from: &SystemId, to: &SystemId) -> Self {
        Self::new(from, to, "application.submitted", APPLICATION.as_bytes())
    }

    fn new(from: &SystemId, to: &SystemId, message_type: &str, body: &[u8]) -> Self {
        let salt = Salt::generate().unwrap();
        let claims = EnvelopeClaims {
            iss: from.clone(),
            aud: to.clone(),
            hub: HUB.parse().unwrap(),
            jti: MessageId::new(),
            iat: NOW,
            not_after: None,
            message_type: message_type.parse().unwrap(),
            schema: format!("{message_type}@1").parse().unwrap(),
            service: Some(SERVICE.parse().unwrap()),
            case: Some(CaseId::new()),
            reply_to: None,
            purpose: Some(PURPOSE.parse().unwrap()),
            legal_basis: None,
            consent: None,
            body: BodyCommitment::new(&salt, body),
            documents: Vec::new(),
        };
        Self { claims, salt, body: body.into() }
    }

    /// With another body, committed to.
    pub(crate) fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.claims.body = BodyCommitment::new(&self.salt, &self.body);
        self
    }

    /// With the body changed as JSON, committed to.
    pub(crate) fn with_json(self, change: impl FnOnce(&mut Value)) -> Self {
        let mut value = serde_json::from_slice(&self.body).unwrap();
        change(&mut value);
        self.with_body(serde_json::to_vec(&value).unwrap())
    }

    /// With the claims changed.
    pub(crate) fn change(mut self, change: impl FnOnce(&mut EnvelopeClaims)) -> Self {
        change(&mut self.claims);
        self
    }

    pub(crate) fn sign(&self, key: &SigningKey) -> Submission {
        let envelope = Signed::sign(self.claims.clone(), key).unwrap();
        Submission {
            envelope: Some(envelope.as_str().to_owned()),
            salt: Some(self.salt.to_text()),
            body: self.body.clone(),
        }
    }

    /// Signs a header of any text, and the claims as they are or as `payload` says.
    pub(crate) fn forge(&self, header: &str, payload: Option<&str>, key: &SigningKey) -> Submission {
        let payload = payload.map_or_else(|| serde_json::to_string(&self.claims).unwrap(), ToOwned::to_owned);
        let input = format!("{}.{}", b64::encode_url(header), b64::encode_url(payload));
        let signature = b64::encode_url(key.sign(input.as_bytes()).unwrap());
        let envelope = Some(format!("{input}.{signature}"));
        Submission { envelope, salt: Some(self.salt.to_text()), body: self.body.clone() }
    }
}

impl Submission {
    pub(crate) fn envelope(&self) -> &str {
        self.envelope.as_deref().unwrap()
    }

    pub(crate) fn id(&self) -> MessageId {
        UnverifiedEnvelope::parse(self.envelope()).unwrap().claims().jti
    }

    pub(crate) fn salt(&self) -> Salt {
        self.salt.as_deref().unwrap().parse().unwrap()
    }

    /// The envelope as its signer's key verifies it.
    pub(crate) fn verified(&self, key: &SigningKey) -> Envelope {
        UnverifiedEnvelope::parse(self.envelope()).unwrap().verify(key.public()).unwrap()
    }
}

/// Words of the bodies that must never be seen outside of a body.
pub(crate) const PERSONAL: [&str; 4] = ["1990100010008", "สมชาย", "0812345678", "somchai@example.com"];

const WITHDRAWAL: &str =
    include_str!("../../../../schemas/catalogue/examples/application.withdrawn@1/valid/by-the-applicant.json");
const APPLICATION: &str = include_str!(
    "../../../../schemas/catalogue/examples/application.submitted@1/valid/citizen-renews-a-driving-licence.json"
);
