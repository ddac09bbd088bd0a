//! Why a token proves nothing.

/// What is wrong with a token. In the order in which it is looked for: the first that is found is told. What is signed is read only
/// once its signature holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimestampFault {
    /// Not a token of RFC 3161, or one with more than Saphan reads.
    #[error("it is not a timestamp token that can be read: {what}")]
    Malformed {
        /// The part that cannot be read.
        what: &'static str,
    },
    /// Changed, or not signed by the certificate that it names.
    #[error("it was changed, or not signed with the certificate that it names: {what}")]
    Signature {
        /// The part that does not fit.
        what: &'static str,
    },
    /// It is for something else.
    #[error("it is the timestamp of something else: the hash in it is another one")]
    OtherImprint,
    /// A certificate that is not for timestamps, which RFC 3161 section 2.3 demands.
    #[error("it is signed with a certificate that is not for timestamps alone, or does not say so critically")]
    NotForTimestamps,
    /// At the token's time a certificate was not yet, or not any longer, valid.
    #[error("a certificate was not valid at the time in it: {reason}")]
    Expired {
        /// What the library says.
        reason: String,
    },
    /// No trusted authority stands for it.
    #[error("no trusted authority stands for it: {reason}")]
    Untrusted {
        /// What the library says.
        reason: String,
    },
    /// Its time is before that of an entry which its checkpoint covers: one of the two clocks was wrong, or one of the two times is made
    /// up.
    #[error("by its time, {time} s after 1970, an entry that it covers was not logged yet: that was at {logged}")]
    Early {
        /// Its time, in seconds since 1970.
        time: u64,
        /// When the entry was logged, by the hub's clock in seconds since 1970.
        logged: u64,
    },
}

impl TimestampFault {
    /// The name of what is wrong, for programs.
    #[must_use]
    pub const fn class(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "malformed-timestamp",
            Self::OtherImprint => "other-timestamp",
            Self::Signature { .. } => "changed-timestamp",
            Self::NotForTimestamps => "not-for-timestamps",
            Self::Expired { .. } => "expired-timestamp",
            Self::Untrusted { .. } => "untrusted-timestamp",
            Self::Early { .. } => "early-timestamp",
        }
    }
}

impl From<Unread> for TimestampFault {
    fn from(Unread(what): Unread) -> Self {
        Self::Malformed { what }
    }
}

/// A part that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unread(pub(crate) &'static str);

/// Names the part that a library cannot read. Its own words would tell offsets, which help nobody.
pub(crate) const fn unread<E>(what: &'static str) -> impl FnOnce(E) -> Unread {
    move |_| Unread(what)
}
