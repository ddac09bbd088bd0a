//! Bundles over a log that the hub has lost in part.

use saphan_schemas::envelope::UnverifiedEnvelope;
use saphan_schemas::leaf::Abandoned;
use saphan_schemas::log::NoteSigner;
use saphan_schemas::registry::{Change, Entry, HubKey};
use serde_json::json;

use super::{Hub, NEXT, THIRD, acknowledged, go_on};
use crate::ledger::{Ledger, ORIGIN, RECEIVER};

/// Loses what `more` puts into the log, shows what is left of it, and goes on in the next.
fn lose(hub: &Hub, mut ledger: Ledger, next: &str, more: impl FnOnce(&mut Ledger)) -> Ledger {
    let signer = NoteSigner::from_pkcs8(next, &NoteSigner::generate_pkcs8().unwrap()).unwrap();
    let vkey = signer.verifier_key().clone();
    let key = Some(ledger.operators_entry(Change::Added(Entry::HubKey(HubKey::Log { vkey }))));
    hub.shows(ledger.vkey().name().rsplit_once('/').unwrap().1, &ledger);
    let abandoned = Abandoned { kept: ledger.checkpoint(), key };
    let kept = (ledger.leaves.clone(), ledger.messages.clone());
    more(&mut ledger);
    let last = ledger.checkpoint();
    (ledger.leaves, ledger.messages) = kept;
    ledger.into_next_after(signer, last, Some(abandoned))
}

fn prove(hub: &Hub, log: &str, messages: &[&str]) {
    let arguments: Vec<&str> = messages.iter().flat_map(|message| ["--message", *message]).collect();
    let made = hub.make(log, &arguments);
    assert_eq!(made.code, 0, "{}{}", made.err, made.out);
}

#[test]
fn messages_that_are_left_and_those_that_came_after_are_proven_and_how_much_was_lost_is_said() {
    let hub = Hub::new();
    // The last tile is not the same at both sizes.
    let mut ledger = Ledger::with_messages(300);
    let left = ledger.send(r#"{"left":true}"#);
    let kept = ledger.size();
    let mut ledger = lose(&hub, ledger, NEXT, |log| {
        for _ in 0..9 {
            log.send(r#"{"lost":true}"#);
        }
    });
    let said = ledger.acknowledge_in(Some(ORIGIN), RECEIVER, acknowledged(left));
    let new = ledger.send(r#"{"new":true}"#);
    hub.write("new.saphan.json", serde_json::to_vec(&ledger.file(new)).unwrap());
    hub.shows("2027h1", &ledger);
    prove(&hub, "2027h1", &[&format!("2026h2:{left}"), "new.saphan.json"]);
    for key in ["2026h2", "2027h1"] {
        let told = hub.verify(key, &[]);
        assert_eq!(told["verdict"]["holds"], true, "{told}");
        let lost = json!([{ "log": ORIGIN, "next": NEXT, "kept": kept, "last": kept + 9 }]);
        assert_eq!(told["proven"]["abandoned"], lost, "{told}");
        let messages = &told["proven"]["messages"];
        assert_eq!((&messages[0]["log"], &messages[0]["acknowledgement"]["index"]), (&json!(ORIGIN), &json!(said)));
        assert_eq!((&messages[1]["log"], &messages[1]["receipt"]), (&json!(NEXT), &json!(true)));
        assert!(told["not_shown"].as_array().unwrap().contains(&json!("lost")), "{told}");
    }
    let text = crate::program::saphan(hub.path(), ["audit", "bundle", "bundle.json", "--vkey", "vkey-2026h2"]).out;
    assert!(text.contains(&format!("abandoned (left / signed) {ORIGIN}: {kept} / {}", kept + 9)), "{text}");
}

#[test]
fn a_log_is_abandoned_behind_a_closed_one_and_closed_behind_an_abandoned_one() {
    let hub = Hub::new();
    let mut ledger = Ledger::with_messages(1);
    let first = ledger.send("{}").to_string();
    let mut ledger = go_on(&hub, ledger, NEXT);
    let second = ledger.send("{}").to_string();
    let mut ledger = lose(&hub, ledger, THIRD, |log| {
        log.send("{}");
    });
    let third = ledger.send("{}").to_string();
    let mut ledger = go_on(&hub, ledger, "hub.local/log/2028h1");
    let fourth = ledger.send("{}").to_string();
    hub.shows("2028h1", &ledger);
    let messages = [format!("2026h2:{first}"), format!("2027h1:{second}"), format!("2027h2:{third}"), fourth];
    prove(&hub, "2028h1", &messages.each_ref().map(String::as_str));
    for key in ["2026h2", "2027h1", "2027h2", "2028h1"] {
        let told = hub.verify(key, &[]);
        assert_eq!((&told["verdict"]["holds"], &told["proven"]["abandoned"][0]["next"]), (&json!(true), &json!(THIRD)));
    }
}

#[test]
fn of_a_message_that_was_lost_a_bundle_is_made_from_the_old_log_alone() {
    let hub = Hub::new();
    let ledger = Ledger::with_messages(1);
    let mut lost = 0;
    let left = ledger.size();
    let ledger = lose(&hub, ledger, NEXT, |log| {
        lost = log.send("{}");
        hub.write("lost.saphan.json", serde_json::to_vec(&log.file(lost)).unwrap());
        hub.write("id", UnverifiedEnvelope::parse(&log.file(lost).envelope).unwrap().claims().jti.to_string());
        hub.shows("2026h2", log);
    });
    hub.shows("2027h1", &ledger);
    for message in ["lost.saphan.json", &format!("2026h2:{lost}")] {
        let refused = hub.make("2027h1", &["--message", message]);
        assert_eq!(refused.code, 1, "{}", refused.out);
        assert!(refused.out.contains("has lost") && refused.out.contains(&left.to_string()), "{}", refused.out);
    }
    let id = std::fs::read_to_string(hub.path().join("id")).unwrap();
    let missing = hub.make("2027h1", &["--message", &id]);
    assert!(missing.code == 2 && missing.out.contains("are left"), "{}", missing.out);
    prove(&hub, "2026h2", &["lost.saphan.json"]);
    assert_eq!(hub.verify("2026h2", &[])["verdict"]["holds"], true);
}
