//! `GET` and `POST /v1/registry`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{DefaultBodyLimit, FromRequest as _, Request, State};
use axum::response::{IntoResponse, Response};
use saphan_schemas::ids::SystemId;
use saphan_schemas::problem::ProblemCode;
use saphan_schemas::registry::{Change, EntryId, UnverifiedRegistryEntry};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiError;
use super::auth::{KnownCaller, Overseer};
use super::error::JsonBody;
use crate::app::App;
use crate::limits::{CHANGES_AT_ONCE, Payer};
use crate::registry::RegistryView;

/// Signed registry entries, in this order. All are tried before the first is logged; if the store fails half-way, the same
/// file again applies the rest.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeBody {
    /// Compact JWS with `typ` `saphan-registry+jws`.
    entries: Vec<String>,
    /// The exact texts of schemas that the entries name, as far as the hub may not have them.
    #[serde(default)]
    schemas: Vec<String>,
}

/// What was applied.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChangedBody {
    /// How many entries.
    applied: usize,
}

/// What stands, for operators and auditors: keys of the hub, members, systems with their keys, services, schemas, agreements with
/// their signatures, invitations. Everybody can derive the same from the log.
#[utoipa::path(
    get, path = "/v1/registry", tag = "operators and auditors", operation_id = "registry",
    responses(
        (status = 200, description = "hub, next, hub_keys, members, systems, services, schemas, agreements, invitations", content_type = "application/json"),
        (status = "4XX", description = "A problem", content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(State(app): State<Arc<App>>, _: Overseer) -> Response {
    Json(RegistryView::new(&app.registry.state())).into_response()
}

/// Changes the registry. Each entry says by its own signature who makes the change: an operator any, a system those of its own
/// keys and its signatures under agreements. The token is any caller's. What a system brings counts, but for revocations of
/// its own keys: 60 entries at once, then one a minute.
#[utoipa::path(
    post, path = "/v1/registry", tag = "operators and systems", request_body = ChangeBody,
    responses((status = 200, body = ChangedBody), (status = "4XX", description = "A problem", content_type = "application/problem+json"))
)]
pub(super) async fn change(
    State(app): State<Arc<App>>,
    caller: KnownCaller,
    mut request: Request,
) -> Result<Json<ChangedBody>, ApiError> {
    if matches!(caller, KnownCaller::System(_)) {
        DefaultBodyLimit::max(SYSTEM_BYTES).apply(&mut request);
    }
    let JsonBody(body) = JsonBody::<ChangeBody>::from_request(request, &app).await?;
    if let KnownCaller::System(system) = caller {
        if body.entries.len() > CHANGES_AT_ONCE as usize {
            let detail = format!("a system brings at most {CHANGES_AT_ONCE} entries at once");
            return Err(ApiError::detailed(ProblemCode::RequestMalformed, detail));
        }
        let paid = match &*body.entries {
            // A request without entries is work too.
            [] => 1,
            entries => entries.iter().filter(|entry| !ends_a_key_of(&app, &system, entry)).count() as u64,
        };
        app.limits.changes.take_all(paid, &Payer::System(system), app.clock.now_ms())?;
    }
    Ok(Json(ChangedBody { applied: apply(app, body.entries, body.schemas).await? }))
}

/// Judges and logs the entries, with the texts of the schemas that they name, in a task of its own: a caller that goes away
/// half-way must not leave the change half-way.
pub(super) async fn apply(app: Arc<App>, entries: Vec<String>, schemas: Vec<String>) -> Result<usize, ApiError> {
    let change = tokio::spawn(async move {
        let _turn = app.registry_change.lock().await;
        let now = app.clock.now_ms() / 1000;
        let before = app.registry.state();
        let changed = app.registry.change(&entries, &schemas, now, &app.ledger, &*app.store).await;
        // A system that joined has an inbox at once.
        app.wakeups.relay().notify_one();
        if !before.has_the_hub_keys_of(&app.registry.state()) {
            app.take_up_keys().await;
        }
        changed
    });
    Ok(change.await.map_err(|_| ApiError::problem(ProblemCode::Internal))??)
}

/// Whether a system revokes a key of its own with this entry. That costs nothing, or a thief of one key could spend what its owner
/// needs to revoke it; and there are no more of them than keys that stand.
fn ends_a_key_of(app: &App, system: &SystemId, entry: &str) -> bool {
    let Ok(entry) = UnverifiedRegistryEntry::parse(entry) else { return false };
    let Change::Revoked(EntryId::Key(kid)) = entry.claims().change else { return false };
    let registry = app.registry.state();
    let stands = registry.key(kid).is_some_and(|record| record.key.system == *system && record.revoked.is_none());
    stands && registry.admits(&entry, app.clock.now_ms() / 1000).is_ok()
}

/// For what a system changes: some signed entries.
const SYSTEM_BYTES: usize = 64 << 10;
