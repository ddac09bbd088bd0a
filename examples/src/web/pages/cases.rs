//! The applications of who signed in.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::case::look;
use super::layout::Page;
use super::progress::open_question;
use crate::web::Site;
use crate::web::html::{Html, el};
use crate::web::language::Speaks as _;
use crate::web::names::moment;
use crate::web::visit::SignedIn;

pub(super) async fn show(State(site): State<Arc<Site>>, SignedIn { visit, index, .. }: SignedIn) -> Response {
    let mut cases = Vec::new();
    for (id, case) in site.book.all_of(index) {
        let has_questions = case.questions.iter().any(|question| !question.answered);
        let view = if has_questions { look(&site, id).await.ok().flatten() } else { None };
        let is_asked = open_question(&site, &case, view.as_ref()).is_some();
        cases.push((id, case, is_asked));
    }
    let items = cases.iter().map(|(id, case, is_asked)| {
        let name = site.catalogue.service(&case.service).map(|service| visit.language.text(&service.name));
        let link = el("a").attr("href", visit.path(&format!("cases/{id}"))).with(name.unwrap_or(case.service.as_str()));
        let at = format!("{} {}", visit.say("ยื่นเมื่อ", "Submitted"), moment(&case.opened_at, visit.language));
        let asked = is_asked.then(|| el("p").class("error").with(visit.say("มีคำถามถึงท่าน", "You are asked something")));
        el("li").with(el("h2").with(link)).with(el("p").class("quiet").with(at)).with(asked)
    });
    let list: Html = if cases.is_empty() {
        el("p").with(visit.say("ยังไม่มีคำขอ", "There are none yet.")).into()
    } else {
        el("ul").class("cards").with(items.collect::<Html>()).into()
    };
    Page::new(&visit, visit.say("คำขอของฉัน", "My applications")).body(list)
}
