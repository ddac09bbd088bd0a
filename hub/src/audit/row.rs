//! What an auditor is answered with.

use std::collections::BTreeMap;

use saphan_schemas::audit::{Fate, Row};
use saphan_schemas::ids::CaseId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::shards::Shards;

/// Where the hub's store has an entry: its number over all of the hub's logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(pub u64);

/// A row as the hub's store numbers entries. Everybody else names them by a log and an index in it: [`Self::located`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedRow {
    /// The entry.
    pub place: Place,
    /// The acknowledgement of a message.
    pub acknowledgement: Option<Place>,
    /// The entry that says that the body of a message was erased; of an erasure, that message.
    pub erasure: Option<Place>,
    /// All else. Its own indices are not set.
    says: Row,
}

impl PlacedRow {
    /// What an entry says, apart from where it and others are.
    pub(super) const fn new(place: Place, acknowledgement: Option<Place>, erasure: Option<Place>, says: Row) -> Self {
        Self { place, acknowledgement, erasure, says }
    }

    /// What it says apart from places.
    pub(super) const fn says(&self) -> &Row {
        &self.says
    }

    /// As it was before anything was said at `end` or behind it.
    pub(super) fn before(mut self, end: Place) -> Self {
        if self.acknowledgement.is_some_and(|place| place >= end) {
            (self.says.outcome, self.says.code) = (Some(Fate::Unacknowledged), None);
            (self.acknowledgement, self.says.acknowledged_at) = (None, None);
        }
        self.erasure = self.erasure.filter(|place| *place < end);
        self
    }

    /// With indices of logs.
    #[must_use]
    pub fn located(self, shards: &Shards) -> Row {
        let Self { place, acknowledgement, erasure, says } = self;
        let own = shards.located(place.0);
        let elsewhere = |place: Option<Place>| {
            let found = place.map(|place| shards.located(place.0));
            let log = found.map(|found| found.log).filter(|log| *log != own.log).map(str::to_owned);
            (found.map(|found| found.index), log)
        };
        let (acknowledgement, acknowledgement_log) = elsewhere(acknowledgement);
        let (erasure, erasure_log) = elsewhere(erasure);
        let log = (!shards.is_one()).then(|| own.log.to_owned());
        Row { index: own.index, log, acknowledgement, acknowledgement_log, erasure, erasure_log, ..says }
    }
}

/// Some of the rows that fit, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Page {
    /// The index of the entry that says that this was asked, in the newest log.
    pub query: u64,
    /// How many entries were searched, from the hub's first on.
    pub indexed: u64,
    /// The rows. There may be few, or none, and still more to come.
    pub rows: Vec<Row>,
    /// What `before` is to be for the next page; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// A step on a message's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Its sender signed it; by the sender's clock, in whole seconds.
    Submitted,
    /// The hub accepted it.
    Accepted,
    /// The broker has it for its receiver. The hub keeps no time of that.
    Sent,
    /// Its `not_after` passed before its receiver took it.
    Expired,
    /// Its receiver signed the acknowledgement; by the receiver's clock, in whole seconds.
    Delivered,
    /// The hub logged the acknowledgement.
    Acknowledged,
    /// Its body was erased.
    Erased,
}

/// When a step was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Moment {
    /// The step.
    pub step: Step,
    /// When, in milliseconds since 1970; absent when nobody kept it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
    /// The index of the entry that shows it; absent when only the hub's store says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<u64>,
    /// The origin of that entry's log, if the hub has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

impl Moment {
    /// With a place of the hub's store made an index of a log.
    pub(super) fn located(mut self, shards: &Shards) -> Self {
        if let Some(place) = self.entry.filter(|_| !shards.is_one()) {
            let found = shards.located(place);
            (self.entry, self.log) = (Some(found.index), Some(found.log.to_owned()));
        }
        self
    }
}

/// A message's way, and what proves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Timeline {
    /// The index of the entry that says that this was asked, in the newest log.
    pub query: u64,
    /// The message.
    pub message: Row,
    /// Its way, as far as it got.
    pub moments: Vec<Moment>,
    /// A message file (`*.saphan.json`) without the body, for `saphan verify` and `saphan audit message --message`.
    pub evidence: MessageFile,
    /// The proof for a checkpoint that witnesses have cosigned, once they have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cosigned_proof: Option<String>,
    /// The receiver's acknowledgement, a compact JWS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledgement: Option<String>,
}

/// A `*.saphan.json` without salt and body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MessageFile {
    /// The sender's compact JWS.
    pub envelope: String,
    /// The hub's compact JWS.
    pub receipt: String,
    /// The C2SP `tlog-proof@v1` text.
    pub proof: String,
}

/// The messages of a case, oldest first: enough to draw who said what to whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CaseView {
    /// The index of the entry that says that this was asked, in the newest log.
    pub query: u64,
    /// The case.
    #[schema(value_type = String)]
    pub case: CaseId,
    /// How many entries were searched, from the hub's first on.
    pub indexed: u64,
    /// The systems that take part, in the order in which they came in.
    pub systems: Vec<String>,
    /// The messages.
    pub messages: Vec<Row>,
    /// What `after` is to be for more; absent when there are no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// How the exchange went over some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Health {
    /// The index of the entry that says that this was asked, in the newest log.
    pub query: u64,
    /// How many entries were counted, from the hub's first on.
    pub indexed: u64,
    /// The slots, in order, without gaps.
    pub slots: Vec<Slot>,
}

/// What was logged in some time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Slot {
    /// Its beginning, in milliseconds since 1970.
    pub since: u64,
    /// Messages accepted.
    pub accepted: u64,
    /// Messages refused, by problem code.
    pub refused: BTreeMap<String, u64>,
    /// Messages whose receivers processed them.
    pub processed: u64,
    /// Messages whose receivers rejected them, by their codes: the 32 that are the most frequent in the whole answer.
    pub rejected: BTreeMap<String, u64>,
    /// Messages that they rejected by other codes than the 32 that are the most frequent in the whole answer; absent when there are none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rejected_others: u64,
    /// The time from acceptance to acknowledgement, of what was acknowledged in this slot; absent when nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledged_within: Option<Within>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// How long it took, in milliseconds. What is said is never less than it was, and at most half as much again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Within {
    /// Half of them took no longer.
    pub half: u64,
    /// Nineteen in twenty took no longer.
    pub most: u64,
    /// None took longer.
    pub all: u64,
}

/// An auditor's query, as the hub kept it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PastQuery {
    /// The index of its entry in its log.
    pub index: u64,
    /// The origin of that log, if the hub has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// When it was logged, in milliseconds since 1970.
    pub at: u64,
    /// Who asked.
    pub auditor: String,
    /// The exact text; absent when the hub has lost it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The salt of the commitment in the entry, base64url: HMAC-SHA-256(salt, text).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
}

/// Past queries, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PastQueries {
    /// The queries.
    pub queries: Vec<PastQuery>,
    /// What `before` is to be for the next page; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}
