//! Request authentication: a short-lived token of the calling system, bound to one method and path.

use serde::{Deserialize, Serialize};

use crate::ids::{HubId, MessageId};
use crate::jws::{Claims, Signed, Unverified};

/// A verified token.
pub type AuthToken = Signed<AuthClaims>;
/// A token as it was received.
pub type UnverifiedAuthToken = Unverified<AuthClaims>;

/// The oldest accepted token, in seconds.
pub const MAX_TOKEN_AGE_SECONDS: u64 = 60;

/// The method that a token for the broker is bound to; its path is `/` and the virtual host.
pub const BROKER_METHOD: &str = "AMQP";

/// The exchange's virtual host at the broker, as a token for it names it.
pub const BROKER_PATH: &str = "/saphan";

/// The method that a token for the auditors' console is bound to.
pub const CONSOLE_METHOD: &str = "POST";

/// The path that a token for the auditors' console is bound to: where it opens a session.
pub const CONSOLE_PATH: &str = "/console/session";

/// What a token says (RFC 7519; `htm` and `htu` after RFC 9449 section 4.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthClaims {
    /// The caller: a system id, or the hub's own id for its operator.
    pub iss: String,
    /// The hub.
    pub aud: HubId,
    /// The token's own id.
    pub jti: MessageId,
    /// When it was signed, in seconds since 1970.
    pub iat: u64,
    /// The HTTP method, e.g. `POST`; at the broker [`BROKER_METHOD`].
    pub htm: String,
    /// The request's path without query, e.g. `/v1/inbox/lease`. The hub is named by `aud`, so no host: hubs stand
    /// behind proxies that change it. At the broker [`BROKER_PATH`].
    pub htu: String,
}

impl AuthClaims {
    /// Of a new token of this issuer for one request at a hub, signed at `now` (seconds since 1970).
    #[must_use]
    pub fn new(issuer: String, hub: HubId, now: u64, method: &str, path: &str) -> Self {
        Self { iss: issuer, aud: hub, jti: MessageId::new(), iat: now, htm: method.to_owned(), htu: path.to_owned() }
    }

    /// Of a new token for one login at the broker.
    #[must_use]
    pub fn for_broker(issuer: String, hub: HubId, now: u64) -> Self {
        Self::new(issuer, hub, now, BROKER_METHOD, BROKER_PATH)
    }
}

impl Claims for AuthClaims {
    const TYP: &'static str = "saphan-auth+jwt";
    const CTY: Option<&'static str> = None;
    const MAX_BYTES: usize = 2 * 1024;
}
