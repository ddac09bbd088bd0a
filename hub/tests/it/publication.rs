//! The log as static files: what is written, in which order, and what happens when it cannot be.

use std::fs;
use std::path::{Path, PathBuf};

use saphan_schemas::log::{
    LogRebuilder, Policy, SignedCheckpoint, TileContent, VerifierKey, decode_bundle, tiles_for_size,
};
use tempfile::TempDir;

use crate::harness::{FakeWitness, Manner, TestHub, eventually};

/// A hub that publishes its log.
struct Stage {
    hub: TestHub,
    key: VerifierKey,
    folder: TempDir,
}

impl Stage {
    async fn start(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("log");
        let hub = TestHub::with(&format!("[log]\npublish = \"{}\"\n{more}", place.display())).await;
        let key = hub.get("/v1/log/vkey").await.text().trim_end().parse().unwrap();
        Self { hub, key, folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("log/main").join(name)
    }

    /// The size of a published checkpoint; 0 if there is none.
    fn size(&self, name: &str) -> u64 {
        let Ok(text) = fs::read_to_string(self.file(name)) else { return 0 };
        SignedCheckpoint::parse_and_verify(&text, &self.key).unwrap().checkpoint().size
    }

    async fn published(&self) {
        eventually(async || self.size("checkpoint") == self.hub.size()).await;
    }

    /// Every file that a log of this size has must be there, and be what its entries give.
    fn holds(&self, name: &str) {
        let text = fs::read_to_string(self.file(name)).unwrap();
        let checkpoint = SignedCheckpoint::parse_and_verify(&text, &self.key).unwrap().into_checkpoint();
        let mut rebuilder = LogRebuilder::new();
        let mut tiles = Vec::new();
        for path in tiles_for_size(checkpoint.size).filter(|path| path.content() == TileContent::Entries) {
            let bundle = fs::read(self.file(&path.to_string())).unwrap();
            for entry in decode_bundle(&bundle, path.width()).unwrap() {
                tiles.extend(rebuilder.push_entry(entry).unwrap());
            }
        }
        tiles.extend(rebuilder.partial_tiles());
        assert_eq!(tiles.len(), tiles_for_size(checkpoint.size).count());
        for tile in &tiles {
            tile.compare(&fs::read(self.file(&tile.path.to_string())).unwrap()).unwrap();
        }
        assert_eq!(rebuilder.root(), checkpoint.root);
    }

    async fn metric(&self, name: &str) -> u64 {
        let metrics = self.hub.get("/metrics").await;
        metrics.text().lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().parse().unwrap()
    }
}

/// The partial tiles and bundles below a folder.
fn partial(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() && !name.ends_with(".p") {
            found.extend(partial(&entry.path()));
        } else if name.ends_with(".p") {
            found.push(entry.path().strip_prefix(folder).unwrap().display().to_string());
        }
    }
    found
}

#[tokio::test]
async fn the_log_is_published_as_it_grows_and_partial_files_end_when_full_ones_are_there() {
    let stage = Stage::start("").await;
    stage.published().await;
    stage.holds("checkpoint");
    let before = partial(&stage.file("tile"));
    assert!(before.iter().any(|name| name.ends_with("000.p")), "{before:?}");
    while stage.hub.size() < 300 {
        stage.hub.accept(&stage.hub.world.message()).await;
    }
    stage.published().await;
    stage.holds("checkpoint");
    // Removed after the checkpoint that needs them no more is there.
    let growing = |name: &String| name.ends_with("001.p");
    eventually(async || partial(&stage.file("tile/0")).iter().all(growing)).await;
    eventually(async || partial(&stage.file("tile/entries")).iter().all(growing)).await;
    eventually(async || stage.metric("saphan_log_published_size").await == stage.hub.size()).await;
    assert_eq!(stage.metric("saphan_log_publish_failures_total").await, 0);
}

#[tokio::test]
async fn while_the_log_cannot_be_published_messages_are_accepted_and_afterwards_nothing_is_missing() {
    let stage = Stage::start("").await;
    stage.published().await;
    let (tiles, aside) = (stage.file("tile"), stage.file("aside"));
    fs::rename(&tiles, &aside).unwrap();
    fs::write(&tiles, "in the way").unwrap();
    let before = stage.size("checkpoint");
    stage.hub.accept(&stage.hub.world.message()).await;
    eventually(async || stage.metric("saphan_log_publish_failures_total").await > 0).await;
    stage.hub.accept(&stage.hub.world.message()).await;
    assert_eq!(stage.size("checkpoint"), before, "a checkpoint without its files helps nobody");
    fs::remove_file(&tiles).unwrap();
    fs::rename(&aside, &tiles).unwrap();
    stage.published().await;
    stage.holds("checkpoint");
}

#[tokio::test]
async fn the_checkpoint_that_witnesses_have_cosigned_is_published_with_its_own_files() {
    let witness = FakeWitness::start("w.example", Manner::Good).await;
    let lines = format!("{}quorum w\n", witness.policy_line("w"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy");
    fs::write(&file, &lines).unwrap();
    let stage = Stage::start(&format!("[witnesses]\npolicy = \"{}\"\n", file.display())).await;
    witness.knows(&stage.key);
    stage.hub.accept(&stage.hub.world.message()).await;
    let size = stage.hub.size();
    eventually(async || stage.size("checkpoint.cosigned") == size).await;
    stage.holds("checkpoint.cosigned");
    let policy = Policy::parse(format!("log {}\n{lines}", stage.key).as_bytes()).unwrap();
    assert!(policy.verify(&fs::read_to_string(stage.file("checkpoint.cosigned")).unwrap()).is_ok());
    // What is newer than what they cosigned is published all the same.
    witness.behave(Manner::Silent);
    stage.hub.accept(&stage.hub.world.message()).await;
    stage.published().await;
    assert_eq!(stage.size("checkpoint.cosigned"), size);
    stage.holds("checkpoint.cosigned");
    stage.holds("checkpoint");
}
