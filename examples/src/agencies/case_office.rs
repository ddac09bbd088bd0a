//! An authority that decides complete cases: the hub has collected the evidence, nobody is asked for anything.
//!
//! What comes in holds the application and every proof as their senders signed them; the SDK has verified them all before a
//! handler sees it. The office says that it is at work, and decides. Where a fee is due it approves first, and issues when
//! the applicant has paid.
//!
//! The order of what an office says matters to the hub, which follows the case: a decision is the end of it. So each
//! statement waits for the receipt of the one before.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use saphan_connector::{ConnectorBuilder, Handled, HandlerError, Message, OutgoingMessage};
use saphan_schemas::ids::{InvalidId, MessageId};
use saphan_schemas::message_types::{
    ApplicationFeePaid, ApplicationStatus, ApplicationSubmitted, Approval, BilingualText, CaseReminder, CaseSubmitted,
    EvidenceProvided, Fee, MessageBody, NextActor,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Cases, Desk, Mandate, Records, answers};

/// What an office needs to know to decide its service.
pub trait Competence: fmt::Debug + Send + Sync + 'static {
    /// The service, and who decides it.
    fn mandate(&self) -> Mandate;

    /// The name of the office in Thai and English.
    fn office(&self) -> (&'static str, &'static str);

    /// Decides a complete case.
    ///
    /// # Errors
    /// The case cannot be read.
    fn examine(&self, case: &CaseFile) -> Result<Finding, HandlerError>;
}

/// A decision before it is written.
#[derive(Debug, Clone)]
pub enum Finding {
    /// Yes.
    Granted {
        /// What is granted.
        approval: Approval,
        /// What the applicant reads.
        text: BilingualText,
        /// What must be paid before it is issued, in satang.
        fee_satang: Option<u64>,
    },
    /// No.
    Refused {
        /// The office's code for the reason.
        code: &'static str,
        /// What the applicant reads.
        text: BilingualText,
    },
}

/// A complete case, as its office reads it.
#[derive(Debug)]
pub struct CaseFile {
    /// The application.
    pub application: ApplicationSubmitted,
    /// The id of the message that brought it: a number that no other case has. Places in the log begin anew with each log.
    pub number: MessageId,
    /// The evidence by the requirement that it proves.
    evidence: HashMap<String, EvidenceProvided>,
}

impl CaseFile {
    fn read(message: &Message<CaseSubmitted>) -> Result<Self, HandlerError> {
        let mut evidence = HashMap::new();
        for proof in &message.body().evidence {
            // What the applicant answered in other words would be for an officer to read.
            if let Ok(body) = proof.message.body::<EvidenceProvided>() {
                evidence.insert(proof.requirement.to_string(), body);
            }
        }
        Ok(Self { application: message.body().application.body()?, number: message.id(), evidence })
    }

    /// The form of the service, as far as `T` needs it.
    ///
    /// # Errors
    /// It is not of that shape.
    pub fn form<T: DeserializeOwned>(&self) -> Result<T, HandlerError> {
        Ok(serde_json::from_value(Value::Object(self.application.form.clone()))?)
    }

    /// The evidence for a requirement, as far as `T` needs it; `None` when there is none.
    ///
    /// # Errors
    /// It is not of that shape.
    pub fn evidence<T: DeserializeOwned>(&self, requirement: &str) -> Result<Option<T>, HandlerError> {
        let content = self.evidence.get(requirement).and_then(|body| body.content.clone());
        Ok(content.map(|content| serde_json::from_value(Value::Object(content))).transpose()?)
    }
}

/// The back office.
#[derive(Debug)]
pub struct CaseOffice<C> {
    desk: Desk,
    competence: C,
    /// Approved, and the fee is not paid.
    waiting: Cases<(Approval, BilingualText)>,
    /// What was said first in answer to a message whose handling is not done. Handled again, the same is said under the same id.
    said: Mutex<HashMap<MessageId, OutgoingMessage>>,
}

impl<C: Competence> CaseOffice<C> {
    /// Registers the office's handlers.
    ///
    /// # Errors
    /// [`InvalidId`]: the mandate is not well written.
    pub fn open(builder: ConnectorBuilder, records: &Records, competence: C) -> Result<ConnectorBuilder, InvalidId> {
        let (name_th, name_en) = competence.office();
        let desk = Desk::new(&competence.mandate(), name_th, name_en)?;
        let office = Arc::new(Self { desk, competence, waiting: Cases::new(), said: Mutex::default() });
        Ok(builder
            .handle(records.work(&office, Self::submitted))
            .handle(records.work(&office, Self::fee_paid))
            .handle(records.step(&office, Self::reminded)))
    }

    async fn submitted(self: Arc<Self>, message: Message<CaseSubmitted>) -> Result<Handled, HandlerError> {
        let case = CaseFile::read(&message)?;
        self.say_first(&message, || Ok(self.desk.to_portal(&message, &answers::considering()?))).await?;
        let reply = match self.competence.examine(&case)? {
            Finding::Refused { code, text } => {
                self.desk.to_portal(&message, &answers::rejected(self.desk.office(), code, text)?)
            }
            Finding::Granted { approval, text, fee_satang: None } => {
                self.desk.to_portal(&message, &answers::approved(self.desk.office(), approval, text)?)
            }
            Finding::Granted { approval, text, fee_satang: Some(amount_satang) } => {
                let Some(id) = message.case() else { return answers::unknown_case() };
                self.waiting.open(id, (approval, text));
                let text = BilingualText::new("อนุมัติแล้ว กรุณาชำระค่าธรรมเนียม", "Approved. Please pay the fee.");
                let next = NextActor::Applicant;
                let mut due = answers::status(ApplicationStatus::ApprovedWaitingPayFee, next, text)?;
                let payment_reference = Some(format!("F-{}", case.number));
                due.fee = Some(Fee { amount_satang, due_on: None, payment_reference });
                self.desk.to_portal(&message, &due)
            }
        };
        self.done(&message);
        Ok(Handled::Reply(vec![reply]))
    }

    async fn fee_paid(self: Arc<Self>, message: Message<ApplicationFeePaid>) -> Result<Handled, HandlerError> {
        let Some((approval, text)) = self.waiting.of(&message) else { return answers::unknown_case() };
        let decision = || {
            let decision = answers::approved(self.desk.office(), approval, text)?;
            Ok(self.desk.to_portal(&message, &decision))
        };
        self.say_first(&message, decision).await?;
        let text = BilingualText::new("ออกใบอนุญาตแล้ว", "Your licence is issued.");
        let completed = answers::status(ApplicationStatus::Completed, NextActor::Nobody, text)?;
        self.waiting.close(&message);
        self.done(&message);
        Ok(Handled::Reply(vec![self.desk.to_portal(&message, &completed)]))
    }

    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "the shape of a handler's step")]
    fn reminded(&self, _message: &Message<CaseReminder>) -> Result<Handled, HandlerError> {
        Ok(Handled::Done)
    }

    /// Sends a message, and returns when it is in the log.
    async fn say_first<T: MessageBody>(
        &self,
        cause: &Message<T>,
        write: impl FnOnce() -> Result<OutgoingMessage, HandlerError>,
    ) -> Result<(), HandlerError> {
        let said = self.lock().get(&cause.id()).cloned();
        let message = match said {
            Some(message) => message,
            None => {
                let message = write()?.id(MessageId::new());
                self.lock().insert(cause.id(), message.clone());
                message
            }
        };
        cause.outbox().send(message).await?;
        Ok(())
    }

    fn done<T>(&self, cause: &Message<T>) {
        self.lock().remove(&cause.id());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<MessageId, OutgoingMessage>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
