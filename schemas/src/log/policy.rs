//! C2SP tlog-policy: which logs are known, and which witnesses must have cosigned a checkpoint.

mod parse;

use std::borrow::Cow;

pub use parse::{PolicyError, PolicyFault};

use super::checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
use super::note::{CosignerKey, NoteError, SignedNote, VerifierKey};

/// A policy, read with [`Policy::parse`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    /// Each after all its members.
    groups: Vec<Group>,
    /// What must have witnessed a checkpoint; nothing, with `quorum none`.
    quorum: Option<Member>,
}

/// A log that the policy knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyLog {
    /// Its key, whose name is the log's origin.
    pub key: VerifierKey,
    /// Where it is reached.
    pub url: Option<String>,
}

/// A witness that the policy knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyWitness {
    name: Vec<u8>,
    /// Its key.
    pub key: CosignerKey,
    /// Its submission prefix: [`AddCheckpoint::PATH`](super::AddCheckpoint::PATH) is below it.
    pub url: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    threshold: usize,
    members: Vec<Member>,
}

/// By its place among witnesses or groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    Witness(usize),
    Group(usize),
}

/// Who cosigned a checkpoint, of those that a policy knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witnessed<'a> {
    /// The witnesses, each with the time that it signed for, in seconds since 1970.
    pub by: Vec<(&'a PolicyWitness, u64)>,
    /// Whether they are the quorum.
    pub quorum: bool,
}

/// A checkpoint is not good by a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyRefusal {
    /// The policy has no log of this origin.
    #[error("the policy does not know the log {origin}")]
    UnknownLog {
        /// The origin in the checkpoint.
        origin: String,
    },
    /// The checkpoint is not signed by its log, or is malformed.
    #[error("the checkpoint is not to be trusted")]
    Checkpoint(#[source] CheckpointError),
    /// A cosignature by a known witness does not fit.
    #[error("a cosignature on the checkpoint is false")]
    Cosignature(#[source] NoteError),
    /// Too few witnesses cosigned, or not those that must.
    #[error("the quorum of the policy was not reached; cosigned by: {}", if by.is_empty() { "no witness that it knows" } else { by.as_str() })]
    NoQuorum {
        /// The names of those that did, in the policy's words.
        by: String,
    },
}

impl Policy {
    /// The logs, in the order of the file; none if they are known otherwise.
    #[must_use]
    pub fn logs(&self) -> &[PolicyLog] {
        &self.logs
    }

    /// The witnesses, in the order of the file, whether they are in the quorum or not.
    #[must_use]
    pub fn witnesses(&self) -> &[PolicyWitness] {
        &self.witnesses
    }

    /// Verifies a checkpoint: one of the policy's logs signed it, and the quorum cosigned it. Gives both.
    ///
    /// # Errors
    /// [`PolicyRefusal`].
    pub fn verify(&self, checkpoint: &str) -> Result<(SignedCheckpoint, Witnessed<'_>), PolicyRefusal> {
        let note: SignedNote =
            checkpoint.parse().map_err(|error| PolicyRefusal::Checkpoint(CheckpointError::Note(error)))?;
        let origin = note.text().parse::<Checkpoint>().map_err(PolicyRefusal::Checkpoint)?.origin;
        let keys: Vec<_> = self.logs.iter().map(|log| log.key.clone()).filter(|key| key.name() == origin).collect();
        let (key, more) = keys.split_first().ok_or(PolicyRefusal::UnknownLog { origin })?;
        let signed =
            SignedCheckpoint::parse_and_verify_any(checkpoint, key, more).map_err(PolicyRefusal::Checkpoint)?;
        let witnessed = self.witnessed(&note).map_err(PolicyRefusal::Cosignature)?;
        if witnessed.quorum {
            return Ok((signed, witnessed));
        }
        let by: Vec<_> = witnessed.by.iter().map(|(witness, _)| witness.name()).collect();
        Err(PolicyRefusal::NoQuorum { by: by.join(", ") })
    }

    /// Who cosigned a note, and whether they are the quorum; for callers that have verified the log's signature already.
    ///
    /// # Errors
    /// [`NoteError::BadSignature`] if a cosignature by a known witness does not fit: the note was changed.
    pub fn witnessed(&self, note: &SignedNote) -> Result<Witnessed<'_>, NoteError> {
        let mut times = Vec::with_capacity(self.witnesses.len());
        for witness in &self.witnesses {
            times.push(match note.verify_cosignature(&witness.key) {
                Ok(time) => Some(time),
                Err(NoteError::NotSignedBy { .. }) => None,
                Err(error) => return Err(error),
            });
        }
        let quorum = self.is_quorum(|witness| times.get(witness).is_some_and(Option::is_some));
        let by = self.witnesses.iter().zip(times).filter_map(|(witness, time)| Some((witness, time?))).collect();
        Ok(Witnessed { by, quorum })
    }

    /// Groups refer to groups before them only, so one pass in their order suffices.
    fn is_quorum(&self, signed: impl Fn(usize) -> bool) -> bool {
        let mut groups: Vec<bool> = Vec::with_capacity(self.groups.len());
        let holds = |groups: &[bool], member: Member| match member {
            Member::Witness(place) => signed(place),
            Member::Group(place) => groups.get(place).copied().unwrap_or_default(),
        };
        for Group { threshold, members } in &self.groups {
            let witnessed = members.iter().filter(|member| holds(&groups, **member)).count() >= *threshold;
            groups.push(witnessed);
        }
        self.quorum.is_none_or(|member| holds(&groups, member))
    }
}

