//! The real hub and a real witness: what is cosigned is one history, whatever is killed, and whatever the hub's data become.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use saphan_conformance::programs;
use saphan_examples::agencies::licences;
use saphan_examples::local::hub::{HubOptions, HubProcess, HubProcessError, HubProgram};
use saphan_examples::local::port;
use saphan_examples::registry;
use saphan_schemas::log::{Checkpoint, Policy};
use saphan_schemas::registry::TransportKind;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::agency::{done, saphan};
use crate::patience::{in_time, reaches};
use crate::publication::abandoned::rename_log;

struct Stage {
    hub: HubProcess,
    policy: Policy,
    witness: Child,
    listen: String,
    folder: TempDir,
}

impl Stage {
    async fn start() -> Self {
        // An error means that a provider is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = TempDir::new().unwrap();
        let made = done(folder.path(), &["witness", "init", "--name", "w.example/1"]).await;
        let listen = format!("127.0.0.1:{}", port::free().unwrap());
        let lines = format!("witness w {} http://{listen}\nquorum w\n", made["key"].as_str().unwrap());
        let file = folder.path().join("policy");
        std::fs::write(&file, &lines).unwrap();

        let program = HubProgram::saphan_hub(programs::saphan_hub().unwrap());
        let registry = registry::of_the_examples(TransportKind::Pull, |_| None).unwrap().to_toml().unwrap();
        let settings = vec![("SAPHAN_HUB__WITNESSES__POLICY", file.display().to_string())];
        let hub = HubProcess::start(HubOptions { settings, ..HubOptions::new(program, registry) }).await.unwrap();
        let key = get(&hub, "/v1/log/vkey").await.unwrap();
        done(folder.path(), &["witness", "add-log", key.trim_end()]).await;
        let policy = Policy::parse(format!("log {key}{lines}").as_bytes()).unwrap();
        let witness = serve(folder.path(), &listen).await;
        Self { hub, policy, witness, listen, folder }
    }

    async fn kill_witness(&mut self) {
        self.witness.kill().await.unwrap();
    }

    async fn restart_witness(&mut self) {
        self.witness = serve(self.folder.path(), &self.listen).await;
    }

    /// Adds so many entries to the log.
    async fn grow(&self, entries: usize) {
        for _ in 0..entries {
            self.hub.invite(&licences::MANDATE.system.parse().unwrap()).await.unwrap();
        }
    }

    async fn size(&self) -> u64 {
        let note = get(&self.hub, "/v1/log/checkpoint").await.unwrap();
        note.split_once("\n\n").map(|(text, _)| format!("{text}\n").parse::<Checkpoint>().unwrap()).unwrap().size
    }

    /// Waits until all that is in the log is cosigned.
    async fn cosigned(&self) -> Checkpoint {
        let size = self.size().await;
        let cosigned = async {
            loop {
                if let Some(note) = get(&self.hub, "/v1/log/checkpoint.cosigned").await {
                    let (checkpoint, witnessed) = self.policy.verify(&note).unwrap();
                    assert!(witnessed.quorum);
                    if checkpoint.checkpoint().size >= size {
                        return checkpoint.into_checkpoint();
                    }
                }
            }
        };
        in_time(cosigned, || format!("{size} entries are not cosigned")).await
    }

    /// What is served as the cosigned checkpoint of one of the hub's logs.
    async fn cosigned_of(&self, shard: &str) -> Checkpoint {
        let note = get(&self.hub, &format!("/v1/logs/{shard}/checkpoint.cosigned")).await.unwrap();
        self.policy.verify(&note).unwrap().0.into_checkpoint()
    }

    /// How often the witness has failed for this reason since the hub was started.
    async fn failures(&self, reason: &str) -> u64 {
        let start = format!("saphan_witness_failures_total{{witness=\"w\",reason=\"{reason}\"}} ");
        let metrics = get(&self.hub, "/metrics").await.unwrap();
        metrics.lines().find_map(|line| line.strip_prefix(&start)).map_or(0, |count| count.parse().unwrap())
    }

