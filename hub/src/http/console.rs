//! `/console`: the auditors' pages for browsers. An auditor's key never comes here: a token that was signed elsewhere opens a session.
//!
//! What is asked comes in forms, never in URLs, and is asked by the use cases of `/v1/audit`: each look is an entry of the log.

mod answers;
mod entering;
mod guard;
mod visitor;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName};
use axum::middleware;
use axum::response::{Html, IntoResponse, Redirect};
use axum::routing::{get, post};
use saphan_schemas::problem::ProblemCode;

use self::visitor::{Failure, Guest};
use super::{ApiError, SMALL_BYTES};
use crate::app::App;
use crate::console::{self, Fields, Mistakes, past, plots, searching, sign_in};

/// The routes of the pages; none if the configuration wants none.
pub(super) fn routes(app: &App) -> Router<Arc<App>> {
    if !app.console.enabled {
        return Router::new();
    }
    let pages = Router::new()
        // Anyone.
        .route("/", get(entrance))
        .route("/console.css", get(style))
        .route("/icon.svg", get(icon))
        .route("/session", post(entering::sign_in))
        // Anyone, who is shown how to sign in; and auditors, who are shown forms.
        .route("/{language}", get(start))
        .route("/{language}/health", get(health).post(answers::health))
        .route("/{language}/queries", get(queries).post(answers::queries))
        // Auditors.
        .route("/session/end", post(entering::sign_out))
        .route("/{language}/search", post(answers::search))
        .route("/{language}/message", post(answers::message))
        .route("/{language}/evidence", post(answers::evidence))
        .route("/{language}/case", post(answers::case))
        .route("/{language}/export", post(answers::export))
        .method_not_allowed_fallback(not_allowed)
        .fallback(not_found)
        .layer(DefaultBodyLimit::max(SMALL_BYTES))
        .layer(middleware::map_response(guard::protect));
    Router::new().nest("/console", pages)
}

async fn entrance(headers: HeaderMap) -> Redirect {
    let wanted = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    Redirect::to(&format!("/console/{}", console::code(console::preferred(wanted))))
}

async fn start(State(app): State<Arc<App>>, guest: Guest) -> Html<String> {
    let frame = guest.frame("");
    if guest.session.is_none() {
        return Html(sign_in::page(frame, guest.notice()));
    }
    Html(searching::start(frame, &answers::choices(&app), &Fields::default(), &Mistakes::default()))
}

async fn health(guest: Guest) -> Html<String> {
    let frame = guest.frame("health");
    if guest.session.is_none() {
        return Html(sign_in::page(frame, guest.notice()));
    }
    Html(plots::start(frame, &Fields::default(), &Mistakes::default()))
}

async fn queries(guest: Guest) -> Html<String> {
    let frame = guest.frame("queries");
    if guest.session.is_none() {
        return Html(sign_in::page(frame, guest.notice()));
    }
    Html(past::start(frame, &Mistakes::default()))
}

async fn not_found(headers: HeaderMap) -> Failure {
    stray(&headers, ProblemCode::NotFound)
}

async fn not_allowed(headers: HeaderMap) -> Failure {
    stray(&headers, ProblemCode::MethodNotAllowed)
}

fn stray(headers: &HeaderMap, code: ProblemCode) -> Failure {
    let wanted = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    Failure::of(console::preferred(wanted), ApiError::problem(code))
}

async fn style() -> impl IntoResponse {
    (asset("text/css; charset=utf-8"), console::STYLE)
}

async fn icon() -> impl IntoResponse {
    (asset("image/svg+xml"), console::ICON)
}

const fn asset(media_type: &'static str) -> [(HeaderName, &'static str); 2] {
    // The same for everybody; a hub that was replaced shows its own soon.
    [(CONTENT_TYPE, media_type), (CACHE_CONTROL, "public, max-age=300")]
}
