//! Which request tokens were used: each is good for one request.
//!
//! A token is remembered for as long as it could be good. The memory is this process's: a token that was signed before the
//! process started may have been used before, so it is not accepted at all.

use std::collections::HashSet;
use std::mem;
use std::sync::{Mutex, PoisonError};

use saphan_schemas::auth::MAX_TOKEN_AGE_SECONDS;
use saphan_schemas::ids::MessageId;
use saphan_schemas::keys::KeyId;

/// Clocks of two machines that both ask the time of the network differ by far less.
pub const CLOCK_SKEW_SECONDS: u64 = 10;

/// The tokens used of late.
#[derive(Debug)]
pub struct UsedTokens {
    /// Seconds since 1970.
    started: u64,
    generations: Mutex<Generations>,
}

/// Tokens are forgotten a whole generation at a time: each was good for less than a generation lasts.
#[derive(Debug)]
struct Generations {
    since: u64,
    current: HashSet<(KeyId, MessageId)>,
    previous: HashSet<(KeyId, MessageId)>,
}

/// Why a token is not accepted, though it is good in itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenNotNew {
    /// It was used.
    #[error("the token was used before")]
    Used,
    /// It was signed before this process started.
    #[error("the hub started after the token was signed; sign a fresh one")]
    BeforeStart,
    /// No room to remember it.
    #[error("as many tokens were used within a minute as can be remembered")]
    Full,
}

impl UsedTokens {
    /// None, at `now` (seconds since 1970).
    #[must_use]
    pub fn new(now: u64) -> Self {
        let generations = Generations { since: now, current: HashSet::new(), previous: HashSet::new() };
        Self { started: now, generations: Mutex::new(generations) }
    }

    /// Uses a token up, at `now`, that was signed at `iat` (both in seconds since 1970).
    ///
    /// # Errors
    /// [`TokenNotNew`].
    pub fn take(&self, key: KeyId, token: MessageId, iat: u64, now: u64) -> Result<(), TokenNotNew> {
        if iat < self.started {
            return Err(TokenNotNew::BeforeStart);
        }
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if now >= generations.since + GENERATION_SECONDS {
            // Two generations without a call: nothing that was good then is good now.
            let stale = now >= generations.since + 2 * GENERATION_SECONDS;
            generations.previous = if stale { HashSet::new() } else { mem::take(&mut generations.current) };
            generations.current = HashSet::new();
            generations.since = now;
        }
        if generations.previous.contains(&(key, token)) {
            return Err(TokenNotNew::Used);
        }
        if generations.current.len() >= MOST_TOKENS {
            return Err(TokenNotNew::Full);
        }
        if generations.current.insert((key, token)) { Ok(()) } else { Err(TokenNotNew::Used) }
    }
}

/// From the earliest moment at which a token may be used (its clock is ahead) to the last.
const GENERATION_SECONDS: u64 = MAX_TOKEN_AGE_SECONDS + CLOCK_SKEW_SECONDS + 1;

/// 64 bytes each, so 32 MiB a generation at most: 7,000 requests a second, which connectors send as batches.
const MOST_TOKENS: usize = 1 << 19;

#[cfg(test)]
mod tests {
    use saphan_schemas::keys::SigningKey;

    use super::*;

    const NOW: u64 = 1_000_000;

    #[test]
    fn a_token_is_used_once_for_as_long_as_it_is_good() {
        let tokens = UsedTokens::new(NOW);
        let (key, token) = (SigningKey::generate().unwrap().0.id(), MessageId::new());
        assert_eq!(tokens.take(key, token, NOW, NOW), Ok(()));
        for later in 0..=MAX_TOKEN_AGE_SECONDS + CLOCK_SKEW_SECONDS {
            assert_eq!(tokens.take(key, token, NOW, NOW + later), Err(TokenNotNew::Used), "{later} s later");
            // Others are used all the while.
            assert_eq!(tokens.take(key, MessageId::new(), NOW + later, NOW + later), Ok(()));
        }
    }

    #[test]
    fn a_token_from_before_the_start_is_not_accepted() {
        let tokens = UsedTokens::new(NOW);
        let key = SigningKey::generate().unwrap().0.id();
        assert_eq!(tokens.take(key, MessageId::new(), NOW - 1, NOW), Err(TokenNotNew::BeforeStart));
    }

    #[test]
    fn memory_is_bounded_and_comes_back() {
        let tokens = UsedTokens::new(NOW);
        let key = SigningKey::generate().unwrap().0.id();
        let (mut taken, mut now) = (0, NOW);
        while tokens.take(key, MessageId::new(), NOW, now).is_ok() {
            taken += 1;
        }
        assert_eq!(taken, MOST_TOKENS);
        now += GENERATION_SECONDS;
        assert_eq!(tokens.take(key, MessageId::new(), now, now), Ok(()));
    }
}
