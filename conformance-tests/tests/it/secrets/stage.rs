//! A hub, agencies with nothing but the `saphan` program, and everything that any of them ever wrote.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use lapin::runtime::default_runtime;
use lapin::tcp::OwnedTLSConfig;
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties};
use saphan_conformance::programs;
use saphan_examples::agencies::licences;
use saphan_examples::local::hub::{HubOptions, HubProcess, HubProgram};
use saphan_examples::local::rabbitmq::RabbitNode;
use saphan_examples::local::ruled_broker::RuledBroker;
use saphan_examples::registry;
use saphan_hub::keys::KeyStore;
use saphan_hub::sealing::StorageKeys;
use saphan_hub::store::Store as _;
use saphan_hub::store::cases::CaseStore as _;
use saphan_hub::store::sqlite::SqliteStore;
use saphan_schemas::ids::SystemId;
use saphan_schemas::invitation::InvitationCode;
use saphan_schemas::registry::TransportKind;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::needles::Needles;
use crate::patience::in_time;

pub(super) struct Stage {
    hub: HubProcess,
    broker: Option<RabbitNode>,
    codes: Vec<String>,
    texts: Vec<(String, String)>,
}

/// `saphan listen`, running.
pub(super) struct Listening {
    child: Child,
    /// Read while it is written: a program whose errors nobody reads stops at some point.
    errors: JoinHandle<Vec<u8>>,
}

impl Stage {
    /// A hub over HTTPS that logs all it can, from which systems pull.
    pub(super) async fn pulling() -> Self {
        Self { hub: hub(TransportKind::Pull, Vec::new()).await, broker: None, codes: Vec::new(), texts: Vec::new() }
    }

    /// The same with a broker, where all log in with tokens.
    pub(super) async fn with_rabbitmq() -> Self {
        let planned = RuledBroker::plan().unwrap();
        let hub = hub(TransportKind::Amqp, planned.settings()).await;
        let broker = planned.start(&hub).await.unwrap();
        Self { hub, broker: Some(broker), codes: Vec::new(), texts: Vec::new() }
    }

