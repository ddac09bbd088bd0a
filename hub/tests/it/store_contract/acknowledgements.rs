//! Outcomes of messages.

use saphan_hub::store::{Asker, Effect, MessageRecord, MessageState, NewAcknowledgement, NewEntry, Store, StoreError};
use saphan_schemas::acknowledgement::Outcome;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::{MessageId, SystemId};

use super::log_writer::{LogWriter, archive, due, extend, lease, message_of, office};

pub(super) async fn an_outcome_settles_its_message_and_ends_its_delivery(store: &dyn Store) {
    let mut log = LogWriter::new();
    let [p, r, b] = [LogWriter::message("p"), LogWriter::message("r"), LogWriter::broker_message("b")];
    log.commit(store, vec![p.clone(), r.clone(), b.clone()]).await;
    lease(store, "l", (0, 100), 2).await;
    let place = log.commit(store, vec![batch(&office(), &[(0, None), (1, Some("wrong-office"))])]).await;
    log.commit(store, vec![batch(&archive(), &[(2, None)])]).await;
    let said = store.outcomes(Asker::Request, &[2, 0, 1, 9]).await.unwrap();
    let said: Vec<_> =
        said.iter().map(|one| (one.index, one.outcome, one.code.as_ref().map(|code| code.as_str()))).collect();
    let rejected = (1, Outcome::Rejected, Some("wrong-office"));
    assert_eq!(said, [(0, Outcome::Processed, None), rejected, (2, Outcome::Processed, None)]);
    let records = records(store, &[&p, &r, &b]).await;
    let states: Vec<_> = records.iter().map(|record| record.state).collect();
    let processed = MessageState::Settled(Outcome::Processed);
    assert_eq!(states, [processed, MessageState::Settled(Outcome::Rejected), processed]);
    let codes: Vec<_> = records.iter().map(|record| record.code.as_ref().map(|code| code.as_str())).collect();
    assert_eq!(codes, [None, Some("wrong-office"), None]);
    let places: Vec<_> = records.iter().map(|record| record.acknowledgement).collect();
    assert_eq!(places, [Some(place), Some(place), Some(place + 1)]);
    assert_eq!(extend(store, "l", (1, 200)).await, 0, "nothing of the lease is left");
    assert!(lease(store, "m", (1000, 2000), 9).await.is_empty());
    assert!(due(store, 1000).await.is_empty());
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.outbox_pull, counts.outbox_amqp), (0, 0));
}

pub(super) async fn an_outcome_of_another_system_changes_nothing(store: &dyn Store) {
    let mut log = LogWriter::new();
    let message = LogWriter::message("p");
    log.commit(store, vec![message.clone()]).await;
    log.commit(store, vec![batch(&archive(), &[(0, None), (1, None), (99, None)])]).await;
    assert_eq!(records(store, &[&message]).await[0].state, MessageState::Accepted);
    assert!(store.outcomes(Asker::Ledger, &[0]).await.unwrap().is_empty());
    assert_eq!(lease(store, "l", (0, 100), 9).await, [(0, 0)]);
}

pub(super) async fn the_first_outcome_stays(store: &dyn Store) {
    let mut log = LogWriter::new();
    let message = LogWriter::message("p");
    log.commit(store, vec![message.clone()]).await;
    let first = batch(&office(), &[(0, Some("too-late"))]);
    let second = batch(&office(), &[(0, None)]);
    log.commit(store, vec![first, second]).await;
    log.commit(store, vec![batch(&office(), &[(0, None)])]).await;
    let record = records(store, &[&message]).await.remove(0);
    assert_eq!(record.state, MessageState::Settled(Outcome::Rejected));
    assert_eq!((record.code.unwrap().as_str(), record.acknowledgement), ("too-late", Some(1)));
}

pub(super) async fn a_batch_is_known_by_its_receiver_and_id(store: &dyn Store) {
    let mut log = LogWriter::new();
    log.commit(store, vec![LogWriter::message("p")]).await;
    let id = MessageId::new();
    let same = |receiver: &SystemId| acknowledgement(receiver, id, &[(0, None)]);
    log.commit(store, vec![same(&office()), same(&archive())]).await;
    let content = Sha256Hash::of(id.to_string().as_bytes());
    assert_eq!(store.acknowledgement(Asker::Request, &office(), id).await.unwrap(), Some((content, 1)));
    assert_eq!(store.acknowledgement(Asker::Request, &archive(), id).await.unwrap(), Some((content, 2)));
    assert_eq!(store.acknowledgement(Asker::Request, &office(), MessageId::new()).await.unwrap(), None);
    let again = log.batch_apart(vec![same(&office())]);
    assert!(matches!(store.commit(&again).await, Err(StoreError::Failed { .. })));
    assert_eq!(store.acknowledgement(Asker::Request, &office(), id).await.unwrap(), Some((content, 1)));
}

/// The record of each of these messages.
async fn records(store: &dyn Store, messages: &[&NewEntry]) -> Vec<MessageRecord> {
    let mut records = Vec::new();
    for message in messages {
        records.extend(store.messages(message_of(message).claims.jti).await.unwrap());
    }
    records
}

fn batch(receiver: &SystemId, outcomes: &[(u64, Option<&str>)]) -> NewEntry {
    acknowledgement(receiver, MessageId::new(), outcomes)
}

fn acknowledgement(receiver: &SystemId, id: MessageId, outcomes: &[(u64, Option<&str>)]) -> NewEntry {
    let outcome = |(index, code): &(u64, Option<&str>)| {
        let outcome = if code.is_some() { Outcome::Rejected } else { Outcome::Processed };
        (*index, outcome, code.map(|code| code.parse().unwrap()))
    };
    let content = Sha256Hash::of(id.to_string().as_bytes());
    let outcomes = outcomes.iter().map(outcome).collect();
    let new = NewAcknowledgement { receiver: receiver.clone(), id, content, outcomes };
    LogWriter::entry(format!("batch {id} of {receiver}"), Effect::Acknowledgement(new))
}
