//! How the entries of a bundle differ from the hashes that the log publishes for them.

use saphan_schemas::digest::Sha256Hash;

/// What somebody did to a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrangement {
    /// An entry or its hash was changed.
    Changed,
    /// The same entries stand in another order.
    Reordered,
    /// An entry is missing, and those behind it moved up.
    Missing,
    /// An entry stands there twice.
    Duplicated,
}

impl Arrangement {
    /// From the hashes of the entries as served, and those in the tile of leaf hashes; of the same number.
    pub(super) fn of(served: &[Sha256Hash], published: &[Sha256Hash]) -> Self {
        let sorted = |hashes: &[Sha256Hash]| {
            let mut hashes = hashes.to_vec();
            hashes.sort_unstable();
            hashes
        };
        let (served_set, published_set) = (sorted(served), sorted(published));
        if served_set == published_set {
            return Self::Reordered;
        }
        // Two entries with one hash are one entry; a log may hold that only if it publishes it.
        let twice = |set: &[Sha256Hash]| set.windows(2).filter(|pair| pair[0] == pair[1]).count();
        if twice(&served_set) > twice(&published_set) {
            return Self::Duplicated;
        }
        let first = served.iter().zip(published).position(|(served, published)| served != published);
        let moved_up = |at: usize| {
            let rest = served.get(at..served.len() - 1).unwrap_or_default();
            !rest.is_empty() && published.get(at + 1..) == Some(rest)
        };
        if first.is_some_and(moved_up) { Self::Missing } else { Self::Changed }
    }

    /// It in words.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Changed => "the entry or its hash was changed",
            Self::Reordered => "the same entries stand in another order",
            Self::Missing => "an entry is missing, and those behind it moved up",
            Self::Duplicated => "an entry stands there twice",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes(names: &str) -> Vec<Sha256Hash> {
        names.bytes().map(|name| Sha256Hash::of(&[name])).collect()
    }

    #[test]
    fn what_was_done_to_a_bundle_is_told_from_its_hashes() {
        for (served, expected) in [
            ("abXd", Arrangement::Changed),
            ("abcX", Arrangement::Changed),
            ("Xbcd", Arrangement::Changed),
            ("acbd", Arrangement::Reordered),
            ("dabc", Arrangement::Reordered),
            ("acdX", Arrangement::Missing),
            ("bcdX", Arrangement::Missing),
            ("aabc", Arrangement::Duplicated),
            ("abcc", Arrangement::Duplicated),
        ] {
            assert_eq!(Arrangement::of(&hashes(served), &hashes("abcd")), expected, "{served}");
        }
    }
}
