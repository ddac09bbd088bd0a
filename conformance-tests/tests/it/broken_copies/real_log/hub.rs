//! A real hub at work: what fills its first log, the change to the next one, and what happens there.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use saphan_conformance::programs;
use saphan_conformance::world::{World, bodies};
use saphan_connector::{Connector, Receive, SendError};
use saphan_examples::local::hub::{HubOptions, HubProgram};
use saphan_hub::config::Config;
use saphan_schemas::keys::{PublicKey, Signer};
use saphan_schemas::log::{NoteSigner, TILE_WIDTH, TileContent, VerifierKey, decode_bundle, tiles_for_size};
use saphan_schemas::message::MessageFile;
use saphan_schemas::receipt::{ReceiptClaims, UnverifiedReceipt};
use saphan_schemas::registry::TransportKind;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;
use tempfile::TempDir;
use tokio::sync::watch;

use super::{BYSTANDER, Files, NEXT, NextLog, REVOKED, Size};
use crate::admin::noting;
use crate::patience::reaches;

/// The hub, and who sends to it.
pub(super) struct Hub {
    pub(super) world: World,
    config: Config,
    published: TempDir,
    sender: Connector,
    bodies: Vec<Vec<u8>>,
    sent: usize,
    /// The operator's key that it begins with.
    former: PublicKey,
}

/// What the hub and its operator sign with.
pub(super) struct Keys {
    /// The log's.
    pub(super) signers: Vec<Arc<NoteSigner>>,
    /// The operator's key that stands, and the one that it began with.
    pub(super) operators: [Arc<dyn Signer>; 2],
}

impl Hub {
    pub(super) async fn start(size: Size) -> Self {
        let published = TempDir::new().unwrap();
        let limits = ["SAPHAN_HUB__LIMITS__MESSAGES_PER_SECOND", "SAPHAN_HUB__LIMITS__REQUESTS_PER_SECOND"];
        let mut settings: Vec<_> = limits.map(|name| (name, "0".to_owned())).into();
        settings.push(("SAPHAN_HUB__LOG__PUBLISH", published.path().display().to_string()));
        let program = HubProgram::saphan_hub(programs::saphan_hub().unwrap());
        let options = |registry| HubOptions { settings, ..HubOptions::new(program, registry) };
        let world = World::start_with(TransportKind::Pull, options).await.unwrap();
        let config = Config::load(&world.hub.folder().join("hub/hub.toml"), std::iter::empty()).unwrap();
        let former = *config.key_store().open_operators().unwrap().keys.remove(0).public();
        let sender = world.connector(&world.sender().unwrap()).unwrap().build().await.unwrap();
        Self { world, config, published, sender, bodies: bodies(size.batch).unwrap(), sent: 0, former }
    }

    /// Works until the log has so many entries, among them refusals, erasures, rotations and revocations, and some messages that wait
    /// for their receiver. Gives what the receiver kept of the first ones.
    pub(super) async fn fill(&mut self, size: Size) -> Vec<MessageFile> {
        let (receiver, handled) = self.receiver().await;
        for _ in 0..ONE_BY_ONE {
            self.send(1).await;
        }
        let mut receipts = self.send(size.batch).await;
        // The last ones: what was kept of the first is about messages that still have their bodies.
        let places: Vec<u64> = receipts.iter().rev().take(5).map(|receipt| receipt.index).collect();
        self.acknowledged().await;
        self.change_keys_and_agreements().await;
        self.erase(&[], &places).await;
        self.be_refused().await;
        while receipts.iter().all(|receipt| receipt.size < size.entries) {
            receipts = self.send(size.batch).await;
        }
        self.acknowledged().await;
        assert!(receiver.shutdown(LONG).await.unwrap().finished);
        self.send_into_the_last_tile(ENTRIES_OF_THE_CHANGE).await;
        handled.borrow().iter().take(KEPT).cloned().collect()
    }

    /// As the operator's guide says: the key of the next log is made while the hub runs, and with the hub stopped one command closes
    /// the log and begins the next one.
    pub(super) async fn change_the_log(&mut self) -> VerifierKey {
        let hub = &mut self.world.hub;
        hub.restart().await.unwrap();
        let vkey = hub.operate(&["shard", "prepare", NEXT]).await.unwrap();
        hub.stop().await.unwrap();
        let config = hub.folder().join("hub/hub.toml");
        let text = fs::read_to_string(&config).unwrap();
        let shard = format!("shard = \"{}\"", super::shard(self.world.trust.log.name()));
        let changed = text.replace(&shard, &format!("shard = \"{NEXT}\""));
        assert_ne!(changed, text);
        fs::write(&config, changed).unwrap();
        hub.operate(&["shard", "open"]).await.unwrap();
        hub.restart().await.unwrap();
        vkey.trim_end().parse().unwrap()
    }

    /// Works in the next log, also on messages of the one before, and stops.
    pub(super) async fn go_on(mut self, vkey: VerifierKey, messages: usize) -> NextLog {
        self.world.hub.operate(&["keys", "rotate", "receipts"]).await.unwrap();
        let old = self.world.trust.log.name().to_owned();
        let (receiver, handled) = self.receiver().await;
        self.send(messages).await;
        self.acknowledged().await;
        assert!(receiver.shutdown(LONG).await.unwrap().finished);
        let kept = kept_of_both(&handled.borrow(), &old);
        let erased = receipt(&kept[1]).index;
        self.erase(&["--log", &old], &[erased]).await;
        self.be_refused().await;
        self.world.hub.operate(&["registry", "revoke", "agreement", REVOKED_IN_THE_NEXT]).await.unwrap();
        self.send_into_the_last_tile(0).await;
        self.sender.shutdown(LONG).await.unwrap();
        self.world.stop().await.unwrap();
        let (files, leaves) = read(&self.published, NEXT);
        NextLog { vkey, files, leaves, kept }
    }

