//! The form of a service.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use saphan_schemas::catalogue::PublicService;
use saphan_schemas::ids::MessageId;
use serde::Deserialize;

use super::layout::{Page, button, form, hidden};
use super::service::{find, papers};
use crate::web::Site;
use crate::web::form::{Faults, Filled, Form, Shown};
use crate::web::html::{Html, el};
use crate::web::language::Speaks as _;
use crate::web::refusal::{Because, Refusal};
use crate::web::visit::{SentBy, SignedIn, Visit};

/// Which draft is changed.
#[derive(Deserialize)]
pub(super) struct Change {
    draft: Option<String>,
}

/// The form, empty or as it was filled in before. The message that it will be gets its id here: it is the idempotency key.
pub(super) async fn show(
    State(site): State<Arc<Site>>,
    SignedIn { visit, index, person }: SignedIn,
    Path(id): Path<String>,
    Query(Change { draft }): Query<Change>,
) -> Result<Response, Refusal> {
    let (service, form) = form_of(&site, &visit, &id)?;
    if !service.applicants.contains(&person.kind()) {
        let text = visit.say("บริการนี้ไม่ได้มีไว้สำหรับผู้ยื่นประเภทนี้", "This service is not for applicants of this kind.");
        return Ok(Page::new(&visit, visit.language.text(&service.name)).body(el("p").class("panel").with(text)));
    }
    let known = draft.and_then(|id| id.parse().ok()).and_then(|id| site.drafts.of(index, id));
    let (application, filled) = match known.filter(|draft| draft.service == service.id) {
        Some(draft) => (draft.application, draft.form.clone()),
        None => (MessageId::new(), Filled::new()),
    };
    let shown = Shown { language: visit.language, filled: &filled, faults: &Faults::new(), add: None };
    let above = papers(&site, &visit, service, Some(person.kind()));
    Ok(page(&visit, service, &form, &shown, (application, above)))
}

/// Checks what was filled in, on the server, and goes on to the review.
pub(super) async fn fill_in(
    State(site): State<Arc<Site>>,
    Path(id): Path<String>,
    SentBy { who, input }: SentBy,
) -> Result<Response, Refusal> {
    let SignedIn { visit, index, .. } = who;
    let (service, form) = form_of(&site, &visit, &id)?;
    let application = input.one("application").and_then(|text| text.parse().ok()).unwrap_or_default();
    let filled = form.read(&input);
    if let Some(add) = input.one("add") {
        let shown = Shown { language: visit.language, filled: &filled, faults: &Faults::new(), add: Some(add) };
        return Ok(page(&visit, service, &form, &shown, (application, Html::new())));
    }
    let faults = form.faults(&site.catalogue, &filled);
    if !faults.is_empty() {
        let shown = Shown { language: visit.language, filled: &filled, faults: &faults, add: None };
        return Ok(page(&visit, service, &form, &shown, (application, Html::new())));
    }
    let draft = site.drafts.keep(application, index, service.id.clone(), filled);
    let draft = draft.map_err(|_| visit.refuse(Because::Internal))?;
    Ok(Redirect::to(&visit.path(&format!("applications/{}", draft.application))).into_response())
}

fn form_of<'a>(site: &'a Site, visit: &Visit, id: &str) -> Result<(&'a PublicService, Form), Refusal> {
    let service = find(site, visit, id)?;
    let form = site.offer(&service.id).and_then(|_| Form::of(&site.catalogue, &service.form));
    Ok((service, form.ok_or_else(|| visit.refuse(Because::NotFound))?))
}

fn page(
    visit: &Visit,
    service: &PublicService,
    fields: &Form,
    shown: &Shown<'_>,
    (application, above): (MessageId, Html),
) -> Response {
    let form = form(visit, &format!("services/{}/apply", service.id));
    let form = form
        .with(hidden("application", &application.to_string()))
        .with(fields.show(shown))
        .with(el("p").class("actions").with(button(visit.say("ตรวจสอบและไปต่อ", "Check and continue"))));
    let heading = el("h2").with(visit.say("แบบคำขอ", "The form"));
    let content = Html::new().with(above).with(heading).with(form);
    Page::new(visit, visit.language.text(&service.name)).before(fields.summary(shown)).body(content)
}
