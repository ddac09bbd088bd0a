//! A hub that starts again goes on where it stopped, or says why it cannot.

use std::fs;

use saphan_schemas::leaf::Leaf;
use saphan_schemas::problem::ProblemCode;
use saphan_schemas::registry::{Change, EntryId};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use crate::harness::{Evidence, LogCopy, Site, TestHub};

#[tokio::test]
async fn the_log_goes_on_after_a_restart_and_earlier_receipts_still_hold() {
    let hub = TestHub::new().await;
    let message = hub.world.message();
    let evidence = hub.submit(&message).await.accepted();
    let size = hub.size();
    let hub = hub.stop().await.start().await;
    assert_eq!(hub.size(), size, "a start writes nothing");
    assert_eq!(hub.submit(&message).await.json::<Evidence>(200), evidence);
    hub.submit(&hub.world.message()).await.accepted();
    let log = LogCopy::fetch(&hub).await;
    log.agrees_with(&evidence.proof);
    hub.verify(&message, &evidence).await;
    assert_eq!((log.size(), log.messages().len()), (size + 1, 2));
}

#[tokio::test]
async fn the_logs_times_do_not_run_backwards_though_the_clock_did_while_the_hub_was_down() {
    let hub = TestHub::new().await;
    hub.accept(&hub.world.message()).await;
    let site = hub.stop().await;
    site.clock.go_back(50);
    let hub = site.start().await;
    hub.accept(&hub.world.message()).await;
    let times: Vec<u64> = LogCopy::fetch(&hub).await.leaves.iter().map(Leaf::ts).collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[tokio::test]
async fn the_registry_and_the_inboxes_are_as_before_the_restart() {
    let hub = TestHub::new().await;
    let index = hub.accept(&hub.world.message()).await;
    hub.apply([Change::Revoked(EntryId::Agreement("to-office".parse().unwrap()))]).await;
    let hub = hub.stop().await.start().await;
    hub.submit(&hub.world.message()).await.problem(ProblemCode::AgreementMissing);
    assert_eq!(hub.lease(&hub.world.office, 10).await.indices(), [index]);
}

#[tokio::test]
async fn a_lease_outlives_a_restart() {
    let hub = TestHub::new().await;
    hub.accept(&hub.world.message()).await;
    let lease = hub.lease(&hub.world.office, 1).await;
    let hub = hub.stop().await.start().await;
    assert!(hub.lease(&hub.world.office, 1).await.messages.is_empty());
    assert_eq!(hub.extend(&hub.world.office, lease.id()).await.status, 200);
}

#[tokio::test]
async fn the_first_entry_opens_the_shard_and_names_hub_origin_and_keys() {
    use saphan_schemas::leaf::ShardEvent;

    let hub = Site::new("[log]\nshard = \"2026h2\"").start().await;
    let log = LogCopy::fetch(&hub).await;
    let [
        Leaf::Shard {
            event: ShardEvent::Opened { origin, hub: name, operator, receipts, log: vkey, previous, .. },
            ..
        },
    ] = &*log.leaves
    else {
        panic!("not one opening entry: {:?}", log.leaves);
    };
    assert_eq!((origin.as_str(), name.as_str()), ("hub.local/log/2026h2", "hub.local"));
    let state = hub.app.registry.state();
    assert_eq!(
        (operator.id(), receipts.id()),
        (hub.operator.id(), state.receipt_keys().standing().next().unwrap().id())
    );
    assert_eq!(Some(&**vkey), state.log_keys().standing().next());
    assert_eq!(*previous, None);
}

#[tokio::test]
async fn a_foreign_log_key_is_refused() {
    let site = TestHub::new().await.stop().await;
    foreign(&site, "log.pem");
    let reason = refusal(&site).await;
    assert!(reason.contains("start with the keys and the data that belong together"), "{reason}");
}

#[tokio::test]
async fn a_foreign_receipt_key_is_refused() {
    let site = TestHub::new().await.stop().await;
    foreign(&site, "receipts.pem");
    let reason = refusal(&site).await;
    assert!(reason.contains("start with the keys and the data that belong together"), "{reason}");
}

#[tokio::test]
async fn another_hub_name_or_shard_on_the_same_data_is_refused() {
    for setting in ["[hub]\nid = \"hub.elsewhere\"", "[log]\nshard = \"next\""] {
        let mut site = TestHub::new().await.stop().await;
        let other = saphan_hub::config::Config::parse(setting, std::iter::empty()).unwrap();
        (site.config.hub.id, site.config.log) = (other.hub.id, other.log);
        let reason = refusal(&site).await;
        assert!(reason.contains("hub.local/log/main"), "{setting}: {reason}");
    }
}

#[tokio::test]
async fn a_head_that_contradicts_itself_is_refused() {
    let hub = TestHub::new().await;
    hub.submit(&hub.world.message()).await.accepted();
    let site = hub.stop().await;
    // An earlier checkpoint beside the present range: what a copy made of a folder in use may hold.
    change(&site, "UPDATE head SET checkpoint = (SELECT note FROM checkpoint WHERE size = head.size - 1)").await;
    let reason = refusal(&site).await;
    assert!(reason.contains("restore the data folder as a whole"), "{reason}");
}

#[tokio::test]
async fn a_head_that_cannot_be_read_is_refused() {
    let site = TestHub::new().await.stop().await;
    change(&site, "UPDATE head SET range = x'00'").await;
    let reason = refusal(&site).await;
    assert!(reason.contains("the head"), "{reason}");
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused() {
    let site = TestHub::new().await.stop().await;
    change(&site, "PRAGMA user_version = 99").await;
    let error = saphan_hub::store::sqlite::SqliteStore::open(&site.config.store_file()).await.unwrap_err();
    assert!(error.to_string().contains("newer version of the hub"), "{error}");
}

#[tokio::test]
async fn keys_are_never_overwritten_and_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let site = Site::new("");
    let folder = &site.config.hub.data_dir;
    let before = fs::read(folder.join("log.pem")).unwrap();
    let error = site.config.key_store().create().unwrap_err();
    assert!(error.to_string().contains("receipts.pem"), "{error}");
    assert_eq!(fs::read(folder.join("log.pem")).unwrap(), before);
    for name in ["receipts.pem", "operator.pem", "log.pem"] {
        assert_eq!(fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_key_file_of_the_wrong_kind_is_named() {
    let site = Site::new("");
    let folder = &site.config.hub.data_dir;
    fs::copy(folder.join("receipts.pem"), folder.join("log.pem")).unwrap();
    let reason = refusal(&site).await;
    assert!(reason.contains("log.pem holds no Ed25519 key"), "{reason}");
    fs::remove_file(folder.join("receipts.pem")).unwrap();
    let reason = refusal(&site).await;
    assert!(reason.contains("receipts.pem: "), "{reason}");
}

/// Puts another hub's key in the place of this hub's.
fn foreign(site: &Site, name: &str) {
    let other = Site::new("");
    fs::copy(other.config.hub.data_dir.join(name), site.config.hub.data_dir.join(name)).unwrap();
}

/// The sentence with which the hub does not start.
async fn refusal(site: &Site) -> String {
    match site.try_open().await {
        Ok(_) => panic!("it started"),
        Err(error) => format!("{error:#}"),
    }
}

pub(crate) async fn change(site: &Site, statement: &'static str) {
    let options = SqliteConnectOptions::new().filename(site.config.store_file());
    let mut connection = options.connect().await.unwrap();
    sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}
