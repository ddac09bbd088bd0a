//! The registry: a fold over the log, changed by signed entries alone, at once and whole.

use std::collections::BTreeSet;

use saphan_hub::registry::{Registry, RegistryFile, changes_for};
use saphan_schemas::catalogue::Catalogue;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::ServiceId;
use saphan_schemas::keys::{JwkSet, PublicKey, SigningKey};
use saphan_schemas::leaf::{Leaf, ShardEvent};
use saphan_schemas::log::NoteSigner;
use saphan_schemas::problem::ProblemCode;
use saphan_schemas::registry::{
    Agreement, AgreementGap, AgreementSignature, Change, Entry, EntryId, Member, MessageFacts, Place, RegistryState,
    Root, Schema, System, TransportKind, UnverifiedRegistryEntry, just_a_system,
};
use serde_json::Value;

use crate::harness::{HUB, LEGAL_BASIS, LogCopy, NOW, Party, SERVICE, TestHub, eventually, sign_entry_as};

#[tokio::test]
async fn a_change_takes_effect_before_it_is_answered() {
    let hub = TestHub::new().await;
    let revoked = EntryId::System(hub.world.office.id.clone());
    let message = hub.world.message();
    hub.apply([Change::Revoked(revoked)]).await;
    hub.submit(&message).await.problem(ProblemCode::RecipientUnknown);
    hub.apply([Change::Added(Entry::System(System {
        id: hub.world.office.id.clone(),
        transport: TransportKind::Pull,
        roles: just_a_system(),
    }))])
    .await;
    // The agreements went with the system.
    hub.submit(&message).await.problem(ProblemCode::AgreementMissing);
    let agreement = hub.world.changes().into_iter().find(
        |change| matches!(change, Change::Added(Entry::Agreement(agreement)) if agreement.id.as_str() == "to-office"),
    );
    // So did its key: the office signs with its new one.
    let office = hub.world.office.another_key();
    hub.apply(agreement.into_iter().chain([Change::Added(Entry::Key(office.key_entry()))])).await;
    let problem = hub.submit(&message).await.problem(ProblemCode::AgreementMissing);
    assert_eq!(problem.detail.as_deref(), Some("th.dlt has not signed the agreement that would cover it"));
    let terms = hub.app.registry.state().agreement(&"to-office".parse().unwrap()).unwrap().terms;
    let signature = AgreementSignature { agreement: "to-office".parse().unwrap(), terms };
    let entry = sign_entry_as(office.id.as_str(), Change::Signed(signature), &office.key);
    hub.send_registry(&[entry]).await.json::<Value>(200);
    hub.submit(&message).await.accepted();
}

