//! The outbox: durable before anything goes out, and identical however often it goes.

use std::collections::BTreeSet;

use saphan_connector::schemas::ids::MessageId;
use saphan_connector::schemas::problem::ProblemCode;
use saphan_connector::testing::Part;
use saphan_connector::{OutgoingMessage, SendError, Status};

use crate::support::{OFFICE, eventually, hub, in_time, portal, until, until_crash, withdrawal};

#[tokio::test]
async fn a_sent_message_comes_back_with_a_verified_receipt_and_is_kept_as_accepted() {
    let hub = hub();
    hub.register(&OFFICE.parse().unwrap()).unwrap();
    let portal = portal(&hub).await;
    let accepted = in_time(portal.send(withdrawal())).await.unwrap();
    assert_eq!(hub.accepted()[0].envelope.jti, accepted.id());
    assert_eq!(hub.accepted()[0].index, accepted.index());
    eventually(async || portal.status(accepted.id()).await.unwrap() == Some(Status::Accepted(accepted.clone()))).await;
}

#[test]
fn the_outbox_survives_a_crash_and_keeps_the_ids() {
    let hub = hub();
    hub.register(&OFFICE.parse().unwrap()).unwrap();
    hub.outage(true);
    let ids: Vec<MessageId> = until_crash(async {
        let portal = portal(&hub).await;
        let mut ids = Vec::new();
        for _ in 0..20 {
            ids.push(portal.enqueue(withdrawal()).await.unwrap());
        }
        ids
    });
    assert!(hub.accepted().is_empty());
    hub.outage(false);
    until_crash(async {
        let _portal = portal(&hub).await;
        until(&hub, |hub| hub.accepted().len() == 20).await;
    });
    let sent: BTreeSet<MessageId> = hub.accepted().iter().map(|message| message.envelope.jti).collect();
    assert_eq!(sent, BTreeSet::from_iter(ids));
}

