//! The log as static files: good at every moment, and what a hub holds an old copy of its store against.

pub(crate) mod abandoned;

use std::path::{Path, PathBuf};

use saphan_conformance::programs;
use saphan_conformance::world::World;
use saphan_connector::Receive;
use saphan_examples::local::hub::{HubOptions, HubProgram};
use saphan_schemas::registry::TransportKind;
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tempfile::TempDir;
use tokio::process::Command;

use crate::agency::done;
use crate::killing::{LONGEST_RUN, Load, moments};

/// A hub that publishes its log, and an auditor who has nothing but the files.
struct Stage {
    world: World,
    /// Not the hub's: it stays there when the hub's data do not.
    outside: TempDir,
}

impl Stage {
    async fn start() -> Self {
        let outside = TempDir::new().unwrap();
        let settings = vec![("SAPHAN_HUB__LOG__PUBLISH", outside.path().join("log").display().to_string())];
        let program = HubProgram::saphan_hub(programs::saphan_hub().unwrap());
        let options = |registry| HubOptions { settings, ..HubOptions::new(program, registry) };
        let world = World::start_with(TransportKind::Pull, options).await.unwrap();
        let key = reqwest::get(format!("{}/v1/log/vkey", world.hub.url())).await.unwrap().text().await.unwrap();
        std::fs::write(outside.path().join("vkey"), key).unwrap();
        Self { world, outside }
    }

    /// Follows the files, and answers how many entries there are: everything holds, and goes on from what was there before.
    async fn audit(&self) -> u64 {
        let (_, shard) = self.world.trust.log.name().rsplit_once('/').unwrap();
        let log = format!("log/{shard}");
        let arguments = ["audit", "log", &log, "--vkey", "vkey", "--state", "state"];
        let told: Value = done(self.outside.path(), &arguments).await;
        assert_eq!(told["verdict"]["holds"], true, "{told}");
        told["log"]["size"].as_u64().unwrap_or_else(|| panic!("{told}"))
    }

    fn data(&self) -> PathBuf {
        self.world.hub.folder().join("hub/data")
    }

    /// Some messages, and the hub stops.
    async fn work(&mut self) {
        let mut load = Load::start(&self.world, Receive::Pull).await;
        load.go_on(LONGEST_RUN).await;
        load.finish().await;
        self.world.hub.stop().await.unwrap();
    }
}

async fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status().await.unwrap();
    assert!(copied.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_published_log_holds_and_goes_on_however_often_the_hub_is_killed() {
    let mut stage = Stage::start().await;
    let mut load = Load::start(&stage.world, Receive::Pull).await;
    let mut size = 0;
    for moment in moments(LONGEST_RUN).take(8) {
        load.go_on(moment).await;
        stage.world.hub.kill().await.unwrap();
        let now = stage.audit().await;
        assert!(now >= size, "{now} entries after {size}");
        size = now;
        stage.world.hub.restart().await.unwrap();
    }
    // Some tiles are full, however slow the machine is.
    load.more(256).await;
    let receipts = load.finish().await;
    stage.world.hub.stop().await.unwrap();
    let size = stage.audit().await;
    assert!(receipts.iter().all(|receipt| receipt.index < size), "a hub that stops in good order has published all");
    assert!(size > 256, "some tiles are full: {size}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_does_not_go_on_with_an_old_copy_of_its_store_nor_with_none_nor_in_the_place_of_another_log() {
    let mut stage = Stage::start().await;
    stage.work().await;
    let (data, kept) = (stage.data(), stage.outside.path().join("kept"));
    copy(&data, &kept).await;
    // The copy is the newest: that is a move to another disk.
    std::fs::remove_dir_all(&data).unwrap();
    copy(&kept, &data).await;
    stage.world.hub.restart().await.unwrap();
    stage.work().await;
    let size = stage.audit().await;

    // The place is not mounted, say.
    let (place, elsewhere) = (stage.outside.path().join("log"), stage.outside.path().join("elsewhere"));
    std::fs::rename(&place, &elsewhere).unwrap();
    let refused = stage.world.hub.restart().await.unwrap_err().to_string();
    assert!(refused.contains("is not there; is it mounted?"), "{refused}");
    std::fs::rename(&elsewhere, &place).unwrap();

    std::fs::remove_dir_all(&data).unwrap();
    copy(&kept, &data).await;
    let refused = stage.world.hub.restart().await.unwrap_err().to_string();
    assert!(refused.contains("it is an old copy") && refused.contains(&format!("seen {size} entries")), "{refused}");
    // Nor do the commands that write into the log.
    let erased = stage.world.hub.operate(&["keys", "rotate", "receipts"]).await.unwrap_err().to_string();
    assert!(erased.contains("it is an old copy"), "{erased}");

    for file in std::fs::read_dir(&data).unwrap() {
        let path = file.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("hub.sqlite") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let refused = stage.world.hub.restart().await.unwrap_err().to_string();
    assert!(refused.contains("the store has 0"), "{refused}");
    assert_eq!(stage.audit().await, size, "what is published stayed as it was");

    // Another hub, whose operator copied the setting.
    let place = stage.outside.path().join("log").display().to_string();
    let program = HubProgram::saphan_hub(programs::saphan_hub().unwrap());
    let settings = vec![("SAPHAN_HUB__LOG__PUBLISH", place)];
    let options = |registry| HubOptions { settings, ..HubOptions::new(program, registry) };
    let Err(refused) = World::start_with(TransportKind::Pull, options).await else { panic!("it starts") };
    assert!(format!("{refused:#}").contains("is not of this log"), "{refused:#}");
    assert_eq!(stage.audit().await, size);
}

/// Changes something in the stopped hub's store.
async fn damage(stage: &Stage, statement: &'static str) {
    let file = stage.data().join("hub.sqlite");
    let mut store = SqliteConnectOptions::new().filename(file).connect().await.unwrap();
    let changed = sqlx::query(statement).execute(&mut store).await.unwrap().rows_affected();
    assert!(changed > 0, "{statement}");
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_log_is_made_again_from_its_entries_and_from_what_is_published_and_else_nothing_is_written() {
    let mut stage = Stage::start().await;
    // Enough for full tiles.
    while stage.audit().await < 300 {
        stage.world.hub.restart().await.unwrap();
        stage.work().await;
    }
    let size = stage.audit().await;
    let recover = async |stage: &Stage| stage.world.hub.operate(&["recover"]).await.map_err(|error| error.to_string());
    assert!(recover(&stage).await.unwrap().contains("nothing was damaged"));

    // One for each full tile; how many there are depends on how fast the machine is.
    let hashes = format!("{} hashes of tiles", size / 256);
    for (statement, told) in [
        ("DELETE FROM head", "the head"),
        ("UPDATE head SET size = 3", "the head"),
        ("UPDATE head SET checkpoint = 'none'", "the head"),
        ("DELETE FROM tile_hash", &*hashes),
        ("UPDATE tile_hash SET hash = zeroblob(32)", &*hashes),
        ("UPDATE entry SET hash = zeroblob(32) WHERE idx = 5", "hashes or kinds of 1 entries"),
        ("UPDATE entry SET kind = 0 WHERE kind = 3", "hashes or kinds of"),
        ("UPDATE entry SET leaf = zeroblob(9) WHERE idx IN (7, 270)", "2 entries: 7 270"),
        (
            "UPDATE entry SET leaf = (SELECT leaf FROM entry WHERE idx = 8), hash = (SELECT hash FROM entry WHERE idx = 8) WHERE idx = 9",
            "1 entries: 9",
        ),
        ("DELETE FROM entry WHERE idx = 11", "1 entries: 11"),
        ("DELETE FROM entry WHERE idx = (SELECT max(idx) FROM entry)", "1 entries: "),
    ] {
        damage(&stage, statement).await;
        let recovered = recover(&stage).await.unwrap();
        assert!(recovered.contains(told), "{statement}: {recovered}");
        assert!(recovered.contains(&format!("has {size} entries")), "{statement}: {recovered}");
        assert!(recover(&stage).await.unwrap().contains("nothing was damaged"), "{statement}");
    }

    // What was never in the log, and what the log alone does not give back.
    for (statement, told, undo) in [
        (
            "INSERT INTO entry SELECT idx + 1, kind, hash, leaf FROM entry ORDER BY idx DESC LIMIT 1",
            "entries beyond",
            "DELETE FROM entry WHERE idx = (SELECT max(idx) FROM entry)",
        ),
        (
            "UPDATE message SET idx = -idx WHERE idx = (SELECT min(idx) FROM message)",
            "lost everything else",
            "UPDATE message SET idx = -idx WHERE idx < 0",
        ),
    ] {
        damage(&stage, statement).await;
        let refused = recover(&stage).await.unwrap_err();
        assert!(refused.contains(told), "{statement}: {refused}");
        damage(&stage, undo).await;
    }
    assert!(recover(&stage).await.unwrap().contains("nothing was damaged"));

    // Without the published log damaged entries are not to be had.
    damage(&stage, "UPDATE entry SET leaf = zeroblob(9) WHERE idx = 7").await;
    let elsewhere = TempDir::new().unwrap();
    let from = elsewhere.path().to_str().unwrap();
    let refused = stage.world.hub.operate(&["recover", "--from", from]).await.unwrap_err().to_string();
    assert!(refused.contains("do not give the root"), "{refused}");
    recover(&stage).await.unwrap();
    stage.world.hub.restart().await.unwrap();
    stage.work().await;
    assert!(stage.audit().await > size, "it goes on");
}