    /// The log as it is published while the hub is stopped: its files, and all leaves, verbatim.
    pub(super) fn published(&self) -> (Files, Vec<Vec<u8>>) {
        read(&self.published, super::shard(self.world.trust.log.name()))
    }

    pub(super) fn keys(&self) -> Keys {
        let signers = self.config.key_store().open().unwrap().logs.keys;
        let mut operators = self.config.key_store().open_operators().unwrap().keys;
        let former = operators.iter().position(|key| key.public().id() == self.former.id()).unwrap();
        let former = operators.remove(former);
        Keys { signers, operators: [operators.remove(0), former] }
    }

    async fn receiver(&self) -> (Connector, Arc<watch::Sender<Vec<MessageFile>>>) {
        let receiver = self.world.connector(&self.world.receiver().unwrap()).unwrap();
        noting(receiver.receive(Receive::Pull), |message| message.file()).await
    }

    async fn send(&mut self, messages: usize) -> Vec<ReceiptClaims> {
        let sends = self.bodies.iter().cycle().skip(self.sent % self.bodies.len()).take(messages);
        let sends = sends.map(|body| self.sender.send(self.world.message(body.clone()).unwrap()));
        let sent: Vec<_> = stream::iter(sends).buffer_unordered(256).collect().await;
        self.sent += messages;
        sent.into_iter().map(|sent| sent.unwrap().receipt().clone()).collect()
    }

    /// Sends messages, two at least, that wait for their receiver, until the last tile will be a partial one of some entries when
    /// `more` are behind them.
    async fn send_into_the_last_tile(&mut self, more: u64) {
        for number in 1.. {
            let size = self.send(1).await[0].size + more;
            if number >= 2 && (8..TILE_WIDTH.into()).contains(&(size % u64::from(TILE_WIDTH))) {
                break;
            }
        }
    }

    /// Waits until the receiver has acknowledged all messages.
    async fn acknowledged(&self) {
        let mut store = SqliteConnectOptions::new().filename(self.world.store_file()).connect().await.unwrap();
        let processed = async || {
            let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM message WHERE state = 2");
            u64::try_from(count.fetch_one(&mut store).await.unwrap()).unwrap()
        };
        reaches("messages acknowledged", self.sent as u64, processed).await;
    }

    /// Keys of the hub are rotated and revoked, a system's key and an agreement too.
    async fn change_keys_and_agreements(&self) {
        let hub = &self.world.hub;
        let operator = self.world.trust.operators[0].id().to_string();
        for usage in ["receipts", "log", "operator"] {
            hub.operate(&["keys", "rotate", usage]).await.unwrap();
        }
        hub.operate(&["keys", "revoke", "operator", &operator]).await.unwrap();
        let bystander = self.world.key(&BYSTANDER.parse().unwrap()).unwrap().public().id().to_string();
        hub.operate(&["registry", "revoke", "key", &bystander]).await.unwrap();
        hub.operate(&["registry", "revoke", "agreement", REVOKED]).await.unwrap();
    }

    async fn erase(&self, log: &[&str], places: &[u64]) {
        let places: Vec<String> = places.iter().map(u64::to_string).collect();
        let places: Vec<&str> = places.iter().map(String::as_str).collect();
        self.world.hub.operate(&[&["erase", "--basis", "pdpa-s33"], log, &places].concat()).await.unwrap();
    }

    async fn be_refused(&self) {
        let message = self.world.message(self.bodies[0].clone()).unwrap();
        let refused = self.sender.send(message.purpose("something-else".parse().unwrap())).await;
        assert!(matches!(refused, Err(SendError::Refused(_))));
    }
}

/// Two of the messages of the first log, and two of the next, each in the order of their log.
fn kept_of_both(handled: &[MessageFile], old: &str) -> [MessageFile; 4] {
    let mut by_place = BTreeMap::new();
    for file in handled {
        let ReceiptClaims { log, index, .. } = receipt(file);
        by_place.insert((log != old, index), file.clone());
    }
    let of = |is_new| by_place.iter().filter(move |((other, _), _)| *other == is_new).map(|(_, file)| file.clone());
    let both: Vec<_> = of(false).take(2).chain(of(true).take(2)).collect();
    both.try_into().expect("two messages of each log")
}

fn receipt(file: &MessageFile) -> ReceiptClaims {
    UnverifiedReceipt::parse(&file.receipt).unwrap().claims().clone()
}

fn read(published: &TempDir, shard: &str) -> (Files, Vec<Vec<u8>>) {
    let folder = published.path().join(shard);
    let (mut files, mut leaves) = (Files::new(), Vec::new());
    let checkpoint = fs::read(folder.join("checkpoint")).unwrap();
    let size: u64 = String::from_utf8_lossy(&checkpoint).lines().nth(1).unwrap().parse().unwrap();
    files.insert("checkpoint".into(), checkpoint);
    for path in tiles_for_size(size) {
        let bytes = fs::read(folder.join(path.to_string())).unwrap();
        if path.content() == TileContent::Entries {
            leaves.extend(decode_bundle(&bytes, path.width()).unwrap().into_iter().map(<[u8]>::to_vec));
        }
        files.insert(path.to_string(), bytes);
    }
    (files, leaves)
}

/// The agreement under which that somebody answered.
const REVOKED_IN_THE_NEXT: &str = "name-change.answers";
/// The key of the next log, and the end.
const ENTRIES_OF_THE_CHANGE: u64 = 2;
const KEPT: usize = 3;
/// Messages that nobody sent at the same moment: what is done to the first ones is done to entries of different times.
const ONE_BY_ONE: usize = 10;
const LONG: Duration = Duration::from_secs(60);
