//! Joining: a code lets one new key join, as one system, at one hub, once, for a while; and nobody else in.

use saphan_schemas::ids::{HubId, MessageId, SystemId};
use saphan_schemas::invitation::{InvitationCode, InvitationSignature};
use saphan_schemas::joining::InvitationBody;
use saphan_schemas::jws::Signed;
use saphan_schemas::keys::SigningKey;
use saphan_schemas::problem::ProblemCode;
use saphan_schemas::registry::{Change, Entry, EntryId, RegistryClaims, SystemKey};
use saphan_schemas::trust::TrustBundle;
use serde_json::json;

use crate::harness::{Answer, HUB, TestHub, sign_entry_as};

/// What a key that joins sends; every part can be wrong.
pub(crate) struct Attempt {
    system: SystemId,
    hub: HubId,
    key: SigningKey,
    invitation: Option<InvitationSignature>,
}

impl Attempt {
    pub(crate) fn new(system: &SystemId, code: &InvitationCode) -> Self {
        Self::with_key(system, code, SigningKey::generate().unwrap().0)
    }

    fn with_key(system: &SystemId, code: &InvitationCode, key: SigningKey) -> Self {
        let hub: HubId = HUB.parse().unwrap();
        let invitation = Some(code.sign(&hub, system, key.id()).unwrap());
        Self { system: system.clone(), hub, key, invitation }
    }

    fn entry(&self) -> String {
        let key = SystemKey { system: self.system.clone(), jwk: *self.key.public(), not_before: None, not_after: None };
        let claims = RegistryClaims {
            iss: self.system.to_string(),
            aud: self.hub.clone(),
            iat: crate::harness::NOW,
            jti: MessageId::new(),
            change: Change::Added(Entry::Key(key)),
            invitation: self.invitation,
        };
        Signed::sign(claims, &self.key).unwrap().as_str().to_owned()
    }

    pub(crate) async fn send(&self, hub: &TestHub) -> Answer {
        hub.call_with("", "POST", "/v1/join", &json!({ "entry": self.entry() })).await
    }
}

#[tokio::test]
async fn a_key_joins_with_a_code_and_may_sign_at_once() {
    let hub = TestHub::new().await;
    let office = &hub.world.office;
    let code = hub.invite(&office.id, 60).await;
    let invitation: InvitationBody = hub.get(&format!("/v1/invitations/{}", code.id().unwrap())).await.json(200);
    assert_eq!((invitation.hub.as_str(), &invitation.system, invitation.used_by), (HUB, &office.id, None));
    let attempt = Attempt::new(&office.id, &code);
    let trust: TrustBundle = attempt.send(&hub).await.json(200);
    assert_eq!((trust.hub.as_str(), trust.operator), (HUB, Some(*hub.operator.public())));
    assert_eq!(trust, hub.get("/v1/trust").await.json(200));
    let joined = office.with_key(attempt.key);
    assert_eq!(hub.lease_answer(&joined, 1, 0).await.status, 200);
}

#[tokio::test]
async fn an_answer_that_was_lost_can_be_asked_for_again() {
    let hub = TestHub::new().await;
    let office = &hub.world.office.id;
    let code = hub.invite(office, 60).await;
    let attempt = Attempt::new(office, &code);
    attempt.send(&hub).await.json::<TrustBundle>(200);
    let invitation: InvitationBody = hub.get(&format!("/v1/invitations/{}", code.id().unwrap())).await.json(200);
    assert_eq!(invitation.used_by, Some(attempt.key.id()));
}

