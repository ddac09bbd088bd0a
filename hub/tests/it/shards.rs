//! One log after the other: what was accepted in the earlier one goes on in the next.

mod abandoned;
mod trouble;
mod watched;
mod witnessed;

use saphan_schemas::acknowledgement::AcknowledgementClaims;
use saphan_schemas::leaf::{Leaf, ShardEvent};
use saphan_schemas::log::{SignedCheckpoint, VerifierKey};
use saphan_schemas::problem::ProblemCode;
use saphan_schemas::receipt::{ReceiptClaims, UnverifiedReceipt};
use saphan_schemas::registry::{Change, EntryId};
use saphan_schemas::trust::{TrustBundle, TrustEntries};
use serde_json::json;

use crate::harness::{Evidence, HUB, LogCopy, Site, TestHub, batch, sign_batch};

const FIRST: &str = "hub.local/log/main";
const NEXT: &str = "hub.local/log/next";

fn receipt(evidence: &Evidence) -> ReceiptClaims {
    UnverifiedReceipt::parse(&evidence.receipt).unwrap().claims().clone()
}

/// What the office says of messages of one log.
fn said(hub: &TestHub, log: Option<&str>, outcomes: &[(u64, Option<&str>)]) -> String {
    let claims = batch(&hub.world.office, outcomes);
    sign_batch(AcknowledgementClaims { log: log.map(ToOwned::to_owned), ..claims }, &hub.world.office.key)
}

#[tokio::test]
async fn the_old_log_ends_with_the_name_of_the_next_which_begins_with_its_last_checkpoint() {
    let hub = TestHub::new().await;
    let key: VerifierKey = hub.get("/v1/log/vkey").await.text().trim_end().parse().unwrap();
    hub.accept(&hub.world.message()).await;
    let before = hub.size();
    let hub = hub.go_on_in("next").await;
    let old = LogCopy::fetch_at(&hub, "/v1/logs/main").await;
    let new = LogCopy::fetch(&hub).await;
    assert_eq!((old.size(), new.size()), (before + 2, 1), "the key of the next log, and the end");
    let Some(Leaf::Shard { event: ShardEvent::Closed { next }, .. }) = old.leaves.last() else { panic!("not closed") };
    assert_eq!(next, NEXT);
    let [Leaf::Shard { event: ShardEvent::Opened { origin, hub: name, log, previous, .. }, .. }] = &*new.leaves else {
        panic!("not opened: {:?}", new.leaves)
    };
    assert_eq!((origin.as_str(), name.as_str(), log.name()), (NEXT, HUB, NEXT));
    let previous = SignedCheckpoint::parse_and_verify(previous.as_ref().unwrap(), &key).unwrap().into_checkpoint();
    assert_eq!(previous, old.checkpoint);
    assert_eq!(hub.get("/v1/logs/next/checkpoint").await.text(), hub.get("/v1/log/checkpoint").await.text());
    for path in ["/v1/logs/other/checkpoint", "/v1/logs/main/tile/0/x001/000", "/v1/logs/main/tile/entries/001"] {
        assert_eq!(hub.get(path).await.status, 404, "{path}");
    }
    let hub = hub.stop().await.start().await;
    assert_eq!(hub.size(), 1, "a start writes nothing");
}

