//! An audit of the whole log, beside the machine's raw ES256 verifications: each message and each batch of acknowledgements has one.

use std::thread;
use std::time::Instant;

use saphan_cli::log_check::{FolderLog, HttpLog, check, check_and_export};
use saphan_schemas::keys::SigningKey;
use tempfile::TempDir;

use crate::world::World;

/// What was found.
pub(super) struct Measured {
    /// The length of the log.
    pub(super) entries: u64,
    /// Entries a second, every file, root, signature and rule checked, from files in a folder.
    pub(super) per_second: f64,
    /// ES256 verifications a second on all cores, and nothing else.
    pub(super) verifications_per_second: f64,
}

/// Audits the log that the hub of this world has by now.
pub(super) async fn measure(world: &World) -> anyhow::Result<Measured> {
    let folder = TempDir::new()?;
    check_and_export(&HttpLog::new(world.hub.address())?, &world.trust.log, &(), folder.path()).await?;
    let started = Instant::now();
    let entries = check(&FolderLog::new(folder.path()), &world.trust.log, &()).await?.size;
    let per_second = entries as f64 / started.elapsed().as_secs_f64();
    let verifications_per_second = tokio::task::spawn_blocking(verifications_per_second).await??;
    Ok(Measured { entries, per_second, verifications_per_second })
}

/// ES256 verifications a second on all cores, and nothing else.
pub(super) fn verifications_per_second() -> anyhow::Result<f64> {
    let (key, _) = SigningKey::generate()?;
    let text = [7; 1024];
    let signature = key.sign(&text)?;
    let cores = thread::available_parallelism()?.get();
    let verify = || (0..VERIFICATIONS).try_for_each(|_| key.public().verify(&text, &signature));
    let started = Instant::now();
    let verified = thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(verify)).collect();
        threads.into_iter().map(|thread| thread.join()).collect::<Vec<_>>()
    });
    for core in verified {
        core.map_err(|_| anyhow::anyhow!("a thread was lost"))??;
    }
    Ok((VERIFICATIONS * cores) as f64 / started.elapsed().as_secs_f64())
}

/// On each core.
const VERIFICATIONS: usize = 20_000;
