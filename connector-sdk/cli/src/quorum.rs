//! Whether enough witnesses cosigned: what `--policy` asks of a checkpoint, for every command that takes it.

use saphan_schemas::log::{NoteError, Policy, SignedNote};

/// The names of the witnesses that cosigned a checkpoint, if they are the quorum of a policy; or why they are not. Whether the log
/// signed it is somebody else's question.
pub(crate) fn witnesses(policy: &Policy, checkpoint: &str) -> Result<Vec<String>, String> {
    let note: SignedNote = checkpoint.parse().map_err(|error: NoteError| error.to_string())?;
    let witnessed = policy.witnessed(&note).map_err(|error| error.to_string())?;
    let names: Vec<String> = witnessed.by.iter().map(|(witness, _)| witness.name().into_owned()).collect();
    match (witnessed.quorum, names.is_empty()) {
        (true, _) => Ok(names),
        (false, true) => Err("cosigned by no witness of the policy".to_owned()),
        (false, false) => Err(format!("cosigned by {}, who are not the quorum", names.join(", "))),
    }
}

/// The class of a checkpoint that too few cosigned.
pub(crate) const TOO_FEW: &str = "too-few-witnesses";
