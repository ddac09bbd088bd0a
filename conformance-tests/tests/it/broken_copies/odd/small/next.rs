//! The log after the small one, of which the hub has lost an entry: a leaf that opens it.

use saphan_schemas::ids::MessageId;
use saphan_schemas::leaf::{Abandoned, Leaf, ShardEvent};
use saphan_schemas::log::NoteSigner;
use saphan_schemas::registry::{Change, Entry, HubKey, RegistryClaims};

use super::{HUB, SmallLog, TS, note_signer};
use crate::broken_copies::real_log::{Files, RealLog, sign};

pub(in super::super) struct NextLog {
    pub(in super::super) signer: NoteSigner,
    /// The log before it, without the entry that would close it.
    pub(in super::super) before: Files,
    pub(in super::super) opened: Leaf,
}

impl NextLog {
    pub(in super::super) fn after(log: &SmallLog) -> Self {
        let leaves = log.bytes();
        let known = &leaves[..leaves.len() - 1];
        let before = log.signed(known);
        let (kept, previous) = (checkpoint(&log.signed(&known[..known.len() - 1])), Some(checkpoint(&before)));
        let signer = note_signer("next");
        let vkey = signer.verifier_key().clone();
        let claims = RegistryClaims {
            iss: HUB.to_owned(),
            aud: log.hub.clone(),
            iat: TS / 1000,
            jti: MessageId::new(),
            change: Change::Added(Entry::HubKey(HubKey::Log { vkey: vkey.clone() })),
            invitation: None,
        };
        let event = ShardEvent::Opened {
            origin: signer.name().to_owned(),
            hub: log.hub.clone(),
            operator: Box::new(*log.operator.public()),
            receipts: Box::new(*log.receipts.public()),
            log: Box::new(vkey),
            previous,
            abandoned: Some(Box::new(Abandoned { kept, key: Some(sign(claims, &*log.operator)) })),
        };
        Self { signer, before, opened: Leaf::Shard { ts: TS, event } }
    }

    /// The log with this as its only leaf.
    pub(in super::super) fn signed(&self, leaf: &str) -> Files {
        RealLog::signed_by(&[&self.signer], &[leaf.as_bytes().to_vec()])
    }
}

pub(in super::super) fn checkpoint(files: &Files) -> String {
    String::from_utf8(files["checkpoint"].clone()).unwrap()
}
