//! The running parts, and waiting for the work to be done.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use saphan_connector::{Connector, ConnectorBuilder, HubAddress, Receive};
use saphan_schemas::ids::SystemId;
use saphan_schemas::registry::TransportKind;
use saphan_schemas::trust::Trust;
use tempfile::TempDir;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::bars::Bars;
use crate::agencies::{Records, civil_registration, civil_registry, licences, requests, welfare};
use crate::applications::Plan;
use crate::joining::join_by_invitation;
use crate::local::hub::{HubOptions, HubProcess, HubProgram};
use crate::local::rabbitmq::RabbitNode;
use crate::local::ruled_broker::RuledBroker;
use crate::portal::{self, Outcome, Portal};
use crate::registry;

/// A hub with all systems connected. Dropping it kills what it started.
pub(super) struct Exchange {
    // Declared in the order in which they must go.
    portal: Portal,
    agencies: Vec<Connector>,
    hub: HubProcess,
    broker: Option<RabbitNode>,
    _folder: TempDir,
    /// What receivers kept.
    pub(super) records: Records,
    /// The hub's keys, as the portal learned them when it joined.
    pub(super) trust: Trust,
    /// When each system was invited.
    invited: HashMap<SystemId, Instant>,
}

/// What it took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Took {
    /// To carry out everything.
    pub(super) all: Duration,
    /// From a system's invitation to its first receipt: the slowest.
    pub(super) first_receipt: Duration,
}

/// How far the work is, by what the systems themselves know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) accepted: u64,
    pub(super) refused: u64,
    pub(super) delivered: u64,
    pub(super) acknowledged: u64,
    pub(super) rejected_messages: u64,
    pub(super) approved: u64,
    pub(super) rejected: u64,
    pub(super) withdrawn: u64,
}

impl Standing {
    pub(super) const fn decided(&self) -> u64 {
        self.approved + self.rejected
    }
}

impl Exchange {
    pub(super) async fn start(plan: &Plan, rabbitmq: bool) -> anyhow::Result<Self> {
        let planned = if rabbitmq { Some(RuledBroker::plan().context("cannot find free ports")?) } else { None };
        let transport = if rabbitmq { TransportKind::Amqp } else { TransportKind::Pull };
        // Members, systems, services and agreements; no key: the systems join.
        let file = registry::of_the_examples(transport, |_| None)?;
        let mut options = HubOptions::new(HubProgram::this_program()?, file.to_toml()?);
        options.tls = true;
        options.settings = planned.as_ref().map(RuledBroker::settings).unwrap_or_default();
        let hub = HubProcess::start(options).await?;
        let broker = match &planned {
            Some(planned) => Some(planned.start(&hub).await?),
            None => None,
        };
        let mut joined = HashMap::new();
        for system in registry::SYSTEMS {
            joined.insert(system, join_by_invitation(&hub, &system.parse()?).await?);
        }
        let folder = tempfile::Builder::new().prefix("saphan-demo-").tempdir().context("cannot make a folder")?;
        let receive = broker.as_ref().map_or(Receive::Pull, |node| Receive::Amqp { uri: node.uri().to_owned() });
        let builder = |system: &str| -> anyhow::Result<ConnectorBuilder> {
            let joined = joined.get(system).context("each system joined")?;
            Ok(joined.connector(folder.path().join(system.replace('/', "__"))).receive(receive.clone()))
        };
        let records = Records::new();
        let companies = plan.companies.iter().cloned();
        let agencies = [
            civil_registry::CivilRegistry::open(
                builder(civil_registry::SYSTEM)?,
                &records,
                plan.citizens.iter().cloned(),
            ),
            welfare::ChildGrants::open(builder(welfare::MANDATE.system)?, &records)?,
            requests::Certificates::open(builder(requests::MANDATE.system)?, &records, companies)?,
            civil_registration::NameChanges::open(builder(civil_registration::MANDATE.system)?, &records)?,
            licences::DrivingLicences::open(builder(licences::MANDATE.system)?, &records)?,
        ];
        let mut connectors = Vec::with_capacity(agencies.len());
        for agency in agencies {
            connectors.push(agency.build().await?);
        }
        let portal = Portal::open(builder(portal::SYSTEM)?, &records).await?;
        let trust = joined.get(portal::SYSTEM).context("the portal joined")?.trust.clone();
        let invited = joined.into_values().map(|joined| (joined.system, joined.invited)).collect();
        Ok(Self { portal, agencies: connectors, hub, broker, _folder: folder, records, trust, invited })
    }

    /// How many systems joined by invitation.
    pub(super) fn joined(&self) -> usize {
        self.invited.len()
    }

    /// Submits everything and waits until all of it is done; answers how long that took.
    pub(super) async fn carry_out(&self, plan: &Plan, bars: &Bars) -> anyhow::Result<Took> {
        let began = Instant::now();
        let submissions = stream::iter(&plan.applications)
            .map(|application| self.portal.submit(application))
            .buffer_unordered(SUBMISSIONS_AT_ONCE)
            .try_collect::<Vec<_>>();
        let work = async { submissions.await.context("an application was not submitted").map(|_| ()) };
        let watch = self.watch(plan, bars, began + PATIENCE + PATIENCE_PER_MESSAGE * u32::try_from(plan.messages())?);
        let ((), first_receipt) = tokio::try_join!(work, watch)?;
        ensure!(self.records.doubled() == 0, "{} messages had their effect twice", self.records.doubled());
        Ok(Took { all: began.elapsed(), first_receipt })
    }

