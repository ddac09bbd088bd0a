//! A good message is accepted once, and its receipt is given as often as it is asked for.

use std::collections::HashSet;

use futures_util::future::{join, join_all, join3};
use saphan_schemas::keys::SigningKey;
use saphan_schemas::problem::ProblemCode;
use saphan_schemas::registry::{Change, EntryId};

use crate::harness::{Answer, Evidence, LogCopy, Submission, TestHub, eventually, in_time, verify};

#[tokio::test]
async fn an_accepted_message_has_a_receipt_and_a_proof_that_a_stranger_can_verify() {
    let hub = TestHub::new().await;
    let message = hub.world.application().sign(&hub.world.portal.key);
    let evidence = hub.submit(&message).await.accepted();
    let receipt = hub.verify(&message, &evidence).await;
    let log = LogCopy::fetch(&hub).await;
    assert_eq!((receipt.index, receipt.size), (log.size() - 1, log.size()));
    assert_eq!(receipt.root, log.checkpoint.root);
    assert_eq!(log.messages(), [(hub.world.portal.id.clone(), message.id())]);
}

#[tokio::test]
async fn the_same_message_again_is_answered_with_its_first_receipt_and_proof() {
    let hub = TestHub::new().await;
    let message = hub.world.message();
    let first = hub.submit(&message).await.accepted();
    // The log goes on; the first answer stays what it was.
    hub.submit(&hub.world.message()).await.accepted();
    let size = hub.size();
    let again: Evidence = hub.submit(&message).await.json(200);
    assert_eq!(again, first);
    assert_eq!(hub.size(), size, "nothing is logged for it");
}

#[tokio::test]
async fn the_same_claims_signed_again_are_the_same_message() {
    let hub = TestHub::new().await;
    let draft = hub.world.withdrawal();
    let first = draft.sign(&hub.world.portal.key);
    let resigned = draft.sign(&hub.world.portal.key);
    assert_ne!(first.envelope, resigned.envelope, "two ECDSA signatures differ");
    let receipt = hub.submit(&first).await.accepted();
    assert_eq!(hub.submit(&resigned).await.json::<Evidence>(200), receipt);
    // The receipt speaks of the envelope that was logged.
    hub.verify(&first, &receipt).await;
}

#[tokio::test]
async fn a_message_id_that_comes_again_with_other_content_is_refused_and_the_refusal_logged() {
    let hub = TestHub::new().await;
    let draft = hub.world.withdrawal();
    let index = hub.accept(&draft.sign(&hub.world.portal.key)).await;
    let other = draft.with_json(|body| body["reason"] = "APPLIED_BY_MISTAKE".into());
    let problem = hub.submit(&other.sign(&hub.world.portal.key)).await.problem(ProblemCode::DuplicateId);
    assert_eq!(problem.index, Some(index + 1));
    assert_eq!(LogCopy::fetch(&hub).await.refusals(), ["duplicate-id"]);
    assert_eq!(hub.lease(&hub.world.office, 10).await.indices(), [index], "the first is delivered, the second is not");
}

