//! A hub with a system of its own, and agencies around it that answer at once: what the tests and the benchmark of cases run on.
//!
//! The procedure is a change of address: three pieces of evidence of two providers, none of which needs a consent.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use saphan_connector::membership::Membership;
use saphan_connector::{Connector, Handled, HandlerError, Message, OutgoingMessage, Receive, trust};
use saphan_examples::applicants::Applicants;
use saphan_examples::joining::sign_agreements;
use saphan_examples::local::hub::{HubOptions, HubProcess, HubProgram};
use saphan_hub::registry::{RegistryFile, SystemSection};
use saphan_schemas::ids::{CaseId, EvidenceTypeId, InvalidId, MessageId, SystemId};
use saphan_schemas::keys::{PublicKey, SigningKey};
use saphan_schemas::message_types::{
    Answer, Applicant, ApplicationDecided, ApplicationSubmitted, ApplicationWithdrawn, Approval, BilingualText,
    CaseReminder, CaseSubmitted, Citizen, Decision, EvidenceDeclined, EvidenceProvided, EvidenceRequested,
    EvidenceReused, InformationRequested, InformationSupplied, Item, Language, NotProvided, Office, Subject, Timestamp,
    WithdrawalReason, WithdrawnBy,
};
use saphan_schemas::registry::{Agreement, Member, Service, TransportKind, just_a_system};
use saphan_schemas::trust::Trust;
use serde_json::{Map, Value};
use tempfile::TempDir;
use tokio::sync::watch;

/// The hub's own system.
pub const OWN: &str = "th.dga/once-only";
/// The portal.
pub const PORTAL: &str = "th.dga/citizen-portal";
/// The competent authority.
pub const AUTHORITY: &str = "th.dopa/registrar";
/// Holds identity and house registration.
pub const CIVIL_REGISTRY: &str = "th.dopa/civil-registry";
/// Holds land titles.
pub const LAND_REGISTER: &str = "th.dol/land-register";
/// A change of address.
pub const SERVICE: &str = "th.dopa.move-in";

/// A running hub, and who may talk to it.
pub struct CaseWorld {
    /// The hub.
    pub hub: HubProcess,
    /// Its keys.
    pub trust: Trust,
    folder: TempDir,
    keys: HashMap<SystemId, String>,
    receive: Receive,
}

/// The agencies and the portal, and what they have seen.
pub struct Agencies {
    /// Submits.
    pub portal: Arc<Connector>,
    others: Vec<Connector>,
    /// What happened.
    pub seen: Arc<watch::Sender<Seen>>,
}

/// What the agencies have seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// How often each piece of evidence was asked for in each case.
    pub requests: BTreeMap<(CaseId, EvidenceTypeId), usize>,
    /// When the authority had each case, and with how many pieces of evidence.
    pub complete: BTreeMap<CaseId, (Instant, usize)>,
    /// Cases that the authority got more than once.
    pub twice: BTreeSet<CaseId>,
    /// Cases whose decision the portal has.
    pub decided: BTreeSet<CaseId>,
    /// Cases whose applicant was asked for a land title, which the register did not have.
    pub asked: BTreeMap<CaseId, usize>,
    /// Cases that the authority was told are withdrawn.
    pub withdrawn: BTreeMap<CaseId, usize>,
}

/// Whether all goes well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// Every register has what it is asked for.
    Fair,
    /// The land register has no title of a third of the people; they are asked, and have none.
    Foul,
}

impl CaseWorld {
    /// Starts the hub that `program` is; with the address of a broker, agencies receive from it, else they pull.
    ///
    /// # Errors
    /// When the hub does not start.
    pub async fn start(program: HubProgram, broker: Option<String>) -> anyhow::Result<Self> {
        let (mut keys, mut public) = (HashMap::new(), HashMap::<SystemId, PublicKey>::new());
        for system in SYSTEMS {
            let (key, pem) = SigningKey::generate()?;
            public.insert(system.parse()?, *key.public());
            keys.insert(system.parse::<SystemId>()?, pem.to_string());
        }
        let transport = if broker.is_some() { TransportKind::Amqp } else { TransportKind::Pull };
        let mut options = HubOptions::new(program, registry(transport, &public)?.to_toml()?);
        options.settings = [
            ("SAPHAN_HUB__CASES__SYSTEM", OWN),
            ("SAPHAN_HUB__LIMITS__MESSAGES_PER_SECOND", "0"),
            ("SAPHAN_HUB__LIMITS__REQUESTS_PER_SECOND", "0"),
        ]
        .map(|(name, value)| (name, value.to_owned()))
        .into();
        options.broker.clone_from(&broker);
        let hub = HubProcess::start(options).await?;
        let trust = trust::fetch(hub.address()).await?.trust();
        for (system, pem) in &keys {
            let key = Arc::new(SigningKey::from_pem(pem)?);
            sign_agreements(&Membership::new(hub.address(), system.clone(), key, &trust)?).await?;
        }
        let receive = broker.map_or(Receive::Pull, |uri| Receive::Amqp { uri });
        Ok(Self { hub, trust, folder: TempDir::new()?, keys, receive })
    }

