//! The log changes, as an operator does it: the name in the configuration, one command, a start.

use std::process::Output;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use super::{Folder, failure, program, run, success};
use crate::harness::{eventually, in_time};

pub(super) const SHARD: &str = "SAPHAN_HUB__LOG__SHARD";
pub(super) const OLD: &str = "hub.local/log/2026h2";
pub(super) const NEXT: &str = "hub.local/log/2027h1";

impl Folder {
    /// `saphan-hub shard open` with this name in the configuration.
    async fn open_shard(&self, name: &str) -> Output {
        let mut command = program(&["shard", "open", "--config", &self.config()]);
        in_time(command.env(SHARD, name).output()).await.unwrap()
    }

    /// How the newest entry of the store begins, and how many logs there are; reading disturbs nobody.
    pub(super) async fn newest(&self) -> (String, i64) {
        let file = SqliteConnectOptions::new().filename(format!("{}/data/hub.sqlite", self.home())).read_only(true);
        let Ok(mut connection) = file.connect().await else { return (String::new(), 0) };
        let newest = "SELECT CAST(leaf AS TEXT), (SELECT count(*) FROM shard) FROM entry ORDER BY idx DESC LIMIT 1";
        let newest = sqlx::query_as(newest).fetch_optional(&mut connection).await.ok().flatten();
        connection.close().await.unwrap();
        newest.unwrap_or_default()
    }
}

#[tokio::test]
async fn the_log_is_changed_by_the_configuration_and_one_command_and_only_once() {
    let folder = Folder::new().await;
    folder.serve().await.terminate().await;
    let mut serve = program(&["serve", "--config", &folder.config()]);
    let refused = failure(&in_time(serve.env(SHARD, "2027h1").output()).await.unwrap());
    assert!(refused.contains("saphan-hub shard open"), "{refused}");
    let said = success(&folder.open_shard("2027h1").await);
    assert_eq!(said, format!("{OLD} is closed for ever; the hub goes on in {NEXT}\n"));
    let said = success(&folder.open_shard("2027h1").await);
    assert!(said.starts_with(&format!("the hub is in the log {NEXT} already; nothing was done")), "{said}");
    let refused = failure(&folder.open_shard("2026h2").await);
    assert!(refused.contains("must be a name that was never used"), "{refused}");
    let refused = failure(&run(&["serve", "--config", &folder.config()]).await);
    assert!(refused.contains("set log.shard = \"2027h1\""), "{refused}");
    let hub = folder.serve_with(&[(SHARD, "2027h1")]).await;
    assert!(hub.get("/v1/log/checkpoint").await.text().starts_with(&format!("{NEXT}\n1\n")));
    assert!(hub.get("/v1/logs/2026h2/checkpoint").await.text().starts_with(&format!("{OLD}\n3\n")));
    let refused = failure(&folder.open_shard("2027h2").await);
    assert!(refused.contains("is in use by a hub process; stop it first"), "{refused}");
    hub.terminate().await;
}

#[tokio::test]
async fn the_key_of_the_next_log_is_prepared_on_a_running_hub_and_is_the_one_that_it_begins_with() {
    let folder = Folder::new().await;
    let hub = folder.serve().await;
    let prepare = async |name: &str| {
        let mut command = program(&["shard", "prepare", name, "--config", &folder.config()]);
        command.env("SAPHAN_HUB__HUB__LISTEN", &hub.address);
        in_time(command.output()).await.unwrap()
    };
    let key = success(&prepare("2027h1").await);
    assert!(key.starts_with(&format!("{NEXT}+")), "{key}");
    assert_eq!(success(&prepare("2027h1").await), key, "it is made once");
    for name in ["2026h2", "2027/h1", "", "H1"] {
        failure(&prepare(name).await);
    }
    assert!(hub.get("/v1/log/checkpoint").await.text().starts_with(&format!("{OLD}\n2\n")), "and the log goes on");
    hub.terminate().await;
    success(&folder.open_shard("2027h1").await);
    let hub = folder.serve_with(&[(SHARD, "2027h1")]).await;
    assert_eq!(hub.get("/v1/log/vkey").await.text(), key);
    hub.terminate().await;
}

#[tokio::test]
async fn a_log_whose_key_was_registered_before_that_of_one_that_has_begun_cannot_follow_any_more() {
    let folder = Folder::new().await;
    folder.serve().await.terminate().await;
    for name in ["2027h1", "2027h2"] {
        success(&run(&["shard", "prepare", name, "--config", &folder.config()]).await);
    }
    success(&folder.open_shard("2027h2").await);
    let before = folder.newest().await;
    // Whoever verifies offline would take it for an earlier one, and a key that was revoked since for a good one.
    let refused = failure(&folder.open_shard("2027h1").await);
    assert!(refused.contains("it was passed over, and cannot follow any more"), "{refused}");
    assert_eq!(folder.newest().await, before, "nothing was written");
    success(&folder.open_shard("2028h1").await);
}

