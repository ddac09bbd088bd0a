//! Who looks: an auditor whose session still stands, or somebody who is not signed in.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Form;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use saphan_schemas::message_types::Language;
use saphan_schemas::problem::ProblemCode;
use serde::Serialize;

use super::guard;
use crate::app::App;
use crate::audit::{self, Asked};
use crate::console::{self, CSRF, Fields, Frame, Place, Session, Word, failure, sign_in};
use crate::http::ApiError;
use crate::http::auth;
use crate::http::error::WholeBody;

/// Somebody who looks at a page by a link.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) language: Language,
    /// Whether the browser showed a token, good or not.
    came_back: bool,
    pub(super) session: Option<Session>,
}

/// An auditor who sent a form of a session.
#[derive(Debug)]
pub(super) struct Visitor {
    pub(super) language: Language,
    pub(super) session: Session,
    pub(super) fields: Fields,
    /// The origin of the present log, once the hub has several.
    log: Option<String>,
}

/// What is shown instead of an answer.
#[derive(Debug)]
pub(super) struct Failure {
    language: Language,
    session: Option<Session>,
    error: ApiError,
    word: Option<Word>,
}

impl Guest {
    pub(super) fn frame(&self, rest: &'static str) -> Frame<'_> {
        Frame { language: self.language, session: self.session.as_ref(), place: Place::Page(rest), log: None }
    }

    /// What to say above the form.
    pub(super) fn notice(&self) -> Option<Word> {
        (self.came_back && self.session.is_none()).then_some(Word::SessionEnded)
    }
}

impl FromRequestParts<Arc<App>> for Guest {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Failure> {
        let language = language_of(parts, app).await?;
        let token = guard::token(&parts.headers);
        let session = match token {
            Some(token) => standing(app, token).map_err(|error| Failure::of(language, error))?,
            None => None,
        };
        Ok(Self { language, came_back: token.is_some(), session })
    }
}

impl FromRequest<Arc<App>> for Visitor {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Failure> {
        let (mut parts, body) = request.into_parts();
        let language = language_of(&mut parts, app).await?;
        let (session, fields) = session_and_fields(parts, body, app, language).await?;
        let log = (!app.shards.is_one()).then(|| app.origin.clone());
        Ok(Self { language, session, fields, log })
    }
}

impl Visitor {
    /// The frame of an answer that this form asks for at this path.
    pub(super) fn frame(&self, rest: &'static str) -> Frame<'_> {
        let (place, log) = (Place::Answer(rest, &self.fields), self.log.as_deref());
        Frame { language: self.language, session: Some(&self.session), place, log }
    }

    /// Logs the question: this page, and what decides the answer, as JSON. Nothing is answered before.
    pub(super) async fn ask<'a>(
        &self,
        app: &'a Arc<App>,
        page: &str,
        query: &(impl Serialize + Sync),
    ) -> Result<Asked<'a>, Failure> {
        let query = serde_json::to_string(query)
            .map_err(|error| self.failed(ApiError::detailed(ProblemCode::RequestMalformed, error.to_string())))?;
        let asked = audit::ask(app, &self.session.auditor, &format!("POST /console/{page}\n{query}")).await;
        asked.map_err(|error| self.failed(error))
    }

    /// A failure, on a page of this session.
    pub(super) fn failed(&self, error: impl Into<ApiError>) -> Failure {
        Failure { session: Some(self.session.clone()), ..Failure::of(self.language, error.into()) }
    }
}

impl Failure {
    /// A failure, to somebody who is not signed in.
    pub(super) const fn of(language: Language, error: ApiError) -> Self {
        Self { language, session: None, error, word: None }
    }

