//! The HTTP API, version 1: one list of routes grouped by caller; thin handlers.

mod acknowledgements;
mod agreements;
mod applications;
mod audit;
mod auth;
mod batch;
mod broker;
mod cases;
mod catalogue;
mod conditional;
mod console;
mod documents;
mod erasures;
mod error;
mod inbox;
mod joining;
mod keys;
mod lingering;
mod log;
mod messages;
mod operations;
mod registry;
mod strict;
mod trace;

pub use error::ApiError;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Method;
use axum::middleware;
use axum::routing::get;
use saphan_schemas::problem::ProblemCode;
use utoipa::openapi::{Info, OpenApi, OpenApiBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

/// The router of a hub.
pub fn router(app: Arc<App>) -> Router {
    let (router, openapi) = documented().split_for_parts();
    let openapi: Arc<str> = openapi.to_json().unwrap_or_default().into();
    router
        // Auditors, in browsers.
        .merge(console::routes(&app))
        .route("/openapi.json", get(move || operations::openapi(Arc::clone(&openapi))))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(REQUEST_BYTES))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), lingering::read_to_the_end))
        .layer(middleware::from_fn(strict::refuse_ambiguous))
        .with_state(app)
}

/// The OpenAPI 3.1 description of the API.
#[must_use]
pub fn openapi() -> OpenApi {
    documented().into_openapi()
}

fn documented() -> OpenApiRouter<Arc<App>> {
    let info = Info::new("Saphan hub", env!("CARGO_PKG_VERSION"));
    OpenApiRouter::with_openapi(OpenApiBuilder::new().info(info).build())
        // Systems: authenticated by the envelope itself, or by a token.
        .routes(routes!(messages::submit))
        .routes(routes!(batch::submit))
        .routes(routes!(messages::show))
        .routes(routes!(agreements::list))
        // Portals.
        .routes(routes!(applications::submit))
        .routes(routes!(cases::show))
        .routes(routes!(cases::events))
        .routes(routes!(documents::upload, documents::look, documents::read))
        // Operators, and systems for themselves: an entry says itself who may make it.
        .routes(routes!(registry::show, registry::change))
        .merge(with_small_bodies())
        // Anyone.
        .routes(routes!(joining::invitation))
        .routes(routes!(joining::trust))
        .routes(routes!(joining::trust_entries))
        .routes(routes!(catalogue::services))
        .routes(routes!(catalogue::service))
        .routes(routes!(catalogue::evidence_types))
        .routes(routes!(catalogue::evidence_type))
        .routes(routes!(catalogue::schema))
        .routes(routes!(keys::hub))
        .routes(routes!(keys::system))
        .routes(routes!(log::verifier_key))
        .routes(routes!(log::checkpoint))
        .routes(routes!(log::cosigned_checkpoint))
        .routes(routes!(log::tile))
        .routes(routes!(log::timestamps))
        .routes(routes!(log::timestamp))
        .routes(routes!(log::shard_verifier_key))
        .routes(routes!(log::shard_checkpoint))
        .routes(routes!(log::shard_cosigned_checkpoint))
        .routes(routes!(log::shard_tile))
        .routes(routes!(log::shard_timestamps))
        .routes(routes!(log::shard_timestamp))
        // Whoever runs the hub.
        .routes(routes!(operations::live))
        .routes(routes!(operations::ready))
        .routes(routes!(operations::metrics))
}

/// What is asked with a few names, numbers or one signed text. Some of it strangers may ask, and nobody counts their bodies.
fn with_small_bodies() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(inbox::lease))
        .routes(routes!(inbox::extend))
        .routes(routes!(inbox::release))
        .routes(routes!(acknowledgements::submit))
        .routes(routes!(joining::join))
        .routes(routes!(trace::show))
        // Auditors.
        .routes(routes!(audit::search))
        .routes(routes!(audit::export))
        .routes(routes!(audit::timeline))
        .routes(routes!(audit::case))
        .routes(routes!(audit::health))
        .routes(routes!(audit::queries))
        // The operator.
        .routes(routes!(erasures::erase))
        // RabbitMQ, about its users.
        .routes(routes!(broker::user))
        .routes(routes!(broker::vhost))
        .routes(routes!(broker::resource))
        .routes(routes!(broker::topic))
        .layer(DefaultBodyLimit::max(SMALL_BYTES))
}

async fn not_found() -> ApiError {
    ApiError::problem(ProblemCode::NotFound)
}

async fn method_not_allowed(method: Method) -> ApiError {
    ApiError::detailed(ProblemCode::MethodNotAllowed, format!("{method} is not a method of this path"))
}

/// For every body but that of a message, which has a limit of its own.
const REQUEST_BYTES: usize = 1 << 20;
/// The longest signed text, in JSON, twice over.
const SMALL_BYTES: usize = 32 << 10;
