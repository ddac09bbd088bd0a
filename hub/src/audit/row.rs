//! What an auditor is answered with.

use std::collections::BTreeMap;

use saphan_schemas::facts::{EntryFacts, EntryKind};
use saphan_schemas::ids::{CaseId, MessageId};
use serde::Serialize;
use utoipa::ToSchema;

use super::filter::Fate;
use crate::shards::Shards;

/// An entry of a log of the hub, in one line. All of it follows from the logs alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Row {
    /// Its index in its log.
    pub index: u64,
    /// The origin of that log, if the hub has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// When it was logged, in milliseconds since 1970.
    pub at: u64,
    /// Its kind; absent for an entry that cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub kind: Option<EntryKind>,
    /// Its own id: messages, acknowledgements and registry entries.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub id: Option<MessageId>,
    /// Who sent or signed it, or asked. A refusal does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The receiving system of a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The type of a message.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub message_type: Option<String>,
    /// The public service of a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The case of a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub case: Option<CaseId>,
    /// What became of a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Fate>,
    /// The problem code of a refusal or of a rejected message, or the legal basis of an erasure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The index of the acknowledgement of a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledgement: Option<u64>,
    /// The origin of its log, if it is a later one than that of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledgement_log: Option<String>,
    /// When the acknowledgement was logged, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledged_at: Option<u64>,
    /// The index of the entry that says that the body of a message was erased; of an erasure, the index of that message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub erasure: Option<u64>,
    /// The origin of that entry's log, if it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub erasure_log: Option<String>,
}

impl Row {
    /// With places of the hub's store made indices of logs.
    pub(super) fn located(mut self, shards: &Shards) -> Self {
        if shards.is_one() {
            return self;
        }
        let own = shards.located(self.index);
        let elsewhere = |place: Option<u64>| {
            let found = place.map(|place| shards.located(place));
            (
                found.map(|found| found.index),
                found.map(|found| found.log).filter(|log| *log != own.log).map(str::to_owned),
            )
        };
        (self.acknowledgement, self.acknowledgement_log) = elsewhere(self.acknowledgement);
        (self.erasure, self.erasure_log) = elsewhere(self.erasure);
        (self.index, self.log) = (own.index, Some(own.log.to_owned()));
        self
    }

    /// The row of an entry that says this, before any other entry says something about it.
    #[must_use]
    pub fn new(index: u64, facts: &EntryFacts) -> Self {
        let text = |name: &str| name.to_owned();
        Self {
            index,
            log: None,
            at: facts.at,
            kind: Some(facts.kind),
            id: facts.id,
            from: facts.from.as_deref().map(text),
            to: facts.to.as_ref().map(|name| text(name.as_str())),
            message_type: facts.message_type.as_ref().map(|name| text(name.as_str())),
            service: facts.service.as_ref().map(|name| text(name.as_str())),
            case: facts.case,
            outcome: (facts.kind == EntryKind::Message).then_some(Fate::Unacknowledged),
            code: facts.code.as_ref().map(|name| text(name.as_str())),
            acknowledgement: None,
            acknowledgement_log: None,
            acknowledged_at: None,
            erasure: facts.erases,
            erasure_log: facts.log.as_deref().map(text).filter(|_| facts.erases.is_some()),
        }
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

impl Row {
    /// As an export of one log has it, whose head names the log: an index in another one is left out.
    pub(super) fn of_one_log(mut self) -> Self {
        self.acknowledgement = self.acknowledgement.filter(|_| self.acknowledgement_log.is_none());
        self.erasure = self.erasure.filter(|_| self.erasure_log.is_none());
        (self.log, self.acknowledgement_log, self.erasure_log) = (None, None, None);
        self
    }
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