    /// Connects everybody.
    ///
    /// # Errors
    /// A connector does not start.
    pub async fn agencies(&self, weather: Weather) -> anyhow::Result<Agencies> {
        let seen = Arc::new(watch::Sender::new(Seen::default()));
        let mut others = Vec::new();
        for provider in [CIVIL_REGISTRY, LAND_REGISTER] {
            let seen = Arc::clone(&seen);
            let builder = self.connector(provider)?.handle(move |message: Message<EvidenceRequested>| {
                let answer = if weather == Weather::Foul && has_none(&message) {
                    decline(&seen, &message)
                } else {
                    provide(&seen, &message)
                };
                async move { answer }
            });
            let builder = builder.handle(|_: Message<EvidenceReused>| async { Ok(Handled::Done) });
            others.push(builder.build().await?);
        }
        let [told, withdrawn, decided, asked] = [(); 4].map(|()| Arc::clone(&seen));
        let authority = self.connector(AUTHORITY)?.handle(move |message: Message<CaseSubmitted>| {
            let answer = decide(&told, &message);
            async move { answer }
        });
        let authority = authority.handle(move |message: Message<ApplicationWithdrawn>| {
            count(&withdrawn, &message, |seen| &mut seen.withdrawn);
            async { Ok(Handled::Done) }
        });
        others.push(authority.build().await?);
        let portal = self.connector(PORTAL)?.handle(move |message: Message<ApplicationDecided>| {
            decided.send_modify(|seen| seen.decided.extend(message.case()));
            async { Ok(Handled::Done) }
        });
        let portal = portal.handle(move |message: Message<InformationRequested>| {
            let answer = has_none_either(&asked, &message);
            async move { answer }
        });
        let portal = portal.handle(|_: Message<CaseReminder>| async { Ok(Handled::Done) });
        Ok(Agencies { portal: Arc::new(portal.build().await?), others, seen })
    }

    /// Stops the hub in good order.
    ///
    /// # Errors
    /// It does not.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        Ok(self.hub.stop().await?)
    }

    /// The hub's store.
    #[must_use]
    pub fn store_file(&self) -> std::path::PathBuf {
        self.hub.folder().join("hub").join("data").join("hub.sqlite")
    }

    fn connector(&self, system: &str) -> anyhow::Result<saphan_connector::ConnectorBuilder> {
        let system: SystemId = system.parse()?;
        let pem = self.keys.get(&system).context("not a system of these tests")?;
        Ok(Connector::builder(system.clone())
            .hub(self.hub.address())
            .trust(self.trust.clone())
            .key(SigningKey::from_pem(pem)?)
            .retry_delays(Duration::from_millis(20), Duration::from_millis(500))
            .in_flight(IN_FLIGHT)
            .receive(self.receive.clone())
            .data_dir(self.folder.path().join(system.name())))
    }
}

impl Agencies {
    /// Shuts everybody down.
    ///
    /// # Errors
    /// Somebody does not stop.
    pub async fn shutdown(self) -> anyhow::Result<()> {
        let portal = Arc::into_inner(self.portal).context("the portal is in use")?;
        for connector in self.others.into_iter().chain([portal]) {
            anyhow::ensure!(connector.shutdown(Duration::from_secs(60)).await?.finished, "something is left to do");
        }
        Ok(())
    }
}

/// Applications of as many different people.
///
/// # Errors
/// None: they are synthetic and valid.
pub fn applications(count: usize) -> anyhow::Result<Vec<ApplicationSubmitted>> {
    let mut applicants = Applicants::new(SEED);
    (0..count).map(|_| application(applicants.citizen()?)).collect()
}

/// An application as a message, of a case of its own.
///
/// # Errors
/// None: the names are constants.
pub fn message(body: &ApplicationSubmitted) -> Result<(CaseId, OutgoingMessage), InvalidId> {
    let case = CaseId::new();
    let message = OutgoingMessage::new(OWN.parse()?, body)
        .id(MessageId::new())
        .case(case)
        .service(SERVICE.parse()?)
        .purpose(PURPOSE.parse()?);
    Ok((case, message))
}

