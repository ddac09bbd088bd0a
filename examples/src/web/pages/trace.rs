//! Who used the person's data: when, what for, and on what legal basis.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use saphan_connector::portal::TraceItem;
use serde::Deserialize;

use super::layout::{Page, terms};
use crate::web::Site;
use crate::web::html::{Element, Html, el};
use crate::web::language::Speaks as _;
use crate::web::names::{message, moment};
use crate::web::refusal::Refusal;
use crate::web::visit::{SignedIn, Visit};

/// Which page.
#[derive(Deserialize)]
pub(super) struct Pages {
    before: Option<u64>,
}

/// Whose data it is follows from the session alone.
pub(super) async fn show(
    State(site): State<Arc<Site>>,
    SignedIn { visit, person, .. }: SignedIn,
    Query(Pages { before }): Query<Pages>,
) -> Result<Response, Refusal> {
    let trace = site.connector.trace(&person.subject(), before).await;
    let trace = trace.map_err(|error| visit.refuse(error.into()))?;
    let items = trace.items.iter().map(|item| entry(&site, &visit, item));
    let list: Html = if trace.items.is_empty() {
        el("p").with(visit.say("ยังไม่มีการใช้ข้อมูลของท่าน", "Nobody has used your data.")).into()
    } else {
        el("ol").class("cards").with(items.collect::<Html>()).into()
    };
    let next = trace.next.map(|before| {
        let link = el("a").attr("href", visit.path(&format!("trace?before={before}")));
        el("p").with(link.with(visit.say("ก่อนหน้านี้", "Earlier")))
    });
    let intro = visit.say(
        "รายการนี้มาจากบันทึกที่ลงลายมือชื่อและแก้ไขย้อนหลังไม่ได้ แสดงเฉพาะข้อมูลของท่าน",
        "This comes from a signed log that nobody can change afterwards. It shows what concerns you alone.",
    );
    let content = Html::new().with(el("p").with(intro)).with(list).with(next);
    Ok(Page::new(&visit, visit.say("ใครใช้ข้อมูลของฉัน", "Who used my data")).body(content))
}

fn entry(site: &Site, visit: &Visit, item: &TraceItem) -> Element {
    let language = visit.language;
    let what = message(item.message_type.as_str(), language);
    let heading = match &item.evidence_type {
        Some(id) => format!("{what}: {}", site.names.evidence(id, language)),
        None => what,
    };
    let service = item.service.as_ref().and_then(|id| site.catalogue.service(id));
    let offer = item.service.as_ref().and_then(|id| site.offer(id));
    let purpose = item.purpose.as_ref().map(|purpose| match offer.filter(|offer| offer.purpose == *purpose) {
        Some(offer) => language.text(&offer.reason).to_owned(),
        None => purpose.to_string(),
    });
    let rows = [
        (visit.say("เมื่อ", "When"), item.at.as_ref().map(|at| moment(at, language))),
        (visit.say("จาก", "From"), Some(site.names.system(&item.from, language))),
        (visit.say("ถึง", "To"), Some(site.names.system(&item.to, language))),
        (visit.say("บริการ", "Service"), service.map(|service| language.text(&service.name).to_owned())),
        (visit.say("เพื่อ", "What for"), purpose),
        (visit.say("ฐานทางกฎหมาย", "Legal basis"), item.legal_basis.as_ref().map(ToString::to_string)),
        (
            visit.say("ความยินยอม", "Consent"),
            item.consent.map(|_| visit.say("ตามความยินยอมของท่าน", "You consented").to_owned()),
        ),
        (visit.say("ลำดับในบันทึก", "Place in the log"), Some(item.index.to_string())),
    ];
    let rows = rows.into_iter().filter_map(|(term, text)| Some((term.to_owned(), Html::from(text?))));
    el("li").with(el("h2").with(heading)).with(terms(rows))
}
