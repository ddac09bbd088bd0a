//! The hub's own keys as an operator rotates them, above all when something is missing.

use std::collections::BTreeSet;
use std::path::PathBuf;

use saphan_schemas::problem::ProblemCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{Folder, failure, program, success};
use crate::harness::in_time;

const USES: [&str; 3] = ["receipts", "log", "operator"];

impl Folder {
    /// With keys under a passphrase that only the environment has.
    async fn protected(passphrase: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let home = folder.home();
        let mut init = program(&["init", &home, "--listen", "127.0.0.1:0", "--shard", "2026h2"]);
        success(&init.env("SAPHAN_KEY_PASSPHRASE", passphrase).output().await.unwrap());
        folder
    }

    fn data(&self) -> PathBuf {
        PathBuf::from(self.home()).join("data")
    }

    /// The names of its key files.
    fn key_files(&self) -> BTreeSet<String> {
        let names = std::fs::read_dir(self.data()).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).filter(|name| name.ends_with(".pem")).collect()
    }

    /// `saphan-hub keys rotate` with this in its environment.
    async fn rotate(&self, usage: &str, environment: &[(&str, &str)]) -> std::process::Output {
        let config = self.config();
        let mut command = program(&["keys", "rotate", usage, "--config", &config]);
        in_time(command.envs(environment.iter().copied()).output()).await.unwrap()
    }
}

#[tokio::test]
async fn a_thumbprint_may_begin_with_hyphens_and_options_are_options_all_the_same() {
    for kid in ["-11vNy79fXUOKeMCnRfoDiOTHt3d3GywXDZgh3Lwcvg", "--1vNy79fXUOKeMCnRfoDiOTHt3d3GywXDZgh3Lwcvg"] {
        for arguments in [
            ["keys", "revoke", "receipts", kid].as_slice(),
            &["keys", "rotate", "receipts", "--existing", kid],
            &["registry", "revoke", "key", kid],
        ] {
            let arguments = [arguments, &["--config", "none.toml"]].concat();
            let said = failure(&in_time(program(&arguments).output()).await.unwrap());
            assert!(said.contains("none.toml"), "{arguments:?}: {said}");
        }
    }
}

#[tokio::test]
async fn a_rotation_with_a_wrong_passphrase_or_none_writes_nothing_and_the_hub_still_starts() {
    let folder = Folder::protected("hub").await;
    let right = [("SAPHAN_KEY_PASSPHRASE", "hub")];
    let before = folder.key_files();
    for usage in USES {
        let said = failure(&folder.rotate(usage, &[]).await);
        assert!(said.contains("SAPHAN_KEY_PASSPHRASE"), "{said}");
        let said = failure(&folder.rotate(usage, &[("SAPHAN_KEY_PASSPHRASE", "other")]).await);
        assert!(said.contains("the passphrase does not open"), "{said}");
        assert_eq!(folder.key_files(), before, "{usage}");
    }
    for usage in USES {
        success(&folder.rotate(usage, &right).await);
    }
    assert_eq!(folder.key_files().len(), 6);
    let hub = folder.serve_with(&right).await;
    assert_eq!(hub.get("/readyz").await.status, 200);
    hub.terminate().await;
}

#[tokio::test]
async fn an_unprotected_key_of_the_operator_makes_no_unprotected_key_in_a_protected_hub() {
    let (folder, open) = (Folder::protected("hub").await, Folder::new().await);
    // The log begins with another operator's key, which is kept elsewhere.
    let operator = open.data().join("operator.pem").display().to_string();
    let mut named = vec![("SAPHAN_HUB__KEYS__OPERATOR", operator.as_str())];
    std::fs::remove_file(folder.data().join("operator.pem")).unwrap();
    let right = [&named[..], &[("SAPHAN_KEY_PASSPHRASE", "hub")]].concat();
    let hub = folder.serve_with(&right).await;
    named.push(("SAPHAN_HUB__HUB__LISTEN", &hub.address));
    let before = folder.key_files();
    for usage in USES {
        let said = failure(&folder.rotate(usage, &named).await);
        assert!(said.contains("is protected by a passphrase") && said.contains("SAPHAN_KEY_PASSPHRASE"), "{said}");
        let wrong = [&named[..], &[("SAPHAN_KEY_PASSPHRASE", "other")]].concat();
        let said = failure(&folder.rotate(usage, &wrong).await);
        assert!(said.contains("the passphrase does not open"), "{said}");
        assert_eq!(folder.key_files(), before, "{usage}");
    }
    named.push(("SAPHAN_KEY_PASSPHRASE", "hub"));
    for usage in USES {
        success(&folder.rotate(usage, &named).await);
    }
    for name in folder.key_files() {
        let pem = std::fs::read_to_string(folder.data().join(&name)).unwrap();
        assert!(pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"), "{name}");
    }
    hub.terminate().await;
}

#[tokio::test]
async fn a_new_key_goes_when_its_registration_is_refused_and_stays_when_the_answer_is_lost() {
    let folder = Folder::new().await;
    let hub = folder.serve().await;
    let before = folder.key_files();
    // Nothing listens on that port.
    let said = failure(&folder.rotate("receipts", &[("SAPHAN_HUB__HUB__LISTEN", "127.0.0.1:1")]).await);
    assert!(said.contains("does not answer on"), "{said}");
    assert_eq!(folder.key_files(), before, "it was not asked");

    // Somebody else in the place of the hub that runs.
    let refusal = serde_json::to_string(&ProblemCode::RegistryEntryInvalid.document()).unwrap();
    let refusal = format!("HTTP/1.1 400 Bad Request\r\ncontent-length: {}\r\n\r\n{refusal}", refusal.len());
    for (answer, stays) in [(refusal, false), (String::new(), true)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let answering = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"]}") {
                let mut piece = [0; 4096];
                let read = stream.read(&mut piece).await.unwrap();
                request.extend_from_slice(&piece[..read]);
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let said = failure(&folder.rotate("receipts", &[("SAPHAN_HUB__HUB__LISTEN", &address)]).await);
        in_time(answering).await.unwrap();
        assert_eq!(folder.key_files().len() - before.len(), usize::from(stays), "{said}");
        assert_eq!(said.contains("its file stays"), stays, "{said}");
    }
    hub.terminate().await;
    // The key that may have been registered, and was not, is in nobody's way.
    folder.serve().await.terminate().await;
}
