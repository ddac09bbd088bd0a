//! A request, as the pages see it: the language, who asks, and for what is sent, that it comes from a form of this page.

use std::sync::Arc;

use axum::extract::{Form, FromRequest, FromRequestParts, Request};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use saphan_schemas::message_types::Language;

use super::form::Input;
use super::language::{PathLanguage, Speaks as _, preferred};
use super::people::Person;
use super::refusal::{Because, Refusal};
use super::sessions::Session;
use super::{Site, guard};

/// A request.
#[derive(Clone)]
pub(super) struct Visit {
    /// The language of its path, or that which the browser prefers.
    pub(super) language: Language,
    /// What follows the language in its path, with the query.
    pub(super) rest: String,
    /// The session.
    pub(super) session: Option<Session>,
}

/// A request of somebody who signed in.
pub(super) struct SignedIn {
    /// The request.
    pub(super) visit: Visit,
    /// Who: the place in the list of people.
    pub(super) index: usize,
    /// Who.
    pub(super) person: Person,
}

/// A form that was sent from a page of this session.
pub(super) struct Sent {
    /// The request.
    pub(super) visit: Visit,
    /// The form.
    pub(super) input: Input,
}

/// The same, by somebody who signed in.
pub(super) struct SentBy {
    /// Who.
    pub(super) who: SignedIn,
    /// The form.
    pub(super) input: Input,
}

impl Visit {
    fn new(path: &str, query: Option<&str>, headers: &HeaderMap, site: &Site) -> Self {
        let text = |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
        let (first, rest) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_matches('/'), ""));
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        let (language, rest) = match first.parse::<PathLanguage>() {
            Ok(PathLanguage(language)) => (language, format!("{rest}{query}")),
            Err(_) => (preferred(text("accept-language")), String::new()),
        };
        let session = guard::cookie(headers, COOKIE).and_then(|token| site.sessions.find(token));
        Self { language, rest, session }
    }

    /// A path of this page, in the language of this request.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("/{}/{rest}", self.language.code())
    }

    /// One of two texts.
    pub(super) fn say<'a>(&self, th: &'a str, en: &'a str) -> &'a str {
        self.language.of(th, en)
    }

    /// Refuses.
    pub(super) fn refuse(&self, because: Because) -> Refusal {
        Refusal { visit: Box::new(self.clone()), because }
    }

    /// Somebody who signed in, or a refusal.
    pub(super) fn signed_in(self, site: &Site) -> Result<SignedIn, Refusal> {
        let index = self.session.as_ref().and_then(|session| session.person);
        match index.and_then(|index| Some((index, site.settings.people.get(index)?.clone()))) {
            Some((index, person)) => Ok(SignedIn { visit: self, index, person }),
            None => Err(self.refuse(Because::NotSignedIn)),
        }
    }
}

impl FromRequestParts<Arc<Site>> for Visit {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Refusal> {
        // Below a nested route the path is cut; the whole one is wanted.
        let uri = parts.extensions.get::<axum::extract::OriginalUri>().map_or(&parts.uri, |original| &original.0);
        Ok(Self::new(uri.path(), uri.query(), &parts.headers, site))
    }
}

impl FromRequestParts<Arc<Site>> for SignedIn {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Refusal> {
        Visit::from_request_parts(parts, site).await?.signed_in(site)
    }
}

impl FromRequest<Arc<Site>> for Sent {
    type Rejection = Refusal;

    async fn from_request(request: Request, site: &Arc<Site>) -> Result<Self, Refusal> {
        let (mut parts, body) = request.into_parts();
        let visit = Visit::from_request_parts(&mut parts, site).await?;
        let request = Request::from_parts(parts, body);
        let form = Form::<Vec<(String, String)>>::from_request(request, site).await;
        let Form(pairs) = form.map_err(|_| visit.refuse(Because::Unreadable))?;
        let input = Input::new(pairs);
        let comes_from_here = match (&visit.session, input.one("csrf")) {
            (Some(session), Some(csrf)) => session.accepts(csrf),
            _ => false,
        };
        if comes_from_here { Ok(Self { visit, input }) } else { Err(visit.refuse(Because::NotFromHere)) }
    }
}

impl FromRequest<Arc<Site>> for SentBy {
    type Rejection = Refusal;

    async fn from_request(request: Request, site: &Arc<Site>) -> Result<Self, Refusal> {
        let Sent { visit, input } = Sent::from_request(request, site).await?;
        Ok(Self { who: visit.signed_in(site)?, input })
    }
}

/// The session's cookie.
pub(super) const COOKIE: &str = "portal-session";
