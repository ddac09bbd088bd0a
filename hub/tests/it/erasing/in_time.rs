//! What is kept long enough is erased by itself.

use std::num::NonZeroU16;

use saphan_schemas::leaf::Leaf;
use saphan_schemas::registry::{Agreement, Change, Entry};

use crate::harness::{LogCopy, TestHub};

/// Gives an agreement a time for bodies.
async fn agree(hub: &TestHub, id: &str, days: u16) {
    let standing = hub.app.registry.state().agreement(&id.parse().unwrap()).unwrap().agreement.clone();
    let terms = Agreement { retention_days: NonZeroU16::new(days), ..standing };
    hub.apply([Change::Changed(Entry::Agreement(terms))]).await;
}

#[tokio::test]
async fn a_body_is_erased_when_the_time_of_its_agreement_is_over_and_others_stay() {
    let hub = TestHub::new().await;
    let before = hub.world.message();
    hub.deliver(&before, &hub.world.office).await;
    agree(&hub, "to-office", 30).await;
    let message = hub.world.message();
    let index = hub.deliver(&message, &hub.world.office).await;
    assert_eq!(hub.advance_days(29).await, 0);
    let hub = hub.stop().await.start().await;
    assert_eq!(hub.erased(&message).await, None);
    assert_eq!(hub.advance_days(1).await, 1);
    let place = hub.erased(&message).await.unwrap();
    assert_eq!(hub.advance_days(3650).await, 0);
    assert_eq!(hub.erased(&before).await, None, "nothing was said of it");
    let log = LogCopy::fetch(&hub).await;
    let Leaf::Erasure { index: said, basis, .. } = &log.leaves[usize::try_from(place).unwrap()] else {
        panic!("no erasure leaf")
    };
    assert_eq!((*said, basis.as_str()), (index, "retention"));
}

#[tokio::test]
async fn where_nothing_is_said_the_configuration_decides_and_an_agreement_goes_before_it() {
    let hub = TestHub::with("[retention]\ndays = 10").await;
    let message = hub.world.message();
    hub.deliver(&message, &hub.world.office).await;
    agree(&hub, "to-office", 20).await;
    let agreed = hub.world.message();
    hub.deliver(&agreed, &hub.world.office).await;
    assert_eq!(hub.advance_days(10).await, 1);
    assert!(hub.erased(&message).await.is_some());
    assert_eq!(hub.erased(&agreed).await, None);
    assert_eq!(hub.advance_days(10).await, 1);
}

#[tokio::test]
async fn what_is_not_acknowledged_is_kept_and_looked_at_again_a_day_later() {
    let hub = TestHub::with("[retention]\ndays = 1").await;
    let message = hub.world.application().sign(&hub.world.portal.key);
    let index = hub.accept(&message).await;
    assert_eq!(hub.advance_days(1).await, 0);
    let leased = hub.lease(&hub.world.office, 1).await;
    assert_eq!(saphan_schemas::b64::decode_std(&leased.messages[0].body).unwrap(), message.body);
    hub.settle(&hub.world.office, index).await;
    assert_eq!(hub.advance_days(0).await, 0);
    assert_eq!(hub.advance_days(1).await, 1);
    assert_eq!(hub.advance_days(1).await, 0);
}

#[tokio::test]
async fn more_than_are_erased_at_once_are_all_erased() {
    let hub = TestHub::with("[retention]\ndays = 1").await;
    for _ in 0..70 {
        hub.deliver(&hub.world.message(), &hub.world.office).await;
    }
    let waiting = hub.world.message();
    hub.accept(&waiting).await;
    assert_eq!(hub.advance_days(2).await, 70);
    assert_eq!(hub.erased(&waiting).await, None);
    LogCopy::fetch(&hub).await;
}

#[tokio::test]
async fn an_agreement_shows_how_long_bodies_are_kept() {
    let hub = TestHub::new().await;
    agree(&hub, "to-office", 30).await;
    let view = saphan_hub::registry::RegistryView::new(&hub.app.registry.state()).to_string();
    assert!(view.contains("; bodies kept 30 days\n"), "{view}");
}
