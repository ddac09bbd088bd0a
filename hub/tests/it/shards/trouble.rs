//! Changes of the log that fail or are cut off, and stores that must not go on.

use saphan_schemas::leaf::{Leaf, ShardEvent};

use super::{FIRST, NEXT};
use crate::harness::{CommitFault, LogCopy, TestHub};

#[tokio::test]
async fn a_hub_that_was_killed_between_the_end_and_the_beginning_begins_the_next_log_once() {
    let hub = TestHub::new().await;
    let message = hub.world.message();
    let evidence = hub.submit(&message).await.accepted();
    let mut site = hub.stop().await;
    site.close_for("next", []).await.unwrap();
    // With the old configuration, with another one, and to be closed again.
    let refused = site.try_open().await.err().unwrap().to_string();
    assert!(
        refused.contains(&format!("{FIRST} is closed, and goes on as {NEXT}: set log.shard = \"next\"")),
        "{refused}"
    );
    site.config.log.shard = "elsewhere".to_owned();
    assert!(site.try_open().await.err().unwrap().to_string().contains("set log.shard = \"next\""));
    site.config.log.shard = "next".to_owned();
    let hub = site.start().await;
    assert_eq!(hub.submit(&message).await.json::<crate::harness::Evidence>(200), evidence);
    let hub = hub.stop().await.start().await;
    let opened = |leaf: &&Leaf| matches!(leaf, Leaf::Shard { event: ShardEvent::Opened { .. }, .. });
    assert_eq!(LogCopy::fetch(&hub).await.leaves.iter().filter(opened).count(), 1);
}

#[tokio::test]
async fn an_end_whose_commit_failed_stands_if_it_was_written_and_else_the_log_goes_on() {
    // The first commit of a change registers the key of the next log.
    let hub = TestHub::new().await;
    let site = hub.stop().await;
    assert!(site.close_for("next", [None, Some(CommitFault::NotWritten)]).await.is_err());
    let hub = site.start().await;
    hub.accept(&hub.world.message()).await;
    let mut site = hub.stop().await;
    site.close_for("next", [Some(CommitFault::Written)]).await.unwrap();
    site.config.log.shard = "next".to_owned();
    let hub = site.start().await;
    hub.accept(&hub.world.message()).await;
    let old = LogCopy::fetch_at(&hub, "/v1/logs/main").await;
    let closed = old.leaves.iter().filter(|leaf| matches!(leaf, Leaf::Shard { event: ShardEvent::Closed { .. }, .. }));
    assert_eq!(closed.count(), 1);
    let keys = hub.app.registry.state().log_keys().all().count();
    assert_eq!(keys, 2, "the key that was registered is taken, and none made again");
}

#[tokio::test]
async fn another_log_than_that_of_the_data_is_not_begun_without_the_command() {
    let mut site = TestHub::new().await.stop().await;
    site.config.log.shard = "next".to_owned();
    let refused = site.try_open().await.err().unwrap().to_string();
    assert!(refused.contains("saphan-hub shard open"), "{refused}");
    site.config.log.shard = "main".to_owned();
    let hub = site.start().await.go_on_in("next").await;
    let mut site = hub.stop().await;
    site.config.log.shard = "main".to_owned();
    let refused = site.try_open().await.err().unwrap().to_string();
    assert!(refused.contains("set log.shard = \"next\""), "{refused}");
}

#[tokio::test]
async fn nothing_is_appended_behind_the_end_of_a_log() {
    use saphan_hub::ledger::{Draft, LedgerError};

    let hub = TestHub::new().await;
    let end = || Draft::Shard(Box::new(ShardEvent::Closed { next: NEXT.to_owned() }));
    let (first, second) = tokio::join!(hub.app.ledger.append(end()), hub.app.ledger.append(end()));
    assert!(first.is_ok() && matches!(second, Err(LedgerError::Stopped)), "{second:?}");
    assert_eq!(hub.submit(&hub.world.message()).await.status, 503);
}
