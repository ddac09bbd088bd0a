//! A hub, the page, three that hold evidence, and an authority. Evidence waits until the test lets it go.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use saphan_connector::membership::Membership;
use saphan_connector::{Connector, ConnectorBuilder, Handled, HandlerError, Message, OutgoingMessage, Receive, trust};
use saphan_examples::agencies::registers::upload_document_of;
use saphan_examples::applicants::Applicants;
use saphan_examples::joining::sign_agreements;
use saphan_examples::local::hub::{HubOptions, HubProcess, HubProgram};
use saphan_examples::web::{Offer, Person, Portal, Settings};
use saphan_hub::registry::{RegistryFile, SystemSection};
use saphan_schemas::catalogue::Catalogue;
use saphan_schemas::envelope::{DocumentReference, UnverifiedEnvelope};
use saphan_schemas::ids::SystemId;
use saphan_schemas::keys::{PublicKey, Signer, SigningKey};
use saphan_schemas::message_types::{
    AnswerForm, Applicant, ApplicationDecided, Approval, BilingualText, Capacity, CaseSubmitted, Decision,
    EvidenceProvided, EvidenceRequested, InformationRequested, InformationSupplied, Item, NaturalPerson, Office, Proof,
    ProofSource, Representative, Timestamp,
};
use saphan_schemas::registry::{Agreement, Member, Service, TransportKind, just_a_system};
use saphan_schemas::trust::Trust;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::client::Client;

pub(super) const SERVICE: &str = "th.dlt.driving-licence-renewal";
const PURPOSE: &str = "licence-renewal";
const LAW: &str = "Motor Vehicle Act BE 2522 s.42";
const OWN: &str = "th.dga/once-only";
const PORTAL: &str = "th.dga/web-portal";
const AUTHORITY: &str = "th.dlt/licensing";
const HOLDERS: [&str; 3] = ["th.dopa/civil-registry", "th.dlt/registers", "th.moph/certificates"];

/// Everybody.
pub(super) struct Stage {
    pub(super) address: String,
    /// Whether evidence may go.
    pub(super) gate: watch::Sender<bool>,
    /// How many applications the authority got.
    pub(super) complete: watch::Receiver<usize>,
    /// The answers that the authority got.
    pub(super) supplied: watch::Receiver<Vec<InformationSupplied>>,
    /// The documents that messages to the authority cite.
    pub(super) cited: watch::Receiver<Vec<DocumentReference>>,
    authority: Connector,
    serving: JoinHandle<()>,
    stop: Option<oneshot::Sender<()>>,
    _holders: Vec<Connector>,
    hub: HubProcess,
    folder: TempDir,
}

struct World {
    hub: HubProcess,
    trust: Trust,
    folder: TempDir,
    keys: HashMap<&'static str, Arc<SigningKey>>,
}

impl Stage {
    /// The authority approves what it gets.
    pub(super) async fn new() -> Self {
        Self::with(false, Vec::new()).await
    }

    /// The authority asks something first.
    pub(super) async fn that_asks() -> Self {
        Self::with(true, Vec::new()).await
    }

    /// The same, with this virus scanner.
    pub(super) async fn that_asks_and_scans(clamd: SocketAddr) -> Self {
        Self::with(true, vec![("SAPHAN_HUB__DOCUMENTS__CLAMD", clamd.to_string())]).await
    }

