//! What the portal knows of the cases that were opened here, from the messages that it gets. In a portal this is a table.

use std::collections::HashMap;
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use saphan_connector::{ConnectorBuilder, Handled, HandlerError, Message};
use saphan_schemas::envelope::EnvelopeClaims;
use saphan_schemas::ids::{CaseId, MessageId, ServiceId};
use saphan_schemas::message_types::{
    ApplicationDecided, ApplicationStatusChanged, BilingualText, CaseReminder, Fee, InformationRequested, Timestamp,
};
use tokio::sync::watch;

use crate::agencies::answers::unknown_case;

/// All cases.
pub(super) struct Book {
    cases: Mutex<HashMap<CaseId, Kept>>,
    changes: watch::Sender<u64>,
}

/// A case.
#[derive(Clone)]
pub(super) struct Kept {
    /// Whose: the place in the list of people.
    pub(super) person: usize,
    /// What is applied for.
    pub(super) service: ServiceId,
    /// When.
    pub(super) opened_at: Timestamp,
    /// The consent that it rests on, as long as that stands.
    pub(super) consent: Option<MessageId>,
    /// What the applicant is asked, the latest last.
    pub(super) questions: Vec<Question>,
    /// What the authority said, the latest last.
    pub(super) news: Vec<(Timestamp, BilingualText)>,
    /// The fee that is to be paid.
    pub(super) fee: Option<(Fee, EnvelopeClaims)>,
    /// The decision.
    pub(super) decision: Option<ApplicationDecided>,
    /// How often it changed.
    pub(super) version: u64,
}

/// What the applicant is asked.
#[derive(Clone)]
pub(super) struct Question {
    /// The questions.
    pub(super) asked: InformationRequested,
    /// Who asks, and for what purpose.
    pub(super) envelope: EnvelopeClaims,
    /// Whether an answer is on its way.
    pub(super) answered: bool,
    /// Held while one is sent.
    pub(super) sending: Arc<tokio::sync::Mutex<()>>,
}

impl Default for Book {
    fn default() -> Self {
        Self { cases: Mutex::default(), changes: watch::Sender::new(0) }
    }
}

/// Registers what the portal does with messages about its cases.
pub(super) fn handlers(builder: ConnectorBuilder, book: &Arc<Book>) -> ConnectorBuilder {
    let [status, decided, asked, reminded] = [(); 4].map(|()| Arc::clone(book));
    builder
        .handle(move |message: Message<ApplicationStatusChanged>| {
            ready(status.note(&message, |case, told: &ApplicationStatusChanged| {
                case.news.push((told.changed_at.clone(), told.text.clone()));
                case.fee = told.fee.clone().map(|fee| (fee, message.envelope().clone()));
            }))
        })
        .handle(move |message: Message<ApplicationDecided>| {
            ready(decided.note(&message, |case, told: &ApplicationDecided| {
                case.fee = None;
                case.decision = Some(told.clone());
            }))
        })
        .handle(move |message: Message<InformationRequested>| {
            ready(asked.note(&message, |case, told: &InformationRequested| {
                // The same message may come again.
                if case.questions.iter().all(|known| known.envelope.jti != message.id()) {
                    let (asked, envelope) = (told.clone(), message.envelope().clone());
                    case.questions.push(Question { asked, envelope, answered: false, sending: Arc::default() });
                }
            }))
        })
        .handle(move |message: Message<CaseReminder>| {
            ready(reminded.note(&message, |case, told: &CaseReminder| {
                case.news.push((told.reminded_at.clone(), told.text.clone()));
            }))
        })
}

impl Book {
    /// Opens a case, before its application is sent: the first news may come sooner than the receipt.
    pub(super) fn open(&self, id: CaseId, case: Kept) {
        self.lock().entry(id).or_insert(case);
    }

    /// Forgets a case whose application was refused.
    pub(super) fn forget(&self, id: CaseId) {
        self.lock().remove(&id);
    }

    /// A case of this person.
    pub(super) fn of(&self, person: usize, id: CaseId) -> Option<Kept> {
        self.lock().get(&id).filter(|case| case.person == person).cloned()
    }

    /// All cases of this person, the newest first.
    pub(super) fn all_of(&self, person: usize) -> Vec<(CaseId, Kept)> {
        let cases = self.lock();
        let mut own: Vec<_> =
            cases.iter().filter(|(_, case)| case.person == person).map(|(id, case)| (*id, case.clone())).collect();
        own.sort_by_key(|(_, case)| std::cmp::Reverse(case.opened_at.unix_ms()));
        own
    }

    /// Whether an answer to a question is on its way.
    pub(super) fn is_answered(&self, id: CaseId, question: MessageId) -> bool {
        let cases = self.lock();
        let questions = cases.get(&id).map(|case| case.questions.as_slice()).unwrap_or_default();
        questions.iter().any(|known| known.envelope.jti == question && known.answered)
    }

    /// Changes a case; answers whether there is one.
    pub(super) fn change(&self, id: CaseId, change: impl FnOnce(&mut Kept)) -> bool {
        let mut cases = self.lock();
        let Some(case) = cases.get_mut(&id) else { return false };
        change(case);
        case.version += 1;
        drop(cases);
        self.changes.send_modify(|count| *count += 1);
        true
    }

    /// Changes whenever a case does.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn note<T>(&self, message: &Message<T>, change: impl FnOnce(&mut Kept, &T)) -> Result<Handled, HandlerError> {
        let noted = message.case().is_some_and(|id| self.change(id, |case| change(case, message.body())));
        if noted { Ok(Handled::Done) } else { unknown_case() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CaseId, Kept>> {
        self.cases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
