//! The health of the exchange: what was accepted, refused and acknowledged, and how long that took.

use std::collections::BTreeMap;

use super::messages::meaning;
use super::searching::asked;
use super::searching::fields::{choice, moment, summary};
use super::{Frame, button, cell, details, heading, scrolling, table};
use crate::audit::{Health, Slot};
use crate::console::forms::SPANS;
use crate::console::svg::plot::{Plot, Series};
use crate::console::times::{duration, time};
use crate::console::{Fields, Mistakes, Word};
use crate::html::{Element, Html, el};

/// The form alone: looking is a query, and only a button asks it.
pub(crate) fn start(frame: Frame<'_>, sent: &Fields, mistakes: &Mistakes) -> String {
    let note = el("p").class("quiet").with(frame.say(Word::EveryLook));
    let content = Html::new().with(note).with(form(frame, sent, mistakes));
    frame.page_with(Word::Health, summary(frame, mistakes), content)
}

/// The plots, and the same in tables.
pub(crate) fn page(frame: Frame<'_>, sent: &Fields, health: &Health) -> String {
    let slots = &health.slots;
    let content = Html::new()
        .with(form(frame, sent, &Mistakes::default()))
        .with(asked(frame, health.query, Some(health.indexed)))
        .with(bars(frame, "accepted", Word::AcceptedAndRefused, slots, &accepted(frame, slots)))
        .with(bars(frame, "codes", Word::RefusedByCode, slots, &by_code(frame, slots)))
        .with(bars(frame, "acknowledged", Word::AcknowledgedPlot, slots, &acknowledged(frame, slots)))
        .with(durations(frame, slots))
        .with(heading(frame.say(Word::Totals)))
        .with(totals(frame, slots))
        .with(slot_by_slot(frame, slots));
    frame.page(Word::Health, content)
}

fn form(frame: Frame<'_>, sent: &Fields, mistakes: &Mistakes) -> Element {
    let words = [Word::SpanDay, Word::SpanHour, Word::SpanWeek, Word::SpanQuarter];
    let spans: Vec<_> = SPANS.iter().zip(words).map(|(span, word)| (span.name, word)).collect();
    let fields = el("div")
        .class("fields")
        .with(choice(frame, "span", Word::Span, &spans, sent, mistakes))
        .with(moment(frame, "end", Word::EndsAt, sent, mistakes));
    let actions = el("p").class("actions").with(button(frame.say(Word::Show)));
    frame.form("health").class("panel").with(fields).with(actions)
}

fn bars(frame: Frame<'_>, name: &'static str, word: Word, slots: &[Slot], series: &[Series]) -> Html {
    plot(
        frame,
        word,
        series,
        |title, begins| Plot { name, title, slots: begins, write: |number| number.to_string() }.bars(series),
        slots,
    )
}

fn durations(frame: Frame<'_>, slots: &[Slot]) -> Html {
    let values = |of: fn(&crate::audit::Within) -> u64| {
        slots.iter().map(|slot| slot.acknowledged_within.as_ref().map(of)).collect()
    };
    let series = [
        Series { name: frame.say(Word::Most).to_owned(), class: "c1", values: values(|within| within.most) },
        Series { name: frame.say(Word::Half).to_owned(), class: "c0", values: values(|within| within.half) },
    ];
    plot(
        frame,
        Word::TimeToAcknowledge,
        &series,
        |title, begins| Plot { name: "durations", title, slots: begins, write: duration }.lines(&series),
        slots,
    )
}

/// A heading, a legend and the picture; or that there is nothing to draw.
fn plot(
    frame: Frame<'_>,
    word: Word,
    series: &[Series],
    draw: impl FnOnce(&str, &[u64]) -> Element,
    slots: &[Slot],
) -> Html {
    let title = frame.say(word);
    let html = Html::new().with(heading(title));
    if series.iter().all(|one| one.values.iter().all(Option::is_none)) {
        return html.with(el("p").class("quiet").with(frame.say(Word::NoneInTime)));
    }
    let key = |one: &Series| el("li").with(el("span").class(one.class).with(" ")).with(&one.name);
    let legend = el("ul").class("legend").with(series.iter().map(key).collect::<Html>());
    let begins: Vec<u64> = slots.iter().map(|slot| slot.since).collect();
    html.with(legend).with(scrolling(title, draw(title, &begins)))
}

fn accepted(frame: Frame<'_>, slots: &[Slot]) -> Vec<Series> {
    let refused = |slot: &Slot| slot.refused.values().sum();
    vec![
        series(frame.say(Word::Accepted), "c0", slots, |slot| slot.accepted),
        series(frame.say(Word::Refused), "c1", slots, refused),
    ]
}

