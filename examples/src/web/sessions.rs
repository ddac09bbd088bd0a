//! Sessions: a random token in a cookie, and what it stands for, which stays here.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ring::rand::{SecureRandom as _, SystemRandom};

/// A visitor who has been given a token; perhaps not signed in yet.
#[derive(Clone)]
pub(super) struct Session {
    /// What the cookie holds.
    pub(super) token: String,
    /// What every form that changes something holds.
    pub(super) csrf: String,
    /// Who signed in: the place in the list of people.
    pub(super) person: Option<usize>,
    until: Instant,
}

/// All sessions.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<String, Session>>);

/// No random numbers are to be had.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the operating system gives no random numbers")]
pub(super) struct NoRandom;

impl Sessions {
    /// Opens a session.
    ///
    /// # Errors
    /// [`NoRandom`].
    pub(super) fn open(&self, person: Option<usize>) -> Result<Session, NoRandom> {
        let session = Session { token: random()?, csrf: random()?, person, until: Instant::now() + LASTS };
        let mut sessions = self.lock();
        if sessions.len() >= MOST {
            let now = Instant::now();
            sessions.retain(|_, known| known.until > now && known.person.is_some());
        }
        sessions.insert(session.token.clone(), session.clone());
        Ok(session)
    }

    /// The session of a token.
    pub(super) fn find(&self, token: &str) -> Option<Session> {
        self.lock().get(token).filter(|session| session.until > Instant::now()).cloned()
    }

    /// Ends a session.
    pub(super) fn close(&self, token: &str) {
        self.lock().remove(token);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// Whether a form of this session was sent. Takes as long for a wrong token as for the right one.
    pub(super) fn accepts(&self, csrf: &str) -> bool {
        let (own, sent) = (self.csrf.as_bytes(), csrf.as_bytes());
        own.len() == sent.len() && own.iter().zip(sent).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
    }
}

/// 32 random bytes.
fn random() -> Result<String, NoRandom> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandom)?;
    Ok(saphan_schemas::b64::encode_url(bytes))
}

const LASTS: Duration = Duration::from_secs(60 * 60);
/// Those who only looked are forgotten first.
const MOST: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_accepts_its_own_token_only() {
        let sessions = Sessions::default();
        let (mine, other) = (sessions.open(Some(0)).unwrap(), sessions.open(None).unwrap());
        assert!(mine.accepts(&mine.csrf) && !mine.accepts(&other.csrf) && !mine.accepts(""));
        assert_eq!(sessions.find(&mine.token).unwrap().person, Some(0));
        sessions.close(&mine.token);
        assert!(sessions.find(&mine.token).is_none());
    }
}
