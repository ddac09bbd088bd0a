//! A witness by C2SP `tlog-witness`: it cosigns checkpoints of the logs it knows, and only what extends what it cosigned before.
//!
//! Whoever trusts a witness trusts one thing: that it never cosigns two histories of a log. So what was cosigned last is on
//! disk, whole and synced, before a cosignature leaves the process ([`Witness::add_checkpoint`]); a state that is damaged or
//! incomplete is an error and not a new beginning ([`Witness::open`]); and a folder has one process at a time.
//!
//! - [`folder`]: the state folder: key, list of logs, one record a log;
//! - [`log`]: what may follow on what was cosigned; knows no files;
//! - [`service`]: the HTTP interface.

mod durable;
pub mod folder;
pub mod log;
pub mod service;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;

use saphan_schemas::log::{AddCheckpoint, Checkpoint, Cosigner, CosignerKey, NoteSignature, SignedNote};

use self::durable::Unsaved;
use self::folder::{StateError, StateFolder};
use self::log::{Conflict, Refusal, WitnessedLog};

/// A witness with its state folder, which no other process may use meanwhile.
#[derive(Debug)]
pub struct Witness {
    cosigner: Cosigner,
    folder: StateFolder,
    /// By origin. One request at a time judges, writes and signs for a log.
    logs: HashMap<String, Mutex<WitnessedLog>>,
}

impl Witness {
    /// Takes the folder and reads all of it.
    ///
    /// # Errors
    /// [`StateError`]; also when the smallest part is missing or is not what the witness wrote.
    pub fn open(folder: &Path) -> Result<Self, StateError> {
        let folder = StateFolder::take(folder)?;
        let cosigner = folder.cosigner()?;
        let logs = folder.logs(cosigner.key())?;
        let logs = logs.into_iter().map(|log| (log.origin().to_owned(), Mutex::new(log))).collect();
        Ok(Self { cosigner, folder, logs })
    }

    /// The key that verifies its cosignatures.
    #[must_use]
    pub const fn key(&self) -> &CosignerKey {
        self.cosigner.key()
    }

    /// Answers the body of one `add-checkpoint`: the lines of a cosignature as of `now` (seconds since 1970), which is on disk
    /// already. Blocks while it writes.
    ///
    /// # Errors
    /// [`Refusal`]; nothing was cosigned then.
    pub fn add_checkpoint(&self, body: &str, now: u64) -> Result<String, Refusal> {
        let request: AddCheckpoint = body.parse().map_err(Refusal::malformed)?;
        let note: SignedNote = request.checkpoint.parse().map_err(Refusal::malformed)?;
        let checkpoint: Checkpoint = note.text().parse().map_err(Refusal::malformed)?;
        let log = self.logs.get(&checkpoint.origin).ok_or(Refusal::UnknownLog)?;
        // A request that panicked may have left anything; a restart reads what is on disk.
        let mut log = log.lock().map_err(|_| Refusal::Halted)?;
        let signed = log.verify(&request.checkpoint)?;
        if let Some(conflict) = log.conflict(&signed) {
            self.keep(&conflict);
        }
        log.judge(&request, signed.checkpoint())?;
        // A cosignature has a time; 0 would mean that it has none.
        let line = self.cosigner.cosign(&signed, now.max(1));
        if log.grows_by(signed.checkpoint()) {
            let record = log.record(note, line.clone())?;
            match self.folder.save(log.origin(), &record) {
                Ok(()) => log.advance(signed.checkpoint(), record),
                Err(Unsaved::AsBefore(error)) => {
                    tracing::error!(origin = log.origin(), %error, "the record cannot be written; nothing was cosigned");
                    return Err(Refusal::Unsaved);
                }
                Err(Unsaved::Unknown(error)) => {
                    tracing::error!(origin = log.origin(), %error, "the record may not last; no more is cosigned until a restart");
                    log.halt();
                    return Err(Refusal::Halted);
                }
            }
        }
        Ok(lines(&line))
    }

    fn keep(&self, conflict: &Conflict) {
        let (origin, size) = (&conflict.origin, conflict.size);
        match self.folder.keep_evidence(conflict) {
            Ok(path) => tracing::error!(
                origin, size, evidence = %path.display(),
                "the log has signed two histories; the evidence is kept. Tell those who rely on it"
            ),
            Err(error) => tracing::error!(
                origin, size, %error,
                "the log has signed two histories, and the evidence cannot be written; free some space"
            ),
        }
    }
}

fn lines(line: &NoteSignature) -> String {
    format!("{line}\n")
}
