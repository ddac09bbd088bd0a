//! The audit at the end: the log followed by somebody who saw nothing of it before, the witness's word on it, and one message in a
//! file that proves it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use saphan_cli::evidence::{self, Wanted};
use saphan_cli::log_audit::audit;
use saphan_cli::log_audit::state::AuditState;
use saphan_cli::log_check::{COSIGNED_PATH, HttpLog, LogSource as _};
use saphan_cli::witness::folder::StateFolder;
use saphan_cli::witness::{Witness, service};
use saphan_schemas::log::{Policy, SignedCheckpoint, SignedNote, VerifierKey};
use serde::Serialize;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval};

use super::exchange::Exchange;

/// What the audit found; there is none when something does not hold.
#[derive(Debug, Serialize)]
pub(super) struct Audited {
    /// `holds`.
    verdict: &'static str,
    /// Entries that were checked.
    pub(super) entries: u64,
    /// Witnesses that cosigned a checkpoint with all of them.
    pub(super) cosignatures: usize,
    /// A message was proven from one file and the log's key.
    bundle_verified: bool,
    /// Bytes of that file.
    #[serde(skip)]
    pub(super) bundle_bytes: usize,
}

/// A witness beside the hub.
pub(super) struct Overseer {
    folder: TempDir,
    listener: Option<TcpListener>,
    policy: String,
    serving: Option<(oneshot::Sender<()>, JoinHandle<std::io::Result<()>>)>,
}

impl Overseer {
    /// Makes the witness's key, and the policy that names it; it knows no log yet.
    pub(super) async fn prepare() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("saphan-witness-").tempdir().context("cannot make a folder")?;
        let state = StateFolder::create(&folder.path().join("state"), NAME)?;
        let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot find a free port")?;
        let policy = format!("witness {NAME} {} http://{}\nquorum {NAME}\n", state.key(), listener.local_addr()?);
        let overseer = Self { folder, listener: Some(listener), policy, serving: None };
        fs::write(overseer.policy_file(), &overseer.policy).context("cannot write the policy of witnesses")?;
        Ok(overseer)
    }

    /// The policy (C2SP tlog-policy), for the hub.
    pub(super) fn policy_file(&self) -> PathBuf {
        self.folder.path().join("policy")
    }

    /// Cosigns the checkpoints of this log from now on.
    pub(super) fn watch(&mut self, log: &VerifierKey) -> anyhow::Result<()> {
        let state = self.folder.path().join("state");
        StateFolder::take(&state)?.add_log(log.clone())?;
        let (witness, listener) = (Witness::open(&state)?, self.listener.take().context("it watches one log")?);
        let (stop, stopped) = oneshot::channel();
        let stopped = async { drop(stopped.await) };
        self.serving = Some((stop, tokio::spawn(service::serve(listener, Arc::new(witness), stopped))));
        Ok(())
    }

    /// Stops in good order.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        if let Some((stop, serving)) = self.serving {
            drop(stop);
            serving.await.context("the witness ended abnormally")??;
        }
        Ok(())
    }

    /// Audits all of the log, and proves the first message that was delivered; with `export`, keeps what a stranger needs to do it
    /// again.
    pub(super) async fn audit(&self, exchange: &Exchange, export: Option<&Path>) -> anyhow::Result<Audited> {
        let (source, vkey) = (HttpLog::new(exchange.address())?, &exchange.trust.log);
        let mut state = AuditState::open(&self.folder.path().join("audit"), vkey).await?;
        let audited = audit(&source, &mut state, &()).await?;
        let report = audited.verdict.map_err(|finding| anyhow!("the log does not hold: {finding}"))?;
        let cosigned = cosigned(&source, vkey, report.size).await?;
        let policy = Policy::parse(self.policy.as_bytes())?;
        let note: SignedNote = cosigned.text().parse()?;
        let witnessed = policy.witnessed(&note)?;
        let all = exchange.records.all();
        let first = all.first().context("no message was delivered")?;
        let wanted = Wanted { files: vec![first.file.clone()], ..Wanted::default() };
        let (bundle, _) = evidence::make(&source, &cosigned, vkey, &wanted).await?;
        let bundle = serde_json::to_string(&bundle)?;
        if let Some(folder) = export {
            let policy = format!("log {vkey}\n{}", self.policy);
            let write = |path: PathBuf, text: &str| {
                fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
            };
            write(folder.join("evidence.json"), &bundle)?;
            write(folder.join("policy"), &policy)?;
            write(folder.join("log").join(COSIGNED_PATH), cosigned.text())?;
        }
        let (cosignatures, bundle_bytes) = (witnessed.by.len(), bundle.len());
        Ok(Audited { verdict: "holds", entries: audited.entries, cosignatures, bundle_verified: true, bundle_bytes })
    }
}

/// Waits for a checkpoint with all entries that the witness has cosigned: the hub asks about once a second.
async fn cosigned(source: &HttpLog, vkey: &VerifierKey, size: u64) -> anyhow::Result<SignedCheckpoint> {
    let deadline = Instant::now() + PATIENCE;
    let mut ticks = interval(LOOK_AGAIN);
    loop {
        ticks.tick().await;
        // There is none before the first.
        if let Ok(text) = source.fetch(COSIGNED_PATH).await {
            let signed = SignedCheckpoint::parse_and_verify(&String::from_utf8(text)?, vkey)?;
            if signed.checkpoint().size >= size {
                return Ok(signed);
            }
        }
        if Instant::now() > deadline {
            bail!("the witness has not cosigned all {size} entries in time");
        }
    }
}

const NAME: &str = "witness.demo";
const LOOK_AGAIN: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(180);
