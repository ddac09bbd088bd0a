//! Entry bundles (C2SP tlog-tiles, "Log entries"): up to 256 entries, each after its length in 2 bytes, big-endian.

use super::TILE_WIDTH;

/// Bytes are not an entry bundle, or entries cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The bytes end within an entry.
    #[error("the entry bundle ends within entry {entry}: it was cut")]
    Cut {
        /// The entry, counted from 0 within the bundle.
        entry: usize,
    },
    /// More or fewer entries than there must be.
    #[error("the entry bundle holds {found} entries or more, not {expected}")]
    WrongCount {
        /// Entries that the bundle must have by its path.
        expected: u16,
        /// Entries it has; counting stops at the first too many.
        found: usize,
    },
    /// No entries, or more than 256.
    #[error("an entry bundle holds 1 to 256 entries, not {count}")]
    ImpossibleCount {
        /// The number of entries.
        count: usize,
    },
    /// An entry too long for its length field.
    #[error("an entry of {length} bytes is above the limit of 65535")]
    EntryTooLong {
        /// Bytes in the entry.
        length: usize,
    },
}

/// Writes a bundle of 1 to 256 entries.
///
/// # Errors
/// [`BundleError::ImpossibleCount`] and [`BundleError::EntryTooLong`].
pub fn encode_bundle(entries: &[impl AsRef<[u8]>]) -> Result<Vec<u8>, BundleError> {
    if !(1..=usize::from(TILE_WIDTH)).contains(&entries.len()) {
        return Err(BundleError::ImpossibleCount { count: entries.len() });
    }
    let mut bytes = Vec::with_capacity(entries.iter().map(|entry| 2 + entry.as_ref().len()).sum());
    for entry in entries {
        append_entry(&mut bytes, entry.as_ref())?;
    }
    Ok(bytes)
}

/// Reads a bundle that must hold exactly `width` entries (the `W` of its path, 256 if it is full).
///
/// # Errors
/// [`BundleError`] for anything that [`encode_bundle`] does not write.
pub fn decode_bundle(bytes: &[u8], width: u16) -> Result<Vec<&[u8]>, BundleError> {
    if !(1..=TILE_WIDTH).contains(&width) {
        return Err(BundleError::ImpossibleCount { count: width.into() });
    }
    let mut entries = Vec::with_capacity(width.into());
    let mut rest = bytes;
    while !rest.is_empty() {
        if entries.len() == usize::from(width) {
            return Err(BundleError::WrongCount { expected: width, found: entries.len() + 1 });
        }
        let cut = BundleError::Cut { entry: entries.len() };
        let (length, after) = rest.split_first_chunk::<2>().ok_or(cut)?;
        let (entry, after) = after.split_at_checked(u16::from_be_bytes(*length).into()).ok_or(cut)?;
        entries.push(entry);
        rest = after;
    }
    if entries.len() == usize::from(width) {
        return Ok(entries);
    }
    Err(BundleError::WrongCount { expected: width, found: entries.len() })
}

pub(super) fn append_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), BundleError> {
    let length = u16::try_from(entry.len()).map_err(|_| BundleError::EntryTooLong { length: entry.len() })?;
    bundle.extend(length.to_be_bytes());
    bundle.extend(entry);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bundle_is_lengths_and_entries() {
        assert_eq!(encode_bundle(&["ab", "", "c"]), Ok(b"\0\x02ab\0\0\0\x01c".to_vec()));
    }

    #[test]
    fn impossible_bundles_are_refused() {
        assert_eq!(encode_bundle(&[""; 0]), Err(BundleError::ImpossibleCount { count: 0 }));
        assert_eq!(encode_bundle(&["x"; 257]), Err(BundleError::ImpossibleCount { count: 257 }));
        assert_eq!(encode_bundle(&[vec![0; 65_536]]), Err(BundleError::EntryTooLong { length: 65_536 }));
        assert_eq!(decode_bundle(b"", 0), Err(BundleError::ImpossibleCount { count: 0 }));
        assert_eq!(decode_bundle(b"\0\0", 257), Err(BundleError::ImpossibleCount { count: 257 }));
    }

    #[test]
    fn reading_stops_at_the_first_entry_too_many() {
        assert_eq!(decode_bundle(&[0; 1000], 2), Err(BundleError::WrongCount { expected: 2, found: 3 }));
    }

    #[test]
    fn the_longest_entry_and_the_fullest_bundle_fit() {
        let entries = vec![vec![7; 65_535]; 256];
        let bytes = encode_bundle(&entries).unwrap();
        assert_eq!(decode_bundle(&bytes, 256).unwrap(), entries);
    }

    proptest! {
        #[test]
        fn a_bundle_round_trips(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 1..=256)) {
            let bytes = encode_bundle(&entries).unwrap();
            prop_assert_eq!(decode_bundle(&bytes, entries.len() as u16).unwrap(), entries);
        }

        #[test]
        fn a_cut_lengthened_or_miscounted_bundle_is_refused(
            entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..40),
            cut: prop::sample::Index,
            more in prop::collection::vec(any::<u8>(), 1..9),
        ) {
            let (bytes, width) = (encode_bundle(&entries).unwrap(), entries.len() as u16);
            prop_assert!(decode_bundle(&bytes[..cut.index(bytes.len())], width).is_err());
            prop_assert!(decode_bundle(&[bytes.clone(), more].concat(), width).is_err());
            prop_assert!(decode_bundle(&bytes, width + 1).is_err());
            prop_assert!(decode_bundle(&bytes, width - 1).is_err());
        }

        #[test]
        fn a_changed_byte_is_refused_or_changes_the_entries(
            entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..40),
            at: prop::sample::Index,
            flip in 1u8..,
        ) {
            let mut bytes = encode_bundle(&entries).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            if let Ok(changed) = decode_bundle(&bytes, entries.len() as u16) {
                prop_assert_ne!(&changed, &entries);
                prop_assert_eq!(encode_bundle(&changed).unwrap(), bytes);
            }
        }
    }
}
