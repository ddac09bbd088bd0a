//! `GET /v1/cases/{id}` and `GET /v1/cases/{id}/events`: where a case is, at a look and as it goes on.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use saphan_schemas::ids::CaseId;
use saphan_schemas::problem::ProblemCode;
use serde::Serialize;
use tokio::sync::watch;

use super::ApiError;
use super::auth::{ReaderCaller, WaitingCaller};
use super::conditional::{CALLER, unless_known};
use super::error::PathPart;
use crate::app::App;
use crate::audit;
use crate::cases::{Case, CaseView, Cases, EventView};

/// Where a case is, for the portal that submitted it, the authority that has it, and auditors.
#[utoipa::path(
    get, path = "/v1/cases/{id}", tag = "portals", operation_id = "case",
    params(("id" = String, Path, description = "The case")),
    responses(
        (status = 200, description = "Status, who must act next, what the citizen reads, and each requirement", content_type = "application/json"),
        (status = 304, description = "As If-None-Match says"),
        (status = "4XX", description = "A problem", content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    caller: ReaderCaller,
    PathPart(id): PathPart<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if let ReaderCaller::Auditor(auditor) = &caller {
        let id: CaseId = id.parse().map_err(|_| ApiError::problem(ProblemCode::NotFound))?;
        audit::ask(&app, auditor, &format!("GET /v1/cases/{id}")).await?;
    }
    let case = case(&app, &id).await?;
    if let ReaderCaller::System(system) = &caller
        && !Cases::may_see(&case, system)
    {
        return Err(ApiError::problem(ProblemCode::NotFound));
    }
    unless_known(&headers, CALLER, &view(&app, &case))
}

/// What happens in a case, as server-sent events: all from the beginning, or after Last-Event-ID. The stream ends with the case.
#[utoipa::path(
    get, path = "/v1/cases/{id}/events", tag = "portals", operation_id = "case_events",
    params(
        ("id" = String, Path, description = "The case"),
        ("Last-Event-ID" = Option<String>, Header, description = "The last event that was seen"),
    ),
    responses(
        (status = 200, description = "Events `case`, each with the case as it is", content_type = "text/event-stream"),
        (status = "4XX", description = "A problem", content_type = "application/problem+json"),
    )
)]
pub(super) async fn events(
    State(app): State<Arc<App>>,
    caller: WaitingCaller,
    PathPart(id): PathPart<String>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    let case = case(&app, &id).await?;
    if !Cases::may_see(&case, &caller.system) {
        return Err(ApiError::problem(ProblemCode::NotFound));
    }
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let followed = room(&app)?.followed();
    let next = last.map_or(0, |last| last.saturating_add(1));
    let watching = Watching { app, caller, id: case.id, next, followed, ended: false };
    let stream = stream::unfold(watching, Watching::step);
    Ok((
        [(header::CACHE_CONTROL, "no-store")],
        Sse::new(flatten(stream)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)),
    ))
}

/// Somebody who watches a case.
struct Watching {
    app: Arc<App>,
    caller: WaitingCaller,
    id: CaseId,
    /// The event to be sent next.
    next: u64,
    followed: watch::Receiver<u64>,
    ended: bool,
}

/// An event with the case as it is by now.
#[derive(Serialize)]
struct CaseEventBody<'a> {
    #[serde(flatten)]
    event: EventView,
    now: &'a CaseView,
}

impl Watching {
    /// Waits for what is new; `None` ends the stream.
    async fn step(mut self) -> Option<(Vec<Event>, Self)> {
        let mut stopping = self.app.stopping.clone();
        loop {
            if self.ended || self.app.is_stopping() || self.caller.check(&self.app).is_err() {
                return None;
            }
            self.followed.mark_unchanged();
            let events = self.read().await?;
            if !events.is_empty() || self.ended {
                return Some((events, self));
            }
            tokio::select! {
                changed = self.followed.changed() => changed.ok()?,
                _ = stopping.changed() => return None,
            }
            // On a busy hub the log grows all the time, and each look asks the store.
            tokio::time::sleep(BREATH).await;
        }
    }

    /// `None`: the store failed; who watches comes again with the last event that it saw.
    async fn read(&mut self) -> Option<Vec<Event>> {
        let store = self.app.store.cases();
        let case = store.cases(&[self.id]).await.ok()?.pop()?;
        if case.events <= self.next && !case.has_ended() {
            return Some(Vec::new());
        }
        let events = store.case_events(self.id, self.next).await.ok()?;
        let now = view(&self.app, &case);
        let event = |event: crate::store::cases::CaseEvent| {
            let id = event.seq.to_string();
            let event = EventView::new(event, &self.app.shards);
            let body = serde_json::to_string(&CaseEventBody { event, now: &now }).ok()?;
            Some(Event::default().event("case").id(id).data(body))
        };
        self.next = events.last().map_or(self.next, |last| last.seq + 1);
        self.ended = case.has_ended() && self.next >= case.events;
        events.into_iter().map(event).collect()
    }
}

fn flatten(batches: impl Stream<Item = Vec<Event>>) -> impl Stream<Item = Result<Event, Infallible>> {
    use futures_util::StreamExt as _;
    batches.flat_map(|events| stream::iter(events.into_iter().map(Ok)))
}

async fn case(app: &App, id: &str) -> Result<Case, ApiError> {
    let not_found = || ApiError::problem(ProblemCode::NotFound);
    let id: CaseId = id.parse().map_err(|_| not_found())?;
    room(app)?.case(id).await?.ok_or_else(not_found)
}

/// The room of cases.
pub(super) fn room(app: &App) -> Result<&Cases, ApiError> {
    let detail = "this hub has no system for cases; its operator sets [cases] system";
    app.cases.as_deref().ok_or_else(|| ApiError::detailed(ProblemCode::NotFound, detail.to_owned()))
}

pub(super) fn view(app: &App, case: &Case) -> CaseView {
    CaseView::new(case, &app.registry.catalogue(), &app.shards)
}

/// What nobody who reads notices.
const BREATH: Duration = Duration::from_millis(100);
/// Shorter than what a connection may take to show that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
