//! What a run runs on.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use saphan_schemas::keys::SigningKey;

use super::report::Machine;

/// Looks at the machine; `folder` is where the hub's store will be.
///
/// # Errors
/// When the folder cannot be written.
pub(super) fn look(folder: &Path, rabbitmq: &str) -> anyhow::Result<Machine> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("an unknown processor");
    let (sign_us, verify_us) = es256_us()?;
    Ok(Machine {
        cores: std::thread::available_parallelism()?.get(),
        processor: model.trim_start_matches([' ', '\t', ':']).to_owned(),
        rabbitmq: rabbitmq.to_owned(),
        fdatasync_ms: fdatasync_ms(&folder.join("fdatasync"))?,
        es256_sign_us: sign_us,
        es256_verify_us: verify_us,
    })
}

/// What the operating system says of a process's memory: `VmRSS` is what it has, `VmHWM` the most that it had, in MiB.
///
/// # Errors
/// When there is no such process.
pub(super) fn memory_mb(process: u32, name: &str) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib: f64 = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok()).context("its memory")?;
    Ok(kib / 1024.0)
}

/// Microseconds of one ES256 signature and one verification of 1 KiB, on one core.
fn es256_us() -> anyhow::Result<(f64, f64)> {
    let (key, _) = SigningKey::generate()?;
    let text = [7; 1024];
    let mut signature = key.sign(&text)?;
    let started = Instant::now();
    for _ in 0..SIGNATURES {
        signature = key.sign(&text)?;
    }
    let signing = started.elapsed();
    let started = Instant::now();
    for _ in 0..SIGNATURES {
        key.public().verify(&text, &signature)?;
    }
    let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(SIGNATURES);
    Ok((each(signing), each(started.elapsed())))
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
const SIGNATURES: u32 = 2000;
