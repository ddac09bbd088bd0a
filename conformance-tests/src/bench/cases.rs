//! Cases: an application, three pieces of evidence that their providers give at once, and the complete case at its authority.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use saphan_schemas::ids::CaseId;
use saphan_schemas::message_types::ApplicationSubmitted;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::latency::Percentiles;
use crate::case_world::{Agencies, CaseWorld, applications, message};

/// What was found.
pub(super) struct Measured {
    /// Cases a second, from the first submission to the last decision at the portal.
    pub(super) per_second: f64,
    /// From submission to the complete case at the authority, at half of that rate.
    pub(super) complete: Percentiles,
    /// The hub's CPU seconds for 1,000 cases.
    pub(super) hub_cpu_seconds_per_1000: f64,
}

/// `cases` as fast as they go, then half as many at half of that rate.
pub(super) async fn measure(world: &CaseWorld, cases: usize) -> anyhow::Result<Measured> {
    let agencies = world.agencies().await?;
    let paced = (cases / 2).max(1);
    // Everybody applies once: nothing can be used again.
    let mut people = applications(WARM_UP + cases + paced)?.into_iter();
    at_once(&agencies, people.by_ref().take(WARM_UP).collect()).await?;
    let (before, started) = (world.hub.cpu_seconds()?, Instant::now());
    at_once(&agencies, people.by_ref().take(cases).collect()).await?;
    let per_second = cases as f64 / started.elapsed().as_secs_f64();
    let hub_cpu_seconds_per_1000 = (world.hub.cpu_seconds()? - before) / (cases as f64 / 1000.0);
    let complete = at_a_rate(&agencies, people.collect(), per_second / 2.0).await?;
    agencies.shutdown().await?;
    Ok(Measured { per_second, complete, hub_cpu_seconds_per_1000 })
}

async fn at_once(agencies: &Agencies, bodies: Vec<ApplicationSubmitted>) -> anyhow::Result<()> {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut sends = JoinSet::new();
    let mut submitted = BTreeSet::new();
    for body in bodies {
        let permit = Arc::clone(&room).acquire_owned().await?;
        let (case, message) = message(&body)?;
        submitted.insert(case);
        let portal = Arc::clone(&agencies.portal);
        sends.spawn(async move {
            let sent = portal.send(message).await;
            drop(permit);
            sent.map(|_| ())
        });
    }
    while let Some(sent) = sends.join_next().await {
        sent??;
    }
    decided(agencies, &submitted).await
}

/// Submits at a steady rate, whatever comes back when.
async fn at_a_rate(
    agencies: &Agencies,
    bodies: Vec<ApplicationSubmitted>,
    per_second: f64,
) -> anyhow::Result<Percentiles> {
    let mut ticks = interval(Duration::from_secs_f64(1.0 / per_second));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut sends, mut began) = (JoinSet::new(), Vec::new());
    for body in bodies {
        ticks.tick().await;
        let (case, message) = message(&body)?;
        began.push((case, Instant::now()));
        let portal = Arc::clone(&agencies.portal);
        sends.spawn(async move { portal.send(message).await.map(|_| ()) });
    }
    while let Some(sent) = sends.join_next().await {
        sent??;
    }
    decided(agencies, &began.iter().map(|(case, _)| *case).collect()).await?;
    let seen = agencies.seen.borrow();
    let took = |(case, began): &(CaseId, Instant)| Some(seen.complete.get(case)?.0.duration_since(*began));
    let latencies: Option<Vec<Duration>> = began.iter().map(took).collect();
    Percentiles::of(latencies.context("a case was never complete")?).context("no case was measured")
}

async fn decided(agencies: &Agencies, cases: &BTreeSet<CaseId>) -> anyhow::Result<()> {
    let mut seen = agencies.seen.subscribe();
    let all = seen.wait_for(|seen| {
        cases.iter().next_back().is_none_or(|last| seen.decided.contains(last)) && cases.is_subset(&seen.decided)
    });
    let done = timeout(DEADLINE, all).await.is_ok();
    let seen = agencies.seen.borrow();
    ensure!(done, "cases are missing: {} of {} decided", cases.intersection(&seen.decided).count(), cases.len());
    ensure!(seen.twice.is_empty() && seen.requests.values().all(|times| *times == 1), "something was done twice");
    Ok(())
}

const AT_ONCE: usize = 256;
const WARM_UP: usize = 50;
const DEADLINE: Duration = Duration::from_secs(300);
