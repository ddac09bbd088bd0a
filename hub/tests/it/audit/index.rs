//! The index is a file that can be lost.

use std::time::Duration;

use saphan_hub::audit::Audit;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use super::{Hall, places};
use crate::harness::{captured, eventually, in_time};

async fn file(hall: &Hall) -> SqliteConnection {
    SqliteConnectOptions::new().filename(hall.hub.data_folder().join("search.sqlite")).connect().await.unwrap()
}

async fn caught_up(audit: &Audit, size: u64) {
    let mut indexed = audit.indexed();
    in_time(indexed.wait_for(|indexed| *indexed >= size)).await.unwrap();
}

async fn with_messages(count: usize) -> (Hall, Vec<u64>) {
    let hall = Hall::new().await;
    let mut wanted = Vec::new();
    for _ in 0..count {
        wanted.insert(0, hall.hub.accept(&hall.hub.world.message()).await);
    }
    (hall, wanted)
}

#[tokio::test]
async fn the_index_follows_by_itself_and_goes_on_after_a_restart() {
    let (hall, mut wanted) = with_messages(3).await;
    caught_up(&hall.hub.app.audit, hall.hub.size()).await;
    let hall = hall.restart().await;
    wanted.insert(0, hall.hub.accept(&hall.hub.world.message()).await);
    hall.hub.clock.advance(1);
    assert_eq!(hall.places(json!({ "kind": "message" })).await, wanted);
}

#[tokio::test]
async fn an_index_that_is_late_answers_with_what_it_has_and_says_how_far_it_is() {
    let (hall, mut wanted) = with_messages(2).await;
    let mut site = hall.hub.stop().await;
    site.caught_up_within = Duration::ZERO;
    site.clock.advance(1);
    let hall = Hall { hub: site.start().await, auditor: hall.auditor };
    let reached = hall.hub.size();
    caught_up(&hall.hub.app.audit, reached).await;
    hall.hub.store.hold_entries(true);
    let late = hall.hub.accept(&hall.hub.world.message()).await;
    let found = hall.search(json!({ "kind": "message" })).await;
    assert_eq!((found["query"].as_u64(), found["indexed"].as_u64()), (Some(late + 1), Some(reached)), "{found}");
    assert_eq!(places(&found), wanted);
    hall.hub.store.hold_entries(false);
    caught_up(&hall.hub.app.audit, hall.hub.size()).await;
    wanted.insert(0, late);
    let found = hall.search(json!({ "kind": "message" })).await;
    assert_eq!(places(&found), wanted);
}

#[tokio::test]
async fn an_index_that_is_deleted_is_made_again() {
    let (hall, wanted) = with_messages(3).await;
    let before = hall.places(json!({})).await;
    assert!(before.ends_with(&[1, 0]));
    let path = hall.hub.data_folder().join("search.sqlite");
    let site = hall.hub.stop().await;
    assert!(path.exists());
    std::fs::remove_file(&path).unwrap();
    site.clock.advance(1);
    let hall = Hall { hub: site.start().await, auditor: hall.auditor };
    assert_eq!(hall.places(json!({ "kind": "message" })).await, wanted);
}

#[tokio::test]
async fn an_index_that_is_no_database_any_more_is_made_again_and_the_log_says_so() {
    let (hall, wanted) = with_messages(3).await;
    hall.search(json!({})).await;
    let path = hall.hub.data_folder().join("search.sqlite");
    let site = hall.hub.stop().await;
    std::fs::write(&path, vec![0x5a; 100_000]).unwrap();
    site.clock.advance(1);
    let hall = Hall { hub: site.start().await, auditor: hall.auditor };
    assert_eq!(hall.places(json!({ "kind": "message" })).await, wanted);
    assert!(captured().contains("the auditors' index is made again from the log"));
}

#[tokio::test]
async fn an_index_of_a_log_that_went_another_way_is_made_again() {
    let (hall, wanted) = with_messages(3).await;
    hall.search(json!({})).await;
    let mut connection = file(&hall).await;
    let site = hall.hub.stop().await;
    let statements = "UPDATE cursor SET last = zeroblob(32); UPDATE entry SET kind = 2";
    sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    site.clock.advance(1);
    let hall = Hall { hub: site.start().await, auditor: hall.auditor };
    assert_eq!(hall.places(json!({ "kind": "message" })).await, wanted);
}

#[tokio::test]
async fn an_index_that_is_damaged_while_the_hub_runs_is_made_again() {
    let (hall, wanted) = with_messages(3).await;
    hall.search(json!({})).await;
    let mut connection = file(&hall).await;
    sqlx::raw_sql("DROP TABLE name").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    // The follower or a search finds it; whoever asks meanwhile is told to come again.
    eventually(async || {
        let answer = hall.ask("search", &json!({ "filter": { "kind": "message", "from": "th.dga/portal" } })).await;
        answer.status == 200 && places(&answer.json::<Value>(200)) == wanted
    })
    .await;
}

#[tokio::test]
async fn a_row_that_the_log_does_not_bear_out_is_never_exported() {
    let (hall, wanted) = with_messages(3).await;
    hall.search(json!({})).await;
    let mut connection = file(&hall).await;
    let other = "UPDATE entry SET recipient = sender WHERE kind = 1";
    sqlx::raw_sql(other).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let token = crate::harness::sign_token(
        hall.hub.token(hall.auditor.id.as_str(), "POST", "/v1/audit/export"),
        &hall.auditor.key,
    );
    let request = reqwest::Client::new().post(hall.hub.at("/v1/audit/export")).bearer_auth(token);
    // Broken off before its head is out, or later.
    let exported = match request.json(&json!({ "filter": { "kind": "message" } })).send().await {
        Ok(answer) => answer.bytes().await,
        Err(error) => Err(error),
    };
    assert!(exported.is_err(), "it is broken off");
    eventually(async || {
        let answer = hall.ask("search", &json!({ "filter": { "to": "th.dlt/licensing" } })).await;
        answer.status == 200 && places(&answer.json::<Value>(200)) == wanted
    })
    .await;
}
