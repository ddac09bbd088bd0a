//! From a filled-in form to an application in the log: once, however often the button is pressed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use saphan_connector::OutgoingMessage;
use saphan_schemas::catalogue::RequirementSubject;
use saphan_schemas::envelope::DocumentReference;
use saphan_schemas::ids::{CaseId, Code, EvidenceTypeId, InvalidId, MemberId, MessageId, ServiceId};
use saphan_schemas::message_types::{
    ApplicationSubmitted, AuthenticationAssurance, BilingualText, ConsentGiven, Date, Evidence, EvidenceSource,
    Identification, IdentityAssurance, InvalidTime, Language, Subject, Timestamp,
};

use super::book::Kept;
use super::files::document;
use super::form::{Filled, Form};
use super::language::Speaks as _;
use super::names::day;
use super::people::Person;
use super::refusal::Because;
use super::{Offer, Site};
use crate::agencies::answers::now;

/// A form that was filled in as it must be.
pub(super) struct Draft {
    /// Whose: the place in the list of people.
    pub(super) person: usize,
    /// What is applied for.
    pub(super) service: ServiceId,
    /// What was filled in.
    pub(super) form: Filled,
    /// The message that it will be, from the page on which it was filled in: the idempotency key.
    pub(super) application: MessageId,
    case: CaseId,
    consent: MessageId,
    made_at: Timestamp,
    /// Held while documents are uploaded for it.
    pub(super) uploading: tokio::sync::Mutex<()>,
    /// Held while it is sent.
    sending: tokio::sync::Mutex<Sending>,
}

/// How far a draft is on its way.
#[derive(Default)]
struct Sending {
    /// When the button was pressed first: the same bytes go out whenever it is pressed again.
    pressed_at: Option<Timestamp>,
    /// What was brought then.
    brought: Vec<Brought>,
    /// Whether the application is in the log.
    is_done: bool,
}

/// A document that the applicant brings instead of a consent.
#[derive(Clone)]
pub(super) struct Brought {
    /// What it proves.
    pub(super) evidence_type: EvidenceTypeId,
    /// What the message cites it by.
    pub(super) document: DocumentReference,
}

/// All drafts. In a portal this is a table.
#[derive(Default)]
pub(super) struct Drafts(Mutex<HashMap<MessageId, Arc<Draft>>>);

/// What a person is asked to consent to.
pub(super) struct Question {
    /// Which data.
    pub(super) evidence_types: Vec<EvidenceTypeId>,
    /// Whose.
    pub(super) subject: Subject,
    /// Until when.
    pub(super) valid_until: Timestamp,
    /// What the person reads.
    pub(super) text: BilingualText,
}

impl Drafts {
    /// Keeps what was filled in. What was sent already is not changed by it, and nobody else's draft.
    ///
    /// # Errors
    /// The clock is far off.
    pub(super) fn keep(
        &self,
        application: MessageId,
        person: usize,
        service: ServiceId,
        form: Filled,
    ) -> Result<Arc<Draft>, InvalidTime> {
        let mut drafts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (case, consent) = (CaseId::new(), MessageId::new());
        let known = drafts.get(&application);
        let is_other = known.is_some_and(|known| known.person != person || known.service != service);
        let application = if is_other { MessageId::new() } else { application };
        let was_pressed = |draft: &Draft| draft.sending.try_lock().map_or(true, |state| state.pressed_at.is_some());
        if let Some(sent) = known.filter(|known| !is_other && was_pressed(known)) {
            return Ok(Arc::clone(sent));
        }
        if drafts.len() >= MOST {
            drafts.retain(|_, draft| Arc::strong_count(draft) > 1);
        }
        let (made_at, uploading, sending) = (now()?, tokio::sync::Mutex::default(), tokio::sync::Mutex::default());
        let draft = Draft { person, service, form, application, case, consent, made_at, uploading, sending };
        let draft = Arc::new(draft);
        drafts.insert(application, Arc::clone(&draft));
        Ok(draft)
    }

    /// A draft of this person.
    pub(super) fn of(&self, person: usize, application: MessageId) -> Option<Arc<Draft>> {
        let drafts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drafts.get(&application).filter(|draft| draft.person == person).cloned()
    }
}

impl Draft {
    /// The case, once the application was sent.
    pub(super) async fn case(&self) -> Option<CaseId> {
        self.sending.lock().await.is_done.then_some(self.case)
    }

