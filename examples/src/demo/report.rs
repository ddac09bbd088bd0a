//! What the demo prints.

use std::time::Duration;

use saphan_cli::log_check::{COSIGNED_PATH, LogReport};
use saphan_cli::message_check::MessageReport;
use serde::Serialize;

use super::audit::Audited;
use super::exchange::{Exchange, OnceOnly};
use super::options::Options;
use crate::procedures::Measured;

/// The result in numbers: what `--json` prints.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// `pull` or `amqp`.
    transport: &'static str,
    /// Every connection to the hub was HTTPS, and the hub believed by its CA alone.
    tls: bool,
    /// Systems that joined by invitation.
    joined: usize,
    /// From a system's invitation to its first receipt: the slowest.
    seconds_to_first_receipt: f64,
    /// Submitted.
    applications: usize,
    /// Messages with a receipt.
    messages_accepted: u64,
    /// Messages without.
    messages_refused: u64,
    /// Messages that reached their handler.
    delivered: u64,
    /// Messages whose signed acknowledgement the hub has.
    acknowledged: u64,
    /// Applications with a decision.
    decided: u64,
    /// Applications that were withdrawn before.
    withdrawn: u64,
    /// Entries of the log.
    log_size: u64,
    /// The log was fetched over HTTP, and everything in it holds.
    log_verified: bool,
    /// From the first submission to the last acknowledgement, without the time in which more systems joined.
    seconds: f64,
    /// What the once-only procedures took.
    procedures: Vec<Measured>,
    /// Evidence that was fetched when one of their applicants came back.
    second_application_fetched: usize,
    /// What an auditor found who saw nothing of it before.
    audit: Audited,
    #[serde(skip)]
    approved: u64,
    #[serde(skip)]
    again: Measured,
}

impl Report {
    /// `log` exists only when all of the log was fetched and holds.
    pub(super) fn new(
        options: &Options,
        exchange: &Exchange,
        log: &LogReport,
        (exchanged, once_only): (Duration, OnceOnly),
        audit: Audited,
    ) -> anyhow::Result<Self> {
        let (standing, OnceOnly { first, again, took }) = (exchange.standing(), once_only);
        Ok(Self {
            transport: if options.rabbitmq { "amqp" } else { "pull" },
            tls: exchange.tls(),
            joined: exchange.joined(),
            seconds_to_first_receipt: in_milliseconds(exchange.first_receipt()?),
            applications: options.applications,
            messages_accepted: standing.accepted,
            messages_refused: standing.refused,
            delivered: standing.delivered,
            acknowledged: standing.acknowledged,
            decided: standing.decided(),
            withdrawn: standing.withdrawn,
            log_size: log.size,
            log_verified: true,
            seconds: in_milliseconds(exchanged + took),
            procedures: first,
            second_application_fetched: again.evidence_fetched,
            audit,
            approved: standing.approved,
            again,
        })
    }
}

/// Seconds with three decimals.
fn in_milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

pub(super) fn print(report: &Report, log: &LogReport, shown: &MessageReport, options: &Options) {
    println!(
        "\n{} systems joined by invitation over HTTPS; the slowest had its first receipt {} s after it was invited",
        report.joined, report.seconds_to_first_receipt
    );
    println!(
        "{} applications: {} approved, {} rejected, {} withdrawn",
        report.applications,
        report.approved,
        report.decided - report.approved,
        report.withdrawn
    );
    print_procedures(report);
    println!(
        "{} messages in {} s: {} refused, {} delivered, {} acknowledged, no effect twice",
        report.messages_accepted, report.seconds, report.messages_refused, report.delivered, report.acknowledged
    );
    println!(
        "log {} fetched over {} and checked: {} entries, {} signatures, every tile and the root derived again\n  root {}",
        log.origin,
        if report.tls { "HTTPS" } else { "HTTP" },
        log.size,
        log.signatures,
        log.root
    );
    let Audited { entries, cosignatures, bundle_bytes, .. } = &report.audit;
    println!(
        "audited by somebody who saw nothing of it before: all {entries} entries hold, cosigned by {cosignatures} witness"
    );
    print_message(shown);
    println!("  and proven, with nothing but the log's key, from one file of {bundle_bytes} bytes");
    println!("\nWhere to look");
    match &options.export {
        Some(folder) => {
            let folder = folder.display();
            println!("  exported to {folder}: messages/, keys/, log/; check it without the hub:");
            println!("    cargo run --quiet -p saphan-cli -- verify {folder}/messages/*.saphan.json --trust {folder}");
            println!("    cargo run --quiet -p saphan-cli -- log check {folder}/log --vkey {folder}/log/vkey");
            println!("  and audit it as somebody would who trusts the log's key and a witness:");
            println!(
                "    cargo run --quiet -p saphan-cli -- audit log {folder}/log --vkey {folder}/log/vkey --state {folder}/audit"
            );
            println!(
                "    cargo run --quiet -p saphan-cli -- witness check --policy {folder}/policy {folder}/log/{COSIGNED_PATH}"
            );
            println!(
                "    cargo run --quiet -p saphan-cli -- audit bundle {folder}/evidence.json --vkey {folder}/log/vkey --policy {folder}/policy"
            );
        }
        None => {
            println!(
                "  cargo demo -- --export DIR    writes messages, keys and log, and says how to check them offline"
            );
            println!("  cargo demo -- --keep          leaves everything running and prints the addresses");
        }
    }
    println!("  examples/src/agencies         what an agency writes to take part");
}

fn print_procedures(report: &Report) {
    println!("\nOnce only: what applicants hand in when the hub collects the evidence");
    println!(
        "  service                        papers before  now  fetched  reused  offices saved  seconds to decision"
    );
    let line = |service: &str, measured: &Measured| {
        let Measured { papers_before, papers_now, evidence_fetched, evidence_reused, offices_saved, .. } = measured;
        println!(
            "  {service:30} {papers_before:13} {papers_now:4} {evidence_fetched:8} {evidence_reused:7} {offices_saved:14} {:20.3}",
            measured.seconds_to_decision
        );
    };
    report.procedures.iter().for_each(|measured| line(&measured.service, measured));
    println!("  the first applicant comes back");
    line(&report.again.service, &report.again);
    println!();
}

fn print_message(shown: &MessageReport) {
    if let Some(message) = &shown.message {
        println!("\nOne message, verified without trusting the hub\n  {} {}", message.message_type, message.id);
        println!("  from {} to {}", message.sender, message.recipient);
        for (name, value) in [("service", &message.service), ("case", &message.case)] {
            if let Some(value) = value {
                println!("  {name} {value}");
            }
        }
    }
    for check in &shown.checks {
        println!("  {:6} {:11} {}", check.verdict.word(), check.part.name(), check.says);
    }
}
