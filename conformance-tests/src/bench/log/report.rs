//! What a run found, as a table and as JSON.

use std::fmt;

use serde::Serialize;

use crate::bench::Machine;

/// The figures of one run.
#[derive(Debug, Clone, Serialize)]
pub struct LogFigures {
    /// Audits, by the length of the log.
    pub audits: Vec<AuditFigures>,
    /// Hubs, by the length of their logs.
    pub hubs: Vec<HubFigures>,
    /// What it ran on.
    pub machine: Machine,
}

/// `saphan audit log` of a log in a folder, by a process of its own.
#[derive(Debug, Clone, Serialize)]
pub struct AuditFigures {
    /// The length of the log.
    pub entries: u64,
    /// Signatures that were verified.
    pub signatures: u64,
    /// From the start of the process to its end.
    pub seconds: f64,
    /// Entries a second.
    pub per_second: f64,
    /// ES256 verifications a second on all cores, and nothing else; before and after the audit, the mean of both.
    pub es256_verifications_per_second: f64,
    /// The audit beside the verifications.
    pub ratio: f64,
    /// The most memory that the process had, in MiB.
    pub memory_mb: f64,
    /// The auditor's state folder, in MiB.
    pub state_mb: f64,
    /// What was checked when the log had grown by a thousand entries.
    pub resumed_entries: u64,
    /// How long that took, from the start of the process to its end.
    pub resumed_seconds: f64,
}

/// A hub on a log of some length.
#[derive(Debug, Clone, Serialize)]
pub struct HubFigures {
    /// The length of the log before messages were accepted.
    pub entries: u64,
    /// The store's file, in MiB.
    pub store_mb: f64,
    /// From the start of the process until it serves, after it was killed; the median.
    pub start_seconds: f64,
    /// Messages a second, in batches.
    pub accept_per_second: f64,
    /// The hub's CPU seconds for 1,000 of them.
    pub cpu_seconds_per_1000: f64,
    /// Resident memory after that, in MiB.
    pub memory_mb: f64,
    /// The most it was since the start, in MiB.
    pub peak_memory_mb: f64,
    /// Bytes that the hub keeps for each message besides its body.
    pub evidence_bytes: f64,
}

impl LogFigures {
    /// What one more message costs with the longest log, beside the shortest: in time, and in the hub's CPU.
    #[must_use]
    pub fn cost_growth(&self) -> Option<(f64, f64)> {
        let (shortest, longest) = (self.hubs.first()?, self.hubs.last()?);
        let time = shortest.accept_per_second / longest.accept_per_second;
        Some((time, longest.cpu_seconds_per_1000 / shortest.cpu_seconds_per_1000))
    }
}

impl fmt::Display for LogFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = &self.machine;
        writeln!(
            f,
            "{} cores of {}, fdatasync {:.2} ms, ES256 sign {:.0} µs and verify {:.0} µs on one core",
            machine.cores, machine.processor, machine.fdatasync_ms, machine.es256_sign_us, machine.es256_verify_us
        )?;
        let mut row = |name: &str, value: String| writeln!(f, "{name:<34} {value:>28}");
        for audit in &self.audits {
            row(&format!("audit of {} entries", audit.entries), format!("{:.0} /s", audit.per_second))?;
            row("  raw ES256 on all cores", format!("{:.0} /s", audit.es256_verifications_per_second))?;
            row("  audit / raw ES256", format!("{:.2}", audit.ratio))?;
            row("  most memory", format!("{:.0} MiB", audit.memory_mb))?;
            row("  state folder", format!("{:.0} MiB", audit.state_mb))?;
            row(&format!("  {} entries more", audit.resumed_entries), format!("{:.2} s", audit.resumed_seconds))?;
        }
        for hub in &self.hubs {
            row(&format!("hub with {} entries", hub.entries), format!("{:.0} MiB", hub.store_mb))?;
            row("  start-up", format!("{:.2} s", hub.start_seconds))?;
            row("  acceptance", format!("{:.0} /s", hub.accept_per_second))?;
            row("  CPU for 1,000 messages", format!("{:.3} s", hub.cpu_seconds_per_1000))?;
            row("  memory, and the most", format!("{:.0} / {:.0} MiB", hub.memory_mb, hub.peak_memory_mb))?;
            row("  evidence kept a message", format!("{:.0} bytes", hub.evidence_bytes))?;
        }
        if let Some((time, cpu)) = self.cost_growth() {
            row("one more message, longest/shortest", format!("{time:.2} in time, {cpu:.2} in CPU"))?;
        }
        Ok(())
    }
}
