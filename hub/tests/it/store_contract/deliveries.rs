//! Deliveries to the broker.

use saphan_hub::store::{Deliveries, Effect, Limit, MessageState, NewAcknowledgement, Settlement, Store};
use saphan_schemas::acknowledgement::Outcome;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::MessageId;

use super::log_writer::{LogWriter, archive, claims_of, due, message_of};

pub(super) async fn due_are_the_brokers_messages_that_were_not_confirmed(store: &dyn Store) {
    let broker = LogWriter::broker_message("b");
    LogWriter::new().commit(store, vec![LogWriter::message("p"), broker.clone(), LogWriter::broker_message("c")]).await;
    assert_eq!(due(store, 0).await, [1, 2]);
    let pending = store.due(Deliveries::All, 0, Limit { rows: 1, bytes: u64::MAX }).await.unwrap().messages.remove(0);
    let message = message_of(&broker);
    assert_eq!((pending.index, &pending.recipient, &pending.leaf), (1, &archive(), &broker.leaf));
    assert_eq!((&pending.body, &pending.salt), (&message.body, &message.salt));
    assert_eq!((&pending.receipt, &pending.proof), (&message.receipt, &message.proof));
    assert_eq!((pending.attempts, pending.published), (0, 0));
    store.settle(&[Settlement::Delivered { index: 1, again: 1000 }]).await.unwrap();
    assert_eq!(due(store, 999).await, [2]);
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.outbox_amqp, counts.outbox_pull), (1, 1));
    let state = async |id| store.messages(id).await.unwrap()[0].state;
    assert_eq!(state(message.claims.jti).await, MessageState::Delivered);
}

pub(super) async fn a_retry_is_due_at_its_time_and_counted(store: &dyn Store) {
    let message = LogWriter::broker_message("b");
    LogWriter::new().commit(store, vec![message.clone()]).await;
    for attempt in 1..=3 {
        let at = u64::from(attempt) * 100;
        store.settle(&[Settlement::Retry { index: 0, at }]).await.unwrap();
        assert!(due(store, at - 1).await.is_empty());
        let pending = store.due(Deliveries::All, at, Limit { rows: 1, bytes: 1 }).await.unwrap().messages.remove(0);
        assert_eq!((pending.attempts, pending.published), (attempt, 0));
    }
    assert_eq!(store.messages(message_of(&message).claims.jti).await.unwrap()[0].state, MessageState::Accepted);
}

pub(super) async fn a_confirmed_message_is_due_again_until_it_is_acknowledged(store: &dyn Store) {
    let mut log = LogWriter::new();
    log.commit(store, vec![LogWriter::broker_message("b")]).await;
    store.settle(&[Settlement::Retry { index: 0, at: 10 }]).await.unwrap();
    store.settle(&[Settlement::Delivered { index: 0, again: 100 }]).await.unwrap();
    assert!(due(store, 99).await.is_empty());
    let pending = store.due(Deliveries::All, 100, Limit { rows: 1, bytes: 1 }).await.unwrap().messages.remove(0);
    assert_eq!((pending.attempts, pending.published), (0, 1), "attempts are counted anew");
    let acknowledgement = NewAcknowledgement {
        receiver: archive(),
        id: MessageId::new(),
        content: Sha256Hash::of(b"batch"),
        outcomes: vec![(0, Outcome::Processed, None)],
    };
    log.commit(store, vec![LogWriter::entry("ack".into(), Effect::Acknowledgement(acknowledgement))]).await;
    assert!(due(store, u64::MAX >> 1).await.is_empty());
}

pub(super) async fn due_stops_at_its_rows_and_bytes_and_says_so(store: &dyn Store) {
    let bodies = ["x".repeat(100), "y".repeat(10), "z".repeat(10)];
    LogWriter::new().commit(store, bodies.iter().map(|body| LogWriter::broker_message(body)).collect()).await;
    let places = async |rows, bytes| -> (Vec<u64>, bool) {
        let due = store.due(Deliveries::All, 0, Limit { rows, bytes }).await.unwrap();
        (due.messages.into_iter().map(|pending| pending.index).collect(), due.more)
    };
    assert_eq!(places(2, u64::MAX).await, (vec![0, 1], true));
    assert_eq!(places(10, 110).await, (vec![0, 1], true));
    assert_eq!(places(10, 0).await, (vec![0], true), "one at least");
    assert_eq!(places(10, 120).await, (vec![0, 1, 2], false), "nothing was left out");
}

pub(super) async fn what_was_never_settled_is_not_due_again(store: &dyn Store) {
    let bodies = ["a", "b", "c", "d"];
    LogWriter::new().commit(store, bodies.iter().map(|body| LogWriter::broker_message(body)).collect()).await;
    let again = async |now| -> Vec<u64> {
        let due = store.due(Deliveries::Again, now, Limit { rows: 10, bytes: u64::MAX }).await.unwrap();
        due.messages.into_iter().map(|pending| pending.index).collect()
    };
    assert!(again(u64::MAX >> 1).await.is_empty());
    let settlements = [Settlement::Delivered { index: 1, again: 200 }, Settlement::Retry { index: 2, at: 100 }];
    store.settle(&settlements).await.unwrap();
    assert!(again(99).await.is_empty());
    assert_eq!(again(100).await, [2]);
    assert_eq!(again(200).await, [1, 2]);
    assert_eq!(due(store, 200).await, [0, 1, 2, 3]);
}

pub(super) async fn settling_what_is_gone_changes_nothing(store: &dyn Store) {
    let entry = LogWriter::broker_message("b");
    LogWriter::new().commit(store, vec![entry]).await;
    store.settle(&[]).await.unwrap();
    store.settle(&[Settlement::Delivered { index: 7, again: 1 }, Settlement::Retry { index: 8, at: 5 }]).await.unwrap();
    assert_eq!(due(store, 0).await, [0]);
}

pub(super) async fn what_expired_is_not_due(store: &dyn Store) {
    let expiring = LogWriter::message_with("e", |message| {
        message.transport = saphan_schemas::registry::TransportKind::Amqp;
        claims_of(message).not_after = Some(10);
    });
    let id = message_of(&expiring).claims.jti;
    LogWriter::new().commit(store, vec![expiring, LogWriter::broker_message("b")]).await;
    assert_eq!(due(store, 9_999).await, [0, 1]);
    assert_eq!(due(store, 10_000).await, [1]);
    // It may be at the broker, and not be marked yet.
    assert_eq!(store.expire(14_999).await.unwrap(), 0);
    assert_eq!(store.expire(15_000).await.unwrap(), 1);
    assert_eq!(store.messages(id).await.unwrap()[0].state, MessageState::Expired);
    assert_eq!(store.counts().await.unwrap().outbox_amqp, 1);
}
