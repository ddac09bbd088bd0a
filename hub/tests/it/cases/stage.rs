//! A hub with a system of its own, a portal, an authority, and three that hold evidence.

use std::collections::BTreeSet;
use std::sync::Mutex;

use saphan_hub::cases::What;
use saphan_hub::shards::Located;
use saphan_schemas::acknowledgement::AcknowledgementClaims;
use saphan_schemas::b64;
use saphan_schemas::catalogue::Catalogue;
use saphan_schemas::commitment::{BodyCommitment, Salt};
use saphan_schemas::envelope::{DocumentReference, EnvelopeClaims, UnverifiedEnvelope};
use saphan_schemas::ids::{CaseId, MessageId, SystemId};
use saphan_schemas::keys::{KeyId, SigningKey};
use saphan_schemas::leaf::Leaf;
use saphan_schemas::registry::{
    Agreement, AgreementSignature, Change, Entry, EntryId, Member, Schema, Service, System, SystemKey, TransportKind,
    just_a_system,
};
use serde_json::{Value, json};

use crate::harness::{Document, Draft, HUB, NOW, Party, Site, TestHub, batch, eventually, sign_batch, sign_entry_as};

pub(crate) const OWN: &str = "th.dga/once-only";
pub(crate) const SERVICE: &str = "th.dlt.driving-licence-renewal";
pub(crate) const PURPOSE: &str = "licence-renewal";
const CERTIFICATE: &str = "th.moph.medical-certificate";
pub(crate) const LAW: &str = "Digital Government Administration and Services Act BE 2562 s.13";
pub(crate) const PERSON: &str = "1990100010008";

/// Everybody in a case.
pub(crate) struct Stage {
    pub(crate) hub: TestHub,
    pub(crate) portal: Party,
    pub(crate) authority: Party,
    /// The civil registry: identity.
    pub(crate) registry: Party,
    /// The register of driving licences.
    pub(crate) licences: Party,
    /// Medical certificates; asked first.
    pub(crate) ministry: Party,
    /// Medical certificates too.
    pub(crate) city: Party,
    /// Permits to stay.
    pub(crate) immigration: Party,
    /// Somebody with no part in it.
    pub(crate) stranger: Party,
    /// Received, and not looked at yet.
    /// Those of the ministry and of the city.
    certificates: [Document; 2],
    waiting: Mutex<Vec<Received>>,
}

