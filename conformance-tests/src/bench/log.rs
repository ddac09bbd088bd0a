//! The benchmark of long logs: an audit of a million entries beside the machine's raw ES256 verifications, and what a hub costs
//! as its log grows.

mod audit;
mod hub;
mod report;

pub use audit::{AUDITOR, run_auditor};
pub use report::{AuditFigures, HubFigures, LogFigures};

use std::process::Command;

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use super::machine;

/// How much to measure.
#[derive(Debug, Clone)]
pub struct Sizes {
    /// Entries of the logs to audit, ascending.
    pub audits: Vec<u64>,
    /// Entries of the hubs' logs, ascending.
    pub hubs: Vec<u64>,
}

/// Measures everything; `say` is told what is being done. What is made is in a temporary folder, and removed.
///
/// # Errors
/// When the disk has not enough room, a part fails, or a log does not hold.
pub async fn run(sizes: &Sizes, say: impl Fn(&str)) -> anyhow::Result<LogFigures> {
    let folder = TempDir::new()?;
    let audited = sizes.audits.iter().max().copied().unwrap_or_default() * AUDITED_BYTES;
    let stored: u64 = sizes.hubs.iter().map(|entries| entries * STORED_BYTES).sum();
    must_have_room(&folder, audited.max(stored))?;
    let machine = machine::look(folder.path(), "none")?;
    let audits = audit::measure(&sizes.audits, &say).await?;
    let hubs = hub::measure(&sizes.hubs, &say).await?;
    Ok(LogFigures { audits, hubs, machine })
}

fn must_have_room(folder: &TempDir, bytes: u64) -> anyhow::Result<()> {
    let path = folder.path();
    let said = Command::new("df").args(["--output=avail", "-B1"]).arg(path).output().context("df cannot be run")?;
    let said = String::from_utf8_lossy(&said.stdout);
    let free: u64 = said.lines().nth(1).and_then(|line| line.trim().parse().ok()).context("df says nothing")?;
    let gb = |bytes: u64| bytes.div_ceil(1_000_000_000);
    ensure!(
        free > bytes + SPARE_BYTES,
        "{} has {} GB free; these sizes take {} GB and {} GB to spare. Set TMPDIR to another folder, or ask for fewer entries",
        path.display(),
        gb(free),
        gb(bytes),
        gb(SPARE_BYTES)
    );
    Ok(())
}

/// What an entry takes at most, in the files of a log and in the auditor's state.
const AUDITED_BYTES: u64 = 2000;
/// What an entry takes at most, in a hub's store and its index.
const STORED_BYTES: u64 = 1250;
const SPARE_BYTES: u64 = 4_000_000_000;
