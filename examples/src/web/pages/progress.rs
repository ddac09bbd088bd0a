//! How far a case is, for the page and for those who watch it.

use saphan_connector::portal::{CaseStatus, CaseView, RequirementState, RequirementView};
use saphan_schemas::ids::CaseId;
use saphan_schemas::message_types::{
    ApplicationDecided, Date, Decision, Item, Language, PaymentInterval, ProofSource, Remedy,
};

use super::layout::terms;
use crate::web::Site;
use crate::web::book::{Kept, Question};
use crate::web::html::{Element, Html, el};
use crate::web::language::{Speaks as _, baht};
use crate::web::names::{day, moment};

/// How far it is.
pub(super) struct Progress {
    /// In one sentence, for the live region.
    pub(super) status: String,
    /// All of it.
    pub(super) html: Html,
    /// Whether nothing follows.
    pub(super) is_done: bool,
}

impl Progress {
    /// From what the hub says, if it knows the case yet, and what the portal was told.
    pub(super) fn new(site: &Site, language: Language, id: CaseId, kept: &Kept, view: Option<&CaseView>) -> Self {
        let status = match view {
            Some(view) => language.text(&view.text).to_owned(),
            None => language.of("กำลังส่งคำขอ", "The application is on its way.").to_owned(),
        };
        let mut html = Html::new();
        html.push(open_question(site, kept, view).map(|open| question(language, id, open)));
        html.push(view.and_then(|view| fee(language, id, kept, view)));
        if let Some(view) = view {
            let items = view.requirements.iter().map(|one| requirement(site, language, one));
            if !view.requirements.is_empty() {
                html.push(el("h2").with(language.of("หลักฐาน", "Evidence")));
                html.push(el("ol").class("steps").with(items.collect::<Html>()));
            }
            html.push(dates(language, view));
        }
        if !kept.news.is_empty() {
            let items = kept.news.iter().map(|(at, text)| {
                let when = el("p").class("quiet").with(moment(at, language));
                el("li").with(when).with(el("p").with(language.text(text)))
            });
            html.push(el("h2").with(language.of("ข่าวจากหน่วยงาน", "News from the agency")));
            html.push(el("ol").class("steps").with(items.collect::<Html>()));
        }
        html.push(kept.decision.as_ref().map(|decided| decision(language, decided)));
        // The hub may know of the decision before the portal has it.
        let is_done = match view.map(|view| view.status) {
            Some(CaseStatus::Withdrawn) => true,
            Some(status) => status.is_final() && kept.decision.is_some(),
            None => false,
        };
        Self { status, html, is_done }
    }
}

/// What the person is asked, the latest first, as long as an answer is of use.
pub(super) fn open_question<'k>(site: &Site, kept: &'k Kept, view: Option<&CaseView>) -> Option<&'k Question> {
    let mut latest = kept.questions.iter().rev();
    latest.find(|question| !question.answered && is_of_use(site, question, view))
}

/// What the hub asks is over once something proves it, or the authority has the case: until then a late answer counts.
pub(super) fn is_of_use(site: &Site, question: &Question, view: Option<&CaseView>) -> bool {
    let Some(view) = view else { return true };
    let by_the_hub = question.envelope.iss == site.settings.hub_system;
    !view.status.is_final() && (!by_the_hub || question.asked.items.iter().any(|item| is_open(item, view)))
}

fn is_open(item: &Item, view: &CaseView) -> bool {
    let requirement = view.requirements.iter().find(|one| one.requirement == item.item);
    requirement.is_some_and(|one| match one.state {
        RequirementState::AskedApplicant => true,
        RequirementState::Missing => !view.handed_over,
        _ => false,
    })
}

fn question(language: Language, id: CaseId, open: &Question) -> Element {
    let link = el("a").class("button").attr("href", format!("/{}/cases/{id}/questions", language.code()));
    let text = el("p").with(language.text(&open.asked.text));
    el("div").class("summary").with(text).with(el("p").with(link.with(language.of("ตอบคำถาม", "Answer"))))
}

