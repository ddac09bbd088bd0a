//! `POST /v1/audit/export`: what fits, as JSON Lines or CSV, each row with its proof. Nothing but a few rows is held at once.

mod csv;

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::IntoResponse;
use futures_util::stream;
use saphan_schemas::audit::{End, Head, ProvenRow};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Question;
use crate::app::App;
use crate::audit::{Export, Filter};
use crate::http::ApiError;
use crate::http::auth::AuditorCaller;
use crate::shards;

/// What is exported.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ExportRequest {
    /// Which entries.
    #[serde(default)]
    pub(in crate::http) filter: Filter,
    /// The origin of the log that is exported; without it the present one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::http) log: Option<String>,
}

/// The form of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Format {
    /// A JSON object in each line.
    JsonLines,
    /// Comma-separated values (RFC 4180).
    Csv,
}

/// Everything of one log that fits, newest first, each row with its exact leaf and the proof that it is in the log of one checkpoint.
#[utoipa::path(
    post, path = "/v1/audit/export", tag = "auditors", operation_id = "audit_export",
    request_body = ExportRequest,
    params(("Accept" = Option<String>, Header, description = "text/csv for CSV; JSON Lines otherwise")),
    responses(
        (status = 200, description = "One line for the export, one for each row, one for the end", content_type = "application/jsonl"),
        (status = "4XX", description = "A problem", content_type = "application/problem+json"),
    )
)]
pub(in crate::http) async fn export(
    State(app): State<Arc<App>>,
    AuditorCaller(auditor): AuditorCaller,
    headers: HeaderMap,
    question: Question<ExportRequest>,
) -> Result<impl IntoResponse, ApiError> {
    let accepted = headers.get(ACCEPT).and_then(|accepted| accepted.to_str().ok()).unwrap_or_default();
    let format = if accepted.contains("text/csv") { Format::Csv } else { Format::JsonLines };
    let asked = question.ask(&app, &auditor).await?;
    let ExportRequest { filter, log } = question.asks.clone();
    let export = asked.export(filter, log.as_deref()).await?;
    Ok(file(&app, export, format))
}

/// The file of an export, while it is made.
pub(in crate::http) fn file(app: &Arc<App>, export: Export, format: Format) -> impl IntoResponse + use<> {
    let (media_type, suffix) = match format {
        Format::JsonLines => ("application/jsonl; charset=utf-8", "jsonl"),
        Format::Csv => ("text/csv; charset=utf-8; header=present", "csv"),
    };
    let Head { log, query, .. } = export.head();
    let name = format!("attachment; filename=\"audit-{}-{query}.{suffix}\"", shards::name(log));
    let headers =
        [(CONTENT_TYPE, media_type.to_owned()), (CONTENT_DISPOSITION, name), (CACHE_CONTROL, "no-store".to_owned())];
    let writing = Writing { app: Arc::clone(app), export, format, end: End::default(), stage: Stage::Head };
    (headers, Body::from_stream(stream::try_unfold(writing, Writing::step)))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Head,
    Rows,
    Done,
}

struct Writing {
    app: Arc<App>,
    export: Export,
    format: Format,
    end: End,
    stage: Stage,
}

/// The file ends in the middle; who reads it misses its last line.
#[derive(Debug, thiserror::Error)]
#[error("the export was broken off")]
struct BrokenOff;

impl Writing {
    async fn step(mut self) -> Result<Option<(Bytes, Self)>, BrokenOff> {
        let mut text = Vec::new();
        match self.stage {
            Stage::Head => {
                self.head(&mut text).map_err(|_| BrokenOff)?;
                self.stage = Stage::Rows;
            }
            Stage::Rows if self.app.is_stopping() => return Err(BrokenOff),
            Stage::Rows => match self.export.next().await {
                Ok(Some(rows)) => {
                    for row in &rows {
                        self.row(row, &mut text).map_err(|_| BrokenOff)?;
                    }
                }
                Ok(None) => {
                    self.end(&mut text).map_err(|_| BrokenOff)?;
                    self.stage = Stage::Done;
                }
                Err(error) => {
                    let error: &(dyn std::error::Error + 'static) = &error;
                    tracing::error!(error, "an auditor's export was broken off");
                    return Err(BrokenOff);
                }
            },
            Stage::Done => return Ok(None),
        }
        Ok(Some((text.into(), self)))
    }

    fn head(&self, to: &mut Vec<u8>) -> serde_json::Result<()> {
        let head = self.export.head();
        match self.format {
            Format::JsonLines => line(to, &serde_json::json!({ "export": head })),
            Format::Csv => {
                csv::header(to);
                csv::note(to, "export", head.size, &serde_json::to_string(head)?);
                Ok(())
            }
        }
    }

    fn row(&mut self, row: &ProvenRow, to: &mut Vec<u8>) -> serde_json::Result<()> {
        *(if row.supports { &mut self.end.supporting } else { &mut self.end.rows }) += 1;
        match self.format {
            Format::JsonLines => line(to, row),
            Format::Csv => {
                csv::row(to, row);
                Ok(())
            }
        }
    }

    fn end(&self, to: &mut Vec<u8>) -> serde_json::Result<()> {
        match self.format {
            Format::JsonLines => line(to, &serde_json::json!({ "end": self.end })),
            Format::Csv => {
                csv::note(to, "end", self.end.rows, &serde_json::to_string(&self.end)?);
                Ok(())
            }
        }
    }
}

fn line(to: &mut Vec<u8>, value: &impl Serialize) -> serde_json::Result<()> {
    serde_json::to_writer(&mut *to, value)?;
    to.push(b'\n');
    Ok(())
}
