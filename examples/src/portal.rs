//! The citizen portal: submits applications, answers what agencies ask, and shows how far each application is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use saphan_connector::{
    Connector, ConnectorBuilder, ConnectorError, Handled, HandlerError, Message, OutgoingMessage, SendError,
};
use saphan_schemas::ids::{CaseId, Code, InvalidId, LegalBasis, ServiceId, SystemId};
use saphan_schemas::message_types::{
    Answer, ApplicationDecided, ApplicationStatus, ApplicationStatusChanged, ApplicationWithdrawn, Decision,
    InformationRequested, InformationSupplied, InvalidTime, WithdrawalReason, WithdrawnBy,
};

use crate::agencies::desk::reply_alike;
use crate::agencies::{Mandate, Records, answers};
use crate::applications::Application;

/// The system.
pub const SYSTEM: &str = "th.dga/citizen-portal";

/// The portal with its connector.
#[derive(Debug)]
pub struct Portal {
    connector: Connector,
    cases: Arc<CaseBook>,
}

/// Why an application was not submitted.
#[derive(Debug, thiserror::Error)]
pub enum PortalError {
    /// A name in the code is not one.
    #[error(transparent)]
    Id(#[from] InvalidId),
    /// The clock is far off.
    #[error(transparent)]
    Time(#[from] InvalidTime),
    /// It was not sent.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// How an application ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Decided: yes.
    Approved,
    /// Decided: no.
    Rejected,
    /// The applicant withdrew it.
    Withdrawn,
}

/// What the portal shows about an application.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// Every status, in the order in which they were announced.
    pub statuses: Vec<ApplicationStatus>,
    /// How it ended, once it has.
    pub outcome: Option<Outcome>,
}

impl Portal {
    /// Registers the portal's handlers and starts its connector.
    ///
    /// # Errors
    /// Those of the connector.
    pub async fn open(builder: ConnectorBuilder, records: &Records) -> Result<Self, ConnectorError> {
        let cases = Arc::new(CaseBook::default());
        let connector = builder
            .handle(records.step(&cases, CaseBook::status_changed))
            .handle(records.step(&cases, CaseBook::information_requested))
            .handle(records.step(&cases, CaseBook::decided))
            .build()
            .await?;
        Ok(Self { connector, cases })
    }

    /// Submits an application to the agency that decides it; returns when the hub's receipt is there and verified.
    ///
    /// # Errors
    /// [`PortalError`]: the hub refused it, or it could not be stored for sending.
    pub async fn submit(&self, application: &Application) -> Result<CaseId, PortalError> {
        let (case, Mandate { system, service, purpose, law }) = (CaseId::new(), application.mandate);
        let body = application.submitted_at(answers::now()?);
        let message = OutgoingMessage::new(system.parse::<SystemId>()?, &body)
            .case(case)
            .service(service.parse::<ServiceId>()?)
            .purpose(purpose.parse::<Code>()?)
            .legal_basis(law.parse::<LegalBasis>()?);
        // Before it is sent: the first status may come back sooner than the receipt.
        self.cases.open(case, application.answers.clone());
        self.connector.send(message).await?;
        Ok(case)
    }

    /// How far an application is; `None` for a case that the portal did not open.
    #[must_use]
    pub fn progress(&self, case: CaseId) -> Option<Progress> {
        self.cases.lock().get(&case).map(|known| known.progress.clone())
    }

    /// How many applications ended so.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> usize {
        self.cases.lock().values().filter(|case| case.progress.outcome == Some(outcome)).count()
    }

    /// The connector, e.g. for its counts.
    #[must_use]
    pub const fn connector(&self) -> &Connector {
        &self.connector
    }

    /// The connector, to shut it down.
    #[must_use]
    pub fn into_connector(self) -> Connector {
        self.connector
    }
}

/// The applications that were submitted here. In a portal this is a table.
#[derive(Debug, Default)]
struct CaseBook(Mutex<HashMap<CaseId, Case>>);

#[derive(Debug)]
struct Case {
    /// What the applicant answers when asked; nothing: rather withdraws.
    answers: Vec<Answer>,
    progress: Progress,
}

impl CaseBook {
    fn open(&self, case: CaseId, answers: Vec<Answer>) {
        self.lock().insert(case, Case { answers, progress: Progress::default() });
    }

    fn status_changed(&self, message: &Message<ApplicationStatusChanged>) -> Result<Handled, HandlerError> {
        let status = message.body().status;
        self.in_case(message, |case| {
            case.progress.statuses.push(status);
            Ok(Handled::Done)
        })
    }

    fn information_requested(&self, message: &Message<InformationRequested>) -> Result<Handled, HandlerError> {
        self.in_case(message, |case| {
            let asked = |answer: &&Answer| message.body().items.iter().any(|item| item_of(answer) == &item.item);
            let answers: Vec<Answer> = case.answers.iter().filter(asked).cloned().collect();
            if answers.is_empty() {
                case.progress.outcome = Some(Outcome::Withdrawn);
                let withdrawal = ApplicationWithdrawn {
                    withdrawn_at: answers::now()?,
                    withdrawn_by: WithdrawnBy::Applicant,
                    reason: WithdrawalReason::CannotSupplyInformation,
                    note: None,
                };
                return Ok(Handled::Reply(vec![reply_alike(message, &withdrawal)]));
            }
            let supplied = InformationSupplied { supplied_at: answers::now()?, answers };
            Ok(Handled::Reply(vec![reply_alike(message, &supplied)]))
        })
    }

    fn decided(&self, message: &Message<ApplicationDecided>) -> Result<Handled, HandlerError> {
        let outcome = match message.body().decision {
            Decision::Approved(_) => Outcome::Approved,
            Decision::Rejected(_) => Outcome::Rejected,
        };
        self.in_case(message, |case| {
            case.progress.outcome = Some(outcome);
            Ok(Handled::Done)
        })
    }

    fn in_case<T>(
        &self,
        message: &Message<T>,
        step: impl FnOnce(&mut Case) -> Result<Handled, HandlerError>,
    ) -> Result<Handled, HandlerError> {
        let mut cases = self.lock();
        match message.case().and_then(|case| cases.get_mut(&case)) {
            Some(case) => step(case),
            None => answers::unknown_case(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CaseId, Case>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn item_of(answer: &Answer) -> &Code {
    match answer {
        Answer::Value { item, .. } | Answer::Document { item, .. } | Answer::Unavailable { item, .. } => item,
    }
}