    /// Another site sent the form, or nobody knows who.
    pub(super) fn not_ours(language: Language, session: Option<Session>) -> Self {
        let error = ApiError::problem(ProblemCode::Forbidden);
        Self { language, session, error, word: Some(Word::NotOurForm) }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self { language, session, error, word } = self;
        let code = error.code();
        let frame = Frame { language, session: session.as_ref(), place: Place::Page(""), log: None };
        let page = match (code, word) {
            (ProblemCode::TokenMissing, word) => sign_in::page(frame, word),
            (_, Some(word)) => failure::page(frame, word.of(language)),
            (_, None) => failure::page(frame, failure::says(code, language)),
        };
        as_page(error, page)
    }
}

/// A page in place of the problem document: with its status, its headers, and what the hub notes of it.
pub(super) fn as_page(error: ApiError, page: String) -> Response {
    let (mut parts, _) = error.into_response().into_parts();
    let (html, body) = Html(page).into_response().into_parts();
    parts.headers.extend(html.headers);
    Response::from_parts(parts, body)
}

/// The fields of a form, if it came in time.
pub(super) async fn fields(parts: Parts, body: Body, app: &Arc<App>) -> Result<Fields, ApiError> {
    let malformed = |detail: String| ApiError::detailed(ProblemCode::RequestMalformed, detail);
    let WholeBody(bytes) = WholeBody::from_request(Request::from_parts(parts.clone(), body), app).await?;
    let request = Request::from_parts(parts, Body::from(bytes.map_err(malformed)?));
    let form: Result<Form<Vec<(String, String)>>, _> = Form::from_request(request, app).await;
    let Form(pairs) = form.map_err(|error| malformed(error.body_text()))?;
    Fields::new(pairs).ok_or_else(|| malformed("a field is there twice".to_owned()))
}

/// The session of a request that changes or asks something, and what its form says.
pub(super) async fn session_and_fields(
    parts: Parts,
    body: Body,
    app: &Arc<App>,
    language: Language,
) -> Result<(Session, Fields), Failure> {
    let foreign = guard::is_foreign(&parts.headers);
    let session = match guard::token(&parts.headers) {
        Some(token) => standing(app, token).map_err(|error| Failure::of(language, error))?,
        None => None,
    };
    let Some(session) = session else {
        let error = ApiError::problem(ProblemCode::TokenMissing);
        return Err(Failure { word: Some(Word::SessionEnded), ..Failure::of(language, error) });
    };
    let signed_in = |error| Failure { session: Some(session.clone()), ..Failure::of(language, error) };
    let fields = fields(parts, body, app).await.map_err(&signed_in)?;
    if foreign || !session.accepts(fields.text(CSRF)) {
        return Err(Failure::not_ours(language, Some(session)));
    }
    Ok((session, fields))
}

/// The session of a token, if its key is still good and its holder still an auditor; else it ends here.
fn standing(app: &App, token: &str) -> Result<Option<Session>, ApiError> {
    let Some(session) = app.console.sessions.find(token, app.clock.now_ms()) else { return Ok(None) };
    if auth::is_still_auditor(app, &session.auditor, session.key).is_err() {
        app.console.sessions.end(token);
        return Ok(None);
    }
    app.take_request(&session.auditor)?;
    Ok(Some(session))
}

async fn language_of(parts: &mut Parts, app: &Arc<App>) -> Result<Language, Failure> {
    let names = Path::<HashMap<String, String>>::from_request_parts(parts, app).await;
    let language = names.ok().and_then(|Path(names)| console::language(names.get("language")?));
    language.ok_or_else(|| Failure::of(wanted(&parts.headers), ApiError::problem(ProblemCode::NotFound)))
}

/// The language that the browser asks for.
pub(super) fn wanted(headers: &HeaderMap) -> Language {
    console::preferred(headers.get(axum::http::header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()))
}

/// A page that says which fields cannot be read.
pub(super) fn mistaken(page: String) -> Response {
    let mut response = (StatusCode::UNPROCESSABLE_ENTITY, Html(page)).into_response();
    response.extensions_mut().insert(ProblemCode::RequestMalformed);
    response
}
