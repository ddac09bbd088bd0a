//! A hub on logs of several lengths: how fast it starts, and what one more message costs. The hubs take turns, so that the
//! machine's faster and slower minutes fall on all of them.

use std::fs::File;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use saphan_examples::local::hub::HubProgram;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::time::sleep;

use super::report::HubFigures;
use crate::bench::accept::{Submission, post_batches, signed};
use crate::bench::{evidence, memory_mb};
use crate::long_log::{Begun, grow_store};
use crate::world::World;

/// A hub on a long log.
struct Grown {
    world: World,
    entries: u64,
    evidence_bytes: f64,
    start_seconds: Vec<f64>,
    seconds: f64,
    cpu_seconds: f64,
}

/// Measures a hub with a log of each of these sizes.
pub(super) async fn measure(sizes: &[u64], say: &impl Fn(&str)) -> anyhow::Result<Vec<HubFigures>> {
    let mut hubs = Vec::new();
    for entries in sizes {
        say(&format!("a hub with {entries} entries"));
        hubs.push(Grown::of(*entries, say).await?);
    }
    say("start-up");
    for _ in 0..STARTS {
        for hub in &mut hubs {
            hub.start().await?;
        }
    }
    say("acceptance");
    for round in 0..=ROUNDS {
        // Whoever comes first in a round comes last in the next.
        let turn = round % hubs.len().max(1);
        let (later, first) = hubs.split_at_mut(turn);
        for hub in first.iter_mut().chain(later) {
            hub.accept(round > 0).await?;
        }
    }
    let mut found = Vec::new();
    for hub in hubs {
        found.push(hub.figures().await?);
    }
    Ok(found)
}

impl Grown {
    async fn of(entries: u64, say: &impl Fn(&str)) -> anyhow::Result<Self> {
        let mut world = World::start_unlimited(HubProgram::this_program()?, None).await?;
        world.stop().await?;
        let begun = Begun::of(&world).await?;
        let entries = grow_store(&world.store_file(), &begun, entries).await?;
        let evidence_bytes = evidence::bytes_per_message(&world.store_file()).await?;
        say("its auditors' index");
        world.hub.restart().await?;
        indexed(&world, entries).await?;
        world.stop().await?;
        // What was just made is no part of what one more message costs, or its first checkpoints would wait for the disk.
        File::open(world.store_file())?.sync_all()?;
        Ok(Self { world, entries, evidence_bytes, start_seconds: Vec::new(), seconds: 0.0, cpu_seconds: 0.0 })
    }

    /// Starts it again; the one before is killed, as if the power had failed.
    async fn start(&mut self) -> anyhow::Result<()> {
        self.world.hub.kill().await?;
        let started = Instant::now();
        self.world.hub.restart().await?;
        self.start_seconds.push(started.elapsed().as_secs_f64());
        Ok(())
    }

    async fn accept(&mut self, counts: bool) -> anyhow::Result<()> {
        let messages: Vec<Submission> = signed(&self.world, MESSAGES)?;
        let (cpu, started) = (self.world.hub.cpu_seconds()?, Instant::now());
        post_batches(&self.world, &messages).await?;
        if counts {
            self.seconds += started.elapsed().as_secs_f64();
            self.cpu_seconds += self.world.hub.cpu_seconds()? - cpu;
        }
        Ok(())
    }

    async fn figures(mut self) -> anyhow::Result<HubFigures> {
        let pid = self.world.hub.pid().context("the hub runs")?;
        let (memory_mb, peak_memory_mb) = (memory_mb(pid, "VmRSS")?, memory_mb(pid, "VmHWM")?);
        self.world.stop().await?;
        self.start_seconds.sort_by(f64::total_cmp);
        let accepted = (MESSAGES * ROUNDS) as f64;
        Ok(HubFigures {
            entries: self.entries,
            store_mb: std::fs::metadata(self.world.store_file())?.len() as f64 / f64::from(1 << 20),
            start_seconds: self.start_seconds.get(STARTS / 2).copied().context("the hub was started")?,
            accept_per_second: accepted / self.seconds,
            cpu_seconds_per_1000: self.cpu_seconds / (accepted / 1000.0),
            memory_mb,
            peak_memory_mb,
            evidence_bytes: self.evidence_bytes,
        })
    }
}

/// Waits until the hub's index has so many entries, as it has in a hub whose log grew with the traffic.
async fn indexed(world: &World, entries: u64) -> anyhow::Result<()> {
    let options = SqliteConnectOptions::new().filename(world.search_file()).read_only(true);
    let (mut last, mut since) = (0, Instant::now());
    loop {
        sleep(LOOK).await;
        let mut index = options.clone().connect().await?;
        let next: i64 = sqlx::query_scalar("SELECT next FROM cursor").fetch_one(&mut index).await?;
        index.close().await?;
        if next.unsigned_abs() >= entries {
            return Ok(());
        }
        if next > last {
            (last, since) = (next, Instant::now());
        }
        ensure!(since.elapsed() < PATIENCE, "the index does not follow the log; it has {next} of {entries} entries");
    }
}

/// Messages of one hub's turn.
const MESSAGES: usize = 2048;
/// Turns, after one that does not count.
const ROUNDS: usize = 9;
const STARTS: usize = 5;
const LOOK: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_secs(30);
