//! The documents of the test hub.

use std::collections::HashMap;
use std::ops::Range;

use saphan_schemas::commitment::{Committing, Salt};
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::SystemId;
use saphan_schemas::problem::ProblemCode;

use crate::hub_api::{DocumentBytes, DocumentPiece, DocumentState};

#[derive(Default)]
pub(super) struct Documents {
    uploads: HashMap<(Sha256Hash, SystemId), Upload>,
}

struct Upload {
    salt: Salt,
    media_type: String,
    len: u64,
    bytes: Vec<u8>,
}

impl Upload {
    fn is_complete(&self) -> bool {
        self.bytes.len() as u64 == self.len
    }

    fn state(&self) -> DocumentState {
        if self.is_complete() {
            DocumentState::Complete { len: self.len, media_type: self.media_type.clone() }
        } else {
            DocumentState::Uploading { offset: self.bytes.len() as u64 }
        }
    }
}

impl Documents {
    /// Takes in a piece as the real hub does; media types are not checked.
    pub(super) fn put(&mut self, system: &SystemId, piece: DocumentPiece<'_>) -> Result<DocumentState, ProblemCode> {
        let DocumentPiece { commit, salt, media_type, len, offset, bytes } = piece;
        let name = (commit, system.clone());
        if let Some(upload) = self.uploads.get(&name).filter(|upload| upload.is_complete()) {
            return Ok(upload.state());
        }
        let begin = || Upload { salt: salt.clone(), media_type: media_type.to_owned(), len, bytes: Vec::new() };
        if offset == 0 {
            self.uploads.insert(name.clone(), begin());
        }
        let upload = self.uploads.get_mut(&name).ok_or(ProblemCode::DocumentOffset)?;
        if upload.bytes.len() as u64 != offset {
            return Err(ProblemCode::DocumentOffset);
        }
        if (&upload.salt, upload.len) != (salt, len) || offset + bytes.len() as u64 > len {
            return Err(ProblemCode::DocumentMismatch);
        }
        upload.bytes.extend_from_slice(&bytes);
        let mut committing = Committing::new(&upload.salt);
        committing.update(&upload.bytes);
        if upload.is_complete() && committing.finish() != (commit, len) {
            self.uploads.remove(&name);
            return Err(ProblemCode::DocumentMismatch);
        }
        Ok(upload.state())
    }

    /// Whether a system uploaded a document, all of it.
    pub(super) fn is_of(&self, system: &SystemId, commit: Sha256Hash) -> bool {
        self.uploads.get(&(commit, system.clone())).is_some_and(Upload::is_complete)
    }

    /// A system's own upload.
    pub(super) fn upload(&self, system: &SystemId, commit: Sha256Hash) -> Option<DocumentState> {
        self.uploads.get(&(commit, system.clone())).map(Upload::state)
    }

    /// A document that is all there, whoever uploaded it.
    pub(super) fn complete(&self, commit: Sha256Hash) -> Option<DocumentState> {
        self.find(commit).map(Upload::state)
    }

    pub(super) fn read(&self, commit: Sha256Hash, range: Range<u64>) -> Option<DocumentBytes> {
        let upload = self.find(commit)?;
        let within = |position: u64| usize::try_from(position).unwrap_or(usize::MAX).min(upload.bytes.len());
        let bytes = upload.bytes.get(within(range.start)..within(range.end))?.to_vec();
        Some(DocumentBytes { salt: upload.salt.clone(), len: upload.len, bytes })
    }

    fn find(&self, commit: Sha256Hash) -> Option<&Upload> {
        self.uploads
            .iter()
            .find(|((name, _), upload)| *name == commit && upload.is_complete())
            .map(|(_, upload)| upload)
    }
}
