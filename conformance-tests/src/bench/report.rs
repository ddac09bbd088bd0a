//! What a run found, as a table and as JSON.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::latency::Percentiles;

/// The figures of one run. Rates are messages a second, all parts on the same machine at the same time.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Bytes of a body.
    pub body_bytes: usize,
    /// Bytes of headers and body at the broker.
    pub message_bytes: usize,
    /// The raw broker, before and after the exchange: the mean of both.
    pub raw_per_second: f64,
    /// Acceptance alone: receipts a second, no delivery.
    pub accept_per_second: f64,
    /// The same with one message in a request.
    pub accept_single_per_second: f64,
    /// The whole exchange: sent, receipted, delivered, handled, acknowledged.
    pub exchange_per_second: f64,
    /// The exchange beside the raw broker.
    pub exchange_ratio: f64,
    /// From `send` to the verified receipt, at half of the exchange's rate.
    pub receipt_ms: Percentiles,
    /// From `send` to the handler, at half of the exchange's rate.
    pub end_to_end_ms: Percentiles,
    /// CPU seconds for 1,000 messages of the exchange, by process.
    pub cpu_seconds_per_1000: BTreeMap<String, f64>,
    /// Cases with three pieces of evidence each, from submission to decision, a second.
    pub cases_per_second: f64,
    /// The messages of those cases (nine each) beside the exchange's rate.
    pub case_ratio: f64,
    /// From submission to the complete case at its authority, at half of that rate.
    pub case_complete_ms: Percentiles,
    /// The hub's CPU seconds for 1,000 cases.
    pub case_hub_cpu_seconds_per_1000: f64,
    /// The document's length, in MiB.
    pub document_mb: f64,
    /// A document up to the hub: encrypted, durable, checked, in MiB a second.
    pub document_upload_mb_per_second: f64,
    /// The same document down again, verified by the receiver, in MiB a second.
    pub document_download_mb_per_second: f64,
    /// The same file up to a plain axum server that writes it to a file, in MiB a second.
    pub document_plain_mb_per_second: f64,
    /// How much more memory the hub had at most during both than when idle, in MiB.
    pub document_memory_mb: f64,
    /// The hub's resident memory after the exchange, in MiB.
    pub hub_rss_mb: f64,
    /// The length of the log that was audited after the exchange.
    pub audit_entries: u64,
    /// Entries of it a second, everything checked, on all cores.
    pub audit_entries_per_second: f64,
    /// ES256 verifications a second on all cores, and nothing else.
    pub es256_verifications_per_second: f64,
    /// The audit beside the verifications.
    pub audit_ratio: f64,
    /// Bytes that the hub keeps for each message besides its body.
    pub evidence_bytes: f64,
    /// Messages of each measurement.
    pub messages: BTreeMap<String, usize>,
    /// What it ran on.
    pub machine: Machine,
}

/// What a run ran on.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// Processors that may be used.
    pub cores: usize,
    /// The processor's name.
    pub processor: String,
    /// The broker's version.
    pub rabbitmq: String,
    /// Milliseconds of one 4 KiB append with `fdatasync`, the median of 50.
    pub fdatasync_ms: f64,
    /// Microseconds of one ES256 signature on one core.
    pub es256_sign_us: f64,
    /// Microseconds of one ES256 verification on one core; an exchange takes two, and two signatures.
    pub es256_verify_us: f64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = &self.machine;
        writeln!(
            f,
            "{} cores of {}, RabbitMQ {}, fdatasync {:.2} ms, ES256 sign {:.0} µs and verify {:.0} µs; \
             bodies {} bytes, {} at the broker",
            machine.cores,
            machine.processor,
            machine.rabbitmq,
            machine.fdatasync_ms,
            machine.es256_sign_us,
            machine.es256_verify_us,
            self.body_bytes,
            self.message_bytes
        )?;
        let mut row = |name: &str, value: String| writeln!(f, "{name:<34} {value:>28}");
        row("raw broker, publish + consume", format!("{:.0} /s", self.raw_per_second))?;
        row("acceptance alone", format!("{:.0} /s", self.accept_per_second))?;
        row("  with one message in a request", format!("{:.0} /s", self.accept_single_per_second))?;
        row("whole exchange", format!("{:.0} /s", self.exchange_per_second))?;
        row("whole exchange / raw broker", format!("{:.2}", self.exchange_ratio))?;
        row("receipt, p50 / p99", pair(self.receipt_ms))?;
        row("end to end, p50 / p99", pair(self.end_to_end_ms))?;
        for (process, seconds) in &self.cpu_seconds_per_1000 {
            row(&format!("CPU for 1,000 messages, {process}"), format!("{seconds:.3} s"))?;
        }
        row("cases with three pieces of evidence", format!("{:.0} /s", self.cases_per_second))?;
        row("  their messages / whole exchange", format!("{:.2}", self.case_ratio))?;
        row("  complete after, p50 / p99", pair(self.case_complete_ms))?;
        row("  CPU for 1,000 cases, hub", format!("{:.3} s", self.case_hub_cpu_seconds_per_1000))?;
        row("document", format!("{:.0} MiB", self.document_mb))?;
        let [up, down, plain] = [
            self.document_upload_mb_per_second,
            self.document_download_mb_per_second,
            self.document_plain_mb_per_second,
        ];
        row("  up / down / up to plain axum", format!("{up:.0} / {down:.0} / {plain:.0} MiB/s"))?;
        row("  hub memory above idle", format!("{:.0} MiB", self.document_memory_mb))?;
        row("hub memory", format!("{:.0} MiB", self.hub_rss_mb))?;
        row(&format!("audit of {} entries", self.audit_entries), format!("{:.0} /s", self.audit_entries_per_second))?;
        row("  raw ES256 on all cores", format!("{:.0} /s", self.es256_verifications_per_second))?;
        row("  audit / raw ES256", format!("{:.2}", self.audit_ratio))?;
        row("evidence kept a message", format!("{:.0} bytes", self.evidence_bytes))
    }
}

fn pair(percentiles: Percentiles) -> String {
    format!("{:.1} / {:.1} ms", percentiles.p50, percentiles.p99)
}