#[tokio::test]
async fn what_was_accepted_in_the_old_log_is_delivered_and_acknowledged_in_the_next() {
    let hub = TestHub::new().await;
    let (waiting, leased) = (hub.world.message(), hub.world.message());
    let leased_at = hub.accept(&leased).await;
    let lease = hub.lease(&hub.world.office, 1).await;
    let waiting_at = hub.accept(&waiting).await;
    let hub = hub.go_on_in("next").await;
    assert_eq!(hub.extend(&hub.world.office, lease.id()).await.status, 200, "a lease goes on");
    let new = hub.submit(&hub.world.message()).await.accepted();
    assert_eq!((receipt(&new).log.as_str(), receipt(&new).index), (NEXT, 1));
    let pulled = hub.lease(&hub.world.office, 10).await;
    let places: Vec<_> =
        pulled.messages.iter().map(|message| UnverifiedReceipt::parse(&message.receipt).unwrap()).collect();
    let places: Vec<_> = places.iter().map(|receipt| (&*receipt.claims().log, receipt.claims().index)).collect();
    assert_eq!(places, [(FIRST, waiting_at), (NEXT, 1)]);

    let recorded = hub.acknowledge(&hub.world.office, &said(&hub, Some(FIRST), &[(waiting_at, None)])).await;
    assert_eq!(recorded.json::<serde_json::Value>(201), json!({ "log": NEXT, "index": 2 }));
    let shown: serde_json::Value = hub.show(&hub.world.portal, &waiting).await.json(200);
    assert_eq!(
        (&shown["state"], &shown["log"], &shown["index"]),
        (&json!("processed"), &json!(FIRST), &json!(waiting_at))
    );
    let shown: serde_json::Value = hub.show(&hub.world.portal, &leased).await.json(200);
    assert_eq!((&shown["state"], &shown["index"]), (&json!("accepted"), &json!(leased_at)), "nobody spoke of it");
}

#[tokio::test]
async fn a_message_of_the_old_log_that_comes_again_gets_its_first_receipt() {
    let hub = TestHub::new().await;
    let message = hub.world.message();
    let evidence = hub.submit(&message).await.accepted();
    let hub = hub.go_on_in("next").await;
    assert_eq!(hub.submit(&message).await.json::<Evidence>(200), evidence);
    let other = hub.world.withdrawal().change(|claims| claims.jti = message.id()).sign(&hub.world.portal.key);
    hub.submit(&other).await.problem(ProblemCode::DuplicateId);
    LogCopy::fetch_at(&hub, "/v1/logs/main").await.agrees_with(&evidence.proof);
}

#[tokio::test]
async fn an_acknowledgement_is_never_taken_for_one_of_another_log() {
    let hub = TestHub::new().await;
    let old = hub.accept(&hub.world.message()).await;
    let hub = hub.go_on_in("next").await;
    while hub.size() <= old {
        hub.accept(&hub.world.message()).await;
    }
    let answer = |log, index| said(&hub, log, &[(index, None)]);
    let office = &hub.world.office;
    hub.acknowledge(office, &answer(None, old)).await.problem(ProblemCode::AcknowledgementMalformed);
    for (log, index) in [
        ("hub.local/log/other", old),
        ("other/log/main", old),
        (FIRST, old + 1),
        (FIRST, old + 3),
        (FIRST, (1 << 63) - 1),
        (NEXT, 900),
    ] {
        let refused = hub.acknowledge(office, &answer(Some(log), index)).await;
        refused.problem(ProblemCode::AcknowledgementUnknownMessage);
    }
    assert_eq!(hub.acknowledge(office, &answer(Some(NEXT), old)).await.status, 201);
    assert_eq!(hub.acknowledge(office, &answer(Some(FIRST), old)).await.status, 201, "the other one of this number");
    let conflict = hub.acknowledge(office, &said(&hub, Some(FIRST), &[(old, Some("not-ours"))])).await;
    let problem = conflict.problem(ProblemCode::AcknowledgementConflict);
    assert_eq!(problem.detail.unwrap(), format!("place {old}"));
}

#[tokio::test]
async fn the_registry_goes_on_and_the_operator_vouches_for_the_key_of_the_next_log() {
    let hub = TestHub::new().await;
    let site = hub.stop().await;
    let hub = site.start().await;
    let before: TrustBundle = hub.get("/v1/trust").await.json(200);
    assert!(before.logs.is_empty());
    let hub = hub.go_on_in("next").await;
    hub.accept(&hub.world.message()).await;
    hub.apply([Change::Revoked(EntryId::Agreement("to-office".parse().unwrap()))]).await;
    let refused = hub.submit(&hub.world.message()).await.problem(ProblemCode::AgreementMissing);
    assert_eq!(refused.index, Some(hub.size() - 1), "the place of a refusal is its index in this log");
    let entries: TrustEntries = hub.get("/v1/trust/entries").await.json(200);
    let followed = before.trust().follow(&entries.entries).unwrap();
    assert_eq!(followed.logs, [FIRST, NEXT]);
    let checkpoint = hub.get("/v1/log/checkpoint").await;
    assert_eq!(followed.verify_checkpoint(checkpoint.text()).unwrap().origin, NEXT);
    let after: TrustBundle = hub.get("/v1/trust").await.json(200);
    assert_eq!((after.vkey.name(), after.more_vkeys.len(), after.logs.len()), (NEXT, 1, 2));
    let hub = hub.stop().await.start().await;
    hub.submit(&hub.world.message()).await.problem(ProblemCode::AgreementMissing);
}

