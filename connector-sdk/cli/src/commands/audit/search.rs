//! `saphan audit search`: asks a hub, as a system of role `auditor`. The question is an entry of the log, and what the hub answers
//! is believed as far as it is proven.

mod hub;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use saphan_schemas::audit::{Fate, Filter};
use saphan_schemas::facts::EntryKind;
use saphan_schemas::ids::{CaseId, Code, MemberId, MessageType, ServiceId, SystemId};
use saphan_schemas::message_types::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::verify_export::{self, AskedFor};
use crate::config::Config;
use crate::outcome::{Exit, Failure, Outcome};
use hub::AuditedHub;

#[derive(Debug, Args)]
pub(crate) struct SearchArguments {
    #[command(flatten)]
    filter: FilterArguments,

    /// Show at most so many rows, the newest first
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,

    /// Write everything that fits into this file, each row with its proof, and verify it: JSON Lines, or CSV if the name ends in .csv
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,

    /// Which of the hub's logs is exported, by the name of its shard or its origin; the present one without it
    #[arg(long, value_name = "SHARD", requires = "export")]
    log: Option<String>,

    /// The connection to the hub, of a system of role `auditor`
    #[arg(long, value_name = "FILE", default_value = "saphan.toml", env = "SAPHAN_CONFIG")]
    config: PathBuf,
}

/// Which entries.
#[derive(Debug, Args)]
struct FilterArguments {
    /// A member: one of its systems sent, received or signed it
    #[arg(long, value_name = "ID")]
    member: Option<MemberId>,

    /// A system that sent, received or signed it
    #[arg(long, value_name = "ID")]
    system: Option<SystemId>,

    /// The system that sent or signed it
    #[arg(long, value_name = "SYSTEM")]
    from: Option<SystemId>,

    /// The receiving system of a message
    #[arg(long, value_name = "SYSTEM")]
    to: Option<SystemId>,

    /// The type of a message, such as application.submitted
    #[arg(long = "type", value_name = "TYPE")]
    message_type: Option<MessageType>,

    /// The public service of a message
    #[arg(long, value_name = "ID")]
    service: Option<ServiceId>,

    /// The case of a message
    #[arg(long, value_name = "ID")]
    case: Option<CaseId>,

    /// The kind of entry: message, refusal, acknowledgement, registry, erasure, shard, query
    #[arg(long, value_name = "KIND")]
    kind: Option<EntryKind>,

    /// What became of a message
    #[arg(long, value_name = "OUTCOME", value_parser = PossibleValuesParser::new(["processed", "rejected", "unacknowledged"]).map(|text| fate(&text)))]
    outcome: Option<Fate>,

    /// The problem code of a refusal or of a rejected message, or the legal basis of an erasure
    #[arg(long, value_name = "CODE")]
    code: Option<Code>,

    /// Logged at this time or later, such as 2026-11-24T09:30:00+07:00
    #[arg(long, value_name = "TIME", value_parser = milliseconds)]
    since: Option<u64>,

    /// Logged before this time
    #[arg(long, value_name = "TIME", value_parser = milliseconds)]
    until: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Page {
    query: u64,
    indexed: u64,
    rows: Vec<Value>,
    next: Option<u64>,
}

pub(crate) async fn run(arguments: SearchArguments) -> Result<Outcome, Failure> {
    let SearchArguments { filter, limit, export, log, config } = arguments;
    let config = Config::read(&config)?;
    let filter = Filter::from(filter);
    match export {
        Some(file) => exported(config, &filter, log, &file).await,
        None => found(&AuditedHub::new(config)?, &filter, limit as usize).await,
    }
}

async fn found(hub: &AuditedHub, filter: &Filter, limit: usize) -> Result<Outcome, Failure> {
    let (mut rows, mut queries) = (Vec::new(), Vec::new());
    let mut before: Option<u64> = None;
    let (indexed, next) = loop {
        let wanted = (limit - rows.len()).min(PAGE);
        let mut body = json!({ "filter": filter, "limit": wanted });
        if let Some(before) = before {
            body["before"] = before.into();
        }
        let page: Page = hub.ask("/v1/audit/search", &body).await?;
        queries.push(page.query);
        rows.extend(page.rows);
        before = page.next;
        if before.is_none() || rows.len() >= limit {
            break (page.indexed, page.next);
        }
    };
    let mut text: String = rows.iter().map(line).collect();
    if rows.is_empty() {
        text.push_str("Nothing fits.\n");
    }
    if next.is_some() {
        text.push_str("There is more; --limit shows more rows, --export takes all of them.\n");
    }
    text.push_str(&format!(
        "\n{} entries were searched. The question is entry {} of the log. This is the hub's word; --export brings proofs.\n",
        indexed,
        queries.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    ));
    let json = json!({ "rows": rows, "queries": queries, "indexed": indexed, "next": next });
    Ok(Outcome { exit: Exit::Done, text, json })
}

async fn exported(config: Config, filter: &Filter, log: Option<String>, file: &Path) -> Result<Outcome, Failure> {
    let trust = config.trust().clone();
    let log = log.map(|log| if log.contains('/') { log } else { format!("{}/log/{log}", trust.hub) });
    let accept = match file.extension().and_then(OsStr::to_str) {
        Some(ending) if ending.eq_ignore_ascii_case("csv") => "text/csv",
        _ => "application/jsonl",
    };
    let mut body = json!({ "filter": filter });
    if let Some(log) = &log {
        body["log"] = json!(log);
    }
    AuditedHub::new(config)?.save("/v1/audit/export", &body, accept, file).await?;
    let asked = AskedFor { filter, log: log.as_deref() };
    verify_export::verify(file, &trust.log, &trust.more_logs, Some(&asked))
}

impl From<FilterArguments> for Filter {
    fn from(arguments: FilterArguments) -> Self {
        let FilterArguments {
            member,
            system,
            from,
            to,
            message_type,
            service,
            case,
            kind,
            outcome,
            code,
            since,
            until,
        } = arguments;
        Self { member, system, from, to, message_type, service, case, kind, outcome, code, since, until }
    }
}

/// One of the words that the parser lets through.
fn fate(text: &str) -> Fate {
    Fate::ALL.into_iter().find(|fate| fate.as_str() == text).unwrap_or(Fate::Unacknowledged)
}

/// A row in one line.
fn line(row: &Value) -> String {
    let text = |member: &str| row[member].as_str().unwrap_or("");
    let time = row["at"].as_u64().and_then(|at| Timestamp::from_unix_seconds(at / 1000).ok());
    let time = time.map(|time| time.to_string()).unwrap_or_default();
    let parties = match (text("from"), text("to")) {
        (from, "") => from.to_owned(),
        (from, to) => format!("{from} -> {to}"),
    };
    let words = [text("kind"), &parties, text("type"), text("outcome"), text("code"), text("id")];
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let log = row["log"].as_str().map(|log| format!("  {log}")).unwrap_or_default();
    let line = format!("{:>10}{log}  {time}  {}", row["index"], words.join("  "));
    // Whatever the hub sends, it moves no cursor.
    let plain: String = line.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect();
    plain + "\n"
}

fn milliseconds(text: &str) -> Result<u64, String> {
    let time: Timestamp = text.parse().map_err(|error| format!("not a time: {error}"))?;
    Ok(time.unix_ms())
}

/// Rows that the hub gives at once at most.
const PAGE: usize = 500;
