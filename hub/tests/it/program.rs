//! The program itself, as an operator runs it.

use std::path::Path;
use std::process::Output;

use saphan_hub::config::Config;
use saphan_schemas::catalogue::Catalogue;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::keys::SigningKey;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::harness::{Answer, in_time};

mod abandoning;
mod keys;
mod shards;
mod tls;

/// A folder made by `saphan-hub init`.
struct Folder(TempDir);

/// `saphan-hub serve`, listening. Killed when dropped.
struct Serving {
    process: Child,
    address: String,
    scheme: String,
}

impl Folder {
    async fn new() -> Self {
        Self::made_with(&[]).await
    }

    async fn made_with(more: &[&str]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let home = folder.home();
        let made = ["init", &home, "--listen", "127.0.0.1:0", "--shard", "2026h2"];
        let made = run(&[&made, more].concat()).await;
        let said = success(&made);
        assert!(said.contains("hub hub.local, log hub.local/log/2026h2"), "{said}");
        folder
    }

    fn home(&self) -> String {
        self.0.path().join("hub").display().to_string()
    }

    fn config(&self) -> String {
        format!("{}/hub.toml", self.home())
    }

    fn file(&self, text: &str) -> String {
        let path = self.0.path().join("registry.toml");
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// A file with a text of the catalogue, changed.
    fn schema(&self, id: &str, change: &dyn Fn(&mut Value)) -> String {
        let text = Catalogue::embedded().unwrap().schema(&id.parse().unwrap()).unwrap().text.clone();
        let mut document: Value = serde_json::from_str(&text).unwrap();
        change(&mut document);
        let path = self.0.path().join(format!("{}.json", Sha256Hash::of(document.to_string().as_bytes())));
        std::fs::write(&path, document.to_string()).unwrap();
        path.display().to_string()
    }

    /// `saphan-hub schema …`, beside a hub that runs or not. The port was the system's choice, so the file does not know it.
    async fn schema_command(&self, arguments: &[&str], beside: Option<&Serving>) -> Output {
        let config = self.config();
        let arguments: Vec<&str> = ["schema"].iter().chain(arguments).chain(&["--config", &config]).copied().collect();
        let mut command = program(&arguments);
        command.envs(beside.map(|hub| ("SAPHAN_HUB__HUB__LISTEN", &hub.address)));
        in_time(command.output()).await.unwrap()
    }

    async fn serve(&self) -> Serving {
        self.serve_with(&[]).await
    }

    /// With this in its environment.
    async fn serve_with(&self, environment: &[(&str, &str)]) -> Serving {
        let mut command = program(&["serve", "--config", &self.config()]);
        let mut process = command.envs(environment.iter().copied()).spawn().unwrap();
        let mut line = String::new();
        let output = process.stdout.take().unwrap();
        in_time(BufReader::new(output).read_line(&mut line)).await.unwrap();
        let url = line.trim_end().strip_prefix("listening on ").expect(&line);
        let (scheme, address) = url.split_once("://").expect(url);
        Serving { process, address: address.to_owned(), scheme: scheme.to_owned() }
    }
}

impl Serving {
    async fn get(&self, path: &str) -> Answer {
        assert_eq!(self.scheme, "http");
        let _ = rustls::crypto::ring::default_provider().install_default();
        self.get_with(reqwest::Client::builder(), path).await.unwrap()
    }

    async fn get_with(&self, client: reqwest::ClientBuilder, path: &str) -> reqwest::Result<Answer> {
        let client = client.no_proxy().build().unwrap();
        let url = format!("{}://{}{path}", self.scheme, self.address);
        Ok(Answer::read(in_time(client.get(url).send()).await?).await)
    }

    fn id(&self) -> String {
        self.process.id().unwrap().to_string()
    }

