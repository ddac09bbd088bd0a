//! HTTPS between real programs: who is believed, and what happens to messages when nobody is.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use saphan_conformance::programs;
use saphan_conformance::world::{World, bodies};
use saphan_connector::hub_api::HubError;
use saphan_connector::{ConnectorError, HubAddress, http_client, trust};
use saphan_examples::local::hub::{HubOptions, HubProcess, HubProgram};
use saphan_examples::{portal, registry};
use saphan_hub::tls::development;
use saphan_schemas::registry::TransportKind;
use tempfile::TempDir;

use crate::agency::{done, saphan};
use crate::patience::{LIMIT, in_time};

async fn world() -> World {
    World::start_over_tls(HubProgram::saphan_hub(programs::saphan_hub().unwrap())).await.unwrap()
}

/// A CA of the same name as the hub's, with another key.
fn another_ca() -> String {
    let folder = TempDir::new().unwrap();
    let folder = folder.path().join("tls");
    development::create(&folder, &[]).unwrap();
    fs::read_to_string(folder.join("ca.pem")).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_that_another_ca_vouches_for_or_none_is_not_believed() {
    let world = world().await;
    let url = world.hub.url();
    for address in [HubAddress::new(url).ca(another_ca()), HubAddress::new(url)] {
        let error = trust::fetch(&address).await.unwrap_err();
        let ConnectorError::Hub(HubError::Insecure { reason }) = &error else { panic!("{error:?}") };
        assert!(reason.contains("certificate"), "{reason}");
    }
    let plain = trust::fetch(url.replace("https://", "http://")).await.unwrap_err();
    assert!(matches!(plain, ConnectorError::Hub(HubError::Unreachable { .. })), "{plain:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_waits_until_the_hub_is_believed_and_then_goes_out_once() {
    let world = world().await;
    let sender = world.sender().unwrap();
    let misled = HubAddress::new(world.hub.url()).ca(another_ca());
    let connector = world.connector(&sender).unwrap().hub(misled).build().await.unwrap();
    connector.enqueue(world.message(bodies(1).unwrap().remove(0)).unwrap()).await.unwrap();
    metric(&world, "saphan_tls_handshakes_failed_total", |count| count > 0).await;
    metric(&world, "saphan_messages_accepted_total", |count| count == 0).await;
    assert_eq!(connector.shutdown(Duration::ZERO).await.unwrap().outbox, 1);

    let connector = world.connector(&sender).unwrap().build().await.unwrap();
    metric(&world, "saphan_messages_accepted_total", |count| count == 1).await;
    let drained = connector.shutdown(LIMIT).await.unwrap();
    assert!(drained.finished && drained.outbox == 0, "{drained:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agency_joins_checks_and_verifies_over_https_with_the_programs_alone() {
    let program = HubProgram::saphan_hub(programs::saphan_hub().unwrap());
    let registry = registry::of_the_examples(TransportKind::Pull, |_| None).unwrap().to_toml().unwrap();
    let hub = HubProcess::start(HubOptions { tls: true, ..HubOptions::new(program, registry) }).await.unwrap();
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    fs::write(path.join("ca.pem"), hub.ca().unwrap()).unwrap();
    let code = hub.invite(&portal::SYSTEM.parse().unwrap()).await.unwrap();

    let (exit, told) = saphan(path, &["join", hub.url(), &code]).await;
    assert_eq!((exit, told["error"]["side"].as_str()), (3, Some("hub")), "{told}");
    assert!(told["error"]["advice"].as_str().unwrap().contains("--ca"), "{told}");
    assert!(!path.join("saphan.toml").exists());

    done(path, &["join", hub.url(), &code, "--ca", "ca.pem"]).await;
    // From now on the trust file says by which CA.
    fs::rename(path.join("ca.pem"), path.join("exchange.pem")).unwrap();
    assert_eq!(done(path, &["doctor"]).await["works"], true);
    done(path, &["agreements", "sign", "--all"]).await;

    let config = fs::read_to_string(path.join("saphan.toml")).unwrap();
    fs::write(path.join("another.pem"), another_ca()).unwrap();
    fs::write(path.join("saphan.toml"), format!("ca_file = \"another.pem\"\n{config}")).unwrap();
    let (exit, told) = saphan(path, &["doctor"]).await;
    assert_eq!(exit, 1, "a CA that is named wins over that of the trust file: {told}");

    done(path, &["trust", hub.url(), "--ca", "exchange.pem", "--out", "again.json"]).await;
    let ca = |file: &str| {
        let text = fs::read_to_string(path.join(file)).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["ca"].clone()
    };
    assert_eq!(ca("again.json"), hub.ca().unwrap());
    assert_eq!(ca("trust.json"), hub.ca().unwrap());
    let checked = done(path, &["log", "check", hub.url(), "--ca", "exchange.pem"]).await;
    assert_eq!(checked["verified"], true);
    assert_eq!(saphan(path, &["log", "check", hub.url()]).await.0, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_client_certificates_are_required_connector_and_program_show_theirs() {
    let mut world = world().await;
    let folder = TempDir::new().unwrap();
    let (certificate, key) = client_certificate(&world.hub, folder.path());
    world.hub.restart().await.unwrap();

    let without = trust::fetch(world.hub.address()).await.unwrap_err();
    let ConnectorError::Hub(HubError::Insecure { reason }) = &without else { panic!("{without:?}") };
    assert!(reason.to_lowercase().contains("certificate"), "{reason}");

    let sender = world.connector(&world.sender().unwrap()).unwrap();
    let sender = sender.client_certificate(certificate, key).build().await.unwrap();
    sender.send(world.message(bodies(1).unwrap().remove(0)).unwrap()).await.unwrap();

    let path = folder.path();
    fs::write(path.join("ca.pem"), world.hub.ca().unwrap()).unwrap();
    let trusted = ["trust", world.hub.url(), "--ca", "ca.pem"];
    let shown = ["--client-certificate", "client.pem", "--client-key", "client.key.pem"];
    assert_eq!(saphan(path, &trusted).await.0, 3);
    done(path, &[&trusted[..], &shown].concat()).await;
    assert_eq!(saphan(path, &[&trusted[..], &shown[..2]].concat()).await.0, 2, "a certificate without its key");

    // As an argument, and as a setting.
    fs::set_permissions(path.join("client.key.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    let settings = "system = \"th.dga/portal\"\nkey = \"k.pem\"\ndata_dir = \"data\"\ntrust_file = \"trust.json\"\n\
                    client_certificate = \"client.pem\"\nclient_key = \"client.key.pem\"\n";
    fs::write(path.join("saphan.toml"), format!("hub = \"{}\"\n{settings}", world.hub.url())).unwrap();
    for arguments in [&[&trusted[..], &shown, &["--out", "other.json"]].concat()[..], &["doctor"]] {
        let (exit, told) = saphan(path, arguments).await;
        assert_eq!((exit, &told["error"]["side"]), (2, &"caller".into()), "{told}");
        assert!(told["error"]["what"].as_str().unwrap().contains("client.key.pem is open to everybody"), "{told}");
        assert!(told["error"]["advice"].as_str().unwrap().starts_with("chmod o= "), "{told}");
    }
}

/// Lets the hub require certificates from its next start on; answers one, which it writes into the folder as well.
fn client_certificate(hub: &HubProcess, folder: &Path) -> (String, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    fs::write(hub.certificates().join("clients.pem"), authority.pem()).unwrap();
    let config = hub.folder().join("hub").join("hub.toml");
    let text = fs::read_to_string(&config).unwrap();
    let text = text
        .replace("client_ca = \"\"", "client_ca = \"data/tls/clients.pem\"")
        .replace("client_certificates = \"none\"", "client_certificates = \"required\"");
    fs::write(config, text).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["agency".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    fs::write(folder.join("client.pem"), certificate.pem()).unwrap();
    let file = folder.join("client.key.pem");
    fs::write(&file, key.serialize_pem()).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    (certificate.pem(), key.serialize_pem())
}

/// Waits until a counter of the hub is as told; one that never is fails the test.
async fn metric(world: &World, name: &str, is_so: impl Fn(u64) -> bool) {
    let client = http_client(&world.hub.address()).unwrap();
    let look = async {
        loop {
            let answer = client.get(format!("{}/metrics", world.hub.url())).send().await.unwrap();
            let text = answer.text().await.unwrap();
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            if is_so(line.unwrap_or_else(|| panic!("{name}: {text}")).trim().parse().unwrap()) {
                return;
            }
        }
    };
    in_time(look, || format!("{name} is never as it should be")).await;
}
