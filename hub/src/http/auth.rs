//! Who calls: the short-lived token of the contract, bound to method and path, good for one request; and what its holder may do.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use saphan_schemas::auth::{AuthClaims, AuthToken, MAX_TOKEN_AGE_SECONDS, UnverifiedAuthToken};
use saphan_schemas::ids::SystemId;
use saphan_schemas::keys::{KeyId, PublicKey};
use saphan_schemas::problem::ProblemCode;
use saphan_schemas::registry::Role;

use super::ApiError;
use crate::app::App;
use crate::used_tokens::{CLOCK_SKEW_SECONDS, TokenNotNew};

/// A registered system that takes part in the exchange (role `system`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SystemCaller(pub(super) SystemId);

/// A [`SystemCaller`] whose request takes a while: its right is looked at again before anything is handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WaitingCaller {
    pub(super) system: SystemId,
    key: KeyId,
}

impl WaitingCaller {
    /// Whether the key that was shown is still good, and the system still one that takes part.
    pub(super) fn check(&self, app: &App) -> Result<(), ApiError> {
        stands(app, self.key)?;
        must_have_role(app, &self.system, Role::System)
    }
}

/// Whether the key of a session is still good, and its system still an auditor.
pub(super) fn is_still_auditor(app: &App, system: &SystemId, key: KeyId) -> Result<(), ApiError> {
    stands(app, key)?;
    must_have_role(app, system, Role::Auditor)
}

/// Whether a key that was shown is still good.
fn stands(app: &App, key: KeyId) -> Result<(), ApiError> {
    let registry = app.registry.state();
    let record = registry.key(key).ok_or_else(|| ApiError::problem(ProblemCode::KeyUnknown))?;
    record.usable_at(app.clock.now_ms() / 1000).map_err(|reason| ApiError::problem(reason.into()))
}

/// A registered system of role `auditor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AuditorCaller(pub(super) SystemId);

/// Who may look at messages: a system at its own, an auditor at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ReaderCaller {
    /// Role `system`.
    System(SystemId),
    /// Role `auditor`.
    Auditor(SystemId),
}

/// The operator, or any registered system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KnownCaller {
    /// With the operator's key, or a system of role `operator`.
    Operator,
    /// Any other system.
    System(SystemId),
}

/// The operator, or a system of the role `operator` or `auditor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Overseer;

impl FromRequestParts<Arc<App>> for SystemCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        system(bearer(parts)?, app, &Target::of(parts)).map(Self)
    }
}

impl FromRequestParts<Arc<App>> for WaitingCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let token = bearer(parts)?;
        let key = token.kid();
        Ok(Self { system: system(token, app, &Target::of(parts))?, key })
    }
}

impl FromRequestParts<Arc<App>> for AuditorCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        auditor(bearer(parts)?, app, &Target::of(parts)).map(|(system, _)| Self(system))
    }
}

impl FromRequestParts<Arc<App>> for ReaderCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let system = any_system(bearer(parts)?, app, &Target::of(parts))?;
        if has_role(app, &system, Role::Auditor) {
            return Ok(Self::Auditor(system));
        }
        must_have_role(app, &system, Role::System)?;
        Ok(Self::System(system))
    }
}

impl FromRequestParts<Arc<App>> for KnownCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let (token, target) = (bearer(parts)?, Target::of(parts));
        if let Some(key) = operator_key(app, &token) {
            return own(token, &key, app, &target).map(|()| Self::Operator);
        }
        let system = any_system(token, app, &target)?;
        Ok(if has_role(app, &system, Role::Operator) { Self::Operator } else { Self::System(system) })
    }
}

impl FromRequestParts<Arc<App>> for Overseer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let (token, target) = (bearer(parts)?, Target::of(parts));
        if let Some(key) = operator_key(app, &token) {
            return own(token, &key, app, &target).map(|()| Self);
        }
        let system = any_system(token, app, &target)?;
        if has_role(app, &system, Role::Auditor) || has_role(app, &system, Role::Operator) {
            return Ok(Self);
        }
        Err(ApiError::problem(ProblemCode::Forbidden))
    }
}

/// The key of the operator that a token says it is signed with.
fn operator_key(app: &App, token: &UnverifiedAuthToken) -> Option<PublicKey> {
    app.registry.state().operator_keys().standing().find(|key| key.id() == token.kid()).copied()
}

/// A key of the hub or of its operator signed the token for this target.
fn own(token: UnverifiedAuthToken, key: &PublicKey, app: &App, target: &Target<'_>) -> Result<(), ApiError> {
    let token = token.verify(key).map_err(|_| ApiError::problem(ProblemCode::SignatureInvalid))?;
    if token.claims().iss != app.hub.as_str() {
        return Err(ApiError::problem(ProblemCode::SenderMismatch));
    }
    accept(&token, app, target)
}

