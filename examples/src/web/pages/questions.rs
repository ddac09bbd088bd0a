//! What the person is asked about an application, and the answers.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use saphan_connector::OutgoingMessage;
use saphan_schemas::ids::{CaseId, Code};
use saphan_schemas::message_types::{Answer, AnswerForm, Date, FactValue, InformationSupplied, Item};
use serde_json::Number;

use super::case::{back, own};
use super::layout::{Page, button, form, hidden};
use crate::agencies::answers::now;
use crate::web::Site;
use crate::web::book::Question;
use crate::web::form::Input;
use crate::web::html::{Element, Html, el};
use crate::web::language::Speaks as _;
use crate::web::names::day;
use crate::web::refusal::{Because, Refusal};
use crate::web::visit::{SentBy, SignedIn, Visit};

pub(super) async fn show(
    State(site): State<Arc<Site>>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let (id, kept) = own(&site, &who, &id)?;
    match kept.questions.iter().rev().find(|question| !question.answered) {
        Some(question) => Ok(page(&who.visit, id, question, &Input::default(), &BTreeSet::new())),
        None => Ok(back(&who.visit, id)),
    }
}

/// Sends the answers to who asked.
pub(super) async fn answer(
    State(site): State<Arc<Site>>,
    Path(id): Path<String>,
    SentBy { who, input }: SentBy,
) -> Result<Response, Refusal> {
    let (id, kept) = own(&site, &who, &id)?;
    let refuse = |because| who.visit.refuse(because);
    let named = input.one("question");
    let question = kept.questions.iter().find(|question| named == Some(&question.envelope.jti.to_string()));
    let question = question.ok_or_else(|| refuse(Because::TooLate))?;
    if question.answered {
        return Ok(back(&who.visit, id));
    }
    let (mut answers, mut wrong) = (Vec::new(), BTreeSet::new());
    for item in &question.asked.items {
        match answer_to(item, &input, &who.visit) {
            Ok(answer) => answers.extend(answer),
            Err(Unanswered) => {
                wrong.insert(item.item.clone());
            }
        }
    }
    if answers.is_empty() || !wrong.is_empty() {
        return Ok(page(&who.visit, id, question, &input, &wrong));
    }
    let body = InformationSupplied { supplied_at: now().map_err(|_| refuse(Because::Internal))?, answers };
    let envelope = &question.envelope;
    let offer = site.offer(&kept.service).ok_or_else(|| refuse(Because::NotFound))?;
    let message = OutgoingMessage::new(envelope.iss.clone(), &body).case(id).reply_to(envelope.jti);
    // Marked first: a second click finds nothing to answer.
    mark(&site, id, question, true);
    if let Err(because) = site.send(offer.message(message)).await {
        if !matches!(because, Because::Unreachable) {
            mark(&site, id, question, false);
        }
        return Err(refuse(because));
    }
    Ok(back(&who.visit, id))
}

fn mark(site: &Site, id: CaseId, question: &Question, answered: bool) {
    site.book.change(id, |case| {
        let same = case.questions.iter_mut().find(|known| known.envelope.jti == question.envelope.jti);
        if let Some(known) = same {
            known.answered = answered;
        }
    });
}

/// A question without the answer that it needs.
struct Unanswered;

fn answer_to(item: &Item, input: &Input, visit: &Visit) -> Result<Option<Answer>, Unanswered> {
    let code = item.item.clone();
    if input.one(&format!("none/{code}")).is_some() || item.answer == AnswerForm::Document {
        let counter = input.one(&format!("none/{code}")) == Some("counter");
        let note = if counter {
            visit.say("จะยื่นด้วยตนเองที่สำนักงาน", "Will be handed in at the office.")
        } else {
            visit.say("ไม่มี", "I do not have it.")
        };
        let said = input.one(&format!("none/{code}")).is_some();
        return if said {
            Ok(Some(Answer::Unavailable { item: code, note: note.to_owned() }))
        } else {
            Err(Unanswered)
        };
    }
    let Some(text) = input.one(&format!("answer/{code}")) else {
        return if item.required { Err(Unanswered) } else { Ok(None) };
    };
    let value = match item.answer {
        AnswerForm::Number => FactValue::Number(text.replace(',', "").parse::<Number>().map_err(|_| Unanswered)?),
        AnswerForm::YesNo => FactValue::YesNo(match text {
            "yes" => true,
            "no" => false,
            _ => return Err(Unanswered),
        }),
        AnswerForm::Date => FactValue::Text(text.parse::<Date>().map_err(|_| Unanswered)?.to_string()),
        AnswerForm::Choice => {
            let chosen = item.choices.iter().find(|choice| choice.code.as_str() == text).ok_or(Unanswered)?;
            FactValue::Text(chosen.code.to_string())
        }
        AnswerForm::Text | AnswerForm::Document if text.chars().count() <= LONGEST => FactValue::Text(text.to_owned()),
        AnswerForm::Text | AnswerForm::Document => return Err(Unanswered),
    };
    Ok(Some(Answer::Value { item: code, value }))
}

