//! Asking for evidence: those who hold it, where it may be used again, and the applicant.

use saphan_schemas::catalogue::RequirementSubject;
use saphan_schemas::ids::MessageId;
use saphan_schemas::message_types::{
    AnswerForm, ApplicationSubmitted, BilingualText, Date, EvidenceRequested, EvidenceReused, InformationRequested,
    Item, Office, Subject,
};

use super::{Cites, Desk, Letter, LetterError, Sources, copy, timestamp};
use crate::cases::case::Case;
use crate::cases::opening::subject_of;
use crate::cases::requirement::{Requirement, State};
use crate::cases::texts;

impl Desk {
    pub(super) fn request(
        &self,
        case: &Case,
        id: MessageId,
        requirement: &Requirement,
        sources: &Sources<'_>,
    ) -> Result<Option<Letter>, LetterError> {
        let State::Requested { request, until, .. } = &requirement.state else { return Ok(None) };
        if request.id != id {
            return Ok(None);
        }
        let body = EvidenceRequested {
            requested_at: timestamp(sources.now)?,
            evidence_type: request.candidate.evidence_type.clone(),
            subject: subject(case, requirement.about, sources)?,
            as_of: None,
            needed_by: Some(timestamp(*until)?),
            officer: None,
        };
        let cites = Cites {
            legal_basis: Some(request.candidate.legal_basis.clone()),
            consent: case.consent.filter(|_| request.candidate.needs_consent),
            ..Cites::default()
        };
        self.write(case, id, &request.candidate.provider, &body, cites, sources.now).map(Some)
    }

    pub(super) fn reuse(
        &self,
        case: &Case,
        id: MessageId,
        requirement: &Requirement,
        sources: &Sources<'_>,
    ) -> Result<Option<Letter>, LetterError> {
        let State::Reusing { notice, proof } = &requirement.state else { return Ok(None) };
        let (Some(candidate), Some(evidence_type)) = (requirement.candidates.get(requirement.at), &proof.evidence_type)
        else {
            return Ok(None);
        };
        if *notice != id {
            return Ok(None);
        }
        let body = EvidenceReused {
            reused_at: timestamp(sources.now)?,
            evidence_type: evidence_type.clone(),
            message: proof.id,
        };
        let cites = Cites {
            legal_basis: Some(candidate.legal_basis.clone()),
            reply_to: Some(proof.id),
            consent: case.consent.filter(|_| proof.needs_consent),
            ..Cites::default()
        };
        self.write(case, id, &proof.provider, &body, cites, sources.now).map(Some)
    }

    pub(super) fn question(
        &self,
        asked: &[&Requirement],
        case: &Case,
        sources: &Sources<'_>,
    ) -> Result<InformationRequested, LetterError> {
        let service = sources.catalogue.service(&case.service);
        let item = |requirement: &&Requirement| {
            let required = service.and_then(|service| service.requirements.iter().find(|one| one.id == requirement.id));
            Item {
                item: requirement.id.clone(),
                question: texts::question(required.map(|required| &required.name)),
                answer: AnswerForm::Document,
                required: false,
                choices: Vec::new(),
                evidence_type: required.and_then(|required| required.evidence.first().cloned()),
            }
        };
        let member = self.own.member();
        let name = sources.registry.member(&member);
        let name = name.map(|member| BilingualText::new(&member.name_th, &member.name_en));
        Ok(InformationRequested {
            requested_at: timestamp(sources.now)?,
            requested_by: Office { name: name.unwrap_or_else(texts::hub), member, position: None },
            text: texts::why_asked(),
            items: asked.iter().map(item).collect(),
            answer_by: asked.iter().filter_map(|asked| asked.last_day()).min().map(Date::in_thailand).transpose()?,
            if_not_answered: Some(texts::if_not_answered()),
        })
    }
}

fn subject(case: &Case, about: RequirementSubject, sources: &Sources<'_>) -> Result<Subject, LetterError> {
    let (_, body) = copy(sources, case.application)?.opened().map_err(|_| LetterError::Erased)?;
    let body: ApplicationSubmitted = serde_json::from_slice(&body)?;
    Ok(match (about, &body.representative) {
        (RequirementSubject::Person, Some(representative)) => subject_of(&representative.person),
        _ => body.applicant.subject(),
    })
}
