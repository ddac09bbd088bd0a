//! Who may change what in the registry: the operator everything, a system its own keys and its own signatures, others nothing.

use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::{Code, MessageId};
use saphan_schemas::joining::AgreementBody;
use saphan_schemas::jws::Signed;
use saphan_schemas::problem::ProblemCode;
use saphan_schemas::registry::{
    Agreement, AgreementSignature, Change, Entry, EntryId, RegistryClaims, Role, System, SystemKey, TransportKind,
};
use serde_json::{Value, json};

use crate::harness::{Answer, HUB, LogCopy, NOW, Party, TestHub, sign_entry, sign_entry_as, sign_token};

/// A change that a system makes, with its own token and its own signature.
async fn change(hub: &TestHub, party: &Party, change: Change) -> Answer {
    let entry = sign_entry_as(party.id.as_str(), change, &party.key);
    hub.call(party, "POST", "/v1/registry", &json!({ "entries": [entry] })).await
}

fn refused(answer: &Answer, words: &str) {
    let problem = answer.problem(ProblemCode::RegistryEntryInvalid);
    let detail = problem.detail.unwrap();
    assert!(detail.contains(words), "{detail}");
}

fn to_office() -> Code {
    "to-office".parse().unwrap()
}

fn terms(hub: &TestHub) -> Sha256Hash {
    hub.app.registry.state().agreement(&to_office()).unwrap().terms
}

#[tokio::test]
async fn a_system_adds_a_key_signs_with_both_and_revokes_the_old_one() {
    let hub = TestHub::new().await;
    let portal = &hub.world.portal;
    let next = portal.another_key();
    change(&hub, portal, Change::Added(Entry::Key(next.key_entry()))).await.json::<Value>(200);
    let by_old = hub.world.withdrawal().sign(&portal.key);
    hub.submit(&by_old).await.accepted();
    hub.submit(&hub.world.withdrawal().sign(&next.key)).await.accepted();
    change(&hub, &next, Change::Revoked(EntryId::Key(portal.key.id()))).await.json::<Value>(200);
    hub.submit(&hub.world.withdrawal().sign(&portal.key)).await.problem(ProblemCode::KeyRevoked);
    hub.submit(&hub.world.withdrawal().sign(&next.key)).await.accepted();
    // What stood before the revocation stands.
    hub.submit(&by_old).await.json::<Value>(200);
}

#[tokio::test]
async fn a_system_has_at_most_sixteen_keys_that_stand_unless_the_operator_adds_more() {
    let hub = TestHub::new().await;
    let portal = &hub.world.portal;
    let added = || Change::Added(Entry::Key(portal.another_key().key_entry()));
    for _ in 1..16 {
        change(&hub, portal, added()).await.json::<Value>(200);
    }
    refused(&change(&hub, portal, added()).await, "has 16 keys that stand");
    let (more, one) = (portal.another_key(), portal.another_key());
    hub.apply([Change::Added(Entry::Key(more.key_entry())), Change::Added(Entry::Key(one.key_entry()))]).await;
    for key in [&more, &one] {
        refused(&change(&hub, portal, added()).await, "keys that stand");
        change(&hub, portal, Change::Revoked(EntryId::Key(key.key.id()))).await.json::<Value>(200);
    }
    change(&hub, portal, Change::Revoked(EntryId::Key(portal.key.id()))).await.json::<Value>(200);
    assert_eq!(hub.app.registry.state().keys_of(&portal.id).len(), 18, "none is forgotten");
}

#[tokio::test]
async fn a_system_changes_nothing_of_another_and_gives_itself_no_role() {
    let hub = TestHub::new().await;
    let (portal, office) = (&hub.world.portal, &hub.world.office);
    let operator =
        System { id: portal.id.clone(), transport: TransportKind::Pull, roles: [Role::System, Role::Operator].into() };
    let size = hub.size();
    for attempt in [
        Change::Revoked(EntryId::Key(office.key.id())),
        Change::Added(Entry::Key(office.another_key().key_entry())),
        Change::Revoked(EntryId::System(office.id.clone())),
        Change::Revoked(EntryId::System(portal.id.clone())),
        Change::Revoked(EntryId::Agreement(to_office())),
        Change::Changed(Entry::System(operator)),
    ] {
        refused(&change(&hub, portal, attempt).await, "needs an operator");
    }
    assert_eq!(hub.size(), size);
}