#[test]
fn a_message_whose_sender_gave_up_waiting_goes_out_all_the_same() {
    let hub = hub();
    hub.register(&OFFICE.parse().unwrap()).unwrap();
    hub.outage(true);
    until_crash(async {
        let portal = portal(&hub).await;
        let id = MessageId::new();
        let mut send = Box::pin(portal.send(withdrawal().id(id)));
        let stored = eventually(async || portal.status(id).await.unwrap() == Some(Status::Waiting));
        tokio::select! {
            _ = &mut send => panic!("nothing reaches the hub"),
            () = stored => {}
        }
        drop(send);
        hub.outage(false);
        until(&hub, |hub| hub.accepted().iter().any(|message| message.envelope.jti == id)).await;
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_wait_through_an_outage_and_all_get_their_receipts_after_it() {
    let hub = hub();
    hub.register(&OFFICE.parse().unwrap()).unwrap();
    hub.outage(true);
    let portal = portal(&hub).await;
    let sends: Vec<_> = (0..100)
        .map(|_| {
            let outbox = portal.outbox().clone();
            tokio::spawn(async move { outbox.send(withdrawal()).await })
        })
        .collect();
    until(&hub, |hub| hub.unanswered() >= 70).await;
    assert!(sends.iter().all(|send| !send.is_finished()));
    hub.outage(false);
    for send in sends {
        in_time(send).await.unwrap().unwrap();
    }
    assert_eq!(hub.accepted().len(), 100);
}

#[tokio::test]
async fn a_lost_answer_leads_to_the_same_bytes_again_and_to_the_first_receipt() {
    let hub = hub();
    hub.register(&OFFICE.parse().unwrap()).unwrap();
    let portal = portal(&hub).await;
    hub.lose_next_responses(3);
    let accepted = in_time(portal.send(withdrawal())).await.unwrap();
    assert_eq!(hub.unanswered(), 3);
    assert_eq!(hub.accepted().len(), 1);
    assert_eq!(accepted.index(), 0);
}

#[tokio::test]
async fn a_refusal_is_an_answer_for_good_and_is_kept() {
    let hub = hub();
    let portal = portal(&hub).await;
    let id = MessageId::new();
    let error = in_time(portal.send(withdrawal().id(id))).await.unwrap_err();
    assert_eq!(error.problem_code(), Some(ProblemCode::RecipientUnknown));
    assert!(!error.is_retryable());
    let SendError::Refused(document) = error else { panic!("not refused: {error:?}") };
    eventually(async || portal.status(id).await.unwrap() == Some(Status::Refused(document.clone()))).await;
}

#[tokio::test]
async fn a_body_that_breaks_its_schema_is_refused_with_the_place() {
    let hub = hub();
    hub.register(&OFFICE.parse().unwrap()).unwrap();
    let portal = portal(&hub).await;
    let schema = "application.withdrawn@1".parse().unwrap();
    let message = OutgoingMessage::json(OFFICE.parse().unwrap(), schema, &serde_json::json!({ "reason": 1 }));
    let Err(SendError::Refused(document)) = in_time(portal.send(message)).await else { panic!("not refused") };
    assert_eq!(document.code(), Some(ProblemCode::SchemaViolation));
    assert!(document.errors.iter().any(|place| place.pointer == "/reason"), "{document:?}");
}

#[tokio::test]
async fn a_callers_own_id_makes_sending_again_the_same_send() {
    let hub = hub();
    hub.register(&OFFICE.parse().unwrap()).unwrap();
    let portal = portal(&hub).await;
    let id = MessageId::new();
    let sends = (0..5).map(|_| portal.send(withdrawal().id(id)));
    let first = futures_util::future::join_all(sends).await;
    let later = in_time(portal.send(withdrawal().id(id))).await.unwrap();
    assert!(first.into_iter().all(|accepted| accepted.unwrap() == later));
    assert_eq!(hub.accepted().len(), 1);
}

#[tokio::test]
async fn another_message_under_an_id_that_was_used_is_an_error_and_never_the_first_ones_receipt() {
    let hub = hub();
    hub.register(&OFFICE.parse().unwrap()).unwrap();
    let portal = portal(&hub).await;
    let id = MessageId::new();
    let other_body = || {
        let body = serde_json::json!({
            "withdrawn_at": "2026-11-24T09:31:00+07:00", "withdrawn_by": "APPLICANT", "reason": "NO_LONGER_NEEDED"
        });
        OutgoingMessage::json(OFFICE.parse().unwrap(), "application.withdrawn@1".parse().unwrap(), &body)
    };
    let others: [fn(OutgoingMessage) -> OutgoingMessage; 2] =
        [|message| message.case(saphan_schemas::ids::CaseId::new()), |message| message.reply_to(MessageId::new())];
    hub.outage(true);
    portal.enqueue(withdrawal().id(id)).await.unwrap();
    for is_settled in [false, true] {
        if is_settled {
            hub.outage(false);
            in_time(portal.send(withdrawal().id(id))).await.unwrap();
        }
        for other in others.map(|other| other(withdrawal())).into_iter().chain([other_body()]) {
            for error in [
                in_time(portal.send(other.clone().id(id))).await.unwrap_err(),
                in_time(portal.enqueue(other.id(id))).await.unwrap_err(),
            ] {
                assert!(matches!(error, SendError::DuplicateId { id: named } if named == id), "{error:?}");
                assert!(!error.is_retryable());
            }
        }
        portal.enqueue(withdrawal().id(id).not_after(9_999_999_999)).await.unwrap();
    }
    assert_eq!(hub.accepted().len(), 1);
    let minted = portal.enqueue(withdrawal()).await.unwrap();
    let error = in_time(portal.send(other_body().id(minted))).await.unwrap_err();
    assert!(matches!(error, SendError::DuplicateId { id: named } if named == minted), "{error:?}");
    let (one, two) = tokio::join!(portal.send(withdrawal().id(MessageId::new())), async {
        let id = MessageId::new();
        tokio::join!(portal.send(withdrawal().id(id)), portal.send(other_body().id(id)))
    });
    one.unwrap();
    assert_eq!([two.0.is_ok(), two.1.is_ok()].into_iter().filter(|sent| *sent).count(), 1, "one of two at once");
}

#[tokio::test]
async fn a_receipt_or_proof_that_does_not_verify_is_not_believed_and_the_message_is_tried_again() {
    for part in [Part::Receipt, Part::Proof] {
        let hub = hub();
        hub.register(&OFFICE.parse().unwrap()).unwrap();
        let portal = portal(&hub).await;
        hub.corrupt_next_answer(part);
        let id = MessageId::new();
        let error = in_time(portal.send(withdrawal().id(id))).await.unwrap_err();
        assert!(matches!(error, SendError::Untrusted { id: named, .. } if named == id), "{part:?}: {error:?}");
        assert!(!error.is_retryable(), "it is in the outbox");
        eventually(async || matches!(portal.status(id).await.unwrap(), Some(Status::Accepted(_)))).await;
        assert_eq!(hub.accepted().len(), 1);
    }
}

#[test]
fn an_outbox_larger_than_memory_goes_out_completely() {
    let hub = hub();
    hub.register(&OFFICE.parse().unwrap()).unwrap();
    hub.outage(true);
    until_crash(async {
        let portal = portal(&hub).await;
        let sends = (0..1500).map(|_| portal.enqueue(withdrawal()));
        for stored in futures_util::future::join_all(sends).await {
            stored.unwrap();
        }
        hub.outage(false);
        until(&hub, |hub| hub.accepted().len() == 1500).await;
        eventually(async || portal.counts().accepted == 1500).await;
    });
}

#[tokio::test]
async fn what_cannot_be_written_is_told_before_anything_is_stored() {
    let hub = hub();
    let portal = portal(&hub).await;
    let schema = "application.withdrawn@1".parse().unwrap();
    let message = OutgoingMessage::bytes(OFFICE.parse().unwrap(), schema, b"{".to_vec());
    assert!(matches!(portal.send(message).await, Err(SendError::Invalid(_))));
    assert!(hub.accepted().is_empty());
}
