//! HTTPS as an operator sets it up.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use reqwest::{Certificate, ClientBuilder};
use tokio::process::Command;

use super::{Folder, failure, program, registry_file, run, success};
use crate::harness::{Authority, eventually};

impl Folder {
    fn tls(&self) -> PathBuf {
        PathBuf::from(self.home()).join("data/tls")
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.tls().join(name)).unwrap()
    }

    /// A client that believes the folder's development CA alone.
    fn client(&self) -> ClientBuilder {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let ca = Certificate::from_pem(self.read("ca.pem").as_bytes()).unwrap();
        reqwest::Client::builder().tls_certs_only([ca])
    }

    /// Another text in place of a line of its configuration.
    fn configure(&self, line: &str, instead: &str) {
        let text = std::fs::read_to_string(self.config()).unwrap();
        assert!(text.contains(line), "{text}");
        std::fs::write(self.config(), text.replace(line, instead)).unwrap();
    }
}

#[tokio::test]
async fn a_development_hub_serves_https_at_once_and_says_that_it_is_one() {
    let folder = Folder::made_with(&["--dev", "--host", "hub.example"]).await;
    let hub = folder.serve().await;
    assert_eq!(hub.scheme, "https");
    assert_eq!(hub.get_with(folder.client(), "/readyz").await.unwrap().status, 200);
    assert!(hub.get_with(reqwest::Client::builder(), "/readyz").await.is_err(), "no other machine trusts it");
    let named = folder.client().resolve("hub.example", hub.address.parse().unwrap());
    let port = hub.address.rsplit(':').next().unwrap();
    let named = named.no_proxy().build().unwrap().get(format!("https://hub.example:{port}/livez"));
    assert!(named.send().await.is_ok());
    let log = hub.terminate().await;
    assert!(log.contains("the certificate is of a development CA"), "{log}");
    assert!(std::fs::read_to_string(folder.config()).unwrap().contains("FOR DEVELOPMENT ONLY"));
}

#[tokio::test]
async fn the_keys_of_a_development_hub_are_for_its_user_alone() {
    let folder = Folder::made_with(&["--dev"]).await;
    for name in ["ca.key.pem", "hub.key.pem", "broker.key.pem"] {
        let mode = std::fs::metadata(folder.tls().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let (_, der) = x509_parser::pem::parse_x509_pem(folder.read("broker.pem").as_bytes()).unwrap();
    let issuer = der.parse_x509().unwrap().issuer().to_string();
    assert_eq!(issuer, "CN=Saphan development CA - not for production");
}

#[tokio::test]
async fn names_without_a_development_certificate_are_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("hub").display().to_string();
    assert_eq!(run(&["init", &home, "--host", "hub.example"]).await.status.code(), Some(2));
}

#[tokio::test]
async fn a_hub_on_all_addresses_is_made_with_a_certificate_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("hub").display().to_string();
    let said = failure(&run(&["init", &home, "--listen", "0.0.0.0:0"]).await);
    assert!(said.contains("hub.listen must be a loopback address") && said.contains("tls.certificate"), "{said}");
    success(&run(&["init", &home, "--listen", "0.0.0.0:0", "--dev"]).await);
}

#[tokio::test]
async fn the_operator_reaches_a_running_hub_by_its_certificate_alone() {
    let folder = Folder::made_with(&["--dev"]).await;
    let hub = folder.serve().await;
    let registry = folder.file(&registry_file());
    let apply = ["registry", "apply", &registry, "--config", &folder.config()];
    let mut command = program(&apply);
    let command = command.env("SAPHAN_HUB__HUB__LISTEN", &hub.address);
    // A hub that shows another certificate is not the one of this folder, whoever issued it.
    command.env("SAPHAN_HUB__TLS__CERTIFICATE", folder.tls().join("broker.pem"));
    command.env("SAPHAN_HUB__TLS__KEY", folder.tls().join("broker.key.pem"));
    let said = failure(&command.output().await.unwrap());
    assert!(said.contains("does not answer on"), "{said}");
    command.env_remove("SAPHAN_HUB__TLS__CERTIFICATE").env_remove("SAPHAN_HUB__TLS__KEY");
    let said = success(&command.output().await.unwrap());
    assert!(!said.starts_with("0 "), "{said}");
    hub.terminate().await;
}

#[tokio::test]
async fn the_operator_reaches_a_hub_that_requires_client_certificates() {
    let folder = Folder::made_with(&["--dev"]).await;
    std::fs::write(folder.tls().join("clients.pem"), Authority::new("Clients").pem()).unwrap();
    folder.configure("client_ca = \"\"", "client_ca = \"data/tls/clients.pem\"");
    folder.configure("client_certificates = \"none\"", "client_certificates = \"required\"");
    let hub = folder.serve().await;
    assert!(hub.get_with(folder.client(), "/livez").await.is_err());
    let registry = folder.file(&registry_file());
    let apply = ["registry", "apply", &registry, "--config", &folder.config()];
    let said = success(&program(&apply).env("SAPHAN_HUB__HUB__LISTEN", &hub.address).output().await.unwrap());
    assert!(!said.starts_with("0 "), "{said}");
    hub.terminate().await;
}

#[tokio::test]
async fn a_hang_up_lets_a_running_hub_take_its_new_certificate() {
    let folder = Folder::made_with(&["--dev"]).await;
    let hub = folder.serve().await;
    // Of another CA, so that it shows at once which one is served.
    let other = Authority::new("Another");
    let renewed = other.issue(&["127.0.0.1"]);
    let client = || {
        let ca = Certificate::from_pem(other.pem().as_bytes()).unwrap();
        reqwest::Client::builder().tls_certs_only([ca])
    };
    assert!(hub.get_with(folder.client(), "/livez").await.is_ok());
    assert!(hub.get_with(client(), "/livez").await.is_err());
    std::fs::write(folder.tls().join("hub.pem"), &renewed.certificate).unwrap();
    std::fs::write(folder.tls().join("hub.key.pem"), &renewed.key).unwrap();
    assert!(Command::new("kill").args(["-HUP", &hub.id()]).status().await.unwrap().success());
    eventually(async || hub.get_with(client(), "/livez").await.is_ok()).await;
    let log = hub.terminate().await;
    assert!(log.contains("the certificate was read again"), "{log}");
    assert!(!renewed.is_given_away_by(&log), "{log}");
}

#[tokio::test]
async fn check_config_reads_certificate_and_key_too() {
    let folder = Folder::made_with(&["--dev"]).await;
    let check = ["check-config", "--config", &folder.config()];
    success(&run(&check).await);
    let key = folder.tls().join("hub.key.pem");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    for command in ["check-config", "serve"] {
        let said = failure(&run(&[command, "--config", &folder.config()]).await);
        assert!(said.contains("hub.key.pem is open to everybody (mode 0644)"), "{said}");
    }
    std::fs::copy(folder.tls().join("broker.key.pem"), &key).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    for command in ["check-config", "serve"] {
        let said = failure(&run(&[command, "--config", &folder.config()]).await);
        assert!(said.contains("hub.pem cannot be served with the key of tls.key"), "{said}");
    }
    std::fs::remove_file(key).unwrap();
    let said = failure(&run(&check).await);
    assert!(said.contains("hub.key.pem: No such file"), "{said}");
}
