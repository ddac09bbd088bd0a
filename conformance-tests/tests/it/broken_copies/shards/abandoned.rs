//! A real log of which the hub has lost a part, and the one after it.

use saphan_schemas::leaf::Abandoned;
use saphan_schemas::log::NoteSigner;

use super::super::HOLDS;
use super::super::real_log::RealLog;
use super::{Pair, Stage};

/// What the next log says of the lost one: good, unless a test changes it.
struct Said {
    kept: String,
    last: String,
    key: Option<String>,
}

impl Stage<'_> {
    /// All up to a message, which are more entries than are left.
    fn up_to(&self, message: usize) -> &[Vec<u8>] {
        &self.log.leaves[..=self.log.messages()[message]]
    }

    fn good(&self) -> Said {
        let [_, operator] = &self.log.operators;
        let key = Some(self.entry_for(&self.next, &**operator));
        Said { kept: self.checkpoint(&self.begun), last: self.checkpoint(self.up_to(2)), key }
    }

    fn opened_with(&self, change: impl FnOnce(&mut Said)) -> Vec<u8> {
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
        let mut other = self.begun.clone();
        other.swap(1, 2);
        let prepared = [&self.begun[..], &[self.prepared()]].concat();
        let closed = self.old(&self.prepared());
        let behind = |before: &[Vec<u8>]| [before, &[log.leaves[lost].clone()]].concat();
        let mut cosigned = log.signed(&self.begun);
        cosigned.insert("checkpoint.cosigned".into(), self.checkpoint(self.up_to(3)).into_bytes());
        let mut some = log.signed(self.up_to(1));
        some.insert("checkpoint.cosigned".into(), self.checkpoint(&self.begun).into_bytes());
        vec![
            pair("abandoned, and all that is known of it is shown", HOLDS, known, begins(&[])),
            pair("abandoned, and some of it is shown", HOLDS, self.up_to(1), begins(&[])),
            pair("abandoned, and what is left is shown", HOLDS, &self.begun, begins(&[])),
            Pair { name: "abandoned, and some was cosigned", class: HOLDS, old: some, new: begins(&[]) },
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
                let mut swapped = known.to_vec();
                swapped.swap(1, 2);
                vec![self.opened_with(|said| said.last = self.checkpoint(&swapped))]
            }),
            Pair { name: "cosigned beyond what is known", class: "fork", old: cosigned, new: begins(&[]) },
            pair("less than is left", "rollback", &self.begun[..self.begun.len() - 1], begins(&[])),
            pair("another history of what is left", "fork", known, {
                let kept = self.checkpoint(&other);
                vec![self.opened_with(|said| said.kept = kept)]
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
            pair("abandoned, and closed", "misplaced-entry", &closed, {
                let (kept, last) = (self.checkpoint(&closed), self.checkpoint(&behind(&closed)));
                vec![self.opened_with(|said| *said = Said { kept, last, key: None })]
            }),
        ]
    }
}