#[tokio::test]
async fn a_body_of_the_old_log_is_erased_by_an_entry_that_names_that_log() {
    let hub = TestHub::new().await;
    let old = hub.accept(&hub.world.message()).await;
    let hub = hub.go_on_in("next").await;
    assert_eq!(hub.acknowledge(&hub.world.office, &said(&hub, Some(FIRST), &[(old, None)])).await.status, 201);
    let ask = |log: Option<&str>| json!({ "log": log, "messages": [old], "basis": "pdpa-s33" });
    hub.erase_of(&ask(None)).await.problem(ProblemCode::RequestMalformed);
    hub.erase_of(&ask(Some(NEXT))).await.problem(ProblemCode::NotFound);
    let erased: serde_json::Value = hub.erase_of(&ask(Some(FIRST))).await.json(200);
    let place = json!({ "message": old, "erasure": hub.size() - 1, "erasure_log": NEXT });
    assert_eq!(erased["erased"], json!([place]));
    let log = LogCopy::fetch(&hub).await;
    let Some(Leaf::Erasure { index, log, .. }) = log.leaves.last() else { panic!("no erasure") };
    assert_eq!((*index, log.as_deref()), (old, Some(FIRST)));
}

#[tokio::test]
async fn a_third_log_follows_the_second_and_all_stay_served() {
    let hub = TestHub::new().await.go_on_in("next").await;
    hub.accept(&hub.world.message()).await;
    let hub = hub.go_on_in("third").await;
    let evidence = hub.submit(&hub.world.message()).await.accepted();
    assert_eq!(receipt(&evidence).log, "hub.local/log/third");
    for log in ["main", "next", "third"] {
        let copy = LogCopy::fetch_at(&hub, &format!("/v1/logs/{log}")).await;
        assert_eq!(copy.checkpoint.origin, format!("hub.local/log/{log}"));
    }
    let hub = hub.stop().await.start().await;
    assert_eq!(hub.size(), 2);
}

#[tokio::test]
async fn tiles_of_two_logs_do_not_meet() {
    let hub = TestHub::new().await;
    while hub.size() < 300 {
        hub.accept(&hub.world.message()).await;
    }
    let hub = hub.go_on_in("next").await;
    while hub.size() < 520 {
        hub.accept(&hub.world.message()).await;
    }
    for (log, tiles) in [("main", 5), ("next", 7)] {
        assert_eq!(LogCopy::fetch_at(&hub, &format!("/v1/logs/{log}")).await.tiles, tiles, "{log}");
    }
}

#[tokio::test]
async fn each_log_is_published_in_a_folder_of_its_own() {
    let place = tempfile::tempdir().unwrap();
    let site = Site::new(&format!("[log]\npublish = \"{}\"", place.path().display()));
    let hub = site.start().await.go_on_in("next").await;
    let text = |log: &str| std::fs::read_to_string(place.path().join(log).join("checkpoint")).unwrap_or_default();
    crate::harness::eventually(async || text("next") == hub.get("/v1/log/checkpoint").await.text()).await;
    assert_eq!(text("main"), hub.get("/v1/logs/main/checkpoint").await.text());
    let site = hub.stop().await;
    // Killed before its end was published.
    std::fs::remove_dir_all(place.path().join("main")).unwrap();
    let hub = site.start().await;
    crate::harness::eventually(async || text("main") == hub.get("/v1/logs/main/checkpoint").await.text()).await;
    assert!(place.path().join("main/tile/entries").is_dir());
}
