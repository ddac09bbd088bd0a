//! The hub is killed while little goes as it should: evidence is missing, or never comes, consents are taken back, applications
//! withdrawn, and complete cases rejected.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use saphan_conformance::case_world::{
    CaseWorld, Seen, Weather, applications, consent, message, revocation, withdrawal,
};
use saphan_conformance::programs;
use saphan_connector::portal::{CaseStatus, CaseView};
use saphan_connector::{Connector, SendError};
use saphan_examples::local::hub::HubProgram;
use saphan_schemas::b64;
use saphan_schemas::envelope::{EnvelopeClaims, UnverifiedEnvelope};
use saphan_schemas::ids::{CaseId, MessageId};
use saphan_schemas::leaf::Leaf;
use saphan_schemas::message_types::ApplicationSubmitted;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{LONGEST_RUN, ended, settled};
use crate::killing::moments;
use crate::patience::in_time;

/// What somebody did beside applying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Nothing,
    Withdrew,
    /// Took the consent back; it is known since then (milliseconds since 1970).
    Revoked {
        known_at: u64,
    },
}

struct Submitted {
    consent: MessageId,
    change: Change,
}

/// Consents to the use of a land title, applies, and may think better of it at once.
async fn apply(
    portal: &Connector,
    number: usize,
    case: CaseId,
    body: &ApplicationSubmitted,
) -> Result<Submitted, SendError> {
    let consent = portal.send(consent(body).unwrap()).await?.id();
    let (_, application) = message(body).unwrap();
    portal.send(application.case(case).consent(consent)).await?;
    let change = match number % 5 {
        0 => {
            portal.send(withdrawal(case).unwrap()).await?;
            Change::Withdrew
        }
        1 => {
            portal.send(revocation(consent).unwrap()).await?;
            let known_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
            Change::Revoked { known_at: known_at.try_into().unwrap() }
        }
        _ => Change::Nothing,
    };
    Ok(Submitted { consent, change })
}

/// From now on the hub, which is stopped, cannot log anything while it has written that what nobody answered is over. Else that is
/// logged at once, and whoever looks for it may come too late.
async fn hold_ends(world: &CaseWorld) {
    let waits =
        anywhere_in_base64("\"type\":\"case.reminder\"").map(|part| format!("instr(text, '{part}') > 0")).join(" OR ");
    in_the_store(
        world,
        &format!(
            "CREATE TRIGGER hold BEFORE INSERT ON entry WHEN EXISTS (SELECT 1 FROM case_letter WHERE {waits}) \
             BEGIN SELECT RAISE(ABORT, 'an end waits'); END"
        ),
    )
    .await;
}

async fn in_the_store(world: &CaseWorld, statement: &str) {
    let mut store = SqliteConnectOptions::new().filename(world.store_file()).connect().await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(&mut store).await.unwrap();
    store.close().await.unwrap();
}

/// What the base64url of every text that holds this one holds: one of three, by where it begins.
fn anywhere_in_base64(text: &str) -> [String; 3] {
    [0, 1, 2].map(|before| {
        let encoded = b64::encode_url([&b"  "[..before], text.as_bytes()].concat());
        // The letters that are of this text alone.
        encoded[(before * 8).div_ceil(6)..(before + text.len()) * 8 / 6].to_owned()
    })
}

/// Waits until the hub has written that what nobody answered is over, and not logged it yet.
async fn until_an_end_waits(world: &CaseWorld) {
    let mut store = SqliteConnectOptions::new().filename(world.store_file()).connect().await.unwrap();
    loop {
        let letters = sqlx::query_scalar::<_, String>("SELECT text FROM case_letter");
        let is_one = |letter: &String| {
            let envelope = UnverifiedEnvelope::parse(letter);
            envelope.is_ok_and(|envelope| envelope.claims().message_type.as_str() == "case.reminder")
        };
        if letters.fetch_all(&mut store).await.unwrap().iter().any(is_one) {
            return;
        }
    }
}

/// What stands in the log of the stopped hub: its messages, with their times in milliseconds since 1970.
async fn logged(world: &CaseWorld) -> Vec<(u64, EnvelopeClaims)> {
    let mut store = SqliteConnectOptions::new().filename(world.store_file()).connect().await.unwrap();
    let leaves = sqlx::query_scalar::<_, Vec<u8>>("SELECT leaf FROM entry WHERE kind = 1 ORDER BY idx");
    let message = |leaf: &Vec<u8>| {
        let Leaf::Message { ts, envelope, .. } = Leaf::parse(leaf).unwrap() else { panic!("a message") };
        (ts, UnverifiedEnvelope::parse(&envelope).unwrap().claims().clone())
    };
    leaves.fetch_all(&mut store).await.unwrap().iter().map(message).collect()
}

