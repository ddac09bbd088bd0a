//! What forms ask for. Everything is parsed here: a query cannot hold what a field may not say.

use std::str::FromStr;

use super::fields::Fields;
use super::times;
use crate::audit::{CaseQuery, Fate, Filter, HealthQuery, QueriesQuery, RowLimit, Search, TimelineQuery};

/// The fields that cannot be read, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Mistakes(Vec<&'static str>);

impl Mistakes {
    /// Whether this field is one of them.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains(&name)
    }

    /// Their names.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().copied()
    }

    fn read<T: FromStr>(&mut self, fields: &Fields, name: &'static str) -> Option<T> {
        self.read_with(fields, name, |text| text.parse().ok())
    }

    /// What the field says; nothing when it is empty.
    fn read_with<T>(&mut self, fields: &Fields, name: &'static str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let parsed = parse(fields.filled(name)?);
        if parsed.is_none() {
            self.0.push(name);
        }
        parsed
    }

    fn none_in<T>(self, read: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(read) } else { Err(self) }
    }
}

/// Which entries.
///
/// # Errors
/// [`Mistakes`].
pub(crate) fn filter(fields: &Fields) -> Result<Filter, Mistakes> {
    let mut mistakes = Mistakes::default();
    let fate = |text: &str| Fate::ALL.into_iter().find(|fate| fate.as_str() == text);
    let filter = Filter {
        member: mistakes.read(fields, "member"),
        system: mistakes.read(fields, "system"),
        from: mistakes.read(fields, "from"),
        to: mistakes.read(fields, "to"),
        message_type: mistakes.read(fields, "type"),
        service: mistakes.read(fields, "service"),
        case: mistakes.read(fields, "case"),
        kind: mistakes.read(fields, "kind"),
        outcome: mistakes.read_with(fields, "outcome", fate),
        code: mistakes.read(fields, "code"),
        since: mistakes.read_with(fields, "since", times::parse),
        until: mistakes.read_with(fields, "until", times::parse),
    };
    mistakes.none_in(filter)
}

/// A page of the entries that fit.
///
/// # Errors
/// [`Mistakes`].
pub(crate) fn search(fields: &Fields) -> Result<Search, Mistakes> {
    let mut mistakes = Mistakes::default();
    let before = mistakes.read(fields, "before");
    let limit = RowLimit::try_from(ROWS).unwrap_or_default();
    let before = mistakes.none_in(before)?;
    Ok(Search { filter: filter(fields)?, before, limit })
}

/// A page of what auditors asked before.
///
/// # Errors
/// [`Mistakes`].
pub(crate) fn queries(fields: &Fields) -> Result<QueriesQuery, Mistakes> {
    let mut mistakes = Mistakes::default();
    let before = mistakes.read(fields, "before");
    let limit = RowLimit::try_from(ROWS).unwrap_or_default();
    mistakes.none_in(QueriesQuery { before, limit })
}

/// One message: by its id and perhaps its sender, or by both in the field `open` of a button.
///
/// # Errors
/// [`Mistakes`].
pub(crate) fn message(fields: &Fields) -> Result<TimelineQuery, Mistakes> {
    if let Some(opened) = fields.filled("open") {
        let read =
            |(id, from): (&str, &str)| Some(TimelineQuery { id: id.parse().ok()?, from: Some(from.parse().ok()?) });
        return opened.split_once(' ').and_then(read).ok_or_else(|| Mistakes(vec!["message"]));
    }
    let mut mistakes = Mistakes::default();
    let (id, from) = (mistakes.read(fields, "message"), mistakes.read(fields, "sender"));
    let (id, from) = mistakes.none_in((id, from))?;
    id.map(|id| TimelineQuery { id, from }).ok_or_else(|| Mistakes(vec!["message"]))
}

/// One case: in the field `show` of a button, or in `case`.
///
/// # Errors
/// [`Mistakes`].
pub(crate) fn case(fields: &Fields) -> Result<CaseQuery, Mistakes> {
    let mut mistakes = Mistakes::default();
    let after = mistakes.read(fields, "after");
    let after = mistakes.none_in(after)?;
    let case = fields.filled("show").or_else(|| fields.filled("case")).and_then(|text| text.parse().ok());
    case.map(|case| CaseQuery { case, after }).ok_or_else(|| Mistakes(vec!["case"]))
}

