//! A large document through the real hub: how much memory the hub takes for it, and how fast it goes up and down.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Parser;
use saphan_conformance::programs;
use saphan_conformance::world::World;
use saphan_examples::local::hub::HubProgram;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

/// Measures one document; prints one JSON object.
#[derive(Debug, Parser)]
struct Arguments {
    /// The document's length in MiB; the hub's default limit is 2048.
    #[arg(long, default_value_t = 2048)]
    mib: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut world = World::start_unlimited(HubProgram::saphan_hub(programs::saphan_hub()?), None).await?;
    let connector = world.connector(&world.sender()?)?.build().await?;
    let (original, copy) = (world.folder.path().join("original.pdf"), world.folder.path().join("copy.pdf"));
    write(&original, arguments.mib).await?;
    let idle = world.hub.rss_bytes()?;

    let began = Instant::now();
    let documents = connector.documents().clone();
    let source = original.clone();
    let uploading = tokio::spawn(async move { documents.upload_file(&source, "application/pdf").await });
    let (uploaded, upload_peak) = watched(&world, uploading).await?;
    let (uploaded, upload) = (uploaded?, began.elapsed());

    let began = Instant::now();
    let (documents, to) = (connector.documents().clone(), copy.clone());
    let downloading = tokio::spawn(async move { documents.download_file(&uploaded, &to).await });
    let (downloaded, download_peak) = watched(&world, downloading).await?;
    downloaded?;
    let download = began.elapsed();

    let rate = |time: Duration| (arguments.mib as f64 / time.as_secs_f64()).round();
    let above = |peak: u64| peak.saturating_sub(idle) >> 20;
    let figures = json!({
        "mib": arguments.mib,
        "upload_mib_per_second": rate(upload), "upload_memory_mib": above(upload_peak),
        "download_mib_per_second": rate(download), "download_memory_mib": above(download_peak),
    });
    println!("{figures}");
    world.stop().await
}

/// Waits for a task; answers also with the most memory that the hub had meanwhile.
async fn watched<T>(world: &World, mut task: tokio::task::JoinHandle<T>) -> anyhow::Result<(T, u64)> {
    let mut peak = 0;
    loop {
        peak = peak.max(world.hub.rss_bytes()?);
        tokio::select! {
            done = &mut task => return Ok((done.context("the task ended abnormally")?, peak)),
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

async fn write(path: &Path, mib: u64) -> anyhow::Result<()> {
    let mut file = tokio::fs::File::create(path).await?;
    let block: Vec<u8> =
        b"%PDF-1.7\n".iter().copied().chain((0_u32..).flat_map(u32::to_le_bytes)).take(1 << 20).collect();
    for _ in 0..mib {
        file.write_all(&block).await?;
    }
    Ok(file.sync_all().await?)
}

const LOOK: Duration = Duration::from_millis(20);