fn application(citizen: Citizen) -> anyhow::Result<ApplicationSubmitted> {
    let mut form: Map<String, Value> = serde_json::from_str(FORM)?;
    form.insert(
        "persons".to_owned(),
        serde_json::json!([{ "national_id": citizen.national_id, "name": citizen.name }]),
    );
    Ok(ApplicationSubmitted {
        submitted_at: now()?,
        language: Language::Th,
        applicant: Applicant::Citizen(citizen),
        representative: None,
        contact: None,
        form_schema: format!("{SERVICE}@1").parse()?,
        form,
        evidence: Vec::new(),
    })
}

/// The withdrawal of an application.
///
/// # Errors
/// None: the names are constants.
pub fn withdrawal(case: CaseId) -> anyhow::Result<OutgoingMessage> {
    let body = ApplicationWithdrawn {
        withdrawn_at: now()?,
        withdrawn_by: WithdrawnBy::Applicant,
        reason: WithdrawalReason::NoLongerNeeded,
        note: None,
    };
    let message = OutgoingMessage::new(OWN.parse()?, &body).id(MessageId::new()).case(case);
    Ok(message.service(SERVICE.parse()?).purpose(PURPOSE.parse()?))
}

/// Whether the register has no title of this person, the same whenever it is asked.
fn has_none(message: &Message<EvidenceRequested>) -> bool {
    let Subject::Citizen { national_id } = &message.body().subject else { return false };
    let sum: u32 = national_id.as_str().bytes().map(u32::from).sum();
    message.body().evidence_type.as_str() == LAND_TITLE && sum.is_multiple_of(3)
}

fn note_request(seen: &watch::Sender<Seen>, message: &Message<EvidenceRequested>) -> Result<(), HandlerError> {
    let case = message.case().ok_or("a request belongs to a case")?;
    let evidence_type = message.body().evidence_type.clone();
    seen.send_modify(|seen| *seen.requests.entry((case, evidence_type)).or_default() += 1);
    Ok(())
}

fn decline(seen: &watch::Sender<Seen>, message: &Message<EvidenceRequested>) -> Result<Handled, HandlerError> {
    note_request(seen, message)?;
    let body = EvidenceDeclined {
        declined_at: now()?,
        evidence_type: message.body().evidence_type.clone(),
        reason: NotProvided::SubjectNotFound,
        held_by: None,
        text: BilingualText::new("ไม่พบข้อมูล", "Not found."),
    };
    Ok(Handled::Reply(vec![alike(message, message.reply(&body))]))
}

/// The applicant has none either.
fn has_none_either(
    seen: &watch::Sender<Seen>,
    message: &Message<InformationRequested>,
) -> Result<Handled, HandlerError> {
    count(seen, message, |seen| &mut seen.asked);
    let none = |item: &Item| Answer::Unavailable { item: item.item.clone(), note: "ไม่มี".to_owned() };
    let body = InformationSupplied { supplied_at: now()?, answers: message.body().items.iter().map(none).collect() };
    Ok(Handled::Reply(vec![alike(message, message.reply(&body))]))
}

fn count<T>(seen: &watch::Sender<Seen>, message: &Message<T>, of: impl Fn(&mut Seen) -> &mut BTreeMap<CaseId, usize>) {
    let Some(case) = message.case() else { return };
    seen.send_modify(|seen| *of(seen).entry(case).or_default() += 1);
}

fn provide(seen: &watch::Sender<Seen>, message: &Message<EvidenceRequested>) -> Result<Handled, HandlerError> {
    note_request(seen, message)?;
    let request = message.body();
    let content = match request.evidence_type.as_str() {
        "th.dopa.identity" => IDENTITY,
        "th.dopa.house-registration" => HOUSE,
        _ => LAND,
    };
    let at = now()?;
    let body = EvidenceProvided {
        provided_at: at.clone(),
        evidence_type: request.evidence_type.clone(),
        subject: request.subject.clone(),
        as_of: at,
        valid_until: None,
        record_number: None,
        person: None,
        facts: Vec::new(),
        documents: Vec::new(),
        content_schema: Some(format!("{}@1", request.evidence_type).parse()?),
        content: Some(serde_json::from_str(content)?),
    };
    Ok(Handled::Reply(vec![alike(message, message.reply(&body))]))
}

