//! All services, and the search among them.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use saphan_connector::portal::ServiceView;
use serde::Deserialize;

use super::layout::{Page, button};
use crate::web::Site;
use crate::web::html::{Element, Html, el};
use crate::web::language::Speaks as _;
use crate::web::refusal::Refusal;
use crate::web::visit::Visit;

/// The search.
#[derive(Deserialize)]
pub(super) struct Search {
    /// Words that must all occur, in Thai or English.
    #[serde(default)]
    q: String,
}

pub(super) async fn show(
    State(site): State<Arc<Site>>,
    visit: Visit,
    Query(Search { q }): Query<Search>,
) -> Result<Response, Refusal> {
    let services = site.connector.services().await.map_err(|error| visit.refuse(error.into()))?;
    let words: Vec<String> = q.split_whitespace().map(str::to_lowercase).collect();
    let mut found: Vec<_> = services.iter().filter(|service| fits(service, &words)).collect();
    // What people can apply for here comes first.
    found.sort_by_key(|service| site.offer(&service.id).is_none());
    let count = match found.len() {
        0 => visit.say("ไม่พบบริการที่ตรงกับคำค้น", "No service fits these words.").to_owned(),
        1 => visit.say("พบ 1 บริการ", "1 service").to_owned(),
        many => format!("{} {many} {}", visit.say("พบ", ""), visit.say("บริการ", "services")).trim().to_owned(),
    };
    let cards = found.into_iter().map(|service| card(&site, &visit, service));
    let list = el("ul").class("cards").with(cards.collect::<Html>());
    let content = Html::new().with(search(&visit, &q)).with(el("p").attr("role", "status").with(count)).with(list);
    Ok(Page::new(&visit, visit.say("บริการภาครัฐ", "Public services")).body(content))
}

fn search(visit: &Visit, q: &str) -> Element {
    let label = el("label").attr("for", "q").with(visit.say("ค้นหาบริการ", "Search services"));
    let input = el("input").attr("type", "search").attr("id", "q").attr("name", "q").attr("value", q);
    let row = el("div").class("actions").with(button(visit.say("ค้นหา", "Search")));
    let form = el("form").attr("method", "get").attr("action", visit.path("")).attr("role", "search");
    form.with(el("div").class("field").with(label).with(input)).with(row)
}

fn card(site: &Site, visit: &Visit, service: &ServiceView) -> Element {
    let link = el("a").attr("href", visit.path(&format!("services/{}", service.id)));
    let heading = el("h2").with(link.with(visit.language.text(&service.name)));
    let tag = site
        .offer(&service.id)
        .map(|_| el("p").with(el("span").class("tag").with(visit.say("ยื่นคำขอที่นี่ได้", "Apply here"))));
    let card = el("li").with(heading).with(el("p").with(visit.language.text(&service.description)));
    card.with(el("p").class("quiet").with(visit.language.text(&service.authority.name))).with(tag)
}

fn fits(service: &ServiceView, words: &[String]) -> bool {
    let texts = [&service.name, &service.description, &service.authority.name];
    let all: String = texts.iter().flat_map(|text| [&text.th, " ", &text.en, " "]).map(str::to_lowercase).collect();
    words.iter().all(|word| all.contains(word.as_str()) || service.id.as_str().contains(word.as_str()))
}
