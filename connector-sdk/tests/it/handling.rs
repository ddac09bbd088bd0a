//! Handlers: once for each message that settles, again for each that does not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use saphan_connector::schemas::acknowledgement::Outcome;
use saphan_connector::schemas::ids::CaseId;
use saphan_connector::schemas::message_types::{BilingualText, EvidenceDeclined, NotProvided};
use saphan_connector::testing::TestHub;
use saphan_connector::{Handled, Message, Receive};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::support::{
    LONG, OFFICE, PORTAL, Withdrawn, acknowledged, content_office, eventually, hub, in_time, office, portal, until,
    until_crash, withdrawal,
};

#[tokio::test]
async fn a_message_that_is_delivered_twice_is_handled_once() {
    let hub = hub();
    let (runs, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let (counted, wait) = (Arc::clone(&runs), Arc::clone(&go));
    let office = office(&hub)
        .handle(move |_: Withdrawn| {
            counted.fetch_add(1, Ordering::SeqCst);
            let wait = Arc::clone(&wait);
            async move {
                wait.acquire().await?.forget();
                Ok(Handled::Done)
            }
        })
        .build()
        .await
        .unwrap();
    hub.duplicate_deliveries(5);
    let portal = portal(&hub).await;
    for _ in 0..5 {
        in_time(portal.send(withdrawal())).await.unwrap();
    }
    eventually(async || office.counts().duplicates == 5).await;
    go.add_permits(10);
    until(&hub, |hub| acknowledged(hub) == 5).await;
    assert_eq!(runs.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn a_message_that_comes_again_after_its_acknowledgement_is_acknowledged_again_and_not_handled() {
    let hub = hub();
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let office = office(&hub)
        .handle(move |_: Withdrawn| {
            counted.fetch_add(1, Ordering::SeqCst);
            async { Ok(Handled::Reject("case-unknown".parse()?)) }
        })
        .build()
        .await
        .unwrap();
    let portal = portal(&hub).await;
    in_time(portal.send(withdrawal())).await.unwrap();
    eventually(async || office.counts().acknowledged == 1).await;
    hub.deliver_all_again();
    until(&hub, |hub| acknowledged(hub) == 2).await;
    let batches = hub.acknowledgements();
    assert_eq!(batches[0].messages, batches[1].messages);
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn retry_handles_the_message_again_and_reject_ends_it_with_its_code() {
    let hub = hub();
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let _office = office(&hub)
        .handle(move |_: Withdrawn| {
            let run = counted.fetch_add(1, Ordering::SeqCst);
            async move {
                match run {
                    0 => Ok(Handled::Retry { after: None }),
                    1 => Ok(Handled::Retry { after: Some(Duration::from_millis(1)) }),
                    2 => Err("the register is closed".into()),
                    3 => panic!("a mistake in the agency's code"),
                    _ => Ok(Handled::Reject("case-unknown".parse()?)),
                }
            }
        })
        .build()
        .await
        .unwrap();
    let portal = portal(&hub).await;
    let accepted = in_time(portal.send(withdrawal())).await.unwrap();
    until(&hub, |hub| acknowledged(hub) == 1).await;
    let told = hub.acknowledgements()[0].messages[0].clone();
    assert_eq!((told.index, told.outcome), (accepted.index(), Outcome::Rejected));
    assert_eq!(told.code.unwrap().as_str(), "case-unknown");
    assert_eq!(runs.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn a_type_that_nobody_handles_is_rejected_as_unknown() {
    let hub = hub();
    let _office = office(&hub).build().await.unwrap();
    let portal = portal(&hub).await;
    in_time(portal.send(withdrawal())).await.unwrap();
    until(&hub, |hub| acknowledged(hub) == 1).await;
    assert_eq!(hub.acknowledgements()[0].messages[0].code.as_ref().unwrap().as_str(), "type-unknown");
}

#[tokio::test]
async fn the_handler_for_everything_else_sees_plain_json() {
    let hub = hub();
    let seen = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&seen);
    let _office = office(&hub)
        .handle_any(move |message: Message<Value>| {
            *keep.lock().unwrap() = Some(message.body()["reason"].clone());
            async { Ok(Handled::Done) }
        })
        .build()
        .await
        .unwrap();
    let portal = portal(&hub).await;
    in_time(portal.send(withdrawal())).await.unwrap();
    until(&hub, |hub| acknowledged(hub) == 1).await;
    assert_eq!(*seen.lock().unwrap(), Some(Value::from("NO_LONGER_NEEDED")));
}

#[tokio::test]
async fn a_reply_goes_back_to_the_sender_about_the_same_case() {
    let hub = hub();
    let _office = office(&hub)
        .handle(|message: Withdrawn| async move { Ok(Handled::Reply(vec![message.reply(&declined())])) })
        .build()
        .await
        .unwrap();
    let portal = portal(&hub).await;
    let case = CaseId::new();
    let accepted = in_time(portal.send(withdrawal().case(case))).await.unwrap();
    until(&hub, |hub| hub.accepted().len() == 2).await;
    let reply = hub.accepted()[1].envelope.clone();
    assert_eq!((reply.iss.as_str(), reply.aud.as_str()), (OFFICE, PORTAL));
    assert_eq!((reply.reply_to, reply.case), (Some(accepted.id()), Some(case)));
}

#[test]
fn a_message_whose_handler_was_killed_is_handled_after_the_restart_and_its_reply_is_sent_once() {
    let hub = hub();
    until_crash(async {
        let started = Arc::new(Semaphore::new(0));
        let tell = Arc::clone(&started);
        let office = office(&hub)
            .handle(move |_: Withdrawn| {
                tell.add_permits(1);
                std::future::pending()
            })
            .build()
            .await
            .unwrap();
        let portal = portal(&hub).await;
        in_time(portal.send(withdrawal())).await.unwrap();
        let _started = in_time(started.acquire()).await.unwrap();
        eventually(async || office.counts().received == 1).await;
    });
    assert_eq!(acknowledged(&hub), 0);
    // The hub delivers nothing: the message comes from the journal.
    hub.hold_deliveries();
    until_crash(async {
        let _office = office(&hub)
            .handle(|message: Withdrawn| async move { Ok(Handled::Reply(vec![message.reply(&declined())])) })
            .build()
            .await
            .unwrap();
        until(&hub, |hub| acknowledged(hub) == 1 && hub.accepted().len() == 2).await;
    });
    until_crash(async {
        let office = content_office(&hub).await;
        let drained = in_time(office.shutdown(LONG)).await.unwrap();
        assert_eq!((drained.outbox, drained.inbox), (0, 0));
    });
    assert_eq!(hub.accepted().len(), 2);
}

#[test]
fn what_ended_before_it_was_stored_is_acknowledged_after_a_restart_and_not_handled_again() {
    let hub = hub();
    let runs = Arc::new(AtomicUsize::new(0));
    let office = async |hub: &TestHub| {
        let (counted, breaking) = (Arc::clone(&runs), hub.clone());
        let handler = move |message: Withdrawn| {
            counted.fetch_add(1, Ordering::SeqCst);
            // From now on the hub takes neither acknowledgements nor replies.
            breaking.outage(true);
            async move { Ok(Handled::Reply(vec![message.reply(&declined())])) }
        };
        office(hub).handle(handler).build().await.unwrap()
    };
    until_crash(async {
        let office = office(&hub).await;
        let portal = portal(&hub).await;
        in_time(portal.send(withdrawal())).await.unwrap();
        eventually(async || office.counts().processed == 1).await;
    });
    assert_eq!((acknowledged(&hub), hub.accepted().len()), (0, 1));
    hub.outage(false);
    // The hub delivers nothing: both come from the journal.
    hub.hold_deliveries();
    until_crash(async {
        let _office = office(&hub).await;
        until(&hub, |hub| acknowledged(hub) == 1 && hub.accepted().len() == 2).await;
    });
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_handler_that_takes_long_does_not_hold_up_the_messages_behind_it() {
    let hub = hub();
    let go = Arc::new(Semaphore::new(0));
    let (wait, runs) = (Arc::clone(&go), AtomicUsize::new(0));
    let office = office(&hub)
        .handle(move |_: Withdrawn| {
            let (wait, first) = (Arc::clone(&wait), runs.fetch_add(1, Ordering::SeqCst) == 0);
            async move {
                if first {
                    wait.acquire().await?.forget();
                }
                Ok(Handled::Done)
            }
        })
        .build()
        .await
        .unwrap();
    let portal = portal(&hub).await;
    for _ in 0..5 {
        in_time(portal.send(withdrawal())).await.unwrap();
    }
    until(&hub, |hub| acknowledged(hub) == 4).await;
    assert_eq!(office.counts().received, 5);
    go.add_permits(1);
    until(&hub, |hub| acknowledged(hub) == 5).await;
}

#[tokio::test]
async fn handlers_never_run_more_at_once_than_allowed() {
    let hub = hub();
    let (go, now, most) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (wait, running, peak) = (Arc::clone(&go), Arc::clone(&now), Arc::clone(&most));
    let office = office(&hub)
        .handlers_at_once(2)
        .handle(move |_: Withdrawn| {
            let (wait, running) = (Arc::clone(&wait), Arc::clone(&running));
            peak.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            async move {
                wait.acquire().await?.forget();
                running.fetch_sub(1, Ordering::SeqCst);
                Ok(Handled::Done)
            }
        })
        .build()
        .await
        .unwrap();
    let portal = portal(&hub).await;
    for _ in 0..8 {
        in_time(portal.send(withdrawal())).await.unwrap();
    }
    // All are stored while two run, and the others wait for their turn.
    eventually(async || office.counts().received == 8 && now.load(Ordering::SeqCst) == 2).await;
    go.add_permits(8);
    until(&hub, |hub| acknowledged(hub) == 8).await;
    assert_eq!(most.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_reply_that_cannot_be_sent_does_not_settle_the_message() {
    let hub = hub();
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let _office = office(&hub)
        .handle(move |message: Withdrawn| {
            let run = counted.fetch_add(1, Ordering::SeqCst);
            async move {
                let bad = saphan_connector::OutgoingMessage::bytes(
                    message.sender().clone(),
                    "a.b@1".parse()?,
                    b"not json".to_vec(),
                );
                Ok(if run == 0 { Handled::Reply(vec![bad]) } else { Handled::Done })
            }
        })
        .build()
        .await
        .unwrap();
    let portal = portal(&hub).await;
    in_time(portal.send(withdrawal())).await.unwrap();
    until(&hub, |hub| acknowledged(hub) == 1).await;
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn shutdown_finishes_the_running_handler_and_hands_in_its_outcome() {
    let hub = hub();
    let (started, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (tell, wait) = (Arc::clone(&started), Arc::clone(&go));
    let office = office(&hub)
        .handle(move |_: Withdrawn| {
            let (tell, wait) = (Arc::clone(&tell), Arc::clone(&wait));
            async move {
                tell.add_permits(1);
                wait.acquire().await?.forget();
                Ok(Handled::Done)
            }
        })
        .build()
        .await
        .unwrap();
    let portal = portal(&hub).await;
    in_time(portal.send(withdrawal())).await.unwrap();
    in_time(started.acquire()).await.unwrap().forget();
    let shutdown = tokio::spawn(office.shutdown(LONG));
    go.add_permits(1);
    let drained = in_time(shutdown).await.unwrap().unwrap();
    assert!(drained.finished);
    assert_eq!((drained.outbox, drained.inbox), (0, 0));
    assert_eq!(acknowledged(&hub), 1);
}

#[tokio::test]
async fn shutdown_leaves_what_does_not_finish_in_time_to_the_next_start() {
    let hub = hub();
    let started = Arc::new(Semaphore::new(0));
    let tell = Arc::clone(&started);
    let first = office(&hub)
        .handle(move |_: Withdrawn| {
            tell.add_permits(1);
            std::future::pending()
        })
        .build()
        .await
        .unwrap();
    let portal = portal(&hub).await;
    in_time(portal.send(withdrawal())).await.unwrap();
    in_time(started.acquire()).await.unwrap().forget();
    eventually(async || first.counts().received == 1).await;
    let drained = in_time(first.shutdown(Duration::from_millis(1))).await.unwrap();
    assert!(!drained.finished);
    assert_eq!(drained.inbox, 1);
    let _office = content_office(&hub).await;
    until(&hub, |hub| acknowledged(hub) == 1).await;
}

#[test]
fn a_handler_that_runs_when_the_connector_stops_while_the_hub_is_away_finishes_and_runs_once() {
    let hub = hub();
    let runs = Arc::new(AtomicUsize::new(0));
    let gates = [Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0))];
    let office = async |hub: &TestHub| {
        let (counted, gates) = (Arc::clone(&runs), gates.clone());
        let handler = move |_: Withdrawn| {
            let gate = Arc::clone(&gates[counted.fetch_add(1, Ordering::SeqCst)]);
            async move {
                gate.acquire().await?.forget();
                Ok(Handled::Done)
            }
        };
        office(hub).handle(handler).build().await.unwrap()
    };
    until_crash(async {
        let office = office(&hub).await;
        let portal = portal(&hub).await;
        for _ in 0..2 {
            in_time(portal.send(withdrawal())).await.unwrap();
        }
        eventually(async || office.counts().received == 2).await;
        let before = hub.unanswered();
        hub.outage(true);
        gates[0].add_permits(1);
        // One outcome waits for the hub: whoever hands it in ends with the stop, and the other handler still runs.
        until(&hub, |hub| hub.unanswered() > before).await;
        let shutdown = tokio::spawn(office.shutdown(LONG));
        gates[1].add_permits(1);
        let drained = in_time(shutdown).await.unwrap().unwrap();
        assert!(drained.finished);
        assert_eq!((drained.inbox, acknowledged(&hub)), (2, 0), "both are in the journal, and not handed in");
    });
    hub.outage(false);
    // The hub delivers nothing: the outcomes come from the journal.
    hub.hold_deliveries();
    until_crash(async {
        let _office = office(&hub).await;
        until(&hub, |hub| acknowledged(hub) == 2).await;
    });
    assert_eq!(runs.load(Ordering::SeqCst), 2, "it was not handled again");
}

#[tokio::test]
async fn a_handler_ends_with_its_connector() {
    let hub = hub();
    let held = Arc::new(());
    let (seen, started) = (Arc::downgrade(&held), Arc::new(Semaphore::new(0)));
    let tell = Arc::clone(&started);
    let office = office(&hub)
        .handle(move |_: Withdrawn| {
            let (mine, tell) = (Arc::clone(&held), Arc::clone(&tell));
            async move {
                tell.add_permits(1);
                std::future::pending::<()>().await;
                drop(mine);
                Ok(Handled::Done)
            }
        })
        .build()
        .await
        .unwrap();
    let portal = portal(&hub).await;
    in_time(portal.send(withdrawal())).await.unwrap();
    in_time(started.acquire()).await.unwrap().forget();
    assert!(!in_time(office.shutdown(Duration::from_millis(1))).await.unwrap().finished);
    eventually(async || seen.strong_count() == 0).await;
}

#[tokio::test]
async fn a_connector_that_receives_nothing_leaves_messages_at_the_hub() {
    let hub = hub();
    let silent = office(&hub).receive(Receive::Nothing).build().await.unwrap();
    let portal = portal(&hub).await;
    in_time(portal.send(withdrawal())).await.unwrap();
    in_time(silent.shutdown(Duration::from_secs(5))).await.unwrap();
    assert_eq!(acknowledged(&hub), 0);
    let _office = content_office(&hub).await;
    until(&hub, |hub| acknowledged(hub) == 1).await;
}

#[tokio::test]
async fn what_is_handled_while_the_hub_is_out_is_acknowledged_after_it() {
    let hub = hub();
    let go = Arc::new(Semaphore::new(0));
    let wait = Arc::clone(&go);
    let _office = office(&hub)
        .handle(move |_: Withdrawn| {
            let wait = Arc::clone(&wait);
            async move {
                wait.acquire().await?.forget();
                Ok(Handled::Done)
            }
        })
        .build()
        .await
        .unwrap();
    let portal = portal(&hub).await;
    in_time(portal.send(withdrawal())).await.unwrap();
    hub.outage(true);
    go.add_permits(1);
    until(&hub, |hub| hub.unanswered() >= 3).await;
    assert_eq!(acknowledged(&hub), 0);
    hub.outage(false);
    until(&hub, |hub| acknowledged(hub) == 1).await;
}

fn declined() -> EvidenceDeclined {
    EvidenceDeclined {
        declined_at: "2026-11-24T10:00:00+07:00".parse().unwrap(),
        evidence_type: "th.rd.income-record".parse().unwrap(),
        reason: NotProvided::Other,
        text: BilingualText { th: "ไม่ต้องใช้แล้ว".into(), en: "No longer needed.".into() },
        held_by: None,
    }
}

#[tokio::test]
async fn a_message_that_comes_after_its_not_after_is_rejected_and_no_handler_sees_it() {
    let hub = hub();
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let _office = office(&hub)
        .handle(move |_: Withdrawn| {
            counted.fetch_add(1, Ordering::SeqCst);
            async { Ok(Handled::Done) }
        })
        .build()
        .await
        .unwrap();
    let portal = portal(&hub).await;
    // The test hub delivers late, as a broker that was down would.
    in_time(portal.send(withdrawal().not_after(1_000_000_000))).await.unwrap();
    until(&hub, |hub| acknowledged(hub) == 1).await;
    let said = &hub.acknowledgements()[0].messages[0];
    assert_eq!(
        (said.outcome, said.code.as_ref().map(|code| code.as_str())),
        (Outcome::Rejected, Some("message-expired"))
    );
    assert_eq!(runs.load(Ordering::SeqCst), 0);
}
