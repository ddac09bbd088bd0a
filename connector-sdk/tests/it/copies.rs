//! A case holds messages of others; it reaches a handler only if every one of them is what it is said to be.

use std::sync::{Arc, Mutex};

use saphan_connector::schemas::commitment::{BodyCommitment, Salt};
use saphan_connector::schemas::envelope::EnvelopeClaims;
use saphan_connector::schemas::ids::{CaseId, MessageId, SystemId};
use saphan_connector::schemas::jws::Signed;
use saphan_connector::schemas::keys::SigningKey;
use saphan_connector::schemas::message_types::{
    CaseSubmitted, CopyError, EvidenceDeclined, EvidenceProvided, Proof, ProofSource, SignedCopy,
};
use saphan_connector::testing::TestHub;
use saphan_connector::{Handled, Message, OutgoingMessage};
use serde_json::{Value, json};

use crate::support::{OFFICE, PORTAL, acknowledged, eventually, hub, in_time, office, until};

const OWN: &str = "th.dga/once-only";
const REGISTRY: &str = "th.dopa/civil-registry";

/// What a case is made of; a test spoils a part of it.
struct Parts {
    hub: TestHub,
    case: CaseId,
    consent: MessageId,
}

/// A message that somebody signed, before it becomes a copy.
struct Draft {
    key: SigningKey,
    claims: EnvelopeClaims,
    salt: Salt,
    body: Vec<u8>,
}

impl Draft {
    fn copy(self) -> SignedCopy {
        let envelope = Signed::sign(self.claims, &self.key).unwrap();
        SignedCopy::new(None, 7, envelope.as_str().to_owned(), &self.salt, &self.body)
    }
}

impl Parts {
    fn new() -> Self {
        Self { hub: hub(), case: CaseId::new(), consent: MessageId::new() }
    }

    fn draft(&self, from: &str, message_type: &str, body: &Value) -> Draft {
        let from: SystemId = from.parse().unwrap();
        let (salt, body) = (Salt::generate().unwrap(), serde_json::to_vec(body).unwrap());
        let claims = EnvelopeClaims {
            aud: OWN.parse().unwrap(),
            hub: self.hub.trust().hub,
            jti: MessageId::new(),
            iat: 1_790_000_000,
            not_after: None,
            message_type: message_type.parse().unwrap(),
            schema: format!("{message_type}@1").parse().unwrap(),
            service: None,
            case: Some(self.case),
            reply_to: None,
            purpose: None,
            legal_basis: None,
            consent: None,
            body: BodyCommitment::new(&salt, &body),
            documents: Vec::new(),
            iss: from.clone(),
        };
        Draft { key: self.hub.register(&from).unwrap(), claims, salt, body }
    }

    fn application(&self) -> Draft {
        let mut draft = self.draft(PORTAL, "application.submitted", &json!({}));
        draft.claims.consent = Some(self.consent);
        draft
    }

    fn consent(&self) -> Draft {
        let mut draft = self.draft(PORTAL, "consent.given", &json!({}));
        (draft.claims.jti, draft.claims.case) = (self.consent, None);
        draft
    }

    fn evidence(&self) -> Draft {
        self.draft(REGISTRY, "evidence.provided", &identity())
    }

    fn complete(&self, application: Draft, consent: Draft, evidence: Draft) -> CaseSubmitted {
        CaseSubmitted {
            handed_over_at: "2026-11-24T09:30:00+07:00".parse().unwrap(),
            due_on: "2026-12-24".parse().unwrap(),
            application: application.copy(),
            consent: Some(consent.copy()),
            evidence: vec![Proof {
                requirement: "identity".parse().unwrap(),
                evidence_type: Some("th.dopa.identity".parse().unwrap()),
                source: ProofSource::Requested,
                message: evidence.copy(),
            }],
            missing: Vec::new(),
        }
    }

    fn good(&self) -> CaseSubmitted {
        self.complete(self.application(), self.consent(), self.evidence())
    }

    /// Lets the hub's own system hand a case over; answers what the office's handler saw, or `None` when it saw nothing.
    async fn hand_over(&self, body: &CaseSubmitted) -> Option<CaseSubmitted> {
        let seen = Arc::new(Mutex::new(None));
        let shared = Arc::clone(&seen);
        let office = office(&self.hub).handle(move |message: Message<CaseSubmitted>| {
            *shared.lock().unwrap() = Some(message.into_body());
            async { Ok(Handled::Done) }
        });
        let office = office.build().await.unwrap();
        let own = self.hub.connector(OWN).unwrap().build().await.unwrap();
        let message = OutgoingMessage::new(OFFICE.parse().unwrap(), body).case(self.case);
        in_time(own.send(message)).await.unwrap();
        eventually(async || office.counts().unverified == 1 || acknowledged(&self.hub) == 1).await;
        seen.lock().unwrap().take()
    }
}

