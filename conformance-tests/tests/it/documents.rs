//! Documents from one system to another through the real hub, which is killed while they are under way.

use std::path::{Path, PathBuf};

use saphan_conformance::programs;
use saphan_conformance::world::{World, bodies};
use saphan_connector::{Connector, DocumentError, trust};
use saphan_examples::local::hub::HubProgram;
use saphan_schemas::envelope::DocumentReference;
use saphan_schemas::ids::SystemId;
use serde_json::{Value, json};

use crate::agency::{done, saphan};
use crate::patience::in_time;

const MIB: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_survives_a_killed_hub_and_reaches_its_recipient_alone() {
    let mut world = World::start(HubProgram::saphan_hub(programs::saphan_hub().unwrap()), None).await.unwrap();
    let (sender, receiver) =
        (connect(&world, world.sender().unwrap()).await, connect(&world, world.receiver().unwrap()).await);
    let (original, copy) = (world.folder.path().join("original.pdf"), world.folder.path().join("copy.pdf"));
    std::fs::write(&original, document(60 * MIB + 1)).unwrap();

    let documents = sender.documents().clone();
    let source = original.clone();
    let uploading = tokio::spawn(async move { documents.upload_file(&source, "application/pdf").await });
    let stored = world.hub.folder().join("hub").join("data").join("documents");
    in_time(until_parts(&stored, 3), || "nothing of the document is stored".into()).await;
    world.hub.kill().await.unwrap();
    world.hub.restart().await.unwrap();
    let uploaded = in_time(uploading, || "the upload does not end".into()).await.unwrap().unwrap();
    assert_eq!(uploaded.len, 60 * MIB as u64 + 1);

    let unsent = receiver.documents().download_file(&uploaded, &copy).await;
    assert!(matches!(unsent, Err(DocumentError::NotThere { .. })), "{unsent:?}");
    let message = world.message(bodies(1).unwrap().remove(0)).unwrap().document(uploaded.clone());
    sender.send(message).await.unwrap();
    receiver.documents().download_file(&uploaded, &copy).await.unwrap();
    assert!(std::fs::read(&copy).unwrap() == std::fs::read(&original).unwrap());
    world.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_uploads_cites_and_downloads() {
    let mut world = World::start(HubProgram::saphan_hub(programs::saphan_hub().unwrap()), None).await.unwrap();
    let sender = configure(&world, &world.sender().unwrap()).await;
    let receiver = configure(&world, &world.receiver().unwrap()).await;
    std::fs::write(sender.join("letter.pdf"), document(3 * MIB)).unwrap();
    std::fs::write(sender.join("body.json"), bodies(1).unwrap().remove(0)).unwrap();

    let put = ["documents", "put", "letter.pdf", "--media-type"];
    let (exit, refused) = saphan(&sender, &[&put[..], &["image/png"]].concat()).await;
    assert_eq!(exit, 1);
    assert!(refused["error"]["what"].as_str().unwrap().contains("document-type-refused"), "{refused}");
    let put = done(&sender, &[&put[..], &["application/pdf"]].concat()).await;
    let reference: DocumentReference = serde_json::from_value(put.clone()).unwrap();
    let get = ["documents", "get", &reference.commit.to_string(), "--to", "copy.pdf"].map(ToOwned::to_owned);
    let get: Vec<&str> = get.iter().map(String::as_str).collect();
    assert_eq!(saphan(&receiver, &get).await.0, 1, "it was not sent to it");

    std::fs::write(sender.join("reference.json"), put.to_string()).unwrap();
    let to = world.receiver().unwrap().to_string();
    let service = world.service().unwrap().to_string();
    let send = ["send", "body.json", "--to", &to, "--type", "application.submitted", "--service", &service];
    let why = ["--purpose", world.mandate.purpose, "--legal-basis", world.mandate.law, "--document", "reference.json"];
    done(&sender, &[&send[..], &why[..]].concat()).await;
    let got: Value = done(&receiver, &get).await;
    assert_eq!((&got["len"], &got["media_type"]), (&json!(3 * MIB), &json!("application/pdf")));
    assert!(std::fs::read(receiver.join("copy.pdf")).unwrap() == std::fs::read(sender.join("letter.pdf")).unwrap());
    assert_eq!(saphan(&receiver, &get).await.0, 2, "it is not overwritten");
    world.stop().await.unwrap();
}

async fn connect(world: &World, system: SystemId) -> Connector {
    world.connector(&system).unwrap().build().await.unwrap()
}

/// A folder with what `saphan` needs to be this system.
async fn configure(world: &World, system: &SystemId) -> PathBuf {
    let folder = world.folder.path().join(format!("{}-program", system.name()));
    std::fs::create_dir(&folder).unwrap();
    let key = folder.join("key.pem");
    saphan_connector::key_store::file::write_new(&key, world.pem(system).unwrap()).unwrap();
    let trust = trust::fetch(world.hub.address()).await.unwrap();
    std::fs::write(folder.join("trust.json"), serde_json::to_vec(&trust).unwrap()).unwrap();
    let config = format!(
        "system = \"{system}\"\nhub = \"{}\"\nkey = \"key.pem\"\ndata_dir = \"data\"\ntrust_file = \"trust.json\"\n",
        world.hub.url()
    );
    std::fs::write(folder.join("saphan.toml"), config).unwrap();
    folder
}

/// A PDF, as far as its first bytes say.
fn document(len: usize) -> Vec<u8> {
    let numbers = (0_u32..).flat_map(u32::to_le_bytes);
    b"%PDF-1.7\n".iter().copied().chain(numbers).take(len).collect()
}

/// Until so many parts of documents are stored.
async fn until_parts(folder: &Path, count: usize) {
    let files = |folder: std::io::Result<std::fs::DirEntry>| {
        folder.ok().and_then(|folder| std::fs::read_dir(folder.path()).ok()).map_or(0, Iterator::count)
    };
    while std::fs::read_dir(folder).map_or(0, |folders| folders.map(files).sum::<usize>()) < count {
        tokio::task::yield_now().await;
    }
}