    /// Ends it as a service manager does; returns what it logged.
    async fn terminate(mut self) -> String {
        assert!(Command::new("kill").args(["-TERM", &self.id()]).status().await.unwrap().success());
        let mut log = String::new();
        let mut errors = self.process.stderr.take().unwrap();
        in_time(errors.read_to_string(&mut log)).await.unwrap();
        let status = in_time(self.process.wait()).await.unwrap();
        assert_eq!(status.code(), Some(0), "{log}");
        log
    }
}

#[tokio::test]
async fn a_new_folder_serves_and_ends_in_good_order_on_sigterm() {
    let folder = Folder::new().await;
    let hub = folder.serve().await;
    assert_eq!(hub.get("/readyz").await.status, 200);
    assert!(hub.get("/v1/log/checkpoint").await.text().starts_with("hub.local/log/2026h2\n1\n"));
    let log = hub.terminate().await;
    assert!(log.contains("the hub has stopped; everything accepted is written"), "{log}");
    // And again, on the same data.
    let hub = folder.serve().await;
    assert!(hub.get("/v1/log/checkpoint").await.text().starts_with("hub.local/log/2026h2\n1\n"));
    hub.terminate().await;
}

#[tokio::test]
async fn a_configuration_named_relative_to_the_current_folder_finds_its_keys() {
    let folder = Folder::new().await;
    let registry = folder.file(&registry_file());
    for (current, config) in [(folder.0.path().to_owned(), "hub/hub.toml"), (folder.home().into(), "hub.toml")] {
        let mut command = program(&["registry", "apply", &registry, "--config", config]);
        success(&command.current_dir(current).output().await.unwrap());
    }
}

#[tokio::test]
async fn without_the_operators_key_or_with_anothers_the_hub_serves_and_nobody_changes_its_registry() {
    let (folder, other) = (Folder::new().await, Folder::new().await);
    let apply = ["registry", "apply", &folder.file(&registry_file()), "--config", &folder.config()];
    success(&run(&apply).await);
    let key = |folder: &Folder| format!("{}/data/operator.pem", folder.home());
    std::fs::copy(key(&other), key(&folder)).unwrap();
    let refused = failure(&run(&apply).await);
    assert!(refused.contains("none of the operator's keys is here"), "{refused}");
    std::fs::remove_file(key(&folder)).unwrap();
    let refused = failure(&run(&apply).await);
    assert!(refused.contains("operator.pem"), "{refused}");
    folder.serve().await.terminate().await;
}

#[tokio::test]
async fn a_second_process_on_the_same_folder_is_refused_and_the_first_goes_on() {
    let folder = Folder::new().await;
    let hub = folder.serve().await;
    let said = failure(&run(&["serve", "--config", &folder.config()]).await);
    assert!(said.contains("is in use by another hub process"), "{said}");
    assert_eq!(hub.get("/readyz").await.status, 200);
    hub.terminate().await;
}

#[tokio::test]
async fn a_registry_file_is_applied_to_a_running_hub_and_to_a_stopped_one_and_only_once() {
    let folder = Folder::new().await;
    let registry = folder.file(&registry_file());
    let apply = ["registry", "apply", &registry, "--config", &folder.config()];
    let said = success(&run(&apply).await);
    assert!(!said.starts_with("0 "), "{said}");
    assert_eq!(success(&run(&apply).await), "0 registry entries written\n");
    let hub = folder.serve().await;
    let more = folder.file("[[member]]\nid = \"th.dlt\"\nname_th = \"กรมการขนส่งทางบก\"\nname_en = \"Land Transport\"");
    let apply = ["registry", "apply", &more, "--config", &folder.config()];
    // The port was the system's choice, so the file does not know it.
    let mut command = program(&apply);
    let said = success(&command.env("SAPHAN_HUB__HUB__LISTEN", &hub.address).output().await.unwrap());
    assert_eq!(said, "1 registry entries written\n");
    let said = success(&command.output().await.unwrap());
    assert_eq!(said, "0 registry entries written\n");
    assert_eq!(hub.get("/v1/systems/th.dga/portal/keys").await.status, 200);
    hub.terminate().await;
}

#[tokio::test]
async fn an_operator_tries_a_file_looks_at_what_stands_gives_roles_and_revokes_with_commands() {
    let folder = Folder::new().await;
    let config = folder.config();
    let registry = folder.file(&registry_file());
    let operate = async |arguments: &[&str]| run(&[&["registry"], arguments, &["--config", &config]].concat()).await;
    let said = success(&operate(&["apply", &registry, "--dry-run"]).await);
    assert!(said.contains("th.dga/portal") && said.contains("would be written"), "{said}");
    let shown = async || serde_json::from_str::<Value>(&success(&operate(&["show", "--json"]).await)).unwrap();
    assert_eq!(shown().await["systems"], json!([]), "nothing was changed");
    success(&operate(&["apply", &registry]).await);

    assert!(success(&operate(&["roles", "th.dga/portal", "auditor", "system"]).await).contains("from now on"));
    assert!(success(&operate(&["roles", "th.dga/portal", "system", "auditor"]).await).contains("already"));
    let text = success(&operate(&["show"]).await);
    assert!(text.contains("th.dga/portal  transport pull, roles system, auditor"), "{text}");
    let kid = shown().await["systems"][0]["keys"][0]["id"].as_str().unwrap().to_owned();
    success(&operate(&["revoke", "key", &kid]).await);
    assert!(shown().await["systems"][0]["keys"][0]["revoked"].is_u64());
    assert!(success(&operate(&["show"]).await).contains(&format!("key {kid}, revoked 20")));

    success(&operate(&["revoke", "member", "th.dga"]).await);
    assert_eq!((&shown().await["members"], &shown().await["systems"]), (&json!([]), &json!([])));
    let said = failure(&operate(&["revoke", "member", "th.dga"]).await);
    assert!(said.contains("th.dga does not exist"), "{said}");
    let said = failure(&operate(&["revoke", "key", "short"]).await);
    assert!(said.contains("short is not the id"), "{said}");
    let said = failure(&operate(&["roles", "th.dga/portal", "system"]).await);
    assert!(said.contains("th.dga/portal does not exist"), "{said}");
}

#[tokio::test]
async fn a_registry_file_with_a_mistake_is_refused_whole_with_the_reason() {
    let folder = Folder::new().await;
    let file = folder.file(&format!("{}\n[[service]]\nid = \"th.x.y\"\nauthority = \"th.x\"", registry_file()));
    let apply = ["registry", "apply", &file, "--config", &folder.config()];
    let said = failure(&run(&apply).await);
    assert!(said.contains("th.x does not exist"), "{said}");
    let hub = folder.serve().await;
    assert!(hub.get("/v1/log/checkpoint").await.text().starts_with("hub.local/log/2026h2\n1\n"), "nothing was written");
    hub.terminate().await;
}

#[tokio::test]
async fn a_schema_is_published_on_a_running_hub_and_on_a_stopped_one_and_listed() {
    let folder = Folder::new().await;
    let apply = ["registry", "apply", &folder.file(&registry_file()), "--config", &folder.config()];
    success(&run(&apply).await);
    let withdrawn = |change: &dyn Fn(&mut Value)| folder.schema("application.withdrawn@1", change);
    // Stopped.
    let longer = withdrawn(&|text| text["properties"]["note"]["maxLength"] = 1001.into());
    let said = success(&folder.schema_command(&["publish", &longer, "--dry-run"], None).await);
    assert!(said.starts_with("would publish application.withdrawn@1\t1.1\t"), "{said}");
    let said = success(&folder.schema_command(&["publish", &longer], None).await);
    assert!(said.starts_with("published application.withdrawn@1\t1.1\t"), "{said}");
    let said = success(&folder.schema_command(&["publish", &longer], None).await);
    assert!(said.starts_with("stands already: application.withdrawn@1\t1.1\t"), "{said}");
    // Running.
    let hub = folder.serve().await;
    assert!(hub.get("/v1/schemas/application.withdrawn@1").await.text().contains("1001"));
    let optional = withdrawn(&|text| {
        text["properties"]["note"]["maxLength"] = 1001.into();
        text["properties"]["channel"] = json!({ "type": "string", "maxLength": 9 });
    });
    let said = success(&folder.schema_command(&["check", &optional], Some(&hub)).await);
    assert!(said.contains("1.2") && said.contains("compatible with the text before it"), "{said}");
    let other = ["publish", &optional, "--id", "application.decided@1"];
    assert!(failure(&folder.schema_command(&other, Some(&hub)).await).contains("is that of application.withdrawn@1"));
    success(&folder.schema_command(&["publish", &optional, "--id", "application.withdrawn@1"], Some(&hub)).await);
    assert!(hub.get("/v1/schemas/application.withdrawn@1").await.text().contains("channel"));
    let said = success(&folder.schema_command(&["list"], Some(&hub)).await);
    assert!(said.contains("application.withdrawn@1\t1.2\t") && said.contains("common@1\t1.0\t"), "{said}");
    hub.terminate().await;
    // What the hub is built with does not take the place of what was published.
    assert_eq!(success(&run(&apply).await), "0 registry entries written\n");
}

#[tokio::test]
async fn a_schema_that_cannot_be_published_is_refused_with_the_places_and_what_to_do() {
    let folder = Folder::new().await;
    success(&run(&["registry", "apply", &folder.file(&registry_file()), "--config", &folder.config()]).await);
    let narrower = folder.schema("application.withdrawn@1", &|text| text["properties"]["note"]["maxLength"] = 9.into());
    for command in ["check", "publish"] {
        let said = failure(&folder.schema_command(&[command, &narrower], None).await);
        assert!(said.contains("new major version") && said.contains("#/properties/note: accepts less"), "{said}");
    }
    let outside = folder.schema("application.withdrawn@1", &|text| text["allOf"] = json!([]));
    let said = failure(&folder.schema_command(&["publish", &outside], None).await);
    assert!(said.contains("#/allOf: ") && said.contains("one object"), "{said}");
    let undecided = folder.schema("th.dopa.birth-registration@1", &|text| {
        text["properties"]["child"]["properties"]["born_at"]["pattern"] = "^(2[0-3]|[01][0-9]):[0-5][0-9]$".into();
    });
    let said = failure(&folder.schema_command(&["publish", &undecided], None).await);
    assert!(said.contains("--accept-unknown") && said.contains("born_at"), "{said}");
    let accepted = ["publish", &undecided, "--accept-unknown", "ticket 4711: the same times"];
    success(&folder.schema_command(&accepted, None).await);
    let said = success(&folder.schema_command(&["list"], None).await);
    assert!(said.contains("accepted: ticket 4711: the same times"), "{said}");
    assert!(said.lines().filter(|line| line.contains("application.withdrawn@1\t1.0")).count() == 1, "{said}");
}

#[tokio::test]
async fn a_schema_that_was_revoked_is_compared_with_its_last_text_by_the_command_too() {
    let folder = Folder::new().await;
    success(&run(&["registry", "apply", &folder.file(&registry_file()), "--config", &folder.config()]).await);
    let renamed = |change: &dyn Fn(&mut Value)| {
        folder.schema("application.withdrawn@1", &|text| {
            text["$id"] = "urn:saphan:schema:test.q@1".into();
            change(text);
        })
    };
    let (first, narrower) = (renamed(&|_| ()), renamed(&|text| text["properties"]["note"]["maxLength"] = 9.into()));
    success(&folder.schema_command(&["publish", &first], None).await);
    success(&run(&["registry", "revoke", "schema", "test.q@1", "--config", &folder.config()]).await);
    let refused = async |hub: Option<&Serving>| {
        for command in [&["check", &narrower][..], &["publish", &narrower], &["publish", &narrower, "--dry-run"]] {
            let said = failure(&folder.schema_command(command, hub).await);
            assert!(said.contains("new major version") && said.contains("#/properties/note: accepts less"), "{said}");
        }
    };
    refused(None).await;
    let said = success(&folder.schema_command(&["check", &first], None).await);
    assert!(said.contains("test.q@1\t1.0\t") && said.ends_with(": the text that stood last\n"), "{said}");
    let hub = folder.serve().await;
    refused(Some(&hub)).await;
    let said = success(&folder.schema_command(&["publish", &first], Some(&hub)).await);
    assert!(said.starts_with("published test.q@1\t1.0\t"), "{said}");
    hub.terminate().await;
}

#[tokio::test]
async fn examples_that_are_accepted_are_tried_against_a_new_text() {
    let folder = Folder::new().await;
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/catalogue/examples/application.withdrawn@1/valid");
    let same = folder.schema("application.withdrawn@1", &|text| text["title"] = "Other words".into());
    let output = folder.schema_command(&["check", &same, "--examples", examples], None).await;
    success(&output);
    assert!(String::from_utf8(output.stderr).unwrap().contains("2 example(s) are accepted"));
    let other =
        folder.schema("application.withdrawn@1", &|text| text["properties"]["reason"]["enum"] = json!(["OTHER"]));
    let said = failure(&folder.schema_command(&["check", &other, "--examples", examples], None).await);
    assert!(said.contains("refuses examples that are accepted") && said.contains(".json: "), "{said}");
}

#[tokio::test]
async fn coverage_says_what_is_missing_before_anything_is_agreed() {
    let folder = Folder::new().await;
    let coverage = ["catalogue", "coverage", "--config", &folder.config()];
    let told = success(&run(&coverage).await);
    let services = Catalogue::embedded().unwrap().services().len();
    assert!(told.starts_with(&format!("0 of {services} services are served end to end\n")), "{told}");
    assert!(told.contains("  th.rd.income-record, held by th.rd, for "), "{told}");
    let told: Value = serde_json::from_str(&success(&run(&[&coverage[..], &["--json"]].concat()).await)).unwrap();
    assert_eq!((&told["end_to_end"], told["services"].as_array().unwrap().len()), (&json!(0), services));
    assert_eq!(told["services"][0]["receives_applications"], false);
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_of_a_long_answer_is_no_failure() {
    let folder = Folder::new().await;
    let config = folder.config();
    success(&run(&["registry", "apply", &folder.file(&registry_file()), "--config", &config]).await);
    for command in [
        &["registry", "show"][..],
        &["registry", "show", "--json"],
        &["catalogue", "coverage"],
        &["catalogue", "coverage", "--json"],
        &["schema", "list"],
    ] {
        let mut process = program(&[command, &["--config", &config]].concat()).spawn().unwrap();
        drop(process.stdout.take());
        assert_eq!(success(&in_time(process.wait_with_output()).await.unwrap()), "", "{command:?}");
    }
}

#[tokio::test]
async fn a_hub_is_made_once() {
    let folder = Folder::new().await;
    let key = Path::new(&folder.home()).join("data/log.pem");
    let before = std::fs::read(&key).unwrap();
    let said = failure(&run(&["init", &folder.home()]).await);
    assert!(said.contains("exists already"), "{said}");
    assert_eq!(std::fs::read(&key).unwrap(), before);
}

#[tokio::test]
async fn the_default_configuration_is_printed_and_is_one() {
    let said = success(&run(&["default-config"]).await);
    assert_eq!(Config::parse(&said, std::iter::empty()).unwrap().origin(), "hub.local/log/main");
}

#[tokio::test]
async fn a_configuration_is_checked_before_it_is_used() {
    let folder = Folder::new().await;
    let said = success(&run(&["check-config", "--config", &folder.config()]).await);
    assert!(said.contains("is valid: hub hub.local, log hub.local/log/2026h2"), "{said}");
    let key = saphan_schemas::log::CosignerKey::new("w.example", [1; 32]).unwrap();
    let policy = Path::new(&folder.config()).with_file_name("witnesses.policy");
    std::fs::write(&policy, format!("witness w {key} https://w.example\nquorum w\n")).unwrap();
    std::fs::write(folder.config(), "[witnesses]\npolicy = \"witnesses.policy\"").unwrap();
    success(&run(&["check-config", "--config", &folder.config()]).await);
    for (text, reason) in [
        ("[witnesses]\npolicy = \"none\"", "none cannot be read"),
        ("[hub]\nlisten = \"0.0.0.0:80\"", "hub.listen must be a loopback address"),
        ("[limits]\nqueue = 0", "limits.queue must be 1 to 1048576"),
        ("[limits]\nqueues = 1", "queues"),
        ("[hub", "the configuration is not valid"),
    ] {
        std::fs::write(folder.config(), text).unwrap();
        let said = failure(&run(&["check-config", "--config", &folder.config()]).await);
        assert!(said.contains(reason), "{said}");
    }
    std::fs::remove_file(folder.config()).unwrap();
    let said = failure(&run(&["serve", "--config", &folder.config()]).await);
    assert!(said.contains("hub.toml"), "{said}");
}

#[tokio::test]
async fn wrong_usage_ends_with_2_and_help_with_0() {
    assert_eq!(run(&["serv"]).await.status.code(), Some(2));
    assert_eq!(run(&[]).await.status.code(), Some(2));
    assert!(success(&run(&["--help"]).await).contains("Exit codes: 0 done, 1 failed, 2 wrong usage."));
}

/// The program with nothing of this one's environment.
fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_saphan-hub"));
    command.args(arguments).env_clear().kill_on_drop(true);
    command.stdin(std::process::Stdio::null());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    command
}

async fn run(arguments: &[&str]) -> Output {
    in_time(program(arguments).output()).await.unwrap()
}

/// What a command that succeeded printed.
fn success(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What a command that failed said.
fn failure(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn registry_file() -> String {
    let jwk = serde_json::to_value(SigningKey::generate().unwrap().0.public()).unwrap();
    let (x, y) = (jwk["x"].as_str().unwrap(), jwk["y"].as_str().unwrap());
    format!(
        "[[member]]\nid = \"th.dga\"\nname_th = \"สพร.\"\nname_en = \"DGA\"\n\n\
         [[system]]\nid = \"th.dga/portal\"\ntransport = \"pull\"\n\
         keys = [{{ kty = \"EC\", crv = \"P-256\", x = \"{x}\", y = \"{y}\" }}]\n"
    )
}

#[tokio::test]
async fn erasing_asks_a_running_hub_and_does_it_itself_beside_none() {
    let folder = Folder::new().await;
    let config = folder.config();
    let erase = async |beside: Option<&Serving>, basis: &str| {
        let mut command = program(&["erase", "0", "7", "--basis", basis, "--config", &config]);
        command.envs(beside.map(|hub| ("SAPHAN_HUB__HUB__LISTEN", &hub.address)));
        in_time(command.output()).await.unwrap()
    };
    let said = failure(&erase(None, "pdpa-s33").await);
    assert!(said.contains("no message is at place 0 of the log; nothing was erased"), "{said}");
    let hub = folder.serve().await;
    let said = failure(&erase(Some(&hub), "pdpa-s33").await);
    assert!(said.contains("the hub refused: "), "{said}");
    assert!(said.contains("no message is at place 0 of the log; nothing was erased"), "{said}");
    assert_eq!(erase(None, "A Person").await.status.code(), Some(2), "a code names no person");
}
