//! A long log of a real hub, with everything in it that a log can hold today, and all keys that signed in it.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use saphan_conformance::programs;
use saphan_conformance::world::{World, bodies};
use saphan_connector::{Receive, SendError};
use saphan_examples::local::hub::{HubOptions, HubProgram};
use saphan_hub::config::Config;
use saphan_schemas::envelope::{EnvelopeClaims, UnverifiedEnvelope};
use saphan_schemas::ids::{HubId, SystemId};
use saphan_schemas::jws::{Claims, Signed};
use saphan_schemas::keys::{Signer, SigningKey};
use saphan_schemas::leaf::{Leaf, SchemaVersion};
use saphan_schemas::log::{
    Checkpoint, LogRebuilder, NoteSigner, TileContent, VerifierKey, decode_bundle, tiles_for_size,
};
use saphan_schemas::message::MessageFile;
use saphan_schemas::registry::{Change, TransportKind, UnverifiedRegistryEntry};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;
use tempfile::TempDir;

use crate::admin::noting;
use crate::patience::reaches;

/// The files of a static log, by their paths.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// The log.
pub(super) struct RealLog {
    pub(super) hub: HubId,
    pub(super) origin: String,
    /// The first key that signed checkpoints, and still does.
    pub(super) vkey: VerifierKey,
    /// The files as the hub published them.
    pub(super) files: Files,
    /// All leaves, verbatim.
    pub(super) leaves: Vec<Vec<u8>>,
    /// What the receiver kept of the first messages.
    pub(super) kept: Vec<MessageFile>,
    /// The key sets that the hub served meanwhile: its own, and the sender's.
    pub(super) key_sets: [(String, String); 2],
    /// Signs what the sender sent.
    pub(super) sender: SigningKey,
    pub(super) receiver: SigningKey,
    pub(super) receiver_id: SystemId,
    /// A system whose key was revoked, and that key.
    pub(super) revoked: (SystemId, SigningKey),
    /// The operator's key that stands, and one that was revoked.
    pub(super) operators: [Arc<dyn Signer>; 2],
    signers: Vec<Arc<NoteSigner>>,
}

