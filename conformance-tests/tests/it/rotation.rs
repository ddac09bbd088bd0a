//! The hub's own keys change under connectors that run, with the real programs.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use reqwest::Response;
use saphan_conformance::programs;
use saphan_conformance::world::{World, bodies};
use saphan_connector::membership::{AgreementTerms, Membership, MembershipError};
use saphan_connector::{Accepted, Receive};
use saphan_examples::local::hub::HubProgram;
use saphan_schemas::keys::{KeyId, SigningKey};
use saphan_schemas::receipt::UnverifiedReceipt;
use saphan_schemas::trust::{Trust, TrustBundle, TrustEntries};

use crate::admin::{client, noting};
use crate::observer::Observer;
use crate::patience::{LIMIT, all_handled};

#[tokio::test(flavor = "multi_thread")]
async fn connectors_that_run_follow_when_every_key_of_the_hub_is_replaced_and_the_old_ones_are_revoked_and_gone() {
    let mut world = World::start_over_tls(HubProgram::saphan_hub(programs::saphan_hub().unwrap())).await.unwrap();
    let receiver = world.connector(&world.receiver().unwrap()).unwrap().receive(Receive::Pull);
    let (receiver, handled) = noting(receiver, |message| message.id()).await;
    let sender = world.connector(&world.sender().unwrap()).unwrap().build().await.unwrap();
    let mut observer = Observer::default();
    let mut bodies = bodies(4).unwrap().into_iter();
    let mut sent = Vec::new();

    let first = sender.send(world.message(bodies.next().unwrap()).unwrap()).await.unwrap();
    observer.receipt(first.receipt());
    sent.push(first.id());
    let old = signed_with(&first);
    let before = trust(&world).await;

    for usage in ["receipts", "log", "operator"] {
        world.hub.operate(&["keys", "rotate", usage]).await.unwrap();
    }
    let overlap = sender.send(world.message(bodies.next().unwrap()).unwrap()).await.unwrap();
    sent.push(overlap.id());
    assert_ne!(signed_with(&overlap), old);

    // Each revocation is signed by the new key of the operator.
    let operator = before.operator.unwrap().id();
    for (usage, key) in
        [("operator", operator.to_string()), ("receipts", old.to_string()), ("log", before.vkey.to_string())]
    {
        world.hub.operate(&["keys", "revoke", usage, &key]).await.unwrap();
    }
    let third = sender.send(world.message(bodies.next().unwrap()).unwrap()).await.unwrap();
    sent.push(third.id());

    // The hub starts without the old keys, and without any of the operator: that may be kept elsewhere.
    world.hub.stop().await.unwrap();
    let data = world.hub.folder().join("hub/data");
    let elsewhere = tempfile::tempdir().unwrap();
    for name in ["receipts.pem", "log.pem", "operator.pem"] {
        std::fs::remove_file(data.join(name)).unwrap();
    }
    let operator = find(&data, "operator-");
    std::fs::rename(data.join(&operator), elsewhere.path().join(&operator)).unwrap();
    world.hub.restart().await.unwrap();
    let last = sender.send(world.message(bodies.next().unwrap()).unwrap()).await.unwrap();
    observer.receipt(last.receipt());
    sent.push(last.id());

    all_handled(&handled, &sent).await;
    assert!(receiver.shutdown(LIMIT).await.unwrap().finished);
    let mut arrived = handled.borrow().clone();
    arrived.sort();
    sent.sort();
    assert_eq!(arrived, sent, "each once");

    // Without the operator's key nobody changes the registry; where it is, its holder names it.
    let refused = world.hub.operate(&["invite", world.sender().unwrap().as_str()]).await.unwrap_err();
    assert!(refused.to_string().contains("operator"), "{refused}");
    let config = world.hub.folder().join("hub/hub.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let named = format!("operator = {:?}", elsewhere.path().join(&operator));
    std::fs::write(&config, text.replace(r#"operator = "operator.pem""#, &named)).unwrap();
    world.hub.operate(&["invite", world.sender().unwrap().as_str()]).await.unwrap();

    // Terms signed by the operator's new key are believed by who trusted the old one, and by nobody who trusts another.
    let agreement = "[[agreement]]\nid = \"after.rotation\"\nsender = \"th.dga/citizen-portal\"\nreceiver = \"th.dlt/licensing\"\n\
                     types = [\"application.withdrawn\"]\nlegal_basis = \"Motor Vehicle Act BE 2522 s.42\"\n";
    world.hub.apply(agreement).await.unwrap();
    let terms = agreements(&world, &before.trust()).await.unwrap();
    assert!(terms.iter().any(|terms| terms.agreement.id.as_str() == "after.rotation"), "{terms:?}");
    assert!(terms.iter().all(|terms| terms.doubt.is_none()), "{terms:?}");
    // And the terms of before by who came after.
    let newcomer = agreements(&world, &trust(&world).await.trust()).await.unwrap();
    assert_eq!(newcomer.len(), terms.len());
    assert!(newcomer.iter().all(|terms| terms.doubt.is_none()), "{newcomer:?}");
    let (stranger, _) = SigningKey::generate().unwrap();
    let other = Trust { operators: vec![*stranger.public()], ..before.trust() };
    let doubtful = agreements(&world, &other).await.unwrap();
    assert!(!doubtful.is_empty() && doubtful.iter().all(|terms| terms.doubt.is_some()), "{doubtful:?}");
    let signed = membership(&world, &other).sign(&doubtful[0]).await;
    assert!(matches!(signed, Err(MembershipError::Terms(_))), "{signed:?}");

    let TrustEntries { entries } = fetch(&world, "/v1/trust/entries").await.json().await.unwrap();
    let followed = before.trust().follow(&entries).unwrap();
    let after = trust(&world).await.trust();
    assert_eq!((&followed.operators, &followed.receipts), (&after.operators, &after.receipts));
    assert_eq!(followed.former_operators, after.former_operators);
    assert_eq!(followed.more_logs, std::slice::from_ref(&after.log));
    world.trust = after;
    let report = observer.check_log(&world).await;
    observer.no_checkpoint_was_ever_contradicted(&world, report.size).await;
    world.stop().await.unwrap();
}

/// The key that signed the receipt.
fn signed_with(accepted: &Accepted) -> KeyId {
    UnverifiedReceipt::parse(accepted.receipt_text()).unwrap().kid()
}

async fn fetch(world: &World, path: &str) -> Response {
    client(world).get(format!("{}{path}", world.hub.url())).send().await.unwrap().error_for_status().unwrap()
}

async fn trust(world: &World) -> TrustBundle {
    fetch(world, "/v1/trust").await.json().await.unwrap()
}

/// The sender's agreements, as a membership with this trust believes them.
async fn agreements(world: &World, trust: &Trust) -> Result<Vec<AgreementTerms>, MembershipError> {
    membership(world, trust).agreements().await
}

fn membership(world: &World, trust: &Trust) -> Membership {
    let system = world.sender().unwrap();
    let key = Arc::new(world.key(&system).unwrap());
    Membership::new(world.hub.address(), system, key, trust).unwrap()
}

/// The only file of the folder whose name begins so.
fn find(folder: &Path, beginning: &str) -> OsString {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut found = names.filter(|name| name.to_str().unwrap().starts_with(beginning));
    let name = found.next().unwrap();
    assert_eq!(found.next(), None);
    name
}
