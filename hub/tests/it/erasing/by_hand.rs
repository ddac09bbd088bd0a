//! What is stored of a body, and what of it is left once the operator has it erased.

use saphan_schemas::leaf::{Leaf, message_leaf, split_message};
use saphan_schemas::problem::ProblemCode;
use serde_json::{Value, json};
use sqlx::Connection as _;

use crate::harness::{Document, Evidence, LogCopy, PERSONAL, TestHub};

#[tokio::test]
async fn nothing_of_a_body_stands_in_the_store_as_it_is_and_its_recipient_gets_it_as_it_was() {
    let hub = TestHub::new().await;
    let application = hub.world.application();
    hub.accept(&application.sign(&hub.world.portal.key)).await;
    assert!(!hub.files_with(application.claims.jti.to_string().as_bytes()).is_empty(), "the store is looked into");
    for word in PERSONAL {
        assert!(hub.files_with(word.as_bytes()).is_empty(), "{word}");
    }
    assert!(hub.files_with(application.salt.as_bytes()).is_empty(), "the salt");
    let leased = hub.lease(&hub.world.office, 1).await;
    assert_eq!(leased.messages[0].salt, application.salt.to_text());
    assert_eq!(saphan_schemas::b64::decode_std(&leased.messages[0].body).unwrap(), application.body);
}

#[tokio::test]
async fn what_is_erased_is_gone_with_its_key_and_the_log_stands() {
    let hub = TestHub::new().await;
    let message = hub.world.application();
    let message = message.sign(&hub.world.portal.key);
    let index = hub.deliver(&message, &hub.world.office).await;
    let (body, key) = hub.stored(index).await.unwrap();
    let before = hub.show(&hub.world.portal, &message).await.json::<Value>(200);
    let erased = hub.erase(&[index], "pdpa-s33").await.json::<Value>(200);
    let place = hub.size() - 1;
    let told = json!({ "message": index, "erasure": place, "erasure_log": hub.app.origin });
    assert_eq!(erased, json!({ "erased": [told], "copies": [] }));
    assert_eq!(hub.stored(index).await, None);
    for (what, bytes) in [("the key", &key[..]), ("the body", &body[..200])] {
        assert_eq!(hub.files_with(bytes), Vec::<String>::new(), "{what}");
    }
    let mut after = before.clone();
    after["erased"] = place.into();
    after["erased_log"] = hub.app.origin.as_str().into();
    assert_eq!(hub.show(&hub.world.office, &message).await.json::<Value>(200), after, "nothing else has changed");
    let evidence = hub.submit(&message).await.json::<Evidence>(200);
    assert_eq!(evidence.receipt, before["receipt"].as_str().unwrap(), "the same again is answered as ever");
    hub.verify(&message, &evidence).await;
    let log = LogCopy::fetch(&hub).await;
    log.agrees_with(&evidence.proof);
    let Some(Leaf::Erasure { index: said, basis, .. }) = log.leaves.last() else { panic!("no erasure leaf") };
    assert_eq!((*said, basis.as_str()), (index, "pdpa-s33"));
    let hub = hub.stop().await.start().await;
    assert_eq!(hub.erased(&message).await, Some(place));
    assert!(hub.app.store.cases().contents(&[index]).await.unwrap().is_empty());
}

#[tokio::test]
async fn erasing_again_is_answered_with_the_first_time_also_at_once() {
    let hub = TestHub::new().await;
    let index = hub.deliver(&hub.world.message(), &hub.world.office).await;
    let (once, twice) = ([index], [index, index]);
    let (one, other) = tokio::join!(hub.erase(&once, "pdpa-s33"), hub.erase(&twice, "court-order"));
    let one = one.json::<Value>(200);
    assert_eq!(one, other.json::<Value>(200));
    let size = hub.size();
    assert_eq!(hub.erase(&[index], "court-order").await.json::<Value>(200), one);
    assert_eq!(hub.size(), size);
    let log = LogCopy::fetch(&hub).await;
    assert_eq!(log.leaves.iter().filter(|leaf| matches!(leaf, Leaf::Erasure { .. })).count(), 1);
    let metrics = hub.get("/metrics").await;
    assert!(metrics.text().contains("saphan_bodies_erased_total 1\n"), "{}", metrics.text());
}

