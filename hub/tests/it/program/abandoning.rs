//! The store is an old copy and there is no newer one, as an operator meets it: the log is given up, and the hub goes on in the next.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Output;

use saphan_schemas::leaf::{Leaf, ShardEvent};
use saphan_schemas::log::{decode_bundle, encode_bundle};
use serde_json::{Value, json};

use super::shards::{NEXT, OLD, SHARD};
use super::{Folder, Serving, failure, program, run, success};
use crate::harness::{eventually, in_time};

/// What the hub's log says of it.
const GIVEN_UP: &str = "the log is abandoned";
const PUBLISH: &str = "SAPHAN_HUB__LOG__PUBLISH";

/// A hub of which the published log shows more than its store has.
struct OldCopy {
    folder: Folder,
    place: PathBuf,
    /// How many entries are published; the store has one.
    size: u64,
    /// A receipt key that was revoked in the lost part, and the one that followed it.
    keys: [String; 2],
}

impl OldCopy {
    /// Nothing is lost yet; the copy is made, and the first key is known.
    async fn begun() -> Self {
        let folder = Folder::new().await;
        let place = folder.0.path().join("published");
        std::fs::create_dir(&place).unwrap();
        let mut old = Self { folder, place, size: 0, keys: Default::default() };
        let hub = old.serve("2026h2").await;
        let keys: Value = hub.get("/v1/keys").await.json(200);
        hub.terminate().await;
        old.keep_store();
        old.keys[0] = keys["keys"][0]["kid"].as_str().unwrap().to_owned();
        old
    }

    async fn new() -> Self {
        let mut old = Self::begun().await;
        let first = old.keys[0].clone();
        let registry = old.folder.file(&super::registry_file());
        success(&old.run("2026h2", &["registry", "apply", &registry]).await);
        let second =
            success(&old.run("2026h2", &["keys", "rotate", "receipts"]).await).lines().next().unwrap().to_owned();
        success(&old.run("2026h2", &["keys", "revoke", "receipts", &first]).await);
        old.keys = [first, second];
        old.serve("2026h2").await.terminate().await;
        old.bring_back_store();
        old.size = old.published().lines().nth(1).unwrap().parse().unwrap();
        assert!(old.size > 10, "{}", old.size);
        old
    }

    fn published(&self) -> String {
        std::fs::read_to_string(self.place.join("2026h2/checkpoint")).unwrap()
    }

    fn store_files(folder: &std::path::Path) -> Vec<PathBuf> {
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        files.filter(|file| file.display().to_string().contains("hub.sqlite")).collect()
    }

    fn data(&self) -> PathBuf {
        format!("{}/data", self.folder.home()).into()
    }

    fn keep_store(&self) {
        let copy = self.folder.0.path().join("copy");
        std::fs::create_dir(&copy).unwrap();
        for file in Self::store_files(&self.data()) {
            std::fs::copy(&file, copy.join(file.file_name().unwrap())).unwrap();
        }
    }

    fn bring_back_store(&self) {
        Self::store_files(&self.data()).iter().for_each(|file| std::fs::remove_file(file).unwrap());
        for file in Self::store_files(&self.folder.0.path().join("copy")) {
            std::fs::copy(&file, self.data().join(file.file_name().unwrap())).unwrap();
        }
    }

    fn command(&self, shard: &str, arguments: &[&str]) -> tokio::process::Command {
        let config = self.folder.config();
        let mut command = program(&[arguments, &["--config", &config]].concat());
        command.env(SHARD, shard).env(PUBLISH, &self.place);
        command
    }

    async fn run(&self, shard: &str, arguments: &[&str]) -> Output {
        in_time(self.command(shard, arguments).output()).await.unwrap()
    }

    async fn abandon(&self, more: &[&str]) -> Output {
        self.run("2027h1", &[&["shard", "open", "--abandon"], more].concat()).await
    }

