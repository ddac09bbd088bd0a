//! What the parties say.

use saphan_hub::shards::Located;
use saphan_schemas::acknowledgement::AcknowledgementClaims;
use saphan_schemas::commitment::{BodyCommitment, Salt};
use saphan_schemas::envelope::{DocumentReference, EnvelopeClaims};
use saphan_schemas::ids::{CaseId, MessageId};
use serde_json::{Value, json};

use super::{OWN, PERSON, PURPOSE, Received, SERVICE, Stage, at};
use crate::harness::{Draft, HUB, NOW, Party, batch, sign_batch};

impl Stage {
    /// A message with this body, about the service of these tests.
    pub(crate) fn message(&self, from: &Party, to: &str, message_type: &str, body: &Value) -> Draft {
        let (salt, body) = (Salt::generate().unwrap(), serde_json::to_vec(body).unwrap());
        let claims = EnvelopeClaims {
            iss: from.id.clone(),
            aud: to.parse().unwrap(),
            hub: HUB.parse().unwrap(),
            jti: MessageId::new(),
            iat: self.hub.clock.now(),
            not_after: None,
            message_type: message_type.parse().unwrap(),
            schema: format!("{message_type}@1").parse().unwrap(),
            service: Some(SERVICE.parse().unwrap()),
            case: None,
            reply_to: None,
            purpose: Some(PURPOSE.parse().unwrap()),
            legal_basis: None,
            consent: None,
            body: BodyCommitment::new(&salt, &body),
            documents: Vec::new(),
        };
        Draft { claims, salt, body }
    }

    /// An application of a citizen that cites a consent, if there is one.
    pub(crate) fn application(&self, consent: Option<MessageId>) -> Draft {
        let body: Value = serde_json::from_str(APPLICATION).unwrap();
        self.message(&self.portal, OWN, "application.submitted", &body).change(|claims| {
            claims.case = Some(CaseId::new());
            claims.consent = consent;
        })
    }

    /// An application of somebody without Thai nationality.
    pub(crate) fn foreigners_application(&self, consent: Option<MessageId>) -> Draft {
        let body: Value = serde_json::from_str(FOREIGNERS_APPLICATION).unwrap();
        self.application(consent).with_json(|application| *application = body.clone())
    }

    /// Submits an application; answers its case.
    pub(crate) async fn apply(&self, application: &Draft) -> CaseId {
        self.hub.accept(&application.sign(&self.portal.key)).await;
        let case = application.claims.case.unwrap();
        self.until(case, |_| true).await;
        case
    }

    /// A consent to the medical certificate; answers its id.
    pub(crate) async fn consent(&self) -> MessageId {
        let draft = self.consent_draft();
        self.hub.accept(&draft.sign(&self.portal.key)).await;
        draft.claims.jti
    }

    pub(crate) fn consent_draft(&self) -> Draft {
        let body = json!({
            "given_at": at(0),
            "subject": { "kind": "Citizen", "national_id": PERSON },
            "evidence_types": ["th.moph.medical-certificate"],
            "purpose": PURPOSE,
            "recipients": [self.authority.id.member()],
            "valid_until": at(365 * 86_400),
            "identification": { "method": "thaid", "identity_assurance": "IAL2", "authentication_assurance": "AAL2" },
            "text": { "th": "ข้าพเจ้ายินยอม", "en": "I consent." },
        });
        self.message(&self.portal, OWN, "consent.given", &body).change(|claims| {
            claims.service = None;
            claims.purpose = None;
        })
    }

    /// Takes a consent back, and answers when nothing more is used.
    pub(crate) async fn revoke(&self, consent: MessageId) {
        let body = json!({ "revoked_at": at(0), "consent": consent });
        let draft = self.message(&self.portal, OWN, "consent.revoked", &body).change(|claims| {
            claims.service = None;
            claims.purpose = None;
        });
        self.hub.accept(&draft.sign(&self.portal.key)).await;
    }

    /// The withdrawal of a case's application.
    pub(crate) fn withdrawal(&self, case: CaseId) -> Draft {
        Draft::withdrawal(&self.portal.id, &OWN.parse().unwrap()).change(|claims| claims.case = Some(case))
    }

    pub(crate) async fn withdraw(&self, case: CaseId) {
        self.hub.accept(&self.withdrawal(case).sign(&self.portal.key)).await;
    }

