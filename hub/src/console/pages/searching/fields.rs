//! The fields of the search.

use saphan_schemas::facts::EntryKind;
use saphan_schemas::problem::ProblemCode;

use super::super::Frame;
use super::Choices;
use crate::audit::Fate;
use crate::console::forms::FILTER;
use crate::console::{Fields, Mistakes, Word};
use crate::html::{Element, Html, el};
use crate::shards;

/// All fields of a filter.
pub(super) fn of_filter(frame: Frame<'_>, sent: &Fields, mistakes: &Mistakes) -> Element {
    let text = |name, word, list| text(frame, name, word, list, sent, mistakes);
    let moment = |name, word| moment(frame, name, word, sent, mistakes);
    let any = ("", Word::Any);
    let kinds = EntryKind::ALL.map(|kind| (kind.as_str(), Word::kind(Some(kind))));
    let kinds = [&[any], kinds.as_slice()].concat();
    let fates = Fate::ALL.map(|fate| (fate.as_str(), Word::fate(fate)));
    let fates = [&[any], fates.as_slice()].concat();
    el("div")
        .class("fields")
        .with(text("system", Word::System, Some("systems")))
        .with(text("type", Word::MessageType, None))
        .with(text("service", Word::Service, Some("services")))
        .with(text("case", Word::Case, None))
        .with(moment("since", Word::Since))
        .with(moment("until", Word::Until))
        .with(choice(frame, "outcome", Word::Outcome, &fates, sent, mistakes))
        .with(text("code", Word::Code, Some("codes")))
        .with(choice(frame, "kind", Word::Kind, &kinds, sent, mistakes))
        .with(text("from", Word::From, Some("systems")))
        .with(text("to", Word::To, Some("systems")))
        .with(text("member", Word::Member, None))
}

/// What was asked for, in a line.
pub(super) fn conditions(frame: Frame<'_>, sent: &Fields) -> Html {
    let condition = |(name, word): (&str, Word)| {
        let text = format!("{}: {}", frame.say(word), sent.filled(name)?);
        Some(el("span").class("tag").with(text))
    };
    let tags: Html = FILTER.into_iter().zip(WORDS).filter_map(condition).collect();
    if tags == Html::new() {
        return tags;
    }
    el("p").class("tags").with(format!("{}:", frame.say(Word::Conditions))).with(tags).into()
}

/// A field for some text.
pub(super) fn text(
    frame: Frame<'_>,
    name: &'static str,
    word: Word,
    list: Option<&'static str>,
    sent: &Fields,
    mistakes: &Mistakes,
) -> Element {
    let input = el("input").attr("type", "text").attr("value", sent.text(name)).attr_if("list", list);
    let input = input.attr("autocomplete", "off").attr("autocapitalize", "off").attr("spellcheck", "false");
    field(frame, name, word, input, mistakes)
}

/// A field for a date and time.
pub(in super::super) fn moment(
    frame: Frame<'_>,
    name: &'static str,
    word: Word,
    sent: &Fields,
    mistakes: &Mistakes,
) -> Element {
    let input = el("input").attr("type", "datetime-local").attr("value", sent.text(name)).attr("step", "1");
    field(frame, name, word, input, mistakes)
}

/// A field with a few choices.
pub(in super::super) fn choice(
    frame: Frame<'_>,
    name: &'static str,
    word: Word,
    choices: &[(&str, Word)],
    sent: &Fields,
    mistakes: &Mistakes,
) -> Element {
    let option = |(value, word): &(&str, Word)| option(value, frame.say(*word), sent.text(name) == *value);
    let options: Html = choices.iter().map(option).collect();
    field(frame, name, word, el("select").with(options), mistakes)
}

/// A field with the hub's logs, by the names of their shards; the first is the present one, and chosen. Nothing for no logs.
pub(super) fn log(frame: Frame<'_>, logs: &[String]) -> Html {
    let Some(present) = logs.first() else { return Html::new() };
    let option = |log: &String| {
        let is_present = log == present;
        let note = if is_present { format!(" ({})", frame.say(Word::PresentLog)) } else { String::new() };
        option(log, &format!("{}{note}", shards::name(log)), is_present)
    };
    let options: Html = logs.iter().map(option).collect();
    field(frame, "log", Word::ExportedLog, el("select").with(options), &Mistakes::default()).into()
}

fn option(value: &str, text: &str, is_chosen: bool) -> Element {
    el("option").attr("value", value).flag("selected", is_chosen).with(text)
}

fn field(frame: Frame<'_>, name: &'static str, word: Word, input: Element, mistakes: &Mistakes) -> Element {
    let (id, hint_id) = (format!("field-{name}"), format!("wrong-{name}"));
    let is_wrong = mistakes.has(name);
    let input = input.attr("id", &id).attr("name", name).attr_if("aria-invalid", is_wrong.then_some("true"));
    let input = input.attr_if("aria-describedby", is_wrong.then_some(&hint_id));
    let hint = is_wrong.then(|| el("span").class("error").attr("id", &hint_id).with(hint(frame, name)));
    let class = if is_wrong { "field wrong" } else { "field" };
    el("div").class(class).with(el("label").attr("for", &id).with(frame.say(word))).with(hint).with(input)
}

/// What the field wants.
fn hint(frame: Frame<'_>, name: &str) -> String {
    let (word, example) = match name {
        "since" | "until" | "end" => (Word::WrongTime, "2026-11-28T15:00"),
        "kind" | "outcome" | "span" => (Word::WrongChoice, ""),
        "case" | "message" => (Word::WrongId, "01a20f07-7833-728b-93f0-3c8acf576a8c"),
        "type" => (Word::WrongId, "application.submitted"),
        "service" => (Word::WrongId, "th.dcy.child-support-grant"),
        "code" => (Word::WrongId, "schema-violation"),
        "member" => (Word::WrongId, "th.dga"),
        _ => (Word::WrongId, "th.dga/citizen-portal"),
    };
    format!("{} {example}", frame.say(word)).trim_end().to_owned()
}

/// What is wrong, each with a link to its field; nothing when nothing is.
pub(in super::super) fn summary(frame: Frame<'_>, mistakes: &Mistakes) -> Html {
    let link = |name| el("li").with(el("a").attr("href", format!("#field-{name}")).with(name));
    let links: Html = mistakes.names().map(link).collect();
    if links == Html::new() {
        return links;
    }
    let summary = el("div").class("summary").attr("role", "alert");
    summary.with(el("h2").with(frame.say(Word::CannotRead))).with(el("ul").with(links)).into()
}

/// What the browser suggests.
pub(super) fn lists(choices: &Choices) -> Html {
    let list = |id, values: &mut dyn Iterator<Item = &str>| {
        let options: Html = values.map(|value| el("option").attr("value", value)).collect();
        el("datalist").attr("id", id).with(options)
    };
    Html::new()
        .with(list("systems", &mut choices.systems.iter().map(String::as_str)))
        .with(list("services", &mut choices.services.iter().map(String::as_str)))
        .with(list("codes", &mut ProblemCode::ALL.iter().map(|code| code.as_str())))
}

/// Of the fields of a filter, in their order.
const WORDS: [Word; FILTER.len()] = [
    Word::System,
    Word::Member,
    Word::From,
    Word::To,
    Word::MessageType,
    Word::Service,
    Word::Case,
    Word::Kind,
    Word::Outcome,
    Word::Code,
    Word::Since,
    Word::Until,
];
