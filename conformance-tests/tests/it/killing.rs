//! Hub, broker and connector killed with `kill -9` under load: nothing with a receipt is lost, no effect happens twice, and
//! the log stays one history.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use saphan_conformance::programs;
use saphan_conformance::world::{World, bodies};
use saphan_connector::{Connector, Message, Receive};
use saphan_examples::local::hub::HubProgram;
use saphan_examples::local::process_group::ProcessGroup;
use saphan_examples::local::rabbitmq::RabbitNode;
use saphan_schemas::ids::MessageId;
use saphan_schemas::receipt::ReceiptClaims;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use crate::admin::{everything_is_settled, noting};
use crate::observer::Observer;
use crate::patience::{LIMIT, all_handled, in_time, never_handled, reaches};

/// A sender that never pauses, and a receiver that counts.
pub(crate) struct Load {
    receipts: watch::Receiver<Vec<ReceiptClaims>>,
    handled: Arc<watch::Sender<Vec<MessageId>>>,
    stop: Arc<AtomicBool>,
    senders: JoinSet<()>,
    sender: Arc<Connector>,
    receiver: Connector,
}

impl Load {
    pub(crate) async fn start(world: &World, receive: Receive) -> Self {
        let (first, most) = RETRIES;
        let receiver = world.connector(&world.receiver().unwrap()).unwrap().retry_delays(first, most).receive(receive);
        let (receiver, handled) = noting(receiver, Message::id).await;
        let sender =
            world.connector(&world.sender().unwrap()).unwrap().retry_delays(first, most).build().await.unwrap();
        let sender = Arc::new(sender);
        let receipts = Arc::new(watch::Sender::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let mut senders = JoinSet::new();
        for _ in 0..SENDERS {
            let (sender, receipts, stop) = (Arc::clone(&sender), Arc::clone(&receipts), Arc::clone(&stop));
            let messages: Vec<_> = bodies(16).unwrap().into_iter().map(|body| world.message(body).unwrap()).collect();
            senders.spawn(async move {
                for message in messages.iter().cycle() {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let accepted = sender.send(message.clone().id(MessageId::new())).await.unwrap();
                    receipts.send_modify(|receipts| receipts.push(accepted.receipt().clone()));
                }
            });
        }
        Self { receipts: receipts.subscribe(), handled, stop, senders, sender, receiver }
    }

    /// Waits until so many more messages have a receipt.
    pub(crate) async fn more(&mut self, count: usize) {
        let wanted = self.receipts.borrow().len() + count;
        let more = async { drop(self.receipts.wait_for(|receipts| receipts.len() >= wanted).await.unwrap()) };
        in_time(more, || "messages get no receipts".to_owned()).await;
    }

    /// Goes on for so long from the next receipt: there is work again, and a kill can come at any point of it, not only when a
    /// commit has just given receipts.
    pub(crate) async fn go_on(&mut self, moment: Duration) {
        self.more(1).await;
        let _ = timeout(moment, self.receipts.wait_for(|_| false)).await;
    }

    /// Stops sending, waits until all that has a receipt was handled and acknowledged, and returns the receipts.
    pub(crate) async fn finish(self) -> Vec<ReceiptClaims> {
        self.stop.store(true, Ordering::Relaxed);
        in_time(self.senders.join_all(), || "the last messages get no receipts".to_owned()).await;
        let receipts = self.receipts.borrow().clone();
        let sent: BTreeSet<_> = receipts.iter().map(|receipt| receipt.jti).collect();
        all_handled(&self.handled, &sent).await;
        assert!(self.receiver.shutdown(LIMIT).await.unwrap().finished);
        Arc::into_inner(self.sender).unwrap().shutdown(LIMIT).await.unwrap();
        let handled = self.handled.borrow().clone();
        let once: BTreeSet<_> = handled.iter().copied().collect();
        assert_eq!(once.len(), handled.len(), "an effect happened twice");
        assert_eq!(sent.difference(&once).next(), None, "a message with a receipt was lost");
        assert_eq!(sent.len(), receipts.len());
        receipts
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_killed_twenty_times_loses_nothing_and_does_nothing_twice() {
    let program = HubProgram::saphan_hub(programs::saphan_hub().unwrap());
    let mut world = World::start(program, None).await.unwrap();
    let mut load = Load::start(&world, Receive::Pull).await;
    let mut observer = Observer::default();
    for moment in moments(LONGEST_RUN).take(20) {
        load.go_on(moment).await;
        world.hub.kill().await.unwrap();
        world.hub.restart().await.unwrap();
        observer.check_log(&world).await;
    }
    let receipts = load.finish().await;
    receipts.iter().for_each(|receipt| observer.receipt(receipt));
    let report = observer.check_log(&world).await;
    let places: BTreeSet<_> = receipts.iter().map(|receipt| receipt.index).collect();
    assert_eq!(places.len(), receipts.len(), "each receipt has a place of its own");
    observer.no_checkpoint_was_ever_contradicted(&world, report.size).await;
    world.stop().await.unwrap();
    everything_is_settled(&world, receipts.len()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_under_load_delays_messages_and_loses_none() {
    let mut broker = RabbitNode::start().await.unwrap();
    let program = HubProgram::saphan_hub(programs::saphan_hub().unwrap());
    let mut world = World::start(program, Some(broker.uri().to_owned())).await.unwrap();
    let mut load = Load::start(&world, Receive::Amqp { uri: broker.uri().to_owned() }).await;
    for moment in moments(LONGEST_RUN).take(2) {
        load.more(100).await;
        load.go_on(moment).await;
        broker.kill().await.unwrap();
        // The hub goes on accepting while the broker is down.
        load.more(150).await;
        broker.restart().await.unwrap();
        load.more(50).await;
    }
    let receipts = load.finish().await;
    let mut observer = Observer::default();
    receipts.iter().for_each(|receipt| observer.receipt(receipt));
    let report = observer.check_log(&world).await;
    observer.no_checkpoint_was_ever_contradicted(&world, report.size).await;
    world.stop().await.unwrap();
    everything_is_settled(&world, receipts.len()).await;
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_killed_while_it_publishes_to_the_broker_loses_nothing_and_does_nothing_twice() {
    let broker = RabbitNode::start().await.unwrap();
    let program = HubProgram::saphan_hub(programs::saphan_hub().unwrap());
    let mut world = World::start(program, Some(broker.uri().to_owned())).await.unwrap();
    let mut load = Load::start(&world, Receive::Amqp { uri: broker.uri().to_owned() }).await;
    for moment in moments(LONGEST_RUN).take(7) {
        load.go_on(moment).await;
        world.hub.kill().await.unwrap();
        world.hub.restart().await.unwrap();
    }
    let receipts = load.finish().await;
    let mut observer = Observer::default();
    receipts.iter().for_each(|receipt| observer.receipt(receipt));
    observer.check_log(&world).await;
    world.stop().await.unwrap();
    everything_is_settled(&world, receipts.len()).await;
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_that_is_killed_while_it_handles_messages_has_each_effect_once() {
    let program = HubProgram::saphan_hub(programs::saphan_hub().unwrap());
    let mut world = World::start(program, None).await.unwrap();
    let sender = world.connector(&world.sender().unwrap()).unwrap().build().await.unwrap();
    let mut sent = BTreeSet::new();
    for body in bodies(MESSAGES).unwrap() {
        sent.insert(sender.send(world.message(body).unwrap()).await.unwrap().id());
    }
    let effects = world.folder.path().join("effects.sqlite");
    let mut handled = BTreeSet::new();
    for moment in moments(LONGEST_RUN) {
        let mut agency = Agency::start(&world, &effects);
        let missing = || never_handled(&sent, handled.iter().copied());
        let first = in_time(agency.next(), missing).await;
        handled.insert(first);
        // Killed at any point of its work: in a claim, in an effect, between an effect and its acknowledgement.
        let end = Instant::now() + moment;
        while handled.len() < sent.len()
            && let Ok(next) = timeout_at(end, agency.next()).await
        {
            handled.insert(next);
        }
        handled.extend(agency.kill().await);
        if handled.len() == sent.len() {
            break;
        }
    }
    let agency = Agency::start(&world, &effects);
    until_all_are_acknowledged(&world, sent.len() as u64).await;
    agency.kill().await;
    let mut database = SqliteConnectOptions::new().filename(&effects).connect().await.unwrap();
    let effects: Vec<String> = sqlx::query_scalar("SELECT message FROM effect").fetch_all(&mut database).await.unwrap();
    let once: BTreeSet<MessageId> = effects.iter().map(|message| message.parse().unwrap()).collect();
    assert_eq!(effects.len(), once.len(), "an effect happened twice");
    assert_eq!(once, sent);
    world.stop().await.unwrap();
}

/// For how long work goes on before each kill, up to `longest`: anew in every run, and the same again with the seed that a
/// failed test shows in `SAPHAN_TEST_SEED`.
pub(crate) fn moments(longest: Duration) -> impl Iterator<Item = Duration> {
    let longest = u64::try_from(longest.as_micros()).unwrap();
    let given = std::env::var("SAPHAN_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into();
    let seed: u64 = given.unwrap_or_else(clock);
    println!("SAPHAN_TEST_SEED={seed}");
    // Knuth's multiplier and increment; the upper bits are the random ones.
    let step =
        |state: &u64| Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
    std::iter::successors(Some(seed), step).skip(1).map(move |state| Duration::from_micros((state >> 33) % longest))
}

/// The agency as a process of its own, and the lines that it prints.
struct Agency {
    process: ProcessGroup,
    lines: mpsc::UnboundedReceiver<String>,
}

impl Agency {
    fn start(world: &World, effects: &Path) -> Self {
        let system = world.receiver().unwrap();
        let key = world.folder.path().join("agency.pem");
        std::fs::write(&key, world.pem(&system).unwrap()).unwrap();
        let folder = world.folder.path();
        let arguments = [
            ("--system", system.to_string()),
            ("--hub", world.hub.url().to_owned()),
            ("--key", key.display().to_string()),
            ("--data-dir", folder.join("agency").display().to_string()),
            ("--effects", effects.display().to_string()),
        ];
        let arguments: Vec<String> = arguments.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect();
        let program = Path::new(env!("CARGO_BIN_EXE_counting-agency"));
        let errors = folder.join("agency.log");
        let (process, output) = ProcessGroup::spawn_talking(program, &arguments, &[], &errors).unwrap();
        let (line, lines) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).for_each(|text| drop(line.send(text)));
        });
        Self { process, lines }
    }

    async fn next(&mut self) -> MessageId {
        self.lines.recv().await.expect("the agency runs").parse().unwrap()
    }

    /// Kills it; answers what it had printed by then and nobody had read.
    async fn kill(mut self) -> Vec<MessageId> {
        self.process.kill().unwrap();
        let mut unread = Vec::new();
        while let Some(line) = self.lines.recv().await {
            unread.push(line.parse().unwrap());
        }
        unread
    }
}

/// Looks at the log until it holds so many acknowledgements.
async fn until_all_are_acknowledged(world: &World, messages: u64) {
    let mut observer = Observer::default();
    reaches("acknowledgements", messages, async || observer.check_log(world).await.leaves.processed).await;
}

const SENDERS: usize = 8;
const RETRIES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));
pub(crate) const LONGEST_RUN: Duration = Duration::from_millis(400);
const MESSAGES: usize = 300;