#[tokio::test]
async fn a_change_that_is_killed_at_any_moment_is_finished_by_the_next_start_or_the_same_command() {
    // As soon as something of it can be seen: the key of the next log, the end of the old one, the beginning of the new one.
    for (seen, by_command) in [("\"registry\"", true), ("closed", true), ("closed", false), ("opened", false)] {
        let folder = Folder::new().await;
        folder.serve().await.terminate().await;
        let mut command = program(&["shard", "open", "--config", &folder.config()]);
        let process = std::sync::Mutex::new(command.env(SHARD, "2027h1").spawn().unwrap());
        eventually(async || {
            let (newest, logs) = folder.newest().await;
            newest.contains(seen) && (seen != "opened" || logs == 2)
                || process.lock().unwrap().try_wait().unwrap().is_some()
        })
        .await;
        let mut process = process.into_inner().unwrap();
        // SIGKILL; too late if it was faster than we look.
        let _ = process.start_kill();
        in_time(process.wait()).await.unwrap();
        let (newest, _) = folder.newest().await;
        if by_command || newest.contains("\"registry\"") {
            success(&folder.open_shard("2027h1").await);
        }
        let hub = folder.serve_with(&[(SHARD, "2027h1")]).await;
        assert!(hub.get("/v1/log/checkpoint").await.text().starts_with(&format!("{NEXT}\n1\n")), "{seen}");
        assert!(hub.get("/v1/logs/2026h2/checkpoint").await.text().starts_with(&format!("{OLD}\n3\n")), "{seen}");
        hub.terminate().await;
    }
}

#[tokio::test]
async fn an_old_copy_of_the_store_does_not_begin_a_log_that_was_begun() {
    let folder = Folder::new().await;
    let place = folder.0.path().join("published");
    std::fs::create_dir(&place).unwrap();
    let publish = ("SAPHAN_HUB__LOG__PUBLISH", place.display().to_string());
    let publish = [(publish.0, publish.1.as_str())];
    folder.serve_with(&publish).await.terminate().await;
    let (data, copy) = (format!("{}/data", folder.home()), folder.0.path().join("copy"));
    let files = |of: &std::path::Path| {
        let files = std::fs::read_dir(of).unwrap().map(|file| file.unwrap().path());
        files.filter(|file| file.display().to_string().contains("hub.sqlite")).collect::<Vec<_>>()
    };
    std::fs::create_dir(&copy).unwrap();
    for file in files(data.as_ref()) {
        std::fs::copy(&file, copy.join(file.file_name().unwrap())).unwrap();
    }
    let open = async || {
        let mut command = program(&["shard", "open", "--config", &folder.config()]);
        in_time(command.envs(publish).env(SHARD, "2027h1").output()).await.unwrap()
    };
    success(&open().await);
    files(data.as_ref()).iter().for_each(|file| std::fs::remove_file(file).unwrap());
    for file in files(&copy) {
        std::fs::copy(&file, format!("{data}/{}", file.file_name().unwrap().display())).unwrap();
    }
    let refused = failure(&open().await);
    assert!(refused.contains("is published in") && refused.contains("old copy"), "{refused}");
}

#[tokio::test]
async fn what_is_damaged_in_either_log_is_made_again_from_its_entries() {
    let folder = Folder::new().await;
    success(&run(&["registry", "apply", &folder.file(&super::registry_file()), "--config", &folder.config()]).await);
    success(&folder.open_shard("2027h1").await);
    let recover = async || {
        let mut command = program(&["recover", "--config", &folder.config()]);
        in_time(command.env(SHARD, "2027h1").output()).await.unwrap()
    };
    let said = success(&recover().await);
    assert_eq!(said.matches("nothing was damaged").count(), 2, "{said}");
    let file = SqliteConnectOptions::new().filename(format!("{}/data/hub.sqlite", folder.home()));
    let mut store = file.connect().await.unwrap();
    let damage =
        "UPDATE entry SET hash = zeroblob(32) WHERE idx IN (1, (SELECT max(idx) FROM entry)); DELETE FROM head";
    sqlx::raw_sql(damage).execute(&mut store).await.unwrap();
    store.close().await.unwrap();
    let said = success(&recover().await);
    assert_eq!(said.matches("hashes or kinds of 1 entries").count(), 2, "{said}");
    assert!(said.contains(OLD) && said.contains(NEXT) && said.contains("the head"), "{said}");
    let hub = folder.serve_with(&[(SHARD, "2027h1")]).await;
    assert!(hub.get("/v1/log/checkpoint").await.text().starts_with(&format!("{NEXT}\n1\n")));
    hub.terminate().await;
}
