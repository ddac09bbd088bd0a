//! A log of which the store has lost a part: what is kept stands, and what others said in the lost part is said again.

use std::path::Path;

use saphan_hub::shards::taking_over::take_over;
use saphan_schemas::leaf::Leaf;
use saphan_schemas::log::{Checkpoint, CompactRange, Stamped, decode_bundle, encode_bundle, leaf_hash};
use saphan_schemas::problem::ProblemCode;
use saphan_schemas::receipt::UnverifiedReceipt;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::watched::{auditor, export};
use super::{FIRST, NEXT, said};
use crate::harness::{Behaviour, Evidence, FakeAuthority, LogCopy, Site, Submission, TestHub, eventually};

/// A hub that publishes its log in a folder, which outlives the store.
async fn publishing(more: &str) -> (TestHub, TempDir) {
    let place = tempfile::tempdir().unwrap();
    (TestHub::with(&format!("[log]\npublish = \"{}\"\n{more}", place.path().display())).await, place)
}

/// The hub goes on with a copy of its store beside it.
async fn copied(hub: TestHub) -> (TestHub, TempDir) {
    let site = hub.stop().await;
    let copy = site.copy_of_store().await;
    (site.start().await, copy)
}

/// The hub is stopped, and only the copy is left of its store.
async fn lost(hub: TestHub, copy: &TempDir) -> Site {
    let site = hub.stop().await;
    site.bring_back(copy).await;
    site
}

async fn state(hub: &TestHub, message: &Submission) -> (Value, Value, Value) {
    let mut shown: Value = hub.show(&hub.world.portal, message).await.json(200);
    (shown["state"].take(), shown["erased"].take(), shown["erased_log"].take())
}

fn basis(log: &str, messages: &[u64]) -> Value {
    json!({ "log": log, "messages": messages, "basis": "pdpa-s33" })
}

/// The logs and indices of the messages that wait for the office.
async fn waiting(hub: &TestHub) -> Vec<(String, u64)> {
    let leased = hub.lease(&hub.world.office, 10).await;
    let receipts = leased.messages.iter().map(|message| UnverifiedReceipt::parse(&message.receipt).unwrap());
    receipts.map(|receipt| (receipt.claims().log.clone(), receipt.claims().index)).collect()
}

#[tokio::test]
async fn an_acknowledgement_and_an_erasure_of_the_lost_part_are_said_again_once_and_count() {
    let (hub, _place) = publishing("").await;
    let [done, open] = [hub.world.message(), hub.world.message()];
    let [done_at, open_at] = [hub.accept(&done).await, hub.accept(&open).await];
    let (hub, copy) = copied(hub).await;
    let acknowledgement = said(&hub, Some(FIRST), &[(done_at, None)]);
    assert_eq!(hub.acknowledge(&hub.world.office, &acknowledgement).await.status, 201);
    hub.erase_of(&basis(FIRST, &[done_at])).await.json::<Value>(200);
    let late = hub.world.message();
    let late_at = hub.accept(&late).await;
    let mut site = lost(hub, &copy).await;
    let taken = site.abandon_for("next").await.unwrap();
    assert_eq!((taken.again, &*taken.refused, &*taken.unknown), (2, &[][..], &[][..]));
    let [(index, what)] = &*taken.messages else { panic!("{:?}", taken.messages) };
    assert!(*index == late_at && what.contains(&late.id().to_string()), "{what}");

    let hub = site.start().await;
    let log = LogCopy::fetch(&hub).await;
    let [Leaf::Shard { .. }, Leaf::Acknowledgement { acknowledgement: again, .. }, Leaf::Erasure { index, log, .. }] =
        &*log.leaves
    else {
        panic!("{:?}", log.leaves)
    };
    assert_eq!((again, *index, log.as_deref()), (&acknowledgement, done_at, Some(FIRST)));
    assert_eq!(state(&hub, &done).await, (json!("processed"), json!(2), json!(NEXT)));
    assert_eq!(state(&hub, &open).await, (json!("accepted"), Value::Null, Value::Null));
    hub.show(&hub.world.portal, &late).await.problem(ProblemCode::NotFound);
    assert_eq!(waiting(&hub).await, [(FIRST.to_owned(), open_at)], "what is acknowledged is not delivered again");
    // The same batch, and the same erasure, as if their senders had had no answer.
    assert_eq!(hub.acknowledge(&hub.world.office, &acknowledgement).await.status, 200);
    hub.erase_of(&basis(FIRST, &[done_at])).await.json::<Value>(200);

    // Each start looks, as long as nothing else is in the log.
    let hub = hub.stop().await.start().await;
    let taken = take_over(&hub.app).await.unwrap();
    assert_eq!((taken.again, taken.messages.len(), hub.size()), (0, 1, 3));
    assert_eq!(hub.submit(&late).await.status, 201, "the sender sends it again");
    let taken = take_over(&hub.app).await.unwrap();
    assert_eq!((taken.again, taken.messages.len(), hub.size()), (0, 0, 4));
}