impl PolicyWitness {
    /// Its name in the policy, for people: bytes that are no UTF-8 are replaced.
    #[must_use]
    pub fn name(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::log::cosignature::Cosigner;
    use crate::log::hash::empty_root;
    use crate::log::note::NoteSigner;

    fn log() -> NoteSigner {
        NoteSigner::from_pkcs8("hub.local/log/main", &NoteSigner::generate_pkcs8().unwrap()).unwrap()
    }

    fn witnesses(count: usize) -> Vec<Cosigner> {
        let new = |at| Cosigner::from_pkcs8(&format!("w{at}.example"), &NoteSigner::generate_pkcs8().unwrap()).unwrap();
        (0..count).map(new).collect()
    }

    fn cosigned<'a>(log: &NoteSigner, by: impl IntoIterator<Item = &'a Cosigner>) -> String {
        let text = Checkpoint::new(log.name().into(), 7, empty_root()).sign(log).unwrap();
        let checkpoint = SignedCheckpoint::parse_and_verify(&text, log.verifier_key()).unwrap();
        let mut note: SignedNote = text.parse().unwrap();
        by.into_iter().for_each(|witness| note.add_line(witness.cosign(&checkpoint, 5)).unwrap());
        note.to_string()
    }

    /// The example of the specification, with keys: two of three X, and one of three Y.
    fn example(log: &NoteSigner, witnesses: &[Cosigner]) -> Policy {
        let line = |at: usize, name: &str| format!("witness {name} {}\n", witnesses[at].key());
        let mut text = format!("log {}\n\n", log.verifier_key());
        (1..=3).for_each(|at| text.push_str(&line(at - 1, &format!("X{at}"))));
        text.push_str("group X-witnesses 2 X1 X2 X3\n\n");
        (1..=3).for_each(|at| text.push_str(&line(at + 2, &format!("Y{at}"))));
        text.push_str("group Y-witnesses any Y1 Y2 Y3\n\ngroup X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n");
        Policy::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_checkpoint_of_an_unknown_log_or_with_a_false_signature_is_refused() {
        let (log, witnesses) = (log(), witnesses(6));
        let policy = example(&log, &witnesses);
        let foreign = NoteSigner::from_pkcs8("other", &NoteSigner::generate_pkcs8().unwrap()).unwrap();
        let refused = policy.verify(&cosigned(&foreign, &witnesses));
        assert_eq!(refused, Err(PolicyRefusal::UnknownLog { origin: "other".into() }));
        let forged = self::log();
        assert!(matches!(policy.verify(&cosigned(&forged, &witnesses)), Err(PolicyRefusal::Checkpoint(_))));
        let good = cosigned(&log, &witnesses);
        let spoilt = good.replace("\n7\n", "\n8\n");
        assert!(matches!(policy.verify(&spoilt), Err(PolicyRefusal::Checkpoint(_))));
        let other = cosigned(&log, []).replace("\n7\n", "\n8\n");
        let swapped = format!("{}{}", cosigned(&log, []), cosigned(&forged, &witnesses).split_once("\n\n").unwrap().1);
        assert!(policy.verify(&swapped).is_ok(), "lines by unknown keys are ignored");
        assert!(policy.verify(&other).is_err());
    }

    #[test]
    fn one_false_cosignature_of_a_known_witness_spoils_the_checkpoint() {
        let (log, witnesses) = (log(), witnesses(6));
        let policy = example(&log, &witnesses);
        let text = Checkpoint::new(log.name().into(), 8, empty_root()).sign(&log).unwrap();
        let other = SignedCheckpoint::parse_and_verify(&text, log.verifier_key()).unwrap();
        let spoilt = format!("{}{}\n", cosigned(&log, &witnesses), witnesses[0].cosign(&other, 5));
        assert!(matches!(policy.verify(&spoilt), Err(PolicyRefusal::Cosignature(NoteError::BadSignature { .. }))));
    }

    #[test]
    fn a_refusal_names_those_that_did_sign() {
        let (log, witnesses) = (log(), witnesses(6));
        let refused = example(&log, &witnesses).verify(&cosigned(&log, [&witnesses[2], &witnesses[0]])).unwrap_err();
        assert_eq!(refused.to_string(), "the quorum of the policy was not reached; cosigned by: X1, X3");
        let refused = example(&log, &witnesses).verify(&cosigned(&log, [])).unwrap_err();
        assert!(refused.to_string().ends_with("no witness that it knows"));
    }

    #[test]
    fn without_a_quorum_the_logs_signature_suffices() {
        let log = log();
        let policy = Policy::parse(format!("log {}\nquorum none\n", log.verifier_key()).as_bytes()).unwrap();
        let text = cosigned(&log, []);
        let (checkpoint, witnessed) = policy.verify(&text).unwrap();
        assert_eq!((checkpoint.checkpoint().size, witnessed.by.len()), (7, 0));
    }

    #[test]
    fn a_single_witness_can_be_the_quorum_also_if_it_is_in_a_group() {
        let (log, witnesses) = (log(), witnesses(2));
        let (a, b) = (witnesses[0].key(), witnesses[1].key());
        let text = format!("log {}\nwitness a {a}\nwitness b {b}\ngroup g any a b\nquorum a\n", log.verifier_key());
        let policy = Policy::parse(text.as_bytes()).unwrap();
        assert!(policy.verify(&cosigned(&log, [&witnesses[0]])).is_ok());
        assert!(policy.verify(&cosigned(&log, [&witnesses[1]])).is_err());
    }

    #[test]
    fn a_long_chain_of_groups_is_judged() {
        let (log, witnesses) = (log(), witnesses(1));
        let mut text = format!("log {}\nwitness g0 {}\n", log.verifier_key(), witnesses[0].key());
        (1..20_000).for_each(|at| text.push_str(&format!("group g{at} all g{}\n", at - 1)));
        text.push_str("quorum g19999\n");
        let policy = Policy::parse(text.as_bytes()).unwrap();
        assert!(policy.verify(&cosigned(&log, &witnesses)).is_ok());
        assert!(policy.verify(&cosigned(&log, [])).is_err());
    }

    proptest! {
        #[test]
        fn the_quorum_of_the_specifications_example_is_two_of_x_and_one_of_y(signed: [bool; 6]) {
            let (log, witnesses) = (log(), witnesses(6));
            let policy = example(&log, &witnesses);
            let by = witnesses.iter().zip(signed).filter_map(|(witness, signed)| signed.then_some(witness));
            let count = |range: std::ops::Range<usize>| signed[range].iter().filter(|signed| **signed).count();
            let text = cosigned(&log, by);
            let verified = policy.verify(&text);
            prop_assert_eq!(verified.is_ok(), count(0..3) >= 2 && count(3..6) >= 1);
            if let Ok((_, witnessed)) = verified {
                prop_assert_eq!(witnessed.by.len(), count(0..6));
                prop_assert!(witnessed.by.iter().all(|(_, time)| *time == 5));
            }
        }
    }
}
