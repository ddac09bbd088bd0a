//! Answers to an auditor's questions, as pages and files.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};
use saphan_schemas::problem::ProblemCode;

use super::visitor::{Failure, Visitor, mistaken};
use crate::app::App;
use crate::console::searching::Choices;
use crate::console::{self, Mistakes, cases, messages, past, plots, searching};
use crate::http::ApiError;
use crate::http::audit::export::{ExportRequest, Format, file};

pub(super) async fn search(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Response, Failure> {
    let search = match console::search(&visitor.fields) {
        Ok(search) => search,
        Err(mistakes) => return Ok(again(&app, &visitor, &mistakes)),
    };
    let asked = visitor.ask(&app, "search", &search).await?;
    let page = asked.search(&search).await.map_err(|error| visitor.failed(error))?;
    Ok(Html(searching::found(visitor.frame("search"), &choices(&app), &visitor.fields, &page)).into_response())
}

pub(super) async fn message(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Response, Failure> {
    let query = match console::message(&visitor.fields) {
        Ok(query) => query,
        Err(mistakes) => return Ok(again(&app, &visitor, &mistakes)),
    };
    let asked = visitor.ask(&app, "message", &query).await?;
    let timeline = asked.timeline(&query).await.map_err(|error| visitor.failed(error))?;
    let origin = timeline.message.log.as_deref().unwrap_or(&app.origin);
    Ok(Html(messages::page(visitor.frame("message"), &visitor.fields, origin, &timeline)).into_response())
}

pub(super) async fn case(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Response, Failure> {
    let query = match console::case(&visitor.fields) {
        Ok(query) => query,
        Err(mistakes) => return Ok(again(&app, &visitor, &mistakes)),
    };
    let asked = visitor.ask(&app, "case", &query).await?;
    let case = asked.case(&query).await.map_err(|error| visitor.failed(error))?;
    Ok(Html(cases::page(visitor.frame("case"), &visitor.fields, &case)).into_response())
}

pub(super) async fn health(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Response, Failure> {
    let query = match console::health(&visitor.fields, app.clock.now_ms()) {
        Ok(query) => query,
        Err(mistakes) => return Ok(mistaken(plots::start(visitor.frame("health"), &visitor.fields, &mistakes))),
    };
    let asked = visitor.ask(&app, "health", &query).await?;
    let health = asked.health(&query).await.map_err(|error| visitor.failed(error))?;
    Ok(Html(plots::page(visitor.frame("health"), &visitor.fields, &health)).into_response())
}

pub(super) async fn queries(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Response, Failure> {
    let query = match console::queries(&visitor.fields) {
        Ok(query) => query,
        Err(mistakes) => return Ok(mistaken(past::start(visitor.frame("queries"), &mistakes))),
    };
    let asked = visitor.ask(&app, "queries", &query).await?;
    let found = asked.queries(&query).await.map_err(|error| visitor.failed(error))?;
    Ok(Html(past::page(visitor.frame("queries"), &visitor.fields, asked.index_of_query(), &found)).into_response())
}

/// A file of what shows that a message was accepted and acknowledged. It is a look like others.
pub(super) async fn evidence(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Response, Failure> {
    let query = match console::message(&visitor.fields) {
        Ok(query) => query,
        Err(mistakes) => return Ok(again(&app, &visitor, &mistakes)),
    };
    let asked = visitor.ask(&app, "evidence", &query).await?;
    let timeline = asked.timeline(&query).await.map_err(|error| visitor.failed(error))?;
    let (text, ending, media_type) = match visitor.fields.text("file") {
        "message" => (serde_json::to_string_pretty(&timeline.evidence).ok(), "saphan.json", "application/json"),
        "acknowledgement" => (timeline.acknowledgement, "acknowledgement.jws", "application/jose"),
        "cosigned-proof" => (timeline.cosigned_proof, "tlog-proof", "text/plain; charset=utf-8"),
        _ => (None, "", ""),
    };
    let text = text.ok_or_else(|| visitor.failed(ApiError::problem(ProblemCode::NotFound)))?;
    let name = format!("attachment; filename=\"{}.{ending}\"", query.id);
    let headers =
        [(CONTENT_TYPE, media_type.to_owned()), (CONTENT_DISPOSITION, name), (CACHE_CONTROL, "no-store".to_owned())];
    Ok((headers, text).into_response())
}

pub(super) async fn export(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Response, Failure> {
    let filter = match console::filter(&visitor.fields) {
        Ok(filter) => filter,
        Err(mistakes) => return Ok(again(&app, &visitor, &mistakes)),
    };
    let format = if visitor.fields.text("format") == "csv" { Format::Csv } else { Format::JsonLines };
    let request = ExportRequest { filter, log: visitor.fields.filled("log").map(ToOwned::to_owned) };
    let asked = visitor.ask(&app, "export", &request).await?;
    let export = asked.export(request.filter, request.log.as_deref()).await;
    let export = export.map_err(|error| visitor.failed(error))?;
    Ok(file(&app, export, format).into_response())
}

/// The form again, with what is wrong. Nothing was asked.
fn again(app: &App, visitor: &Visitor, mistakes: &Mistakes) -> Response {
    let frame = visitor.frame("search");
    mistaken(searching::start(frame, &choices(app), &visitor.fields, mistakes))
}

/// What registry and hub offer to choose from.
pub(super) fn choices(app: &App) -> Choices {
    let registry = app.registry.state();
    let logs = app.shards.all().rev().filter(|_| !app.shards.is_one());
    Choices {
        systems: registry.systems().map(|system| system.id.to_string()).collect(),
        services: registry.services().map(|service| service.id.to_string()).collect(),
        logs: logs.map(|log| log.shard.origin.clone()).collect(),
    }
}
