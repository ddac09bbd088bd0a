//! A case: who said what to whom, as a picture and as a table.

use super::messages::meaning;
use super::searching::{asked, back, followed, outcome, parties, place};
use super::{Frame, button, cell, scrolling, table, terms};
use crate::audit::{CaseView, Row};
use crate::console::svg::sequence;
use crate::console::times::time;
use crate::console::{Fields, Word};
use crate::html::{Element, Html, el};

/// The page of a case.
pub(crate) fn page(frame: Frame<'_>, sent: &Fields, case: &CaseView) -> String {
    let facts = [
        (Word::CaseId, el("code").with(case.case.to_string()).into()),
        (Word::Systems, case.systems.len().to_string().into()),
        (Word::Messages, case.messages.len().to_string().into()),
    ];
    let label = frame.say(Word::CasePicture);
    let text = format!("{}: {}, {}", frame.say(Word::PictureSays), case.messages.len(), case.systems.len());
    let picture = sequence::draw(&case.systems, &case.messages, label, &text, frame.language);
    let rows: Html = case.messages.iter().zip(1..).map(|(row, number)| line(frame, number, row)).collect();
    let names = [Word::Number, Word::Place, Word::Time, Word::FromAndTo, Word::MessageType, Word::Outcome, Word::Open];
    let rows = table(frame.say(Word::Messages), &names.map(|word| frame.say(word)), rows);
    let rows = frame.form("message").with(followed(sent)).with(rows);
    let content = Html::new()
        .with(back(frame, sent))
        .with(asked(frame, case.query, Some(case.indexed)))
        .with(terms(facts.map(|(word, value)| (frame.say(word), value))))
        .with(scrolling(label, picture).attr("id", "picture"))
        .with(el("p").class("quiet narrow").with(frame.say(Word::ScrollHint)))
        .with(rows)
        .with(more(frame, sent, case));
    frame.page(Word::CasePicture, content)
}

fn line(frame: Frame<'_>, number: u64, row: &Row) -> Element {
    let tr = el("tr").with(el("th").attr("scope", "row").with(number.to_string()));
    let tr = tr.with(cell(place(row))).with(cell(time(row.at))).with(cell(parties(row)));
    let tr = tr.with(cell(row.message_type.as_ref().map(|text| el("code").with(text))));
    let tr = tr.with(cell(outcome(frame, row).with(meaning(frame.language, row.code.as_deref()))));
    let open = row.id.zip(row.from.as_ref()).map(|(id, from)| {
        let label = format!("{} {} {number}", frame.say(Word::Open), frame.say(Word::ThisMessage));
        let open = button(frame.say(Word::ThisMessage)).class("small").attr("aria-label", label);
        open.attr("name", "open").attr("value", format!("{id} {from}"))
    });
    tr.with(cell(open))
}

fn more(frame: Frame<'_>, sent: &Fields, case: &CaseView) -> Html {
    let Some(next) = case.next else { return Html::new() };
    let show = el("input").attr("type", "hidden").attr("name", "show").attr("value", case.case.to_string());
    let more = button(frame.say(Word::MoreMessages)).attr("name", "after").attr("value", next.to_string());
    frame.form("case").class("actions").with(followed(sent)).with(show).with(more).into()
}
