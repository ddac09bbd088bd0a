//! The citizen portal: submits applications, answers what agencies ask, and shows how far each application is.
//!
//! It works with agencies that collect the evidence themselves ([`Portal::submit`]), and with the hub's own system, which
//! collects it once ([`Portal::apply`]).

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use saphan_connector::hub_api::HubError;
use saphan_connector::portal::CaseView;
use saphan_connector::{
    Connector, ConnectorBuilder, ConnectorError, Handled, HandlerError, Message, OutgoingMessage, SendError,
};
use saphan_schemas::ids::{CaseId, Code, EvidenceTypeId, InvalidId, LegalBasis, MessageId, ServiceId, SystemId};
use saphan_schemas::message_types::{
    Answer, ApplicationDecided, ApplicationFeePaid, ApplicationStatus, ApplicationStatusChanged, ApplicationWithdrawn,
    AuthenticationAssurance, BilingualText, CaseReminder, ConsentGiven, Decision, Identification, IdentityAssurance,
    InformationRequested, InformationSupplied, InvalidTime, Timestamp, WithdrawalReason, WithdrawnBy,
};
use saphan_schemas::problem::ProblemCode;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::agencies::desk::reply_alike;
use crate::agencies::{Mandate, Records, answers};
use crate::applications::Application;
use crate::registry::ONCE_ONLY;

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
    /// The hub did not say what it was asked.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// It ended in another way than it should.
    #[error("the case {0} was not approved")]
    NotApproved(CaseId),
}

