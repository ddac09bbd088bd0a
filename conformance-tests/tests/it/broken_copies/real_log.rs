//! A long log of a real hub, with everything in it that a log can hold today, and the one in which the hub went on; and all keys that
//! signed in the first.

mod hub;

use std::collections::BTreeMap;
use std::sync::Arc;

use saphan_conformance::world::World;
use saphan_schemas::envelope::{EnvelopeClaims, UnverifiedEnvelope};
use saphan_schemas::ids::{HubId, SystemId};
use saphan_schemas::jws::{Claims, Signed};
use saphan_schemas::keys::{Signer, SigningKey};
use saphan_schemas::leaf::{Leaf, SchemaVersion, ShardEvent};
use saphan_schemas::log::{Checkpoint, LogRebuilder, NoteSigner, VerifierKey};
use saphan_schemas::message::MessageFile;
use saphan_schemas::registry::{Change, UnverifiedRegistryEntry};

use self::hub::{Hub, Keys};

/// The files of a static log, by their paths.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// How much a hub is to log.
#[derive(Clone, Copy)]
pub(super) struct Size {
    /// So many entries at least.
    pub(super) entries: u64,
    /// Messages that are sent at once: 5 at least.
    pub(super) batch: usize,
    /// Messages in the next log: 2 at least.
    pub(super) next: usize,
}

/// The first log, before the hub closed it, and what the hub made of it then.
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
    /// The files when the hub had closed it, with two entries more: the key of the next log, and the end.
    pub(super) ended: Files,
    /// The log in which the hub went on.
    pub(super) next: NextLog,
    signers: Vec<Arc<NoteSigner>>,
}

/// The log after it, as the hub published it: messages and their acknowledgements, also of messages of the log before; an erasure of
/// one of these, a refusal, a rotation and a revocation.
pub(super) struct NextLog {
    pub(super) vkey: VerifierKey,
    pub(super) files: Files,
    /// All leaves, verbatim.
    pub(super) leaves: Vec<Vec<u8>>,
    /// What the receiver kept of two messages of the first log, acknowledged in this one, where the second was erased too; and of two
    /// messages of this log.
    pub(super) kept: [MessageFile; 4],
}

impl RealLog {
    /// A hub works until it has so many entries, among them refusals, erasures, rotations and revocations; then it changes its log, and
    /// works on.
    pub(super) async fn of(size: Size) -> Self {
        let mut at_work = Hub::start(size).await;
        let key_sets = key_sets(&at_work.world).await;
        let kept = at_work.fill(size).await;
        at_work.world.stop().await.unwrap();
        let (files, leaves) = at_work.published();
        let Keys { signers, operators } = at_work.keys();

        let next_key = at_work.change_the_log().await;
        let (ended, all) = at_work.published();
        let (before, end) = all.split_at(leaves.len());
        assert_eq!(before, leaves);
        let end: Vec<Leaf> = end.iter().map(|leaf| Leaf::parse(leaf).unwrap()).collect();
        assert!(matches!(&end[..], [Leaf::Registry { .. }, Leaf::Shard { event: ShardEvent::Closed { .. }, .. }]));

        let world = &at_work.world;
        let (hub, vkey) = (world.hub_id().clone(), world.trust.log.clone());
        let revoked: SystemId = BYSTANDER.parse().unwrap();
        let key = |system: &SystemId| world.key(system).unwrap();
        let (sender, receiver_id) = (key(&world.sender().unwrap()), world.receiver().unwrap());
        let (receiver, revoked) = (key(&receiver_id), (revoked.clone(), key(&revoked)));
        let next = at_work.go_on(next_key, size.next).await;
        Self {
            hub,
            origin: vkey.name().to_owned(),
            vkey,
            files,
            leaves,
            kept,
            key_sets,
            sender,
            receiver,
            receiver_id,
            revoked,
            operators,
            ended,
            next,
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

/// The last part of a log's name.
pub(super) fn shard(origin: &str) -> &str {
    origin.rsplit_once('/').unwrap().1
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

/// A system of the examples that has no part in the messages.
const BYSTANDER: &str = "th.dopa/registrar";
/// An agreement that the sender had with somebody else.
pub(super) const REVOKED: &str = "name-change.applications";
/// The name of the next log.
pub(super) const NEXT: &str = "next";
