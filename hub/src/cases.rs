//! Applications that need evidence, from `application.submitted` to the decision: the once-only part of the exchange.
//!
//! The hub has a system of its own, with a key of its own. A portal sends applications to it; it asks those who hold the
//! evidence, uses again what is fresh, and hands the complete case to the competent authority. Everything that it says is a
//! message like any other, under an agreement, and everything that moves a case is a message in the log: what stands here
//! follows from the log, and is read from it ([`follower`]).

mod case;
mod consent;
mod errands;
mod evidence;
mod examine;
mod fold;
pub mod follower;
mod hearing;
mod letters;
mod moves;
mod opening;
mod plan;
mod posting;
mod proceedings;
mod pseudonym;
mod reading;
mod requirement;
mod said;
mod saying;
mod sharing;
#[cfg(test)]
mod tests;
mod texts;
mod time;
mod view;
mod what;

pub use self::case::{Case, CaseStatus, HandedOver, Handover, People, Reopened};
pub use self::consent::{ConsentNeed, ConsentTerms};
pub use self::errands::{Errand, Notice, Reader};
pub use self::letters::{Desk, Letter, LetterError, SignedLetter};
pub use self::opening::{Judge, Opening};
pub use self::plan::Planner;
pub use self::pseudonym::{Pseudonym, PseudonymKey};
use self::reading::AboutSomebody;
pub use self::requirement::{Proven, Requirement, Seeking, Sought, State};
use self::said::Said;
pub use self::view::{CaseView, EventView};
pub use self::what::{Failure, Piece, What};

use std::sync::Arc;
use std::time::Duration;

use saphan_schemas::envelope::EnvelopeClaims;
use saphan_schemas::ids::{CaseId, SystemId};
use saphan_schemas::json;
use saphan_schemas::message_types::{
    ApplicationSubmitted, CaseSubmitted, ConsentGiven, ConsentRevoked, EvidenceProvided, InformationSupplied,
    MessageBody as _,
};
use saphan_schemas::problem::ProblemCode;
use tokio::sync::{RwLock, RwLockReadGuard, watch};
use tokio::time::timeout;

use crate::admission::Refusal;
use crate::clock::Clock;
use crate::ledger::{Committed, Judgement, MessageDraft};
use crate::registry::{Current, Registry};
use crate::store::cases::ConsentRecord;
use crate::store::{Store, StoreError};

/// The room: who the hub's own system is, and what its cases need.
pub struct Cases {
    /// Where its letters are written.
    pub desk: Desk,
    /// How people are known again.
    pub pseudonyms: PseudonymKey,
    /// What a case may take.
    pub limits: CaseLimits,
    store: Arc<dyn Store>,
    registry: Arc<Registry>,
    clock: Arc<dyn Clock>,
    /// What the log holds.
    committed: watch::Receiver<Committed>,
    /// The first place of the log that was not followed.
    followed: watch::Sender<u64>,
    /// How long the log was at the start: what it says of consents counts before anything new is logged.
    started_at: u64,
    /// Held for reading from the judgement of a message that cites a consent until it is in the log.
    consents: RwLock<()>,
}

/// What a case may take.
#[derive(Debug, Clone, Copy)]
pub struct CaseLimits {
    /// How long a provider may take, in milliseconds.
    pub patience: u64,
    /// How long the applicant may take to answer, in milliseconds.
    pub answer_time: u64,
    /// After how long what failed is tried again first, in milliseconds.
    pub pause: u64,
    /// The longest body of a message, in bytes.
    pub body_bytes: u64,
}

impl CaseLimits {
    /// Whether a body of so many bytes becomes a part of this case.
    #[must_use]
    pub const fn takes(self, bytes: u64, case: &Case) -> bool {
        bytes <= self.part_bytes(case.requirements.len())
    }

    /// The longest body, in bytes, that becomes a part of a case with so many requirements: a complete case has copies of its
    /// application, its consent and what proves each requirement, in base64, and must fit into one message.
    #[must_use]
    pub const fn part_bytes(self, requirements: usize) -> u64 {
        (self.body_bytes / (requirements as u64 + 2)).saturating_sub(AROUND_A_PART) / 4 * 3
    }
}

/// A message that may be logged, as long as this is held.
#[derive(Debug, Default)]
pub struct Pass<'a> {
    /// Whoever takes a consent back waits until what cites it is in the log.
    _held: Option<RwLockReadGuard<'a, ()>>,
    /// When the consent that it cites ends, in milliseconds since 1970.
    until: Option<u64>,
}

impl Pass<'_> {
    /// The judgement, which ends with the consent.
    #[must_use]
    pub fn limit(&self, judgement: Judgement) -> Judgement {
        self.until.map_or(judgement, |until| judgement.ending(until))
    }
}