#[tokio::test]
async fn an_acknowledgement_that_cannot_be_said_again_is_given_anew_and_its_message_is_not_erased_before() {
    let (hub, _place) = publishing("").await;
    let [unnamed, beside] = [hub.world.message(), hub.world.message()];
    let [unnamed_at, beside_at] = [hub.accept(&unnamed).await, hub.accept(&beside).await];
    let (hub, copy) = copied(hub).await;
    let late_at = hub.accept(&hub.world.message()).await;
    // One names no log: it is of the first one alone. The other is about a message that is lost, too.
    let first = said(&hub, None, &[(unnamed_at, None)]);
    let second = said(&hub, Some(FIRST), &[(beside_at, None), (late_at, None)]);
    for batch in [&first, &second] {
        assert_eq!(hub.acknowledge(&hub.world.office, batch).await.status, 201);
    }
    hub.erase_of(&basis(FIRST, &[unnamed_at, beside_at, late_at])).await.json::<Value>(200);
    let mut site = lost(hub, &copy).await;
    let taken = site.abandon_for("next").await.unwrap();
    let needed = |index| format!("an erasure: the message at place {index} is still needed: its recipient has not");
    let reasons = [
        "acknowledgements of th.dlt/licensing: acknowledgement-malformed: `log` is missing".to_owned(),
        format!("acknowledgements of th.dlt/licensing: acknowledgement-unknown-message: place {late_at}"),
        needed(unnamed_at),
        needed(beside_at),
    ];
    assert_eq!((taken.again, taken.refused.len()), (0, reasons.len()), "{:?}", taken.refused);
    for ((index, told), (expected, reason)) in taken.refused.iter().zip((late_at + 1..).zip(&reasons)) {
        assert!(*index == expected && told.starts_with(reason), "{index}: {told}");
    }

    let hub = site.start().await;
    for message in [&unnamed, &beside] {
        assert_eq!(state(&hub, message).await, (json!("accepted"), Value::Null, Value::Null));
    }
    hub.acknowledge(&hub.world.office, &first).await.problem(ProblemCode::AcknowledgementMalformed);
    hub.erase_of(&basis(FIRST, &[unnamed_at])).await.problem(ProblemCode::ErasureTooEarly);
    let leased = hub.lease(&hub.world.office, 10).await;
    assert_eq!(leased.indices(), [unnamed_at, beside_at], "their receiver gets them again");
    assert_eq!(saphan_schemas::b64::decode_std(&leased.messages[0].body).unwrap(), unnamed.body);
    let anew = said(&hub, Some(FIRST), &[(unnamed_at, None), (beside_at, None)]);
    assert_eq!(hub.acknowledge(&hub.world.office, &anew).await.status, 201);
    hub.erase_of(&basis(FIRST, &[unnamed_at, beside_at])).await.json::<Value>(200);
    for (message, erasure) in [(&unnamed, 2), (&beside, 3)] {
        assert_eq!(state(&hub, message).await, (json!("processed"), json!(erasure), json!(NEXT)));
    }
}