    /// Sends the consent, if one is given, waits for its receipt, and sends the application with what is brought. Whoever comes while it is sent waits and
    /// gets the same answer.
    ///
    /// # Errors
    /// Why it was not sent. When the exchange was not reached in time, it goes on by itself.
    pub(super) async fn send(
        &self,
        site: &Site,
        person: &Person,
        language: Language,
        consent: Option<Question>,
        brought: Vec<Brought>,
    ) -> Result<CaseId, Because> {
        let mut state = self.sending.lock().await;
        if state.is_done {
            return Ok(self.case);
        }
        let pressed_at = match &state.pressed_at {
            Some(at) => at.clone(),
            None => {
                state.brought = brought;
                state.pressed_at.insert(now().map_err(|_| Because::Internal)?).clone()
            }
        };
        let offer = site.offer(&self.service).ok_or(Because::NotFound)?;
        let service = site.catalogue.service(&self.service).ok_or(Because::NotFound)?;
        let given = match consent {
            Some(question) => {
                let body = question.given(offer, service.authority.member.clone(), pressed_at.clone());
                let body = body.map_err(|_| Because::Internal)?;
                let message = OutgoingMessage::new(site.settings.hub_system.clone(), &body).id(self.consent);
                site.send(message).await?;
                Some(self.consent)
            }
            None => None,
        };
        let form = Form::of(&site.catalogue, &service.form).ok_or(Because::Internal)?;
        let body = ApplicationSubmitted {
            submitted_at: pressed_at.clone(),
            language,
            applicant: person.applicant().clone(),
            representative: person.representative().cloned(),
            contact: None,
            form_schema: form.schema,
            form: self.form.clone(),
            evidence: state.brought.iter().map(Brought::evidence).collect(),
        };
        let mut message = offer
            .message(OutgoingMessage::new(site.settings.hub_system.clone(), &body))
            .id(self.application)
            .case(self.case);
        if let Some(consent) = given {
            message = message.consent(consent);
        }
        for brought in &state.brought {
            message = message.document(brought.document.clone());
        }
        site.book.open(self.case, Kept::new(self.person, self.service.clone(), pressed_at, given));
        match site.send(message).await {
            Ok(()) => state.is_done = true,
            // It is in the outbox, and goes on by itself.
            Err(Because::Unreachable) => return Err(Because::Unreachable),
            Err(because) => {
                site.book.forget(self.case);
                return Err(because);
            }
        }
        Ok(self.case)
    }
}

impl Brought {
    fn evidence(&self) -> Evidence {
        let (evidence_type, document) = (self.evidence_type.clone(), Some(document(&self.document)));
        Evidence { evidence_type, source: EvidenceSource::Applicant, message: None, document }
    }
}

impl Kept {
    fn new(person: usize, service: ServiceId, opened_at: Timestamp, consent: Option<MessageId>) -> Self {
        Self {
            person,
            service,
            opened_at,
            consent,
            questions: Vec::new(),
            news: Vec::new(),
            fee: None,
            decision: None,
            version: 0,
        }
    }
}

impl Offer {
    /// A message for this service and purpose.
    pub(super) fn message(&self, message: OutgoingMessage) -> OutgoingMessage {
        message.service(self.service.clone()).purpose(self.purpose.clone())
    }
}

impl Question {
    /// What must be consented to so that nothing has to be handed in; `None`: nothing.
    ///
    /// # Errors
    /// The clock is far off.
    pub(super) fn of(site: &Site, draft: &Draft, person: &Person) -> Result<Option<Self>, InvalidTime> {
        let Some(offer) = site.offer(&draft.service) else { return Ok(None) };
        let Some(service) = site.catalogue.service(&offer.service) else { return Ok(None) };
        let mut evidence_types = Vec::new();
        let mut about = None;
        for requirement in service.requirements_for(person.kind()) {
            let needed = requirement.evidence.iter().filter_map(|id| site.catalogue.evidence_type(id));
            for evidence_type in needed.filter(|one| one.consent_needed) {
                // One consent is one person's.
                if *about.get_or_insert(requirement.about) == requirement.about {
                    evidence_types.push(evidence_type.id.clone());
                }
            }
        }
        let Some(about) = about else { return Ok(None) };
        let subject = match about {
            RequirementSubject::Applicant => person.subject(),
            RequirementSubject::Person => person.person_subject(),
        };
        let until = draft.made_at.unix_ms() + u64::from(service.processing_days + DAYS_AFTER) * DAY_MS;
        let valid_until = Timestamp::from_unix_seconds(until / 1000)?;
        let text = text(site, offer, &evidence_types, &Date::in_thailand(until)?);
        Ok(Some(Self { evidence_types, subject, valid_until, text }))
    }

    fn given(self, offer: &Offer, recipient: MemberId, given_at: Timestamp) -> Result<ConsentGiven, InvalidId> {
        Ok(ConsentGiven {
            given_at,
            subject: self.subject,
            evidence_types: self.evidence_types.into_iter().collect(),
            purpose: offer.purpose.clone(),
            recipients: [recipient].into(),
            valid_from: None,
            valid_until: self.valid_until,
            identification: Identification {
                method: "demonstration".parse::<Code>()?,
                identity_assurance: IdentityAssurance::Level1,
                authentication_assurance: AuthenticationAssurance::Level1,
            },
            text: self.text,
        })
    }
}

/// What the person reads: which data, from whom, to whom, what for, until when.
fn text(site: &Site, offer: &Offer, evidence_types: &[EvidenceTypeId], until: &Date) -> BilingualText {
    let of = |language: Language| {
        let data = evidence_types.iter().filter_map(|id| site.catalogue.evidence_type(id)).map(|one| {
            let (name, issuer) = (language.text(&one.name), language.text(&one.issuer.name));
            format!("{name} {} {issuer}", language.of("จาก", "from"))
        });
        let data = data.collect::<Vec<_>>().join(language.of(" และ ", " and "));
        let authority = site.catalogue.service(&offer.service).map(|service| language.text(&service.authority.name));
        let (authority, reason) = (authority.unwrap_or_default(), language.text(&offer.reason));
        let until = day(until, language);
        match language {
            Language::Th => {
                format!("ข้าพเจ้ายินยอมให้{authority}ได้รับ{data} เพื่อ{reason} ถึงวันที่ {until} และถอนความยินยอมได้ทุกเมื่อ")
            }
            Language::En => format!(
                "I consent that {authority} receives: {data}; {reason}; until {until}. I can take this back at any time."
            ),
        }
    };
    BilingualText::new(of(Language::Th), of(Language::En))
}

const MOST: usize = 10_000;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// A consent outlives the time that the authority promises by so much.
const DAYS_AFTER: u16 = 30;
