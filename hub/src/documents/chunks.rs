//! How a document is encrypted: in chunks, so that it never has to be held whole and ranges can be read.
//!
//! The construction is STREAM (Hoang, Reyhanitabar, Rogaway, Vizár: Online Authenticated-Encryption and its Nonce-Reuse
//! Misuse-Resistance, CRYPTO 2015) on AES-256-GCM: a chunk's nonce is a random prefix of 7 bytes, the number of the chunk in its
//! document (4 bytes, big-endian), and 1 for the last chunk of the document, 0 for others. The chunk is bound to the document as
//! well. So none can be changed, left out, moved, taken from another document, or be the end that it is not.
//!
//! The prefix is new for every part that is stored, because a part that was not confirmed may come again with other bytes, and no
//! nonce may ever be used twice.

use ring::rand::{SecureRandom as _, SystemRandom};

use crate::sealing::{Binding, DataKey, SealError, TAG_BYTES};
use crate::store::{DocumentId, DocumentRecord, Part};

/// What is needed to seal and open the chunks of a document.
#[derive(Debug)]
pub(super) struct Chunks {
    key: DataKey,
    document: DocumentId,
    /// The document's length.
    len: u64,
    /// A chunk's length.
    chunk: u64,
}

impl Chunks {
    pub(super) fn new(key: DataKey, record: &DocumentRecord) -> Self {
        Self { key, document: record.id, len: record.len, chunk: u64::from(record.chunk) }
    }

    pub(super) const fn key(&self) -> &DataKey {
        &self.key
    }

    /// How long a chunk is, except the last.
    pub(super) const fn chunk(&self) -> u64 {
        self.chunk
    }

    /// Seals the chunks of a part in place.
    pub(super) fn seal(&self, part: &Part, chunks: &mut [Vec<u8>]) -> Result<(), SealError> {
        let first = part.position / self.chunk;
        for (number, chunk) in (first..).zip(chunks) {
            let (nonce, binding) = self.place(part, number)?;
            self.key.seal_at(nonce, &binding, chunk)?;
        }
        Ok(())
    }

    /// Opens a chunk by its number in the document.
    pub(super) fn open(&self, part: &Part, number: u64, mut sealed: Vec<u8>) -> Result<Vec<u8>, SealError> {
        let (nonce, binding) = self.place(part, number)?;
        let len = self.key.open_at(nonce, &binding, &mut sealed)?.len();
        sealed.truncate(len);
        Ok(sealed)
    }

    /// Where in the object of its part a chunk is.
    pub(super) fn range(&self, part: &Part, number: u64) -> std::ops::Range<u64> {
        let sealed = self.chunk + TAG_BYTES as u64;
        let within = number - part.position / self.chunk;
        let chunks_before = within * sealed;
        let object = part.len + part.len.div_ceil(self.chunk) * TAG_BYTES as u64;
        chunks_before..(chunks_before + sealed).min(object)
    }

    fn place(&self, part: &Part, number: u64) -> Result<([u8; 12], Binding), SealError> {
        let is_last = u8::from((number + 1).saturating_mul(self.chunk) >= self.len);
        let number = u32::try_from(number).map_err(|_| SealError::Broken)?.to_be_bytes();
        let mut nonce = [is_last; 12];
        nonce[..7].copy_from_slice(&part.prefix);
        nonce[7..11].copy_from_slice(&number);
        let which: [&[u8]; 3] = [self.document.as_bytes(), &number, &[is_last]];
        Ok((nonce, Binding::new("document-chunk-1", &which)))
    }
}

/// A prefix that no part has had.
pub(super) fn new_prefix() -> Result<[u8; 7], SealError> {
    let mut prefix = [0; 7];
    SystemRandom::new().fill(&mut prefix).map_err(|_| SealError::NoRandomness)?;
    Ok(prefix)
}

/// What the key of a document is wrapped for.
pub(super) fn key_binding(document: DocumentId) -> Binding {
    Binding::new("document-key-1", &[document.as_bytes()])
}

/// What the salt of a document is sealed for.
pub(super) fn salt_binding(document: DocumentId) -> Binding {
    Binding::new("document-salt-1", &[document.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: u64 = 4;

    fn chunks(len: u64) -> Chunks {
        let document = DocumentId::generate().unwrap();
        Chunks { key: DataKey::generate().unwrap(), document, len, chunk: CHUNK }
    }

    fn part(position: u64, len: u64) -> Part {
        Part { number: 0, position, len, prefix: new_prefix().unwrap() }
    }

    #[test]
    fn a_chunk_opens_at_its_own_place_only() {
        let all = chunks(10);
        let part = part(0, 10);
        let mut sealed = [b"abcd".to_vec(), b"efgh".to_vec(), b"ij".to_vec()];
        all.seal(&part, &mut sealed).unwrap();
        assert_eq!(all.open(&part, 0, sealed[0].clone()).unwrap(), b"abcd");
        assert_eq!(all.open(&part, 2, sealed[2].clone()).unwrap(), b"ij");
        assert_eq!(all.open(&part, 1, sealed[0].clone()), Err(SealError::Broken), "moved");
        let other = Part { prefix: new_prefix().unwrap(), ..part.clone() };
        assert_eq!(all.open(&other, 0, sealed[0].clone()), Err(SealError::Broken), "of an earlier try");
        let shorter = Chunks { len: 8, document: all.document, chunk: CHUNK, key: all.key };
        assert_eq!(shorter.open(&part, 1, sealed[1].clone()), Err(SealError::Broken), "not the end");
        assert_eq!(shorter.open(&part, 0, sealed[0].clone()).unwrap(), b"abcd");
        let elsewhere = Chunks { document: DocumentId::generate().unwrap(), ..shorter };
        assert_eq!(elsewhere.open(&part, 0, sealed[0].clone()), Err(SealError::Broken), "of another document");
    }

    #[test]
    fn the_ranges_of_chunks_fill_the_object_of_their_part() {
        let all = chunks(18);
        let part = part(8, 10);
        let ranges: Vec<_> = (2..5).map(|number| all.range(&part, number)).collect();
        assert_eq!(ranges, [0..20, 20..40, 40..58]);
    }
}