#[tokio::test]
async fn a_reused_code_lets_no_second_key_in() {
    let hub = TestHub::new().await;
    let office = &hub.world.office.id;
    let code = hub.invite(office, 60).await;
    Attempt::new(office, &code).send(&hub).await.json::<TrustBundle>(200);
    let size = hub.size();
    Attempt::new(office, &code).send(&hub).await.problem(ProblemCode::InvitationInvalid);
    assert_eq!(hub.size(), size);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_concurrent_joins_with_one_code_one_succeeds() {
    let hub = TestHub::new().await;
    let office = &hub.world.office.id;
    let code = hub.invite(office, 60).await;
    let keys = hub.app.registry.state().keys_of(office).len();
    let attempts: Vec<_> = (0..8).map(|_| Attempt::new(office, &code)).collect();
    let answers = futures_util::future::join_all(attempts.iter().map(|attempt| attempt.send(&hub))).await;
    let (joined, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(joined.len(), 1);
    refused.into_iter().for_each(|answer| drop(answer.problem(ProblemCode::InvitationInvalid)));
    assert_eq!(hub.app.registry.state().keys_of(office).len(), keys + 1);
}

#[tokio::test]
async fn an_expired_code_lets_nobody_in() {
    let hub = TestHub::new().await;
    let office = &hub.world.office.id;
    let code = hub.invite(office, 60).await;
    hub.clock.advance(60);
    hub.get(&format!("/v1/invitations/{}", code.id().unwrap())).await.problem(ProblemCode::InvitationInvalid);
    Attempt::new(office, &code).send(&hub).await.problem(ProblemCode::InvitationInvalid);
}

#[tokio::test]
async fn a_revoked_invitation_lets_nobody_in() {
    let hub = TestHub::new().await;
    let office = &hub.world.office.id;
    let code = hub.invite(office, 60).await;
    hub.apply([Change::Revoked(EntryId::Invitation(code.id().unwrap()))]).await;
    Attempt::new(office, &code).send(&hub).await.problem(ProblemCode::InvitationInvalid);
}

#[tokio::test]
async fn a_guessed_code_a_code_for_another_system_and_a_signature_made_for_something_else_let_nobody_in() {
    let hub = TestHub::new().await;
    let (office, portal) = (&hub.world.office.id, &hub.world.portal.id);
    let code = hub.invite(office, 60).await;
    let size = hub.size();
    let guessed = InvitationCode::generate().unwrap();
    let other_key = SigningKey::generate().unwrap().0.id();
    let (here, elsewhere): (HubId, HubId) = (HUB.parse().unwrap(), "test.hub.local".parse().unwrap());
    let signed = |invitation| Attempt { invitation: Some(invitation), ..Attempt::new(office, &code) };
    for (what, attempt) in [
        ("guessed", Attempt::new(office, &guessed)),
        ("for another system", Attempt::new(portal, &code)),
        ("signed for another key", signed(code.sign(&here, office, other_key).unwrap())),
        ("signed for another system", {
            let attempt = Attempt::new(office, &code);
            let invitation = Some(code.sign(&here, portal, attempt.key.id()).unwrap());
            Attempt { invitation, ..attempt }
        }),
        ("signed for another hub", {
            let attempt = Attempt::new(office, &code);
            let invitation = Some(code.sign(&elsewhere, office, attempt.key.id()).unwrap());
            Attempt { invitation, ..attempt }
        }),
        ("without a code", Attempt { invitation: None, ..Attempt::new(office, &code) }),
    ] {
        let answer = attempt.send(&hub).await;
        assert_eq!(answer.status, 403, "{what}: {}", answer.text());
        answer.problem(ProblemCode::InvitationInvalid);
    }
    let elsewhere = Attempt { hub: elsewhere, ..Attempt::new(office, &code) };
    elsewhere.send(&hub).await.problem(ProblemCode::RegistryEntryInvalid);
    assert_eq!(hub.size(), size, "something was logged");
    // The code itself is as good as before.
    Attempt::new(office, &code).send(&hub).await.json::<TrustBundle>(200);
}

#[tokio::test]
async fn a_key_that_is_registered_already_cannot_join_again_as_another_system() {
    let hub = TestHub::new().await;
    let archive = &hub.world.archive.id;
    let code = hub.invite(archive, 60).await;
    let pem = SigningKey::generate().unwrap().1;
    let key = || SigningKey::from_pem(&pem).unwrap();
    let office = hub.invite(&hub.world.office.id, 60).await;
    Attempt::with_key(&hub.world.office.id, &office, key()).send(&hub).await.json::<TrustBundle>(200);
    let problem = Attempt::with_key(archive, &code, key()).send(&hub).await.problem(ProblemCode::RegistryEntryInvalid);
    assert!(problem.detail.unwrap().contains("registered already"));
}

#[tokio::test]
async fn a_code_makes_nothing_but_one_key_of_its_system() {
    let hub = TestHub::new().await;
    let office = &hub.world.office;
    let code = hub.invite(&office.id, 60).await;
    let key = SigningKey::generate().unwrap().0;
    let signature = code.sign(&HUB.parse().unwrap(), &office.id, key.id()).unwrap();
    let foreign =
        SystemKey { system: hub.world.portal.id.clone(), jwk: *key.public(), not_before: None, not_after: None };
    for change in [Change::Added(Entry::Key(foreign)), Change::Revoked(EntryId::System(hub.world.portal.id.clone()))] {
        let claims = RegistryClaims {
            iss: office.id.to_string(),
            aud: HUB.parse().unwrap(),
            iat: crate::harness::NOW,
            jti: MessageId::new(),
            change,
            invitation: Some(signature),
        };
        let entry = Signed::sign(claims, &key).unwrap().as_str().to_owned();
        let answer = hub.call_with("", "POST", "/v1/join", &json!({ "entry": entry })).await;
        answer.problem(ProblemCode::InvitationInvalid);
    }
}

#[tokio::test]
async fn an_operators_entry_cannot_be_slipped_in_through_the_door_for_those_who_join() {
    let hub = TestHub::new().await;
    let change = Change::Revoked(EntryId::System(hub.world.portal.id.clone()));
    let entry = sign_entry_as(HUB, change, &hub.operator);
    let answer = hub.call_with("", "POST", "/v1/join", &json!({ "entry": entry })).await;
    answer.problem(ProblemCode::InvitationInvalid);
}