#[tokio::test]
async fn a_body_that_was_erased_in_the_lost_part_because_nobody_came_in_time_is_erased_again() {
    let (hub, _place) = publishing("").await;
    let message = hub.world.withdrawal().change(|claims| claims.not_after = Some(claims.iat + 60));
    let message = message.sign(&hub.world.portal.key);
    let index = hub.accept(&message).await;
    let (hub, copy) = copied(hub).await;
    hub.clock.advance(61);
    hub.app.store.expire(saphan_hub::clock::Clock::now_ms(&*hub.clock)).await.unwrap();
    hub.erase_of(&basis(FIRST, &[index])).await.json::<Value>(200);
    let mut site = lost(hub, &copy).await;
    let taken = site.abandon_for("next").await.unwrap();
    assert_eq!((taken.again, &*taken.refused), (1, &[][..]));
    let hub = site.start().await;
    assert_eq!(state(&hub, &message).await, (json!("expired"), json!(1), json!(NEXT)));
}

/// Publishes the last entry of the log a second time, with a checkpoint by its key.
fn say_the_last_twice(site: &Site, log: &Path) {
    let checkpoint = std::fs::read_to_string(log.join("checkpoint")).unwrap();
    let size: u16 = checkpoint.lines().nth(1).unwrap().parse().unwrap();
    let bundle = std::fs::read(log.join(format!("tile/entries/000.p/{size}"))).unwrap();
    let mut entries = decode_bundle(&bundle, size).unwrap();
    entries.push(entries[entries.len() - 1]);
    let mut range = CompactRange::default();
    entries.iter().for_each(|entry| range.push(leaf_hash(entry)));
    let keys = site.config.key_store().open().unwrap().logs.keys;
    let checkpoint = Checkpoint::new(FIRST.to_owned(), range.size(), range.root()).sign(&keys[0]).unwrap();
    std::fs::write(log.join(format!("tile/entries/000.p/{}", size + 1)), encode_bundle(&entries).unwrap()).unwrap();
    std::fs::write(log.join("checkpoint"), checkpoint).unwrap();
}

#[tokio::test]
async fn an_acknowledgement_of_the_lost_part_that_stands_twice_is_counted_once() {
    let (hub, place) = publishing("").await;
    let message = hub.world.message();
    let index = hub.accept(&message).await;
    let (hub, copy) = copied(hub).await;
    let batch = said(&hub, Some(FIRST), &[(index, None)]);
    assert_eq!(hub.acknowledge(&hub.world.office, &batch).await.status, 201);
    let mut site = lost(hub, &copy).await;
    say_the_last_twice(&site, &place.path().join("main"));
    let taken = site.abandon_for("next").await.unwrap();
    assert_eq!((taken.again, &*taken.refused, &*taken.unknown), (1, &[][..], &[][..]));
    let hub = site.start().await;
    assert_eq!(hub.size(), 2);
}

#[tokio::test]
async fn an_erasure_of_the_lost_part_that_stands_twice_is_counted_once() {
    let (hub, place) = publishing("").await;
    let message = hub.world.message();
    let index = hub.accept(&message).await;
    let batch = said(&hub, Some(FIRST), &[(index, None)]);
    assert_eq!(hub.acknowledge(&hub.world.office, &batch).await.status, 201);
    let (hub, copy) = copied(hub).await;
    hub.erase_of(&basis(FIRST, &[index])).await.json::<Value>(200);
    let mut site = lost(hub, &copy).await;
    say_the_last_twice(&site, &place.path().join("main"));
    let taken = site.abandon_for("next").await.unwrap();
    assert_eq!((taken.again, &*taken.refused, &*taken.unknown), (1, &[][..], &[][..]));
    let hub = site.start().await;
    assert_eq!(state(&hub, &message).await, (json!("processed"), json!(1), json!(NEXT)));
    assert_eq!(hub.size(), 2);
}

