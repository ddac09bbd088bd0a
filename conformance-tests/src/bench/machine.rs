//! What a run runs on.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use super::report::Machine;

/// Looks at the machine; `folder` is where the hub's store will be.
///
/// # Errors
/// When the folder cannot be written.
pub(super) fn look(folder: &Path, rabbitmq: &str) -> anyhow::Result<Machine> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("an unknown processor");
    Ok(Machine {
        cores: std::thread::available_parallelism()?.get(),
        processor: model.trim_start_matches([' ', '\t', ':']).to_owned(),
        rabbitmq: rabbitmq.to_owned(),
        fdatasync_ms: fdatasync_ms(&folder.join("fdatasync"))?,
    })
}

fn fdatasync_ms(path: &Path) -> anyhow::Result<f64> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let started = Instant::now();
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        times.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    fs::remove_file(path)?;
    times.sort_by(f64::total_cmp);
    Ok(times.get(SYNCS / 2).copied().unwrap_or_default())
}

const SYNCS: usize = 50;
