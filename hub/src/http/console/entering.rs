//! Signing in with a token, and out.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Redirect, Response};
use saphan_schemas::auth::{CONSOLE_METHOD, CONSOLE_PATH};
use saphan_schemas::message_types::Language;
use saphan_schemas::problem::ProblemCode;

use super::guard;
use super::visitor::{Failure, as_page, fields, session_and_fields, wanted};
use crate::app::App;
use crate::console::{self, Fields, Frame, NoSession, Place, SessionToken, failure, sign_in as page};
use crate::http::ApiError;
use crate::http::auth::{self, Target};
use crate::limits::Payer;

/// Checks a token as any call of the API does, and begins a session.
pub(super) async fn sign_in(State(app): State<Arc<App>>, request: Request) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let language = wanted(&parts.headers);
    if guard::is_foreign(&parts.headers) {
        return Err(Failure::not_ours(language, None));
    }
    let former = guard::token(&parts.headers).map(str::to_owned);
    let fields = fields(parts, body, &app).await.map_err(|error| Failure::of(language, error))?;
    let language = chosen(&fields, language);
    match begin(&app, fields.text("token")) {
        Ok(token) => {
            if let Some(former) = former {
                app.console.sessions.end(&former);
            }
            let cookie = guard::keep(&token, app.console.over_https);
            Ok(([(SET_COOKIE, cookie)], home(language)).into_response())
        }
        Err(error) => {
            let frame = Frame { language, session: None, place: Place::Page(""), log: None };
            let why = failure::says(error.code(), language);
            Ok(as_page(error, page::refused(frame, why)))
        }
    }
}

/// Ends the session.
pub(super) async fn sign_out(State(app): State<Arc<App>>, request: Request) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let language = wanted(&parts.headers);
    let token = guard::token(&parts.headers).map(str::to_owned).unwrap_or_default();
    let (_, fields) = session_and_fields(parts, body, &app, language).await?;
    app.console.sessions.end(&token);
    Ok(([(SET_COOKIE, guard::forget(app.console.over_https))], home(chosen(&fields, language))).into_response())
}

fn begin(app: &App, token: &str) -> Result<SessionToken, ApiError> {
    let target = Target { method: CONSOLE_METHOD, path: CONSOLE_PATH };
    let (auditor, key) = auth::auditor(auth::parse(token)?, app, &target)?;
    let now = app.clock.now_ms();
    app.console.sign_ins.take(&Payer::System(auditor.clone()), now)?;
    app.console.sessions.begin(auditor, key, now).map_err(|error| match error {
        NoSession::Full => ApiError::problem(ProblemCode::HubBusy),
        NoSession::NoRandom => ApiError::internal(&error, ProblemCode::Internal),
    })
}

fn chosen(fields: &Fields, otherwise: Language) -> Language {
    console::language(fields.text("language")).unwrap_or(otherwise)
}

fn home(language: Language) -> Redirect {
    Redirect::to(&format!("/console/{}", console::code(language)))
}
