//! Who calls: the short-lived token of the contract, bound to method and path.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use saphan_schemas::auth::{AuthClaims, MAX_TOKEN_AGE_SECONDS, UnverifiedAuthToken};
use saphan_schemas::ids::SystemId;
use saphan_schemas::problem::ProblemCode;

use super::ApiError;
use crate::app::App;

/// A registered system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SystemCaller(pub(super) SystemId);

/// The hub's operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OperatorCaller;

impl FromRequestParts<Arc<App>> for SystemCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        system(bearer(parts)?, app, &Target::of(parts)).map(Self)
    }
}

impl FromRequestParts<Arc<App>> for OperatorCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let token = bearer(parts)?;
        let registry = app.registry.state();
        if token.kid() != registry.operator().id() || token.claims().iss != app.hub.as_str() {
            return Err(ApiError::problem(ProblemCode::Forbidden));
        }
        let token = token.verify(registry.operator()).map_err(|_| ApiError::problem(ProblemCode::SignatureInvalid))?;
        check_binding(token.claims(), app, &Target::of(parts), app.clock.now_ms() / 1000)?;
        Ok(Self)
    }
}

/// The operator or any registered system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KnownCaller;

impl FromRequestParts<Arc<App>> for KnownCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        if bearer(parts)?.kid() == app.registry.state().operator().id() {
            OperatorCaller::from_request_parts(parts, app).await?;
        } else {
            SystemCaller::from_request_parts(parts, app).await?;
        }
        Ok(Self)
    }
}

fn bearer(parts: &Parts) -> Result<UnverifiedAuthToken, ApiError> {
    let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
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

/// The system whose usable key signed the token for this target.
pub(super) fn system(token: UnverifiedAuthToken, app: &App, target: &Target<'_>) -> Result<SystemId, ApiError> {
    let registry = app.registry.state();
    let record = registry.key(token.kid()).ok_or_else(|| ApiError::problem(ProblemCode::KeyUnknown))?;
    let token = token.verify(&record.key.jwk).map_err(|_| ApiError::problem(ProblemCode::SignatureInvalid))?;
    let now = app.clock.now_ms() / 1000;
    record.usable_at(now).map_err(|reason| ApiError::problem(reason.into()))?;
    if token.claims().iss != record.key.system.as_str() {
        return Err(ApiError::problem(ProblemCode::SenderMismatch));
    }
    check_binding(token.claims(), app, target, now)?;
    Ok(record.key.system.clone())
}

/// The hub itself: a receipt key of it signed the token for this target.
pub(super) fn hub(token: UnverifiedAuthToken, app: &App, target: &Target<'_>) -> Result<(), ApiError> {
    let registry = app.registry.state();
    let key = registry.receipt_keys().standing().find(|key| key.id() == token.kid());
    let key = key.ok_or_else(|| ApiError::problem(ProblemCode::KeyUnknown))?;
    let token = token.verify(key).map_err(|_| ApiError::problem(ProblemCode::SignatureInvalid))?;
    if token.claims().iss != app.hub.as_str() {
        return Err(ApiError::problem(ProblemCode::SenderMismatch));
    }
    check_binding(token.claims(), app, target, app.clock.now_ms() / 1000)
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

/// Clocks of two machines that both ask the time of the network differ by far less.
const CLOCK_SKEW_SECONDS: u64 = 10;
