//! What the agencies have in common: whom they write to, and why they may.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use saphan_connector::{Message, OutgoingMessage};
use saphan_schemas::ids::{CaseId, Code, InvalidId, LegalBasis, SystemId};
use saphan_schemas::message_types::{BilingualText, EvidenceRequested, InvalidTime, MessageBody, Office, Subject};

use super::{answers, civil_registry};
use crate::portal;

/// Which system decides which public service, and why data may travel for it. The agreements say the same.
#[derive(Debug, Clone, Copy)]
pub struct Mandate {
    /// The system that decides.
    pub system: &'static str,
    /// The public service, an id of the catalogue.
    pub service: &'static str,
    /// The purpose that messages about an application name.
    pub purpose: &'static str,
    /// The law behind the service.
    pub law: &'static str,
}

/// The writing desk of an agency: makes the messages that leave it.
#[derive(Debug)]
pub struct Desk {
    portal: SystemId,
    civil_registry: SystemId,
    purpose: Code,
    law: LegalBasis,
    law_of_evidence: LegalBasis,
    office: Office,
}

impl Desk {
    /// The desk of the office with this name.
    ///
    /// # Errors
    /// [`InvalidId`] when the mandate is not well written.
    pub fn new(mandate: &Mandate, name_th: &str, name_en: &str) -> Result<Self, InvalidId> {
        let system: SystemId = mandate.system.parse()?;
        Ok(Self {
            portal: portal::SYSTEM.parse()?,
            civil_registry: civil_registry::SYSTEM.parse()?,
            purpose: mandate.purpose.parse()?,
            law: mandate.law.parse()?,
            law_of_evidence: civil_registry::LAW.parse()?,
            office: Office { member: system.member(), name: BilingualText::new(name_th, name_en), position: None },
        })
    }

    /// The office that signs decisions.
    #[must_use]
    pub fn office(&self) -> Office {
        self.office.clone()
    }

    /// A message to the portal about the case of `cause`.
    #[must_use]
    pub fn to_portal<T, B: MessageBody>(&self, cause: &Message<T>, body: &B) -> OutgoingMessage {
        let message = OutgoingMessage::new(self.portal.clone(), body);
        cause.answer(message).purpose(self.purpose.clone()).legal_basis(self.law.clone())
    }

    /// A request for evidence to the civil registry, for the case of `cause`.
    ///
    /// # Errors
    /// [`InvalidId`], [`InvalidTime`]: a defect of the caller, or a clock that is far off.
    pub fn ask_civil_registry<T>(
        &self,
        cause: &Message<T>,
        evidence_type: &str,
        subject: Subject,
    ) -> Result<OutgoingMessage, DeskError> {
        let request = EvidenceRequested {
            requested_at: answers::now()?,
            evidence_type: evidence_type.parse()?,
            subject,
            as_of: None,
            needed_by: None,
            officer: None,
        };
        let message = OutgoingMessage::new(self.civil_registry.clone(), &request);
        Ok(cause.answer(message).purpose(self.purpose.clone()).legal_basis(self.law_of_evidence.clone()))
    }
}

/// A reply for the purpose, and under the law, that `message` named.
pub(crate) fn reply_alike<T, B: MessageBody>(message: &Message<T>, body: &B) -> OutgoingMessage {
    let mut reply = message.reply(body);
    if let Some(purpose) = &message.envelope().purpose {
        reply = reply.purpose(purpose.clone());
    }
    if let Some(law) = &message.envelope().legal_basis {
        reply = reply.legal_basis(law.clone());
    }
    reply
}

/// A message cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// A name in the code is not one.
    #[error(transparent)]
    Id(#[from] InvalidId),
    /// The clock is far off.
    #[error(transparent)]
    Time(#[from] InvalidTime),
}

/// Open cases. In an agency this is a table.
pub struct Cases<T>(Mutex<HashMap<CaseId, T>>);

impl<T: Clone> Cases<T> {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self(Mutex::default())
    }

    /// Opens a case.
    pub fn open(&self, case: CaseId, facts: T) {
        self.lock().insert(case, facts);
    }

    /// What is known of the case that a message belongs to.
    #[must_use]
    pub fn of<B>(&self, message: &Message<B>) -> Option<T> {
        message.case().and_then(|case| self.lock().get(&case).cloned())
    }

    /// Closes the case that a message belongs to.
    pub fn close<B>(&self, message: &Message<B>) {
        if let Some(case) = message.case() {
            self.lock().remove(&case);
        }
    }

    /// How many are open.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CaseId, T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone> Default for Cases<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Cases<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cases(redacted)")
    }
}
