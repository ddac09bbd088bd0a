//! Who is signed in: a random token in a cookie, and what it stands for, which stays here and ends with the process.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ring::rand::{SecureRandom as _, SystemRandom};
use saphan_schemas::b64;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::SystemId;
use saphan_schemas::keys::KeyId;

/// An auditor who signed in.
#[derive(Clone)]
pub(crate) struct Session {
    /// Who.
    pub(crate) auditor: SystemId,
    /// The key that signed the token: the session ends with it.
    pub(crate) key: KeyId,
    /// What every form of this session holds.
    pub(crate) csrf: String,
    /// In milliseconds since 1970, as all times here.
    begun: u64,
    seen: u64,
}

/// What the cookie holds: 256 random bits, base64url.
pub(crate) struct SessionToken(String);

/// Why no session begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoSession {
    /// No random numbers are to be had.
    #[error("the operating system gives no random numbers")]
    NoRandom,
    /// There are as many as there may be.
    #[error("{MOST} auditors are signed in")]
    Full,
}

/// All sessions, by the hash of their tokens: who could read this memory's keys could not use them, and how long a look takes says
/// nothing about a token.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<Sha256Hash, Session>>);

impl SessionToken {
    /// Its text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Sessions {
    /// Begins a session. An auditor has a few; one more ends the one that was used least lately.
    ///
    /// # Errors
    /// [`NoSession`].
    pub(crate) fn begin(&self, auditor: SystemId, key: KeyId, now: u64) -> Result<SessionToken, NoSession> {
        let token = random()?;
        let session = Session { auditor, key, csrf: random()?, begun: now, seen: now };
        let mut sessions = self.lock();
        sessions.retain(|_, known| known.is_alive(now));
        let mut own: Vec<(u64, Sha256Hash)> = sessions
            .iter()
            .filter(|(_, known)| known.auditor == session.auditor)
            .map(|(hash, known)| (known.seen, *hash))
            .collect();
        own.sort_unstable_by_key(|(seen, _)| *seen);
        for (_, hash) in own.iter().take((own.len() + 1).saturating_sub(MOST_OF_ONE)) {
            sessions.remove(hash);
        }
        if sessions.len() >= MOST {
            return Err(NoSession::Full);
        }
        sessions.insert(Sha256Hash::of(token.as_bytes()), session);
        Ok(SessionToken(token))
    }

    /// The session of a token, which is used now.
    pub(crate) fn find(&self, token: &str, now: u64) -> Option<Session> {
        let (mut sessions, hash) = (self.lock(), Sha256Hash::of(token.as_bytes()));
        let session = sessions.get_mut(&hash)?;
        if !session.is_alive(now) {
            sessions.remove(&hash);
            return None;
        }
        session.seen = now;
        Some(session.clone())
    }

    /// Ends a session.
    pub(crate) fn end(&self, token: &str) {
        self.lock().remove(&Sha256Hash::of(token.as_bytes()));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Sha256Hash, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sessions({})", self.lock().len())
    }
}

impl Session {
    /// Whether a form of this session was sent. Takes as long for a wrong token as for the right one.
    pub(crate) fn accepts(&self, csrf: &str) -> bool {
        let (own, sent) = (self.csrf.as_bytes(), csrf.as_bytes());
        own.len() == sent.len() && own.iter().zip(sent).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
    }

    const fn is_alive(&self, now: u64) -> bool {
        now.saturating_sub(self.begun) < LASTS && now.saturating_sub(self.seen) < IDLE
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({})", self.auditor)
    }
}

fn random() -> Result<String, NoSession> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoSession::NoRandom)?;
    Ok(b64::encode_url(bytes))
}

/// How long a session lasts at most, in seconds.
pub(crate) const LASTS_SECONDS: u64 = 8 * 60 * 60;
const LASTS: u64 = LASTS_SECONDS * 1000;
/// How long it lasts without being used.
const IDLE: u64 = 30 * 60 * 1000;
const MOST: usize = 1024;
const MOST_OF_ONE: usize = 8;

#[cfg(test)]
mod tests {
    use saphan_schemas::keys::SigningKey;

    use super::*;

    const NOW: u64 = 1_795_543_200_000;
    const MINUTE: u64 = 60_000;

    fn auditor(name: &str) -> SystemId {
        format!("th.oag/{name}").parse().unwrap()
    }

    fn key() -> KeyId {
        SigningKey::generate().unwrap().0.id()
    }

    #[test]
    fn a_session_ends_when_it_is_not_used_and_at_its_end_whatever_it_is_used_for() {
        let sessions = Sessions::default();
        let idle = sessions.begin(auditor("a"), key(), NOW).unwrap();
        let busy = sessions.begin(auditor("a"), key(), NOW).unwrap();
        for minute in (0..480).step_by(29) {
            assert!(sessions.find(busy.as_str(), NOW + minute * MINUTE).is_some(), "{minute}");
        }
        assert!(sessions.find(idle.as_str(), NOW + 30 * MINUTE).is_none());
        assert!(sessions.find(busy.as_str(), NOW + 479 * MINUTE).is_some());
        assert!(sessions.find(busy.as_str(), NOW + 480 * MINUTE).is_none());
        assert_eq!(format!("{sessions:?}"), "Sessions(0)");
    }

    #[test]
    fn of_one_auditors_sessions_the_one_used_least_lately_ends_and_others_stay() {
        let (sessions, key) = (Sessions::default(), key());
        let other = sessions.begin(auditor("b"), key, NOW).unwrap();
        let first = sessions.begin(auditor("a"), key, NOW).unwrap();
        let second = sessions.begin(auditor("a"), key, NOW + 1).unwrap();
        sessions.find(first.as_str(), NOW + 2).unwrap();
        for more in 0..MOST_OF_ONE as u64 - 1 {
            sessions.begin(auditor("a"), key, NOW + 3 + more).unwrap();
        }
        assert!(sessions.find(second.as_str(), NOW + 20).is_none());
        assert!(sessions.find(first.as_str(), NOW + 20).is_some());
        assert!(sessions.find(other.as_str(), NOW + 20).is_some());
    }

    #[test]
    fn there_are_never_more_than_the_bound_and_room_comes_back() {
        let (sessions, key) = (Sessions::default(), key());
        for number in 0..MOST {
            sessions.begin(auditor(&format!("a{number}")), key, NOW).unwrap();
        }
        assert_eq!(sessions.begin(auditor("b"), key, NOW).map(drop), Err(NoSession::Full));
        sessions.begin(auditor("b"), key, NOW + 30 * MINUTE).unwrap();
    }

    #[test]
    fn a_session_accepts_forms_of_its_own_only_and_debug_shows_no_secret() {
        let sessions = Sessions::default();
        let tokens = [sessions.begin(auditor("a"), key(), NOW), sessions.begin(auditor("a"), key(), NOW)];
        let [mine, other] = tokens.map(|token| sessions.find(token.unwrap().as_str(), NOW).unwrap());
        assert!(mine.accepts(&mine.csrf) && !mine.accepts(&other.csrf) && !mine.accepts(""));
        assert_eq!(format!("{mine:?}"), "Session(th.oag/a)");
        sessions.end("unknown");
    }
}
