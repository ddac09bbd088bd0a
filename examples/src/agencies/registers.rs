//! Registers that provide evidence for the hub's once-only cases: one way to answer, whatever the register holds.
//!
//! The hub's own system asks each of them for its part of a case, and tells it when evidence that it gave is used again. The
//! agreements say who may ask; a register answers nobody else. See [`Register`] for the registers of the examples.

use std::collections::HashMap;
use std::io::Cursor;
use std::sync::Arc;

use saphan_connector::{
    ConnectorBuilder, DocumentError, Documents, Handled, HandlerError, Message, OutgoingMessage, PreparedDocument,
};
use saphan_schemas::envelope::DocumentReference;
use saphan_schemas::ids::EvidenceTypeId;
use saphan_schemas::message_types::{
    BilingualText, Document, EvidenceDeclined, EvidenceProvided, EvidenceRequested, EvidenceReused, InvalidTime,
    NotProvided, Subject,
};
use serde_json::{Map, Value};

use super::desk::{DeskError, reply_alike};
use super::{Records, answers, civil_registry};

/// A register that takes part.
#[derive(Debug, Clone, Copy)]
pub struct Register {
    /// The system.
    pub system: &'static str,
    /// What it can prove: evidence types of the catalogue.
    pub evidence_types: &'static [&'static str],
}

/// The registers of the examples. The civil registry, the first, also answers agencies that ask it themselves.
pub const REGISTERS: [Register; 7] = [
    Register {
        system: civil_registry::SYSTEM,
        evidence_types: &["th.dopa.identity", "th.dopa.house-registration", "th.dopa.birth-record"],
    },
    Register { system: "th.dbd/juristic-register", evidence_types: &["th.dbd.juristic-person-record"] },
    Register { system: "th.dol/land-register", evidence_types: &["th.dol.land-title"] },
    Register { system: "th.bma/building-control", evidence_types: &["th.bma.building-use"] },
    Register { system: "th.rd/tax-register", evidence_types: &["th.rd.tax-registration", "th.rd.income-record"] },
    Register { system: "th.dlt/driving-register", evidence_types: &["th.dlt.driving-licence"] },
    Register { system: "th.moph/health-records", evidence_types: &["th.moph.medical-certificate"] },
];

/// What registers hold. In a register this is the database that it has.
#[derive(Debug, Clone, Default)]
pub struct Holdings(HashMap<(EvidenceTypeId, Person), Map<String, Value>>);

/// A person, by the number that registers know it by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Person(String);

impl From<&Subject> for Person {
    fn from(subject: &Subject) -> Self {
        Self(match subject {
            Subject::Citizen { national_id } => national_id.as_str().to_owned(),
            Subject::Juristic { number } => number.as_str().to_owned(),
            Subject::Foreigner { passport_number, nationality, .. } => format!("{nationality}{passport_number}"),
        })
    }
}

impl Holdings {
    /// Enters what is known of somebody. `content` is as the evidence type's schema says.
    pub fn enter(&mut self, evidence_type: EvidenceTypeId, subject: &Subject, content: Map<String, Value>) {
        self.0.insert((evidence_type, subject.into()), content);
    }

    /// The part that one register holds.
    #[must_use]
    pub fn of(&self, register: &Register) -> Self {
        let held = self.0.iter().filter(|((held, _), _)| register.evidence_types.contains(&held.as_str()));
        Self(held.map(|(key, content)| (key.clone(), content.clone())).collect())
    }

    /// All records, by what they prove.
    pub fn records(&self) -> impl Iterator<Item = (&EvidenceTypeId, &Map<String, Value>)> {
        self.0.iter().map(|((evidence_type, _), content)| (evidence_type, content))
    }

