//! What an auditor asks.

use saphan_schemas::audit::Filter;
use saphan_schemas::ids::{CaseId, MessageId, SystemId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A search: a page of the rows that fit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// Which entries.
    #[serde(default)]
    pub filter: Filter,
    /// Only entries before this place of the log: the `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// How many rows at most, 1 to 500; 100 without it.
    #[serde(default)]
    #[schema(value_type = Option<u16>)]
    pub limit: RowLimit,
}

/// How many rows a page has at most: 1 to 500.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct RowLimit(u16);

impl RowLimit {
    /// The number.
    #[must_use]
    pub fn rows(self) -> usize {
        self.0.into()
    }
}

impl Default for RowLimit {
    fn default() -> Self {
        Self(DEFAULT_ROWS)
    }
}

impl TryFrom<u16> for RowLimit {
    type Error = &'static str;

    fn try_from(rows: u16) -> Result<Self, Self::Error> {
        if (1..=MOST_ROWS).contains(&rows) { Ok(Self(rows)) } else { Err("`limit` is 1 to 500") }
    }
}

impl From<RowLimit> for u16 {
    fn from(limit: RowLimit) -> Self {
        limit.0
    }
}

/// One message's way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TimelineQuery {
    /// The message id.
    #[schema(value_type = String)]
    pub id: MessageId,
    /// Its sender: ids are each sender's own. Without it, the first message in the log that has the id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub from: Option<SystemId>,
}

/// The messages of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CaseQuery {
    /// The case.
    #[schema(value_type = String)]
    pub case: CaseId,
    /// Only messages from this place of the log on: the `next` of the answer before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
}

/// Past queries, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueriesQuery {
    /// Only queries before this place of the log: the `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// How many at most, 1 to 500; 100 without it.
    #[serde(default)]
    pub limit: RowLimit,
}

/// How the exchange went over some time, at most 92 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "Span", into = "Span")]
pub struct HealthQuery {
    since: u64,
    until: u64,
    minutes: u32,
}

impl HealthQuery {
    /// From `since` to `until`, in milliseconds since 1970, in slots of some minutes.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn new(since: u64, until: u64, minutes: u32) -> Result<Self, &'static str> {
        if since >= until || until - since > LONGEST_MS {
            return Err("`until` is after `since`, by 92 days at most");
        }
        let slots = (until.div_ceil(MINUTE_MS) - since / MINUTE_MS).div_ceil(u64::from(minutes.max(1)));
        if minutes == 0 || slots > MOST_SLOTS {
            return Err("`minutes` is 1 or more, so that there are 1,000 slots at most");
        }
        Ok(Self { since, until, minutes })
    }

    pub(super) const fn parts(self) -> (u64, u64, u32) {
        (self.since, self.until, self.minutes)
    }
}

/// What a [`HealthQuery`] is read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Span {
    /// The beginning, in milliseconds since 1970; cut down to a whole minute.
    pub since: u64,
    /// The end, in milliseconds since 1970.
    pub until: u64,
    /// How long a slot is, in minutes. There are at most 1,000 slots.
    pub minutes: u32,
}

impl TryFrom<Span> for HealthQuery {
    type Error = &'static str;

    fn try_from(Span { since, until, minutes }: Span) -> Result<Self, Self::Error> {
        Self::new(since, until, minutes)
    }
}

impl From<HealthQuery> for Span {
    fn from(HealthQuery { since, until, minutes }: HealthQuery) -> Self {
        Self { since, until, minutes }
    }
}

const MINUTE_MS: u64 = 60_000;
const LONGEST_MS: u64 = 92 * 24 * 60 * MINUTE_MS;
const MOST_SLOTS: u64 = 1_000;
/// Rows of a page when nobody says how many.
const DEFAULT_ROWS: u16 = 100;
/// Rows of a page at most.
pub const MOST_ROWS: u16 = 500;