    async fn with(asks: bool, settings: Vec<(&'static str, String)>) -> Self {
        let world = World::start(settings).await;
        let (gate, complete) = (watch::Sender::new(false), watch::Sender::new(0));
        let (supplied, cited) = (watch::Sender::new(Vec::new()), watch::Sender::new(Vec::new()));
        let mut holders = Vec::new();
        for holder in HOLDERS {
            let gate = gate.subscribe();
            let builder = world.connector(holder).handle(move |message: Message<EvidenceRequested>| {
                let mut gate = gate.clone();
                async move {
                    gate.wait_for(|open| *open).await?;
                    provide(message).await
                }
            });
            holders.push(builder.build().await.unwrap());
        }
        let authority = world.connector(AUTHORITY).handle({
            let (complete, cited) = (complete.clone(), cited.clone());
            move |message: Message<CaseSubmitted>| {
                complete.send_modify(|count| *count += 1);
                cited.send_modify(|cited| cited.extend(of_the_applicant(&message)));
                let answer = if asks { ask(&message) } else { decide(&message) };
                async move { answer }
            }
        });
        let authority = authority.handle({
            let (supplied, cited) = (supplied.clone(), cited.clone());
            move |message: Message<InformationSupplied>| {
                supplied.send_modify(|supplied| supplied.push(message.body().clone()));
                cited.send_modify(|cited| cited.extend(message.envelope().documents.iter().cloned()));
                async move { decide(&message) }
            }
        });
        let authority = authority.build().await.unwrap();
        let settings = Settings { hub_system: OWN.parse().unwrap(), offers: offers(), people: people() };
        let portal = Portal::open(world.connector(PORTAL), settings).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(async move {
            portal.serve(listener, async { drop(stopped.await) }).await.unwrap();
        });
        let World { hub, folder, .. } = world;
        let (complete, supplied, cited) = (complete.subscribe(), supplied.subscribe(), cited.subscribe());
        let (stop, _holders) = (Some(stop), holders);
        Self { address, gate, complete, supplied, cited, authority, serving, stop, _holders, hub, folder }
    }

    /// What the authority reads when it opens a document.
    pub(super) async fn read(&self, document: &DocumentReference) -> Vec<u8> {
        let copy = self.folder.path().join(document.commit.to_string());
        self.authority.documents().download_file(document, &copy).await.unwrap();
        std::fs::read(copy).unwrap()
    }

    /// The hub is gone.
    pub(super) async fn lose_hub(&mut self) {
        self.hub.kill().await.unwrap();
    }

    /// It is back.
    pub(super) async fn restart_hub(&mut self) {
        self.hub.restart().await.unwrap();
    }

    /// Somebody who is not signed in.
    pub(super) fn visitor(&self) -> Client {
        Client::new(&self.address)
    }

    /// Somebody who signed in.
    pub(super) async fn signed_in(&self, person: usize) -> Client {
        let client = self.visitor();
        client.get("/en/sign-in").await;
        let signed_in = client.post("/en/sign-in", &[("person", &person.to_string())]).await;
        assert_eq!(signed_in.status, 303);
        client
    }

    /// Stops the page; answers all that the hub logged.
    pub(super) async fn stop(mut self) -> String {
        self.stop.take().unwrap().send(()).unwrap();
        self.serving.await.unwrap();
        std::fs::read_to_string(self.hub.log_file()).unwrap()
    }
}

/// A citizen, another, a company, and a foreigner.
fn people() -> Vec<Person> {
    let mut applicants = Applicants::new(42);
    let (first, second) = (applicants.citizen().unwrap(), applicants.citizen().unwrap());
    let company = applicants.company(&second).unwrap();
    let foreigner = applicants.foreigner().unwrap();
    let director = Representative { person: NaturalPerson::Citizen(second.clone()), capacity: Capacity::Director };
    vec![
        Person::new(Applicant::Citizen(first), None),
        Person::new(Applicant::Citizen(second), None),
        Person::new(Applicant::Juristic(Box::new(company)), Some(director)),
        Person::new(Applicant::Foreigner(foreigner), None),
    ]
}

/// All services have forms; one of them can be decided here.
fn offers() -> Vec<Offer> {
    let catalogue = Catalogue::embedded().unwrap();
    let offer = |service: &saphan_schemas::catalogue::PublicService| Offer {
        service: service.id.clone(),
        purpose: PURPOSE.parse().unwrap(),
        reason: BilingualText::new("พิจารณาคำขอต่ออายุใบอนุญาตขับรถ", "to decide on the renewal of your driving licence"),
    };
    catalogue.services().iter().map(offer).collect()
}

impl World {
    async fn start(settings: Vec<(&'static str, String)>) -> Self {
        let systems = [&HOLDERS[..], &[PORTAL, AUTHORITY]].concat();
        let keys: HashMap<_, _> =
            systems.iter().map(|system| (*system, Arc::new(SigningKey::generate().unwrap().0))).collect();
        let public = keys.iter().map(|(system, key)| (*system, *key.public())).collect();
        let program = HubProgram { program: env!("CARGO_BIN_EXE_demo").into(), args: vec!["hub".to_owned()] };
        let mut options = HubOptions::new(program, registry(&public).to_toml().unwrap());
        // A test opens a page as fast as it can, and each look asks the hub: what the portal receives must not wait for it.
        let unlimited = ("SAPHAN_HUB__LIMITS__REQUESTS_PER_SECOND", "0".to_owned());
        options.settings = [vec![("SAPHAN_HUB__CASES__SYSTEM", OWN.to_owned()), unlimited], settings].concat();
        let hub = HubProcess::start(options).await.unwrap();
        let trust = trust::fetch(hub.address()).await.unwrap().trust();
        let world = Self { hub, trust, folder: TempDir::new().unwrap(), keys };
        for (system, key) in &world.keys {
            let system = system.parse().unwrap();
            let membership =
                Membership::new(world.hub.address(), system, Arc::clone(key) as Arc<dyn Signer>, &world.trust);
            sign_agreements(&membership.unwrap()).await.unwrap();
        }
        world
    }

    fn connector(&self, system: &str) -> ConnectorBuilder {
        Connector::builder(system.parse().unwrap())
            .hub(self.hub.address())
            .trust(self.trust.clone())
            .signer(Arc::clone(&self.keys[system]) as Arc<dyn Signer>)
            .receive(Receive::Pull)
            .data_dir(self.folder.path().join(system.replace('/', "__")))
    }
}

fn registry(keys: &HashMap<&str, PublicKey>) -> RegistryFile {
    let mut file = RegistryFile::default();
    let members = BTreeSet::from(["th.dga", "th.dlt", "th.dopa", "th.moph"]);
    for id in members {
        let (name_th, name_en) = ("หน่วยงาน".to_owned(), id.to_owned());
        file.member.push(Member { id: id.parse().unwrap(), name_th, name_en });
    }
    for system in keys.keys().copied().chain([OWN]) {
        let (id, keys) = (system.parse().unwrap(), keys.get(system).copied().into_iter().collect());
        file.system.push(SystemSection { id, transport: TransportKind::Pull, roles: just_a_system(), keys });
    }
    file.service.push(Service { id: SERVICE.parse().unwrap(), authority: "th.dlt".parse().unwrap() });
    let mut agree = |sender: &str, receiver: &str, types: &[&str], is_about_the_service: bool| {
        let only = |name: &str| is_about_the_service.then(|| name.to_owned());
        file.agreement.push(Agreement {
            id: format!("renewal.{}", file.agreement.len()).parse().unwrap(),
            sender: sender.parse().unwrap(),
            receiver: receiver.parse().unwrap(),
            types: types.iter().map(|name| name.parse().unwrap()).collect(),
            services: only(SERVICE).iter().map(|name| name.parse().unwrap()).collect(),
            purposes: only(PURPOSE).iter().map(|name| name.parse().unwrap()).collect(),
            legal_basis: LAW.parse().unwrap(),
            consent: false,
            retention_days: None,
            not_before: None,
            not_after: None,
        });
    };
    agree(PORTAL, OWN, &["application.submitted", "application.withdrawn", "information.supplied"], true);
    agree(PORTAL, OWN, &["consent.given", "consent.revoked"], false);
    agree(OWN, PORTAL, &["information.requested", "case.reminder"], true);
    agree(OWN, AUTHORITY, &["case.submitted", "application.withdrawn", "case.reminder"], true);
    let to_portal = ["application.status-changed", "application.decided", "information.requested"];
    agree(AUTHORITY, PORTAL, &to_portal, true);
    agree(PORTAL, AUTHORITY, &["information.supplied", "application.fee-paid"], true);
    for holder in HOLDERS {
        agree(OWN, holder, &["evidence.requested", "evidence.reused"], true);
        agree(holder, OWN, &["evidence.provided", "evidence.declined", "evidence.pending"], true);
    }
    file
}

/// The documents of a complete case that no register sent.
fn of_the_applicant(message: &Message<CaseSubmitted>) -> Vec<DocumentReference> {
    let provided = message.body().evidence.iter().filter(|proof| proof.source != ProofSource::Applicant);
    let cited = |proof: &Proof| UnverifiedEnvelope::parse(&proof.message.envelope).unwrap().claims().documents.clone();
    let provided: Vec<_> = provided.flat_map(cited).collect();
    message.envelope().documents.iter().filter(|document| !provided.contains(document)).cloned().collect()
}

async fn provide(message: Message<EvidenceRequested>) -> Result<Handled, HandlerError> {
    let request = message.body();
    let schema = format!("{}@1", request.evidence_type);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/catalogue/examples").join(&schema);
    let first = std::fs::read_dir(folder.join("valid"))?.next().ok_or("an evidence type has an example")??;
    let at = Timestamp::from_system_time(std::time::SystemTime::now())?;
    let mut body = EvidenceProvided {
        provided_at: at.clone(),
        evidence_type: request.evidence_type.clone(),
        subject: request.subject.clone(),
        as_of: at,
        valid_until: None,
        record_number: None,
        person: None,
        facts: Vec::new(),
        documents: Vec::new(),
        content_schema: Some(schema.parse()?),
        content: Some(serde_json::from_slice(&std::fs::read(first.path())?)?),
    };
    let document = upload_document_of(&mut body, message.documents()).await?;
    let reply = message.reply(&body).purpose(PURPOSE.parse()?);
    Ok(Handled::Reply(vec![document.into_iter().fold(reply, OutgoingMessage::document)]))
}

fn office() -> Result<Office, HandlerError> {
    let name = BilingualText::new("สำนักงานขนส่ง", "Office of Land Transport");
    Ok(Office { member: "th.dlt".parse()?, name, position: None })
}

fn to_portal<T>(message: &Message<T>, to: OutgoingMessage) -> Result<Handled, HandlerError> {
    Ok(Handled::Reply(vec![message.answer(to).purpose(PURPOSE.parse()?)]))
}

fn decide<T>(message: &Message<T>) -> Result<Handled, HandlerError> {
    let body = ApplicationDecided {
        decided_at: Timestamp::from_system_time(std::time::SystemTime::now())?,
        decided_by: office()?,
        text: BilingualText::new("ต่ออายุใบอนุญาตแล้ว", "Your licence is renewed."),
        decision: Decision::Approved(Approval::default()),
        decision_number: None,
    };
    to_portal(message, OutgoingMessage::new(PORTAL.parse::<SystemId>()?, &body))
}

fn ask(message: &Message<CaseSubmitted>) -> Result<Handled, HandlerError> {
    let item = |name: &str, answer, th: &str, en: &str| -> Result<Item, HandlerError> {
        Ok(Item {
            item: name.parse()?,
            question: BilingualText::new(th, en),
            answer,
            required: true,
            choices: Vec::new(),
            evidence_type: None,
        })
    };
    let body = InformationRequested {
        requested_at: Timestamp::from_system_time(std::time::SystemTime::now())?,
        requested_by: office()?,
        text: BilingualText::new("ขอข้อมูลเพิ่มเติม", "We need to know more."),
        items: vec![
            item("years", AnswerForm::Number, "ขับรถมาแล้วกี่ปี", "For how many years have you driven?")?,
            item("photograph", AnswerForm::Document, "รูปถ่าย", "A photograph")?,
        ],
        answer_by: None,
        if_not_answered: None,
    };
    to_portal(message, OutgoingMessage::new(PORTAL.parse::<SystemId>()?, &body))
}
