//! What witnesses have signed, put together to cosigned checkpoints.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use saphan_schemas::log::{NoteSignature, Policy, SignedNote};

use super::asking::Asked;
use super::{Cosigned, Head};

/// The cosignatures on the newest checkpoints, and when each witness signed last.
#[derive(Debug)]
pub(super) struct Gathered {
    /// By size. A slow witness may sign one that others signed rounds ago.
    notes: BTreeMap<u64, SignedNote>,
    /// When each witness of the policy signed last, by the hub's clock; at first when the hub began to ask.
    last_ms: Vec<u64>,
    /// When the newest cosigned checkpoint was signed last.
    quorum_ms: u64,
    quorum_size: u64,
}

impl Gathered {
    pub(super) fn new(witnesses: usize, now_ms: u64) -> Self {
        Self { notes: BTreeMap::new(), last_ms: vec![now_ms; witnesses], quorum_ms: now_ms, quorum_size: 0 }
    }

    /// Begins with a note that has cosignatures already.
    pub(super) fn with(mut self, size: u64, note: SignedNote) -> Self {
        self.notes.insert(size, note);
        self
    }

    /// When the witness signed last.
    pub(super) fn last_ms(&self, place: usize) -> u64 {
        self.last_ms.get(place).copied().unwrap_or_default()
    }

    /// When a quorum was reached last.
    pub(super) const fn quorum_ms(&self) -> u64 {
        self.quorum_ms
    }

    /// Adds a line that was verified, in the place of an earlier one of the same witness. Gives the checkpoint if it is the
    /// newest that a quorum signed.
    pub(super) fn add(
        &mut self,
        policy: &Policy,
        asked: &Asked,
        head: &Head,
        line: NoteSignature,
        now_ms: u64,
    ) -> Option<Cosigned> {
        if let Some(last_ms) = self.last_ms.get_mut(asked.place()) {
            *last_ms = now_ms;
        }
        if self.notes.len() == KEPT && !self.notes.contains_key(&head.size) {
            if self.notes.first_key_value().is_some_and(|(oldest, _)| *oldest > head.size) {
                // Too late to meet others on it.
                return None;
            }
            self.notes.pop_first();
        }
        let note = match self.notes.entry(head.size) {
            Entry::Occupied(note) => note.into_mut(),
            Entry::Vacant(place) => place.insert(head.checkpoint.parse().ok()?),
        };
        note.retain(|other| !other.is_by(asked.key()));
        note.add_line(line).ok()?;
        if head.size < self.quorum_size || !policy.witnessed(note).is_ok_and(|witnessed| witnessed.quorum) {
            return None;
        }
        (self.quorum_ms, self.quorum_size) = (now_ms, head.size);
        Some(Cosigned { size: head.size, text: note.to_string() })
    }
}

/// Checkpoints that still gather cosignatures: more than a witness can be behind that answers in time.
const KEPT: usize = 8;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use saphan_schemas::log::{Checkpoint, Cosigner, NoteSigner, SignedCheckpoint, empty_root};

    use super::*;

    struct Stage {
        log: NoteSigner,
        cosigners: Vec<Cosigner>,
        asked: Vec<Asked>,
        policy: Policy,
        gathered: Gathered,
    }

    impl Stage {
        /// Two witnesses, both of which are needed.
        fn new() -> Self {
            let log = NoteSigner::from_pkcs8("hub.local/log/main", &NoteSigner::generate_pkcs8().unwrap()).unwrap();
            let cosigner = |name| Cosigner::from_pkcs8(name, &NoteSigner::generate_pkcs8().unwrap()).unwrap();
            let cosigners = vec![cosigner("a"), cosigner("b")];
            let lines = format!("witness a {}\nwitness b {}\n", cosigners[0].key(), cosigners[1].key());
            let policy = Policy::parse(format!("{lines}group g all a b\nquorum g\n").as_bytes()).unwrap();
            let _ = rustls::crypto::ring::default_provider().install_default();
            let asked = policy.witnesses().iter().enumerate().map(|(place, witness)| {
                Asked::new(place, witness, "http://w.example/".parse().unwrap(), reqwest::Client::new())
            });
            Self { log, asked: asked.collect(), policy, cosigners, gathered: Gathered::new(2, 0) }
        }

        fn add(&mut self, witness: usize, size: u64, now_ms: u64) -> Option<Cosigned> {
            let text = Checkpoint::new(self.log.name().into(), size, empty_root()).sign(&self.log).unwrap();
            let signed = SignedCheckpoint::parse_and_verify(&text, self.log.verifier_key()).unwrap();
            let line = self.cosigners[witness].cosign(&signed, now_ms / 1000);
            let head = Head { size, checkpoint: Arc::from(text) };
            self.gathered.add(&self.policy, &self.asked[witness], &head, line, now_ms)
        }
    }

    #[test]
    fn cosignatures_meet_on_one_checkpoint_also_when_one_is_rounds_behind() {
        let mut stage = Stage::new();
        for size in 1..=7 {
            assert_eq!(stage.add(0, size, 1000 * size), None);
        }
        let cosigned = stage.add(1, 3, 8000).unwrap();
        assert_eq!(cosigned.size, 3);
        let note: SignedNote = cosigned.text.parse().unwrap();
        assert_eq!(stage.policy.witnessed(&note).unwrap().by.len(), 2);
        assert_eq!(
            (stage.gathered.last_ms(0), stage.gathered.last_ms(1), stage.gathered.quorum_ms()),
            (7000, 8000, 8000)
        );
        // What is older than that is no news.
        assert_eq!(stage.add(1, 2, 9000), None);
        assert_eq!(stage.add(1, 7, 9000).map(|cosigned| cosigned.size), Some(7));
    }

    #[test]
    fn a_cosignature_that_is_repeated_takes_the_place_of_the_first() {
        let mut stage = Stage::new();
        assert_eq!(stage.add(0, 5, 1000), None);
        assert_eq!(stage.add(0, 5, 2000), None);
        assert!(stage.add(1, 5, 2000).is_some());
        let again = stage.add(1, 5, 9000).unwrap();
        let note: SignedNote = again.text.parse().unwrap();
        assert_eq!(note.signatures().len(), 3);
        let times: Vec<_> = stage.policy.witnessed(&note).unwrap().by.iter().map(|(_, time)| *time).collect();
        assert_eq!(times, [2, 9]);
    }

    #[test]
    fn what_comes_when_all_others_are_far_ahead_pushes_nothing_out() {
        let mut stage = Stage::new();
        (10..10 + KEPT as u64).for_each(|size| drop(stage.add(0, size, 1000)));
        assert_eq!(stage.add(1, 4, 2000), None);
        assert_eq!(stage.gathered.last_ms(1), 2000);
        assert_eq!(stage.add(1, 10, 2000).map(|cosigned| cosigned.size), Some(10));
    }
}
