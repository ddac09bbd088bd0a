//! Leases of pulled messages.

use saphan_hub::store::{LeaseChange, LeaseRequest, Limit, MessageState, Store};

use super::log_writer::{LogWriter, archive, claims_of, extend, lease, message_of, office};

pub(super) async fn a_lease_takes_the_oldest_of_its_recipient_up_to_its_rows(store: &dyn Store) {
    let mut log = LogWriter::new();
    let other = LogWriter::message_with("other", |message| claims_of(message).aud = archive());
    let first = LogWriter::message("first");
    log.commit(store, vec![other, first.clone(), LogWriter::broker_message("broker")]).await;
    log.commit(store, vec![LogWriter::message("second"), LogWriter::message("third")]).await;
    let limit = Limit { rows: 2, bytes: u64::MAX };
    let request = LeaseRequest { recipient: &office(), lease: "l", now: 0, until: 10, limit };
    let leased = store.lease(request).await.unwrap();
    assert_eq!(leased.iter().map(|pending| pending.index).collect::<Vec<_>>(), [1, 3]);
    let (pending, message) = (&leased[0], message_of(&first));
    assert_eq!((&pending.recipient, &pending.leaf, &pending.body), (&office(), &first.leaf, &message.body));
    assert_eq!((&pending.receipt, &pending.proof, &pending.salt), (&message.receipt, &message.proof, &message.salt));
    assert_eq!(pending.attempts, 0);
    assert_eq!(lease(store, "l2", (0, 10), 100).await, [(4, 0)]);
    assert_eq!(store.counts().await.unwrap().outbox_pull, 4, "what is leased still waits");
}

pub(super) async fn a_lease_takes_about_as_many_bytes_as_asked_for_and_one_message_at_least(store: &dyn Store) {
    let mut log = LogWriter::new();
    let bodies = ["x".repeat(100), "y".repeat(10), "z".repeat(10), "w".repeat(10)];
    log.commit(store, bodies.iter().map(|body| LogWriter::message(body)).collect()).await;
    let take = async |name: &str, bytes| -> Vec<u64> {
        let limit = Limit { rows: 100, bytes };
        let request = LeaseRequest { recipient: &office(), lease: name, now: 0, until: 10, limit };
        store.lease(request).await.unwrap().into_iter().map(|pending| pending.index).collect()
    };
    assert_eq!(take("a", 20).await, [0]);
    assert_eq!(take("b", 20).await, [1, 2]);
    assert_eq!(take("c", 0).await, [3]);
}

pub(super) async fn what_is_leased_is_not_leased_again_before_the_lease_ends(store: &dyn Store) {
    LogWriter::new().commit(store, vec![LogWriter::message("m")]).await;
    assert_eq!(lease(store, "a", (100, 200), 1).await, [(0, 0)]);
    assert!(lease(store, "b", (199, 300), 1).await.is_empty());
    assert_eq!(lease(store, "b", (200, 300), 1).await, [(0, 1)], "the second attempt");
    assert_eq!(extend(store, "a", (201, 400)).await, 0, "the first lease is over");
    assert_eq!(lease(store, "c", (300, 400), 1).await, [(0, 2)]);
}

pub(super) async fn a_lease_can_be_moved_by_its_owner_alone_and_while_it_lasts(store: &dyn Store) {
    LogWriter::new().commit(store, vec![LogWriter::message("m"), LogWriter::message("n")]).await;
    lease(store, "a", (0, 100), 2).await;
    let stranger = LeaseChange { recipient: &archive(), lease: "a", now: 1, until: 0, only: None, ends: true };
    assert_eq!(store.move_lease(stranger).await.unwrap(), 0);
    assert_eq!(extend(store, "another", (1, 500)).await, 0);
    assert_eq!(extend(store, "a", (99, 200)).await, 2);
    assert!(lease(store, "b", (199, 300), 2).await.is_empty());
    assert_eq!(extend(store, "a", (200, 500)).await, 0, "it has ended");
    assert_eq!(lease(store, "b", (200, 300), 2).await, [(0, 1), (1, 1)]);
}

pub(super) async fn some_rows_of_a_lease_can_be_given_back(store: &dyn Store) {
    let entries = ["a", "b", "c"].map(LogWriter::message);
    LogWriter::new().commit(store, entries.into()).await;
    lease(store, "l", (0, 100), 3).await;
    let back = |only, until| LeaseChange { recipient: &RECIPIENT, lease: "l", now: 1, until, only, ends: true };
    assert_eq!(store.move_lease(back(Some(&[1, 7]), 50)).await.unwrap(), 1);
    assert_eq!(store.move_lease(back(Some(&[1]), 50)).await.unwrap(), 0, "it is given back already");
    assert_eq!(store.move_lease(back(Some(&[]), 50)).await.unwrap(), 0);
    assert!(lease(store, "m", (49, 500), 3).await.is_empty());
    assert_eq!(lease(store, "m", (50, 500), 3).await, [(1, 1)]);
    assert_eq!(store.move_lease(back(None, 60)).await.unwrap(), 2);
    assert_eq!(lease(store, "n", (60, 500), 3).await, [(0, 1), (2, 1)]);
}

pub(super) async fn what_expired_is_neither_leased_nor_kept(store: &dyn Store) {
    let expiring = |body: &str| LogWriter::message_with(body, |message| claims_of(message).not_after = Some(10));
    let (taken, left) = (expiring("taken"), expiring("left"));
    let ids = [&taken, &left].map(|entry| message_of(entry).claims.jti);
    LogWriter::new().commit(store, vec![taken, left, LogWriter::message("lasting")]).await;
    assert_eq!(lease(store, "l", (9_000, 11_000), 1).await, [(0, 0)]);
    assert_eq!(lease(store, "m", (10_000, 12_000), 3).await, [(2, 0)], "its time has come");
    assert_eq!(store.expire(9_999).await.unwrap(), 0);
    assert_eq!(store.expire(10_000).await.unwrap(), 1, "what is under lease is in its receiver's hands");
    assert_eq!(store.expire(11_000).await.unwrap(), 1, "until its lease ends");
    for id in ids {
        assert_eq!(store.messages(id).await.unwrap()[0].state, MessageState::Expired);
    }
    assert_eq!(store.counts().await.unwrap().outbox_pull, 1);
    assert_eq!(store.expire(u64::MAX).await.unwrap(), 0, "the others have no end");
}

static RECIPIENT: std::sync::LazyLock<saphan_schemas::ids::SystemId> = std::sync::LazyLock::new(office);
