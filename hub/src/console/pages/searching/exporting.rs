//! What was found as a file: of the present log, or of one before it.

use super::super::{Frame, button};
use super::fields;
use crate::console::forms::FILTER;
use crate::console::{Fields, Word};
use crate::html::{Html, el};

/// The form, and what its file shows. `logs` are those to choose from, the present one first; none while there is but one.
pub(super) fn form(frame: Frame<'_>, logs: &[String], sent: &Fields) -> Html {
    let choice = |value, word| button(frame.say(word)).class("secondary").attr("name", "format").attr("value", value);
    let form = frame.form("export").class("actions").with(sent.hidden(&FILTER)).with(fields::log(frame, logs));
    let form = form.with(choice("csv", Word::ExportCsv)).with(choice("jsonl", Word::ExportLines));
    let note = |word| el("p").class("quiet").with(frame.say(word));
    let earlier = (!logs.is_empty()).then(|| note(Word::EarlierLogNote));
    Html::new().with(form).with(note(Word::AsTheHubSays)).with(earlier)
}
