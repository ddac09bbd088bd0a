//! What the follower reads: entries of the log, as far as they may concern a case.

use saphan_schemas::acknowledgement::{Acknowledged, AcknowledgementClaims, Outcome, UnverifiedAcknowledgement};
use saphan_schemas::envelope::{EnvelopeClaims, UnverifiedEnvelope};
use saphan_schemas::ids::{EvidenceTypeId, MessageId, SystemId};
use saphan_schemas::leaf::Leaf;
use saphan_schemas::message_types::{
    Applicant, ApplicationSubmitted, ConsentGiven, EvidenceProvided, EvidenceRequested, EvidenceReused,
    MessageBody as _, Representative, Subject,
};
use serde::Deserialize;

use super::opening::subject_of;
use super::said;
use crate::shards::Shards;
use crate::store::cases::FollowedEntry;

/// What bodies about one person have in common.
#[derive(Debug, Default, Deserialize)]
pub(super) struct AboutSomebody {
    pub(super) subject: Option<Subject>,
    pub(super) evidence_type: Option<EvidenceTypeId>,
    /// Of an application.
    applicant: Option<Applicant>,
    representative: Option<Representative>,
}

impl AboutSomebody {
    /// Whom it is about.
    pub(super) fn people(&self) -> impl Iterator<Item = Subject> {
        let person = self.representative.as_ref().map(|one| subject_of(&one.person));
        self.subject.clone().into_iter().chain(self.applicant.as_ref().map(Applicant::subject)).chain(person)
    }
}

/// An entry of the log.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) index: u64,
    /// When it was logged, in milliseconds since 1970.
    pub(super) at: u64,
    pub(super) says: Says,
}

/// What it says. The hub checked signatures before it was logged.
#[derive(Debug)]
pub(super) enum Says {
    Message {
        claims: Box<EnvelopeClaims>,
    },
    /// By their places.
    Acknowledged {
        claims: Box<AcknowledgementClaims>,
        messages: Vec<Acknowledged>,
    },
}

/// Reads an entry; `None` for what is no message and no acknowledgement, or cannot be read: a log that was changed behind the
/// hub's back is not followed into a wrong state.
pub(super) fn read(entry: &FollowedEntry, shards: &Shards) -> Option<Entry> {
    match Leaf::parse(&entry.leaf).ok()? {
        Leaf::Message { ts, envelope, .. } => {
            let claims = UnverifiedEnvelope::parse(&envelope).ok()?.claims().clone();
            let says = Says::Message { claims: Box::new(claims) };
            Some(Entry { index: entry.index, at: ts, says })
        }
        Leaf::Acknowledgement { ts, acknowledgement } => {
            let claims = UnverifiedAcknowledgement::parse(&acknowledgement).ok()?.claims().clone();
            let messages = shards.acknowledged(&claims);
            let says = Says::Acknowledged { claims: Box::new(claims), messages };
            Some(Entry { index: entry.index, at: ts, says })
        }
        _ => None,
    }
}

impl Entry {
    /// The length of the body that must be read to follow it; 0 when none is needed.
    pub(super) fn body_needed(&self, own: &SystemId) -> u64 {
        let Says::Message { claims, .. } = &self.says else { return 0 };
        let name = claims.message_type.as_str();
        let about_people = ABOUT_PEOPLE.contains(&name);
        let of_a_case = claims.case.is_some() && said::TYPES.contains(&name) && claims.iss != *own;
        if claims.aud == *own || of_a_case || about_people { claims.body.len() } else { 0 }
    }

    /// The place and the code of messages that it rejects.
    pub(super) fn rejections(&self) -> impl Iterator<Item = &Acknowledged> {
        let messages = match &self.says {
            Says::Acknowledged { messages, .. } => &messages[..],
            Says::Message { .. } => &[],
        };
        messages.iter().filter(|one| one.outcome == Outcome::Rejected)
    }

    /// The id of the hub's own statement, if it is one.
    pub(super) fn own_id(&self, own: &SystemId) -> Option<MessageId> {
        match &self.says {
            Says::Message { claims, .. } => (claims.iss == *own).then_some(claims.jti),
            Says::Acknowledged { claims, .. } => (claims.iss == *own).then_some(claims.jti),
        }
    }
}

/// Bodies that name the person they are about.
const ABOUT_PEOPLE: &[&str] = &[
    ApplicationSubmitted::TYPE,
    ConsentGiven::TYPE,
    EvidenceProvided::TYPE,
    EvidenceRequested::TYPE,
    EvidenceReused::TYPE,
];