    /// Waits until the witness has failed for this reason, once more than so many times.
    async fn fails_again(&self, reason: &str, before: u64) {
        reaches(&format!("failures {reason}"), before + 1, async || self.failures(reason).await).await;
    }
}

/// The text at a path, if there is something.
async fn get(hub: &HubProcess, path: &str) -> Option<String> {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(format!("{}{path}", hub.url())).send().await.unwrap();
    if answer.status().is_success() { Some(answer.text().await.unwrap()) } else { None }
}

/// Starts the witness, and waits until it listens.
async fn serve(folder: &Path, listen: &str) -> Child {
    let mut command = Command::new(programs::saphan().unwrap());
    command.current_dir(folder).args(["witness", "serve", "--listen", listen]).kill_on_drop(true);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    while !lines.next_line().await.unwrap().expect("it says that it listens").starts_with("listening on") {}
    // It may go on writing there.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    child
}

async fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status().await.unwrap();
    assert!(copied.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_whose_data_come_back_from_a_copy_is_refused_by_itself_or_else_by_its_witness() {
    let mut stage = Stage::start().await;
    stage.cosigned().await;

    // The log goes on while the witness is dead, and is cosigned when it is back.
    stage.kill_witness().await;
    // The hub looked for it before it was started.
    let before = stage.failures("unreachable").await;
    stage.grow(2).await;
    stage.fails_again("unreachable", before).await;
    stage.restart_witness().await;
    let before = stage.cosigned().await;

    let (data, kept) = (stage.hub.folder().join("hub/data"), stage.folder.path().join("kept"));
    stage.hub.stop().await.unwrap();
    copy(&data, &kept).await;
    stage.hub.restart().await.unwrap();
    stage.grow(2).await;
    let cosigned = stage.cosigned().await;
    assert_eq!(cosigned.size, before.size + 2);

    stage.hub.stop().await.unwrap();
    std::fs::remove_dir_all(&data).unwrap();
    copy(&kept, &data).await;
    let refused = stage.hub.restart().await.unwrap_err().to_string();
    assert!(refused.contains("the witness w has seen") && refused.contains("it is an old copy"), "{refused}");
    // Nor with a store that was lost: nothing is signed before the witness is asked.
    let (store, lost) = (data.join("hub.sqlite"), stage.folder.path().join("lost"));
    std::fs::create_dir(&lost).unwrap();
    for name in ["hub.sqlite", "hub.sqlite-wal", "hub.sqlite-shm"] {
        let _ = std::fs::rename(data.join(name), lost.join(name));
    }
    let refused = stage.hub.restart().await.unwrap_err().to_string();
    assert!(refused.contains("the witness w has seen") && refused.contains("the store has 0"), "{refused}");
    let mut new = SqliteConnectOptions::new().filename(&store).connect().await.unwrap();
    let entries: i64 = sqlx::query_scalar("SELECT count(*) FROM entry").fetch_one(&mut new).await.unwrap();
    new.close().await.unwrap();
    assert_eq!(entries, 0, "a second history was begun");
    for name in ["hub.sqlite", "hub.sqlite-wal", "hub.sqlite-shm"] {
        let _ = std::fs::remove_file(data.join(name));
        let _ = std::fs::rename(lost.join(name), data.join(name));
    }
    // While no witness answers, nobody knows; the hub starts, and what it signs is cosigned by nobody.
    stage.kill_witness().await;
    stage.hub.restart().await.unwrap();
    stage.restart_witness().await;
    stage.fails_again("ahead", 0).await;
    stage.grow(3).await;
    stage.fails_again("other-history", 0).await;
    assert_eq!(get(&stage.hub, "/v1/log/checkpoint.cosigned").await, None);

    stage.kill_witness().await;
    let (code, shown) = saphan(stage.folder.path(), &["witness", "show"]).await;
    assert_eq!((code, &shown["logs"][0]["size"]), (0, &cosigned.size.into()));
    stage.hub.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_was_dead_while_the_log_changed_cosigns_the_end_of_the_old_one_when_it_is_back() {
    let mut stage = Stage::start().await;
    let before = stage.cosigned().await;
    stage.kill_witness().await;
    stage.grow(2).await;
    stage.hub.stop().await.unwrap();
    let config = stage.hub.folder().join("hub/hub.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let shard = before.origin.rsplit_once('/').unwrap().1;
    let changed = text.replace(&format!("shard = \"{shard}\""), "shard = \"next\"");
    assert_ne!(changed, text);
    std::fs::write(&config, changed).unwrap();
    stage.hub.operate(&["shard", "open"]).await.unwrap();
    stage.hub.restart().await.unwrap();

    let end = get(&stage.hub, &format!("/v1/logs/{shard}/checkpoint")).await.unwrap();
    let end = end.split_once("\n\n").map(|(text, _)| format!("{text}\n").parse::<Checkpoint>().unwrap()).unwrap();
    assert_eq!(end.size, before.size + 4, "the key of the next log, and the end");
    // What was cosigned before stays served while the witness is away.
    assert_eq!(stage.cosigned_of(shard).await, before);
    stage.restart_witness().await;
    let reached = async { while stage.cosigned_of(shard).await != end {} };
    in_time(reached, || "the end is not cosigned".to_owned()).await;
    stage.kill_witness().await;
    let (code, shown) = saphan(stage.folder.path(), &["witness", "show"]).await;
    assert_eq!((code, &shown["logs"][0]["size"]), (0, &end.size.into()));
    stage.hub.stop().await.unwrap();
}

/// `saphan-hub shard open --abandon` with this checkpoint.
async fn abandoning(stage: &Stage, checkpoint: &Path) -> Result<String, HubProcessError> {
    stage.hub.operate(&["shard", "open", "--abandon", "--checkpoint", checkpoint.to_str().unwrap()]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_copy_is_given_up_by_the_checkpoint_that_the_witness_kept_and_by_no_smaller_one() {
    let mut stage = Stage::start().await;
    let (data, kept) = (stage.hub.folder().join("hub/data"), stage.folder.path().join("kept"));
    stage.hub.stop().await.unwrap();
    copy(&data, &kept).await;
    stage.hub.restart().await.unwrap();
    stage.grow(1).await;
    stage.cosigned().await;
    let smaller = stage.folder.path().join("smaller");
    std::fs::write(&smaller, get(&stage.hub, "/v1/log/checkpoint").await.unwrap()).unwrap();
    stage.grow(2).await;
    let cosigned = stage.cosigned().await;
    stage.hub.stop().await.unwrap();
    std::fs::remove_dir_all(&data).unwrap();
    copy(&kept, &data).await;
    let (_, shard) = cosigned.origin.rsplit_once('/').unwrap();
    rename_log(&stage.hub, shard, "next");

    let refused = stage.hub.operate(&["shard", "open", "--abandon"]).await.unwrap_err().to_string();
    assert!(refused.contains("give a checkpoint of it with --checkpoint"), "{refused}");
    let refused = abandoning(&stage, &smaller).await.unwrap_err().to_string();
    assert!(refused.contains(&format!("the witness w has cosigned {} entries", cosigned.size)), "{refused}");
    stage.kill_witness().await;
    // It may have been killed while it wrote the next one.
    let mut kept = std::fs::read_dir(stage.folder.path().join("saphan-witness/logs")).unwrap();
    let is_note = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "note");
    let note = kept.by_ref().map(|file| file.unwrap().path()).find(is_note).unwrap();
    let refused = abandoning(&stage, &note).await.unwrap_err().to_string();
    assert!(refused.contains("does not say how much of"), "what it has seen is not known: {refused}");
    stage.restart_witness().await;
    let said = abandoning(&stage, &note).await.unwrap();
    assert!(said.contains(&format!("is abandoned: of its {} entries", cosigned.size)), "{said}");
    stage.hub.restart().await.unwrap();
    stage.kill_witness().await;
    stage.hub.stop().await.unwrap();
}
