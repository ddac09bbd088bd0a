//! From the requirements of a service to the systems that can prove them.

use saphan_schemas::catalogue::{Catalogue, EvidenceType, PublicService};
use saphan_schemas::ids::{Code, InvalidId, MemberId, MessageType, ServiceId, SystemId};
use saphan_schemas::message_types::{
    ApplicantKind, CaseSubmitted, EvidenceDeclined, EvidenceProvided, EvidenceRequested, GapReason, MessageBody as _,
};
use saphan_schemas::registry::{AgreementRecord, Intention, RegistryState};

use super::requirement::{Candidate, Requirement, State};

/// Who may be asked for what, by the registry and the catalogue of one moment.
pub struct Planner<'a> {
    /// The hub's own system.
    pub own: &'a SystemId,
    /// Who exists and may do what.
    pub registry: &'a RegistryState,
    /// What services require.
    pub catalogue: &'a Catalogue,
    /// The time, in seconds since 1970.
    pub now: u64,
}

impl Planner<'_> {
    /// What an applicant of this kind must prove for a service, with everybody who may be asked for it.
    ///
    /// # Errors
    /// None with the message types of this release.
    pub fn requirements(
        &self,
        service: &PublicService,
        kind: ApplicantKind,
        purpose: Option<&Code>,
    ) -> Result<Vec<Requirement>, InvalidId> {
        let mut requirements = Vec::new();
        for required in service.requirements_for(kind) {
            let types = required.evidence.iter().filter_map(|id| self.catalogue.evidence_type(id));
            let mut candidates = Vec::new();
            for evidence_type in types {
                self.add_candidates(evidence_type, &service.id, purpose, &mut candidates)?;
            }
            requirements.push(Requirement {
                id: required.id.clone(),
                about: required.about,
                candidates,
                at: 0,
                retried: false,
                unusable: Vec::new(),
                state: State::Missing { because: GapReason::ApplicantCannotSupply },
                late: Vec::new(),
                spare: None,
                failures: Vec::new(),
            });
        }
        Ok(requirements)
    }

    /// The system of the competent authority that takes complete cases of a service.
    ///
    /// # Errors
    /// None with the message types of this release.
    pub fn authority(&self, service: &ServiceId, purpose: Option<&Code>) -> Result<Option<SystemId>, InvalidId> {
        let Some(member) = self.registry.service(service).map(|service| &service.authority) else { return Ok(None) };
        let submitted: MessageType = CaseSubmitted::TYPE.parse()?;
        let intention = Intention { message_type: &submitted, service: Some(service), purpose, now: self.now };
        let receiver = |record: &AgreementRecord| record.agreement.receiver.clone();
        Ok(self.agreements_with(member, intention).map(receiver).next())
    }

    fn add_candidates(
        &self,
        evidence_type: &EvidenceType,
        service: &ServiceId,
        purpose: Option<&Code>,
        candidates: &mut Vec<Candidate>,
    ) -> Result<(), InvalidId> {
        let requested: MessageType = EvidenceRequested::TYPE.parse()?;
        let intention = Intention { message_type: &requested, service: Some(service), purpose, now: self.now };
        for member in evidence_type.providers() {
            for record in self.agreements_with(member, intention) {
                let provider = &record.agreement.receiver;
                if self.may_answer(provider, intention)? {
                    candidates.push(Candidate {
                        evidence_type: evidence_type.id.clone(),
                        provider: provider.clone(),
                        legal_basis: record.agreement.legal_basis.clone(),
                        needs_consent: evidence_type.consent_needed || record.agreement.consent,
                    });
                }
            }
        }
        Ok(())
    }

    /// Whom nobody allows to answer is not asked.
    fn may_answer(&self, provider: &SystemId, intention: Intention<'_>) -> Result<bool, InvalidId> {
        let answers: [MessageType; 2] = [EvidenceProvided::TYPE.parse()?, EvidenceDeclined::TYPE.parse()?];
        Ok(answers.iter().all(|message_type| {
            let answer = Intention { message_type, ..intention };
            self.registry.agreements_of(provider).any(|record| {
                record.agreement.sender == *provider && record.agreement.receiver == *self.own && record.allows(answer)
            })
        }))
    }

    /// Agreements that allow the hub's own system to send this to a system of this member.
    fn agreements_with<'a>(
        &'a self,
        member: &'a MemberId,
        intention: Intention<'a>,
    ) -> impl Iterator<Item = &'a AgreementRecord> {
        self.registry.agreements_of(self.own).filter(move |record| {
            let agreement = &record.agreement;
            agreement.sender == *self.own && agreement.receiver.member() == *member && record.allows(intention)
        })
    }
}
