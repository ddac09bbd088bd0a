//! Bad input: each kind has its own problem code, is logged when its sender is known, and leaves nothing behind.

mod agreements;
mod bodies;
mod envelopes;
mod requests;

use std::collections::BTreeSet;

use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::keys::SigningKey;
use saphan_schemas::leaf::Leaf;
use saphan_schemas::problem::{ProblemCode, ProblemDocument};
use saphan_schemas::registry::{Change, Entry, EntryId, SystemKey};

use crate::harness::{LogCopy, NOW, PERSONAL, Submission, TestHub};

/// A submission that must be refused.
struct Case {
    what: &'static str,
    code: ProblemCode,
    /// Whether the sender is known, so that the refusal is logged.
    logged: bool,
    /// What the detail must say.
    detail: Option<&'static str>,
    /// The places that must be named.
    pointers: &'static [&'static str],
    message: Submission,
}

/// The portal's keys that must not be accepted, and one that nobody registered.
struct Keys {
    revoked: SigningKey,
    early: SigningKey,
    late: SigningKey,
    unknown: SigningKey,
}

impl Case {
    /// A refusal of a sender that is not known.
    const fn anonymous(what: &'static str, code: ProblemCode, message: Submission) -> Self {
        Self { what, code, logged: false, detail: None, pointers: &[], message }
    }

    /// A refusal that is logged.
    const fn logged(what: &'static str, code: ProblemCode, message: Submission) -> Self {
        Self { what, code, logged: true, detail: None, pointers: &[], message }
    }

    const fn detail(mut self, detail: &'static str) -> Self {
        self.detail = Some(detail);
        self
    }

    const fn pointers(mut self, pointers: &'static [&'static str]) -> Self {
        self.pointers = pointers;
        self
    }

    /// Submits it and checks the answer; returns the refusal that the log must hold.
    async fn check(&self, hub: &TestHub) -> Option<(ProblemCode, Sha256Hash)> {
        let size = hub.size();
        let answer = hub.submit(&self.message).await;
        let problem = answer.problem(self.code);
        if let Some(detail) = self.detail {
            assert_eq!(problem.detail.as_deref(), Some(detail), "{}", self.what);
        }
        assert_eq!(pointers(&problem), self.pointers, "{}", self.what);
        for word in PERSONAL {
            assert!(!answer.text().contains(word), "{}: personal data in the answer", self.what);
        }
        assert_eq!(problem.index, self.logged.then_some(size), "{}", self.what);
        assert_eq!(hub.size(), size + u64::from(self.logged), "{}", self.what);
        self.logged.then(|| (self.code, Sha256Hash::of(self.message.envelope().as_bytes())))
    }
}

#[tokio::test]
async fn every_refused_submission_gets_its_code_and_leaves_a_refusal_where_the_sender_is_known_and_nothing_else() {
    let (hub, keys) = prepared().await;
    let before = hub.size();
    let mut expected = Vec::new();
    for case in submissions(&hub, &keys) {
        expected.extend(case.check(&hub).await);
    }
    let log = LogCopy::fetch(&hub).await;
    let since = &log.leaves[usize::try_from(before).unwrap()..];
    let refusals: Vec<_> = since
        .iter()
        .map(|leaf| match leaf {
            Leaf::Refusal { code, env, nonce, .. } => {
                assert_eq!(nonce.len(), 32);
                (code.as_str().parse().unwrap(), *env)
            }
            other => panic!("not a refusal: {other:?}"),
        })
        .collect();
    assert_eq!(refusals, expected);
    let (outbox, inbox) = (hub.get("/metrics").await, hub.lease(&hub.world.office, 256).await);
    assert!(outbox.text().contains("saphan_outbox_amqp 0\n"), "something is on its way to the broker");
    assert!(outbox.text().contains("saphan_outbox_pull 0\n"), "something can be pulled");
    assert!(inbox.messages.is_empty(), "something was delivered");
}

#[tokio::test]
async fn a_refused_message_is_not_known_afterwards_and_may_be_sent_again_when_the_reason_is_gone() {
    let hub = TestHub::new().await;
    hub.apply([Change::Revoked(EntryId::Agreement("to-office".parse().unwrap()))]).await;
    let message = hub.world.message();
    hub.submit(&message).await.problem(ProblemCode::AgreementMissing);
    hub.show(&hub.world.portal, &message).await.problem(ProblemCode::NotFound);
    let standing = hub.world.changes().into_iter().find(
        |change| matches!(change, Change::Added(Entry::Agreement(agreement)) if agreement.id.as_str() == "to-office"),
    );
    hub.apply(standing).await;
    let evidence = hub.submit(&message).await.accepted();
    hub.verify(&message, &evidence).await;
}

#[tokio::test]
async fn the_same_bad_message_again_and_again_leaves_one_refusal_in_the_log() {
    let hub = TestHub::new().await;
    let message = hub.world.withdrawal().change(|claims| claims.iat = NOW - 31 * 24 * 3600);
    let message = message.sign(&hub.world.portal.key);
    let first = hub.submit(&message).await.problem(ProblemCode::IssuedTooLongAgo);
    for _ in 0..5 {
        assert_eq!(hub.submit(&message).await.problem(ProblemCode::IssuedTooLongAgo), first);
    }
    assert_eq!(LogCopy::fetch(&hub).await.refusals(), ["issued-too-long-ago"]);
}

