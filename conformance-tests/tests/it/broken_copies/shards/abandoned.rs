//! A real log of which the hub has lost a part, and the one after it.

use saphan_schemas::leaf::{Abandoned, Leaf};
use saphan_schemas::log::NoteSigner;

use super::super::HOLDS;
use super::super::real_log::{Files, RealLog};
use super::{Pair, Stage};

/// What the next log says of the lost one: good, unless a test changes it.
pub(in super::super) struct Said {
    pub(in super::super) kept: String,
    pub(in super::super) last: String,
    pub(in super::super) key: Option<String>,
}

impl Stage<'_> {
    /// All up to a message, which are more entries than are left.
    pub(in super::super) fn up_to(&self, message: usize) -> &[Vec<u8>] {
        &self.log.leaves[..=self.log.messages()[message]]
    }

    fn good(&self) -> Said {
        let [_, operator] = &self.log.operators;
        let key = Some(self.entry_for(&self.next, &**operator));
        Said { kept: self.checkpoint(&self.begun), last: self.checkpoint(self.up_to(2)), key }
    }

    /// These, with a checkpoint of those beside them as cosigned.
    fn cosigned(&self, old: &[Vec<u8>], cosigned: &[Vec<u8>]) -> Files {
        let mut files = self.log.signed(old);
        files.insert("checkpoint.cosigned".into(), self.checkpoint(cosigned).into_bytes());
        files
    }

    /// Another history of as many entries.
    pub(in super::super) fn other(&self, entries: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut entries = entries.to_vec();
        entries.swap(1, 2);
        entries
    }

    /// Logs of which so many entries are left, are shown, and are known, with a bit flipped in a tile that begins so.
    fn flipped(&self, [kept, shown, last]: [usize; 3], bit: Option<(&str, usize)>) -> (Files, Vec<Vec<u8>>) {
        let entries = |count: usize| &self.log.leaves[..count];
        let opened = self.opened_with(|said| {
            (said.kept, said.last) = (self.checkpoint(entries(kept)), self.checkpoint(entries(last)));
        });
        let Leaf::Shard { event, .. } = Leaf::parse(&opened).unwrap() else { panic!("it opens no log") };
        let ts = self.log.leaf(kept.max(self.begun.len()) - 1).ts();
        let mut files = self.log.signed(entries(shown));
        if let Some((tile, hash)) = bit {
            let tile = files.iter_mut().find(|(path, _)| path.starts_with(tile)).unwrap();
            tile.1[hash * 32] ^= 1;
        }
        (files, vec![Leaf::Shard { ts, event }.to_bytes()])
    }

    /// Only the tiles that lead from what is left to what is shown are read, and those of what is left.
    pub(super) fn abandoned_with_flipped_bits(&self) -> Vec<Pair> {
        let first = "tile/0/000";
        let left = self.begun.len();
        [
            ("abandoned, what is left is shown, a bit of a hash of it", "changed-leaf", [left, left, left + 9], {
                Some((first, 3))
            }),
            ("abandoned, a bit of a hash below a higher tile", "changed-leaf", [300, 310, 320], Some((first, 3))),
            ("abandoned, a bit of a hash that leads to what is shown", "changed-tile", [300, 310, 320], {
                Some(("tile/0/001", 3))
            }),
            ("abandoned, a bit of a hash that was lost", "changed-tile", [300, 310, 320], Some(("tile/0/001", 50))),
            ("abandoned, a bit of a higher tile", "changed-tile", [300, 310, 320], Some(("tile/1/000", 0))),
            ("abandoned in a small tree, a bit of a hash", "changed-tile", [100, 200, 300], Some((first, 3))),
            ("abandoned, a bit of a hash that nothing left needs", HOLDS, [300, 1100, 1200], Some(("tile/0/002", 3))),
            ("abandoned, with tiles of more than one level", HOLDS, [300, 1100, 1200], None),
        ]
        .map(|(name, class, sizes, bit)| {
            let (old, new) = self.flipped(sizes, bit);
            Pair { name, class, old, new }
        })
        .into()
    }

    /// What witnesses cosigned, beside a log that was abandoned.
    pub(super) fn abandoned_and_cosigned(&self) -> Vec<Pair> {
        let (some, known) = (self.up_to(1), self.up_to(2));
        let mut unreadable = self.log.signed(some);
        unreadable.insert("checkpoint.cosigned".into(), b"\xff\n\n".to_vec());
        let stranger = NoteSigner::from_pkcs8(&self.log.origin, &NoteSigner::generate_pkcs8().unwrap()).unwrap();
        let mut unsigned = self.log.signed(some);
        let forged = RealLog::signed_by(&[&stranger], self.up_to(3))["checkpoint"].clone();
        unsigned.insert("checkpoint.cosigned".into(), forged);
        [
            ("abandoned, and some was cosigned", HOLDS, self.cosigned(some, &self.begun)),
            ("abandoned, and what is known was cosigned", HOLDS, self.cosigned(some, known)),
            ("abandoned, and what was cosigned cannot be read", HOLDS, unreadable),
            ("abandoned, and a stranger's checkpoint is beside it", HOLDS, unsigned),
            ("cosigned beyond what is known", "fork", self.cosigned(&self.begun, self.up_to(3))),
            ("another history of what is known was cosigned", "fork", self.cosigned(some, &self.other(known))),
            ("another history of what is shown was cosigned", "fork", self.cosigned(some, &self.other(some))),
            ("another history of what is left was cosigned", "fork", self.cosigned(some, &self.other(&self.begun))),
        ]
        .map(|(name, class, old)| Pair { name, class, old, new: vec![self.opened_with(|_| {})] })
        .into()
    }

    pub(in super::super) fn opened_with(&self, change: impl FnOnce(&mut Said)) -> Vec<u8> {
        let mut said = self.good();
        change(&mut said);
        let Said { kept, last, key } = said;
        self.opened_after(last, Some(Abandoned { kept, key }))
    }

    pub(super) fn abandoned(&self) -> Vec<Pair> {
        let log = self.log;
        let pair = |name, class, old: &[Vec<u8>], new: Vec<Vec<u8>>| Pair { name, class, old: log.signed(old), new };
        let begins = |more: &[Vec<u8>]| [&[self.opened_with(|_| {})][..], more].concat();
        let known = self.up_to(2);
        let lost = log.messages()[1];
        let first = Some(&*log.origin);
        let stranger = NoteSigner::from_pkcs8(&log.origin, &NoteSigner::generate_pkcs8().unwrap()).unwrap();
        let forged = RealLog::signed_by(&[&stranger], known)["checkpoint"].clone();
        let prepared = [&self.begun[..], &[self.prepared()]].concat();
        let closed = self.old(&self.prepared());
        let behind = |before: &[Vec<u8>]| [before, &[log.leaves[lost].clone()]].concat();
        vec![
            pair("abandoned, and all that is known of it is shown", HOLDS, known, begins(&[])),
            pair("abandoned, and some of it is shown", HOLDS, self.up_to(1), begins(&[])),
            pair("abandoned, and what is left is shown", HOLDS, &self.begun, begins(&[])),
            pair("abandoned, with a key that was prepared", HOLDS, &behind(&prepared), {
                let (kept, last) = (self.checkpoint(&prepared), self.checkpoint(&behind(&prepared)));
                vec![self.opened_with(|said| *said = Said { kept, last, key: None })]
            }),
            pair("a message that was lost, sent again", HOLDS, known, begins(&[log.leaves[lost].clone()])),
            pair("a message that is left, sent again", "duplicated-entries", known, {
                begins(&[self.begun.last().unwrap().clone()])
            }),
            pair("an acknowledgement of what is left", HOLDS, known, begins(&[self.said(first, self.message)])),
            pair("an acknowledgement of what was lost", "false-acknowledgement", known, {
                begins(&[self.said(first, lost as u64)])
            }),
            pair("an abandoned log that goes on", "fork", self.up_to(3), begins(&[])),
            pair("another history of what was abandoned", "fork", known, {
                vec![self.opened_with(|said| said.last = self.checkpoint(&self.other(known)))]
            }),
            pair("less than is left", "rollback", &self.begun[..self.begun.len() - 1], begins(&[])),
            pair("another history of what is left", "fork", known, {
                vec![self.opened_with(|said| said.kept = self.checkpoint(&self.other(&self.begun)))]
            }),
            pair("abandoned, and nothing is lost", "fork", &self.begun, {
                vec![self.opened_with(|said| said.last.clone_from(&said.kept))]
            }),
            pair("abandoned after what nobody signed", "changed-checkpoint", known, {
                vec![self.opened_with(|said| said.last = String::from_utf8(forged).unwrap())]
            }),
            pair("a key that nobody vouches for", "unknown-key", known, vec![self.opened_with(|said| said.key = None)]),
            pair("a word for the key of another log", "unknown-key", known, {
                let [_, operator] = &log.operators;
                let key = self.entry_for(&stranger, &**operator);
                vec![self.opened_with(|said| said.key = Some(key))]
            }),
            pair("a word that is not the operator's", "false-registry-change", known, {
                let key = self.entry_for(&self.next, &log.receiver);
                vec![self.opened_with(|said| said.key = Some(key))]
            }),
            Pair {
                name: "abandoned after what cannot be read, and nothing of it is there",
                class: "changed-checkpoint",
                old: Files::new(),
                new: vec![self.opened_with(|said| said.last = "x".to_owned())],
            },
            pair("abandoned, under a name that no log has", "malformed-entry", known, {
                let named = |note: &str| note.replacen(&log.origin, &format!("{}/..", log.origin), 1);
                vec![self.opened_with(|said| (said.kept, said.last) = (named(&said.kept), named(&said.last)))]
            }),
            pair("abandoned, and closed", "misplaced-entry", &closed, {
                let (kept, last) = (self.checkpoint(&closed), self.checkpoint(&behind(&closed)));
                vec![self.opened_with(|said| *said = Said { kept, last, key: None })]
            }),
        ]
    }
}