/// A message as its receiver has it.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) index: u64,
    pub(crate) claims: EnvelopeClaims,
    pub(crate) body: Value,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with("").await
    }

    pub(crate) async fn with(settings: &str) -> Self {
        let patience = if settings.contains("evidence_seconds") { "" } else { "evidence_seconds = 3600\n" };
        let site = Site::new(&format!("[cases]\nsystem = \"{OWN}\"\n{patience}{settings}"));
        Self::on(site.start().await, "th.dlt/licensing").await
    }

    /// The same, where another system decides.
    pub(crate) async fn decided_by(authority: &str) -> Self {
        let site = Site::new(&format!("[cases]\nsystem = \"{OWN}\"\nevidence_seconds = 3600"));
        Self::on(site.start().await, authority).await
    }

    /// On a hub that knows nobody yet.
    async fn on(hub: TestHub, authority: &str) -> Self {
        let party = |id: &str| Party::new(id, TransportKind::Pull);
        let stage = Self {
            portal: party("th.dga/portal"),
            authority: party(authority),
            registry: party("th.dopa/civil-registry"),
            licences: party("th.dlt/registers"),
            ministry: party("th.moph/certificates"),
            city: party("th.bma/clinics"),
            immigration: party("th.imm/permits"),
            stranger: party("th.xyz/other"),
            certificates: [(); 2].map(|()| Document::pdf(900)),
            waiting: Mutex::default(),
            hub,
        };
        stage.hub.change_registry(stage.changes()).await.json::<Value>(200);
        stage.sign_agreements().await;
        for (provider, certificate) in [&stage.ministry, &stage.city].into_iter().zip(&stage.certificates) {
            assert_eq!(stage.hub.put(provider, certificate).await.status, 201);
        }
        stage
    }

    /// The same people on the hub that was started again.
    pub(crate) async fn restarted(self) -> Self {
        self.restarted_after(0).await
    }

    /// The same people on the hub that goes on in another log.
    pub(crate) async fn in_next_log(self, shard: &str) -> Self {
        let hub = self.hub.go_on_in(shard).await;
        Self { hub, ..self }
    }

    /// The same, when the hub was away for so many seconds.
    pub(crate) async fn restarted_after(self, seconds: u64) -> Self {
        let Self {
            hub,
            portal,
            authority,
            registry,
            licences,
            ministry,
            city,
            immigration,
            stranger,
            certificates,
            waiting,
        } = self;
        let site = hub.stop().await;
        site.clock.advance(seconds);
        let hub = site.start().await;
        Self {
            hub,
            portal,
            authority,
            registry,
            licences,
            ministry,
            city,
            immigration,
            stranger,
            certificates,
            waiting,
        }
    }

    /// Registers another key of the hub's own system, which it signs with once it is started again.
    pub(super) async fn replace_own_key(&self) -> KeyId {
        let (new, pem) = SigningKey::generate().unwrap();
        let key = SystemKey { system: OWN.parse().unwrap(), jwk: *new.public(), not_before: None, not_after: None };
        self.hub.change_registry([Change::Added(Entry::Key(key))]).await.json::<Value>(200);
        std::fs::write(self.hub.data_folder().join("cases.pem"), &*pem).unwrap();
        new.public().id()
    }

    pub(super) fn own_key(&self) -> SigningKey {
        let pem = std::fs::read_to_string(self.hub.data_folder().join("cases.pem")).unwrap();
        SigningKey::from_pem(&pem).unwrap()
    }

    fn parties(&self) -> [&Party; 8] {
        let providers = [&self.registry, &self.licences, &self.ministry, &self.city, &self.immigration];
        let [registry, licences, ministry, city, immigration] = providers;
        [&self.portal, &self.authority, registry, licences, ministry, city, immigration, &self.stranger]
    }

    fn changes(&self) -> Vec<Change> {
        let catalogue = Catalogue::embedded().unwrap();
        let names = ["application.", "evidence.", "information.", "case.", "consent."];
        let schemas = catalogue.schemas().filter(|text| names.iter().any(|name| text.id.as_str().starts_with(name)));
        let mut entries: Vec<_> =
            schemas.map(|text| Entry::Schema(Schema::first(text.id.clone(), text.sha256))).collect();
        let mut members = BTreeSet::new();
        let own = SystemKey {
            system: OWN.parse().unwrap(),
            jwk: *self.own_key().public(),
            not_before: None,
            not_after: None,
        };
        let keys = self.parties().into_iter().map(Party::key_entry).chain([own]);
        for key in keys {
            let (id, member) = (key.system.clone(), key.system.member());
            if members.insert(member.clone()) {
                entries.push(Entry::Member(Member {
                    name_th: "หน่วยงาน".into(),
                    name_en: member.to_string(),
                    id: member,
                }));
            }
            entries.push(Entry::System(System { id, transport: TransportKind::Pull, roles: just_a_system() }));
            entries.push(Entry::Key(key));
        }
        let authority = self.authority.id.member();
        entries.push(Entry::Service(Service { id: SERVICE.parse().unwrap(), authority }));
        entries.extend(self.agreements().into_iter().map(Entry::Agreement));
        entries.into_iter().map(Change::Added).collect()
    }

    fn agreements(&self) -> Vec<Agreement> {
        let own: SystemId = OWN.parse().unwrap();
        let (portal, authority) = (&self.portal.id, &self.authority.id);
        let mut agreements = vec![
            agreement(
                "portal.own",
                portal,
                &own,
                &["application.submitted", "application.withdrawn", "information.supplied"],
            ),
            agreement("own.portal", &own, portal, &["information.requested", "case.reminder"]),
            agreement("own.authority", &own, authority, &["case.submitted", "application.withdrawn", "case.reminder"]),
            agreement(
                "authority.portal",
                authority,
                portal,
                &["application.status-changed", "application.decided", "information.requested"],
            ),
            agreement("portal.authority", portal, authority, &["information.supplied", "application.fee-paid"]),
            Agreement {
                services: BTreeSet::new(),
                purposes: BTreeSet::new(),
                ..agreement("consents", portal, &own, &["consent.given", "consent.revoked"])
            },
        ];
        for provider in [&self.registry, &self.licences, &self.ministry, &self.city, &self.immigration] {
            let name = provider.id.as_str().replace('/', ".");
            agreements.push(agreement(
                &format!("own.{name}"),
                &own,
                &provider.id,
                &["evidence.requested", "evidence.reused"],
            ));
            agreements.push(agreement(
                &format!("{name}.own"),
                &provider.id,
                &own,
                &["evidence.provided", "evidence.declined", "evidence.pending"],
            ));
        }
        agreements
    }

    /// Signs what is unsigned, for everybody.
    pub(crate) async fn sign_agreements(&self) {
        let own = self.own_key();
        let state = self.hub.app.registry.state();
        let mut entries = Vec::new();
        for record in state.agreements() {
            let mut done = BTreeSet::new();
            let keys = self.parties().into_iter().map(|party| (party.id.clone(), &party.key));
            for (id, key) in keys.chain([(OWN.parse().unwrap(), &own)]) {
                let member = id.member();
                if record.agreement.is_party(&id) && record.unsigned().contains(&member) && done.insert(member) {
                    let signature = AgreementSignature { agreement: record.agreement.id.clone(), terms: record.terms };
                    entries.push(sign_entry_as(id.as_str(), Change::Signed(signature), key));
                }
            }
        }
        self.hub.send_registry(&entries).await.json::<Value>(200);
    }

    /// Ends an agreement.
    pub(crate) async fn revoke_agreement(&self, id: &str) {
        let change = Change::Revoked(EntryId::Agreement(id.parse().unwrap()));
        self.hub.change_registry([change]).await.json::<Value>(200);
    }

    /// Adds an agreement about the service of these tests, and signs it.
    pub(crate) async fn add_agreement(&self, id: &str, sender: &SystemId, receiver: &SystemId, types: &[&str]) {
        let change = Change::Added(Entry::Agreement(agreement(id, sender, receiver, types)));
        self.hub.change_registry([change]).await.json::<Value>(200);
        self.sign_agreements().await;
    }

    /// Lets a party send this to another.
    pub(crate) async fn allow_to(&self, party: &Party, to: &Party, id: &str, types: &[&str]) {
        self.add_agreement(id, &party.id, &to.id, types).await;
    }

    /// Lets a party send this to the hub's own system, for no service.
    pub(crate) async fn allow(&self, party: &Party, id: &str, types: &[&str]) {
        let terms = Agreement {
            services: BTreeSet::new(),
            purposes: BTreeSet::new(),
            ..agreement(id, &party.id, &OWN.parse().unwrap(), types)
        };
        self.hub.change_registry([Change::Added(Entry::Agreement(terms))]).await.json::<Value>(200);
        self.sign_agreements().await;
    }

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

    /// The next message of this type to a party, acknowledged.
    pub(crate) async fn receive(&self, party: &Party, message_type: &str) -> Received {
        let received = self.take(party, message_type).await;
        self.acknowledge(party, received.index, None).await;
        received
    }

    /// Says what became of the message at this place.
    pub(crate) async fn acknowledge(&self, party: &Party, index: u64, code: Option<&str>) {
        let Located { log, index } = self.hub.app.shards.located(index);
        let said = AcknowledgementClaims { log: Some(log.to_owned()), ..batch(party, &[(index, code)]) };
        let signed = sign_batch(said, &party.key);
        assert_eq!(self.hub.acknowledge(party, &signed).await.status, 201);
    }

    /// The next message of this type to a party.
    pub(crate) async fn take(&self, party: &Party, message_type: &str) -> Received {
        let found = Mutex::new(None);
        eventually(|| async {
            let leased = self.hub.lease(party, 50).await;
            let mut waiting = self.waiting.lock().unwrap();
            waiting.extend(leased.messages.iter().map(|message| Received {
                index: message.index,
                claims: UnverifiedEnvelope::parse(&message.envelope).unwrap().claims().clone(),
                body: serde_json::from_slice(&b64::decode_std(&message.body).unwrap()).unwrap(),
            }));
            let position = waiting.iter().position(|received| {
                received.claims.aud == party.id && received.claims.message_type.as_str() == message_type
            });
            *found.lock().unwrap() = position.map(|position| waiting.remove(position));
            found.lock().unwrap().is_some()
        })
        .await;
        found.into_inner().unwrap().unwrap()
    }

    /// Everything that is there for a party now.
    pub(crate) async fn inbox(&self, party: &Party) -> Vec<String> {
        let leased = self.hub.lease(party, 50).await;
        let name = |envelope: &str| UnverifiedEnvelope::parse(envelope).unwrap().claims().message_type.to_string();
        leased.messages.iter().map(|message| name(&message.envelope)).collect()
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

    /// The case as the portal sees it.
    pub(crate) async fn case(&self, id: CaseId) -> Value {
        self.hub.call(&self.portal, "GET", &format!("/v1/cases/{id}"), &Value::Null).await.json(200)
    }

    /// Waits until the case is so.
    pub(crate) async fn until(&self, id: CaseId, condition: impl Fn(&Value) -> bool) -> Value {
        let found = Mutex::new(None);
        eventually(|| async {
            let answer = self.hub.call(&self.portal, "GET", &format!("/v1/cases/{id}"), &Value::Null).await;
            let case = (answer.status == 200).then(|| answer.json::<Value>(200)).filter(|case| condition(case));
            *found.lock().unwrap() = case;
            found.lock().unwrap().is_some()
        })
        .await;
        found.into_inner().unwrap().unwrap()
    }

    /// The leaf that caused the last event of this name in the history of a case.
    pub(crate) async fn cause(&self, id: CaseId, event: &str) -> (u64, Leaf) {
        let events = self.hub.app.store.cases().case_events(id, 0).await.unwrap();
        let is_it = |what: &What| serde_json::to_value(what).unwrap()["event"] == event;
        let index = events.iter().rfind(|one| is_it(&one.what)).unwrap().index.expect("the log says why");
        let leaf = self.hub.app.store.entries(index, 1).await.unwrap().remove(0);
        (index, Leaf::parse(&leaf).unwrap())
    }

    /// Waits until a message of this type, of the hub's own system, is written and not in the log yet.
    pub(crate) async fn until_a_letter_waits(&self, message_type: &str) {
        eventually(async || {
            let letters = self.hub.app.store.cases().letters().await.unwrap();
            letters.iter().any(|letter| {
                let envelope = UnverifiedEnvelope::parse(&letter.text);
                envelope.is_ok_and(|envelope| envelope.claims().message_type.as_str() == message_type)
            })
        })
        .await;
    }

    /// Waits until the hub's own system has acknowledged a message; answers the state and the code.
    pub(crate) async fn outcome(&self, party: &Party, draft: &Draft) -> (String, Option<String>) {
        let found = Mutex::new(None);
        eventually(|| async {
            let path = format!("/v1/messages/{}", draft.claims.jti);
            let message: Value = self.hub.call(party, "GET", &path, &Value::Null).await.json(200);
            let state = message["state"].as_str().unwrap().to_owned();
            if state != "accepted" {
                *found.lock().unwrap() = Some((state, message["code"].as_str().map(ToOwned::to_owned)));
            }
            found.lock().unwrap().is_some()
        })
        .await;
        found.into_inner().unwrap().unwrap()
    }

    /// Sends a message that the hub's own system rejects; answers the code.
    pub(crate) async fn rejected(&self, party: &Party, draft: &Draft) -> String {
        self.hub.accept(&draft.sign(&party.key)).await;
        let (state, code) = self.outcome(party, draft).await;
        assert_eq!(state, "rejected");
        code.unwrap()
    }
}

