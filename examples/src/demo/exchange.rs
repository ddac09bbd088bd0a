//! The running parts, and waiting for the work to be done.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use saphan_connector::{Connector, ConnectorBuilder, HubAddress, Receive};
use saphan_schemas::ids::SystemId;
use saphan_schemas::registry::TransportKind;
use saphan_schemas::trust::Trust;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::audit::Overseer;
use super::bars::Bars;
use super::traffic::{OwnCounts, Traffic};
use crate::agencies::Records;
use crate::applications::Plan;
use crate::cast;
use crate::joining::{Joined, join_by_invitation};
use crate::local::hub::{HubOptions, HubProcess, HubProgram};
use crate::local::rabbitmq::RabbitNode;
use crate::local::ruled_broker::RuledBroker;
use crate::portal::{self, Outcome, Portal};
use crate::procedures::{self, Measured, Procedures};
use crate::registry;
use crate::web::{self, Settings};

/// A hub with all systems connected. Dropping it kills what it started.
pub(super) struct Exchange {
    // Declared in the order in which they must go.
    portal: Portal,
    agencies: Vec<Connector>,
    hub: HubProcess,
    /// The witness of its log.
    pub(super) overseer: Overseer,
    broker: Option<RabbitNode>,
    folder: TempDir,
    receive: Receive,
    /// What the portal's system needs to be connected again.
    portal_system: Joined,
    /// What receivers kept.
    pub(super) records: Records,
    /// The hub's keys, as the portal learned them when it joined.
    pub(super) trust: Trust,
    /// When each system was invited.
    invited: HashMap<SystemId, Instant>,
    /// How long each system took from then on to its first receipt.
    receipted: Mutex<HashMap<SystemId, Duration>>,
    /// What the hub's own system has done.
    own: OwnCounts,
}

/// What the once-only procedures took.
pub(super) struct OnceOnly {
    /// Each of the first procedures.
    pub(super) first: Vec<Measured>,
    /// The one of somebody who comes back.
    pub(super) again: Measured,
    /// To carry out all of them.
    pub(super) took: Duration,
}

