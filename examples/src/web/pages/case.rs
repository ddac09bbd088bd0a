//! One application: how far it is, and what the person can do about it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use saphan_connector::OutgoingMessage;
use saphan_connector::portal::CaseView;
use saphan_schemas::ids::CaseId;
use saphan_schemas::message_types::{
    ApplicationFeePaid, ApplicationWithdrawn, ConsentRevoked, WithdrawalReason, WithdrawnBy,
};
use saphan_schemas::problem::ProblemCode;

use super::layout::{Page, button, form};
use super::progress::Progress;
use crate::agencies::answers::now;
use crate::web::Site;
use crate::web::book::Kept;
use crate::web::html::{Element, Html, el};
use crate::web::language::{Speaks as _, baht};
use crate::web::refusal::{Because, Refusal};
use crate::web::visit::{SentBy, SignedIn, Visit};

pub(super) async fn show(
    State(site): State<Arc<Site>>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let (id, kept) = own(&site, &who, &id)?;
    let visit = &who.visit;
    let view = look(&site, id).await.map_err(|because| visit.refuse(because))?;
    let progress = Progress::new(&site, visit.language, id, &kept, view.as_ref());
    let name = site.catalogue.service(&kept.service).map(|service| visit.language.text(&service.name));
    let status = el("p").class("status").attr("id", "status").attr("role", "status").with(progress.status);
    let refresh = (!progress.is_done).then(|| {
        let link = el("a").attr("href", visit.path(&format!("cases/{id}"))).with(visit.say("ดูสถานะล่าสุด", "Refresh"));
        el("p").attr("id", "refresh").with(link)
    });
    let live = el("div").attr("id", "live").attr("data-events", visit.path(&format!("cases/{id}/events")));
    let open = (!progress.is_done).then(|| actions(visit, id, &kept));
    let content = Html::new().with(status).with(refresh).with(live.with(progress.html)).with(open);
    let page = Page::new(visit, name.unwrap_or(kept.service.as_str()));
    let page = if progress.is_done { page } else { page.with_script() };
    Ok(page.body(content))
}

/// A case of this person.
pub(super) fn own(site: &Site, who: &SignedIn, id: &str) -> Result<(CaseId, Kept), Refusal> {
    let id: Option<CaseId> = id.parse().ok();
    let found = id.and_then(|id| Some((id, site.book.of(who.index, id)?)));
    found.ok_or_else(|| who.visit.refuse(Because::NotFound))
}