/// How a once-only application ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Where the case is in the end, as the hub shows it.
    pub view: CaseView,
    /// From the moment at which the applicant sent the form until the decision was here.
    pub took: Duration,
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
            .handle(records.step(&cases, CaseBook::reminded))
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
        self.cases.open(case, Case::new(application.answers.clone(), Instant::now(), false));
        self.connector.send(message).await?;
        Ok(case)
    }

    /// Submits an application to the hub's own system, with the applicant's consent where evidence needs one; the hub asks for the
    /// evidence. Returns when the hub's receipt is there and verified.
    ///
    /// # Errors
    /// [`PortalError`].
    pub async fn apply(&self, application: &Application) -> Result<CaseId, PortalError> {
        let (case, began) = (CaseId::new(), Instant::now());
        let consent = match self.evidence_that_needs_consent(application).await? {
            types if types.is_empty() => None,
            types => Some(self.give_consent(application, types).await?),
        };
        let Mandate { service, purpose, .. } = application.mandate;
        let body = application.submitted_at(answers::now()?);
        let mut message = OutgoingMessage::new(ONCE_ONLY.parse::<SystemId>()?, &body)
            .case(case)
            .service(service.parse::<ServiceId>()?)
            .purpose(purpose.parse::<Code>()?);
        if let Some(consent) = consent {
            message = message.consent(consent);
        }
        self.cases.open(case, Case::new(application.answers.clone(), began, true));
        self.connector.send(message).await?;
        Ok(case)
    }

    /// Waits until an application to the hub's own system has come to its end, which must be a good one.
    ///
    /// # Errors
    /// [`PortalError`].
    pub async fn ended(&self, case: CaseId) -> Result<Ended, PortalError> {
        let mut changes = self.cases.changes.subscribe();
        let took = loop {
            changes.mark_unchanged();
            let known = self.cases.lock().get(&case).map(|known| (known.progress.outcome, known.took));
            match known {
                Some((Some(Outcome::Approved), Some(took))) => break took,
                Some((None, _)) => {
                    // It is told as long as this portal is there.
                    let _ = changes.changed().await;
                }
                _ => return Err(PortalError::NotApproved(case)),
            }
        };
        loop {
            match self.connector.case(case).await {
                Ok(view) if view.status.is_final() => return Ok(Ended { view, took }),
                Ok(_) => {}
                // The hub follows its log a moment behind.
                Err(error) if error.problem_code() == Some(ProblemCode::NotFound) => {}
                Err(error) => return Err(error.into()),
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// What the service's evidence needs the person's consent for.
    async fn evidence_that_needs_consent(
        &self,
        application: &Application,
    ) -> Result<BTreeSet<EvidenceTypeId>, PortalError> {
        let service = self.connector.service(&application.mandate.service.parse()?).await?;
        let mut types = BTreeSet::new();
        for id in service.requirements_for(application.applicant().kind()).flat_map(|required| &required.evidence) {
            if self.connector.evidence_type(id).await?.consent_needed {
                types.insert(id.clone());
            }
        }
        Ok(types)
    }

    /// Records what the person agreed to. A portal shows it to the person first, who is signed in.
    async fn give_consent(
        &self,
        application: &Application,
        evidence_types: BTreeSet<EvidenceTypeId>,
    ) -> Result<MessageId, PortalError> {
        let now = answers::now()?;
        let consent = ConsentGiven {
            valid_until: Timestamp::from_unix_seconds(now.unix_ms() / 1000 + CONSENT_SECONDS)?,
            given_at: now,
            subject: application.person(),
            evidence_types,
            purpose: application.mandate.purpose.parse()?,
            recipients: BTreeSet::from([application.mandate.system.parse::<SystemId>()?.member()]),
            valid_from: None,
            identification: Identification {
                method: "thaid".parse()?,
                identity_assurance: IdentityAssurance::Level2,
                authentication_assurance: AuthenticationAssurance::Level2,
            },
            text: BilingualText::new(
                "ข้าพเจ้ายินยอมให้หน่วยงานใช้ข้อมูลข้างต้นเพื่อพิจารณาคำขอนี้",
                "I consent to the use of these data to decide on my application.",
            ),
        };
        let message = OutgoingMessage::new(ONCE_ONLY.parse::<SystemId>()?, &consent);
        // With its receipt the consent is known to the hub; not before.
        Ok(self.connector.send(message).await?.id())
    }

    /// How far an application is; `None` for a case that the portal did not open.
    #[must_use]
    pub fn progress(&self, case: CaseId) -> Option<Progress> {
        self.cases.lock().get(&case).map(|known| known.progress.clone())
    }

    /// How many applications to agencies that collect the evidence themselves ended so.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> usize {
        let counts = |case: &&Case| !case.is_once_only && case.progress.outcome == Some(outcome);
        self.cases.lock().values().filter(counts).count()
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
struct CaseBook {
    cases: Mutex<HashMap<CaseId, Case>>,
    /// Says that something has happened in a case.
    changes: watch::Sender<()>,
}

#[derive(Debug)]
struct Case {
    /// What the applicant answers when asked; nothing: rather withdraws.
    answers: Vec<Answer>,
    progress: Progress,
    /// When the applicant sent the form.
    began: Instant,
    /// From then on until it ended.
    took: Option<Duration>,
    /// It was submitted to the hub's own system.
    is_once_only: bool,
}

impl Case {
    fn new(answers: Vec<Answer>, began: Instant, is_once_only: bool) -> Self {
        Self { answers, progress: Progress::default(), began, took: None, is_once_only }
    }

    fn end(&mut self, outcome: Outcome) {
        self.progress.outcome = Some(outcome);
        self.took.get_or_insert_with(|| self.began.elapsed());
    }
}

impl CaseBook {
    fn open(&self, id: CaseId, case: Case) {
        self.lock().insert(id, case);
    }

    fn status_changed(&self, message: &Message<ApplicationStatusChanged>) -> Result<Handled, HandlerError> {
        let ApplicationStatusChanged { status, fee, .. } = message.body();
        self.in_case(message, |case| {
            case.progress.statuses.push(*status);
            match fee {
                // An agency that collects the evidence itself takes the money itself.
                Some(fee) if case.is_once_only && *status == ApplicationStatus::ApprovedWaitingPayFee => {
                    let paid = ApplicationFeePaid {
                        paid_at: answers::now()?,
                        amount_satang: fee.amount_satang,
                        payment_reference: fee.payment_reference.clone(),
                        receipt_number: None,
                    };
                    Ok(Handled::Reply(vec![reply_alike(message, &paid)]))
                }
                _ => Ok(Handled::Done),
            }
        })
    }

    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "the shape of a handler's step")]
    fn reminded(&self, _message: &Message<CaseReminder>) -> Result<Handled, HandlerError> {
        Ok(Handled::Done)
    }

    fn information_requested(&self, message: &Message<InformationRequested>) -> Result<Handled, HandlerError> {
        self.in_case(message, |case| {
            let asked = |answer: &&Answer| message.body().items.iter().any(|item| item_of(answer) == &item.item);
            let answers: Vec<Answer> = case.answers.iter().filter(asked).cloned().collect();
            if answers.is_empty() {
                case.end(Outcome::Withdrawn);
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
            case.end(outcome);
            Ok(Handled::Done)
        })
    }

    fn in_case<T>(
        &self,
        message: &Message<T>,
        step: impl FnOnce(&mut Case) -> Result<Handled, HandlerError>,
    ) -> Result<Handled, HandlerError> {
        let handled = match message.case().and_then(|case| self.lock().get_mut(&case).map(step)) {
            Some(handled) => handled,
            None => answers::unknown_case(),
        };
        self.changes.send_replace(());
        handled
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CaseId, Case>> {
        self.cases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn item_of(answer: &Answer) -> &Code {
    match answer {
        Answer::Value { item, .. } | Answer::Document { item, .. } | Answer::Unavailable { item, .. } => item,
    }
}

const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// A year.
const CONSENT_SECONDS: u64 = 365 * 24 * 60 * 60;