/// How far the work is, by what the systems themselves know; of the hub's own system, by what the log shows.
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
    /// Starts the hub and the systems that exchange applications by themselves.
    pub(super) async fn start(plan: &Plan, procedures: &Procedures, rabbitmq: bool) -> anyhow::Result<Self> {
        let planned = if rabbitmq { Some(RuledBroker::plan().context("cannot find free ports")?) } else { None };
        let transport = if rabbitmq { TransportKind::Amqp } else { TransportKind::Pull };
        // Members, systems, services and agreements; no key: the systems join.
        let file = registry::of_the_examples(transport, |_| None)?;
        let mut options = HubOptions::new(HubProgram::this_program()?, file.to_toml()?);
        options.tls = true;
        options.settings = planned.as_ref().map(RuledBroker::settings).unwrap_or_default();
        options.settings.push(("SAPHAN_HUB__CASES__SYSTEM", registry::ONCE_ONLY.to_owned()));
        let mut overseer = Overseer::prepare().await?;
        options.settings.push(("SAPHAN_HUB__WITNESSES__POLICY", overseer.policy_file().display().to_string()));
        let hub = HubProcess::start(options).await?;
        let broker = match &planned {
            Some(planned) => Some(planned.start(&hub).await?),
            None => None,
        };
        let mut joined = join(&hub, &registry::SYSTEMS).await?;
        let folder = tempfile::Builder::new().prefix("saphan-demo-").tempdir().context("cannot make a folder")?;
        let receive = broker.as_ref().map_or(Receive::Pull, |node| Receive::Amqp { uri: node.uri().to_owned() });
        let (records, builder) = (Records::new(), builders(&joined, &folder, &receive));
        let agencies = connect(cast::agencies(&builder, &records, plan, procedures)?).await?;
        let portal = Portal::open(builder(portal::SYSTEM)?, &records).await?;
        drop(builder);
        let invited = joined.values().map(|joined| (joined.system.clone(), joined.invited)).collect();
        let portal_system = joined.remove(portal::SYSTEM).context("the portal joined")?;
        let trust = portal_system.trust.clone();
        overseer.watch(&trust.log)?;
        let (receipted, own) = (Mutex::default(), OwnCounts::default());
        Ok(Self {
            portal,
            agencies,
            hub,
            overseer,
            broker,
            folder,
            receive,
            portal_system,
            records,
            trust,
            invited,
            receipted,
            own,
        })
    }

    /// Lets those join that take part in the hub's once-only cases only, and connects them.
    pub(super) async fn join_once_only(&mut self, procedures: &Procedures) -> anyhow::Result<()> {
        let joined = join(&self.hub, &registry::ONCE_ONLY_SYSTEMS).await?;
        let builder = builders(&joined, &self.folder, &self.receive);
        self.agencies.extend(connect(cast::once_only(builder, &self.records, procedures)?).await?);
        self.invited.extend(joined.into_values().map(|joined| (joined.system, joined.invited)));
        Ok(())
    }

    /// How many systems joined by invitation.
    pub(super) fn joined(&self) -> usize {
        self.invited.len()
    }

    /// Submits everything and waits until all of it is done; answers how long that took.
    pub(super) async fn carry_out(&self, plan: &Plan, bars: &Bars) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let submissions = stream::iter(&plan.applications)
            .map(|application| self.portal.submit(application))
            .buffer_unordered(SUBMISSIONS_AT_ONCE)
            .try_collect::<Vec<_>>();
        let work = async { submissions.await.context("an application was not submitted").map(|_| ()) };
        let watch = self.watch(plan, bars, began + PATIENCE + PATIENCE_PER_MESSAGE * u32::try_from(plan.messages())?);
        tokio::try_join!(work, watch)?;
        self.no_effect_twice()?;
        Ok(began.elapsed())
    }

    /// Carries out the once-only procedures, one after the other, and waits until all that they caused is done.
    pub(super) async fn carry_out_once_only(&mut self, procedures: &Procedures) -> anyhow::Result<OnceOnly> {
        let began = Instant::now();
        let work = async {
            let mut first = Vec::new();
            for application in &procedures.first {
                first.push(procedures::carry_out(&self.portal, application).await?);
            }
            anyhow::Ok((first, procedures::carry_out(&self.portal, &procedures.again).await?))
        };
        let (first, again) = tokio::select! {
            done = work => done.context("a once-only procedure failed")?,
            trouble = self.until_trouble(began + PATIENCE) => return Err(trouble),
        };
        let mut traffic = Traffic::new(self)?;
        self.own = self.until_settled(&mut traffic, began + PATIENCE).await?;
        self.no_effect_twice()?;
        Ok(OnceOnly { first, again, took: began.elapsed() })
    }

    /// From a system's invitation to its first receipt: the slowest.
    pub(super) fn first_receipt(&self) -> anyhow::Result<Duration> {
        self.note_first_receipts();
        let receipted = self.receipted.lock().unwrap_or_else(PoisonError::into_inner);
        receipted.values().max().copied().context("no system has a receipt")
    }

    fn no_effect_twice(&self) -> anyhow::Result<()> {
        ensure!(self.records.doubled() == 0, "{} messages had their effect twice", self.records.doubled());
        Ok(())
    }

    fn no_refusal(&self, now: &Standing) -> anyhow::Result<()> {
        if now.refused + now.rejected_messages > 0 {
            bail!(
                "the hub refused {} messages and receivers rejected {}; the end of the hub's log:\n{}",
                now.refused,
                now.rejected_messages,
                self.hub.log_tail()
            );
        }
        Ok(())
    }

    /// How far the work is.
    pub(super) fn standing(&self) -> Standing {
        let counts: Vec<_> = self.agencies.iter().chain([self.portal.connector()]).map(Connector::counts).collect();
        let outcome = |outcome| self.portal.count(outcome) as u64;
        Standing {
            accepted: counts.iter().map(|count| count.accepted).sum::<u64>() + self.own.sent,
            refused: counts.iter().map(|count| count.refused).sum(),
            delivered: *self.records.count().borrow() as u64 + self.own.taken,
            acknowledged: counts.iter().map(|count| count.acknowledged).sum::<u64>() + self.own.taken,
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

    /// Lets the page take the place of the portal, whose work is done; serves it until `stop` is there, and stops everything.
    pub(super) async fn show_page(
        self,
        listener: TcpListener,
        settings: Settings,
        stop: impl Future<Output = ()> + Send,
    ) -> anyhow::Result<()> {
        let Self { portal, agencies, mut hub, overseer, broker, folder, receive, portal_system, .. } = self;
        portal.into_connector().shutdown(STOPS_WITHIN).await?;
        let data = folder.path().join(portal::SYSTEM.replace('/', "__"));
        let page = web::Portal::open(portal_system.connector(data).receive(receive), settings).await?;
        page.serve(listener, stop).await?;
        page.shutdown(STOPS_WITHIN).await?;
        for connector in agencies {
            connector.shutdown(STOPS_WITHIN).await?;
        }
        hub.stop().await?;
        overseer.stop().await?;
        if let Some(broker) = broker {
            broker.stop().await?;
        }
        Ok(())
    }

    /// Stops everything in good order.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        let mut left = 0;
        for connector in self.agencies.into_iter().chain([self.portal.into_connector()]) {
            let drained = connector.shutdown(STOPS_WITHIN).await?;
            left += drained.outbox + drained.inbox;
        }
        self.hub.stop().await?;
        self.overseer.stop().await?;
        if let Some(broker) = self.broker {
            broker.stop().await?;
        }
        ensure!(left == 0, "{left} messages were left in outboxes and inboxes at the end");
        Ok(())
    }

    fn note_first_receipts(&self) {
        let mut receipted = self.receipted.lock().unwrap_or_else(PoisonError::into_inner);
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

    /// Ends when something went wrong with the once-only procedures.
    async fn until_trouble(&self, deadline: Instant) -> anyhow::Error {
        let mut ticks = interval(LOOK_AGAIN);
        loop {
            ticks.tick().await;
            self.note_first_receipts();
            if let Err(error) = self.no_refusal(&self.standing()) {
                return error;
            }
            if Instant::now() > deadline {
                return anyhow!("a procedure did not end in time; the end of the hub's log:\n{}", self.hub.log_tail());
            }
        }
    }

    /// Waits until every message in the log is delivered and acknowledged, those of the hub's own system too; answers what that did.
    async fn until_settled(&self, traffic: &mut Traffic, deadline: Instant) -> anyhow::Result<OwnCounts> {
        let mut ticks = interval(LOOK_AGAIN);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.note_first_receipts();
            traffic.follow().await?;
            let (now, own, messages) = (self.standing(), traffic.own(), traffic.messages());
            self.no_refusal(&now)?;
            let all = [now.accepted + own.sent, now.delivered + own.taken, now.acknowledged + own.taken];
            if traffic.is_settled() && all.iter().all(|count| *count >= messages) {
                return Ok(own);
            }
            ensure!(
                Instant::now() <= deadline,
                "not done in time: of {messages} messages {all:?} are accepted, delivered and acknowledged; the end of \
                 the hub's log:\n{}",
                self.hub.log_tail()
            );
        }
    }

    /// Waits until every message is delivered and acknowledged and every application has ended. The connectors offer no
    /// event for acknowledgements, so their counts are read at intervals.
    async fn watch(&self, plan: &Plan, bars: &Bars, deadline: Instant) -> anyhow::Result<()> {
        let expected = plan.messages() as u64;
        let mut ticks = interval(LOOK_AGAIN);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.note_first_receipts();
            let now = self.standing();
            bars.show(&now);
            self.no_refusal(&now)?;
            ensure!(now.delivered <= expected, "{} messages were delivered, only {expected} expected", now.delivered);
            let ended = now.decided() + now.withdrawn == plan.applications.len() as u64;
            if ended && now.delivered == expected && now.acknowledged >= expected {
                return Ok(());
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
        write!(f, "\n  {}, the hub's own system", registry::ONCE_ONLY)?;
        for system in registry::SYSTEMS {
            write!(f, "\n  {system}")?;
        }
        Ok(())
    }
}

async fn join(hub: &HubProcess, systems: &[&'static str]) -> anyhow::Result<HashMap<&'static str, Joined>> {
    let mut joined = HashMap::new();
    for system in systems {
        joined.insert(*system, join_by_invitation(hub, &system.parse()?).await?);
    }
    Ok(joined)
}

/// Makes the connectors of those who joined.
fn builders(
    joined: &HashMap<&'static str, Joined>,
    folder: &TempDir,
    receive: &Receive,
) -> impl Fn(&str) -> anyhow::Result<ConnectorBuilder> {
    |system| {
        let joined = joined.get(system).context("each system joined")?;
        Ok(joined.connector(folder.path().join(system.replace('/', "__"))).receive(receive.clone()))
    }
}

async fn connect(builders: Vec<ConnectorBuilder>) -> anyhow::Result<Vec<Connector>> {
    let mut connectors = Vec::with_capacity(builders.len());
    for builder in builders {
        connectors.push(builder.build().await?);
    }
    Ok(connectors)
}

const SUBMISSIONS_AT_ONCE: usize = 64;
const LOOK_AGAIN: Duration = Duration::from_millis(25);
/// Far more than a loaded machine needs; only a defect takes longer.
const PATIENCE: Duration = Duration::from_secs(180);
const PATIENCE_PER_MESSAGE: Duration = Duration::from_millis(50);
const STOPS_WITHIN: Duration = Duration::from_secs(120);
