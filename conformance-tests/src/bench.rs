//! The benchmark of the exchange: the raw broker, acceptance alone, and the whole exchange, in one run on one machine; and, in
//! [`log`], that of long logs.

mod accept;
mod audit;
mod cases;
mod documents;
mod evidence;
mod exchange;
mod latency;
pub mod log;
mod machine;
mod raw;
mod report;

pub use latency::Percentiles;
pub use raw::Sample;
pub use report::{Machine, Report};

use std::collections::BTreeMap;

use saphan_examples::local::hub::HubProgram;
use saphan_examples::local::rabbitmq::RabbitNode;
use tempfile::TempDir;

use crate::case_world::{CaseWorld, Weather};
use crate::world::World;
use machine::memory_mb;

/// How much to measure.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Messages through the raw broker, twice.
    pub raw: usize,
    /// Messages to accept.
    pub accept: usize,
    /// Messages to exchange as fast as they go.
    pub exchange: usize,
    /// Messages to exchange at half of that rate, for latencies.
    pub paced: usize,
    /// Cases to bring to their decision.
    pub cases: usize,
    /// The length of the document, in MiB.
    pub document_mib: usize,
}

/// Measures everything; `say` is told what is being done.
///
/// # Errors
/// When a part fails or a message is lost.
pub async fn run(load: Load, say: impl Fn(&str)) -> anyhow::Result<Report> {
    say("starting a private RabbitMQ node");
    let broker = RabbitNode::start().await?;
    let folder = TempDir::new()?;
    let machine = machine::look(folder.path(), broker.version())?;

    say("acceptance alone");
    let mut world = World::start_unlimited(HubProgram::this_program()?, None).await?;
    let accepted = accept::measure(&world, load.accept).await?;
    world.stop().await?;

    say("the raw broker");
    let sample = &accepted.sample;
    let before = raw::measure(broker.uri(), sample, load.raw).await?;
    say(&format!("so far: {:.0} accepted a second, {before:.0} a second through the raw broker", accepted.per_second));

    say("a document");
    let mut world = World::start_unlimited(HubProgram::this_program()?, None).await?;
    let document = documents::measure(&world, load.document_mib).await?;
    world.stop().await?;

    say("the whole exchange");
    let mut world = World::start_unlimited(HubProgram::this_program()?, Some(broker.uri().to_owned())).await?;
    let exchanged = exchange::measure(&world, &broker, load.exchange, load.paced).await?;
    let hub_rss_mb = world.hub.rss_bytes()? as f64 / f64::from(1 << 20);
    say("an audit of its log");
    let audited = audit::measure(&world).await?;
    world.stop().await?;
    say(&format!("so far: {:.0} exchanged a second", exchanged.per_second));
    let evidence_bytes = evidence::bytes_per_message(&world.store_file()).await?;

    say("cases");
    let mut world = CaseWorld::start(HubProgram::this_program()?, Some(broker.uri().to_owned()), Weather::Fair).await?;
    let cases = cases::measure(&world, load.cases).await?;
    world.stop().await?;
    say(&format!("so far: {:.0} cases a second", cases.per_second));

    say("the raw broker again");
    let after = raw::measure(broker.uri(), sample, load.raw).await?;
    broker.stop().await?;
    let raw_per_second = f64::midpoint(before, after);
    Ok(Report {
        body_bytes: sample.body.len(),
        message_bytes: sample.bytes(),
        raw_per_second,
        accept_per_second: accepted.per_second,
        accept_single_per_second: accepted.single_per_second,
        exchange_per_second: exchanged.per_second,
        exchange_ratio: exchanged.per_second / raw_per_second,
        receipt_ms: exchanged.receipt,
        end_to_end_ms: exchanged.end_to_end,
        cpu_seconds_per_1000: exchanged.cpu_seconds_per_1000,
        cases_per_second: cases.per_second,
        case_ratio: cases.per_second * MESSAGES_OF_A_CASE / exchanged.per_second,
        case_complete_ms: cases.complete,
        case_hub_cpu_seconds_per_1000: cases.hub_cpu_seconds_per_1000,
        document_mb: document.bytes as f64 / f64::from(1 << 20),
        document_upload_mb_per_second: document.upload,
        document_download_mb_per_second: document.download,
        document_plain_mb_per_second: document.plain,
        document_memory_mb: document.memory_mb,
        hub_rss_mb,
        audit_entries: audited.entries,
        audit_entries_per_second: audited.per_second,
        es256_verifications_per_second: audited.verifications_per_second,
        audit_ratio: audited.per_second / audited.verifications_per_second,
        evidence_bytes,
        messages: BTreeMap::from([
            ("raw".to_owned(), load.raw),
            ("accept".to_owned(), load.accept),
            ("exchange".to_owned(), load.exchange),
            ("paced".to_owned(), load.paced),
            ("cases".to_owned(), load.cases),
        ]),
        machine,
    })
}

/// The application, three requests and three answers, the complete case, the decision.
const MESSAGES_OF_A_CASE: f64 = 9.0;