fn identity() -> Value {
    json!({
        "provided_at": "2026-11-24T09:29:00+07:00",
        "evidence_type": "th.dopa.identity",
        "subject": { "kind": "Citizen", "national_id": "1990100010008" },
        "as_of": "2026-11-24T09:29:00+07:00",
        "record_number": "4711",
    })
}

#[tokio::test]
async fn a_handler_reads_typed_evidence_out_of_a_case_whose_copies_all_hold() {
    let parts = Parts::new();
    let case = parts.hand_over(&parts.good()).await.unwrap();
    let copy = &case.evidence[0].message;
    assert_eq!(copy.envelope_claims().unwrap().iss.as_str(), REGISTRY);
    let evidence: EvidenceProvided = copy.body().unwrap();
    assert_eq!(evidence.record_number.as_deref(), Some("4711"));
    assert!(matches!(copy.body::<EvidenceDeclined>(), Err(CopyError::Type { .. })));
    assert_eq!(acknowledged(&parts.hub), 1);
}

#[tokio::test]
async fn a_case_with_a_false_copy_never_reaches_a_handler() {
    type Spoil = fn(&Parts) -> CaseSubmitted;
    let spoilt: [(&str, Spoil); 8] = [
        ("signed by somebody else", |parts| {
            let key = parts.hub.register(&"th.xyz/other".parse().unwrap()).unwrap();
            parts.complete(parts.application(), parts.consent(), Draft { key, ..parts.evidence() })
        }),
        ("by a key that nobody published", |parts| {
            let key = SigningKey::generate().unwrap().0;
            parts.complete(Draft { key, ..parts.application() }, parts.consent(), parts.evidence())
        }),
        ("with another body", |parts| {
            let body = b"{}".to_vec();
            parts.complete(parts.application(), parts.consent(), Draft { body, ..parts.evidence() })
        }),
        ("with another salt", |parts| {
            let salt = Salt::generate().unwrap();
            parts.complete(parts.application(), Draft { salt, ..parts.consent() }, parts.evidence())
        }),
        ("meant for another hub", |parts| {
            let mut evidence = parts.evidence();
            evidence.claims.hub = "hub.other".parse().unwrap();
            parts.complete(parts.application(), parts.consent(), evidence)
        }),
        ("the application of another case", |parts| {
            let mut application = parts.application();
            application.claims.case = Some(CaseId::new());
            parts.complete(application, parts.consent(), parts.evidence())
        }),
        ("a consent that the application does not cite", |parts| {
            let mut consent = parts.consent();
            consent.claims.jti = MessageId::new();
            parts.complete(parts.application(), consent, parts.evidence())
        }),
        ("evidence of another type than is said", |parts| {
            let mut body = identity();
            body["evidence_type"] = json!("th.dopa.house-registration");
            let evidence = parts.draft(REGISTRY, "evidence.provided", &body);
            parts.complete(parts.application(), parts.consent(), evidence)
        }),
    ];
    for (what, spoil) in spoilt {
        let parts = Parts::new();
        assert!(parts.hand_over(&spoil(&parts)).await.is_none(), "{what}");
        assert_eq!(acknowledged(&parts.hub), 0, "{what}");
    }
}

#[tokio::test]
async fn evidence_of_an_earlier_case_is_believed_where_it_is_said_to_be_used_again() {
    for (source, believed) in [(ProofSource::Reused, true), (ProofSource::Requested, false)] {
        let parts = Parts::new();
        let mut evidence = parts.evidence();
        evidence.claims.case = Some(CaseId::new());
        let mut case = parts.complete(parts.application(), parts.consent(), evidence);
        case.evidence[0].source = source;
        assert_eq!(parts.hand_over(&case).await.is_some(), believed, "{source:?}");
    }
}

#[tokio::test]
async fn a_case_waits_when_the_keys_of_its_copies_cannot_be_fetched() {
    let parts = Parts::new();
    parts.hub.fail_key_requests(3);
    assert!(parts.hand_over(&parts.good()).await.is_some());
    until(&parts.hub, |hub| acknowledged(hub) == 1).await;
}
