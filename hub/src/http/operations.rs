//! `/livez`, `/readyz`, `/metrics`, `/openapi.json`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use saphan_schemas::problem::ProblemCode;

use super::ApiError;
use crate::app::App;

/// Whether the process answers at all.
#[utoipa::path(get, path = "/livez", tag = "operations", responses((status = 200, content_type = "text/plain", description = "alive")))]
pub(super) async fn live() -> &'static str {
    "alive\n"
}

/// Whether messages are accepted. A broker that is down does not change that.
#[utoipa::path(
    get, path = "/readyz", tag = "operations",
    responses(
        (status = 200, content_type = "text/plain", description = "ready"),
        (status = 503, description = "A problem", content_type = "application/problem+json"),
    )
)]
pub(super) async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, ApiError> {
    if app.is_stopping() {
        return Err(ApiError::problem(ProblemCode::HubStopping));
    }
    let (halted, failed) = {
        let committed = app.ledger.committed();
        let committed = committed.borrow();
        (committed.halted, committed.failed)
    };
    if halted {
        return Err(ApiError::problem(ProblemCode::HubUnavailable));
    }
    if failed {
        // Reading may go well on a full disk. Whoever watches this sends no message that could show that there is room again.
        app.store.probe().await?;
    }
    app.store.head().await?;
    Ok("ready\n")
}

/// Prometheus text.
#[utoipa::path(get, path = "/metrics", tag = "operations", responses((status = 200, content_type = "text/plain", description = "Prometheus text format")))]
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Result<impl IntoResponse, ApiError> {
    let counts = app.store.counts().await?;
    let metrics = &app.metrics;
    metrics.outbox_amqp.set(i64::try_from(counts.outbox_amqp).unwrap_or(i64::MAX));
    metrics.outbox_pull.set(i64::try_from(counts.outbox_pull).unwrap_or(i64::MAX));
    metrics.log_size.set(i64::try_from(app.ledger.committed().borrow().size).unwrap_or(i64::MAX));
    let indexed = *app.audit.indexed().borrow();
    metrics.audit_indexed.set(i64::try_from(indexed).unwrap_or(i64::MAX));
    if let Some(cases) = &app.cases {
        metrics.cases_followed.set(i64::try_from(*cases.followed().borrow()).unwrap_or(i64::MAX));
    }
    if let Some(witnesses) = &app.witnesses {
        witnesses.measure(metrics, app.clock.now_ms());
    }
    let text = metrics.text().map_err(|_| ApiError::problem(ProblemCode::Internal))?;
    Ok(([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text))
}

pub(super) async fn openapi(text: Arc<str>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], text.to_string())
}