#[tokio::test]
async fn an_expired_a_revoked_and_a_not_yet_valid_key_change_nothing() {
    let hub = TestHub::new().await;
    let [revoked, early, late] = [(); 3].map(|()| hub.world.portal.another_key());
    hub.apply([
        Change::Added(Entry::Key(revoked.key_entry())),
        Change::Revoked(EntryId::Key(revoked.key.id())),
        Change::Added(Entry::Key(SystemKey { not_before: Some(NOW + 1), ..early.key_entry() })),
        Change::Added(Entry::Key(SystemKey { not_after: Some(NOW), ..late.key_entry() })),
    ])
    .await;
    for (party, words) in [(revoked, "was revoked"), (early, "is not valid yet"), (late, "has expired")] {
        let new = Change::Added(Entry::Key(hub.world.portal.another_key().key_entry()));
        let entry = sign_entry_as(party.id.as_str(), new, &party.key);
        refused(&hub.send_registry(&[entry]).await, words);
    }
}

#[tokio::test]
async fn a_key_whose_validity_ends_before_it_begins_is_not_registered() {
    let hub = TestHub::new().await;
    let portal = &hub.world.portal;
    let size = hub.size();
    let key = portal.another_key().key_entry();
    for (start, end) in [(NOW + 2, NOW + 1), (NOW + 1, NOW + 1)] {
        let never = SystemKey { not_before: Some(start), not_after: Some(end), ..key.clone() };
        refused(&change(&hub, portal, Change::Added(Entry::Key(never))).await, "would never be valid");
    }
    assert_eq!(hub.size(), size);
    let short = SystemKey { not_before: Some(NOW + 1), not_after: Some(NOW + 2), ..key };
    change(&hub, portal, Change::Added(Entry::Key(short))).await.json::<Value>(200);
}

#[tokio::test]
async fn a_system_with_the_role_of_an_operator_changes_the_registry_until_it_loses_the_role() {
    let hub = TestHub::new().await;
    let office = &hub.world.office;
    let with = |roles: &[Role]| {
        let roles = roles.iter().copied().collect();
        Change::Changed(Entry::System(System { id: office.id.clone(), transport: TransportKind::Pull, roles }))
    };
    hub.apply([with(&[Role::System, Role::Operator])]).await;
    let revocation = || Change::Revoked(EntryId::Agreement(to_office()));
    change(&hub, office, revocation()).await.json::<Value>(200);
    hub.submit(&hub.world.message()).await.problem(ProblemCode::AgreementMissing);
    change(&hub, office, with(&[Role::System])).await.json::<Value>(200);
    refused(&change(&hub, office, revocation()).await, "needs an operator");
}

#[tokio::test]
async fn an_entry_that_stood_in_the_log_is_never_applied_again() {
    let hub = TestHub::new().await;
    let log = LogCopy::fetch(&hub).await;
    let old = log.registry_entries();
    hub.apply([Change::Revoked(EntryId::Agreement(to_office()))]).await;
    let size = hub.size();
    for entry in old {
        refused(&hub.send_registry(&[entry]).await, "stands in the log already");
    }
    assert_eq!(hub.size(), size);
    hub.submit(&hub.world.message()).await.problem(ProblemCode::AgreementMissing);
}

#[tokio::test]
async fn an_entry_for_another_hub_or_with_a_changed_signature_is_refused() {
    let hub = TestHub::new().await;
    let claims = RegistryClaims {
        iss: HUB.into(),
        aud: "test.hub.local".parse().unwrap(),
        iat: NOW,
        jti: MessageId::new(),
        change: Change::Revoked(EntryId::Agreement(to_office())),
        invitation: None,
    };
    let elsewhere = Signed::sign(claims, &hub.operator).unwrap().as_str().to_owned();
    refused(&hub.send_registry(&[elsewhere]).await, "for another hub");
    let [one, two] = ["to-office", "to-archive"]
        .map(|id| sign_entry(Change::Revoked(EntryId::Agreement(id.parse().unwrap())), &hub.operator));
    let forged = format!("{}.{}", one.rsplit_once('.').unwrap().0, two.rsplit_once('.').unwrap().1);
    refused(&hub.send_registry(&[forged]).await, "signature does not hold");
}