#[tokio::test]
async fn what_is_needed_or_no_message_is_not_erased_nor_what_is_asked_for_with_it() {
    let hub = TestHub::new().await;
    let (done, waiting) = (hub.world.message(), hub.world.message());
    let first = hub.deliver(&done, &hub.world.office).await;
    let second = hub.accept(&waiting).await;
    let size = hub.size();
    let refused = hub.erase(&[first, second], "pdpa-s33").await.problem(ProblemCode::ErasureTooEarly);
    let reason = "is still needed: its recipient has not acknowledged it; nothing was erased";
    assert_eq!(refused.detail, Some(format!("the message at place {second} {reason}")));
    for index in [0, size, u64::MAX] {
        let refused = hub.erase(&[first, index], "pdpa-s33").await.problem(ProblemCode::NotFound);
        assert_eq!(refused.detail, Some(format!("no message is at place {index} of the log; nothing was erased")));
    }
    hub.erase(&[first], "No Code").await.problem(ProblemCode::RequestMalformed);
    hub.erase(&vec![first; 257], "pdpa-s33").await.problem(ProblemCode::RequestMalformed);
    let body = json!({ "messages": [first], "basis": "pdpa-s33" });
    hub.call(&hub.world.portal, "POST", "/v1/erasures", &body).await.problem(ProblemCode::Forbidden);
    assert_eq!((hub.size(), hub.erased(&done).await), (size, None));
    hub.settle(&hub.world.office, second).await;
    hub.erase(&[first, second], "pdpa-s33").await.json::<Value>(200);
    assert!(hub.erased(&done).await < hub.erased(&waiting).await);
}