/// What the person has to pay.
fn fee(language: Language, id: CaseId, kept: &Kept, view: &CaseView) -> Option<Element> {
    let (fee, _) = kept.fee.as_ref().filter(|_| view.status == CaseStatus::ApprovedWaitingPayFee)?;
    let link = el("a").class("button").attr("href", format!("/{}/cases/{id}/fee", language.code()));
    let text = format!("{} {} {}", language.of("ชำระ", "Pay"), baht(fee.amount_satang), language.of("บาท", "baht"));
    Some(el("div").class("panel").with(el("p").with(link.with(text))))
}

fn requirement(site: &Site, language: Language, one: &RequirementView) -> Element {
    let name = one.name.as_ref().map_or_else(|| one.requirement.to_string(), |name| language.text(name).to_owned());
    let (class, state) = match one.state {
        RequirementState::Proven => match one.source {
            Some(ProofSource::Reused) => (
                "proven",
                language
                    .of("ใช้หลักฐานเดิมที่ยังใหม่อยู่ ไม่ต้องขอใหม่", "Proven by what is there from before, and is still fresh"),
            ),
            Some(ProofSource::Applicant) => ("proven", language.of("ท่านยื่นแล้ว", "You have sent it")),
            _ => ("proven", language.of("ได้รับแล้ว ท่านไม่ต้องยื่น", "Received; you need not hand it in")),
        },
        RequirementState::Requested | RequirementState::Awaiting => ("open", language.of("กำลังขอ", "Being asked for")),
        RequirementState::Pending => ("open", language.of("หน่วยงานกำลังค้นหา", "The agency is looking for it")),
        RequirementState::Reusing => ("open", language.of("กำลังใช้หลักฐานเดิม", "Being used again")),
        RequirementState::AskedApplicant => ("asked", language.of("มีคำถามถึงท่าน", "You are asked for it")),
        RequirementState::Missing => match one.because.as_deref() {
            Some("APPLICANT_DID_NOT_ANSWER") => {
                ("asked", language.of("ท่านไม่ได้ตอบภายในกำหนด", "You did not answer in time"))
            }
            Some("APPLICANT_NOT_REACHED") => ("asked", language.of("ไม่สามารถสอบถามท่านได้", "You could not be asked")),
            _ => ("asked", language.of("ไม่มีหลักฐาน", "Nobody could prove it")),
        },
        _ => ("open", language.of("กำลังดำเนินการ", "Under way")),
    };
    let evidence = one.evidence_type.as_ref().map(|id| site.names.evidence(id, language));
    let from = one.provider.as_ref().filter(|_| one.source != Some(ProofSource::Applicant));
    let from = from.map(|system| format!("{} {}", language.of("จาก", "from"), site.names.system(system, language)));
    let what: Vec<_> = [evidence, from].into_iter().flatten().collect();
    let failed = (!one.failures.is_empty() && one.state != RequirementState::Proven).then(|| {
        let who: Vec<_> = one.failures.iter().map(|one| site.names.system(&one.provider, language)).collect();
        let text = language.of("ขอไม่ได้จาก", "Not to be had from");
        el("p").class("quiet").with(format!("{text} {}", who.join(", ")))
    });
    let state = el("p").class(if class == "proven" { "good" } else { "quiet" }).with(state);
    let last_day = one.answer_by.as_ref().map(|last| {
        let text = language.of("โปรดตอบภายในวันที่", "Please answer by");
        el("p").with(format!("{text} {}", day(last, language)))
    });
    let head = el("li").class(class).with(el("h3").with(name)).with(state).with(last_day);
    head.with(el("p").with(what.join(" "))).with(failed)
}

