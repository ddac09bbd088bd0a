//! The whole exchange: an SDK sender, the hub as its own process, RabbitMQ, an SDK receiver; every message signed, checked,
//! receipted, delivered, verified, handled and acknowledged.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use saphan_connector::{Connector, Handled, Message, Receive};
use saphan_examples::local::rabbitmq::RabbitNode;
use saphan_schemas::ids::MessageId;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::latency::Percentiles;
use crate::world::{World, bodies};

/// What was found.
pub(super) struct Exchanged {
    pub(super) per_second: f64,
    pub(super) receipt: Percentiles,
    pub(super) end_to_end: Percentiles,
    pub(super) cpu_seconds_per_1000: BTreeMap<String, f64>,
}

pub(super) async fn measure(
    world: &World,
    broker: &RabbitNode,
    messages: usize,
    paced: usize,
) -> anyhow::Result<Exchanged> {
    let arrivals = Arc::new(Arrivals::default());
    let receiver = receiver(world, broker, Arc::clone(&arrivals)).await?;
    let sender = Arc::new(world.connector(&world.sender()?)?.in_flight(IN_FLIGHT).build().await?);
    let exchange = Exchange { world, sender: &sender, receiver: &receiver, arrivals: &arrivals, bodies: bodies(64)? };

    exchange.at_once(WARM_UP).await?;
    let before = cpu(world, broker)?;
    let started = Instant::now();
    exchange.at_once(messages).await?;
    let per_second = messages as f64 / started.elapsed().as_secs_f64();
    let after = cpu(world, broker)?;
    let thousands = messages as f64 / 1000.0;
    let cpu_seconds_per_1000 =
        after.into_iter().map(|(process, seconds)| (process, (seconds - before[process]) / thousands));

    let (receipt, end_to_end) = exchange.paced(paced, per_second / 2.0).await?;
    let result = Exchanged {
        per_second,
        receipt,
        end_to_end,
        cpu_seconds_per_1000: cpu_seconds_per_1000.map(|(process, seconds)| (process.to_owned(), seconds)).collect(),
    };
    drop(exchange);
    receiver.shutdown(DEADLINE).await?;
    Arc::into_inner(sender).context("the sender is not in use")?.shutdown(DEADLINE).await?;
    Ok(result)
}

/// When each message reached its handler, and how often.
#[derive(Default)]
struct Arrivals {
    at: Mutex<HashMap<MessageId, Instant>>,
    twice: Mutex<usize>,
}

async fn receiver(world: &World, broker: &RabbitNode, arrivals: Arc<Arrivals>) -> anyhow::Result<Connector> {
    let handler = move |message: Message<Value>| {
        let arrivals = Arc::clone(&arrivals);
        async move {
            let mut at = arrivals.at.lock().unwrap_or_else(PoisonError::into_inner);
            if at.insert(message.id(), Instant::now()).is_some() {
                *arrivals.twice.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            }
            Ok(Handled::Done)
        }
    };
    Ok(world
        .connector(&world.receiver()?)?
        .receive(Receive::Amqp { uri: broker.uri().to_owned() })
        .handle_any(handler)
        .build()
        .await?)
}

struct Exchange<'a> {
    world: &'a World,
    sender: &'a Arc<Connector>,
    receiver: &'a Connector,
    arrivals: &'a Arc<Arrivals>,
    bodies: Vec<Vec<u8>>,
}

impl Exchange<'_> {
    /// Sends with a bounded number in flight, and returns when all are acknowledged.
    async fn at_once(&self, messages: usize) -> anyhow::Result<()> {
        let expected = self.receiver.counts().acknowledged + messages as u64;
        let room = Arc::new(Semaphore::new(IN_FLIGHT));
        let mut sends = JoinSet::new();
        for number in 0..messages {
            let permit = Arc::clone(&room).acquire_owned().await?;
            let message = self.world.message(self.bodies[number % self.bodies.len()].clone())?;
            let sender = Arc::clone(self.sender);
            sends.spawn(async move {
                let sent = sender.send(message).await;
                drop(permit);
                sent.map(|_| ())
            });
        }
        while let Some(sent) = sends.join_next().await {
            sent??;
        }
        self.acknowledged(expected).await
    }

    /// Sends at a steady rate, whatever comes back when; returns the latencies.
    async fn paced(&self, messages: usize, per_second: f64) -> anyhow::Result<(Percentiles, Percentiles)> {
        let expected = self.receiver.counts().acknowledged + messages as u64;
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut sends = JoinSet::new();
        let (mut due, mut number) = (0.0, 0);
        while number < messages {
            ticks.tick().await;
            due += per_second * TICK.as_secs_f64();
            while due >= 1.0 && number < messages {
                due -= 1.0;
                let message = self.world.message(self.bodies[number % self.bodies.len()].clone())?;
                let sender = Arc::clone(self.sender);
                let started = Instant::now();
                sends.spawn(async move {
                    sender.send(message).await.map(|accepted| (accepted.id(), started, started.elapsed()))
                });
                number += 1;
            }
        }
        let mut sent = Vec::with_capacity(messages);
        while let Some(one) = sends.join_next().await {
            sent.push(one??);
        }
        self.acknowledged(expected).await?;
        let arrivals = self.arrivals.at.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut receipts, mut ends) = (Vec::new(), Vec::new());
        for (id, started, receipt) in sent {
            receipts.push(receipt);
            ends.push(arrivals.get(&id).context("a message never arrived")?.duration_since(started));
        }
        let none = "no latency was measured";
        Ok((Percentiles::of(receipts).context(none)?, Percentiles::of(ends).context(none)?))
    }

    /// Waits until the hub has as many acknowledgements.
    async fn acknowledged(&self, expected: u64) -> anyhow::Result<()> {
        let all = async {
            let mut look = interval(TICK);
            while self.receiver.counts().acknowledged < expected {
                look.tick().await;
            }
        };
        let done = timeout(DEADLINE, all).await;
        let counts = self.receiver.counts();
        ensure!(done.is_ok(), "messages are missing: {} of {expected} acknowledged", counts.acknowledged);
        let twice = *self.arrivals.twice.lock().unwrap_or_else(PoisonError::into_inner);
        ensure!(twice == 0 && counts.unverified == 0, "{twice} handled twice, {} unverified", counts.unverified);
        Ok(())
    }
}

/// CPU seconds so far, by process.
fn cpu(world: &World, broker: &RabbitNode) -> anyhow::Result<BTreeMap<&'static str, f64>> {
    Ok(BTreeMap::from([
        ("hub", world.hub.cpu_seconds()?),
        ("broker", broker.cpu_seconds()?),
        ("connectors", own_cpu_seconds()?),
    ]))
}

/// User and system time of this process: fields 14 and 15 of `/proc/self/stat`, in hundredths of a second.
fn own_cpu_seconds() -> anyhow::Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').context("/proc/self/stat has another form")?;
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(ticks as f64 / 100.0)
}

const IN_FLIGHT: usize = 1024;
const WARM_UP: usize = 1000;
const TICK: Duration = Duration::from_millis(2);
const DEADLINE: Duration = Duration::from_secs(120);
