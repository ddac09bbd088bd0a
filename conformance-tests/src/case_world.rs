//! A hub with a system of its own, and agencies around it that answer at once: what the tests and the benchmark of cases run on.
//!
//! The procedure is a change of address: three pieces of evidence of two providers, none of which needs a consent.

mod agencies;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context as _;
use saphan_connector::membership::Membership;
use saphan_connector::{OutgoingMessage, Receive, trust};
use saphan_examples::applicants::Applicants;
use saphan_examples::joining::sign_agreements;
use saphan_examples::local::hub::{HubOptions, HubProcess, HubProgram};
use saphan_hub::registry::{RegistryFile, SystemSection};
use saphan_schemas::ids::{CaseId, InvalidId, MessageId, SystemId};
use saphan_schemas::keys::{PublicKey, SigningKey};
use saphan_schemas::message_types::{
    Applicant, ApplicationSubmitted, ApplicationWithdrawn, AuthenticationAssurance, BilingualText, Citizen,
    ConsentGiven, ConsentRevoked, Identification, IdentityAssurance, Language, Timestamp, WithdrawalReason,
    WithdrawnBy,
};
use saphan_schemas::registry::{Agreement, Member, Service, TransportKind, just_a_system};
use saphan_schemas::trust::Trust;
use serde_json::{Map, Value};
use tempfile::TempDir;

pub use self::agencies::{Agencies, Seen};

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
    weather: Weather,
    folder: TempDir,
    keys: HashMap<SystemId, String>,
    receive: Receive,
}

/// Whether all goes well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// Every register has what it is asked for, and gives it.
    Fair,
    /// Land titles need a consent. The land register has none of a third of the people, and never answers for some others; all of them
    /// are asked, and have none. The authority's system does not take every fourth case when it comes first.
    Foul,
}

impl CaseWorld {
    /// Starts the hub that `program` is; with the address of a broker, agencies receive from it, else they pull.
    ///
    /// # Errors
    /// When the hub does not start.
    pub async fn start(program: HubProgram, broker: Option<String>, weather: Weather) -> anyhow::Result<Self> {
        let (mut keys, mut public) = (HashMap::new(), HashMap::<SystemId, PublicKey>::new());
        for system in SYSTEMS {
            let (key, pem) = SigningKey::generate()?;
            public.insert(system.parse()?, *key.public());
            keys.insert(system.parse::<SystemId>()?, pem.to_string());
        }
        let transport = if broker.is_some() { TransportKind::Amqp } else { TransportKind::Pull };
        let mut options = HubOptions::new(program, registry(transport, &public, weather)?.to_toml()?);
        options.settings = [
            ("SAPHAN_HUB__CASES__SYSTEM", OWN),
            ("SAPHAN_HUB__LIMITS__MESSAGES_PER_SECOND", "0"),
            ("SAPHAN_HUB__LIMITS__REQUESTS_PER_SECOND", "0"),
        ]
        .map(|(name, value)| (name, value.to_owned()))
        .into();
        if weather == Weather::Foul {
            // Whom the killed hub had just sent something gets it again when the lease is over, and is not late.
            let shorter = [
                ("SAPHAN_HUB__INBOX__LEASE_SECONDS", "3"),
                ("SAPHAN_HUB__CASES__EVIDENCE_SECONDS", "6"),
                ("SAPHAN_HUB__CASES__AGAIN_SECONDS", "1"),
            ];
            options.settings.extend(shorter.map(|(name, value)| (name, value.to_owned())));
        }
        options.broker.clone_from(&broker);
        let hub = HubProcess::start(options).await?;
        let trust = trust::fetch(hub.address()).await?.trust();
        for (system, pem) in &keys {
            let key = Arc::new(SigningKey::from_pem(pem)?);
            sign_agreements(&Membership::new(hub.address(), system.clone(), key, &trust)?).await?;
        }
        let receive = broker.map_or(Receive::Pull, |uri| Receive::Amqp { uri });
        Ok(Self { hub, trust, weather, folder: TempDir::new()?, keys, receive })
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

/// The consent that a land title of the applicant is used, for an hour.
///
/// # Errors
/// None: the names are constants.
pub fn consent(body: &ApplicationSubmitted) -> anyhow::Result<OutgoingMessage> {
    let now = now()?;
    let consent = ConsentGiven {
        valid_until: Timestamp::from_unix_seconds(now.unix_ms() / 1000 + 3600)?,
        given_at: now,
        subject: body.applicant.subject(),
        evidence_types: BTreeSet::from([agencies::LAND_TITLE.parse()?]),
        purpose: PURPOSE.parse()?,
        recipients: BTreeSet::from([AUTHORITY.parse::<SystemId>()?.member()]),
        valid_from: None,
        identification: Identification {
            method: "thaid".parse()?,
            identity_assurance: IdentityAssurance::Level2,
            authentication_assurance: AuthenticationAssurance::Level2,
        },
        text: BilingualText::new("ข้าพเจ้ายินยอมให้ใช้โฉนดที่ดิน", "I consent to the use of my land title."),
    };
    to_the_hub(OutgoingMessage::new(OWN.parse()?, &consent))
}

/// That this consent is taken back.
///
/// # Errors
/// None: the names are constants.
pub fn revocation(consent: MessageId) -> anyhow::Result<OutgoingMessage> {
    let body = ConsentRevoked { revoked_at: now()?, consent };
    to_the_hub(OutgoingMessage::new(OWN.parse()?, &body))
}

fn to_the_hub(message: OutgoingMessage) -> anyhow::Result<OutgoingMessage> {
    Ok(message.id(MessageId::new()).service(SERVICE.parse()?).purpose(PURPOSE.parse()?))
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
    to_the_hub(OutgoingMessage::new(OWN.parse()?, &body).case(case))
}

fn registry(
    transport: TransportKind,
    keys: &HashMap<SystemId, PublicKey>,
    weather: Weather,
) -> Result<RegistryFile, InvalidId> {
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
            consent: weather == Weather::Foul && *sender == OWN && *receiver == LAND_REGISTER,
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
    (PORTAL, OWN, &["consent.given", "consent.revoked"]),
    (OWN, PORTAL, &["information.requested", "case.reminder"]),
    (OWN, AUTHORITY, &["case.submitted", "application.withdrawn", "case.reminder"]),
    (AUTHORITY, PORTAL, &["application.status-changed", "application.decided", "information.requested"]),
    (OWN, CIVIL_REGISTRY, &["evidence.requested", "evidence.reused"]),
    (CIVIL_REGISTRY, OWN, &["evidence.provided", "evidence.declined", "evidence.pending"]),
    (OWN, LAND_REGISTER, &["evidence.requested", "evidence.reused"]),
    (LAND_REGISTER, OWN, &["evidence.provided", "evidence.declined", "evidence.pending"]),
];
const PURPOSE: &str = "change-of-address";
const SEED: u64 = 11;
const FORM: &str = include_str!("../../schemas/catalogue/examples/th.dopa.move-in@1/valid/complete.json");
