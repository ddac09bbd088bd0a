//! Cases under fire: the hub is killed again and again while applications go on.

mod foul_weather;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use saphan_conformance::case_world::{CaseWorld, OWN, Weather, applications, message};
use saphan_conformance::programs;
use saphan_examples::local::hub::HubProgram;
use saphan_examples::local::rabbitmq::RabbitNode;
use saphan_schemas::envelope::UnverifiedEnvelope;
use saphan_schemas::ids::CaseId;
use saphan_schemas::leaf::Leaf;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::killing::moments;
use crate::patience::in_time;

/// Who applies.
#[derive(Debug, Clone, Copy)]
struct Load {
    people: usize,
    /// How many applications each of them submits, all at the same moment.
    each: usize,
}

/// Submits applications, kills the hub so many times meanwhile, and holds what became of them against each other.
async fn every_case_ends_once(mut world: CaseWorld, load: Load, kills: usize) {
    let cases = load.people * load.each;
    let agencies = world.agencies().await.unwrap();
    let mut submitting = JoinSet::new();
    let mut submitted = BTreeSet::new();
    let people = applications(load.people).unwrap();
    for body in people.iter().flat_map(|body| std::iter::repeat_n(body, load.each)) {
        let (case, message) = message(body).unwrap();
        submitted.insert(case);
        let portal = Arc::clone(&agencies.portal);
        submitting.spawn(async move { portal.send(message).await.map(|_| ()) });
    }
    let mut seen = agencies.seen.subscribe();
    for moment in moments(LONGEST_RUN).take(kills) {
        let _ = timeout(moment, seen.wait_for(|seen| seen.decided.len() == cases)).await;
        world.hub.kill().await.unwrap();
        world.hub.restart().await.unwrap();
    }
    let sent = in_time(submitting.join_all(), || "applications get no receipts".to_owned()).await;
    sent.into_iter().for_each(|sent| sent.unwrap());
    let missing = || format!("only {} of {cases} cases were decided", agencies.seen.borrow().decided.len());
    in_time(async { drop(seen.wait_for(|seen| seen.decided.len() == cases).await.unwrap()) }, missing).await;
    for case in &submitted {
        let view = in_time(ended(&agencies.portal, *case), || format!("{case} does not end")).await;
        assert!(view.handed_over && view.approved == Some(true), "{case}: {view:?}");
    }
    {
        let seen = agencies.seen.borrow();
        assert_eq!(seen.decided, submitted);
        assert!(seen.twice.is_empty(), "handed over twice: {:?}", seen.twice);
        assert!(seen.complete.values().all(|(_, pieces)| *pieces == 3), "a case was not complete");
        assert_eq!(seen.requests.len(), load.people * 3, "each piece is asked for once for each person");
        let twice: Vec<_> = seen.requests.iter().filter(|(_, times)| **times != 1).collect();
        assert!(twice.is_empty(), "requested twice: {twice:?}");
    }
    in_time(settled(&world), || "messages are left without an acknowledgement".to_owned()).await;
    agencies.shutdown().await.unwrap();
    world.stop().await.unwrap();
    the_log_says_the_same(&world, load).await;
}

/// Waits until the hub's own view of a case, which follows the log, has come to its end.
async fn ended(portal: &saphan_connector::Connector, case: CaseId) -> saphan_connector::portal::CaseView {
    loop {
        // The hub may just have been started.
        if let Ok(view) = portal.case(case).await
            && view.status.is_final()
        {
            return view;
        }
        tokio::task::yield_now().await;
    }
}

/// Waits until every message was acknowledged: a case may have ended before the last of its messages was.
async fn settled(world: &CaseWorld) {
    let mut store = SqliteConnectOptions::new().filename(world.store_file()).connect().await.unwrap();
    let open = "SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM case_letter)";
    while sqlx::query_scalar::<_, i64>(open).fetch_one(&mut store).await.unwrap() > 0 {
        tokio::task::yield_now().await;
    }
}

/// In the store of the stopped hub: nine messages a case, all acknowledged, and no letter that waits. Evidence that came for another
/// case is used again instead of asked for.
async fn the_log_says_the_same(world: &CaseWorld, load: Load) {
    let Load { people, each } = load;
    let mut store = SqliteConnectOptions::new().filename(world.store_file()).connect().await.unwrap();
    let leaves: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT leaf FROM entry WHERE kind = 1").fetch_all(&mut store).await.unwrap();
    let mut names = std::collections::BTreeMap::<String, usize>::new();
    for leaf in leaves {
        let Leaf::Message { envelope, .. } = Leaf::parse(&leaf).unwrap() else { panic!("a message") };
        let claims = UnverifiedEnvelope::parse(&envelope).unwrap().claims().clone();
        *names.entry(claims.message_type.to_string()).or_default() += 1;
    }
    let expected = [
        ("application.decided", people * each),
        ("application.submitted", people * each),
        ("case.submitted", people * each),
        ("evidence.provided", 3 * people),
        ("evidence.requested", 3 * people),
        ("evidence.reused", 3 * people * (each - 1)),
    ];
    let expected = expected.into_iter().filter(|(_, messages)| *messages > 0);
    assert_eq!(names, expected.map(|(name, messages)| (name.to_owned(), messages)).collect());
    let count = |sql: &'static str| sqlx::query_scalar::<_, i64>(sql);
    let letters = count("SELECT count(*) FROM case_letter").fetch_one(&mut store).await.unwrap();
    let outbox = count("SELECT count(*) FROM outbox").fetch_one(&mut store).await.unwrap();
    let not_processed = count("SELECT count(*) FROM message WHERE state <> 2").fetch_one(&mut store).await.unwrap();
    assert_eq!((letters, outbox, not_processed), (0, 0, 0), "{OWN} has done all it had to");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_cases_end_consistent_however_often_the_hub_is_killed_and_nothing_is_requested_twice() {
    let program = HubProgram::saphan_hub(programs::saphan_hub().unwrap());
    every_case_ends_once(
        CaseWorld::start(program, None, Weather::Fair).await.unwrap(),
        Load { people: 200, each: 1 },
        12,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_applies_thrice_at_one_moment_has_each_paper_asked_for_once_however_often_the_hub_is_killed() {
    let program = HubProgram::saphan_hub(programs::saphan_hub().unwrap());
    every_case_ends_once(
        CaseWorld::start(program, None, Weather::Fair).await.unwrap(),
        Load { people: 30, each: 3 },
        8,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cases_over_the_broker_end_consistent_when_the_hub_is_killed() {
    let broker = RabbitNode::start().await.unwrap();
    let program = HubProgram::saphan_hub(programs::saphan_hub().unwrap());
    let world = CaseWorld::start(program, Some(broker.uri().to_owned()), Weather::Fair).await.unwrap();
    every_case_ends_once(world, Load { people: 60, each: 1 }, 3).await;
    broker.stop().await.unwrap();
}

const LONGEST_RUN: Duration = Duration::from_millis(600);