/// Where a requirement stands.
pub(crate) fn requirement<'a>(case: &'a Value, id: &str) -> &'a Value {
    let requirements = case["requirements"].as_array().unwrap();
    requirements.iter().find(|requirement| requirement["requirement"] == id).unwrap()
}

/// Seconds after the beginning of every test, as a moment.
pub(crate) fn at(seconds: u64) -> String {
    saphan_schemas::message_types::Timestamp::from_unix_seconds(NOW + seconds).unwrap().to_string()
}

/// The body that answers a request as it should be.
pub(crate) fn provided(request: &Received) -> Value {
    let evidence_type = request.body["evidence_type"].as_str().unwrap();
    let content = match evidence_type {
        "th.dopa.identity" => {
            include_str!("../../../../schemas/catalogue/examples/th.dopa.identity@1/valid/citizen.json")
        }
        "th.dlt.driving-licence" => {
            include_str!("../../../../schemas/catalogue/examples/th.dlt.driving-licence@1/valid/private-car.json")
        }
        "th.moph.medical-certificate" => {
            include_str!("../../../../schemas/catalogue/examples/th.moph.medical-certificate@1/valid/fit-to-drive.json")
        }
        "th.imm.stay-permit" => {
            include_str!("../../../../schemas/catalogue/examples/th.imm.stay-permit@1/valid/non-immigrant.json")
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

pub(crate) fn agreement(id: &str, sender: &SystemId, receiver: &SystemId, types: &[&str]) -> Agreement {
    Agreement {
        id: id.parse().unwrap(),
        sender: sender.clone(),
        receiver: receiver.clone(),
        types: types.iter().map(|name| name.parse().unwrap()).collect(),
        services: BTreeSet::from([SERVICE.parse().unwrap()]),
        purposes: BTreeSet::from([PURPOSE.parse().unwrap()]),
        legal_basis: LAW.parse().unwrap(),
        consent: false,
        retention_days: None,
        not_before: None,
        not_after: None,
    }
}

const FOREIGNERS_APPLICATION: &str = include_str!(
    "../../../../schemas/catalogue/examples/application.submitted@1/valid/foreigner-renews-a-driving-licence.json"
);
const APPLICATION: &str = include_str!(
    "../../../../schemas/catalogue/examples/application.submitted@1/valid/citizen-renews-a-driving-licence.json"
);