fn dates(language: Language, view: &CaseView) -> Element {
    let opened = view
        .opened_at
        .as_ref()
        .map(|at| (language.of("ยื่นเมื่อ", "Submitted").to_owned(), Html::from(moment(at, language))));
    let due = view.due_at.as_ref().filter(|_| !view.status.is_final()).and_then(|at| {
        let date = Date::in_thailand(at.unix_ms()).ok()?;
        Some((language.of("จะพิจารณาภายในวันที่", "To be decided by").to_owned(), Html::from(day(&date, language))))
    });
    terms([opened, due].into_iter().flatten())
}

fn decision(language: Language, decided: &ApplicationDecided) -> Html {
    let mut html = Html::from(el("h2").with(language.of("ผลการพิจารณา", "The decision")));
    html.push(el("p").class("status").with(language.text(&decided.text)));
    let by = format!("{}, {}", language.text(&decided.decided_by.name), moment(&decided.decided_at, language));
    html.push(el("p").class("quiet").with(by));
    let remedies = match &decided.decision {
        Decision::Approved(approval) => {
            let conditions = approval.conditions.iter().map(|text| el("li").with(language.text(text)));
            let issued = approval
                .issued
                .iter()
                .map(|one| el("li").with(format!("{} {}", language.of("ออกเอกสารเลขที่", "Issued, number"), one.number)));
            let payment = approval.payment.iter().map(|payment| {
                let often = match payment.interval {
                    PaymentInterval::Once => language.of("ครั้งเดียว", "once"),
                    PaymentInterval::Monthly => language.of("ทุกเดือน", "every month"),
                };
                let first = format!("{} {}", language.of("เริ่ม", "first on"), day(&payment.first_on, language));
                let unit = language.of("บาท", "baht");
                el("li").with(format!("{} {unit} {often} {first}", baht(payment.amount_satang)))
            });
            let items: Vec<_> = conditions.chain(issued).chain(payment).collect();
            html.push((!items.is_empty()).then(|| el("ul").with(items.into_iter().collect::<Html>())));
            &approval.remedies
        }
        Decision::Rejected(rejection) => {
            let reasons = rejection.reasons.iter().map(|reason| el("li").with(language.text(&reason.text)));
            html.push(el("h3").with(language.of("เหตุผล", "Reasons")));
            html.push(el("ul").with(reasons.collect::<Html>()));
            &rejection.remedies
        }
    };
    html.push(can_do(language, remedies));
    html
}

fn can_do(language: Language, remedies: &[Remedy]) -> Html {
    if remedies.is_empty() {
        return Html::new();
    }
    let items = remedies.iter().map(|remedy| el("li").with(language.text(&remedy.text)));
    let heading = el("h3").with(language.of("สิทธิของท่าน", "What you can do"));
    Html::new().with(heading).with(el("ul").with(items.collect::<Html>()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_to_the_hub_is_of_use_until_something_proves_it_or_the_authority_has_the_case() {
        let item: Item = serde_json::from_value(json!({
            "item": "identity", "question": { "th": "ก", "en": "a" }, "answer": "DOCUMENT", "required": false,
        }))
        .unwrap();
        let view = |state: &str, handed_over: bool| -> CaseView {
            serde_json::from_value(json!({
                "case": "0192f0c1-7a30-7c5e-8f53-2b1d0f6f9a11", "service": "th.dopa.move-in", "status": "CHECK",
                "next": "WAITING_AGENT_WORKING", "text": { "th": "ก", "en": "a" }, "authority": "th.dopa/registrar",
                "handed_over": handed_over, "events": 1,
                "requirements": [{ "requirement": "identity", "name": null, "state": state }],
            }))
            .unwrap()
        };
        for (state, handed_over, open) in [
            ("asked-applicant", false, true),
            ("missing", false, true),
            ("missing", true, false),
            ("proven", false, false),
            ("requested", false, false),
        ] {
            assert_eq!(is_open(&item, &view(state, handed_over)), open, "{state}");
        }
    }
}
