//! C2SP tlog-witness: the body of `POST <submission prefix>/add-checkpoint`, by which a log asks a witness to cosign.

use std::fmt;
use std::str::FromStr;

use super::checkpoint::{parse_decimal, parse_hash};
use crate::b64;
use crate::digest::Sha256Hash;

/// A checkpoint, and the proof that it extends the last one that the witness cosigned.
///
/// Its [`Display`](fmt::Display) is the body: `old <size>`, a line of base64 a hash, an empty line, the checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size of the last checkpoint that the witness cosigned, 0 if there is none.
    pub old: u64,
    /// The consistency proof from that size to the checkpoint's, at most 63 hashes; empty if the old size is 0.
    pub proof: Vec<Sha256Hash>,
    /// The signed checkpoint, as the log issued it. Not verified, nor even read.
    pub checkpoint: String,
}

/// A body cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddCheckpointError {
    /// The first line is another one.
    #[error("the first line is not 'old <decimal>'")]
    BadOld,
    /// A line of the proof is malformed, or one too many.
    #[error("line {line} of the consistency proof is not the base64 of a hash, or one too many")]
    BadHash {
        /// The line, counted from 1 after that of the old size.
        line: usize,
    },
    /// The checkpoint does not follow.
    #[error("no empty line and checkpoint follow the consistency proof")]
    NoCheckpoint,
}

impl AddCheckpoint {
    /// The media type of an answer 409 that tells the size of the last checkpoint that the witness cosigned.
    pub const SIZE_MEDIA_TYPE: &str = "text/x.tlog.size";

    /// The path of the call below the witness's submission prefix.
    pub const PATH: &str = "add-checkpoint";

    /// Reads the body of an answer 409: a size in decimal, and a newline.
    #[must_use]
    pub fn parse_size(body: &str) -> Option<u64> {
        parse_decimal(body.strip_suffix('\n')?)
    }
}

impl FromStr for AddCheckpoint {
    type Err = AddCheckpointError;

    fn from_str(body: &str) -> Result<Self, AddCheckpointError> {
        let (old, mut rest) =
            body.strip_prefix(OLD).and_then(|rest| rest.split_once('\n')).ok_or(AddCheckpointError::BadOld)?;
        let old = parse_decimal(old).ok_or(AddCheckpointError::BadOld)?;
        let mut proof = Vec::new();
        loop {
            let (line, after) = rest.split_once('\n').ok_or(AddCheckpointError::NoCheckpoint)?;
            rest = after;
            if line.is_empty() {
                break;
            }
            let bad = AddCheckpointError::BadHash { line: proof.len() + 1 };
            if proof.len() == MAX_HASHES {
                return Err(bad);
            }
            proof.push(parse_hash(line).ok_or(bad)?);
        }
        if rest.is_empty() {
            return Err(AddCheckpointError::NoCheckpoint);
        }
        Ok(Self { old, proof, checkpoint: rest.to_owned() })
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{OLD}{}", self.old)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{}", b64::encode_std(hash.as_bytes())))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

const OLD: &str = "old ";
/// By the specification, which leaves room for every tree.
const MAX_HASHES: usize = 63;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example of the specification.
    const EXAMPLE: &str = "old 20852014\n\
        PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n\
        jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n\
        5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n\
        /6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\
        \n\
        example.com/behind-the-sofa\n\
        20852163\n\
        CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\
        \n\
        — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
        — example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=\n";

    #[test]
    fn the_example_of_the_specification_is_read_and_written_back() {
        let request: AddCheckpoint = EXAMPLE.parse().unwrap();
        assert_eq!((request.old, request.proof.len()), (20_852_014, 4));
        assert!(request.checkpoint.starts_with("example.com/behind-the-sofa\n20852163\n"));
        assert_eq!(request.to_string(), EXAMPLE);
    }

    #[test]
    fn malformed_bodies_are_refused_with_the_reason() {
        let hash = format!("{}\n", b64::encode_std([7; 32]));
        assert!(format!("old 1\n{}\nc\n", hash.repeat(63)).parse::<AddCheckpoint>().is_ok());
        for (body, expected) in [
            (String::new(), AddCheckpointError::BadOld),
            ("old 01\n\nc\n".into(), AddCheckpointError::BadOld),
            ("old -1\n\nc\n".into(), AddCheckpointError::BadOld),
            ("old 18446744073709551616\n\nc\n".into(), AddCheckpointError::BadOld),
            ("Old 1\n\nc\n".into(), AddCheckpointError::BadOld),
            ("old 1\r\n\nc\n".into(), AddCheckpointError::BadOld),
            ("old 1".into(), AddCheckpointError::BadOld),
            ("old 1\nAAAA\n\nc\n".into(), AddCheckpointError::BadHash { line: 1 }),
            (format!("old 1\n{}\nc\n", hash.repeat(64)), AddCheckpointError::BadHash { line: 64 }),
            (format!("old 1\n{hash}"), AddCheckpointError::NoCheckpoint),
            ("old 1\n\n".into(), AddCheckpointError::NoCheckpoint),
        ] {
            assert_eq!(body.parse::<AddCheckpoint>(), Err(expected), "{body}");
        }
    }

    #[test]
    fn a_size_is_one_line() {
        assert_eq!(AddCheckpoint::parse_size("20852014\n"), Some(20_852_014));
        for body in ["", "\n", "1", "01\n", "1\n\n", " 1\n", "1\r\n"] {
            assert_eq!(AddCheckpoint::parse_size(body), None, "{body:?}");
        }
    }

    proptest! {
        #[test]
        fn a_body_round_trips(old in 0u64..1 << 63, proof in prop::collection::vec(any::<[u8; 32]>(), 0..64), checkpoint in "[a-z\n—]{1,40}") {
            let proof = proof.into_iter().map(Sha256Hash::from_bytes).collect();
            let request = AddCheckpoint { old, proof, checkpoint };
            prop_assert_eq!(request.to_string().parse(), Ok(request));
        }

        #[test]
        fn any_text_that_parses_is_written_back_as_it_was(body in "old [0-9]{1,3}\n([A-Z]{42}[AEI]=\n){0,2}\n?(c\n){0,2}") {
            if let Ok(request) = body.parse::<AddCheckpoint>() {
                prop_assert_eq!(request.to_string(), body);
            }
        }
    }
}