    /// How far the work is.
    pub(super) fn standing(&self) -> Standing {
        let counts: Vec<_> = self.agencies.iter().chain([self.portal.connector()]).map(Connector::counts).collect();
        let outcome = |outcome| self.portal.count(outcome) as u64;
        Standing {
            accepted: counts.iter().map(|count| count.accepted).sum(),
            refused: counts.iter().map(|count| count.refused).sum(),
            delivered: *self.records.count().borrow() as u64,
            acknowledged: counts.iter().map(|count| count.acknowledged).sum(),
            rejected_messages: counts.iter().map(|count| count.rejected).sum(),
            approved: outcome(Outcome::Approved),
            rejected: outcome(Outcome::Rejected),
            withdrawn: outcome(Outcome::Withdrawn),
        }
    }

    /// The hub's address.
    pub(super) fn url(&self) -> &str {
        self.hub.url()
    }

    /// The hub's address, and the CA to believe it by.
    pub(super) fn address(&self) -> HubAddress {
        self.hub.address()
    }

    /// Whether every connection to the hub is HTTPS, and the hub believed by its CA alone.
    pub(super) fn tls(&self) -> bool {
        self.url().starts_with("https://") && self.hub.ca().is_some()
    }

    /// Where everything is, for `--keep`.
    pub(super) fn addresses(&self) -> String {
        let url = self.url();
        let mut text = format!(
            "  hub         {url}\n  log         {url}/v1/log/checkpoint\n  log key     {url}/v1/log/vkey\n  \
             services    {url}/v1/services\n  metrics     {url}/metrics\n  API         {url}/openapi.json\n  \
             hub's log   {}\n",
            self.hub.log_file().display()
        );
        if let Some(broker) = &self.broker {
            text.push_str(&format!("  broker      {}\n", broker.uri()));
        }
        let ca = self.hub.certificates().join("ca.pem");
        let ca = ca.display();
        text.push_str(&format!("  CA          {ca}\n"));
        text.push_str(&format!("  check it    cargo run --quiet -p saphan-cli -- log check {url} --ca {ca}"));
        text
    }

    /// Stops everything in good order.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        let mut left = 0;
        for connector in self.agencies.into_iter().chain([self.portal.into_connector()]) {
            let drained = connector.shutdown(STOPS_WITHIN).await?;
            left += drained.outbox + drained.inbox;
        }
        self.hub.stop().await?;
        if let Some(broker) = self.broker {
            broker.stop().await?;
        }
        ensure!(left == 0, "{left} messages were left in outboxes and inboxes at the end");
        Ok(())
    }

    fn note_first_receipts(&self, receipted: &mut HashMap<SystemId, Duration>) {
        for connector in self.agencies.iter().chain([self.portal.connector()]) {
            let system = connector.system();
            if connector.counts().accepted > 0
                && !receipted.contains_key(system)
                && let Some(invited) = self.invited.get(system)
            {
                receipted.insert(system.clone(), invited.elapsed());
            }
        }
    }

    /// Waits until every message is delivered and acknowledged and every application has ended. The connectors offer no
    /// event for acknowledgements, so their counts are read at intervals. Answers the slowest system's time from its invitation
    /// to its first receipt.
    async fn watch(&self, plan: &Plan, bars: &Bars, deadline: Instant) -> anyhow::Result<Duration> {
        let expected = plan.messages() as u64;
        let mut receipted = HashMap::new();
        let mut ticks = interval(LOOK_AGAIN);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.note_first_receipts(&mut receipted);
            let now = self.standing();
            bars.show(&now);
            if now.refused + now.rejected_messages > 0 {
                bail!(
                    "the hub refused {} messages and receivers rejected {}; the end of the hub's log:\n{}",
                    now.refused,
                    now.rejected_messages,
                    self.hub.log_tail()
                );
            }
            ensure!(now.delivered <= expected, "{} messages were delivered, only {expected} expected", now.delivered);
            let ended = now.decided() + now.withdrawn == plan.applications.len() as u64;
            if ended && now.delivered == expected && now.acknowledged >= expected {
                return receipted.into_values().max().context("no system has a receipt");
            }
            if Instant::now() > deadline {
                bail!(
                    "not done in time: {} of {expected} messages delivered, {} acknowledged, {} of {} applications \
                     ended; the end of the hub's log:\n{}",
                    now.delivered,
                    now.acknowledged,
                    now.decided() + now.withdrawn,
                    plan.applications.len(),
                    self.hub.log_tail()
                );
            }
        }
    }
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pid = self.hub.pid().unwrap_or_default();
        write!(f, "  hub {} at {} (process {pid})", self.trust.hub, self.url())?;
        if let Some(broker) = &self.broker {
            write!(f, "\n  RabbitMQ {} at port {}", broker.version(), broker.port())?;
        }
        for system in registry::SYSTEMS {
            write!(f, "\n  {system}")?;
        }
        Ok(())
    }
}

const SUBMISSIONS_AT_ONCE: usize = 64;
const LOOK_AGAIN: Duration = Duration::from_millis(25);
/// Far more than a loaded machine needs; only a defect takes longer.
const PATIENCE: Duration = Duration::from_secs(180);
const PATIENCE_PER_MESSAGE: Duration = Duration::from_millis(50);
const STOPS_WITHIN: Duration = Duration::from_secs(30);
