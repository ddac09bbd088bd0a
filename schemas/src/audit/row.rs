//! An entry in one line.

use serde::{Deserialize, Serialize};

use crate::facts::{EntryFacts, EntryKind};
use crate::ids::{CaseId, MessageId};

/// An entry of a log of the hub, in one line. All of it follows from the logs alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub kind: Option<EntryKind>,
    /// Its own id: messages, acknowledgements and registry entries.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
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
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
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

/// What the log says became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// Its receiver has said nothing.
    Unacknowledged,
    /// Its receiver has processed it.
    Processed,
    /// Its receiver has rejected it.
    Rejected,
}

impl Fate {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Unacknowledged, Self::Processed, Self::Rejected];

    /// The word in rows and filters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unacknowledged => "unacknowledged",
            Self::Processed => "processed",
            Self::Rejected => "rejected",
        }
    }
}

impl Row {
    /// The row of an entry that cannot be read: it says nothing but where and when it was logged, in milliseconds since 1970.
    #[must_use]
    pub const fn empty(index: u64, at: u64) -> Self {
        Self {
            index,
            log: None,
            at,
            kind: None,
            id: None,
            from: None,
            to: None,
            message_type: None,
            service: None,
            case: None,
            outcome: None,
            code: None,
            acknowledgement: None,
            acknowledgement_log: None,
            acknowledged_at: None,
            erasure: None,
            erasure_log: None,
        }
    }

    /// The row of an entry that says this, before any other entry says something about it.
    #[must_use]
    pub fn new(index: u64, facts: &EntryFacts) -> Self {
        let text = |name: &str| name.to_owned();
        Self {
            kind: Some(facts.kind),
            id: facts.id,
            from: facts.from.as_deref().map(text),
            to: facts.to.as_ref().map(|name| text(name.as_str())),
            message_type: facts.message_type.as_ref().map(|name| text(name.as_str())),
            service: facts.service.as_ref().map(|name| text(name.as_str())),
            case: facts.case,
            outcome: (facts.kind == EntryKind::Message).then_some(Fate::Unacknowledged),
            code: facts.code.as_ref().map(|name| text(name.as_str())),
            erasure: facts.erases,
            erasure_log: facts.log.as_deref().map(text).filter(|_| facts.erases.is_some()),
            ..Self::empty(index, facts.at)
        }
    }

    /// As an export of one log has it, whose head names the log: an index in another one is left out.
    #[must_use]
    pub fn of_one_log(mut self) -> Self {
        self.acknowledgement = self.acknowledgement.filter(|_| self.acknowledgement_log.is_none());
        self.erasure = self.erasure.filter(|_| self.erasure_log.is_none());
        (self.log, self.acknowledgement_log, self.erasure_log) = (None, None, None);
        self
    }

    /// The first member, by its name, in which two rows differ.
    #[must_use]
    pub fn first_difference(&self, other: &Self) -> Option<&'static str> {
        let mut pairs = self.texts().into_iter().zip(other.texts());
        pairs.find_map(|((member, one), (_, other))| (one != other).then_some(member))
    }

    /// All members by their names, as texts; an absent one is empty.
    pub(super) fn texts(&self) -> [(&'static str, String); 17] {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
        [
            ("index", self.index.to_string()),
            ("log", text(&self.log)),
            ("at", self.at.to_string()),
            ("kind", self.kind.map(|kind| kind.to_string()).unwrap_or_default()),
            ("id", self.id.map(|id| id.to_string()).unwrap_or_default()),
            ("from", text(&self.from)),
            ("to", text(&self.to)),
            ("type", text(&self.message_type)),
            ("service", text(&self.service)),
            ("case", self.case.map(|case| case.to_string()).unwrap_or_default()),
            ("outcome", self.outcome.map(|outcome| outcome.as_str().to_owned()).unwrap_or_default()),
            ("code", text(&self.code)),
            ("acknowledgement", number(self.acknowledgement)),
            ("acknowledgement_log", text(&self.acknowledgement_log)),
            ("acknowledged_at", number(self.acknowledged_at)),
            ("erasure", number(self.erasure)),
            ("erasure_log", text(&self.erasure_log)),
        ]
    }
}