#[tokio::test]
async fn two_senders_may_use_the_same_message_id() {
    let hub = TestHub::new().await;
    let (portal, office) = (&hub.world.portal, &hub.world.office);
    let draft = hub.world.withdrawal();
    let other = draft.clone().change(|claims| std::mem::swap(&mut claims.iss, &mut claims.aud));
    hub.submit(&draft.sign(&portal.key)).await.accepted();
    hub.submit(&other.sign(&office.key)).await.accepted();
    assert_eq!(LogCopy::fetch(&hub).await.messages().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identical_submissions_at_the_same_moment_are_one_leaf_and_one_receipt() {
    let hub = TestHub::new().await;
    let message = hub.world.message();
    let size = hub.size();
    let answers = join_all((0..8).map(|_| hub.submit(&message))).await;
    let firsts = answers.iter().filter(|answer| answer.status == 201).count();
    let receipts: HashSet<_> = answers
        .iter()
        .map(|answer| answer.json::<Evidence>(if answer.status == 201 { 201 } else { 200 }))
        .map(|evidence| (evidence.receipt, evidence.proof))
        .collect();
    assert_eq!((firsts, receipts.len(), hub.size()), (1, 1, size + 1));
}

#[tokio::test]
async fn the_first_receipt_is_given_again_after_the_key_was_revoked_and_the_agreement_ended() {
    let hub = TestHub::new().await;
    let message = hub.world.message();
    let receipt = hub.submit(&message).await.accepted();
    let ended = [EntryId::Agreement("to-office".parse().unwrap()), EntryId::Key(hub.world.portal.key.id())];
    for ended in ended {
        hub.apply([Change::Revoked(ended)]).await;
        assert_eq!(hub.submit(&message).await.json::<Evidence>(200), receipt);
    }
    // And a stranger can still verify it: the keys are published for ever, with their end.
    hub.verify(&message, &receipt).await;
    hub.submit(&hub.world.message()).await.problem(ProblemCode::KeyRevoked);
}

#[tokio::test]
async fn the_first_receipt_is_given_again_long_after_the_message_could_be_accepted() {
    let hub = TestHub::new().await;
    let message = hub.world.withdrawal().change(|claims| claims.not_after = Some(claims.iat + 60));
    let message = message.sign(&hub.world.portal.key);
    let receipt = hub.submit(&message).await.accepted();
    hub.clock.advance(40 * 24 * 3600);
    assert_eq!(hub.submit(&message).await.json::<Evidence>(200), receipt);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_receipt_of_many_concurrent_senders_verifies_and_the_log_is_one_history() {
    let hub = TestHub::new().await;
    let messages: Vec<Submission> = (0..300).map(|_| hub.world.message()).collect();
    let answers = join_all(messages.iter().map(|message| hub.submit(message))).await;
    let (log, trust) = (LogCopy::fetch(&hub).await, hub.trust().await);
    let mut places = HashSet::new();
    for (message, answer) in messages.iter().zip(answers) {
        let evidence = answer.accepted();
        let receipt = verify(message, &evidence, &trust, |_| Some(*hub.world.portal.key.public()));
        log.agrees_with(&evidence.proof);
        assert!(places.insert(receipt.index), "two messages have the same place");
    }
    assert_eq!(log.messages().len(), 300);
    assert!(log.tiles > 3, "the log has full tiles and partial ones");
}

#[tokio::test]
async fn the_times_in_the_log_never_run_backwards() {
    use saphan_schemas::leaf::Leaf;

    let hub = TestHub::new().await;
    hub.clock.advance(100);
    hub.submit(&hub.world.message()).await.accepted();
    hub.clock.go_back(50);
    hub.submit(&hub.world.message()).await.accepted();
    let log = LogCopy::fetch(&hub).await;
    let times: Vec<u64> = log
        .leaves
        .iter()
        .map(|leaf| match leaf {
            Leaf::Message { ts, .. } | Leaf::Registry { ts, .. } | Leaf::Shard { ts, .. } => *ts,
            other => panic!("not expected here: {other:?}"),
        })
        .collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[tokio::test]
async fn a_body_as_long_as_the_limit_is_accepted_and_one_byte_more_is_not() {
    // Just as much memory as one such body needs.
    let hub = TestHub::with("[limits]\nbody_bytes = 1048576\nbody_memory_mib = 1").await;
    let padded = |len: usize| {
        let draft = hub.world.withdrawal();
        let body = [draft.body.clone(), vec![b' '; len - draft.body.len()]].concat();
        draft.with_body(body).sign(&hub.world.portal.key)
    };
    hub.submit(&padded(1 << 20)).await.accepted();
    let problem = hub.submit(&padded((1 << 20) + 1)).await.problem(ProblemCode::BodyTooLarge);
    assert_eq!(problem.detail.as_deref(), Some("the limit is 1048576 bytes"));
}

#[tokio::test]
async fn a_key_that_was_added_later_signs_as_well_as_the_first() {
    let hub = TestHub::new().await;
    let second = hub.world.portal.another_key();
    let key: &SigningKey = &second.key;
    let message = hub.world.withdrawal().sign(key);
    hub.submit(&message).await.problem(ProblemCode::KeyUnknown);
    hub.apply([Change::Added(saphan_schemas::registry::Entry::Key(second.key_entry()))]).await;
    let evidence = hub.submit(&message).await.accepted();
    hub.verify(&message, &evidence).await;
}

/// What becomes of a message that is judged while a change waits to be written, and stands behind it in the log.
async fn behind(hub: &TestHub, change: Change) -> Answer {
    let (first, late) = (hub.world.message(), hub.world.message());
    let room = hub.app.ledger.room();
    hub.store.block();
    let (first, late, ()) = in_time(join3(
        join(hub.submit(&first), async {
            hub.store.until_blocked().await;
            hub.apply([change]).await;
        }),
        async {
            // The change waits to be written; the registry does not know of it yet.
            eventually(async || hub.app.ledger.room() == room - 1).await;
            hub.submit(&late).await
        },
        async {
            eventually(async || hub.app.ledger.room() == room - 2).await;
            hub.store.release();
        },
    ))
    .await;
    first.0.accepted();
    late
}

#[tokio::test]
async fn a_message_that_stands_behind_the_revocation_of_its_key_in_the_log_is_refused() {
    let hub = TestHub::new().await;
    let revoked = Change::Revoked(EntryId::Key(hub.world.portal.key.id()));
    behind(&hub, revoked).await.problem(ProblemCode::KeyRevoked);
    assert_eq!(LogCopy::fetch(&hub).await.messages().len(), 1);
}

#[tokio::test]
async fn an_agreement_that_is_revoked_in_flight_covers_what_stands_before_and_nothing_behind() {
    let hub = TestHub::new().await;
    let revoked = Change::Revoked(EntryId::Agreement("to-office".parse().unwrap()));
    behind(&hub, revoked).await.problem(ProblemCode::AgreementMissing);
    assert_eq!(LogCopy::fetch(&hub).await.messages().len(), 1);
    let delivered = hub.lease(&hub.world.office, 10).await;
    assert_eq!(delivered.messages.len(), 1, "what was accepted is delivered all the same");
}

#[tokio::test]
async fn a_change_of_the_registry_that_concerns_others_turns_no_message_away() {
    let hub = TestHub::new().await;
    let revoked = Change::Revoked(EntryId::Key(hub.world.archive.key.id()));
    behind(&hub, revoked).await.accepted();
    assert_eq!(LogCopy::fetch(&hub).await.messages().len(), 2);
}

#[tokio::test]
async fn a_body_far_over_the_limit_is_refused_with_an_answer_that_its_sender_can_read() {
    let hub = TestHub::new().await;
    let draft = hub.world.withdrawal();
    let body = [draft.body.clone(), vec![b' '; 11 << 20]].concat();
    let message = draft.with_body(body).sign(&hub.world.portal.key);
    for _ in 0..5 {
        hub.submit(&message).await.problem(ProblemCode::BodyTooLarge);
    }
}
