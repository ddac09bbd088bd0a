//! A case as a sequence diagram: a line down for each system, an arrow for each message.

use saphan_schemas::message_types::Language;

use super::{line, picture, rectangle, text};
use crate::audit::Row;
use crate::console::Word;
use crate::console::times::clock;
use crate::html::{Element, Html, el};

/// The diagram of these messages, which are numbered from 1.
pub(in super::super) fn draw(
    systems: &[String],
    messages: &[Row],
    title: &str,
    text: &str,
    language: Language,
) -> Element {
    let (columns, rows) = (systems.len() as u64, messages.len() as u64);
    let size = (LEFT + columns * COLUMN, TOP + rows * ROW + BOTTOM);
    let lifelines: Html = systems.iter().zip(0..).map(|(system, at)| lifeline(system, at, size.1)).collect();
    let column = |system: Option<&String>| {
        let at = systems.iter().position(|known| Some(known) == system)?;
        Some(middle(at as u64))
    };
    let arrows: Html = messages
        .iter()
        .zip(0..)
        .map(|(row, at)| {
            let ends = column(row.from.as_ref()).zip(column(row.to.as_ref()));
            message(row, at, ends.unwrap_or((LEFT, LEFT)), language)
        })
        .collect();
    picture("case", size, title, text).class("sequence").with(lifelines).with(arrows)
}

fn lifeline(system: &str, at: u64, height: u64) -> Html {
    let x = middle(at);
    let (member, name) = system.split_once('/').unwrap_or(("", system));
    Html::new()
        .with(line("life", (x, HEAD), (x, height)))
        .with(rectangle("head", (x - COLUMN / 2 + 6, 4), (COLUMN - 12, HEAD - 4)))
        .with(text("member", (x, 22), &short(member)))
        .with(text("name", (x, 40), &short(name)))
}

fn message(row: &Row, at: u64, (from, to): (u64, u64), language: Language) -> Html {
    let y = TOP + at * ROW + ARROW;
    let class = row.outcome.map_or("unacknowledged", |fate| fate.as_str());
    let said = row.outcome.map(|fate| Word::fate(fate).of(language)).unwrap_or_default();
    let said = match (&row.code, row.acknowledged_at) {
        (Some(code), _) => format!("{said}: {code}"),
        (None, Some(at)) => format!("{said} {}", clock(at)),
        (None, None) => said.to_owned(),
    };
    let name = format!("{} {}", at + 1, row.message_type.as_deref().unwrap_or_default());
    let label = from.midpoint(to).clamp(LEFT + COLUMN / 2, u64::MAX);
    Html::new()
        .with(text("clock", (4, y + 4), &clock(row.at)))
        .with(arrow(class, y, (from, to)))
        .with(text("label", (label, y - 8), &name))
        .with(text("said", (label, y + 16), &said))
}

fn arrow(class: &'static str, y: u64, (from, to): (u64, u64)) -> Html {
    if from == to {
        let path = format!("M{from} {} h28 v12 h-22", y - 6);
        let head = format!("M{} {} l9 -5 v10 z", from + 1, y + 6);
        let shaft = el("path").class("loop").attr("d", path);
        return Html::new().with(shaft).with(el("path").class(class).attr("d", head));
    }
    let head = if to > from { format!("M{to} {y} l-10 -5 v10 z") } else { format!("M{to} {y} l10 -5 v10 z") };
    Html::new().with(line(class, (from, y), (to, y))).with(el("path").class(class).attr("d", head))
}

const fn middle(at: u64) -> u64 {
    LEFT + at * COLUMN + COLUMN / 2
}

/// As much of a name as there is room for; the table has all of it.
fn short(name: &str) -> String {
    if name.chars().count() <= MOST_LETTERS {
        return name.to_owned();
    }
    name.chars().take(MOST_LETTERS - 1).chain(['…']).collect()
}

const LEFT: u64 = 64;
const COLUMN: u64 = 178;
const HEAD: u64 = 50;
const TOP: u64 = 62;
const ROW: u64 = 52;
const ARROW: u64 = 24;
const BOTTOM: u64 = 12;
const MOST_LETTERS: usize = 22;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Fate;
    use saphan_schemas::facts::EntryKind;

    fn row(from: &str, to: &str) -> Row {
        Row {
            kind: Some(EntryKind::Message),
            from: Some(from.into()),
            to: Some(to.into()),
            message_type: Some("<b>".into()),
            outcome: Some(Fate::Rejected),
            code: Some("schema-violation".into()),
            ..Row::empty(7, 1_795_554_249_000)
        }
    }

    #[test]
    fn every_message_is_an_arrow_from_its_sender_to_its_receiver_with_what_became_of_it() {
        let systems = ["th.a/one".to_owned(), "th.b/two".to_owned()];
        let messages = [row("th.a/one", "th.b/two"), row("th.b/two", "th.a/one"), row("th.b/two", "th.b/two")];
        let drawn: Html = draw(&systems, &messages, "T", "D", Language::En).into();
        let drawn = drawn.as_str();
        assert!(drawn.contains("x1=\"153\" y1=\"86\" x2=\"331\" y2=\"86\""), "{drawn}");
        assert!(drawn.contains("x1=\"331\" y1=\"138\" x2=\"153\" y2=\"138\""), "{drawn}");
        assert!(drawn.contains("M331 184 h28") && drawn.contains("3 &lt;b&gt;") && !drawn.contains("<b>"), "{drawn}");
        assert_eq!(drawn.matches("rejected: schema-violation").count(), 3);
        assert!(drawn.contains("aria-labelledby=\"case-title case-text\""), "{drawn}");
    }
}
