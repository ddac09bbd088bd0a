//! What the person is asked about an application, and the answers.

mod given;
mod items;
mod sending;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use saphan_schemas::ids::CaseId;
use saphan_schemas::message_types::AnswerForm;

use self::given::{Given, Lack, Lacks, file_inputs, keep_files};
use self::items::Filled;
use self::sending::Sending;
use super::case::{back, look, own};
use super::layout::{Page, button, form, hidden};
use super::progress::{is_of_use, open_question};
use crate::web::Site;
use crate::web::book::Question;
use crate::web::files::{Arriving, NotUploaded, Owner};
use crate::web::form::Input;
use crate::web::html::{Html, el};
use crate::web::language::Speaks as _;
use crate::web::names::day;
use crate::web::refusal::{Because, Refusal};
use crate::web::visit::{SignedIn, Visit};

pub(super) async fn show(
    State(site): State<Arc<Site>>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let (id, kept) = own(&site, &who, &id)?;
    // While the hub is away, a question is as open as it was.
    let view = look(&site, id).await.ok().flatten();
    let Some(question) = open_question(&site, &kept, view.as_ref()) else { return Ok(back(&who.visit, id)) };
    let held = site.shelf.of(owner(&who, question));
    let filled = Filled { input: &Input::default(), lacks: &Lacks::new(), held: &held };
    Ok(page(&who.visit, id, question, &filled))
}

/// Sends the answers to who asked.
pub(super) async fn answer(
    State(site): State<Arc<Site>>,
    Path(id): Path<String>,
    arriving: Arriving,
) -> Result<Response, Refusal> {
    let (id, kept) = own(&site, &arriving.who, &id)?;
    let (who, sent) = arriving.read(&file_inputs(&kept.questions)).await?;
    let refuse = |because| who.visit.refuse(because);
    let named = sent.input.one("question");
    let question = kept.questions.iter().find(|question| named == Some(&question.envelope.jti.to_string()));
    let question = question.ok_or_else(|| refuse(Because::TooLate))?;
    if question.answered {
        return Ok(back(&who.visit, id));
    }
    let view = look(&site, id).await.ok().flatten();
    if !is_of_use(&site, question, view.as_ref()) {
        return Err(refuse(Because::TooLate));
    }
    let owner = owner(&who, question);
    let faults = keep_files(&site.shelf, owner, &question.asked, &sent.input, sent.files);
    let held = site.shelf.of(owner);
    let show = |lacks: &Lacks| {
        let filled = Filled { input: &sent.input, lacks, held: &site.shelf.of(owner) };
        Ok(page(&who.visit, id, question, &filled))
    };
    let given = match Given::read(&question.asked, &sent.input, &held, &faults, who.visit.language) {
        Ok(given) if !given.is_nothing() => given,
        Ok(_) => return show(&Lacks::new()),
        Err(lacks) => return show(&lacks),
    };
    let (service, question) = (kept.service.clone(), question.clone());
    let sending = Sending { site: Arc::clone(&site), case: id, service, owner, question, given };
    // Neither a browser that hangs up nor a second click leaves half of it done.
    match tokio::spawn(sending.run()).await {
        Ok(Ok(())) => Ok(back(&who.visit, id)),
        Ok(Err(NotUploaded::Files(faults))) => {
            show(&faults.into_iter().map(|(item, fault)| (item, Lack::File(fault))).collect())
        }
        Ok(Err(NotUploaded::Because(because))) => Err(refuse(because)),
        Err(_) => Err(refuse(Because::Internal)),
    }
}

const fn owner(who: &SignedIn, question: &Question) -> Owner {
    Owner { person: who.index, message: question.envelope.jti }
}

fn page(visit: &Visit, id: CaseId, question: &Question, filled: &Filled<'_>) -> Response {
    let asked = &question.asked;
    let items = asked.items.iter().map(|item| filled.item(visit, item));
    let by = asked.answer_by.as_ref().map(|date| {
        el("p").with(format!("{} {}", visit.say("โปรดตอบภายในวันที่", "Please answer by"), day(date, visit.language)))
    });
    let else_what = asked.if_not_answered.as_ref().map(|text| el("p").class("quiet").with(visit.language.text(text)));
    let who = format!("{} {}", visit.say("จาก", "From"), visit.language.text(&asked.requested_by.name));
    let has_files = asked.items.iter().any(|item| item.answer == AnswerForm::Document);
    let form = form(visit, &format!("cases/{id}/questions"))
        .attr_if("enctype", has_files.then_some("multipart/form-data"))
        .with(hidden("question", &question.envelope.jti.to_string()))
        .with(items.collect::<Html>())
        .with(el("p").class("actions").with(button(visit.say("ส่งคำตอบ", "Send the answer"))));
    let content = Html::new()
        .with(el("p").with(visit.language.text(&asked.text)))
        .with(el("p").class("quiet").with(who))
        .with(by)
        .with(else_what)
        .with(form);
    let heading = visit.say("คำถามถึงท่าน", "You are asked");
    Page::new(visit, heading).before(filled.summary(visit, asked)).body(content)
}
