//! What cannot be answered, and why, in words for people. Nothing of the hub's inside is told.

use saphan_schemas::message_types::Language;
use saphan_schemas::problem::ProblemCode;

use super::Frame;
use crate::console::Word;
use crate::html::{Html, el};

/// A page that says why there is nothing else.
pub(crate) fn page(frame: Frame<'_>, why: &str) -> String {
    let wrong = el("div").class("summary").attr("role", "alert").with(el("p").with(why));
    let start = el("a").attr("href", frame.path("")).with(frame.say(Word::ToStart));
    frame.page_with(Word::ErrorTitle, wrong.into(), Html::new().with(el("p").with(start)))
}

/// What a problem means to somebody who looks at pages; the title of the table where that is meant for them too.
pub(crate) fn says(code: ProblemCode, language: Language) -> &'static str {
    let word = match code {
        ProblemCode::NotFound | ProblemCode::MethodNotAllowed => Word::NotFound,
        ProblemCode::Forbidden => Word::MayNot,
        ProblemCode::RequestMalformed => Word::Unreadable,
        ProblemCode::RateLimited => Word::TooFast,
        ProblemCode::HubBusy => Word::Busy,
        ProblemCode::HubStopping => Word::Stopping,
        ProblemCode::HubUnavailable | ProblemCode::Internal => Word::Unavailable,
        other => {
            return match language {
                Language::Th => other.title_th(),
                Language::En => other.title_en(),
            };
        }
    };
    word.of(language)
}