/// Not in time; what was asked for will be done all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cases did not take it up in time")]
pub struct TooSlow;

/// It cannot be said now whether a message may be logged.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What stood in the log when the hub was started is not followed yet.
    #[error(transparent)]
    TooSlow(#[from] TooSlow),
}

impl Cases {
    /// The room, before its follower runs.
    #[must_use]
    pub fn new(
        desk: Desk,
        pseudonyms: PseudonymKey,
        limits: CaseLimits,
        store: Arc<dyn Store>,
        registry: Arc<Registry>,
        clock: Arc<dyn Clock>,
        committed: watch::Receiver<Committed>,
    ) -> Self {
        let (followed, started_at) = (watch::Sender::new(0), committed.borrow().end());
        let consents = RwLock::default();
        Self { desk, pseudonyms, limits, store, registry, clock, committed, followed, started_at, consents }
    }

    /// How far the log was followed: changes whenever something may have happened in a case.
    #[must_use]
    pub fn followed(&self) -> watch::Receiver<u64> {
        self.followed.subscribe()
    }

    /// A case, if there is one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn case(&self, id: CaseId) -> Result<Option<Case>, StoreError> {
        Ok(self.store.cases().cases(&[id]).await?.pop())
    }

    /// Whether a message that passed admission may be logged, as far as cases and consents are concerned: an application must be
    /// able to become a case, and a consent that is cited must stand.
    ///
    /// # Errors
    /// [`CheckError`]; inside, the refusal.
    pub async fn check(&self, draft: &MessageDraft) -> Result<Result<Pass<'_>, Refusal>, CheckError> {
        let claims = draft.envelope.claims();
        let refuse = |code| Ok(Err(Refusal::of(&draft.envelope, code)));
        let (pass, consent) = match claims.consent {
            Some(id) => {
                if let Some(last) = self.started_at.checked_sub(1) {
                    self.reached(last).await?;
                }
                let held = Some(self.consents.read().await);
                let record = self.store.cases().consent(id).await?;
                if record.as_ref().is_some_and(|record| record.revoked.is_some()) {
                    return refuse(ProblemCode::ConsentRevoked);
                }
                let Some(record) = record else { return refuse(ProblemCode::ConsentInsufficient) };
                if record.terms.valid_until <= self.clock.now_ms() || !self.covers(&record, draft) {
                    return refuse(ProblemCode::ConsentInsufficient);
                }
                (Pass { _held: held, until: Some(record.terms.valid_until) }, Some(record))
            }
            None => (Pass::default(), None),
        };
        if let Err(code) = self.fits(draft).await? {
            return refuse(code);
        }
        if claims.aud != self.desk.own || claims.message_type.as_str() != ApplicationSubmitted::TYPE {
            return Ok(Ok(pass));
        }
        let Some(id) = claims.case else { return refuse(ProblemCode::CaseInvalid) };
        // The same application again is answered with its first receipt; that is looked for later.
        let of_another = |case: Case| (case.portal, case.application_id) != (claims.iss.clone(), claims.jti);
        if self.case(id).await?.is_some_and(of_another) {
            return refuse(ProblemCode::CaseInvalid);
        }
        match self.judge(draft, consent.as_ref()) {
            Ok(()) => Ok(Ok(pass)),
            Err(code) => refuse(code),
        }
    }

    /// Whether the hub's own system sends or receives it.
    fn is_of_own(&self, claims: &EnvelopeClaims) -> bool {
        [&claims.iss, &claims.aud].contains(&&self.desk.own)
    }

    /// Whether a consent is for what a message between two others says, as far as the message shows it. What the hub's own system sends
    /// and receives is looked at where it is planned and judged.
    fn covers(&self, consent: &ConsentRecord, draft: &MessageDraft) -> bool {
        let claims = draft.envelope.claims();
        if self.is_of_own(claims) {
            return true;
        }
        let (purpose, now) = (claims.purpose.as_ref(), self.clock.now_ms());
        // Data may go to the recipients only; of what else is said, one of both is one.
        let carries = CARRY_DATA.contains(&claims.message_type.as_str());
        let is_for = [&claims.aud, &claims.iss]
            .into_iter()
            .take(if carries { 1 } else { 2 })
            .map(SystemId::member)
            .any(|recipient| consent.must_cover(ConsentNeed { purpose, recipient: &recipient, now }).is_ok());
        let about: AboutSomebody = json::parse_typed(&draft.body).unwrap_or_default();
        let is_of = about.evidence_type.as_ref().is_none_or(|kind| consent.terms.evidence_types.contains(kind));
        let mut people = about.people().map(|person| self.pseudonyms.of(&person)).peekable();
        let is_about = people.peek().is_none() || people.any(|person| person == consent.subject);
        is_for && is_of && is_about
    }

    /// Whether what the parties of a case tell each other fits where it is.
    async fn fits(&self, draft: &MessageDraft) -> Result<Result<(), ProblemCode>, StoreError> {
        let claims = draft.envelope.claims();
        let is_said = said::TYPES.contains(&claims.message_type.as_str()) && !self.is_of_own(claims);
        let Some(id) = claims.case.filter(|_| is_said) else { return Ok(Ok(())) };
        // Before the case is read: what was followed since may be what moved it.
        let (size, followed) = (self.committed.borrow().end(), *self.followed.borrow());
        let fits = |case: Case| Said::of(&case, claims, &draft.body).map_or(Ok(()), |said| case.may_hear(&said));
        let first = self.case(id).await?.map_or(Ok(()), fits);
        if first.is_ok() || followed >= size || self.reached(size - 1).await.is_err() {
            return Ok(first);
        }
        // The sender may know more of the log than the case did a moment ago.
        Ok(self.case(id).await?.map_or(Ok(()), fits))
    }

    fn judge(&self, draft: &MessageDraft, consent: Option<&ConsentRecord>) -> Result<(), ProblemCode> {
        let body: ApplicationSubmitted = json::parse_typed(&draft.body).map_err(|_| ProblemCode::SchemaViolation)?;
        let Current { state, catalogue } = self.registry.current();
        let now = self.clock.now_ms();
        let planner = Planner { own: &self.desk.own, registry: &state, catalogue: &catalogue, now: now / 1000 };
        // Without its key the hub's own system could ask nobody for anything.
        let key = state.key(self.desk.signer.public().id()).filter(|record| record.key.system == self.desk.own);
        if key.is_none_or(|record| record.usable_at(now / 1000).is_err()) {
            return Err(ProblemCode::ServiceNotOffered);
        }
        let judge = Judge { planner, key: &self.pseudonyms, consent, now };
        let opening = judge.open(draft.envelope.claims(), &body, 0)?;
        let longest = self.limits.part_bytes(opening.case.requirements.len());
        if draft.body.len() as u64 <= longest { Ok(()) } else { Err(ProblemCode::BodyTooLarge) }
    }

    /// Waits, a little while, until this place of the log was followed.
    ///
    /// # Errors
    /// [`TooSlow`].
    pub async fn reached(&self, index: u64) -> Result<(), TooSlow> {
        let mut followed = self.followed.subscribe();
        let reached = followed.wait_for(|next| *next > index);
        timeout(FOLLOWED_WITHIN, reached).await.map_err(|_| TooSlow)?.map_err(|_| TooSlow)?;
        Ok(())
    }

    /// Waits until what stands at this place, a consent that is given or taken back, is known: after it, a consent that was given
    /// can be cited, and nothing is logged that cites one that was taken back.
    ///
    /// # Errors
    /// [`TooSlow`].
    pub async fn consent_is_known(&self, index: u64) -> Result<(), TooSlow> {
        self.reached(index).await?;
        // Whoever judged before it was known has logged by the time that this is granted.
        drop(timeout(FOLLOWED_WITHIN, self.consents.write()).await.map_err(|_| TooSlow)?);
        Ok(())
    }

    /// Whether a message gives a consent or takes one back.
    #[must_use]
    pub fn is_about_consent(&self, draft: &MessageDraft) -> bool {
        let claims = draft.envelope.claims();
        let name = claims.message_type.as_str();
        claims.aud == self.desk.own && [ConsentGiven::TYPE, ConsentRevoked::TYPE].contains(&name)
    }

    /// Whether a system is a portal: an agreement lets it send applications to the hub's own system.
    #[must_use]
    pub fn is_portal(&self, system: &SystemId) -> bool {
        let registry = self.registry.state();
        let now = self.clock.now_ms() / 1000;
        registry.agreements_of(system).any(|record| {
            let agreement = &record.agreement;
            let takes = agreement.types.iter().any(|name| name.as_str() == ApplicationSubmitted::TYPE);
            let is_between = agreement.sender == *system && agreement.receiver == self.desk.own;
            takes && is_between && record.is_in_force(now)
        })
    }

    /// Whether a system may look at a case.
    #[must_use]
    pub fn may_see(case: &Case, system: &SystemId) -> bool {
        case.portal == *system || (case.authority == *system && !case.handovers.is_empty())
    }
}

impl std::fmt::Debug for Cases {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cases").field("own", &self.desk.own).finish_non_exhaustive()
    }
}

/// Types whose messages bring somebody's data to their receiver.
const CARRY_DATA: [&str; 4] =
    [ApplicationSubmitted::TYPE, CaseSubmitted::TYPE, EvidenceProvided::TYPE, InformationSupplied::TYPE];
/// Far more than a busy hub takes.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(10);

/// The envelope of a part, its salt, and the names around them, in bytes.
const AROUND_A_PART: u64 = 10 * 1024;
