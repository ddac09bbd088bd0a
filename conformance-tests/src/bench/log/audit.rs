//! `saphan audit log` as its own process: the whole log, and again after a thousand entries more.

use std::ffi::OsString;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use saphan_examples::local::hub::HubProgram;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use super::report::AuditFigures;
use crate::bench::audit::verifications_per_second;
use crate::bench::memory_mb;
use crate::long_log::{Begun, PublishedLog};
use crate::world::World;

/// The first argument of a program that is to be the auditor: the rest are those of `saphan`.
pub const AUDITOR: &str = "saphan";

/// Runs `saphan` with these arguments, its name first; then says on standard error how much memory the process had at most.
pub fn run_auditor(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let ended = saphan_cli::run(arguments);
    match memory_mb(std::process::id(), "VmHWM") {
        Ok(mb) => eprintln!("{PEAK}{mb}"),
        Err(error) => eprintln!("the most memory is not known: {error:#}"),
    }
    ended
}

/// Audits a log at each of these sizes, the smallest first.
pub(super) async fn measure(sizes: &[u64], say: &impl Fn(&str)) -> anyhow::Result<Vec<AuditFigures>> {
    if sizes.is_empty() {
        return Ok(Vec::new());
    }
    let mut world = World::start_unlimited(HubProgram::this_program()?, None).await?;
    world.stop().await?;
    let folder = TempDir::new()?;
    let mut log = PublishedLog::new(&Begun::of(&world).await?, folder.path())?;
    let mut found = Vec::new();
    for entries in sizes.iter().copied() {
        say(&format!("a log of {entries} entries"));
        log = grown(log, entries).await?;
        let before = raw().await?;
        say("an audit of it");
        let state = TempDir::new()?;
        let first = audit(&log, folder.path(), state.path()).await?;
        let after = raw().await?;
        let more = log.size() + MORE;
        log = grown(log, more).await?;
        let resumed = audit(&log, folder.path(), state.path()).await?;
        let verifications_per_second = f64::midpoint(before, after);
        let per_second = first.entries as f64 / first.seconds;
        let figures = AuditFigures {
            entries: first.entries,
            signatures: first.signatures,
            seconds: first.seconds,
            per_second,
            es256_verifications_per_second: verifications_per_second,
            ratio: per_second / verifications_per_second,
            memory_mb: first.memory_mb,
            state_mb: bytes_of(state.path())? as f64 / f64::from(1 << 20),
            resumed_entries: resumed.entries,
            resumed_seconds: resumed.seconds,
        };
        say(&format!("so far: {per_second:.0} entries a second, {:.2} of raw ES256", figures.ratio));
        found.push(figures);
    }
    Ok(found)
}

async fn grown(mut log: PublishedLog, entries: u64) -> anyhow::Result<PublishedLog> {
    tokio::task::spawn_blocking(move || log.grow_to(entries).map(|()| log)).await?
}

async fn raw() -> anyhow::Result<f64> {
    tokio::task::spawn_blocking(verifications_per_second).await?
}

/// One audit.
struct Audited {
    entries: u64,
    signatures: u64,
    seconds: f64,
    memory_mb: f64,
}

async fn audit(log: &PublishedLog, folder: &Path, state: &Path) -> anyhow::Result<Audited> {
    let vkey = log.vkey().to_string();
    let started = Instant::now();
    let output = Command::new(std::env::current_exe()?)
        .args([AUDITOR, "--json", "audit", "log"])
        .arg(folder)
        .args(["--vkey", &vkey, "--state"])
        .arg(state)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await?;
    let seconds = started.elapsed().as_secs_f64();
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the log does not hold: {}{said}", String::from_utf8_lossy(&output.stdout));
    let told: Value = serde_json::from_slice(&output.stdout)?;
    let number =
        |path: &str| told.pointer(path).and_then(Value::as_u64).with_context(|| format!("no {path} in {told}"));
    let memory = said.lines().find_map(|line| line.strip_prefix(PEAK)?.parse().ok());
    ensure!(number("/log/size")? == log.size(), "another log was audited: {told}");
    Ok(Audited {
        entries: number("/entries_checked")?,
        signatures: number("/log/signatures")?,
        seconds,
        memory_mb: memory.with_context(|| format!("the auditor says nothing of its memory: {said}"))?,
    })
}

fn bytes_of(folder: &Path) -> anyhow::Result<u64> {
    let files = std::fs::read_dir(folder)?;
    let lengths = files.map(|file| Ok(file?.metadata()?.len()));
    lengths.sum::<std::io::Result<u64>>().context("the auditor's state cannot be measured")
}

const PEAK: &str = "most memory in MiB: ";
const MORE: u64 = 1000;
