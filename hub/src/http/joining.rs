//! `GET /v1/invitations/{id}`, `POST /v1/join`, `GET /v1/trust` and its entries: how a system gets its first key into the
//! registry, and what it needs to know about the hub.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use saphan_schemas::invitation::InvitationId;
use saphan_schemas::joining::{InvitationBody, JoinRequest};
use saphan_schemas::leaf::Leaf;
use saphan_schemas::problem::ProblemCode;
use saphan_schemas::registry::{RegistryState, UnverifiedRegistryEntry};
use saphan_schemas::trust::{EndedKey, TrustBundle, TrustEntries, TrustEntry};

use super::ApiError;
use super::error::{JsonBody, PathPart};
use super::registry::apply;
use crate::app::App;
use crate::registry::ChangeError;
use crate::shards::Located;

/// What an invitation is for. Its id is derived from its code, so only who has the code, or read the log, can ask.
#[utoipa::path(
    get, path = "/v1/invitations/{id}", tag = "anyone", operation_id = "invitation", params(("id" = String, Path)),
    responses(
        (status = 200, description = "hub, system, transport, used_by", content_type = "application/json"),
        (status = 403, description = "A problem: no such invitation, or used, or expired", content_type = "application/problem+json"),
    )
)]
pub(super) async fn invitation(
    State(app): State<Arc<App>>,
    PathPart(id): PathPart<String>,
) -> Result<Json<InvitationBody>, ApiError> {
    let refused = || ApiError::problem(ProblemCode::InvitationInvalid);
    let id: InvitationId = id.parse().map_err(|_| refused())?;
    let registry = app.registry.state();
    let now = app.clock.now_ms() / 1000;
    let standing = registry.invitation(id).filter(|invitation| now < invitation.not_after);
    let joined = registry.joined_with(id);
    let system = standing.map(|invitation| &invitation.system).or(joined.map(|record| &record.key.system));
    let system = system.and_then(|system| registry.system(system)).ok_or_else(refused)?;
    Ok(Json(InvitationBody {
        hub: app.hub.clone(),
        system: system.id.clone(),
        transport: system.transport,
        used_by: joined.map(|record| record.key.jwk.id()),
    }))
}

/// Registers a system's first key. The entry is its own authentication: it is signed by the key that it adds, and with the
/// invitation's code.
#[utoipa::path(
    post, path = "/v1/join", tag = "anyone", operation_id = "join", request_body(content = Object, description = "entry: a compact JWS"),
    responses(
        (status = 200, description = "What to trust from now on, as GET /v1/trust", content_type = "application/json"),
        (status = "4XX", description = "A problem", content_type = "application/problem+json"),
    )
)]
pub(super) async fn join(
    State(app): State<Arc<App>>,
    JsonBody(JoinRequest { entry }): JsonBody<JoinRequest>,
) -> Result<Json<TrustBundle>, ApiError> {
    let invited = UnverifiedRegistryEntry::parse(&entry)
        .map_err(|error| ApiError::detailed(ProblemCode::RegistryEntryInvalid, error.to_string()))?;
    if invited.claims().invitation.is_none() {
        return Err(ApiError::problem(ProblemCode::InvitationInvalid));
    }
    // Before it waits for its turn to change anything: a stranger's garbage must not stand in anyone's way.
    app.registry
        .state()
        .admits(&invited, app.clock.now_ms() / 1000)
        .map_err(|source| ChangeError::Rejected { at: 0, source })?;
    let bundle = bundle(&app)?;
    apply(app, vec![entry], Vec::new()).await?;
    Ok(Json(bundle))
}

/// The hub's name and keys, and the broker's address. Whoever asks decides why to believe it.
#[utoipa::path(
    get, path = "/v1/trust", tag = "anyone", operation_id = "trust",
    responses((status = 200, description = "hub, operator, receipts, vkey, ended, broker, ca", content_type = "application/json"))
)]
pub(super) async fn trust(State(app): State<Arc<App>>) -> Result<Json<TrustBundle>, ApiError> {
    Ok(Json(bundle(&app)?))
}

/// The signed entries that added or revoked keys of the hub since its log began: whoever knows a key of the operator can follow.
#[utoipa::path(
    get, path = "/v1/trust/entries", tag = "anyone", operation_id = "trust_entries",
    responses((status = 200, description = "entries: index and entry (a compact JWS) of each, oldest first", content_type = "application/json"))
)]
pub(super) async fn trust_entries(State(app): State<Arc<App>>) -> Result<Json<TrustEntries>, ApiError> {
    let places = app.registry.state().hub_key_entries();
    let mut entries = Vec::with_capacity(places.len());
    for index in places {
        let Located { log, index: of_log } = app.shards.located(index);
        let log = is_one_of_many(&app.registry.state()).then(|| log.to_owned());
        entries.push(TrustEntry { index: of_log, log, entry: registry_entry(&app, index).await? });
    }
    Ok(Json(TrustEntries { entries }))
}

/// The text of the registry entry that was folded in from this place.
pub(super) async fn registry_entry(app: &App, index: u64) -> Result<String, ApiError> {
    let leaf = app.store.entries(index, 1).await?.pop();
    let leaf = leaf.and_then(|leaf| Leaf::parse(&leaf).ok());
    leaf.as_ref().and_then(Leaf::registry_entry).map(ToOwned::to_owned).ok_or_else(|| {
        tracing::error!(index, "a registry entry cannot be read back");
        ApiError::problem(ProblemCode::Internal)
    })
}

/// Whether the hub has another log than its first, or will have.
fn is_one_of_many(registry: &RegistryState) -> bool {
    registry.logs().len() > 1
}

fn bundle(app: &App) -> Result<TrustBundle, ApiError> {
    let registry = app.registry.state();
    let of_many = is_one_of_many(&registry);
    // A hub has at least one of each.
    let vkey = registry.keys_of_log(&app.origin).next().ok_or_else(|| ApiError::problem(ProblemCode::Internal))?;
    let mut operators = registry.operator_keys().standing().copied();
    // Also those that are revoked: what they signed before stays valid.
    let vkeys = registry.log_keys().all().map(|record| &record.key);
    Ok(TrustBundle {
        hub: app.hub.clone(),
        operator: operators.next(),
        more_operators: operators.collect(),
        former_operators: registry.operator_keys().former().copied().collect(),
        receipts: registry.receipt_keys().all().map(|record| record.key).collect(),
        vkey: vkey.clone(),
        more_vkeys: vkeys.filter(|other| *other != vkey).cloned().collect(),
        logs: if of_many { registry.logs().into_iter().map(ToOwned::to_owned).collect() } else { Vec::new() },
        ended: registry
            .ended_hub_keys()
            .map(|(key, place)| {
                let Located { log, index } = app.shards.located(place);
                EndedKey { key, index, log: of_many.then(|| log.to_owned()) }
            })
            .collect(),
        broker: app.broker_address.clone(),
        ca: app.ca.clone(),
    })
}