fn bearer(parts: &Parts) -> Result<UnverifiedAuthToken, ApiError> {
    let mut headers = parts.headers.get_all(AUTHORIZATION).iter();
    let header = headers.next().and_then(|value| value.to_str().ok());
    if headers.next().is_some() {
        return Err(ApiError::detailed(ProblemCode::TokenInvalid, "the request has several Authorization headers"));
    }
    // The scheme is case-insensitive (RFC 9110 section 11.1).
    let credentials = header.and_then(|value| value.split_once(' '));
    let token = credentials.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token);
    parse(token.ok_or_else(|| ApiError::problem(ProblemCode::TokenMissing))?)
}

/// A token as it was received.
pub(super) fn parse(token: &str) -> Result<UnverifiedAuthToken, ApiError> {
    UnverifiedAuthToken::parse(token).map_err(|error| ApiError::detailed(ProblemCode::TokenInvalid, error.to_string()))
}

/// What a token must be bound to.
pub(super) struct Target<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
}

impl<'a> Target<'a> {
    fn of(parts: &'a Parts) -> Self {
        Self { method: parts.method.as_str(), path: parts.uri.path() }
    }
}

/// The system, of role `system`, whose usable key signed the token for this target.
pub(super) fn system(token: UnverifiedAuthToken, app: &App, target: &Target<'_>) -> Result<SystemId, ApiError> {
    let system = any_system(token, app, target)?;
    must_have_role(app, &system, Role::System)?;
    Ok(system)
}

/// The system, of role `auditor`, whose usable key signed the token for this target; and that key.
pub(super) fn auditor(
    token: UnverifiedAuthToken,
    app: &App,
    target: &Target<'_>,
) -> Result<(SystemId, KeyId), ApiError> {
    let key = token.kid();
    let system = any_system(token, app, target)?;
    must_have_role(app, &system, Role::Auditor)?;
    Ok((system, key))
}

/// The system of any role.
fn any_system(token: UnverifiedAuthToken, app: &App, target: &Target<'_>) -> Result<SystemId, ApiError> {
    let registry = app.registry.state();
    let record = registry.key(token.kid()).ok_or_else(|| ApiError::problem(ProblemCode::KeyUnknown))?;
    let token = token.verify(&record.key.jwk).map_err(|_| ApiError::problem(ProblemCode::SignatureInvalid))?;
    record.usable_at(app.clock.now_ms() / 1000).map_err(|reason| ApiError::problem(reason.into()))?;
    if token.claims().iss != record.key.system.as_str() {
        return Err(ApiError::problem(ProblemCode::SenderMismatch));
    }
    accept(&token, app, target)?;
    app.take_request(&record.key.system)?;
    Ok(record.key.system.clone())
}

/// The hub itself: a receipt key of it signed the token for this target.
pub(super) fn hub(token: UnverifiedAuthToken, app: &App, target: &Target<'_>) -> Result<(), ApiError> {
    let registry = app.registry.state();
    let key = registry.receipt_keys().standing().find(|key| key.id() == token.kid());
    own(token, key.ok_or_else(|| ApiError::problem(ProblemCode::KeyUnknown))?, app, target)
}

fn has_role(app: &App, system: &SystemId, role: Role) -> bool {
    app.registry.state().system(system).is_some_and(|system| system.roles.contains(&role))
}

fn must_have_role(app: &App, system: &SystemId, role: Role) -> Result<(), ApiError> {
    if has_role(app, system, role) { Ok(()) } else { Err(ApiError::problem(ProblemCode::Forbidden)) }
}

/// Whether a token with a good signature is fresh and for this target; then it is used up.
fn accept(token: &AuthToken, app: &App, target: &Target<'_>) -> Result<(), ApiError> {
    let (claims, now) = (token.claims(), app.clock.now_ms() / 1000);
    check_binding(claims, app, target, now)?;
    app.used_tokens.take(token.kid(), claims.jti, claims.iat, now).map_err(|reason| match reason {
        TokenNotNew::Used => ApiError::problem(ProblemCode::TokenReplayed),
        // Its holder did nothing wrong, and has a good one in a moment.
        TokenNotNew::BeforeStart | TokenNotNew::Full => ApiError::detailed(ProblemCode::HubBusy, reason.to_string()),
    })
}

fn check_binding(claims: &AuthClaims, app: &App, target: &Target<'_>, now: u64) -> Result<(), ApiError> {
    if claims.iat.saturating_add(MAX_TOKEN_AGE_SECONDS) < now || claims.iat > now.saturating_add(CLOCK_SKEW_SECONDS) {
        return Err(ApiError::problem(ProblemCode::TokenExpired));
    }
    let wrong =
        |member: &str| ApiError::detailed(ProblemCode::TokenInvalid, format!("its {member} is of another request"));
    if claims.aud != app.hub {
        return Err(wrong("aud"));
    }
    if claims.htm != target.method {
        return Err(wrong("htm"));
    }
    if claims.htu != target.path {
        return Err(wrong("htu"));
    }
    Ok(())
}