#[tokio::test]
async fn an_agreement_is_in_force_once_both_members_have_signed_its_terms() {
    let hub = TestHub::new().await;
    let (portal, office) = (&hub.world.portal, &hub.world.office);
    let old_terms = terms(&hub);
    let changed = hub.app.registry.state().agreement(&to_office()).unwrap().agreement.clone();
    let changed = Agreement { not_after: Some(NOW + 1000), ..changed };
    let entries = [sign_entry(Change::Changed(Entry::Agreement(changed)), &hub.operator)];
    hub.send_registry(&entries).await.json::<Value>(200);
    let gap = async || hub.submit(&hub.world.message()).await.problem(ProblemCode::AgreementMissing).detail.unwrap();
    assert_eq!(gap().await, "th.dga has not signed the agreement that would cover it");

    let listed: Vec<AgreementBody> = hub.call(portal, "GET", "/v1/agreements", &Value::Null).await.json(200);
    let listed = listed.into_iter().find(|body| body.entry == entries[0]).unwrap();
    assert_eq!(listed.terms, Sha256Hash::of(entries[0].as_bytes()));
    assert_eq!(listed.unsigned.len(), 2);

    let sign = |terms| Change::Signed(AgreementSignature { agreement: to_office(), terms });
    refused(&change(&hub, portal, sign(old_terms)).await, "are others than those that were signed");
    refused(&change(&hub, &hub.world.archive, sign(listed.terms)).await, "is not a party");
    refused(&hub.change_registry([sign(listed.terms)]).await, "is not a party");
    change(&hub, portal, sign(listed.terms)).await.json::<Value>(200);
    refused(&change(&hub, portal, sign(listed.terms)).await, "has signed agreement to-office already");
    assert_eq!(gap().await, "th.dlt has not signed the agreement that would cover it");
    change(&hub, office, sign(listed.terms)).await.json::<Value>(200);
    hub.submit(&hub.world.message()).await.accepted();
}

#[tokio::test]
async fn an_agreement_that_asks_for_consent_allows_no_message_without_one() {
    let hub = TestHub::new().await;
    let agreement = hub.app.registry.state().agreement(&to_office()).unwrap().agreement.clone();
    hub.apply([Change::Changed(Entry::Agreement(Agreement { consent: true, ..agreement }))]).await;
    let problem = hub.submit(&hub.world.message()).await.problem(ProblemCode::AgreementMissing);
    assert!(problem.detail.unwrap().contains("consent"));
    let cited = hub.world.withdrawal().change(|claims| claims.consent = Some(MessageId::new()));
    hub.submit(&cited.sign(&hub.world.portal.key)).await.accepted();
}

#[tokio::test]
async fn a_system_sees_its_own_agreements_only() {
    let hub = TestHub::new().await;
    let listed: Vec<AgreementBody> =
        hub.call(&hub.world.archive, "GET", "/v1/agreements", &Value::Null).await.json(200);
    assert_eq!(listed.len(), 2, "to-archive and to-archive.unlisted");
    assert!(listed.iter().all(|body| body.unsigned.is_empty() && body.signatures.len() == 2));
}

#[tokio::test]
async fn the_registry_is_shown_to_operators_and_auditors_and_says_what_stands() {
    let hub = TestHub::new().await;
    let (portal, office, archive) = (&hub.world.portal, &hub.world.office, &hub.world.archive);
    hub.call(portal, "GET", "/v1/registry", &Value::Null).await.problem(ProblemCode::Forbidden);
    let with = |party: &Party, role| {
        let system = System { id: party.id.clone(), transport: TransportKind::Pull, roles: [role].into() };
        Change::Changed(Entry::System(system))
    };
    hub.apply([with(office, Role::Operator), with(archive, Role::Auditor)]).await;
    hub.apply([Change::Revoked(EntryId::Key(portal.key.id()))]).await;
    let token = sign_token(hub.token(HUB, "GET", "/v1/registry"), &hub.operator);
    let to_operator: Value =
        hub.call_with(&format!("Bearer {token}"), "GET", "/v1/registry", &Value::Null).await.json(200);
    for overseer in [office, archive] {
        let shown: Value = hub.call(overseer, "GET", "/v1/registry", &Value::Null).await.json(200);
        assert_eq!(shown, to_operator);
    }
    let find = |list: &str, id: &str| {
        let all = to_operator[list].as_array().unwrap();
        all.iter().find(|one| one["id"] == id).unwrap_or_else(|| panic!("no {id} in {all:?}")).clone()
    };
    let shown = find("systems", portal.id.as_str());
    assert_eq!((&shown["keys"][0]["id"], shown["keys"][0]["revoked"].is_u64()), (&json!(portal.key.id()), true));
    assert_eq!(find("systems", archive.id.as_str())["roles"], json!(["auditor"]));
    let agreement = find("agreements", "to-office");
    assert_eq!((&agreement["terms"], &agreement["unsigned"]), (&json!(terms(&hub)), &json!([])));
    assert_eq!(to_operator["hub_keys"]["operator"][0]["id"], json!(hub.operator.public().id()));
}
