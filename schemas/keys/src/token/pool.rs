//! Open sessions, a bounded number: a session does one thing at a time, and tokens have few.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::error::TokenError;
use super::session::{OpenSession, Opener};
use crate::source::TokenKey;

pub(super) struct Pool {
    opener: Opener,
    sessions: Mutex<Sessions>,
    returned: Condvar,
}

struct Sessions {
    idle: Vec<OpenSession>,
    /// Those that are open, idle or at work.
    open: usize,
}

impl Pool {
    pub(super) const fn key(&self) -> &TokenKey {
        self.opener.key()
    }

    pub(super) fn new(opener: Opener, first: OpenSession) -> Self {
        let sessions = Mutex::new(Sessions { idle: vec![first], open: 1 });
        Self { opener, sessions, returned: Condvar::new() }
    }

    /// An idle session, a new one, or, when there are as many as may be, the next that comes back.
    pub(super) fn take(&self) -> Result<OpenSession, TokenError> {
        let mut sessions = self.lock();
        loop {
            if let Some(session) = sessions.idle.pop() {
                return Ok(session);
            }
            if sessions.open < MOST {
                sessions.open += 1;
                break;
            }
            sessions = self.returned.wait(sessions).unwrap_or_else(PoisonError::into_inner);
        }
        drop(sessions);
        self.opener.open().inspect_err(|_| self.closed(1))
    }

    pub(super) fn give_back(&self, session: OpenSession) {
        self.lock().idle.push(session);
        self.returned.notify_one();
    }

    /// This session is lost, and those that wait are so too, most likely.
    pub(super) fn forget(&self, session: OpenSession) {
        let idle = std::mem::take(&mut self.lock().idle);
        let count = idle.len() + 1;
        drop((session, idle));
        self.closed(count);
    }

    fn closed(&self, count: usize) {
        self.lock().open -= count;
        self.returned.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// More than a token does at once, and fewer than any has.
const MOST: usize = 8;
