//! The agencies around the hub, and the portal: they answer at once, and keep what they have seen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use saphan_connector::{Connector, ConnectorBuilder, Handled, HandlerError, Message, OutgoingMessage};
use saphan_schemas::ids::{CaseId, Code, EvidenceTypeId, MessageId, SystemId};
use saphan_schemas::keys::SigningKey;
use saphan_schemas::message_types::{
    Answer, ApplicationDecided, ApplicationWithdrawn, Approval, BilingualText, CaseReminder, CaseSubmitted, Decision,
    EvidenceDeclined, EvidenceProvided, EvidenceRequested, EvidenceReused, InformationRequested, InformationSupplied,
    Item, NotProvided, Office, Subject,
};
use tokio::sync::watch;

use super::{AUTHORITY, CIVIL_REGISTRY, CaseWorld, LAND_REGISTER, PORTAL, Weather, now};

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
    /// What applicants were asked for, for no register gave it.
    pub asked: BTreeMap<(CaseId, Code), usize>,
    /// Cases that the authority was told are withdrawn.
    pub withdrawn: BTreeMap<CaseId, usize>,
    /// Cases that the authority did not take when they came first.
    pub rejected: BTreeSet<CaseId>,
    /// Messages that the portal was told are over, with their cases.
    pub over: BTreeMap<(CaseId, MessageId), usize>,
}

impl CaseWorld {
    /// Connects everybody.
    ///
    /// # Errors
    /// A connector does not start.
    pub async fn agencies(&self) -> anyhow::Result<Agencies> {
        let weather = self.weather;
        let seen = Arc::new(watch::Sender::new(Seen::default()));
        let mut others = Vec::new();
        for provider in [CIVIL_REGISTRY, LAND_REGISTER] {
            let seen = Arc::clone(&seen);
            let builder = self.connector(provider)?.handle(move |message: Message<EvidenceRequested>| {
                let answer = note_request(&seen, &message).and_then(|()| match register(weather, message.body()) {
                    Register::Has => provide(&message),
                    Register::HasNone => decline(&message),
                    Register::IsSilent => Ok(Handled::Done),
                });
                async move { answer }
            });
            let builder = builder.handle(|_: Message<EvidenceReused>| async { Ok(Handled::Done) });
            others.push(builder.build().await?);
        }
        let [told, withdrawn, decided, asked, over] = [(); 5].map(|()| Arc::clone(&seen));
        let authority = self.connector(AUTHORITY)?.handle(move |message: Message<CaseSubmitted>| {
            let answer = if weather == Weather::Foul && is_rejected(&told, &message) {
                "system-in-maintenance".parse().map(Handled::Reject).map_err(Into::into)
            } else {
                decide(&told, &message)
            };
            async move { answer }
        });
        let authority = authority.handle(move |message: Message<ApplicationWithdrawn>| {
            let case = message.case();
            withdrawn
                .send_modify(|seen| case.into_iter().for_each(|case| *seen.withdrawn.entry(case).or_default() += 1));
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
        let portal = portal.handle(move |message: Message<CaseReminder>| {
            let of = message.case().zip(message.envelope().reply_to);
            over.send_modify(|seen| of.into_iter().for_each(|of| *seen.over.entry(of).or_default() += 1));
            async { Ok(Handled::Done) }
        });
        Ok(Agencies { portal: Arc::new(portal.build().await?), others, seen })
    }

    fn connector(&self, system: &str) -> anyhow::Result<ConnectorBuilder> {
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
            anyhow::ensure!(connector.shutdown(STOPS_WITHIN).await?.finished, "something is left to do");
        }
        Ok(())
    }
}

/// What a register makes of a request.
enum Register {
    Has,
    HasNone,
    IsSilent,
}

/// The same whenever it is asked.
fn register(weather: Weather, request: &EvidenceRequested) -> Register {
    let Subject::Citizen { national_id } = &request.subject else { return Register::Has };
    if weather == Weather::Fair || request.evidence_type.as_str() != LAND_TITLE {
        return Register::Has;
    }
    match national_id.as_str().bytes().map(u32::from).sum::<u32>() % 12 {
        0 | 3 | 6 | 9 => Register::HasNone,
        1 => Register::IsSilent,
        _ => Register::Has,
    }
}

/// Whether the authority's system does not take this case now.
fn is_rejected(seen: &watch::Sender<Seen>, message: &Message<CaseSubmitted>) -> bool {
    let Some(case) = message.case() else { return false };
    let mut is_new = false;
    seen.send_if_modified(|seen| {
        let came = seen.complete.len() + seen.rejected.len();
        is_new = came.is_multiple_of(4) && !seen.complete.contains_key(&case) && seen.rejected.insert(case);
        is_new
    });
    is_new
}

fn note_request(seen: &watch::Sender<Seen>, message: &Message<EvidenceRequested>) -> Result<(), HandlerError> {
    let case = message.case().ok_or("a request belongs to a case")?;
    let evidence_type = message.body().evidence_type.clone();
    seen.send_modify(|seen| *seen.requests.entry((case, evidence_type)).or_default() += 1);
    Ok(())
}

fn decline(message: &Message<EvidenceRequested>) -> Result<Handled, HandlerError> {
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
    let case = message.case().ok_or("a question belongs to a case")?;
    let items = &message.body().items;
    seen.send_modify(|seen| {
        items.iter().for_each(|item| *seen.asked.entry((case, item.item.clone())).or_default() += 1)
    });
    let none = |item: &Item| Answer::Unavailable { item: item.item.clone(), note: "ไม่มี".to_owned() };
    let body = InformationSupplied { supplied_at: now()?, answers: items.iter().map(none).collect() };
    Ok(Handled::Reply(vec![alike(message, message.reply(&body))]))
}

fn provide(message: &Message<EvidenceRequested>) -> Result<Handled, HandlerError> {
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

/// What needs a consent in foul weather.
pub(super) const LAND_TITLE: &str = "th.dol.land-title";
const IN_FLIGHT: usize = 1024;
/// Long enough for a slow machine; only who does not stop takes as long.
const STOPS_WITHIN: Duration = Duration::from_secs(300);
const IDENTITY: &str = include_str!("../../../schemas/catalogue/examples/th.dopa.identity@1/valid/citizen.json");
const HOUSE: &str =
    include_str!("../../../schemas/catalogue/examples/th.dopa.house-registration@1/valid/house-in-bangkok.json");
const LAND: &str = include_str!("../../../schemas/catalogue/examples/th.dol.land-title@1/valid/one-title.json");
