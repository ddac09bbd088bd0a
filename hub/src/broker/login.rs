//! How the hub itself logs in at the broker: with a token of its own, made anew each time. No password is kept anywhere.

use std::fmt;
use std::sync::Arc;

use saphan_schemas::auth::AuthClaims;
use saphan_schemas::ids::HubId;
use saphan_schemas::jws::{SignError, Signed};
use saphan_schemas::keys::KeyError;
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::ledger::LedgerKeys;

/// Makes the hub's logins. The receipt key signs them; their `typ` keeps them apart from receipts.
#[derive(Clone)]
pub struct HubLogin {
    hub: HubId,
    keys: watch::Receiver<Arc<LedgerKeys>>,
    clock: Arc<dyn Clock>,
}

/// A name and a password that are good for one login within a minute.
pub struct Credentials {
    /// The hub's name.
    pub user: String,
    /// The token.
    pub password: Zeroizing<String>,
}

impl HubLogin {
    /// Logins of this hub, with the key that signs receipts at the moment.
    #[must_use]
    pub const fn new(hub: HubId, keys: watch::Receiver<Arc<LedgerKeys>>, clock: Arc<dyn Clock>) -> Self {
        Self { hub, keys, clock }
    }

    /// The name that the hub has at the broker.
    #[must_use]
    pub fn user(&self) -> &str {
        self.hub.as_str()
    }

    /// Credentials for the next login.
    ///
    /// # Errors
    /// [`SignError`]: the key cannot be used.
    pub async fn fresh(&self) -> Result<Credentials, SignError> {
        let claims = AuthClaims::for_broker(self.user().to_owned(), self.hub.clone(), self.clock.now_ms() / 1000);
        let key = Arc::clone(&self.keys.borrow().receipts);
        let token = if key.waits() {
            let ended = |_| KeyError::Unavailable { reason: "the thread that asked it ended abnormally" };
            tokio::task::spawn_blocking(move || Signed::sign(claims, &*key)).await.map_err(ended)??
        } else {
            Signed::sign(claims, &*key)?
        };
        Ok(Credentials { user: self.user().to_owned(), password: Zeroizing::new(token.as_str().to_owned()) })
    }
}

impl fmt::Debug for HubLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubLogin").field("user", &self.user()).finish_non_exhaustive()
    }
}
