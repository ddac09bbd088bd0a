//! The search: its form, and what was found.

mod exporting;
pub(super) mod fields;

use super::{Frame, button, cell, details, heading, table};
use crate::audit::{Page, Row};
use crate::console::forms::FILTER;
use crate::console::times::time;
use crate::console::{Fields, Mistakes, Word};
use crate::html::{Element, Html, el};
use crate::shards;

/// What can be chosen in the form's fields; others may be typed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Choices {
    pub(crate) systems: Vec<String>,
    pub(crate) services: Vec<String>,
    /// The origins of the hub's logs, the newest first; none while there is but one.
    pub(crate) logs: Vec<String>,
}

/// The form, with what it was sent with and what of that is wrong; and the ways to one message and one case.
pub(crate) fn start(frame: Frame<'_>, choices: &Choices, sent: &Fields, mistakes: &Mistakes) -> String {
    let message = frame
        .form("message")
        .with(fields::text(frame, "message", Word::MessageId, None, sent, mistakes))
        .with(fields::text(frame, "sender", Word::SenderIfKnown, Some("systems"), sent, mistakes))
        .with(button(frame.say(Word::Open)));
    let content = Html::new()
        .with(el("p").class("quiet").with(frame.say(Word::EveryLook)))
        .with(form(frame, choices, sent, mistakes))
        .with(heading(frame.say(Word::FindMessage)))
        .with(message.class("panel"));
    frame.page_with(Word::SearchTheLog, fields::summary(frame, mistakes), content)
}

/// A page of what was found, below the form.
pub(crate) fn found(frame: Frame<'_>, choices: &Choices, sent: &Fields, page: &Page) -> String {
    let again = details(frame.say(Word::SearchTheLog), form(frame, choices, sent, &Mistakes::default()));
    let mut content = Html::new().with(again).with(fields::conditions(frame, sent));
    content.push(asked(frame, page.query, Some(page.indexed)));
    if page.rows.is_empty() {
        let word = if page.next.is_some() { Word::MoreToCome } else { Word::NothingFits };
        content.push(el("p").class("notice").with(frame.say(word)));
    } else {
        let label = frame.say(Word::Found);
        let trail = trail(sent).with(rows(frame, label, &page.rows, true));
        content.push(frame.form("message").with(trail));
    }
    content.push(paging(frame, sent, page));
    content.push(exporting::form(frame, &choices.logs, sent));
    frame.page(Word::Found, content)
}

/// What leads back to these results.
fn trail(sent: &Fields) -> Html {
    let trail = el("input").attr("type", "hidden").attr("name", TRAIL).attr("value", "1");
    sent.hidden(&FILTER).with(sent.hidden(&["before"])).with(trail)
}

/// What led here from a search goes on with another form.
pub(super) fn followed(sent: &Fields) -> Html {
    if sent.filled(TRAIL).is_some() { trail(sent) } else { Html::new() }
}

/// The way back to the results that led here.
pub(super) fn back(frame: Frame<'_>, sent: &Fields) -> Html {
    if sent.filled(TRAIL).is_none() {
        return Html::new();
    }
    let back = frame.form("search").with(trail(sent));
    back.class("back").with(button(frame.say(Word::BackToResults)).class("secondary")).into()
}

/// That the question is in the log, and how far was looked.
pub(super) fn asked(frame: Frame<'_>, query: u64, indexed: Option<u64>) -> Element {
    let entry = format!("{} {}", frame.say(Word::QueryEntry), place_of(query, frame.log));
    let searched = indexed.map(|indexed| format!(" · {}: {indexed}", frame.say(Word::Searched)));
    el("p").class("quiet").with(entry).with(searched)
}

/// Its index; with the name of its log, once the hub has several.
pub(super) fn place(row: &Row) -> String {
    place_of(row.index, row.log.as_deref())
}

/// An index, with the name of its log if that is told.
pub(super) fn place_of(index: u64, log: Option<&str>) -> String {
    log.map_or_else(|| index.to_string(), |log| format!("{index} · {}", shards::name(log)))
}

/// Rows with buttons that open what they are about, for a form that is sent to `message`.
pub(super) fn rows(frame: Frame<'_>, label: &str, rows: &[Row], with_cases: bool) -> Element {
    let names = [Word::Place, Word::Time, Word::Kind, Word::FromAndTo, Word::Service, Word::Outcome, Word::Open];
    let head = names.map(|word| frame.say(word));
    let row = |row: &Row| {
        let place_of = el("th").attr("scope", "row").with(place(row));
        let kind = el("span").with(frame.say(Word::kind(row.kind)));
        let kind = Html::new().with(kind).with(row.message_type.as_ref().map(|text| el("code").with(text)));
        let tr = el("tr").with(place_of).with(cell(time(row.at))).with(cell(kind)).with(cell(parties(row)));
        let tr = tr.with(cell(row.service.as_ref())).with(cell(outcome(frame, row)));
        tr.with(cell(opening(frame, row, with_cases)))
    };
    table(label, &head, rows.iter().map(row).collect::<Html>())
}

/// Who sent it, and to whom.
pub(super) fn parties(row: &Row) -> Html {
    let from = row.from.as_ref().map(|from| el("span").with(from));
    let to = row.to.as_ref().map(|to| el("span").with(format!("→ {to}")));
    Html::new().with(from).with(to)
}

/// What became of it, in words and not by colour alone.
pub(super) fn outcome(frame: Frame<'_>, row: &Row) -> Html {
    let fate = row.outcome.map(|fate| el("span").class(fate.as_str()).with(frame.say(Word::fate(fate))));
    Html::new().with(fate).with(row.code.as_ref().map(|text| el("code").with(text)))
}

fn opening(frame: Frame<'_>, row: &Row, with_cases: bool) -> Html {
    let mut buttons = Html::new();
    let button = |what: Word| {
        let label = format!("{} {} {}", frame.say(Word::Open), frame.say(what), place(row));
        button(frame.say(what)).class("small").attr("aria-label", label)
    };
    if let (Some(id), Some(from), Some(_)) = (row.id, &row.from, row.outcome) {
        buttons.push(button(Word::ThisMessage).attr("name", "open").attr("value", format!("{id} {from}")));
    }
    if let Some(case) = row.case.filter(|_| with_cases) {
        let draw = button(Word::ThisCase).attr("name", "show").attr("value", case.to_string());
        buttons.push(draw.attr("formaction", frame.path("case")));
    }
    buttons
}

fn paging(frame: Frame<'_>, sent: &Fields, page: &Page) -> Element {
    let mut actions = el("div").class("actions");
    if sent.filled("before").is_some() {
        let newest = frame.form("search").with(sent.hidden(&FILTER));
        actions = actions.with(newest.with(button(frame.say(Word::Newest)).class("secondary")));
    }
    let Some(next) = page.next else { return actions };
    let older = button(frame.say(Word::Older)).attr("name", "before").attr("value", next.to_string());
    actions.with(frame.form("search").with(sent.hidden(&FILTER)).with(older))
}

fn form(frame: Frame<'_>, choices: &Choices, sent: &Fields, mistakes: &Mistakes) -> Element {
    let draw = button(frame.say(Word::DrawCase)).class("secondary").attr("formaction", frame.path("case"));
    let actions = el("p").class("actions").with(button(frame.say(Word::Search))).with(draw);
    let hint = el("p").class("quiet").with(frame.say(Word::SearchHint));
    let form = frame.form("search").class("panel").with(hint).with(fields::of_filter(frame, sent, mistakes));
    form.with(fields::lists(choices)).with(actions)
}

/// Says that a page was reached from results.
const TRAIL: &str = "trail";