    /// A command of a hub that publishes nowhere.
    async fn run_unpublished(&self, shard: &str, arguments: &[&str]) -> Output {
        in_time(self.command(shard, arguments).env(PUBLISH, "").output()).await.unwrap()
    }

    /// The file of the published entries.
    fn bundle(&self) -> PathBuf {
        self.place.join(format!("2026h2/tile/entries/000.p/{}", self.size))
    }

    async fn serve(&self, shard: &str) -> Serving {
        self.folder.serve_with(&[(SHARD, shard), (PUBLISH, self.place.to_str().unwrap())]).await
    }

    /// The registry as it is shown.
    async fn registry(&self) -> Value {
        serde_json::from_str(&success(&self.run("2027h1", &["registry", "show", "--json"]).await)).unwrap()
    }

    /// That the hub goes on in the next log with the registry of the lost part, each entry once.
    async fn goes_on(&self) {
        let hub = self.serve("2027h1").await;
        let checkpoint = hub.get("/v1/log/checkpoint").await;
        assert!(
            checkpoint.text().starts_with(&format!("{NEXT}\n{}\n", self.size)),
            "its first entry, and all but one of the old ones"
        );
        assert!(hub.get("/v1/logs/2026h2/checkpoint").await.text().starts_with(&format!("{OLD}\n1\n")));
        let keys: Value = hub.get("/v1/keys").await.json(200);
        let [first, second] = [&keys["keys"][0], &keys["keys"][1]];
        assert_eq!((&first["kid"], &second["kid"]), (&json!(self.keys[0]), &json!(self.keys[1])));
        assert!(first["revoked"].is_u64() && second["revoked"].is_null(), "{keys}");
        hub.terminate().await;
        assert_eq!(self.registry().await["members"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn an_old_copy_without_a_newer_one_is_given_up_and_the_next_log_says_what_is_left() {
    let old = OldCopy::new().await;
    let refused = failure(&old.run("2026h2", &["serve"]).await);
    assert!(refused.contains("it is an old copy") && refused.contains("shard open --abandon"), "{refused}");
    let refused = failure(&old.run("2027h1", &["shard", "open"]).await);
    assert!(refused.contains("it is an old copy"), "closing would append to it: {refused}");
    let published = old.published();

    let said = success(&old.abandon(&[]).await);
    let told = format!("{OLD} is abandoned: of its {} entries 1 are left, and nothing is ever added to it.", old.size);
    assert!(said.starts_with(&told), "{said}");
    assert!(said.contains(&format!("{} statements are logged again, 0 are not", old.size - 1)), "{said}");
    assert!(!said.contains("not published"), "{said}");
    let said = success(&old.abandon(&[]).await);
    assert!(said.starts_with(&format!("the hub is in the log {NEXT} already")), "{said}");
    let refused = failure(&old.run("2026h2", &["serve"]).await);
    assert!(refused.contains("set log.shard = \"2027h1\""), "{refused}");
    old.goes_on().await;

    let hub = old.serve("2027h1").await;
    let bundle = hub.get(&format!("/v1/log/tile/entries/000.p/{}", old.size)).await;
    let leaves = decode_bundle(&bundle.body, old.size as u16).unwrap();
    let Leaf::Shard { event: ShardEvent::Opened { previous, abandoned, .. }, .. } = Leaf::parse(leaves[0]).unwrap()
    else {
        panic!("it does not open the log")
    };
    assert_eq!(previous.as_ref(), Some(&published), "the largest that is known");
    assert!(abandoned.unwrap().kept.starts_with(&format!("{OLD}\n1\n")));
    // The operator vouches for the new log's key, as for a key that was rotated.
    let trust: Value = hub.get("/v1/trust/entries").await.json(200);
    let of_next: Vec<_> = trust["entries"].as_array().unwrap().iter().filter(|one| one["log"] == NEXT).collect();
    assert_eq!(of_next[0]["index"], 0, "{trust}");
    hub.terminate().await;
    assert_eq!(old.published(), published, "what is published stays, and nothing is added to it");
    assert_eq!(std::fs::read_to_string(old.place.join("2027h1/checkpoint")).unwrap().lines().next(), Some(NEXT));
}

#[tokio::test]
async fn giving_up_a_log_that_is_killed_at_any_moment_is_finished_by_the_next_start() {
    for seen in ["opened", "\"registry\""] {
        let old = OldCopy::new().await;
        let process = std::sync::Mutex::new(old.command("2027h1", &["shard", "open", "--abandon"]).spawn().unwrap());
        eventually(async || {
            let (newest, logs) = old.folder.newest().await;
            logs == 2 && newest.contains(seen) || process.lock().unwrap().try_wait().unwrap().is_some()
        })
        .await;
        let mut process = process.into_inner().unwrap();
        // SIGKILL; too late if it was faster than we look.
        let _ = process.start_kill();
        in_time(process.wait()).await.unwrap();
        old.goes_on().await;
    }
}

#[tokio::test]
async fn what_is_given_up_is_known_from_whoever_has_seen_it_and_never_guessed() {
    let old = OldCopy::new().await;
    let garbage = old.folder.file("a note\n");
    let refused = failure(&old.abandon(&["--checkpoint", &garbage]).await);
    assert!(refused.contains("registry.toml has no checkpoint of"), "{refused}");
    // The published entries are not those of the checkpoint.
    let bundle = old.bundle();
    let whole = std::fs::read(&bundle).unwrap();
    let mut changed = whole.clone();
    *changed.last_mut().unwrap() ^= 1;
    std::fs::write(&bundle, changed).unwrap();
    let refused = failure(&old.abandon(&[]).await);
    assert!(refused.contains("do not lead from those of the store to its checkpoint"), "{refused}");
    std::fs::write(&bundle, whole).unwrap();
    // Nothing was begun so far, and nobody has to be believed who says nothing.
    let unpublished =
        async |more: &[&str]| old.run_unpublished("2027h1", &[&["shard", "open", "--abandon"], more].concat()).await;
    let refused = failure(&unpublished(&[]).await);
    assert!(refused.contains("give a checkpoint of it with --checkpoint"), "{refused}");
    let checkpoint = old.place.join("2026h2/checkpoint").display().to_string();
    let said = success(&unpublished(&["--checkpoint", &checkpoint]).await);
    assert!(said.contains("0 statements are logged again, 0 are not"), "{said}");
    assert!(said.ends_with(&format!("accepted there:\n  entries 1 to {}\n", old.size - 1)), "{said}");
    let registry = old.registry().await;
    assert_eq!(registry["members"], json!([]), "the registry is that of what is left");
}

#[tokio::test]
async fn a_store_that_has_everything_is_closed_and_not_given_up() {
    let folder = Folder::new().await;
    let place = folder.0.path().join("published");
    std::fs::create_dir(&place).unwrap();
    let publish = (PUBLISH, place.to_str().unwrap());
    folder.serve_with(&[publish]).await.terminate().await;
    let mut command = program(&["shard", "open", "--abandon", "--config", &folder.config()]);
    let refused = failure(&in_time(command.env(SHARD, "2027h1").envs([publish]).output()).await.unwrap());
    assert!(refused.contains("there is nothing to abandon"), "{refused}");
    let wrong = run(&["shard", "open", "--checkpoint", "x", "--config", &folder.config()]).await;
    assert_eq!(wrong.status.code(), Some(2), "a checkpoint is for a log that is given up: {wrong:?}");
}

#[tokio::test]
async fn entries_that_are_not_published_any_more_are_lost_for_the_next_log() {
    let old = OldCopy::new().await;
    std::fs::remove_dir_all(old.place.join("2026h2/tile")).unwrap();
    let said = success(&old.abandon(&[]).await);
    assert!(said.contains(&format!("of its {} entries 1 are left", old.size)), "{said}");
    assert!(said.contains("0 statements are logged again, 0 are not"), "{said}");
    assert!(said.ends_with(&format!("accepted there:\n  entries 1 to {}\n", old.size - 1)), "{said}");
    let hub = old.serve("2027h1").await;
    assert!(hub.get("/v1/log/checkpoint").await.text().starts_with(&format!("{NEXT}\n1\n")));
    hub.terminate().await;
}

#[tokio::test]
async fn a_log_that_was_closed_in_the_lost_part_is_not_given_up() {
    let old = OldCopy::begun().await;
    success(&old.run("2027h1", &["shard", "open"]).await);
    old.bring_back_store();
    let refused = failure(&old.run("2027h2", &["shard", "open", "--abandon"]).await);
    assert!(refused.contains(&format!("ends with its closing for {NEXT}, which the hub has begun")), "{refused}");
    assert_eq!(old.folder.newest().await.1, 1, "nothing was begun");
}

#[tokio::test]
async fn a_log_is_not_given_up_twice() {
    let old = OldCopy::new().await;
    success(&old.abandon(&[]).await);
    old.bring_back_store();
    let refused = failure(&old.run("2027h2", &["shard", "open", "--abandon"]).await);
    assert!(refused.contains(&format!("{OLD} has been gone on from before, in {NEXT}")), "{refused}");
    assert!(!refused.contains(GIVEN_UP), "{refused}");
    assert_eq!(old.folder.newest().await.1, 1, "nothing was begun");
    // What has nothing to do with it is beside it too.
    std::fs::rename(old.place.join("2027h1"), old.folder.0.path().join("elsewhere")).unwrap();
    std::fs::create_dir(old.place.join("reports")).unwrap();
    std::fs::write(old.place.join("reports/checkpoint"), "none").unwrap();
    let done = old.run("2027h2", &["shard", "open", "--abandon"]).await;
    success(&done);
    assert!(String::from_utf8_lossy(&done.stderr).contains(GIVEN_UP), "{done:?}");
}

#[tokio::test]
async fn a_log_is_not_given_up_again_where_what_followed_it_cannot_be_read() {
    let old = OldCopy::new().await;
    success(&old.abandon(&[]).await);
    old.bring_back_store();
    let next = old.place.join("2027h1");
    let entries = next.join(format!("tile/entries/000.p/{}", old.size));
    let (checkpoint, bundle) = (next.join("checkpoint"), std::fs::read(&entries).unwrap());
    let whole = std::fs::read_to_string(&checkpoint).unwrap();
    let refused = async |why: &str| {
        let refused = failure(&old.run("2027h2", &["shard", "open", "--abandon"]).await);
        let place = format!("it is not known whether the log that is published in {} goes on", next.display());
        assert!(refused.contains(&place) && refused.contains("move it away") && refused.contains(why), "{refused}");
        assert!(!refused.contains(GIVEN_UP), "{refused}");
        assert_eq!(old.folder.newest().await.1, 1, "nothing was begun");
    };

    std::fs::remove_dir_all(next.join("tile/entries")).unwrap();
    refused(&format!("the published file tile/entries/000.p/{} is missing", old.size)).await;
    std::fs::create_dir_all(entries.parent().unwrap()).unwrap();
    std::fs::write(&entries, &bundle[1..]).unwrap();
    refused("is damaged").await;
    std::fs::copy(old.bundle(), &entries).unwrap();
    refused(&format!("its first entry does not begin the log {NEXT}")).await;
    let mut leaves: Vec<_> = decode_bundle(&bundle, old.size as u16).unwrap();
    leaves[0] = b"no leaf";
    std::fs::write(&entries, encode_bundle(&leaves).unwrap()).unwrap();
    refused(&format!("the first entry of {NEXT} cannot be read")).await;
    std::fs::write(&entries, &bundle).unwrap();
    for size in ["0", "many"] {
        let changed = whole.replacen(&format!("\n{}\n", old.size), &format!("\n{size}\n"), 1);
        std::fs::write(&checkpoint, changed).unwrap();
        refused("the published checkpoint states no size").await;
    }
    // A checkpoint is published last, and can be damaged.
    for damaged in [&b""[..], &[0; 40], b"\xff"] {
        std::fs::write(&checkpoint, damaged).unwrap();
        refused("the published checkpoint states no size").await;
    }
    std::fs::remove_file(&checkpoint).unwrap();
    refused("the published checkpoint states no size").await;
    let taken = failure(&old.run("2027h1", &["shard", "open", "--abandon"]).await);
    assert!(taken.contains(&format!("a log {NEXT} is published in")), "{taken}");
    // One that nobody can open, as a folder of somebody else.
    std::fs::remove_dir_all(&next).unwrap();
    symlink("2027h1", &next).unwrap();
    refused("2027h1").await;
    std::fs::remove_file(&next).unwrap();
    success(&old.run("2027h2", &["shard", "open", "--abandon"]).await);
}

#[tokio::test]
async fn a_log_is_not_given_up_again_where_only_a_later_one_is_published_still() {
    let old = OldCopy::new().await;
    success(&old.abandon(&[]).await);
    success(&old.run("2027h2", &["shard", "open"]).await);
    old.bring_back_store();
    std::fs::remove_dir_all(old.place.join("2027h1")).unwrap();
    let refused = failure(&old.run("2028h1", &["shard", "open", "--abandon"]).await);
    assert!(
        refused.contains(&format!("goes on from {NEXT}, which is neither published nor in the store")),
        "{refused}"
    );
    assert_eq!(old.folder.newest().await.1, 1, "nothing was begun");
}

#[tokio::test]
async fn a_log_is_given_up_beside_the_logs_of_a_hub_of_this_name_that_was_begun_anew() {
    let (old, former) = (OldCopy::new().await, Folder::new().await);
    let place = former.0.path().join("published");
    std::fs::create_dir(&place).unwrap();
    let publish = (PUBLISH, place.to_str().unwrap());
    former.serve_with(&[(SHARD, "2025h1"), publish]).await.terminate().await;
    let mut command = program(&["shard", "open", "--config", &former.config()]);
    success(&in_time(command.envs([(SHARD, "2025h2"), publish]).output()).await.unwrap());
    for shard in ["2025h1", "2025h2"] {
        std::fs::rename(place.join(shard), old.place.join(shard)).unwrap();
    }
    success(&old.abandon(&[]).await);
    old.goes_on().await;
}

#[tokio::test]
async fn a_log_is_given_up_whatever_else_is_in_the_place_where_logs_are_published() {
    let old = OldCopy::new().await;
    // What a file system has for itself, and nobody else can look into.
    std::fs::create_dir(old.place.join("lost+found")).unwrap();
    symlink("checkpoint", old.place.join("lost+found/checkpoint")).unwrap();
    for (folder, checkpoint) in
        [("www", &b"\xff\xfe\0"[..]), ("other", b"other.hub/log/2027h1\n5\nAAAA\n"), ("empty", b"")]
    {
        std::fs::create_dir(old.place.join(folder)).unwrap();
        std::fs::write(old.place.join(folder).join("checkpoint"), checkpoint).unwrap();
    }
    std::fs::write(old.place.join(OsStr::from_bytes(b"caf\xe9")), "").unwrap();
    std::fs::write(old.place.join("robots"), "").unwrap();
    symlink("nowhere", old.place.join("link")).unwrap();
    success(&old.abandon(&[]).await);
    old.goes_on().await;
}

#[tokio::test]
async fn a_log_is_given_up_though_the_files_of_an_earlier_one_are_not_published_any_more() {
    let old = OldCopy::begun().await;
    success(&old.run("2027h1", &["shard", "open"]).await);
    std::fs::remove_dir_all(old.folder.0.path().join("copy")).unwrap();
    old.keep_store();
    success(&old.run("2027h1", &["keys", "rotate", "receipts"]).await);
    old.serve("2027h1").await.terminate().await;
    old.bring_back_store();
    std::fs::remove_dir_all(old.place.join("2026h2/tile")).unwrap();
    let said = success(&old.run("2027h2", &["shard", "open", "--abandon"]).await);
    assert!(said.starts_with(&format!("{NEXT} is abandoned")), "{said}");
    assert!(said.contains("1 statements are logged again, 0 are not"), "{said}");
}

#[tokio::test]
async fn a_closing_that_is_published_only_after_the_log_was_given_up_counts_for_nothing_and_is_told() {
    let old = OldCopy::begun().await;
    success(&old.run("2027h1", &["shard", "open"]).await);
    old.bring_back_store();
    let checkpoint = old.place.join("2026h2/checkpoint").display().to_string();
    let abandon = ["shard", "open", "--abandon"];
    success(&old.run_unpublished("2027h2", &[&abandon[..], &["--checkpoint", &checkpoint]].concat()).await);
    // Its files are back, and with them those of the log that it was closed for.
    let said = success(&old.run("2027h2", &abandon).await);
    assert!(said.contains("1 statements are logged again, 1 are not"), "the key of that log: {said}");
    assert!(said.contains(&format!("  entry 2: the log was closed for {NEXT}, of which nothing counts\n")), "{said}");
    let refused = failure(&old.run("2027h1", &["shard", "open"]).await);
    assert!(refused.contains(&format!("a log {NEXT} is published in")), "it never follows: {refused}");
    let hub = old.serve("2027h2").await;
    assert!(hub.get("/v1/log/checkpoint").await.text().starts_with("hub.local/log/2027h2\n2\n"));
    assert_eq!(hub.get("/v1/logs/2027h1/checkpoint").await.status, 404);
    hub.terminate().await;
}

#[tokio::test]
async fn published_entries_that_cannot_be_read_are_not_passed_over() {
    let old = OldCopy::new().await;
    let whole = std::fs::read(old.bundle()).unwrap();
    std::fs::write(old.bundle(), &whole[..whole.len() - 1]).unwrap();
    let unreadable = "what is published of the lost part cannot be read";
    let refused = failure(&old.abandon(&[]).await);
    assert!(refused.contains(unreadable) && refused.contains("is damaged"), "{refused}");
    assert_eq!(old.folder.newest().await.1, 1, "nothing was begun");
    // Begun without them, the next log takes them over before it says anything else.
    let checkpoint = old.place.join("2026h2/checkpoint").display().to_string();
    success(&old.run_unpublished("2027h1", &["shard", "open", "--abandon", "--checkpoint", &checkpoint]).await);
    let refused = failure(&old.run("2027h1", &["serve"]).await);
    assert!(refused.contains(unreadable), "{refused}");
    std::fs::write(old.bundle(), whole).unwrap();
    old.goes_on().await;
}

#[tokio::test]
async fn a_shorter_published_log_of_another_history_is_a_fork_and_no_loss() {
    let old = OldCopy::new().await;
    let published = old.published();
    let registry = old.folder.file(&super::registry_file());
    success(&old.run_unpublished("2026h2", &["registry", "apply", &registry]).await);
    for _ in 0..3 {
        success(&old.run_unpublished("2026h2", &["keys", "rotate", "receipts"]).await);
    }
    for arguments in [&["serve"][..], &["shard", "open", "--abandon"]] {
        let shard = if arguments.len() == 1 { "2026h2" } else { "2027h1" };
        let refused = failure(&old.run(shard, arguments).await);
        assert!(refused.contains("has seen another history of this log than the store has"), "{refused}");
        assert!(!refused.contains("--abandon"), "there it is a dead end: {refused}");
    }
    let checkpoint = old.place.join("2026h2/checkpoint").display().to_string();
    let given = ["shard", "open", "--abandon", "--checkpoint", &checkpoint];
    let refused = failure(&old.run_unpublished("2027h1", &given).await);
    assert!(refused.contains("has seen another history of this log"), "{refused}");
    assert_eq!((old.published(), old.folder.newest().await.1), (published, 1), "both are as they were");
}
