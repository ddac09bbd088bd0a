//! What an agreement allows, what a message lacks that it does not, and which agreements would mean nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::{Agreement, RegistryState, RejectedEntry};
use crate::digest::Sha256Hash;
use crate::envelope::EnvelopeClaims;
use crate::ids::{Code, LegalBasis, MemberId, MessageType, ServiceId, SystemId};

/// An agreement and who signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgreementRecord {
    /// What it says.
    pub agreement: Agreement,
    /// SHA-256 of the exact text of the entry that says so: what a signature names.
    pub terms: Sha256Hash,
    /// The place of that entry in the log.
    pub index: u64,
    /// The members that signed, and the place of each signature in the log.
    pub signatures: BTreeMap<MemberId, u64>,
}

/// What an agreement must cover.
#[derive(Debug, Clone, Copy)]
pub struct MessageFacts<'a> {
    /// The envelope.
    pub claims: &'a EnvelopeClaims,
    /// The time, in seconds since 1970.
    pub now: u64,
}

/// What somebody may want to send, before there is a message.
#[derive(Debug, Clone, Copy)]
pub struct Intention<'a> {
    /// The message type.
    pub message_type: &'a MessageType,
    /// The public service.
    pub service: Option<&'a ServiceId>,
    /// The purpose.
    pub purpose: Option<&'a Code>,
    /// The time, in seconds since 1970.
    pub now: u64,
}

/// The part that no agreement covers; the best agreement decides which part is named.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum AgreementGap {
    /// No agreement between the two systems, in this direction.
    #[error("there is no agreement from this sender to this recipient")]
    Parties,
    /// None for the message type.
    #[error("no agreement between the two covers this message type")]
    Type,
    /// None for the public service.
    #[error("no agreement covers this public service for this message type")]
    Service,
    /// None for the purpose.
    #[error("no agreement covers this purpose for this message type and service")]
    Purpose,
    /// Another law than the agreement's.
    #[error("the legal basis cited is not the agreement's")]
    LegalBasis,
    /// No consent is named.
    #[error("the agreement asks for the person's consent, and the message names none")]
    Consent,
    /// A member has not signed.
    #[error("{0} has not signed the agreement that would cover it")]
    Signature(MemberId),
    /// Not yet or no longer valid.
    #[error("the agreement that would cover it is not valid at this time")]
    Validity,
}

/// Why an agreement would mean nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AgreementFlaw {
    /// It allows nothing.
    #[error("it names no message type")]
    NoTypes,
    /// A system needs nobody's leave to tell itself something.
    #[error("its sender is its receiver")]
    OneSystem,
    /// There is no moment at which it is valid.
    #[error("its not_before is not before its not_after")]
    NeverValid,
    /// What it allows to be sent is not known.
    #[error("no schema of the message type {0} is registered; publish one first, or correct the name")]
    NoSchema(MessageType),
    /// What it is for is not known.
    #[error("the service {0} is not registered; register it first, or correct the name")]
    NoService(ServiceId),
}

impl AgreementRecord {
    /// The members that have not signed.
    #[must_use]
    pub fn unsigned(&self) -> BTreeSet<MemberId> {
        self.agreement.parties().into_iter().filter(|member| !self.signatures.contains_key(member)).collect()
    }

    /// Whether it allows this, if the law is the agreement's and a consent is named where it asks for one.
    #[must_use]
    pub fn allows(&self, Intention { message_type, service, purpose, now }: Intention<'_>) -> bool {
        let agreement = &self.agreement;
        agreement.types.contains(message_type)
            && covers(&agreement.services, service)
            && covers(&agreement.purposes, purpose)
            && self.is_in_force(now)
    }

    /// Whether all parties have signed it and it is valid at this time, in seconds since 1970.
    #[must_use]
    pub fn is_in_force(&self, now: u64) -> bool {
        self.unsigned().is_empty() && self.agreement.is_valid_at(now)
    }

    /// The first part of a message that it does not cover.
    pub(super) fn gap(&self, MessageFacts { claims, now }: MessageFacts<'_>) -> Option<AgreementGap> {
        let agreement = &self.agreement;
        let other_law = |law: &LegalBasis| *law != agreement.legal_basis;
        if !agreement.types.contains(&claims.message_type) {
            Some(AgreementGap::Type)
        } else if !covers(&agreement.services, claims.service.as_ref()) {
            Some(AgreementGap::Service)
        } else if !covers(&agreement.purposes, claims.purpose.as_ref()) {
            Some(AgreementGap::Purpose)
        } else if claims.legal_basis.as_ref().is_some_and(other_law) {
            Some(AgreementGap::LegalBasis)
        } else if agreement.consent && claims.consent.is_none() {
            Some(AgreementGap::Consent)
        } else if let Some(member) = self.unsigned().pop_first() {
            Some(AgreementGap::Signature(member))
        } else if !agreement.is_valid_at(now) {
            Some(AgreementGap::Validity)
        } else {
            None
        }
    }
}

impl Agreement {
    /// Whether the system sends or receives under it.
    #[must_use]
    pub fn is_party(&self, system: &SystemId) -> bool {
        self.sender == *system || self.receiver == *system
    }

    fn is_valid_at(&self, now: u64) -> bool {
        self.not_before.is_none_or(|time| time <= now) && self.not_after.is_none_or(|time| now < time)
    }

    /// That it could allow some message, whatever else is registered.
    pub(super) fn must_mean_something(&self) -> Result<(), RejectedEntry> {
        if self.types.is_empty() {
            Err(self.rejected(AgreementFlaw::NoTypes))
        } else if self.sender == self.receiver {
            Err(self.rejected(AgreementFlaw::OneSystem))
        } else if self.not_before.zip(self.not_after).is_some_and(|(begin, end)| begin >= end) {
            Err(self.rejected(AgreementFlaw::NeverValid))
        } else {
            Ok(())
        }
    }

    /// That a registry knows the message types and services that it names. A hub takes no other agreement; a log may hold one,
    /// since what is unknown can be registered later.
    ///
    /// # Errors
    /// [`RejectedEntry::Meaningless`] with the first name that is not known.
    pub fn must_name_what_stands(&self, registry: &RegistryState) -> Result<(), RejectedEntry> {
        let is_known = |name: &MessageType| registry.schemas().any(|schema| schema.id.name() == name.as_str());
        if let Some(name) = self.types.iter().find(|name| !is_known(name)) {
            return Err(self.rejected(AgreementFlaw::NoSchema(name.clone())));
        }
        match self.services.iter().find(|id| registry.service(id).is_none()) {
            Some(id) => Err(self.rejected(AgreementFlaw::NoService(id.clone()))),
            None => Ok(()),
        }
    }

    fn rejected(&self, flaw: AgreementFlaw) -> RejectedEntry {
        RejectedEntry::Meaningless { agreement: self.id.clone(), flaw }
    }
}

fn covers<T: Ord>(allowed: &BTreeSet<T>, named: Option<&T>) -> bool {
    named.map_or(allowed.is_empty(), |named| allowed.contains(named))
}