fn page(visit: &Visit, id: CaseId, question: &Question, input: &Input, wrong: &BTreeSet<Code>) -> Response {
    let asked = &question.asked;
    let items = asked.items.iter().map(|one| item(visit, one, input, wrong.contains(&one.item)));
    let by = asked.answer_by.as_ref().map(|date| {
        el("p").with(format!("{} {}", visit.say("โปรดตอบภายในวันที่", "Please answer by"), day(date, visit.language)))
    });
    let who = format!("{} {}", visit.say("จาก", "From"), visit.language.text(&asked.requested_by.name));
    let form = form(visit, &format!("cases/{id}/questions"))
        .with(hidden("question", &question.envelope.jti.to_string()))
        .with(items.collect::<Html>())
        .with(el("p").class("actions").with(button(visit.say("ส่งคำตอบ", "Send the answer"))));
    let content = Html::new()
        .with(el("p").with(visit.language.text(&asked.text)))
        .with(el("p").class("quiet").with(who))
        .with(by)
        .with(form);
    let links = asked.items.iter().filter(|item| wrong.contains(&item.item)).map(|item| {
        let link = el("a").attr("href", format!("#answer-{}", item.item));
        el("li").with(link.with(visit.language.text(&item.question)))
    });
    let summary = (!wrong.is_empty()).then(|| {
        let heading = el("h2").with(visit.say("โปรดตอบคำถามต่อไปนี้", "Please answer these questions"));
        el("div").class("summary").attr("role", "alert").with(heading).with(el("ul").with(links.collect::<Html>()))
    });
    Page::new(visit, visit.say("คำถามถึงท่าน", "You are asked")).before(summary.into()).body(content)
}

fn item(visit: &Visit, item: &Item, input: &Input, is_wrong: bool) -> Element {
    let (id, name) = (format!("answer-{}", item.item), format!("answer/{}", item.item));
    let given = input.one(&name);
    let label = visit.language.text(&item.question);
    let text = visit.say("โปรดตอบ", "Please answer this.");
    let error_id = is_wrong.then(|| format!("{id}-error"));
    let error = error_id.as_ref().map(|error| el("p").class("error").attr("id", error).with(text));
    let line = |kind: &'static str| {
        let input = el("input").attr("type", kind).attr("id", &id).attr("name", &name).attr_if("value", given);
        input.attr_if("aria-describedby", error_id.as_ref()).attr_if("aria-invalid", is_wrong.then_some("true"))
    };
    let boxed = |inner: Element| {
        let label = el("label").attr("for", &id).with(label);
        el("div").class("field").with(label).with(error.clone()).with(inner)
    };
    match item.answer {
        AnswerForm::Text => boxed(line("text").attr("maxlength", LONGEST.to_string())),
        AnswerForm::Number => boxed(line("text").attr("inputmode", "numeric")),
        AnswerForm::Date => boxed(line("date")),
        AnswerForm::Choice => {
            let none = el("option").attr("value", "").with(visit.say("โปรดเลือก", "Please choose"));
            let options = item.choices.iter().map(|choice| {
                let option = el("option").attr("value", choice.code.as_str());
                option.flag("selected", given == Some(choice.code.as_str())).with(visit.language.text(&choice.label))
            });
            let select = el("select").attr("id", &id).attr("name", &name);
            boxed(select.with(none).with(options.collect::<Html>()))
        }
        AnswerForm::YesNo => {
            let options = [("yes", visit.say("ใช่", "Yes")), ("no", visit.say("ไม่ใช่", "No"))];
            radios(&id, &name, label, (error, error_id), options)
        }
        AnswerForm::Document => {
            let name = format!("none/{}", item.item);
            let options = [
                ("counter", visit.say("ฉันจะยื่นเอกสารที่สำนักงาน", "I will hand it in at the office")),
                ("none", visit.say("ฉันไม่มีเอกสารนี้", "I do not have it")),
            ];
            radios(&id, &name, label, (error, error_id), options)
        }
    }
}

fn radios(
    id: &str,
    name: &str,
    legend: &str,
    (error, error_id): (Option<Element>, Option<String>),
    options: [(&'static str, &str); 2],
) -> Element {
    let each = options.map(|(value, text)| {
        let own = format!("{id}-{value}");
        let input = el("input").attr("type", "radio").attr("id", &own).attr("name", name).attr("value", value);
        el("div").class("option").with(input).with(el("label").attr("for", own).with(text))
    });
    let set = el("fieldset").class("options").attr("id", id).attr("tabindex", "-1");
    let set = set.attr_if("aria-describedby", error_id).with(el("legend").with(legend)).with(error);
    set.with(each.into_iter().collect::<Html>())
}

/// As `information.supplied` takes it.
const LONGEST: usize = 4000;