    /// The evidence that was asked for; `None` when nothing is held about that person.
    ///
    /// # Errors
    /// [`DeskError`]: a clock that is far off.
    pub(super) fn provide(&self, request: &EvidenceRequested) -> Result<Option<EvidenceProvided>, DeskError> {
        let key = (request.evidence_type.clone(), Person::from(&request.subject));
        let Some(content) = self.0.get(&key) else { return Ok(None) };
        let now = answers::now()?;
        Ok(Some(EvidenceProvided {
            provided_at: now.clone(),
            evidence_type: request.evidence_type.clone(),
            subject: request.subject.clone(),
            as_of: now,
            valid_until: None,
            record_number: None,
            person: None,
            content_schema: Some(format!("{}@1", request.evidence_type).parse()?),
            content: Some(content.clone()),
            facts: Vec::new(),
            documents: Vec::new(),
        }))
    }
}

/// A register with its handlers.
#[derive(Debug)]
pub struct EvidenceRegister {
    holdings: Holdings,
}

impl EvidenceRegister {
    /// Registers the register's handlers; `holdings` is what it holds.
    pub fn open(builder: ConnectorBuilder, kept: &Records, holdings: Holdings) -> ConnectorBuilder {
        let register = Arc::new(Self { holdings });
        let (asked, records) = (Arc::clone(&register), kept.clone());
        let requested = move |message: Message<EvidenceRequested>| {
            let (register, records) = (Arc::clone(&asked), records.clone());
            async move {
                let handled = register.requested(&message).await?;
                records.keep(&message);
                Ok(handled)
            }
        };
        builder.handle(requested).handle(kept.step(&register, Self::reused))
    }

    async fn requested(&self, message: &Message<EvidenceRequested>) -> Result<Handled, HandlerError> {
        let Some(mut evidence) = self.holdings.provide(message.body())? else {
            return Ok(Handled::Reply(vec![not_found(message)?]));
        };
        let document = upload_document_of(&mut evidence, message.documents()).await?;
        let reply = document.into_iter().fold(reply_alike(message, &evidence), OutgoingMessage::document);
        Ok(Handled::Reply(vec![reply]))
    }

    /// Who gave evidence hears what else it is used for. A real register would show it to the person.
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "the shape of a handler's step")]
    fn reused(&self, _message: &Message<EvidenceReused>) -> Result<Handled, HandlerError> {
        Ok(Handled::Done)
    }
}

/// Uploads the document that goes with this evidence, if it is one, and names it there; gives what the message cites.
///
/// # Errors
/// [`DocumentError`].
pub async fn upload_document_of(
    evidence: &mut EvidenceProvided,
    documents: &Documents,
) -> Result<Option<DocumentReference>, DocumentError> {
    if !DOCUMENTS.contains(&evidence.evidence_type.as_str()) {
        return Ok(None);
    }
    let mut scan = Cursor::new(SCAN);
    let prepared = PreparedDocument::read(&mut scan, "application/pdf").await?;
    let cited = documents.upload(&prepared, &mut scan).await?;
    let DocumentReference { commit, len, media_type, .. } = cited.clone();
    evidence.documents.push(Document { commit, len, media_type, title: None });
    Ok(Some(cited))
}

/// What of it is a document (`format` in the catalogue).
const DOCUMENTS: [&str; 3] =
    ["th.moph.medical-certificate", "th.moph.disability-assessment", "th.moph.birth-notification"];
/// Stands for a paper that somebody scanned.
const SCAN: &[u8] = b"%PDF-1.7\n% a certificate\n%%EOF\n";

/// The register does not know the person, or holds no such evidence about it.
pub(super) fn not_found(message: &Message<EvidenceRequested>) -> Result<OutgoingMessage, InvalidTime> {
    let text = BilingualText::new("ไม่พบบุคคลนี้ในทะเบียน", "The register does not know this person.");
    Ok(reply_alike(message, &declined(message.body(), NotProvided::SubjectNotFound, text)?))
}

pub(super) fn declined(
    request: &EvidenceRequested,
    reason: NotProvided,
    text: BilingualText,
) -> Result<EvidenceDeclined, InvalidTime> {
    let evidence_type = request.evidence_type.clone();
    Ok(EvidenceDeclined { declined_at: answers::now()?, evidence_type, reason, text, held_by: None })
}