#[tokio::test]
async fn every_code_that_a_request_can_be_answered_with_has_a_case() {
    let (hub, keys) = prepared().await;
    let mut covered: BTreeSet<_> = submissions(&hub, &keys).into_iter().map(|case| case.code).collect();
    covered.extend(requests::CODES);
    covered.extend(ELSEWHERE.map(|(code, _)| code));
    for (code, reason) in NEVER_ANSWERED {
        assert!(covered.insert(code), "{code} has a case, though {reason}");
    }
    let missing: Vec<_> = ProblemCode::ALL.iter().filter(|code| !covered.contains(code)).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}

/// A hub that knows all of [`Keys`] but one.
async fn prepared() -> (TestHub, Keys) {
    let hub = TestHub::with("[limits]\nbody_bytes = 65536").await;
    let [revoked, early, late, unknown] = std::array::from_fn(|_| hub.world.portal.another_key());
    let entries = [
        revoked.key_entry(),
        SystemKey { not_before: Some(NOW + 1), ..early.key_entry() },
        SystemKey { not_after: Some(NOW), ..late.key_entry() },
    ];
    hub.apply(entries.map(|entry| Change::Added(Entry::Key(entry)))).await;
    hub.apply([Change::Revoked(EntryId::Key(revoked.key.id()))]).await;
    (hub, Keys { revoked: revoked.key, early: early.key, late: late.key, unknown: unknown.key })
}

fn submissions(hub: &TestHub, keys: &Keys) -> Vec<Case> {
    let world = &hub.world;
    [envelopes::cases(world, keys), agreements::cases(world), bodies::cases(world)].into_iter().flatten().collect()
}

fn pointers(problem: &ProblemDocument) -> Vec<&str> {
    let mut pointers: Vec<_> = problem.errors.iter().map(|place| place.pointer.as_str()).collect();
    // A place may break several rules.
    pointers.sort_unstable();
    pointers.dedup();
    pointers
}

/// Codes whose cases need more than one request, and the tests that are their cases.
const ELSEWHERE: [(ProblemCode, &str); 25] = [
    (ProblemCode::ErasureTooEarly, "erasing::by_hand::what_is_needed_…"),
    (ProblemCode::RateLimited, "limits::…"),
    (ProblemCode::DuplicateId, "acceptance::a_message_id_that_comes_again_with_other_content_…"),
    (ProblemCode::AcknowledgementConflict, "acknowledgements::an_outcome_that_contradicts_an_earlier_one_…"),
    (ProblemCode::HubBusy, "pressure::…"),
    (ProblemCode::HubStopping, "pressure::a_hub_that_is_stopping_…"),
    (ProblemCode::HubUnavailable, "store_failures::…"),
    (ProblemCode::CaseInvalid, "cases::applications::an_application_that_cannot_become_a_case_…"),
    (ProblemCode::CaseClosed, "cases::proceedings::a_rejection_ends_a_case_…"),
    (ProblemCode::CaseStateMismatch, "cases::proceedings::a_case_is_not_moved_by_those_…"),
    (ProblemCode::RepresentativeMissing, "cases::applications::a_company_without_a_representative_…"),
    (ProblemCode::ServiceNotOffered, "cases::applications::an_application_for_a_service_that_nobody_takes_…"),
    (ProblemCode::ConsentMissing, "cases::consent::an_application_whose_evidence_needs_a_consent_…"),
    (ProblemCode::ConsentInsufficient, "cases::consent::an_application_whose_evidence_needs_a_consent_…"),
    (ProblemCode::ConsentRevoked, "cases::consent::a_consent_that_was_taken_back_…"),
    (ProblemCode::DocumentMissing, "documents::citing::a_message_whose_document_is_not_there_…"),
    (ProblemCode::DocumentMismatch, "documents::uploading::bytes_that_are_not_those_of_the_commitment_…"),
    (ProblemCode::DocumentTooLarge, "documents::uploading::requests_that_cannot_be_understood_…"),
    (ProblemCode::DocumentTypeRefused, "documents::uploading::what_is_not_of_its_media_type_…"),
    (ProblemCode::DocumentInfected, "documents::scanning::an_infected_document_…"),
    (ProblemCode::DocumentOffset, "documents::uploading::an_upload_in_pieces_…"),
    (ProblemCode::DocumentDamaged, "documents::storing::a_changed_a_moved_and_a_shortened_part_…"),
    (ProblemCode::RangeNotSatisfiable, "documents::reading::a_range_…"),
    (ProblemCode::ScannerUnavailable, "documents::scanning::while_the_scanner_is_away_…"),
    (ProblemCode::StorageFull, "documents::storing::a_full_storage_…"),
];

/// Codes of the table that no request is answered with, and why.
const NEVER_ANSWERED: [(ProblemCode, &str); 7] = [
    (ProblemCode::DeliveryExpired, "it is what a sender is told of a message's end, which is a state, not an answer"),
    (ProblemCode::RecipientRejected, "it stands in acknowledgements, which receivers write"),
    (ProblemCode::EvidenceNotAwaited, "it stands in acknowledgements of the hub's own system"),
    (ProblemCode::EvidenceInvalid, "it stands in acknowledgements of the hub's own system"),
    (ProblemCode::EvidenceSubjectMismatch, "it stands in acknowledgements of the hub's own system"),
    (ProblemCode::EvidenceExpired, "it stands in acknowledgements of the hub's own system"),
    (ProblemCode::Internal, "it is for defects; a request that causes one is a test to add, with the defect's repair"),
];