    /// An answer to a message.
    pub(crate) fn reply(&self, from: &Party, to: &Received, message_type: &str, body: &Value) -> Draft {
        self.message(from, to.claims.iss.as_str(), message_type, body).change(|claims| {
            claims.case = to.claims.case;
            claims.reply_to = Some(to.claims.jti);
        })
    }

    /// The document of a medical certificate, which this provider has uploaded.
    pub(crate) fn certificate(&self, from: &Party) -> DocumentReference {
        self.certificates[usize::from(from.id == self.city.id)].reference()
    }

    /// The evidence that was asked for, as its provider sends it.
    pub(crate) fn evidence(&self, from: &Party, request: &Received) -> Draft {
        let mut body = provided(request);
        let evidence = self.reply(from, request, "evidence.provided", &body);
        if body["evidence_type"] != CERTIFICATE {
            return evidence;
        }
        let certificate = self.certificate(from);
        let DocumentReference { commit, len, media_type, .. } = &certificate;
        body["documents"] = json!([{ "commit": commit, "len": len, "media_type": media_type }]);
        let evidence = evidence.with_body(serde_json::to_vec(&body).unwrap());
        evidence.change(|claims| claims.documents.push(certificate))
    }

    /// The answer of a provider that has no record.
    pub(crate) fn declined(&self, from: &Party, request: &Received) -> Draft {
        let body = json!({
            "declined_at": at(0),
            "evidence_type": request.body["evidence_type"],
            "reason": "SUBJECT_NOT_FOUND",
            "text": { "th": "ไม่พบข้อมูล", "en": "Not found." },
        });
        self.reply(from, request, "evidence.declined", &body)
    }

    pub(crate) async fn decline(&self, from: &Party, request: &Received) {
        self.hub.accept(&self.declined(from, request).sign(&from.key)).await;
    }

    /// Answers a request for evidence as it should be.
    pub(crate) async fn provide(&self, provider: &Party) -> Received {
        let request = self.receive(provider, "evidence.requested").await;
        self.hub.accept(&self.evidence(provider, &request).sign(&provider.key)).await;
        request
    }

    /// All three providers that are asked first answer as they should.
    pub(crate) async fn provide_all(&self) {
        for provider in [&self.registry, &self.licences, &self.ministry] {
            self.provide(provider).await;
        }
    }

    /// Says what became of the message at this place.
    pub(crate) async fn acknowledge(&self, party: &Party, index: u64, code: Option<&str>) {
        let Located { log, index } = self.hub.app.shards.located(index);
        let said = AcknowledgementClaims { log: Some(log.to_owned()), ..batch(party, &[(index, code)]) };
        let signed = sign_batch(said, &party.key);
        assert_eq!(self.hub.acknowledge(party, &signed).await.status, 201);
    }
}

/// The body that answers a request as it should be.
pub(crate) fn provided(request: &Received) -> Value {
    let evidence_type = request.body["evidence_type"].as_str().unwrap();
    let content = match evidence_type {
        "th.dopa.identity" => {
            include_str!("../../../../../schemas/catalogue/examples/th.dopa.identity@1/valid/citizen.json")
        }
        "th.dlt.driving-licence" => {
            include_str!("../../../../../schemas/catalogue/examples/th.dlt.driving-licence@1/valid/private-car.json")
        }
        "th.moph.medical-certificate" => {
            include_str!(
                "../../../../../schemas/catalogue/examples/th.moph.medical-certificate@1/valid/fit-to-drive.json"
            )
        }
        "th.imm.stay-permit" => {
            include_str!("../../../../../schemas/catalogue/examples/th.imm.stay-permit@1/valid/non-immigrant.json")
        }
        other => panic!("nobody here has {other}"),
    };
    json!({
        "provided_at": at(request.claims.iat - NOW),
        "evidence_type": evidence_type,
        "subject": request.body["subject"],
        "as_of": at(request.claims.iat - NOW),
        "content_schema": format!("{evidence_type}@1"),
        "content": serde_json::from_str::<Value>(content).unwrap(),
    })
}

const CERTIFICATE: &str = "th.moph.medical-certificate";
const FOREIGNERS_APPLICATION: &str = include_str!(
    "../../../../../schemas/catalogue/examples/application.submitted@1/valid/foreigner-renews-a-driving-licence.json"
);
const APPLICATION: &str = include_str!(
    "../../../../../schemas/catalogue/examples/application.submitted@1/valid/citizen-renews-a-driving-licence.json"
);