/// Makes an envelope in the store unreadable.
async fn damage_envelope(hub: &TestHub, index: u64) {
    let (mut store, place) = (hub.store_file().await, i64::try_from(index).unwrap());
    let leaf = sqlx::query_scalar("SELECT leaf FROM entry WHERE idx = ?1").bind(place);
    let leaf: Vec<u8> = leaf.fetch_one(&mut store).await.unwrap();
    let damaged = message_leaf(split_message(&leaf).unwrap().0, "e30.e30.AA");
    let replaced = sqlx::query("UPDATE entry SET leaf = ?2 WHERE idx = ?1").bind(place).bind(damaged);
    assert_eq!(replaced.execute(&mut store).await.unwrap().rows_affected(), 1);
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_message_whose_envelope_cannot_be_read_keeps_its_body_until_somebody_has_it_erased() {
    let hub = TestHub::with("[retention]\ndays = 1").await;
    let message = hub.world.message();
    let index = hub.deliver(&message, &hub.world.office).await;
    damage_envelope(&hub, index).await;
    assert_eq!(hub.advance_days(1).await, 0, "nobody knows whether it is needed");
    assert!(hub.stored(index).await.is_some());
    hub.erase(&[index], "pdpa-s33").await.json::<Value>(200);
    assert_eq!(hub.stored(index).await, None);
}

#[tokio::test]
async fn what_expired_may_be_erased() {
    let hub = TestHub::new().await;
    let message = hub.world.withdrawal().change(|claims| claims.not_after = Some(claims.iat + 60));
    let index = hub.accept(&message.sign(&hub.world.portal.key)).await;
    hub.clock.advance(61);
    hub.app.store.expire(saphan_hub::clock::Clock::now_ms(&*hub.clock)).await.unwrap();
    hub.erase(&[index], "pdpa-s33").await.json::<Value>(200);
}

#[tokio::test]
async fn documents_that_no_other_message_cites_go_with_it() {
    let hub = TestHub::new().await;
    let (portal, office) = (&hub.world.portal, &hub.world.office);
    let (alone, shared) = (Document::pdf(5000), Document::pdf(6000));
    for document in [&alone, &shared] {
        assert_eq!(hub.put(portal, document).await.status, 201);
    }
    let both = hub.world.withdrawal().change(|claims| claims.documents = vec![alone.reference(), shared.reference()]);
    let first = hub.deliver(&both.sign(&portal.key), office).await;
    let second = hub.deliver(&hub.citing(&shared), office).await;
    hub.erase(&[first], "pdpa-s33").await.json::<Value>(200);
    for party in [portal, office] {
        hub.read(party, &alone).await.problem(ProblemCode::NotFound);
    }
    assert!(hub.read(office, &shared).await.body == shared.bytes);
    hub.keep_up().await;
    assert!(hub.app.store.left_over(10).await.unwrap().is_empty(), "its parts are swept");
    hub.erase(&[second], "pdpa-s33").await.json::<Value>(200);
    hub.read(office, &shared).await.problem(ProblemCode::NotFound);
}

#[tokio::test]
async fn while_the_store_is_down_nothing_is_erased_and_the_same_again_does_it() {
    let hub = TestHub::new().await;
    let message = hub.world.message();
    let index = hub.deliver(&message, &hub.world.office).await;
    hub.store.set_full(true);
    hub.erase(&[index], "pdpa-s33").await.problem(ProblemCode::HubUnavailable);
    hub.store.set_full(false);
    assert!(hub.stored(index).await.is_some());
    assert_eq!(hub.erased(&message).await, None);
    hub.erase(&[index], "pdpa-s33").await.json::<Value>(200);
}

#[tokio::test]
async fn after_a_rotation_the_old_storage_key_can_go_and_bodies_are_delivered() {
    let hub = TestHub::new().await;
    let application = hub.world.application();
    hub.accept(&application.sign(&hub.world.portal.key)).await;
    let keys = &hub.app.key_store;
    let old = keys.storage_ids().unwrap();
    let new = keys.add_storage().unwrap().id();
    assert_eq!(hub.app.store.storage_keys().await.unwrap(), old);
    hub.keep_up().await;
    assert_eq!(hub.app.store.storage_keys().await.unwrap(), [new]);
    keys.remove_storage(old[0]).unwrap();
    let hub = hub.stop().await.start().await;
    hub.accept(&hub.world.message()).await;
    let leased = hub.lease(&hub.world.office, 2).await;
    assert_eq!(saphan_schemas::b64::decode_std(&leased.messages[0].body).unwrap(), application.body);
    assert_eq!(hub.app.store.storage_keys().await.unwrap(), [new]);
}

#[tokio::test]
async fn a_damaged_body_holds_up_no_other_neither_in_an_inbox_nor_in_a_rotation() {
    let hub = TestHub::new().await;
    let mut places = Vec::new();
    for _ in 0..3 {
        places.push(hub.accept(&hub.world.message()).await);
    }
    let mut connection = hub.store_file().await;
    for statement in [
        "UPDATE parts SET body = zeroblob(length(body)) WHERE idx = ?1",
        "UPDATE body_key SET ciphertext = zeroblob(length(ciphertext)) WHERE idx = ?1",
    ] {
        let place = i64::try_from(places[usize::from(statement.starts_with("UPDATE body_key"))]).unwrap();
        sqlx::query(statement).bind(place).execute(&mut connection).await.unwrap();
    }
    sqlx::Connection::close(connection).await.unwrap();
    let leased = hub.lease(&hub.world.office, 10).await;
    assert_eq!(leased.messages.iter().map(|message| message.index).collect::<Vec<_>>(), places[2..]);
    let keys = &hub.app.key_store;
    let old = keys.storage_ids().unwrap()[0];
    let new = keys.add_storage().unwrap().id();
    hub.keep_up().await;
    assert_eq!(hub.app.store.storage_keys().await.unwrap(), [old, new], "the damaged key is left as it is");
    hub.settle(&hub.world.office, places[2]).await;
}

#[tokio::test]
async fn a_hub_whose_storage_key_is_gone_does_not_start() {
    let hub = TestHub::new().await;
    hub.accept(&hub.world.message()).await;
    let id = hub.app.key_store.storage_ids().unwrap()[0];
    let site = hub.stop().await;
    site.config.key_store().remove_storage(id).unwrap();
    let reason = site.try_open().await.err().unwrap().to_string();
    assert!(reason.contains(&format!("storage-{id}.key")), "{reason}");
}

#[tokio::test]
async fn a_body_of_an_older_store_is_delivered_and_can_be_erased() {
    let hub = TestHub::new().await;
    let application = hub.world.application();
    let message = application.sign(&hub.world.portal.key);
    let index = hub.accept(&message).await;
    let mut connection = hub.store_file().await;
    sqlx::query("UPDATE parts SET salt = ?2, body = ?3 WHERE idx = ?1")
        .bind(i64::try_from(index).unwrap())
        .bind(&application.salt.as_bytes()[..])
        .bind(&*application.body)
        .execute(&mut connection)
        .await
        .unwrap();
    sqlx::raw_sql("DELETE FROM body_key").execute(&mut connection).await.unwrap();
    sqlx::Connection::close(connection).await.unwrap();
    let leased = hub.lease(&hub.world.office, 1).await;
    assert_eq!(leased.messages[0].salt, application.salt.to_text());
    assert_eq!(saphan_schemas::b64::decode_std(&leased.messages[0].body).unwrap(), application.body);
    hub.settle(&hub.world.office, index).await;
    hub.erase(&[index], "pdpa-s33").await.json::<Value>(200);
    for word in PERSONAL {
        assert_eq!(hub.files_with(word.as_bytes()), Vec::<String>::new(), "{word}");
    }
    assert!(hub.erased(&message).await.is_some());
}
