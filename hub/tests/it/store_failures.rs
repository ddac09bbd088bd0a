//! A store that fails at commit: no receipt without an entry, no entry twice, no two histories.

use futures_util::future::{join, join_all};
use saphan_hub::app::App;
use saphan_hub::submission::{self, Accepted, Begun};
use saphan_schemas::problem::ProblemCode;

use crate::harness::{Answer, CommitFault, Evidence, LogCopy, Submission, TestHub, eventually, in_time, verify};

#[tokio::test]
async fn a_message_whose_commit_failed_and_wrote_nothing_is_not_accepted_until_it_is_sent_again() {
    let hub = TestHub::new().await;
    let (message, size) = (hub.world.message(), hub.size());
    hub.store.next_commits([Some(CommitFault::NotWritten)]);
    hub.submit(&message).await.problem(ProblemCode::HubUnavailable);
    assert_eq!(hub.size(), size);
    hub.show(&hub.world.portal, &message).await.problem(ProblemCode::NotFound);
    let evidence = hub.submit(&message).await.accepted();
    hub.verify(&message, &evidence).await;
    assert_eq!(LogCopy::fetch(&hub).await.messages().len(), 1);
}

#[tokio::test]
async fn a_message_whose_commit_failed_but_wrote_everything_gets_the_receipt_of_that_commit() {
    let hub = TestHub::new().await;
    let message = hub.world.message();
    hub.store.next_commits([Some(CommitFault::Written)]);
    let evidence = hub.submit(&message).await.accepted();
    hub.verify(&message, &evidence).await;
    assert_eq!(hub.submit(&message).await.json::<Evidence>(200), evidence);
    assert_eq!(hub.lease(&hub.world.office, 10).await.messages.len(), 1, "it is delivered, once");
    assert_eq!(LogCopy::fetch(&hub).await.messages().len(), 1);
}

#[tokio::test]
async fn while_the_head_cannot_be_read_the_hub_is_not_ready_and_afterwards_it_recovers_by_itself() {
    let hub = TestHub::new().await;
    let (message, waiting) = (hub.world.message(), hub.world.message());
    hub.store.next_commits([Some(CommitFault::Written)]);
    hub.store.unreadable_heads(usize::MAX);
    let (first, second) = in_time(join(join(hub.submit(&message), hub.submit(&waiting)), async {
        eventually(async || hub.store.head_reads_failed() >= 2).await;
        hub.get("/readyz").await.problem(ProblemCode::HubUnavailable);
        assert_eq!(hub.get("/livez").await.status, 200, "a restart would not help");
        hub.store.unreadable_heads(0);
    }))
    .await
    .0;
    // Nobody was told anything before the truth was known.
    hub.verify(&message, &first.accepted()).await;
    hub.verify(&waiting, &second.accepted()).await;
    assert_eq!(hub.get("/readyz").await.status, 200);
    assert_eq!(LogCopy::fetch(&hub).await.messages().len(), 2);
}

#[tokio::test]
async fn a_store_that_is_down_is_answered_unavailable_and_comes_back_by_itself() {
    let hub = TestHub::new().await;
    let message = hub.world.message();
    hub.store.set_down(true);
    hub.submit(&message).await.problem(ProblemCode::HubUnavailable);
    hub.get("/readyz").await.problem(ProblemCode::HubUnavailable);
    hub.get("/metrics").await.problem(ProblemCode::HubUnavailable);
    hub.lease_answer(&hub.world.office, 1, 0).await.problem(ProblemCode::HubUnavailable);
    hub.get("/v1/log/tile/0/000.p/1").await.problem(ProblemCode::HubUnavailable);
    assert_eq!(hub.get("/v1/log/checkpoint").await.status, 200, "what was published stays published");
    hub.store.set_down(false);
    assert_eq!(hub.get("/readyz").await.status, 200);
    hub.verify(&message, &hub.submit(&message).await.accepted()).await;
}

#[tokio::test]
async fn a_refusal_that_cannot_be_logged_is_not_given_and_the_caller_may_try_again() {
    let hub = TestHub::new().await;
    let message = hub.world.withdrawal().change(|claims| claims.iat += 3600).sign(&hub.world.portal.key);
    hub.store.next_commits([Some(CommitFault::NotWritten)]);
    hub.submit(&message).await.problem(ProblemCode::HubUnavailable);
    let problem = hub.submit(&message).await.problem(ProblemCode::IssuedInFuture);
    assert_eq!(problem.index, Some(hub.size() - 1));
}

#[tokio::test]
async fn a_registry_change_whose_commit_failed_but_wrote_takes_effect() {
    use saphan_schemas::registry::{Change, EntryId};

    let hub = TestHub::new().await;
    hub.store.next_commits([Some(CommitFault::Written)]);
    hub.apply([Change::Revoked(EntryId::Agreement("to-office".parse().unwrap()))]).await;
    hub.submit(&hub.world.message()).await.problem(ProblemCode::AgreementMissing);
}

#[tokio::test]
async fn what_was_written_behind_the_hubs_back_is_found_and_the_log_stays_one_history() {
    let hub = TestHub::new().await;
    let before = hub.world.message();
    hub.submit(&before).await.accepted();
    // The same keys on the same store: what a second process would do that ignores the lock.
    let (message, other) = (hub.world.message(), hub.world.message());
    let theirs = accepted_by(&*hub.twin().await, &other).await;
    hub.submit(&message).await.problem(ProblemCode::HubUnavailable);
    let ours = hub.submit(&message).await.accepted();
    let log = LogCopy::fetch(&hub).await;
    log.agrees_with(&theirs.proof);
    log.agrees_with(&ours.proof);
    assert_eq!(log.messages().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_faults_of_every_kind_no_receipt_is_lost_no_message_is_logged_twice_and_no_checkpoint_contradicts_another()
 {
    let hub = TestHub::new().await;
    let messages: Vec<Submission> = (0..100).map(|_| hub.world.message()).collect();
    let kinds = [None, Some(CommitFault::NotWritten), Some(CommitFault::Written), Some(CommitFault::Written), None];
    hub.store.next_commits(kinds.into_iter().cycle().take(40));
    hub.store.unreadable_heads(3);
    let answers = in_time(join_all(messages.iter().map(|message| until_accepted(&hub, message)))).await;
    let (log, trust) = (LogCopy::fetch(&hub).await, hub.trust().await);
    for (message, answer) in messages.iter().zip(answers) {
        let evidence: Evidence = answer.json(answer.status);
        verify(message, &evidence, &trust, |_| Some(*hub.world.portal.key.public()));
        log.agrees_with(&evidence.proof);
    }
    assert_eq!(log.messages().len(), messages.len());
    assert_eq!(hub.lease(&hub.world.office, 256).await.messages.len(), messages.len());
}

/// Submits without HTTP.
async fn accepted_by(app: &App, message: &Submission) -> Accepted {
    let Begun::Continue(addressed) = submission::begin(app, None, message.envelope.as_deref()).await.unwrap() else {
        panic!("it was accepted before");
    };
    submission::finish(app, None, *addressed, message.salt.as_deref(), message.body.clone()).await.unwrap()
}

/// A sender that gives up on nothing but a refusal.
async fn until_accepted(hub: &TestHub, message: &Submission) -> Answer {
    loop {
        let answer = hub.submit(message).await;
        if answer.status < 300 {
            return answer;
        }
        answer.problem(ProblemCode::HubUnavailable);
    }
}