    /// A folder of a system that has joined and signed; somebody else tries to join with wrong codes.
    pub(super) async fn join(&mut self, system: &str) -> TempDir {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("ca.pem"), self.hub.ca().unwrap()).unwrap();
        let code = self.hub.invite(&system.parse().unwrap()).await.unwrap();
        let guessed = InvitationCode::generate().unwrap().text().to_string();
        let url = self.hub.url().to_owned();
        self.codes.extend([code.clone(), guessed.clone()]);
        assert_ne!(
            self.saphan(folder.path(), &["join", &url, &code]).await,
            0,
            "the hub is not believed without its CA"
        );
        assert_ne!(self.saphan(folder.path(), &["join", &url, &guessed, "--ca", "ca.pem"]).await, 0);
        assert_eq!(self.saphan(folder.path(), &["join", &url, &code, "--ca", "ca.pem"]).await, 0, "{}", self.last());
        assert_eq!(self.saphan(folder.path(), &["agreements", "sign", "--all"]).await, 0, "{}", self.last());
        folder
    }

    /// Runs `saphan`; answers its exit code.
    async fn saphan(&mut self, folder: &Path, arguments: &[&str]) -> i32 {
        let output = self.command(folder, arguments).output();
        let output = in_time(output, || format!("saphan {arguments:?} does not end")).await.unwrap();
        self.keep(format!("the output of saphan {}", arguments[0]), &output.stdout);
        self.keep(format!("the errors of saphan {}", arguments[0]), &output.stderr);
        output.status.code().unwrap()
    }

    fn command(&self, folder: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(programs::saphan().unwrap());
        command.args(arguments).current_dir(folder).kill_on_drop(true);
        command.env("SAPHAN_LOG", LOUDLY).env_remove("SAPHAN_CONFIG").env_remove("SAPHAN_AMQP_URI");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn keep(&mut self, name: String, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.texts.push((name, String::from_utf8_lossy(bytes).into_owned()));
        }
    }

    /// The last that was written, for a test that fails.
    pub(super) fn last(&self) -> &str {
        self.texts.last().map_or("", |(_, text)| text)
    }

    pub(super) async fn send(&mut self, folder: &TempDir, body: &[u8]) -> i32 {
        std::fs::write(folder.path().join("body.json"), body).unwrap();
        self.saphan(folder.path(), &SEND).await
    }

    /// Receives as this system, from here on.
    pub(super) async fn listen(&mut self, folder: &TempDir, url: &str) -> Listening {
        let mut child =
            self.command(folder.path(), &["listen", "--forward-to", url, "--save", "kept"]).spawn().unwrap();
        let mut errors = child.stderr.take().unwrap();
        let (started, listens) = oneshot::channel();
        let errors = tokio::spawn(async move {
            let (mut said, mut started) = (Vec::new(), Some(started));
            while errors.read_buf(&mut said).await.unwrap() > 0 {
                if started.is_some() && String::from_utf8_lossy(&said).contains("listening for") {
                    started.take().map(|started| started.send(()));
                }
            }
            said
        });
        let listens = in_time(listens, || "saphan listen does not say that it listens".to_owned()).await;
        listens.expect("it listens, and does not end");
        Listening { child, errors }
    }

    /// Whatever a caller can do wrong, with secrets where they do not belong.
    pub(super) async fn refusals(&mut self, folder: &TempDir, body: &[u8]) {
        let body = String::from_utf8(body.to_vec()).unwrap();
        let number = super::number_of(body.as_bytes());
        let last = if number.ends_with('0') { "1" } else { "0" };
        let wrong = body.replace(&number, &format!("{}{last}", &number[..12]));
        assert_ne!(wrong, body);
        assert_eq!(self.send(folder, wrong.as_bytes()).await, 1, "{}", self.last());
        assert_ne!(self.send(folder, &body.as_bytes()[..100]).await, 0, "{}", self.last());
        let client = saphan_connector::http_client(&self.hub.address()).unwrap();
        let url = self.hub.url();
        let token = no_token();
        for request in [
            client.get(format!("{url}/v1/messages/{number}")).bearer_auth(&token),
            client.get(format!("{url}/v1/people/{number}?token={token}&number={number}")),
            client.get(format!("{url}/v1/schemas/{number}")),
            client.delete(format!("{url}/v1/messages/{number}")).bearer_auth(&number),
            client.post(format!("{url}/v1/messages")).header("saphan-envelope", &token).body(body.clone()),
            client.post(format!("{url}/v1/messages")).header("saphan-salt", &number).body(body.clone()),
            client.post(format!("{url}/v1/messages/batch")).bearer_auth(&token).body(body.clone()),
            client.post(format!("{url}/v1/join")).body(body.clone()),
            client.post(format!("{url}/v1/join")).json(&serde_json::json!({ "entry": token })),
            client.post(format!("{url}/v1/inbox/lease")).header("authorization", format!("Basic {number}")),
            client.post(format!("{url}/v1/messages")).header("saphan-salt", &token).header("saphan-salt", &number),
        ] {
            assert!(request.send().await.unwrap().status().is_client_error());
        }
    }

    /// The rest of the commands; and the hub when it is killed, when it starts again, and when it is asked in vain.
    pub(super) async fn everything_else(&mut self, portal: &TempDir, licensing: &TempDir) {
        let kept = std::fs::read_dir(licensing.path().join("kept")).unwrap();
        let kept: Vec<String> = kept.map(|entry| entry.unwrap().path().display().to_string()).collect();
        assert!(!kept.is_empty());
        let url = self.hub.url().to_owned();
        self.saphan(licensing.path(), &["verify", &kept[0], "--trust", "trust.json"]).await;
        self.saphan(portal.path(), &["trust", &url, "--ca", "ca.pem", "--out", "again.json"]).await;
        assert_eq!(self.saphan(portal.path(), &["log", "check", &url, "--ca", "ca.pem"]).await, 0, "{}", self.last());
        assert_eq!(self.saphan(portal.path(), &["doctor"]).await, 0, "{}", self.last());
        assert_eq!(self.saphan(portal.path(), &["keys", "show", "saphan.key.pem"]).await, 0, "{}", self.last());
        assert_eq!(self.saphan(portal.path(), &["keys", "rotate", "--valid-days", "90"]).await, 0, "{}", self.last());
        self.hub.kill().await.unwrap();
        assert_ne!(self.saphan(portal.path(), &["doctor"]).await, 0);
        self.hub.restart().await.unwrap();
        // A key that cannot be read, and one that is not the one that was registered.
        let key = portal.path().join("saphan.key.pem");
        let good = std::fs::read_to_string(&key).unwrap();
        std::fs::write(&key, good.replace("MIG", "MIF")).unwrap();
        assert_ne!(self.saphan(portal.path(), &["doctor"]).await, 0);
        assert_ne!(self.saphan(portal.path(), &SEND).await, 0);
        std::fs::write(&key, good).unwrap();
    }

    /// With a broker: somebody is not let in there, and then it is killed and starts again, with all who dial in vain meanwhile.
    pub(super) async fn trouble_at_the_broker(&mut self, system: &str) {
        let Some(broker) = &mut self.broker else { return };
        let system: SystemId = system.parse().unwrap();
        let mut uri: AMQPUri = broker.uri().parse().unwrap();
        uri.authority.userinfo.username = system.to_string();
        uri.authority.userinfo.password = no_token();
        let ca = self.hub.ca().map(ToOwned::to_owned);
        let tls = OwnedTLSConfig { cert_chain: ca, ..OwnedTLSConfig::default() };
        let runtime = default_runtime().unwrap();
        let refused = Connection::connect_uri_with_config(uri, ConnectionProperties::default(), tls, runtime).await;
        assert!(refused.unwrap_err().to_string().contains("ACCESS_REFUSED"));
        // A broker that is killed may not have written what it had to say.
        until_logged(&broker.folder().join("log").join("node.log"), "refused").await;
        broker.registered(&system.inbox_queue()).await.unwrap();
        broker.kill().await.unwrap();
        until_logged(&self.hub.log_file(), "the broker cannot be reached").await;
        broker.restart().await.unwrap();
    }

    /// Stops hub and broker in good order, and keeps their logs.
    pub(super) async fn stop(&mut self) {
        self.hub.stop().await.unwrap();
        let log = std::fs::read(self.hub.log_file()).unwrap();
        self.keep("the hub's log".to_owned(), &log);
        let Some(broker) = self.broker.take() else { return };
        let mut files = vec![broker.folder().join("output.log")];
        files.extend(std::fs::read_dir(broker.folder().join("log")).unwrap().map(|entry| entry.unwrap().path()));
        for file in files.into_iter().filter(|file| file.is_file()) {
            let name = format!("the broker's {}", file.file_name().unwrap().display());
            self.keep(name, &std::fs::read(&file).unwrap());
        }
        broker.stop().await.unwrap();
    }

    /// Every secret that the hub and these agencies hold.
    pub(super) async fn secrets(&self, needles: &mut Needles, agencies: &[&TempDir]) {
        let mut keys = 0;
        let data = self.hub.folder().join("hub").join("data");
        let folders = [data.clone(), data.join("tls")];
        for folder in folders.iter().map(std::path::PathBuf::as_path).chain(agencies.iter().map(|folder| folder.path()))
        {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                if text.contains("PRIVATE KEY") {
                    needles.private_key(&text);
                    keys += 1;
                }
            }
        }
        assert!(keys >= 7, "the hub's three, those of its certificates, and one of each agency: {keys}");
        for code in &self.codes {
            needles.code(code);
        }
        self.sealed(&data, needles).await;
    }

    /// Salts, and the keys that they are sealed with.
    async fn sealed(&self, data: &Path, needles: &mut Needles) {
        let keys = KeyStore::new(data, String::new()).open_storage().unwrap();
        assert!(!keys.is_empty());
        keys.iter().for_each(|key| needles.bytes("a storage key", key.as_bytes()));
        let store = SqliteStore::open(&data.join("hub.sqlite")).await.unwrap();
        store.seal_with(Arc::new(StorageKeys::new(keys)));
        let size = store.head().await.unwrap().unwrap().range.size();
        let contents = store.contents(&(0..size).collect::<Vec<_>>()).await.unwrap();
        assert!(contents.len() >= 4, "{}", contents.len());
        contents.iter().for_each(|content| needles.bytes("a salt", content.salt.as_bytes()));
        store.close().await.unwrap();
    }

    /// Everything that was written, by what wrote it.
    pub(super) fn texts(&self) -> &[(String, String)] {
        &self.texts
    }

    /// The logs hold what they are for.
    pub(super) fn was_talkative(&self) {
        let all = |name: &str| -> String {
            self.texts.iter().filter(|(kept, _)| kept.contains(name)).map(|(_, text)| text.as_str()).collect()
        };
        let hub = all("the hub's log");
        for words in ["\"level\":\"DEBUG\"", "a TLS handshake failed", "a request was refused", "schema-violation"] {
            assert!(hub.contains(words), "the hub's log has nothing of {words}");
        }
        for command in ["send", "listen", "join", "doctor"] {
            let errors = all(&format!("the errors of saphan {command}"));
            assert!(errors.contains("DEBUG") && errors.contains("TRACE"), "saphan {command} was silent");
        }
    }
}

