//! What auditors asked before: each query with what opens the commitment in its entry.

use super::searching::fields::summary;
use super::searching::{asked, place_of};
use super::{Frame, button, cell, table};
use crate::audit::{PastQueries, PastQuery};
use crate::console::times::time;
use crate::console::{Fields, Mistakes, Word};
use crate::html::{Element, Html, el};

/// The button alone: looking is a query, too.
pub(crate) fn start(frame: Frame<'_>, mistakes: &Mistakes) -> String {
    let show = el("p").class("actions").with(button(frame.say(Word::Show)));
    let content = note(frame, Word::PastQueriesNote)
        .with(note(frame, Word::EveryLook))
        .with(frame.form("queries").class("panel").with(show));
    frame.page_with(Word::PastQueries, summary(frame, mistakes), content)
}

/// A page of them. `query` is the place of the one that asks for it.
pub(crate) fn page(frame: Frame<'_>, sent: &Fields, query: u64, past: &PastQueries) -> String {
    let content = note(frame, Word::PastQueriesNote).with(asked(frame, query, None));
    let content = if past.queries.is_empty() {
        content.with(el("p").class("notice").with(frame.say(Word::NothingAsked)))
    } else {
        let head = [Word::Place, Word::Time, Word::SignedInAs, Word::QueryText, Word::Salt];
        let rows: Html = past.queries.iter().map(|query| row(frame, query)).collect();
        content.with(table(frame.say(Word::PastQueries), &head.map(|word| frame.say(word)), rows))
    };
    frame.page(Word::PastQueries, content.with(paging(frame, sent, past)))
}

fn note(frame: Frame<'_>, word: Word) -> Html {
    el("p").class("quiet").with(frame.say(word)).into()
}

fn row(frame: Frame<'_>, PastQuery { index, log, at, auditor, text, salt }: &PastQuery) -> Element {
    let place = el("th").attr("scope", "row").with(place_of(*index, log.as_deref()));
    let text: Html = match text {
        // The call, and what was asked by it.
        Some(text) => text.lines().map(|line| el("code").class("wrap").with(line)).collect(),
        None => el("span").class("quiet").with(frame.say(Word::TextLost)).into(),
    };
    let tr = el("tr").with(place).with(cell(time(*at))).with(cell(auditor)).with(cell(text));
    tr.with(cell(salt.as_ref().map(|salt| el("code").with(salt))))
}

fn paging(frame: Frame<'_>, sent: &Fields, past: &PastQueries) -> Element {
    let newest = button(frame.say(Word::Newest)).class("secondary");
    let newest = sent.filled("before").map(|_| frame.form("queries").with(newest));
    let older = past.next.map(|next| {
        let older = button(frame.say(Word::Older)).attr("name", "before").attr("value", next.to_string());
        frame.form("queries").with(older)
    });
    el("div").class("actions").with(newest).with(older)
}