impl RealLog {
    /// A hub works until it has so many entries, among them refusals, erasures, rotations and revocations.
    pub(super) async fn of(entries: u64) -> Self {
        let published = TempDir::new().unwrap();
        let limits = ["SAPHAN_HUB__LIMITS__MESSAGES_PER_SECOND", "SAPHAN_HUB__LIMITS__REQUESTS_PER_SECOND"];
        let mut settings: Vec<_> = limits.map(|name| (name, "0".to_owned())).into();
        settings.push(("SAPHAN_HUB__LOG__PUBLISH", published.path().display().to_string()));
        let program = HubProgram::saphan_hub(programs::saphan_hub().unwrap());
        let options = |registry| HubOptions { settings, ..HubOptions::new(program, registry) };
        let mut world = World::start_with(TransportKind::Pull, options).await.unwrap();
        let config = Config::load(&world.hub.folder().join("hub/hub.toml"), std::iter::empty()).unwrap();
        let former = config.key_store().open_operators().unwrap().keys.remove(0);

        let receiver = world.connector(&world.receiver().unwrap()).unwrap().receive(Receive::Pull);
        let (receiver, handled) = noting(receiver, |message| message.file()).await;
        let sender = world.connector(&world.sender().unwrap()).unwrap().build().await.unwrap();
        let bodies = bodies(BODIES).unwrap();
        let key_sets = key_sets(&world).await;
        let (mut size, mut sent) = (0, 0);
        while size < entries {
            let sends = bodies.iter().map(|body| sender.send(world.message(body.clone()).unwrap()));
            let receipts: Vec<_> = stream::iter(sends).buffer_unordered(256).collect().await;
            sent += receipts.len();
            let receipts: Vec<_> = receipts.into_iter().map(|sent| sent.unwrap().receipt().clone()).collect();
            size = receipts.iter().map(|receipt| receipt.size).max().unwrap();
            if sent == BODIES {
                // The last ones: what was kept of the first is about messages that still have their bodies.
                let places: Vec<u64> = receipts.iter().rev().take(5).map(|receipt| receipt.index).collect();
                acknowledged(&world, sent).await;
                changes(&world, &places).await;
                let refused = world.message(bodies[0].clone()).unwrap().purpose("something-else".parse().unwrap());
                assert!(matches!(sender.send(refused).await, Err(SendError::Refused(_))));
            }
        }
        acknowledged(&world, sent).await;
        let kept = handled.borrow().iter().take(KEPT).cloned().collect();
        assert!(receiver.shutdown(LONG).await.unwrap().finished);
        sender.shutdown(LONG).await.unwrap();
        world.stop().await.unwrap();
        let signers = config.key_store().open().unwrap().logs.keys;
        let operators = config.key_store().open_operators().unwrap().keys;
        let operator = operators.into_iter().find(|key| key.public().id() != former.public().id()).unwrap();
        let mut files = Files::new();
        let vkey = world.trust.log.clone();
        let (_, shard) = vkey.name().rsplit_once('/').unwrap();
        let published = published.path().join(shard);
        let checkpoint = fs::read(published.join("checkpoint")).unwrap();
        let size: u64 = String::from_utf8_lossy(&checkpoint).lines().nth(1).unwrap().parse().unwrap();
        files.insert("checkpoint".into(), checkpoint);
        let mut leaves = Vec::new();
        for path in tiles_for_size(size) {
            let bytes = fs::read(published.join(path.to_string())).unwrap();
            if path.content() == TileContent::Entries {
                leaves.extend(decode_bundle(&bytes, path.width()).unwrap().into_iter().map(<[u8]>::to_vec));
            }
            files.insert(path.to_string(), bytes);
        }
        let revoked: SystemId = BYSTANDER.parse().unwrap();
        let key = |system: &SystemId| world.key(system).unwrap();
        Self {
            hub: world.hub_id().clone(),
            origin: vkey.name().to_owned(),
            vkey,
            files,
            leaves,
            kept,
            key_sets,
            sender: key(&world.sender().unwrap()),
            receiver: key(&world.receiver().unwrap()),
            receiver_id: world.receiver().unwrap(),
            revoked: (revoked.clone(), key(&revoked)),
            operators: [operator, former],
            signers,
        }
    }

    /// The files of a log of these leaves, signed by the log's keys: what a dishonest hub could show.
    pub(super) fn signed(&self, leaves: &[Vec<u8>]) -> Files {
        let signers: Vec<&NoteSigner> = self.signers.iter().map(AsRef::as_ref).collect();
        Self::signed_by(&signers, leaves)
    }

    /// The same of a log whose keys these are.
    pub(super) fn signed_by(signers: &[&NoteSigner], leaves: &[Vec<u8>]) -> Files {
        let mut rebuilder = LogRebuilder::new();
        let mut tiles = Vec::new();
        for leaf in leaves {
            tiles.extend(rebuilder.push_entry(leaf).unwrap());
        }
        tiles.extend(rebuilder.partial_tiles());
        let mut files: Files = tiles.into_iter().map(|tile| (tile.path.to_string(), tile.bytes)).collect();
        let (first, more) = signers.split_first().unwrap();
        let checkpoint = Checkpoint::new(first.name().to_owned(), rebuilder.size(), rebuilder.root());
        let checkpoint = checkpoint.sign_with(first, more.iter().copied()).unwrap();
        files.insert("checkpoint".into(), checkpoint.into_bytes());
        files
    }

    /// The places of leaves that are so, in their order.
    pub(super) fn places(&self, is_so: impl Fn(&Leaf) -> bool) -> Vec<usize> {
        let leaves = self.leaves.iter().enumerate();
        leaves.filter(|(_, leaf)| is_so(&Leaf::parse(leaf).unwrap())).map(|(at, _)| at).collect()
    }

