//! What each message of the log means for its case.

use saphan_schemas::envelope::EnvelopeClaims;
use saphan_schemas::ids::{CaseId, Code, EvidenceTypeId, MessageId};
use saphan_schemas::message_types::{
    Answer, ApplicationSubmitted, ApplicationWithdrawn, ConsentGiven, ConsentRevoked, EvidenceDeclined,
    EvidencePending, EvidenceProvided, EvidenceRequested, EvidenceReused, InformationSupplied, MessageBody as _,
    ProofSource,
};
use saphan_schemas::problem::ProblemCode;

use super::case::Case;
use super::consent::ConsentTerms;
use super::evidence::Awaited;
use super::examine::{Expected, examine};
use super::fold::{Fold, FoldError};
use super::moves::Moves;
use super::opening::{Judge, Opening};
use super::plan::Planner;
use super::reading::{AboutSomebody, Entry};
use super::requirement::{Proven, Request};
use super::said::Said;
use super::what::{Failure, What};
use crate::store::StoreError;
use crate::store::cases::{ConsentRecord, DataUse, HeldEvidence};

impl Fold<'_> {
    pub(super) async fn message(&mut self, entry: &Entry, claims: &EnvelopeClaims) -> Result<(), FoldError> {
        let own = self.room.desk.own.clone();
        if claims.iss == own {
            if let Some(id) = claims.case {
                let turn = self.turn(entry.at);
                self.step(id, Some(entry.index), |case| case.logged(claims.jti, entry.index, turn));
            }
        } else if claims.aud == own {
            let answer = self.hear(entry, claims).await?;
            self.answer(entry.index, answer);
        } else if let Some(id) = claims.case {
            self.between_the_parties(id, entry, claims);
        }
        self.note_people(entry, claims);
        Ok(())
    }

    async fn hear(&mut self, entry: &Entry, claims: &EnvelopeClaims) -> Result<Result<(), ProblemCode>, FoldError> {
        Ok(match claims.message_type.as_str() {
            ApplicationSubmitted::TYPE => self.submitted(entry, claims).await?,
            ConsentGiven::TYPE => self.consent_given(entry, claims),
            ConsentRevoked::TYPE => self.consent_revoked(entry, claims).await?,
            EvidenceProvided::TYPE => self.evidence_provided(entry, claims),
            EvidenceDeclined::TYPE => self.evidence_declined(entry, claims),
            EvidencePending::TYPE => self.evidence_pending(entry, claims),
            InformationSupplied::TYPE => self.supplied(entry, claims),
            ApplicationWithdrawn::TYPE => self.withdrawn(entry, claims),
            _ => Err(ProblemCode::TypeUnknown),
        })
    }

    async fn submitted(
        &mut self,
        entry: &Entry,
        claims: &EnvelopeClaims,
    ) -> Result<Result<(), ProblemCode>, FoldError> {
        let body = match self.read::<ApplicationSubmitted>(entry.index) {
            Ok(body) => body,
            Err(code) => return Ok(Err(code)),
        };
        if claims.case.is_none_or(|id| self.cases.contains_key(&id)) {
            return Ok(Err(ProblemCode::CaseInvalid));
        }
        let consent = match claims.consent {
            Some(id) => self.consent(id).await?,
            None => None,
        };
        let opening = match self.judge(entry, claims, &body, consent.as_ref()) {
            Ok(opening) => opening,
            Err(code) => return Ok(Err(code)),
        };
        let supplied = opening.supplied(claims);
        let (mut case, turn) = (opening.case, self.turn(entry.at));
        let moves = case.begin(supplied, turn);
        let id = case.id;
        self.cases.insert(id, case);
        self.moved(id, Some(entry.index), moves);
        Ok(Ok(()))
    }

    fn judge(
        &self,
        entry: &Entry,
        claims: &EnvelopeClaims,
        body: &ApplicationSubmitted,
        consent: Option<&ConsentRecord>,
    ) -> Result<Opening, ProblemCode> {
        let own = &self.room.desk.own;
        let planner = Planner { own, registry: self.registry, catalogue: self.catalogue, now: entry.at / 1000 };
        let judge = Judge { planner, key: &self.room.pseudonyms, consent, now: entry.at };
        judge.open(claims, body, entry.index)
    }

    async fn consent(&self, id: MessageId) -> Result<Option<ConsentRecord>, StoreError> {
        let new = self.done.consents.iter().find(|record| record.id == id).cloned();
        let mut record = match new {
            Some(record) => Some(record),
            None => self.store.consent(id).await?,
        };
        if let Some(record) = &mut record
            && let Some((_, place)) = self.done.revoked.iter().find(|(revoked, _)| *revoked == id)
        {
            record.revoked = Some(*place);
        }
        Ok(record)
    }

    fn consent_given(&mut self, entry: &Entry, claims: &EnvelopeClaims) -> Result<(), ProblemCode> {
        let body: ConsentGiven = self.read(entry.index)?;
        let record = ConsentRecord {
            id: claims.jti,
            index: entry.index,
            portal: claims.iss.clone(),
            subject: self.room.pseudonyms.of(&body.subject),
            terms: ConsentTerms::of(&body),
            revoked: None,
        };
        self.done.consents.push(record);
        Ok(())
    }

    async fn consent_revoked(
        &mut self,
        entry: &Entry,
        claims: &EnvelopeClaims,
    ) -> Result<Result<(), ProblemCode>, FoldError> {
        let body = match self.read::<ConsentRevoked>(entry.index) {
            Ok(body) => body,
            Err(code) => return Ok(Err(code)),
        };
        let record = self.consent(body.consent).await?.filter(|record| record.portal == claims.iss);
        let Some(record) = record else { return Ok(Err(ProblemCode::ConsentInsufficient)) };
        self.done.revoked.push((record.id, entry.index));
        let resting = self.store.cases_with_consent(record.id).await?;
        self.load_cases(resting).await?;
        // Cases that were opened in this round are not in the store yet.
        let of_it = |case: &&Case| case.consent == Some(record.id);
        let ids: Vec<CaseId> = self.cases.values().filter(of_it).map(|case| case.id).collect();
        let turn = self.turn(entry.at);
        ids.into_iter().for_each(|id| self.step(id, Some(entry.index), |case| case.consent_revoked(turn)));
        Ok(Ok(()))
    }

    fn awaited(&self, claims: &EnvelopeClaims) -> Result<Answered, ProblemCode> {
        let case = claims.case.and_then(|id| self.cases.get(&id)).ok_or(ProblemCode::CaseInvalid)?;
        let Awaited { at, request, is_needed } = case.awaited(claims.reply_to, &claims.iss)?;
        Ok(Answered { id: case.id, at, request: request.clone(), is_needed })
    }

    fn evidence_provided(&mut self, entry: &Entry, claims: &EnvelopeClaims) -> Result<(), ProblemCode> {
        let Answered { id, at, request, is_needed } = self.awaited(claims)?;
        match self.examined(entry, claims, id, at, &request) {
            Ok(held) => {
                self.done.evidence.push(held);
                let step = |case: &mut Case| match is_needed {
                    true => case.provided(at, &request, entry.index, claims.jti, entry.at),
                    false => case.served(at, request.id),
                };
                self.step(id, Some(entry.index), step);
                Ok(())
            }
            Err(problem) => {
                let code = problem.to_code().map_err(|_| ProblemCode::Internal)?;
                self.failed(id, at, &request, Failure::Invalid { code }, entry);
                Err(problem)
            }
        }
    }

    /// What came as an answer to a request, if it is good.
    fn examined(
        &self,
        entry: &Entry,
        claims: &EnvelopeClaims,
        id: CaseId,
        at: usize,
        request: &Request,
    ) -> Result<HeldEvidence, ProblemCode> {
        let case = self.cases.get(&id).ok_or(ProblemCode::CaseInvalid)?;
        let body: EvidenceProvided = self.read(entry.index)?;
        if self.is_too_long(case, claims) {
            return Err(ProblemCode::BodyTooLarge);
        }
        let subject = *case.people.about(case.requirements[at].about);
        let expected = Expected { candidate: &request.candidate, subject: &subject, now: entry.at };
        let until = examine(claims, &body, expected, self.catalogue, &self.room.pseudonyms)?;
        let (evidence_type, provider, len) = (body.evidence_type, claims.iss.clone(), claims.body.len());
        Ok(HeldEvidence { subject, evidence_type, index: entry.index, id: claims.jti, provider, until, len })
    }

    fn evidence_declined(&mut self, entry: &Entry, claims: &EnvelopeClaims) -> Result<(), ProblemCode> {
        let Answered { id, at, request, .. } = self.awaited(claims)?;
        let body: EvidenceDeclined = self.read(entry.index)?;
        self.failed(id, at, &request, body.reason.into(), entry);
        Ok(())
    }

    fn failed(&mut self, id: CaseId, at: usize, request: &Request, failure: Failure, entry: &Entry) {
        let turn = self.turn(entry.at);
        self.step(id, Some(entry.index), |case| case.failed(at, request.id, failure, turn));
    }

    fn evidence_pending(&mut self, entry: &Entry, claims: &EnvelopeClaims) -> Result<(), ProblemCode> {
        let Answered { id, at, request, .. } = self.awaited(claims)?;
        let body: EvidencePending = self.read(entry.index)?;
        let until = body.expected_by.unix_ms();
        self.step(id, Some(entry.index), |case| case.pending(at, request.id, until));
        Ok(())
    }

    fn supplied(&mut self, entry: &Entry, claims: &EnvelopeClaims) -> Result<(), ProblemCode> {
        let id = self.case_of_portal(claims)?;
        let body: InformationSupplied = self.read(entry.index)?;
        let proof = Proven {
            index: entry.index,
            id: claims.jti,
            evidence_type: None,
            provider: claims.iss.clone(),
            source: ProofSource::Applicant,
            needs_consent: false,
        };
        let answers: Vec<(Code, bool)> = body.answers.iter().map(answer).collect();
        if self.cases.get(&id).is_some_and(|case| self.is_too_long(case, claims)) {
            return Err(ProblemCode::BodyTooLarge);
        }
        let case = self.cases.get_mut(&id).ok_or(ProblemCode::CaseInvalid)?;
        let moves = case.supplied(&answers, &proof, entry.at)?;
        self.moved(id, Some(entry.index), moves);
        Ok(())
    }

    fn withdrawn(&mut self, entry: &Entry, claims: &EnvelopeClaims) -> Result<(), ProblemCode> {
        let id = self.case_of_portal(claims)?;
        let case = self.cases.get_mut(&id).ok_or(ProblemCode::CaseInvalid)?;
        let moves = case.withdrawn(entry.index)?;
        self.moved(id, Some(entry.index), moves);
        Ok(())
    }

    /// Whether a case with this message in it would fit into no message.
    fn is_too_long(&self, case: &Case, claims: &EnvelopeClaims) -> bool {
        !self.room.limits.takes(claims.body.len(), case)
    }

    fn case_of_portal(&self, claims: &EnvelopeClaims) -> Result<CaseId, ProblemCode> {
        let case = claims.case.and_then(|id| self.cases.get(&id)).filter(|case| case.portal == claims.iss);
        case.map(|case| case.id).ok_or(ProblemCode::CaseInvalid)
    }

    /// Authority and portal write to each other; the hub listens.
    fn between_the_parties(&mut self, id: CaseId, entry: &Entry, claims: &EnvelopeClaims) {
        let body = self.contents.get(&entry.index).map_or(&[][..], |content| &content.body);
        let Some(case) = self.cases.get_mut(&id) else { return };
        let Some(said) = Said::of(case, claims, body) else { return };
        // Admission lets through what fits; this came beside something else that moved the case.
        let not_fitting = || {
            let (sender, message_type) = (claims.iss.clone(), claims.message_type.clone());
            Moves { events: vec![What::NotFitting { sender, message_type }], ..Moves::default() }
        };
        let moves = case.said(&said).unwrap_or_else(not_fitting);
        // Another system of the authority speaks: it may have moved.
        let is_new = claims.iss != case.portal && claims.iss != case.authority;
        self.moved(id, Some(entry.index), moves);
        if is_new {
            self.find_authority(id);
        }
    }

    /// Notes whose data the message is about.
    fn note_people(&mut self, entry: &Entry, claims: &EnvelopeClaims) {
        let name = claims.message_type.as_str();
        let about = |evidence_type| DataUse { index: entry.index, evidence_type };
        if [EvidenceRequested::TYPE, EvidenceProvided::TYPE, ConsentGiven::TYPE].contains(&name) {
            if let Some(AboutSomebody { subject: Some(subject), evidence_type, .. }) = self.body(entry.index) {
                self.note_use(self.room.pseudonyms.of(&subject), about(evidence_type));
            }
        } else if let Some(case) = claims.case.and_then(|id| self.cases.get(&id)) {
            let people = case.people;
            let evidence_type = self.reused_type(entry, name);
            self.note_use(people.applicant, about(evidence_type.clone()));
            self.note_use(people.person, about(evidence_type));
        } else if name == ApplicationSubmitted::TYPE
            && let Some(body) = self.body::<ApplicationSubmitted>(entry.index)
        {
            let subject = self.room.pseudonyms.of(&body.applicant.subject());
            self.note_use(subject, about(None));
        }
    }

    fn reused_type(&self, entry: &Entry, name: &str) -> Option<EvidenceTypeId> {
        let reused = (name == EvidenceReused::TYPE).then_some(entry.index)?;
        self.body::<EvidenceReused>(reused).map(|body| body.evidence_type)
    }
}

/// A request that was answered.
struct Answered {
    id: CaseId,
    at: usize,
    request: Request,
    is_needed: bool,
}

fn answer(answer: &Answer) -> (Code, bool) {
    match answer {
        Answer::Value { item, .. } | Answer::Document { item, .. } => (item.clone(), true),
        Answer::Unavailable { item, .. } => (item.clone(), false),
    }
}
