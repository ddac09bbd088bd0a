//! One service: what it is, what must be proven, and that nobody has to hand that in.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use saphan_schemas::catalogue::{Channel, EvidenceType, PublicService, Requirement};
use saphan_schemas::ids::ServiceId;
use saphan_schemas::message_types::{ApplicantKind, LegalReference};

use super::layout::{Page, terms};
use crate::web::Site;
use crate::web::form::labels;
use crate::web::html::{Element, Html, el};
use crate::web::language::{Speaks as _, baht};
use crate::web::refusal::{Because, Refusal};
use crate::web::visit::Visit;

pub(super) async fn show(
    State(site): State<Arc<Site>>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let service = find(&site, &visit, &id)?;
    let kind = visit.session.as_ref().and_then(|session| session.person).and_then(|at| site.settings.people.get(at));
    let content = Html::new()
        .with(el("p").with(visit.language.text(&service.description)))
        .with(facts(&visit, service))
        .with(papers(&site, &visit, service, kind.map(|person| person.kind())))
        .with(apply(&site, &visit, service));
    Ok(Page::new(&visit, visit.language.text(&service.name)).body(content))
}

/// The service that a path names.
pub(super) fn find<'a>(site: &'a Site, visit: &Visit, id: &str) -> Result<&'a PublicService, Refusal> {
    let id = id.parse::<ServiceId>().ok();
    let service = id.and_then(|id| site.catalogue.service(&id));
    service.ok_or_else(|| visit.refuse(Because::NotFound))
}

fn facts(visit: &Visit, service: &PublicService) -> Element {
    let fee = match (service.fee_satang, &service.fee_note) {
        (_, Some(note)) => visit.language.text(note).to_owned(),
        (Some(0), None) => visit.say("ไม่มี", "None").to_owned(),
        (Some(satang), None) => format!("{} {}", baht(satang), visit.say("บาท", "baht")),
        (None, None) => visit.say("ขึ้นกับรายละเอียดของคำขอ", "Depends on the application").to_owned(),
    };
    let who: Vec<_> = service.applicants.iter().map(|kind| applicant(visit, *kind)).collect();
    let laws: Vec<_> = service.legal_basis.iter().map(|law| legal(visit, law)).collect();
    let channels: Vec<_> = service.channels.iter().map(|channel| of_channel(visit, *channel)).collect();
    let days = format!("{} {}", service.processing_days, visit.say("วัน", "days"));
    terms([
        (visit.say("ผู้พิจารณา", "Who decides").to_owned(), visit.language.text(&service.authority.name).into()),
        (visit.say("ผู้ที่ยื่นได้", "Who can apply").to_owned(), who.join(", ").into()),
        (visit.say("ใช้เวลาไม่เกิน", "Takes at most").to_owned(), days.into()),
        (visit.say("ค่าธรรมเนียม", "Fee").to_owned(), fee.into()),
        (visit.say("ช่องทาง", "Ways to apply").to_owned(), channels.join(", ").into()),
        (visit.say("กฎหมาย", "Law").to_owned(), laws.join("; ").into()),
    ])
}

/// What must be proven, and who is asked for it instead of the applicant.
pub(super) fn papers(site: &Site, visit: &Visit, service: &PublicService, kind: Option<ApplicantKind>) -> Html {
    let all = service.requirements.iter();
    let concerned =
        all.filter(|one| kind.is_none_or(|kind| service.requirements_for(kind).any(|own| own.id == one.id)));
    let items: Vec<Element> = concerned.map(|requirement| paper(site, visit, requirement, kind)).collect();
    let heading = el("h2").with(visit.say("เอกสารที่ไม่ต้องยื่น", "Papers that you do not hand in"));
    let text = if items.is_empty() {
        visit.say("บริการนี้ไม่ต้องใช้หลักฐานอื่น", "This service needs no other proof.")
    } else {
        visit.say("ระบบขอหลักฐานต่อไปนี้จากหน่วยงานที่ถือครองให้ท่าน", "The exchange asks the agencies that hold them for these:")
    };
    let list = (!items.is_empty()).then(|| el("ul").class("cards").with(items.into_iter().collect::<Html>()));
    Html::new().with(heading).with(el("p").with(text)).with(list)
}

fn paper(site: &Site, visit: &Visit, requirement: &Requirement, kind: Option<ApplicantKind>) -> Element {
    let known = requirement.evidence.iter().filter_map(|id| site.catalogue.evidence_type(id));
    let each = known.map(|evidence| evidence_item(site, visit, evidence));
    let of_some = (kind.is_none() && !requirement.applicants.is_empty()).then(|| {
        let whom: Vec<_> = requirement.applicants.iter().map(|kind| applicant(visit, *kind)).collect();
        el("p").class("quiet").with(format!("{} {}", visit.say("เฉพาะ", "Only for:"), whom.join(", ")))
    });
    let heading = el("h3").with(visit.language.text(&requirement.name));
    el("li").with(heading).with(of_some).with(each.collect::<Html>())
}

fn evidence_item(site: &Site, visit: &Visit, evidence: &EvidenceType) -> Html {
    let providers: Vec<_> = evidence.providers().map(|member| site.names.member(member, visit.language)).collect();
    let providers = providers.join(visit.say(" หรือ ", " or "));
    let from = format!("{} {} {providers}", visit.language.text(&evidence.name), visit.say("จาก", "from"));
    let law = el("p").class("quiet").with(legal(visit, &evidence.legal_basis));
    let consent = evidence.consent_needed.then(|| {
        let text = visit.say("ต้องขอความยินยอมจากท่านก่อน", "Only with your consent");
        el("p").with(el("span").class("tag").with(text))
    });
    Html::new().with(el("p").with(from)).with(consent).with(law)
}

fn apply(site: &Site, visit: &Visit, service: &PublicService) -> Element {
    if site.offer(&service.id).is_none() {
        let text = visit.say(
            "บริการนี้ยังยื่นคำขอผ่านหน้านี้ไม่ได้ โปรดติดต่อหน่วยงาน",
            "You cannot apply for this on this page yet. Please go to the agency.",
        );
        return el("p").class("panel").with(text);
    }
    let link = el("a").class("button").attr("href", visit.path(&format!("services/{}/apply", service.id)));
    el("p").class("actions").with(link.with(visit.say("เริ่มยื่นคำขอ", "Start the application")))
}

fn legal(visit: &Visit, law: &LegalReference) -> String {
    let section = law.section.as_ref().map(|section| format!(" {} {section}", visit.say("มาตรา", "section")));
    format!("{}{}", visit.language.text(&law.law), section.unwrap_or_default())
}

fn applicant(visit: &Visit, kind: ApplicantKind) -> String {
    labels::of_choice(&kind.to_string(), visit.language).into_owned()
}

fn of_channel(visit: &Visit, channel: Channel) -> &'static str {
    match channel {
        Channel::Portal => visit.language.of("พอร์ทัลกลาง", "The citizen portal"),
        Channel::Website => visit.language.of("เว็บไซต์ของหน่วยงาน", "The agency's web site"),
        Channel::Office => visit.language.of("สำนักงาน", "An office"),
        Channel::Post => visit.language.of("ไปรษณีย์", "By post"),
        Channel::Telephone => visit.language.of("โทรศัพท์", "By telephone"),
    }
}