    /// The places of messages.
    pub(super) fn messages(&self) -> Vec<usize> {
        self.places(|leaf| matches!(leaf, Leaf::Message { .. }))
    }

    /// The places of registry entries with such a change.
    pub(super) fn registry(&self, is_so: impl Fn(&Change) -> bool) -> Vec<usize> {
        self.places(|leaf| match leaf {
            Leaf::Registry { entry, .. } => is_so(&UnverifiedRegistryEntry::parse(entry).unwrap().claims().change),
            _ => false,
        })
    }

    /// A leaf.
    pub(super) fn leaf(&self, at: usize) -> Leaf {
        Leaf::parse(&self.leaves[at]).unwrap()
    }

    /// What the message at this place says, its schema and its time.
    pub(super) fn message(&self, at: usize) -> (EnvelopeClaims, SchemaVersion, u64) {
        let Leaf::Message { ts, schema, envelope } = self.leaf(at) else { panic!("{at} is no message") };
        (UnverifiedEnvelope::parse(&envelope).unwrap().claims().clone(), schema, ts)
    }

    /// The time of the last leaf.
    pub(super) fn last_ts(&self) -> u64 {
        self.leaf(self.leaves.len() - 1).ts()
    }
}

/// Signs claims.
pub(super) fn sign<C: Claims>(claims: C, key: &dyn Signer) -> String {
    Signed::sign(claims, key).unwrap().as_str().to_owned()
}

/// The files of keys that verifiers of messages read, by their names.
async fn key_sets(world: &World) -> [(String, String); 2] {
    let sender = world.sender().unwrap();
    let get = async |path: &str| {
        reqwest::get(format!("{}{path}", world.hub.url()))
            .await
            .unwrap()
            .error_for_status()
            .unwrap()
            .text()
            .await
            .unwrap()
    };
    let of_sender = format!("{}__{}.jwks.json", sender.member(), sender.name());
    [("hub.jwks.json".to_owned(), get("/v1/keys").await), (of_sender, get(&format!("/v1/systems/{sender}/keys")).await)]
}

/// Waits until the receiver has acknowledged so many messages.
async fn acknowledged(world: &World, sent: usize) {
    let mut store = SqliteConnectOptions::new().filename(world.store_file()).connect().await.unwrap();
    let processed = async || {
        let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM message WHERE state = 2");
        u64::try_from(count.fetch_one(&mut store).await.unwrap()).unwrap()
    };
    reaches("messages acknowledged", sent as u64, processed).await;
}

/// Keys of the hub are rotated and revoked, a system's key and an agreement too, and bodies are erased.
async fn changes(world: &World, acknowledged: &[u64]) {
    let operator = world.trust.operators[0].id().to_string();
    for usage in ["receipts", "log", "operator"] {
        world.hub.operate(&["keys", "rotate", usage]).await.unwrap();
    }
    world.hub.operate(&["keys", "revoke", "operator", &operator]).await.unwrap();
    let bystander = world.key(&BYSTANDER.parse().unwrap()).unwrap().public().id().to_string();
    world.hub.operate(&["registry", "revoke", "key", &bystander]).await.unwrap();
    world.hub.operate(&["registry", "revoke", "agreement", REVOKED]).await.unwrap();
    let places: Vec<String> = acknowledged.iter().map(u64::to_string).collect();
    let mut erase = vec!["erase", "--basis", "pdpa-s33"];
    erase.extend(places.iter().map(String::as_str));
    world.hub.operate(&erase).await.unwrap();
}

/// A system of the examples that has no part in the messages.
const BYSTANDER: &str = "th.dopa/registrar";
/// An agreement that the sender had with somebody else.
pub(super) const REVOKED: &str = "name-change.applications";
const BODIES: usize = 500;
const KEPT: usize = 3;
const LONG: Duration = Duration::from_secs(60);