/// Everybody was asked and told once, and of each case the authority has what there is.
fn everybody_was_told_once(seen: &Seen, submitted: &BTreeMap<CaseId, Submitted>, views: &BTreeMap<CaseId, CaseView>) {
    assert!(!seen.asked.is_empty() && !seen.rejected.is_empty() && !seen.over.is_empty(), "the weather was not foul");
    assert!(seen.twice.is_empty(), "handed over twice: {:?}", seen.twice);
    assert!(seen.requests.values().all(|times| *times == 1), "requested twice: {:?}", seen.requests);
    assert!(seen.withdrawn.values().all(|times| *times == 1), "told twice: {:?}", seen.withdrawn);
    assert!(seen.over.values().all(|times| *times == 1), "over twice: {:?}", seen.over);
    for ((case, item), times) in &seen.asked {
        // What rested on a consent that was taken back is asked for again, once the authority has not taken the case.
        let again = matches!(submitted[case].change, Change::Revoked { .. }) && seen.rejected.contains(case);
        assert!(*times <= 1 + usize::from(again), "{case} was asked for {item} {times} times");
    }
    let had: BTreeSet<CaseId> = seen.complete.keys().chain(&seen.rejected).copied().collect();
    for (case, view) in views {
        let is_withdrawn = view.status == CaseStatus::Withdrawn;
        assert!(is_withdrawn || (view.handed_over && view.approved == Some(true)), "{case}: {view:?}");
        let is_told = seen.withdrawn.contains_key(case);
        assert_eq!(is_told, is_withdrawn && had.contains(case), "who has a case is told that it is withdrawn: {case}");
    }
    let over: BTreeSet<CaseId> = seen.over.keys().map(|(case, _)| *case).collect();
    for (case, (_, pieces)) in &seen.complete {
        let known = pieces + seen.asked.keys().filter(|(asked, _)| asked == case).count();
        // What was late, or was handed over before the consent was taken back, may be there though the applicant was asked.
        let may_be_both = over.contains(case) || matches!(submitted[case].change, Change::Revoked { .. });
        assert!(known == 3 || (may_be_both && known == 4), "{case} was not complete: {pieces}");
    }
}

/// Nothing cites a consent after it is known that it was taken back, and each handover is one that somebody has.
fn the_log_agrees(log: &[(u64, EnvelopeClaims)], seen: &Seen, submitted: &BTreeMap<CaseId, Submitted>) {
    for Submitted { consent, change } in submitted.values() {
        let Change::Revoked { known_at } = *change else { continue };
        let cites = |(ts, claims): &&(u64, EnvelopeClaims)| claims.consent == Some(*consent) && *ts > known_at;
        assert!(!log.iter().any(|message| cites(&message)), "{consent} was used after it was taken back");
    }
    let handed_over = log.iter().filter(|(_, claims)| claims.message_type.as_str() == "case.submitted").count();
    assert_eq!(handed_over, seen.complete.len() + seen.rejected.len());
    let lapses = log.iter().filter(|(_, claims)| claims.message_type.as_str() == "case.reminder").count();
    assert_eq!(lapses, seen.over.len(), "the portal has each of them");
}

async fn every_case_ends_in_foul_weather(mut world: CaseWorld, people: usize, kills: usize) {
    let agencies = world.agencies().await.unwrap();
    let mut submitting = JoinSet::new();
    for (number, body) in applications(people).unwrap().into_iter().enumerate() {
        let (portal, case) = (Arc::clone(&agencies.portal), CaseId::new());
        submitting.spawn(async move { (case, apply(&portal, number, case, &body).await.unwrap()) });
    }
    let mut seen = agencies.seen.subscribe();
    for moment in moments(LONGEST_RUN).take(kills) {
        let _ = timeout(moment, seen.wait_for(|seen| seen.decided.len() == people)).await;
        world.hub.kill().await.unwrap();
        world.hub.restart().await.unwrap();
    }
    // All that are silent are given up in one moment, once the hub has been left in peace long enough.
    world.hub.kill().await.unwrap();
    hold_ends(&world).await;
    world.hub.restart().await.unwrap();
    in_time(until_an_end_waits(&world), || "nobody is silent".to_owned()).await;
    world.hub.kill().await.unwrap();
    in_the_store(&world, "DROP TRIGGER hold").await;
    world.hub.restart().await.unwrap();
    let submitted = in_time(submitting.join_all(), || "applications get no receipts".to_owned()).await;
    let submitted: BTreeMap<CaseId, Submitted> = submitted.into_iter().collect();
    let mut views = BTreeMap::new();
    for case in submitted.keys() {
        views.insert(*case, in_time(ended(&agencies.portal, *case), || format!("{case} does not end")).await);
    }
    in_time(settled(&world), || "messages are left without an acknowledgement".to_owned()).await;
    everybody_was_told_once(&agencies.seen.borrow(), &submitted, &views);
    let seen = Arc::clone(&agencies.seen);
    agencies.shutdown().await.unwrap();
    world.stop().await.unwrap();
    the_log_agrees(&logged(&world).await, &seen.borrow(), &submitted);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_wrong_with_cases_goes_wrong_once_however_often_the_hub_is_killed() {
    let program = HubProgram::saphan_hub(programs::saphan_hub().unwrap());
    let world = CaseWorld::start(program, None, Weather::Foul).await.unwrap();
    every_case_ends_in_foul_weather(world, 100, 10).await;
}