#[tokio::test]
async fn a_system_that_was_revoked_alone_or_with_its_member_can_neither_send_nor_receive() {
    for alone in [true, false] {
        let hub = TestHub::new().await;
        let portal = &hub.world.portal;
        let revoked = if alone { EntryId::System(portal.id.clone()) } else { EntryId::Member(portal.id.member()) };
        hub.lease_answer(portal, 1, 0).await.json::<Value>(200);
        hub.apply([Change::Revoked(revoked)]).await;
        hub.submit(&hub.world.message()).await.problem(ProblemCode::KeyRevoked);
        hub.lease_answer(portal, 1, 0).await.problem(ProblemCode::KeyRevoked);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_whose_caller_goes_away_half_way_is_finished_all_the_same() {
    let hub = TestHub::new().await;
    let member = |number: usize| Member {
        id: format!("th.m{number}").parse().unwrap(),
        name_th: "หน่วยงาน".into(),
        name_en: "Member".into(),
    };
    let entries: Vec<_> = (0..MANY).map(|number| Change::Added(Entry::Member(member(number)))).collect();
    let before = hub.size();
    // Given up while the first of them is written.
    hub.store.block();
    tokio::select! {
        answer = hub.change_registry(entries) => panic!("answered too early to be given up: {}", answer.status),
        () = hub.store.until_blocked() => {}
    }
    hub.store.release();
    eventually(async || hub.app.registry.state().member(&member(MANY - 1).id).is_some()).await;
    assert_eq!(hub.size(), before + MANY as u64);
    hub.submit(&hub.world.message()).await.accepted();
}

#[tokio::test]
async fn a_service_or_schema_that_ended_is_unknown_from_then_on() {
    let hub = TestHub::new().await;
    hub.apply([Change::Revoked(EntryId::Service(SERVICE.parse().unwrap()))]).await;
    hub.submit(&hub.world.message()).await.problem(ProblemCode::ServiceUnknown);
    hub.apply([Change::Revoked(EntryId::Schema("application.withdrawn@1".parse().unwrap()))]).await;
    hub.submit(&hub.world.message()).await.problem(ProblemCode::TypeUnknown);
}

#[tokio::test]
async fn the_registry_that_a_stranger_folds_from_the_log_is_the_live_one() {
    let hub = TestHub::new().await;
    hub.apply([Change::Revoked(EntryId::Key(hub.world.archive.key.id()))]).await;
    hub.submit(&hub.world.message()).await.accepted();
    let log = LogCopy::fetch(&hub).await;
    // The first leaf says who the operator is.
    let Leaf::Shard { event: ShardEvent::Opened { hub: id, operator, receipts, log: vkey, .. }, .. } = &log.leaves[0]
    else {
        panic!()
    };
    let root = Root { hub: id.clone(), operator: **operator, receipts: **receipts, log: (**vkey).clone() };
    let mut state = RegistryState::new(root.clone());
    for (index, leaf) in (0..).zip(&log.leaves) {
        if let Leaf::Registry { entry, ts } = leaf {
            state.take(UnverifiedRegistryEntry::parse(entry).unwrap(), index, ts / 1000).unwrap();
        }
    }
    assert_eq!(state, *hub.app.registry.state());
    let read_again = Registry::new(root, std::sync::Arc::new(Catalogue::embedded().unwrap()));
    read_again.catch_up(&*hub.store).await.unwrap();
    assert_eq!(*read_again.state(), state);
}

#[tokio::test]
async fn of_entries_of_which_one_is_refused_none_is_applied() {
    let hub = TestHub::new().await;
    let (size, before) = (hub.size(), hub.app.registry.state());
    let changes = [
        Change::Revoked(EntryId::Agreement("to-office".parse().unwrap())),
        Change::Revoked(EntryId::Agreement("no-such-agreement".parse().unwrap())),
    ];
    let problem = hub.change_registry(changes).await.problem(ProblemCode::RegistryEntryInvalid);
    assert_eq!(problem.detail.as_deref(), Some("entry 1: no-such-agreement does not exist"));
    assert_eq!((hub.size(), &*hub.app.registry.state()), (size, &*before));
    hub.submit(&hub.world.message()).await.accepted();
}

#[tokio::test]
async fn an_entry_that_the_registry_refuses_is_named_with_its_reason() {
    let hub = TestHub::new().await;
    let world = &hub.world;
    let nobody: Party = world.portal.another_key();
    let member = |id: &str| Member { id: id.parse().unwrap(), name_th: "ก".into(), name_en: "A".into() };
    let agreement = Agreement {
        id: "new".parse().unwrap(),
        sender: "th.dopa/nobody".parse().unwrap(),
        receiver: world.office.id.clone(),
        types: Default::default(),
        services: Default::default(),
        purposes: Default::default(),
        legal_basis: LEGAL_BASIS.parse().unwrap(),
        consent: false,
        retention_days: None,
        not_before: None,
        not_after: None,
    };
    let kid = world.portal.key.id();
    for (change, reason) in [
        (
            Change::Added(Entry::Member(member("th.dga"))),
            "th.dga exists already; change it instead of adding it".into(),
        ),
        (Change::Changed(Entry::Member(member("th.new"))), "th.new does not exist".into()),
        (Change::Added(Entry::Agreement(agreement)), "th.dopa/nobody does not exist".into()),
        (
            Change::Added(Entry::Key(world.portal.key_entry())),
            format!("the key {kid} is registered already, or was; make a new one"),
        ),
        (Change::Changed(Entry::Key(nobody.key_entry())), "a key cannot be changed; revoke it and add another".into()),
        (Change::Revoked(EntryId::Key(nobody.key.id())), format!("{} does not exist", nobody.key.id())),
    ] {
        let problem = hub.change_registry([change]).await.problem(ProblemCode::RegistryEntryInvalid);
        assert_eq!(problem.detail, Some(format!("entry 0: {reason}")));
    }
}

#[tokio::test]
async fn an_agreement_that_would_mean_nothing_is_refused_with_what_is_wrong() {
    let hub = TestHub::new().await;
    let size = hub.size();
    let state = hub.app.registry.state();
    let good = Agreement {
        id: "new".parse().unwrap(),
        ..state.agreement(&"to-office".parse().unwrap()).unwrap().agreement.clone()
    };
    let nothing = "agreement new would mean nothing: ";
    for (agreement, flaw) in [
        (Agreement { types: BTreeSet::new(), ..good.clone() }, "it names no message type"),
        (Agreement { receiver: good.sender.clone(), ..good.clone() }, "its sender is its receiver"),
        (
            Agreement { not_before: Some(NOW), not_after: Some(NOW), ..good.clone() },
            "its not_before is not before its not_after",
        ),
        (
            Agreement { types: BTreeSet::from(["application.gossip".parse().unwrap()]), ..good.clone() },
            "no schema of the message type application.gossip is registered; publish one first, or correct the name",
        ),
        (
            Agreement { services: BTreeSet::from(["th.dlt.unheard-of".parse().unwrap()]), ..good.clone() },
            "the service th.dlt.unheard-of is not registered; register it first, or correct the name",
        ),
    ] {
        let reason = format!("{nothing}{flaw}");
        // What is not registered can be later, so a log may hold it; it is the hub that does not take it.
        let folded =
            state.as_ref().clone().apply(&Change::Added(Entry::Agreement(agreement.clone())), Place::trial(&state));
        assert_eq!(folded.is_err(), !flaw.contains("registered"), "{flaw}");
        let file = RegistryFile { agreement: vec![agreement.clone()], ..RegistryFile::default() };
        assert_eq!(changes_for(&state, file, []).unwrap_err().to_string(), reason);
        let old = Agreement { id: "to-office".parse().unwrap(), ..agreement.clone() };
        let reasons = [reason.clone(), reason.replace("agreement new", "agreement to-office")];
        let changes = [Change::Added(Entry::Agreement(agreement)), Change::Changed(Entry::Agreement(old))];
        for (change, reason) in changes.into_iter().zip(reasons) {
            let problem = hub.change_registry([change]).await.problem(ProblemCode::RegistryEntryInvalid);
            assert_eq!(problem.detail, Some(format!("entry 0: {reason}")));
        }
    }
    assert_eq!(hub.size(), size);
    let valid = Agreement { not_before: Some(NOW), not_after: Some(NOW + 1), ..good };
    hub.apply([Change::Added(Entry::Agreement(valid))]).await;
}

#[tokio::test]
async fn a_key_of_one_system_can_never_become_another_systems() {
    let hub = TestHub::new().await;
    let mut stolen = hub.world.portal.key_entry();
    stolen.system = hub.world.office.id.clone();
    hub.apply([Change::Revoked(EntryId::Key(hub.world.portal.key.id()))]).await;
    hub.change_registry([Change::Added(Entry::Key(stolen))]).await.problem(ProblemCode::RegistryEntryInvalid);
}

#[tokio::test]
async fn published_keys_show_their_validity_and_stay_after_their_end() {
    let hub = TestHub::new().await;
    let limited = hub.world.portal.another_key();
    let mut entry = limited.key_entry();
    (entry.not_before, entry.not_after) = (Some(NOW - 10), Some(NOW + 10));
    hub.apply([Change::Added(Entry::Key(entry))]).await;
    hub.clock.advance(5);
    hub.apply([Change::Revoked(EntryId::Key(hub.world.portal.key.id()))]).await;
    let set: JwkSet = hub.get("/v1/systems/th.dga/portal/keys").await.json(200);
    assert_eq!((set.issuer.as_str(), set.keys.len()), ("th.dga/portal", 2));
    let find = |id| set.keys.iter().find(|key| key.kid == id).unwrap();
    let (first, second) = (find(hub.world.portal.key.id()), find(limited.key.id()));
    assert_eq!((first.nbf, first.exp, first.revoked), (None, None, Some(NOW + 5)));
    assert_eq!((second.nbf, second.exp, second.revoked), (Some(NOW - 10), Some(NOW + 10), None));
    let hub_set: JwkSet = hub.get("/v1/keys").await.json(200);
    assert_eq!((hub_set.issuer.as_str(), hub_set.keys[0].kid), (HUB, receipt_key(&hub).id()));
}

#[tokio::test]
async fn the_exact_text_of_every_schema_is_served() {
    let hub = TestHub::new().await;
    for schema in hub.app.registry.catalogue().schemas() {
        let answer = hub.get(&format!("/v1/schemas/{}", schema.id)).await;
        assert_eq!(answer.header("content-type"), Some("application/schema+json"));
        assert_eq!(Sha256Hash::of(&answer.body), schema.sha256, "{}", schema.id);
    }
}

#[test]
fn a_registry_file_leads_to_the_changes_it_needs_and_applied_twice_to_none() {
    let (file, state) = (RegistryFile::parse(FILE).unwrap(), with_a_schema());
    let first = changes_for(&state, file.clone(), []).unwrap();
    assert_eq!(first.len(), 2 + 2 + 1 + 1 + 1);
    let state = fold(state, &first);
    assert_eq!(changes_for(&state, file.clone(), []).unwrap(), []);
    let mut changed = file;
    changed.system[1].transport = TransportKind::Amqp;
    changed.agreement[0].not_after = Some(NOW);
    let second = changes_for(&state, changed, []).unwrap();
    assert!(second.iter().all(|change| matches!(change, Change::Changed(_))) && second.len() == 2, "{second:?}");
}

#[test]
fn what_a_registry_file_leaves_out_stays_and_what_it_revokes_ends_once() {
    let file = RegistryFile::parse(FILE).unwrap();
    let state = with_a_schema();
    let changes = changes_for(&state, file, []).unwrap();
    let state = fold(state, &changes);
    let nothing = RegistryFile::parse("").unwrap();
    assert_eq!(changes_for(&state, nothing, []).unwrap(), []);
    let revoking = RegistryFile::parse(&format!(
        "[revoke]\nagreements = [\"renewals\"]\nservices = [\"{SERVICE}\"]\nkeys = [\"{KID}\"]\n\
         systems = [\"th.dga/portal\"]\nmembers = [\"th.dga\"]"
    ))
    .unwrap();
    let ended = changes_for(&state, revoking.clone(), []).unwrap();
    assert_eq!(ended.len(), 5);
    let state = fold(state, &ended);
    assert_eq!(changes_for(&state, revoking, []).unwrap(), []);
    let kid = KID.parse().unwrap();
    assert!(state.key(kid).is_some_and(|record| record.revoked.is_some()), "the key stays, as revoked");
    // The file from before does not bring a revoked key back.
    let again = fold(state.clone(), &changes_for(&state, RegistryFile::parse(FILE).unwrap(), []).unwrap());
    assert!(again.key(kid).is_some_and(|record| record.revoked.is_some()));
}

#[test]
fn a_registry_file_with_a_mistake_says_which_entry_or_line() {
    let cases = [
        ("[[member]]\nid = \"TH\"\nname_th = \"ก\"\nname_en = \"A\"", "not a member id"),
        ("[[member]]\nid = \"th\"\nname_th = \"ก\"", "name_en"),
        ("[[memberr]]", "memberr"),
        ("[[system]]\nid = \"th.a/b\"\ntransport = \"pigeon\"", "pigeon"),
        // In milliseconds: what could not be signed is not planned.
        (&format!("{FILE}not_before = 1790000000000"), "before the year 9999"),
        (&format!("{FILE}not_after = 253370764800"), "before the year 9999"),
    ];
    for (text, expected) in cases {
        let error = RegistryFile::parse(text).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("line "), "{error}");
    }
    let last = RegistryFile::parse(&format!("{FILE}not_after = 253370764799")).unwrap();
    assert_eq!(last.agreement[0].not_after, Some(253_370_764_799));
    let orphan = RegistryFile::parse("[[system]]\nid = \"th.a/b\"\ntransport = \"pull\"").unwrap();
    let error = changes_for(&empty(), orphan, []).unwrap_err();
    assert_eq!(error.to_string(), "th.a does not exist");
    let unknown = RegistryFile::parse(&format!("[revoke]\nkeys = [\"{KID}\"]")).unwrap();
    let error = changes_for(&empty(), unknown, []).unwrap_err();
    assert_eq!(error.to_string(), format!("{KID} does not exist"));
}

#[test]
fn of_several_agreements_the_nearest_names_the_gap() {
    let hub_free = crate::harness::World::new();
    let mut state = empty();
    for change in hub_free.changes() {
        state.apply(&change, Place::trial(&state)).unwrap();
    }
    let mut claims = hub_free.withdrawal().claims;
    let gap = |claims: &_| state.allows(MessageFacts { claims, now: NOW }).unwrap_err();
    claims.purpose = None;
    assert_eq!(gap(&claims), AgreementGap::Purpose);
    claims.service = None::<ServiceId>;
    assert_eq!(gap(&claims), AgreementGap::Service);
}

fn fold(mut state: RegistryState, changes: &[Change]) -> RegistryState {
    for change in changes {
        state.apply(change, Place::trial(&state)).unwrap();
    }
    state
}

fn receipt_key(hub: &TestHub) -> PublicKey {
    *hub.app.registry.state().receipt_keys().standing().next().unwrap()
}

fn empty() -> RegistryState {
    let [operator, receipts] = [(); 2].map(|()| *SigningKey::generate().unwrap().0.public());
    let log = NoteSigner::from_pkcs8("hub.local/log/main", &NoteSigner::generate_pkcs8().unwrap()).unwrap();
    RegistryState::new(Root { hub: HUB.parse().unwrap(), operator, receipts, log: log.verifier_key().clone() })
}

/// With a schema of the message type that the file's agreement names.
fn with_a_schema() -> RegistryState {
    let schema = Schema::first("application.submitted@1".parse().unwrap(), Sha256Hash::of(b"a text"));
    fold(empty(), &[Change::Added(Entry::Schema(schema))])
}

/// The thumbprint of the key in the file, which is that of RFC 7515 appendix A.3.
const KID: &str = "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U";
const FILE: &str = r#"
[[member]]
id = "th.dga"
name_th = "สำนักงานพัฒนารัฐบาลดิจิทัล"
name_en = "Digital Government Development Agency"

[[member]]
id = "th.dlt"
name_th = "กรมการขนส่งทางบก"
name_en = "Department of Land Transport"

[[system]]
id = "th.dga/portal"
transport = "pull"
keys = [{ kty = "EC", crv = "P-256", x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" }]

[[system]]
id = "th.dlt/licensing"
transport = "pull"

[[service]]
id = "th.dlt.driving-licence-renewal"
authority = "th.dlt"

[[agreement]]
id = "renewals"
sender = "th.dga/portal"
receiver = "th.dlt/licensing"
types = ["application.submitted"]
services = ["th.dlt.driving-licence-renewal"]
purposes = ["licence-renewal"]
legal_basis = "Vehicle Act BE 2522 s.46"
"#;

const MANY: usize = 200;