/// Where the hub says that it is; `None`: it does not know it yet.
pub(super) async fn look(site: &Site, id: CaseId) -> Result<Option<CaseView>, Because> {
    match site.connector.case(id).await {
        Ok(view) => Ok(Some(view)),
        Err(error) if error.problem_code() == Some(ProblemCode::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Withdraws an application.
pub(super) async fn withdraw(
    State(site): State<Arc<Site>>,
    Path(id): Path<String>,
    SentBy { who, input }: SentBy,
) -> Result<Response, Refusal> {
    let (id, kept) = own(&site, &who, &id)?;
    let refuse = |because| who.visit.refuse(because);
    let view = look(&site, id).await.map_err(refuse)?;
    if view.is_some_and(|view| view.status.is_final()) {
        return Err(refuse(Because::TooLate));
    }
    let reason = match input.one("reason") {
        Some("mistake") => WithdrawalReason::AppliedByMistake,
        Some("other") => WithdrawalReason::Other,
        _ => WithdrawalReason::NoLongerNeeded,
    };
    let is_represented = who.person.representative().is_some();
    let body = ApplicationWithdrawn {
        withdrawn_at: now().map_err(|_| refuse(Because::Internal))?,
        withdrawn_by: if is_represented { WithdrawnBy::Representative } else { WithdrawnBy::Applicant },
        reason,
        note: None,
    };
    let offer = site.offer(&kept.service).ok_or_else(|| refuse(Because::NotFound))?;
    let message = OutgoingMessage::new(site.settings.hub_system.clone(), &body).case(id);
    site.send(offer.message(message)).await.map_err(refuse)?;
    Ok(back(&who.visit, id))
}

/// Takes back the consent that an application rests on.
pub(super) async fn revoke(
    State(site): State<Arc<Site>>,
    Path(id): Path<String>,
    SentBy { who, .. }: SentBy,
) -> Result<Response, Refusal> {
    let (id, kept) = own(&site, &who, &id)?;
    let refuse = |because| who.visit.refuse(because);
    let Some(consent) = kept.consent else { return Ok(back(&who.visit, id)) };
    let body = ConsentRevoked { revoked_at: now().map_err(|_| refuse(Because::Internal))?, consent };
    site.send(OutgoingMessage::new(site.settings.hub_system.clone(), &body)).await.map_err(refuse)?;
    site.book.change(id, |case| case.consent = None);
    Ok(back(&who.visit, id))
}

/// Asks for the fee.
pub(super) async fn fee(
    State(site): State<Arc<Site>>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let (id, kept) = own(&site, &who, &id)?;
    let visit = &who.visit;
    let Some((fee, _)) = kept.fee else { return Ok(back(visit, id)) };
    let text = format!("{} {}", baht(fee.amount_satang), visit.say("บาท", "baht"));
    let notice = visit.say("การสาธิต: ไม่มีการตัดเงินจริง", "A demonstration: no money is taken.");
    let pay = form(visit, &format!("cases/{id}/fee")).with(button(visit.say("ชำระ", "Pay")));
    let content = Html::from(el("p").class("status").with(text)).with(el("p").class("panel").with(notice)).with(pay);
    Ok(Page::new(visit, visit.say("ค่าธรรมเนียม", "The fee")).body(content))
}

/// Says that the fee is paid. A real portal sends people to a payment service here.
pub(super) async fn pay(
    State(site): State<Arc<Site>>,
    Path(id): Path<String>,
    SentBy { who, .. }: SentBy,
) -> Result<Response, Refusal> {
    let (id, kept) = own(&site, &who, &id)?;
    let refuse = |because| who.visit.refuse(because);
    let Some((fee, asked)) = kept.fee else { return Err(refuse(Because::TooLate)) };
    let body = ApplicationFeePaid {
        paid_at: now().map_err(|_| refuse(Because::Internal))?,
        amount_satang: fee.amount_satang,
        payment_reference: fee.payment_reference,
        receipt_number: None,
    };
    let offer = site.offer(&kept.service).ok_or_else(|| refuse(Because::NotFound))?;
    let message = OutgoingMessage::new(asked.iss, &body).case(id).reply_to(asked.jti);
    site.send(offer.message(message)).await.map_err(refuse)?;
    site.book.change(id, |case| case.fee = None);
    Ok(back(&who.visit, id))
}

pub(super) fn back(visit: &Visit, id: CaseId) -> Response {
    Redirect::to(&visit.path(&format!("cases/{id}"))).into_response()
}

/// What the person can do.
fn actions(visit: &Visit, id: CaseId, kept: &Kept) -> Element {
    let mut section = el("section").attr("id", "open");
    if kept.consent.is_some() {
        let text = visit.say(
            "หากถอนความยินยอม จะไม่มีการใช้ข้อมูลนั้นต่อไป และท่านอาจต้องยื่นเอกสารเอง",
            "When you take it back, that data is used no further, and you may have to hand in papers yourself.",
        );
        let take_back = el("button").attr("type", "submit").class("secondary");
        let take_back = take_back.with(visit.say("ถอนความยินยอม", "Take back my consent"));
        section = section.with(el("h2").with(visit.say("ความยินยอม", "Your consent"))).with(el("p").with(text));
        section = section.with(form(visit, &format!("cases/{id}/consent")).with(take_back));
    }
    let options = [
        ("no-need", visit.say("ไม่ต้องการแล้ว", "I do not need it any more")),
        ("mistake", visit.say("ยื่นโดยผิดพลาด", "I applied by mistake")),
        ("other", visit.say("เหตุผลอื่น", "Another reason")),
    ];
    let options = options.map(|(value, text)| el("option").attr("value", value).with(text));
    let select = el("select").attr("id", "reason").attr("name", "reason").with(options.into_iter().collect::<Html>());
    let label = el("label").attr("for", "reason").with(visit.say("เหตุผล", "Reason"));
    let take_back =
        el("button").attr("type", "submit").class("secondary").with(visit.say("ถอนคำขอ", "Withdraw the application"));
    let form = form(visit, &format!("cases/{id}/withdraw"));
    let form = form.with(el("div").class("field").with(label).with(select)).with(take_back);
    section.with(el("h2").with(visit.say("ถอนคำขอ", "Withdraw"))).with(form)
}