#[tokio::test]
async fn what_is_kept_of_an_abandoned_log_stays_served_and_exported_as_it_was_signed() {
    let (hub, place) = publishing("[limits]\nmessages_per_second = 0\nrequests_per_second = 0\n").await;
    let auditor = auditor(&hub).await;
    let message = hub.world.message();
    let evidence = hub.submit(&message).await.accepted();
    while hub.size() < 258 {
        hub.accept(&hub.world.message()).await;
    }
    let (hub, copy) = copied(hub).await;
    let [kept, key] = [hub.get("/v1/log/checkpoint").await, hub.get("/v1/log/vkey").await];
    let late = hub.world.message();
    hub.accept(&late).await;
    let seen = hub.get("/v1/log/checkpoint").await;
    let mut site = lost(hub, &copy).await;
    site.abandon_for("next").await.unwrap();

    let hub = site.start().await;
    assert_eq!(hub.get("/v1/logs/main/checkpoint").await.text(), kept.text());
    assert_eq!(hub.get("/v1/logs/main/vkey").await.text(), key.text());
    let log = LogCopy::fetch_at(&hub, "/v1/logs/main").await;
    assert_eq!((log.size(), log.tiles), (258, 5));
    log.agrees_with(&evidence.proof);
    let lost = ["tile/0/001.p/3", "tile/entries/001.p/3", "checkpoint.cosigned", "timestamps/pages/0"];
    for path in lost {
        hub.get(&format!("/v1/logs/main/{path}")).await.problem(ProblemCode::NotFound);
    }
    let published = std::fs::read_to_string(place.path().join("main/checkpoint")).unwrap();
    assert_eq!(published, seen.text(), "what others have seen stays where it is");

    assert_eq!(hub.submit(&message).await.json::<Evidence>(200), evidence);
    let lines = export(&hub, &auditor, json!({ "filter": { "kind": "message" }, "log": FIRST })).await;
    assert_eq!(lines[0]["export"]["checkpoint"], kept.text());
    let rows = lines.iter().filter_map(|line| line["row"]["index"].as_u64());
    assert_eq!(rows.max(), Some(257), "of what is lost nothing is found");
}

#[tokio::test]
async fn nobody_is_asked_to_stamp_what_is_left_of_an_abandoned_log() {
    let authority = FakeAuthority::start(Behaviour::Good).await;
    let (url, pem) = (&authority.url, authority.pem());
    let settings = format!("[timestamps]\nurl = \"{url}\"\nauthority = \"{}\"\ntimeout_seconds = 60\n", pem.display());
    let (hub, place) = publishing(&settings).await;
    authority.follow(&hub.clock);
    let list = async |hub: &TestHub, path: &str| {
        let page = hub.get(&format!("{path}/timestamps/pages/0")).await;
        if page.status == 404 { Vec::new() } else { Stamped::parse_page(page.text().as_bytes()).unwrap() }
    };
    eventually(async || list(&hub, "/v1/log").await.len() == 1).await;
    let old = list(&hub, "/v1/log").await;
    // The newest of what is kept has no token.
    hub.accept(&hub.world.message()).await;
    let (hub, copy) = copied(hub).await;
    hub.accept(&hub.world.message()).await;
    hub.clock.advance(3600);
    eventually(async || list(&hub, "/v1/log").await.len() == 2).await;
    let seen = list(&hub, "/v1/log").await;
    let mut site = lost(hub, &copy).await;
    site.abandon_for("next").await.unwrap();

    let asked = authority.asked();
    let hub = site.start().await;
    eventually(async || list(&hub, "/v1/log").await.len() == 1).await;
    hub.accept(&hub.world.message()).await;
    hub.clock.advance(3600);
    eventually(async || list(&hub, "/v1/log").await.len() == 2).await;
    assert_eq!(authority.asked(), asked + 2, "once an hour for the log that goes on");
    assert_eq!(list(&hub, "/v1/logs/main").await, old);
    hub.stop().await;
    let published = std::fs::read(place.path().join("main").join(Stamped::page_path(0))).unwrap();
    assert_eq!(published, Stamped::to_page(&seen).into_bytes(), "what others have seen stays where it is");
}
