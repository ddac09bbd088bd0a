//! A large document up to the hub and down again, beside the same file sent to a plain axum server that writes it down.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::put;
use futures_util::{StreamExt as _, stream};
use http_body_util::StreamBody;
use hyper::body::{Bytes, Frame};
use saphan_connector::documents::PreparedDocument;
use tempfile::TempDir;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::world::World;

/// What was found.
pub(super) struct Transferred {
    /// The document's length in bytes.
    pub(super) bytes: u64,
    /// MiB a second, up.
    pub(super) upload: f64,
    /// MiB a second, down.
    pub(super) download: f64,
    /// MiB a second, up to the plain server.
    pub(super) plain: f64,
    /// How much more memory the hub had at most than when it was idle, in MiB.
    pub(super) memory_mb: f64,
}

pub(super) async fn measure(world: &World, mib: usize) -> anyhow::Result<Transferred> {
    let folder = TempDir::new()?;
    let (original, copy) = (folder.path().join("document.pdf"), folder.path().join("copy.pdf"));
    write(&original, mib).await?;
    let bytes = tokio::fs::metadata(&original).await?.len();
    let rate = |started: Instant| bytes as f64 / f64::from(1 << 20) / started.elapsed().as_secs_f64();

    let plain = {
        let started = plain_upload(&original, &folder.path().join("plain.pdf")).await?;
        rate(started)
    };
    tokio::fs::remove_file(folder.path().join("plain.pdf")).await?;

    let portal = world.connector(&world.sender()?)?.build().await?;
    let documents = portal.documents();
    let prepared = PreparedDocument::read(&mut File::open(&original).await?, "application/pdf").await?;
    let idle = world.hub.rss_bytes()?;
    let watch = Watch::default();
    let (upload, download) = tokio::select! {
        error = watch.run(world) => return Err(error),
        done = async {
            let started = Instant::now();
            let reference = documents.upload(&prepared, &mut File::open(&original).await?).await?;
            let upload = rate(started);
            let started = Instant::now();
            documents.download_file(&reference, &copy).await?;
            anyhow::Ok((upload, rate(started)))
        } => done?,
    };
    ensure!(tokio::fs::metadata(&copy).await?.len() == bytes, "the copy has another length");
    portal.shutdown(Duration::from_secs(60)).await?;
    let most = watch.most.load(Ordering::Relaxed).max(world.hub.rss_bytes()?);
    let memory_mb = most.saturating_sub(idle) as f64 / f64::from(1 << 20);
    Ok(Transferred { bytes, upload, download, plain, memory_mb })
}

/// The hub's memory, at its most.
#[derive(Default)]
struct Watch {
    most: AtomicU64,
}

impl Watch {
    /// Looks until it is dropped.
    async fn run(&self, world: &World) -> anyhow::Error {
        loop {
            match world.hub.rss_bytes() {
                Ok(bytes) => self.most.fetch_max(bytes, Ordering::Relaxed),
                Err(error) => return error.into(),
            };
            sleep(LOOK).await;
        }
    }
}

/// A file that nothing compresses, and that begins as a PDF does.
async fn write(path: &Path, mib: usize) -> anyhow::Result<()> {
    let mut block = vec![0_u8; 1 << 20];
    let mut file = File::create(path).await?;
    for number in 0..mib {
        let random = ring::rand::SystemRandom::new();
        ring::rand::SecureRandom::fill(&random, &mut block).ok().context("no random numbers")?;
        if number == 0 {
            block[..9].copy_from_slice(b"%PDF-1.7\n");
        }
        file.write_all(&block).await?;
    }
    file.sync_all().await?;
    Ok(())
}

/// Sends the file as one body to a server that writes it to `target` and makes it durable; answers when that began.
async fn plain_upload(path: &Path, target: &Path) -> anyhow::Result<Instant> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let done = Arc::new(AtomicBool::new(false));
    let state = (target.to_path_buf(), Arc::clone(&done));
    let router = Router::new().route("/document", put(store)).with_state(state);
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let file = File::open(path).await?;
    let pieces = stream::unfold(file, |mut file| async move {
        let mut piece = vec![0; PIECE];
        let read = match file.read(&mut piece).await {
            Ok(0) => return None,
            Ok(read) => read,
            Err(error) => return Some((Err(error), file)),
        };
        piece.truncate(read);
        Some((Ok(Frame::data(Bytes::from(piece))), file))
    });
    let client = reqwest::Client::builder().no_proxy().build()?;
    let started = Instant::now();
    let request = client.put(format!("http://{address}/document")).body(reqwest::Body::wrap(StreamBody::new(pieces)));
    let answer = request.send().await?;
    ensure!(answer.status() == 201 && done.load(Ordering::Relaxed), "the plain server did not take the file");
    // The caller looks at the clock at once.
    serving.abort();
    Ok(started)
}

async fn store(
    State((path, done)): State<(std::path::PathBuf, Arc<AtomicBool>)>,
    body: Body,
) -> Result<StatusCode, StatusCode> {
    let failed = |_| StatusCode::INTERNAL_SERVER_ERROR;
    let mut file = File::create(&path).await.map_err(failed)?;
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| StatusCode::BAD_REQUEST)?;
        file.write_all(&piece).await.map_err(failed)?;
    }
    file.sync_all().await.map_err(failed)?;
    done.store(true, Ordering::Relaxed);
    Ok(StatusCode::CREATED)
}

const LOOK: Duration = Duration::from_millis(20);
const PIECE: usize = 1 << 20;
