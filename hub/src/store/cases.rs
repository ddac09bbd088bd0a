//! What the hub keeps of cases: what follows from the log, and what it is about to say.

use futures_util::future::BoxFuture;
use saphan_schemas::commitment::Salt;
use saphan_schemas::ids::{CaseId, EvidenceTypeId, MessageId, SystemId};

use super::StoreError;
use crate::cases::{Case, ConsentTerms, Pseudonym, Seeking, Sought, What};

/// Cases and what belongs to them. One task writes them, the follower of the log; anyone reads.
///
/// What [`Self::follow`] wrote may be lost in a power cut, as long as nothing was committed to the log since: then the log is
/// followed from the earlier place again. A letter is never lost once it is in the log.
pub trait CaseStore: Send + Sync {
    /// The first place of the log that was not followed.
    fn followed(&self) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// The messages and acknowledgements among `count` entries from `first` on.
    fn follow_entries(&self, first: u64, count: u32) -> BoxFuture<'_, Result<Vec<FollowedEntry>, StoreError>>;

    /// Leaf, salt and body of the messages at these places, in order; those that were erased, or do not open, are left out.
    fn contents<'a>(&'a self, indices: &'a [u64]) -> BoxFuture<'a, Result<Vec<Content>, StoreError>>;

    /// These cases; unknown ones are left out.
    fn cases<'a>(&'a self, ids: &'a [CaseId]) -> BoxFuture<'a, Result<Vec<Case>, StoreError>>;

    /// Cases that must be looked at by `now` (ms), those that wait longest first.
    fn waking(&self, now: u64, limit: u32) -> BoxFuture<'_, Result<Vec<CaseId>, StoreError>>;

    /// When the next case must be looked at (ms).
    fn next_wake(&self) -> BoxFuture<'_, Result<Option<u64>, StoreError>>;

    /// Cases whose application cites this consent.
    fn cases_with_consent(&self, consent: MessageId) -> BoxFuture<'_, Result<Vec<CaseId>, StoreError>>;

    /// What happened in a case, from `seq` on.
    fn case_events(&self, id: CaseId, seq: u64) -> BoxFuture<'_, Result<Vec<CaseEvent>, StoreError>>;

    /// Evidence about these people that may be used again at `now` (ms), the newest first.
    fn reusable<'a>(
        &'a self,
        people: &'a [Pseudonym],
        now: u64,
    ) -> BoxFuture<'a, Result<Vec<HeldEvidence>, StoreError>>;

    /// Which cases are after evidence about these people.
    fn seeking<'a>(&'a self, people: &'a [Pseudonym]) -> BoxFuture<'a, Result<Vec<Seeker>, StoreError>>;

    /// A consent.
    fn consent(&self, id: MessageId) -> BoxFuture<'_, Result<Option<ConsentRecord>, StoreError>>;

    /// The messages about a person before place `before`, the newest first.
    fn uses<'a>(
        &'a self,
        subject: &'a Pseudonym,
        before: u64,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<DataUse>, StoreError>>;

    /// Letters that are not in the log yet, as far as is known, the oldest first. A message whose body does not open is without it.
    fn letters(&self) -> BoxFuture<'_, Result<Vec<StoredLetter>, StoreError>>;

    /// Writes what follows from some entries, all or nothing.
    fn follow<'a>(&'a self, consequences: &'a Consequences) -> BoxFuture<'a, Result<(), StoreError>>;
}

/// A message or an acknowledgement of the log.
#[derive(Debug, Clone)]
pub struct FollowedEntry {
    /// Its place.
    pub index: u64,
    /// The exact leaf bytes.
    pub leaf: Vec<u8>,
}

/// A message with its erasable part.
#[derive(Debug, Clone)]
pub struct Content {
    /// Its place.
    pub index: u64,
    /// The exact leaf bytes.
    pub leaf: Vec<u8>,
    /// The salt of the commitment.
    pub salt: Salt,
    /// The exact body.
    pub body: Vec<u8>,
}

/// What happened in a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseEvent {
    /// Counts from 0 in each case.
    pub seq: u64,
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// The place of the entry that caused it; none for what no entry did: storage that was damaged, or a key that was replaced.
    pub index: Option<u64>,
    /// What.
    pub what: What,
}

/// Evidence that may be used again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldEvidence {
    /// Whom it is about.
    pub subject: Pseudonym,
    /// Its type.
    pub evidence_type: EvidenceTypeId,
    /// The place of its `evidence.provided`.
    pub index: u64,
    /// The id of that message.
    pub id: MessageId,
    /// Who provided it.
    pub provider: SystemId,
    /// Until when it may be used, in milliseconds since 1970.
    pub until: u64,
    /// The length of its body, in bytes.
    pub len: u64,
}

/// A case that is after evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seeker {
    /// The case.
    pub case: CaseId,
    /// What it is after.
    pub sought: Sought,
    /// How.
    pub how: Seeking,
}

impl HeldEvidence {
    /// Whether it is this.
    #[must_use]
    pub fn is(&self, sought: &Sought) -> bool {
        self.subject == sought.subject && self.evidence_type == sought.evidence_type && self.provider == sought.provider
    }

    /// What it is.
    #[must_use]
    pub fn sought(&self) -> Sought {
        let Self { subject, evidence_type, provider, .. } = self;
        Sought { subject: *subject, evidence_type: evidence_type.clone(), provider: provider.clone() }
    }
}

/// A consent as the log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentRecord {
    /// Its id: that of its message.
    pub id: MessageId,
    /// The place of its message.
    pub index: u64,
    /// Who asked the person.
    pub portal: SystemId,
    /// Whose data.
    pub subject: Pseudonym,
    /// What it covers.
    pub terms: ConsentTerms,
    /// The place of the message that took it back.
    pub revoked: Option<u64>,
}

/// A message about a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataUse {
    /// Its place.
    pub index: u64,
    /// What kind of evidence it asks for or brings.
    pub evidence_type: Option<EvidenceTypeId>,
}

/// A statement of the hub's own system that is to be in the log.
#[derive(Debug, Clone)]
pub struct StoredLetter {
    /// Its id.
    pub id: MessageId,
    /// The case that it is about.
    pub case: Option<CaseId>,
    /// The compact JWS: an envelope, or a batch of acknowledgements.
    pub text: String,
    /// Salt and body of a message.
    pub content: Option<(Salt, Vec<u8>)>,
}

/// What follows from some entries of the log.
#[derive(Debug, Default)]
pub struct Consequences {
    /// The first place that was not followed after these; `None` leaves it.
    pub followed: Option<u64>,
    /// Cases as they are now.
    pub cases: Vec<Case>,
    /// Cases of which it is stored that they are after evidence, and after which no more holds.
    pub sought_before: Vec<CaseId>,
    /// What cases are after, all of it.
    pub seeking: Vec<Seeker>,
    /// What happened in them.
    pub events: Vec<(CaseId, CaseEvent)>,
    /// New letters.
    pub letters: Vec<StoredLetter>,
    /// Letters that are in the log, or never will be.
    pub done_letters: Vec<MessageId>,
    /// Evidence that may be used again, in place of older of the same type, subject and provider.
    pub evidence: Vec<HeldEvidence>,
    /// New consents.
    pub consents: Vec<ConsentRecord>,
    /// Consents that were taken back, with the place of the message that says so.
    pub revoked: Vec<(MessageId, u64)>,
    /// Messages about people.
    pub uses: Vec<(Pseudonym, DataUse)>,
}
