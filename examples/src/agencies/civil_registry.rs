//! The civil registry of the Department of Provincial Administration: an evidence provider.
//!
//! It answers what other agencies ask about a person, under the purpose and the law that they named. The agreements in the
//! hub's registry say who may ask what; the registry sees no request that they do not allow. It takes part in the hub's
//! once-only cases as every other register does: [`super::registers`].

use std::collections::HashMap;
use std::sync::Arc;

use saphan_connector::{ConnectorBuilder, Handled, HandlerError, Message};
use saphan_schemas::ids::InvalidId;
use saphan_schemas::message_types::{
    Applicant, BilingualText, Citizen, EvidenceProvided, EvidenceRequested, EvidenceReused, Fact, FactValue,
    NationalId, NotProvided, Subject,
};

use super::desk::{DeskError, reply_alike};
use super::registers::{Holdings, declined, not_found};
use super::{Records, answers};

/// The system.
pub const SYSTEM: &str = "th.dopa/civil-registry";

/// Why it may provide evidence to other agencies.
pub const LAW: &str = "Digital Government Administration and Services Act BE 2562 s.13";

/// What it can prove to an agency that asks it itself.
pub const EVIDENCE_TYPES: [&str; 2] = ["th.dopa.identity", "th.dopa.house-registration"];

/// One person in the register.
#[derive(Debug, Clone)]
pub struct Record {
    /// The person.
    pub citizen: Citizen,
    /// How many people are registered in the same house.
    pub residents: u64,
}

/// The register.
#[derive(Debug)]
pub struct CivilRegistry {
    records: HashMap<NationalId, Record>,
    holdings: Holdings,
}

impl CivilRegistry {
    /// Registers the registry's handlers; `holdings` is what it holds for once-only cases.
    pub fn open(
        builder: ConnectorBuilder,
        kept: &Records,
        records: impl IntoIterator<Item = Record>,
        holdings: Holdings,
    ) -> ConnectorBuilder {
        let records = records.into_iter().map(|record| (record.citizen.national_id.clone(), record)).collect();
        let registry = Arc::new(Self { records, holdings });
        builder.handle(kept.step(&registry, Self::requested)).handle(kept.step(&registry, Self::reused))
    }

    fn requested(&self, message: &Message<EvidenceRequested>) -> Result<Handled, HandlerError> {
        let request = message.body();
        let reply = if let Some(evidence) = self.holdings.provide(request)? {
            reply_alike(message, &evidence)
        } else if !EVIDENCE_TYPES.contains(&request.evidence_type.as_str()) {
            let text = BilingualText::new("ไม่มีข้อมูลประเภทนี้", "The registry does not hold such evidence.");
            reply_alike(message, &declined(request, NotProvided::NotHeld, text)?)
        } else if let Some(record) = self.find(&request.subject) {
            reply_alike(message, &provided(request, record)?)
        } else {
            not_found(message)?
        };
        Ok(Handled::Reply(vec![reply]))
    }

    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "the shape of a handler's step")]
    fn reused(&self, _message: &Message<EvidenceReused>) -> Result<Handled, HandlerError> {
        Ok(Handled::Done)
    }

    fn find(&self, subject: &Subject) -> Option<&Record> {
        match subject {
            Subject::Citizen { national_id } => self.records.get(national_id),
            Subject::Juristic { .. } | Subject::Foreigner { .. } => None,
        }
    }
}

fn provided(request: &EvidenceRequested, record: &Record) -> Result<EvidenceProvided, DeskError> {
    let now = answers::now()?;
    let residents = match request.evidence_type.as_str() {
        "th.dopa.house-registration" => vec![number("residents", record.residents)?],
        _ => Vec::new(),
    };
    Ok(EvidenceProvided {
        provided_at: now.clone(),
        evidence_type: request.evidence_type.clone(),
        subject: request.subject.clone(),
        as_of: now,
        valid_until: None,
        record_number: None,
        person: Some(Applicant::Citizen(record.citizen.clone())),
        content_schema: None,
        content: None,
        facts: residents,
        documents: Vec::new(),
    })
}

fn number(name: &str, value: u64) -> Result<Fact, InvalidId> {
    Ok(Fact { name: name.parse()?, value: FactValue::Number(value.into()), label: None })
}