fn decide(seen: &watch::Sender<Seen>, message: &Message<CaseSubmitted>) -> Result<Handled, HandlerError> {
    let case = message.case().ok_or("a case has an id")?;
    let pieces = message.body().evidence.len();
    seen.send_modify(|seen| {
        if seen.complete.insert(case, (Instant::now(), pieces)).is_some() {
            seen.twice.insert(case);
        }
    });
    let body = ApplicationDecided {
        decided_at: now()?,
        decided_by: Office {
            member: "th.dopa".parse()?,
            name: BilingualText::new("กรมการปกครอง", "Department of Provincial Administration"),
            position: None,
        },
        text: BilingualText::new("แจ้งย้ายแล้ว", "The move is registered."),
        decision: Decision::Approved(Approval::default()),
        decision_number: None,
    };
    let to_portal = OutgoingMessage::new(PORTAL.parse()?, &body);
    Ok(Handled::Reply(vec![alike(message, message.answer(to_portal))]))
}

/// For the purpose that the message names.
fn alike<T>(message: &Message<T>, reply: OutgoingMessage) -> OutgoingMessage {
    match &message.envelope().purpose {
        Some(purpose) => reply.purpose(purpose.clone()),
        None => reply,
    }
}

fn registry(transport: TransportKind, keys: &HashMap<SystemId, PublicKey>) -> Result<RegistryFile, InvalidId> {
    let mut file = RegistryFile::default();
    for (id, name_th, name_en) in MEMBERS {
        file.member.push(Member { id: id.parse()?, name_th: name_th.to_owned(), name_en: name_en.to_owned() });
    }
    for system in SYSTEMS {
        let id: SystemId = system.parse()?;
        let keys = keys.get(&id).copied().into_iter().collect();
        file.system.push(SystemSection { id, transport, roles: just_a_system(), keys });
    }
    let own =
        SystemSection { id: OWN.parse()?, transport: TransportKind::Pull, roles: just_a_system(), keys: Vec::new() };
    file.system.push(own);
    file.service.push(Service { id: SERVICE.parse()?, authority: "th.dopa".parse()? });
    for (number, (sender, receiver, types)) in AGREEMENTS.iter().enumerate() {
        file.agreement.push(Agreement {
            id: format!("{PURPOSE}.{number}").parse()?,
            sender: sender.parse()?,
            receiver: receiver.parse()?,
            types: types.iter().map(|name| name.parse()).collect::<Result<_, _>>()?,
            services: BTreeSet::from([SERVICE.parse()?]),
            purposes: BTreeSet::from([PURPOSE.parse()?]),
            legal_basis: "Civil Registration Act BE 2534 s.30".parse()?,
            consent: false,
            retention_days: None,
            not_before: None,
            not_after: None,
        });
    }
    Ok(file)
}

fn now() -> anyhow::Result<Timestamp> {
    Timestamp::from_system_time(SystemTime::now()).context("a time of this century")
}

const SYSTEMS: [&str; 4] = [PORTAL, AUTHORITY, CIVIL_REGISTRY, LAND_REGISTER];
const MEMBERS: [(&str, &str, &str); 3] = [
    ("th.dga", "สำนักงานพัฒนารัฐบาลดิจิทัล", "Digital Government Development Agency"),
    ("th.dopa", "กรมการปกครอง", "Department of Provincial Administration"),
    ("th.dol", "กรมที่ดิน", "Department of Lands"),
];
const AGREEMENTS: &[(&str, &str, &[&str])] = &[
    (PORTAL, OWN, &["application.submitted", "application.withdrawn", "information.supplied"]),
    (OWN, PORTAL, &["information.requested", "case.reminder"]),
    (OWN, AUTHORITY, &["case.submitted", "application.withdrawn", "case.reminder"]),
    (AUTHORITY, PORTAL, &["application.status-changed", "application.decided", "information.requested"]),
    (OWN, CIVIL_REGISTRY, &["evidence.requested", "evidence.reused"]),
    (CIVIL_REGISTRY, OWN, &["evidence.provided", "evidence.declined", "evidence.pending"]),
    (OWN, LAND_REGISTER, &["evidence.requested", "evidence.reused"]),
    (LAND_REGISTER, OWN, &["evidence.provided", "evidence.declined", "evidence.pending"]),
];
const LAND_TITLE: &str = "th.dol.land-title";
const PURPOSE: &str = "change-of-address";
const IN_FLIGHT: usize = 1024;
const SEED: u64 = 11;
const FORM: &str = include_str!("../../schemas/catalogue/examples/th.dopa.move-in@1/valid/complete.json");
const IDENTITY: &str = include_str!("../../schemas/catalogue/examples/th.dopa.identity@1/valid/citizen.json");
const HOUSE: &str =
    include_str!("../../schemas/catalogue/examples/th.dopa.house-registration@1/valid/house-in-bangkok.json");
const LAND: &str = include_str!("../../schemas/catalogue/examples/th.dol.land-title@1/valid/one-title.json");