fn acknowledged(frame: Frame<'_>, slots: &[Slot]) -> Vec<Series> {
    vec![
        series(frame.say(Word::Processed), "c0", slots, |slot| slot.processed),
        series(frame.say(Word::Rejected), "c1", slots, rejected),
    ]
}

fn rejected(slot: &Slot) -> u64 {
    slot.rejected.values().sum::<u64>() + slot.rejected_others
}

/// The most frequent codes, each a series; all others together.
fn by_code(frame: Frame<'_>, slots: &[Slot]) -> Vec<Series> {
    let counts = sums(slots, |slot| &slot.refused);
    let mut codes: Vec<_> = counts.into_iter().collect();
    codes.sort_by_key(|(code, count)| (std::cmp::Reverse(*count), *code));
    let shown: Vec<&str> = codes.iter().take(COLOURS.len()).map(|(code, _)| *code).collect();
    let of = |code: &str| series(code, "", slots, |slot| slot.refused.get(code).copied().unwrap_or_default());
    let mut all: Vec<Series> = shown.iter().zip(COLOURS).map(|(code, class)| Series { class, ..of(code) }).collect();
    if codes.len() > shown.len() {
        let rest = |slot: &Slot| {
            let others = slot.refused.iter().filter(|(code, _)| !shown.contains(&code.as_str()));
            others.map(|(_, count)| count).sum()
        };
        all.push(series(frame.say(Word::Others), "c5", slots, rest));
    }
    all
}

fn series(name: &str, class: &'static str, slots: &[Slot], of: impl Fn(&Slot) -> u64) -> Series {
    Series {
        name: name.to_owned(),
        class,
        values: slots.iter().map(|slot| Some(of(slot)).filter(|count| *count > 0)).collect(),
    }
}

fn sums(slots: &[Slot], of: fn(&Slot) -> &BTreeMap<String, u64>) -> BTreeMap<&str, u64> {
    let mut sums = BTreeMap::new();
    for (code, count) in slots.iter().flat_map(of) {
        *sums.entry(code.as_str()).or_default() += count;
    }
    sums
}

fn totals(frame: Frame<'_>, slots: &[Slot]) -> Element {
    let line = |what: &str, code: Option<&str>, count: u64| {
        let name =
            el("th").attr("scope", "row").with(what).with(code.map(|code| Html::from(" ").with(el("code").with(code))));
        el("tr").with(name).with(cell(count.to_string())).with(cell(meaning(frame.language, code)))
    };
    let sum = |of: fn(&Slot) -> u64| slots.iter().map(of).sum();
    let mut rows = Html::new().with(line(frame.say(Word::Accepted), None, sum(|slot| slot.accepted)));
    for (code, count) in sums(slots, |slot| &slot.refused) {
        rows.push(line(frame.say(Word::Refused), Some(code), count));
    }
    rows.push(line(frame.say(Word::Processed), None, sum(|slot| slot.processed)));
    for (code, count) in sums(slots, |slot| &slot.rejected) {
        rows.push(line(frame.say(Word::Rejected), Some(code), count));
    }
    let others = sum(|slot| slot.rejected_others);
    if others > 0 {
        let name = format!("{} ({})", frame.say(Word::Rejected), frame.say(Word::Others));
        rows.push(line(&name, None, others));
    }
    let head = [Word::Outcome, Word::Count, Word::Meaning].map(|word| frame.say(word));
    table(frame.say(Word::Totals), &head, rows)
}

fn slot_by_slot(frame: Frame<'_>, slots: &[Slot]) -> Element {
    let row = |slot: &Slot| {
        let count = |count: u64| cell(count.to_string());
        let within = slot.acknowledged_within;
        let took = |of: fn(&crate::audit::Within) -> u64| cell(within.as_ref().map(|within| duration(of(within))));
        let tr = el("tr").with(el("th").attr("scope", "row").with(time(slot.since))).with(count(slot.accepted));
        let tr = tr.with(count(slot.refused.values().sum())).with(count(slot.processed));
        let tr = tr.with(count(rejected(slot))).with(took(|within| within.half));
        tr.with(took(|within| within.most)).with(took(|within| within.all))
    };
    let happened = |slot: &&Slot| **slot != Slot { since: slot.since, ..Slot::default() };
    let rows: Html = slots.iter().filter(happened).map(row).collect();
    let head = [
        Word::Time,
        Word::Accepted,
        Word::Refused,
        Word::Processed,
        Word::Rejected,
        Word::Half,
        Word::Most,
        Word::AllWithin,
    ];
    let note = el("p").class("quiet").with(frame.say(Word::SlotNote));
    let rows = table(frame.say(Word::SlotBySlot), &head.map(|word| frame.say(word)), rows);
    details(frame.say(Word::SlotBySlot), Html::new().with(note).with(rows))
}

/// Of the most frequent codes; the next is of all others.
const COLOURS: [&str; 5] = ["c1", "c0", "c2", "c3", "c4"];
