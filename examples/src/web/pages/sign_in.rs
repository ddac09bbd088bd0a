//! The demonstration's sign-in: choose who to be. A real portal sends people to ThaID or the like here.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Redirect, Response};

use super::layout::{Page, button, form};
use crate::web::Site;
use crate::web::form::labels;
use crate::web::html::{Element, Html, el};
use crate::web::people::Person;
use crate::web::refusal::{Because, Refusal};
use crate::web::visit::{COOKIE, Sent, Visit};

/// Asks. Even who is not signed in yet gets a session: the form's token belongs to it.
pub(super) async fn show(State(site): State<Arc<Site>>, mut visit: Visit) -> Result<Response, Refusal> {
    let is_new = visit.session.is_none();
    if is_new {
        visit.session = Some(site.sessions.open(None).map_err(|_| visit.refuse(Because::Internal))?);
    }
    let page = ask(&site, &visit, false);
    match visit.session.filter(|_| is_new) {
        Some(session) => Ok(([(SET_COOKIE, cookie(&session.token))], page).into_response()),
        None => Ok(page),
    }
}

/// Signs in, with a new token: one that somebody else may have planted is worth nothing.
pub(super) async fn sign_in(State(site): State<Arc<Site>>, Sent { visit, input }: Sent) -> Result<Response, Refusal> {
    let chosen = input.one("person").and_then(|text| text.parse().ok());
    let Some(person) = chosen.filter(|at| *at < site.settings.people.len()) else {
        return Ok(ask(&site, &visit, true));
    };
    if let Some(session) = &visit.session {
        site.sessions.close(&session.token);
    }
    let session = site.sessions.open(Some(person)).map_err(|_| visit.refuse(Because::Internal))?;
    Ok(([(SET_COOKIE, cookie(&session.token))], Redirect::to(&visit.path(""))).into_response())
}

/// Signs out.
pub(super) async fn sign_out(State(site): State<Arc<Site>>, Sent { visit, .. }: Sent) -> Response {
    if let Some(session) = &visit.session {
        site.sessions.close(&session.token);
        if let Some(person) = session.person {
            site.shelf.clear_all_of(person);
        }
    }
    let gone = format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
    ([(SET_COOKIE, gone)], Redirect::to(&visit.path(""))).into_response()
}

/// The page speaks plain HTTP, so the cookie is not marked `Secure`; behind TLS it must be.
fn cookie(token: &str) -> String {
    format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax")
}

fn ask(site: &Site, visit: &Visit, is_wrong: bool) -> Response {
    let people = site.settings.people.iter().enumerate().map(|(at, person)| option(visit, at, person));
    let legend = el("legend").with(visit.say("ท่านต้องการเป็นใคร", "Who do you want to be?"));
    let text = visit.say("โปรดเลือกหนึ่งคน", "Please choose somebody.");
    let error = is_wrong.then(|| el("p").class("error").attr("id", "person-error").with(text));
    let set = el("fieldset").class("options").attr("id", "person").attr("tabindex", "-1");
    let set = set.attr_if("aria-describedby", is_wrong.then_some("person-error"));
    let set = set.with(legend).with(error).with(people.collect::<Html>());
    let notice = visit.say(
        "นี่ไม่ใช่การยืนยันตัวตนจริง ในหน้านี้ใครก็เลือกเป็นบุคคลสมมุติคนใดก็ได้",
        "This is no real identification: on this page anybody can be any of these invented people.",
    );
    let form = form(visit, "sign-in").with(set).with(button(visit.say("เข้าสู่ระบบ", "Sign in")));
    let content = Html::new().with(el("p").class("panel").with(notice)).with(form);
    let heading = visit.say("เข้าสู่ระบบสาธิต", "Demonstration sign-in");
    let summary = is_wrong.then(|| {
        let link = el("a").attr("href", "#person").with(text);
        el("div").class("summary").attr("role", "alert").with(el("p").with(link))
    });
    Page::new(visit, heading).before(summary.into()).body(content)
}

fn option(visit: &Visit, at: usize, person: &Person) -> Element {
    let id = format!("person-{at}");
    let kind = labels::of_choice(&person.kind().to_string(), visit.language).into_owned();
    let input = el("input").attr("type", "radio").attr("name", "person").attr("id", &id).attr("value", at.to_string());
    let label = el("label").attr("for", id).with(person.name(visit.language));
    let label = label.with(" ").with(el("span").class("quiet").with(format!("({kind})")));
    el("div").class("option").with(input).with(label)
}
