//! Before it is sent: what was filled in, who will be asked for what, and the question for consent.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use saphan_schemas::catalogue::PublicService;
use serde_json::Value;

use super::by_hand::Papers;
use super::layout::{Page, button, form, terms};
use super::service::papers;
use crate::web::Site;
use crate::web::draft::{Draft, Question};
use crate::web::files::Faults;
use crate::web::form::{Field, Filled, Form, Kind, labels};
use crate::web::html::{Element, Html, el};
use crate::web::language::{Speaks as _, baht};
use crate::web::names::day;
use crate::web::refusal::{Because, Refusal};
use crate::web::visit::{SentBy, SignedIn, Visit};

pub(super) async fn show(
    State(site): State<Arc<Site>>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let (draft, service) = draft(&site, &who, &id)?;
    if let Some(case) = draft.case().await {
        return Ok(Redirect::to(&who.visit.path(&format!("cases/{case}"))).into_response());
    }
    page(&site, &who, (&draft, service), false)
}

/// Sends it, if the person wants that.
pub(super) async fn submit(
    State(site): State<Arc<Site>>,
    Path(id): Path<String>,
    SentBy { who, input }: SentBy,
) -> Result<Response, Refusal> {
    let (draft, service) = draft(&site, &who, &id)?;
    let refuse = |because| who.visit.refuse(because);
    let question = Question::of(&site, &draft, &who.person).map_err(|_| refuse(Because::Internal))?;
    let consent = match (question, input.one("consent")) {
        (None, _) => None,
        (Some(question), Some("yes")) => Some(question),
        (Some(_), Some("no")) => {
            let papers = Papers::of(&site, &draft, service, &who);
            if !papers.is_empty() {
                return Ok(papers.page(&site, &who, &Faults::new()));
            }
            None
        }
        (Some(_), _) => return page(&site, &who, (&draft, service), true),
    };
    let case = draft.send(&site, &who.person, who.visit.language, consent, Vec::new()).await.map_err(refuse)?;
    Ok(Redirect::to(&who.visit.path(&format!("cases/{case}"))).into_response())
}

/// A draft of this person.
pub(super) fn draft<'a>(site: &'a Site, who: &SignedIn, id: &str) -> Result<(Arc<Draft>, &'a PublicService), Refusal> {
    let draft = id.parse().ok().and_then(|id| site.drafts.of(who.index, id));
    let found = draft.and_then(|draft| Some((site.catalogue.service(&draft.service)?, draft)));
    found.map(|(service, draft)| (draft, service)).ok_or_else(|| who.visit.refuse(Because::NotFound))
}

fn page(
    site: &Site,
    who: &SignedIn,
    (draft, service): (&Draft, &PublicService),
    is_wrong: bool,
) -> Result<Response, Refusal> {
    let visit = &who.visit;
    let question = Question::of(site, draft, &who.person).map_err(|_| visit.refuse(Because::Internal))?;
    let change = visit.path(&format!("services/{}/apply?draft={}", service.id, draft.application));
    let change = el("a").attr("href", change).with(visit.say("แก้ไขข้อมูล", "Change what is filled in"));
    let send = form(visit, &format!("applications/{}", draft.application))
        .with(question.map(|question| consent(visit, &question, is_wrong)))
        .with(el("p").class("actions").with(button(visit.say("ยื่นคำขอ", "Submit the application"))).with(change));
    let fields = Form::of(&site.catalogue, &service.form);
    let content = Html::new()
        .with(el("h2").with(visit.say("ข้อมูลที่กรอก", "What you filled in")))
        .with(fields.map(|form| summary(visit, &form.fields, &draft.form)))
        .with(papers(site, visit, service, Some(who.person.kind())))
        .with(send);
    let error = is_wrong.then(|| {
        let text = visit.say("โปรดตอบว่ายินยอมหรือไม่", "Please say whether you consent.");
        let link = el("a").attr("href", "#consent").with(text);
        el("div").class("summary").attr("role", "alert").with(el("p").with(link))
    });
    let heading = format!("{}: {}", visit.say("ตรวจสอบก่อนยื่น", "Check and submit"), visit.language.text(&service.name));
    Ok(Page::new(visit, &heading).before(error.into()).body(content))
}

/// The question, in plain words.
fn consent(visit: &Visit, question: &Question, is_wrong: bool) -> Element {
    let legend = el("legend").with(visit.say("ท่านยินยอมหรือไม่", "Do you consent?"));
    let option = |value: &'static str, text: &str| {
        let id = format!("consent-{value}");
        let input = el("input").attr("type", "radio").attr("name", "consent").attr("id", &id).attr("value", value);
        el("div").class("option").with(input).with(el("label").attr("for", id).with(text))
    };
    let yes = visit.say("ยินยอม", "Yes, I consent");
    let no = visit.say("ไม่ยินยอม – ฉันจะยื่นเอกสารเอง", "No – I will hand in the papers myself");
    let text = visit.say("โปรดตอบว่ายินยอมหรือไม่", "Please say whether you consent.");
    let error = is_wrong.then(|| el("p").class("error").attr("id", "consent-error").with(text));
    let set = el("fieldset").attr("id", "consent").attr("tabindex", "-1");
    let described = if is_wrong { "consent-text consent-error" } else { "consent-text" };
    let set = set.attr("aria-describedby", described).with(legend);
    let set = set.with(el("p").attr("id", "consent-text").with(visit.language.text(&question.text))).with(error);
    set.with(option("yes", yes)).with(option("no", no))
}

/// What was filled in, in the order of the form.
fn summary(visit: &Visit, fields: &[Field], filled: &Filled) -> Element {
    let rows = fields.iter().filter_map(|field| {
        let label = labels::of_member(&field.name, visit.language).into_owned();
        Some((label, shown(visit, &field.kind, filled.get(&field.name)?)))
    });
    terms(rows)
}

fn shown(visit: &Visit, kind: &Kind, value: &Value) -> Html {
    match (kind, value) {
        (Kind::Group(fields), Value::Object(members)) => {
            el("div").class("panel").with(summary(visit, fields, members)).into()
        }
        (Kind::Alternatives(alternatives), Value::Object(members)) => {
            let chosen = alternatives.iter().find(|one| value.get("kind").and_then(Value::as_str) == Some(&one.tag));
            let each = chosen.map(|one| {
                let label = el("p").with(labels::of_choice(&one.tag, visit.language).as_ref());
                el("div").class("panel").with(label).with(summary(visit, &one.fields, members))
            });
            each.into()
        }
        (Kind::List { item, .. }, Value::Array(items)) => {
            items.iter().map(|value| el("div").with(shown(visit, &item.kind, value))).collect()
        }
        (Kind::Choices(_), Value::Array(items)) => {
            let chosen = items.iter().filter_map(Value::as_str);
            let chosen: Vec<_> = chosen.map(|one| labels::of_choice(one, visit.language)).collect();
            chosen.join(", ").into()
        }
        (Kind::Choice(_), Value::String(text)) => labels::of_choice(text, visit.language).as_ref().into(),
        (Kind::Date, Value::String(text)) => {
            text.parse().map_or_else(|_| text.clone(), |date| day(&date, visit.language)).into()
        }
        (Kind::Money, Value::Number(satang)) => satang.as_u64().map(baht).into(),
        (_, Value::Bool(true)) => visit.say("ใช่", "Yes").into(),
        (_, Value::Bool(false)) => visit.say("ไม่ใช่", "No").into(),
        (_, Value::String(text)) => text.into(),
        (_, other) => other.to_string().into(),
    }
}
