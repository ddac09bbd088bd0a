//! A verdict as text for people and as an object for machines.

use saphan_schemas::succession::AbandonedLog;
use serde_json::{Value, json};

use super::words::Words;
use crate::commands::audit::language::{Language, table};
use crate::log_audit::Audit;
use crate::log_audit::finding::Finding;
use crate::log_check::LogReport;
use crate::outcome::{Exit, Outcome};
use crate::timestamps::{EarlierTimestamps, Gap, NewestTimestamp, TimestampReport, moment};

/// What an audit of the log called `name` found.
pub(super) fn outcome(audit: &Audit, name: &str, language: Language) -> Outcome {
    let words = language.words();
    let (exit, text) = match &audit.verdict {
        Ok(report) => (Exit::Done, holds(report, audit, words)),
        Err(finding) => (Exit::No, does_not_hold(finding, audit, name, language)),
    };
    Outcome { exit, text, json: object(audit) }
}

fn holds(report: &LogReport, audit: &Audit, words: &Words) -> String {
    let leaves = &report.leaves;
    let (processed, rejected) = (leaves.processed, leaves.rejected);
    let acknowledgements =
        format!("{} ({processed} {}, {rejected} {})", leaves.acknowledgements, words.processed, words.rejected);
    let mut lines = vec![
        (words.entries, report.size.to_string()),
        (words.trusted, before(audit, words)),
        (words.checked, audit.entries.to_string()),
        (words.messages, leaves.messages.to_string()),
        (words.acknowledgements, acknowledgements),
        (words.refusals, leaves.refusals.to_string()),
        (words.registry, leaves.registry.to_string()),
        (words.erasures, leaves.erasures.to_string()),
        (words.queries, leaves.queries.to_string()),
        (words.root, report.root.to_string()),
    ];
    let lost =
        |one: &AbandonedLog| (words.abandoned, format!("{}: {} / {} {}", one.log, one.kept, one.last, words.entries));
    lines.extend(report.abandoned.iter().map(lost));
    if let Some(found) = &audit.timestamps {
        for EarlierTimestamps { log, report } in &found.earlier {
            lines.push((words.log, log.clone()));
            lines.extend(timestamps(report, words));
        }
        lines.extend((!found.earlier.is_empty()).then(|| (words.log, report.origin.clone())));
        lines.extend(timestamps(found, words));
    }
    format!("{}: {}\n\n{}", report.origin, words.holds, table(&lines))
}

fn timestamps(found: &TimestampReport, words: &Words) -> Vec<(&'static str, String)> {
    let mut lines = vec![(words.timestamps, format!("{} ({} {})", found.held, words.checked, found.checked))];
    if let Some(NewestTimestamp { size, time, authority }) = &found.newest {
        lines.push((words.existed_by, format!("{}: {size} {} ({authority})", moment(*time), words.entries)));
    }
    for Gap { from, until, entry, entries } in &found.gaps {
        let [from, until] = [from, until].map(|time| time.map_or_else(|| "…".to_owned(), moment));
        lines.push((words.gap, format!("{from} – {until}: {entries} {}, {} {entry}", words.entries, words.from_entry)));
    }
    lines
}

fn does_not_hold(finding: &Finding, audit: &Audit, name: &str, language: Language) -> String {
    let words = language.words();
    let class = finding.class();
    let mut lines = vec![(words.verdict, format!("{} ({})", class.name(), language.class(class)))];
    lines.extend(finding.entry().map(|entry| (words.entry, entry.to_string())));
    lines.extend(finding.file().map(|file| (words.file, file)));
    lines.push((words.reason, finding.to_string()));
    lines.extend(finding.evidence().map(|folder| (words.evidence, folder.display().to_string())));
    lines.push((words.trusted, before(audit, words)));
    format!("{name}: {}\n\n{}\n{}\n", words.does_not_hold, table(&lines), words.advice)
}

fn before(audit: &Audit, words: &Words) -> String {
    let since = audit.since.as_ref();
    since.map_or_else(|| words.nothing.to_owned(), |since| format!("{} {}", since.size, words.entries))
}

fn object(audit: &Audit) -> Value {
    let (verdict, log) = match &audit.verdict {
        Ok(report) => (json!({ "holds": true }), json!(report)),
        Err(finding) => {
            let verdict = json!({
                "holds": false,
                "class": finding.class(),
                "entry": finding.entry(),
                "file": finding.file(),
                "reason": finding.to_string(),
                "evidence": finding.evidence(),
            });
            let shown = audit.shown.as_ref();
            (
                verdict,
                json!(shown.map(|shown| json!({ "origin": shown.origin, "size": shown.size, "root": shown.root }))),
            )
        }
    };
    let since = audit.since.as_ref().map(|since| json!({ "size": since.size, "root": since.root }));
    json!({ "verdict": verdict, "log": log, "since": since, "entries_checked": audit.entries, "timestamps": audit.timestamps })
}