impl Listening {
    /// As a supervisor stops it.
    pub(super) async fn stop(mut self, stage: &mut Stage) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
        let mut out = Vec::new();
        let mut output = self.child.stdout.take().unwrap();
        in_time(output.read_to_end(&mut out), || "saphan listen does not end".to_owned()).await.unwrap();
        let ended = self.child.wait().await.unwrap();
        stage.keep("the output of saphan listen".to_owned(), &out);
        stage.keep("the errors of saphan listen".to_owned(), &self.errors.await.unwrap());
        assert_eq!(ended.code(), Some(0), "{}", stage.last());
    }
}

async fn hub(transport: TransportKind, mut settings: Vec<(&'static str, String)>) -> HubProcess {
    settings.push(("SAPHAN_LOG", LOUDLY.to_owned()));
    let registry = registry::of_the_examples(transport, |_| None).unwrap().to_toml().unwrap();
    let program = HubProgram::saphan_hub(programs::saphan_hub().unwrap());
    let options = HubOptions { tls: true, settings, ..HubOptions::new(program, registry) };
    HubProcess::start(options).await.unwrap()
}

/// Waits until the file holds these words.
async fn until_logged(file: &Path, words: &str) {
    let look = async {
        // It may be read while half a letter is written.
        while !String::from_utf8_lossy(&tokio::fs::read(file).await.unwrap()).contains(words) {
            tokio::task::yield_now().await;
        }
    };
    in_time(look, || format!("never logged: {words}")).await;
}

/// Of the form of a token.
fn no_token() -> String {
    format!("eyJ{}.{}.{}", "A".repeat(60), "B".repeat(200), "C".repeat(86))
}

/// All that there is, and by name what holds most: directives that name a target win over wider ones.
const LOUDLY: &str = "trace,lapin=trace,lapin::io_loop=trace,lapin::channels=trace,lapin::returned_messages=trace";
const SEND: [&str; 12] = [
    "send",
    "body.json",
    "--to",
    licences::MANDATE.system,
    "--type",
    "application.submitted",
    "--service",
    licences::MANDATE.service,
    "--purpose",
    licences::MANDATE.purpose,
    "--legal-basis",
    licences::MANDATE.law,
];