/// How the exchange went: some time until a moment, or until now (ms since 1970).
///
/// # Errors
/// [`Mistakes`].
pub(crate) fn health(fields: &Fields, now: u64) -> Result<HealthQuery, Mistakes> {
    let mut mistakes = Mistakes::default();
    let span = mistakes.read_with(fields, "span", |text| SPANS.into_iter().find(|span| span.name == text));
    // What happens now is looked at too.
    let end = mistakes.read_with(fields, "end", times::parse).unwrap_or(now + 1);
    let span = mistakes.none_in(span)?.unwrap_or(SPANS[0]);
    // Slots begin on the hour, and at midnight in Thailand.
    let slot = u64::from(span.minutes) * MINUTE_MS;
    let until = (end + OFFSET_MS).div_ceil(slot) * slot - OFFSET_MS;
    let since = until.saturating_sub(span.slots * slot);
    HealthQuery::new(since, until, span.minutes).map_err(|_| Mistakes(vec!["end"]))
}

/// A time that is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    /// Its name in forms.
    pub(super) name: &'static str,
    slots: u64,
    minutes: u32,
}

/// The times that can be looked at; the first unless another is chosen.
pub(super) const SPANS: [Span; 4] = [
    Span { name: "day", slots: 96, minutes: 15 },
    Span { name: "hour", slots: 60, minutes: 1 },
    Span { name: "week", slots: 168, minutes: 60 },
    Span { name: "quarter", slots: 90, minutes: 24 * 60 },
];

/// The fields of a filter.
pub(super) const FILTER: [&str; 12] =
    ["system", "member", "from", "to", "type", "service", "case", "kind", "outcome", "code", "since", "until"];

/// Rows of a page.
const ROWS: u16 = 50;
const MINUTE_MS: u64 = 60_000;
const OFFSET_MS: u64 = 7 * 60 * MINUTE_MS;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        Fields::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()).unwrap()
    }

    #[test]
    fn every_field_of_a_filter_is_read_and_empty_ones_ask_for_nothing() {
        let case = "01a20f07-7833-728b-93f0-3c8acf576a8c";
        let values = [
            ("system", "th.dga/citizen-portal"),
            ("member", "th.dga"),
            ("from", "th.dga/citizen-portal"),
            ("to", "th.dcy/child-grant"),
            ("type", "application.submitted"),
            ("service", "th.dcy.child-support-grant"),
            ("case", case),
            ("kind", "message"),
            ("outcome", "rejected"),
            ("code", "schema-violation"),
            ("since", "2026-11-25T04:04"),
            ("until", "2026-11-25T04:05"),
        ];
        let mut wanted = json!({ "since": 1_795_554_240_000_u64, "until": 1_795_554_300_000_u64 });
        for (name, value) in values.into_iter().take(10) {
            wanted[name] = value.into();
        }
        assert_eq!(json!(filter(&fields(&values)).unwrap()), wanted);
        assert_eq!(values.map(|(name, _)| name), FILTER);
        assert_eq!(filter(&fields(&FILTER.map(|name| (name, " ")))), Ok(Filter::default()));
    }

    #[test]
    fn every_field_that_cannot_be_read_is_named() {
        let wrong = FILTER.map(|name| (name, "<script>alert(1)</script>"));
        let Err(mistakes) = filter(&fields(&wrong)) else { panic!("read") };
        assert!(FILTER.into_iter().all(|name| mistakes.has(name)), "{mistakes:?}");
        assert_eq!(search(&fields(&[("before", "-1")])), Err(Mistakes(vec!["before"])));
        assert_eq!(queries(&fields(&[("before", "x")])), Err(Mistakes(vec!["before"])));
        assert_eq!(message(&fields(&[])), Err(Mistakes(vec!["message"])));
        assert_eq!(message(&fields(&[("open", "x")])), Err(Mistakes(vec!["message"])));
        assert_eq!(case(&fields(&[("show", "x")])), Err(Mistakes(vec!["case"])));
        health(&fields(&[("span", "century")]), 0).unwrap_err();
    }

    #[test]
    fn a_day_of_slots_ends_with_the_one_that_it_is_now() {
        let now = times::parse("2026-11-25T04:04").unwrap();
        let asked = json!(health(&fields(&[]), now).unwrap());
        let at = |text| times::parse(text).unwrap();
        assert_eq!(asked, json!({ "since": at("2026-11-24T04:15"), "until": at("2026-11-25T04:15"), "minutes": 15 }));
        let on_the_slot = json!(health(&fields(&[]), at("2026-11-25T04:15")).unwrap());
        assert_eq!(on_the_slot["until"], at("2026-11-25T04:30"));
        let until = json!(health(&fields(&[("end", "2026-11-25T04:15")]), now).unwrap());
        assert_eq!(until["until"], at("2026-11-25T04:15"));
        let quarter = json!(health(&fields(&[("span", "quarter")]), now).unwrap());
        assert_eq!(quarter["until"], at("2026-11-26T00:00"));
    }
}
