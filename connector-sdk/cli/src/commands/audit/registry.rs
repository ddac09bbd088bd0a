//! `saphan audit registry`.

use std::collections::BTreeMap;

use clap::Args;
use saphan_schemas::ids::SystemId;
use saphan_schemas::message_types::Timestamp;
use saphan_schemas::registry::{Agreement, RegistryState};
use serde_json::{Value, json};

use crate::commands::keys::now;
use crate::commands::log::{LogArguments, no_or_unknown};
use crate::log_check::{self, LogReport, Moment, RegistryAt};
use crate::outcome::{Exit, Failure, Outcome};
use crate::progress::Bar;

#[derive(Debug, Args)]
pub(crate) struct RegistryArguments {
    #[command(flatten)]
    log: LogArguments,

    /// The moment: after the entry at this place, or a time such as 2026-11-24T09:30:00+07:00. Without it, now
    #[arg(long, value_name = "INDEX|TIME", value_parser = moment)]
    at: Option<Moment>,
}

/// Who could send what to whom.
struct Rights {
    /// Each system with the ids of its usable keys.
    systems: BTreeMap<SystemId, Vec<String>>,
    /// In force, and the sender has a key to use it with.
    agreements: Vec<Agreement>,
    /// In force, but the sender has no key.
    idle: Vec<Agreement>,
}

pub(crate) async fn run(arguments: RegistryArguments) -> Result<Outcome, Failure> {
    let RegistryArguments { log, at } = arguments;
    let opened = log.open().await?;
    let bar = Bar::new();
    let moment = at.unwrap_or(Moment::End);
    let checked = log_check::registry_at(&*opened.source, &opened.vkey, &bar, moment).await;
    drop(bar);
    let outcome = match checked {
        Ok((report, Some(mut found))) => {
            if at.is_none() {
                found.time = now() * 1000;
            }
            told(&report, &found)
        }
        Ok((report, None)) => return Err(not_there(&report)),
        Err(error) => no_or_unknown(&error, &opened.name)?,
    };
    Ok(opened.tell(outcome))
}

fn told(report: &LogReport, found: &RegistryAt) -> Outcome {
    let rights = Rights::new(&found.registry, found.time / 1000);
    let time = Timestamp::from_unix_seconds(found.time / 1000).map(|time| time.to_string()).unwrap_or_default();
    let mut text = format!("{}: everything holds\n\nafter {} entries, at {time}\n", report.origin, found.entries);
    text.push_str("\nsystems that could sign\n");
    for (system, keys) in &rights.systems {
        text.push_str(&format!("  {system}  {}\n", if keys.is_empty() { "no key".to_owned() } else { keys.join(" ") }));
    }
    text.push_str("\nwho could send what to whom\n");
    for agreement in &rights.agreements {
        text.push_str(&line(agreement));
    }
    if !rights.idle.is_empty() {
        text.push_str("\nagreed, but the sender had no key\n");
        rights.idle.iter().for_each(|agreement| text.push_str(&line(agreement)));
    }
    let json = json!({
        "verified": true,
        "log": report,
        "entries": found.entries,
        "time": time,
        "systems": rights.systems.iter().map(|(system, keys)| json!({ "system": system, "keys": keys })).collect::<Vec<Value>>(),
        "agreements": rights.agreements,
        "without_key": rights.idle,
    });
    Outcome { exit: Exit::Done, text, json }
}

impl Rights {
    /// At a time in seconds since 1970.
    fn new(registry: &RegistryState, now: u64) -> Self {
        let keys = |system: &SystemId| {
            let usable = registry.keys_of(system).into_iter().filter(|record| record.usable_at(now).is_ok());
            usable.map(|record| record.key.jwk.id().to_string()).collect::<Vec<_>>()
        };
        let systems: BTreeMap<_, _> = registry.systems().map(|system| (system.id.clone(), keys(&system.id))).collect();
        let in_force = registry.agreements().filter(|record| record.is_in_force(now));
        let can_sign = |agreement: &Agreement| systems.get(&agreement.sender).is_some_and(|keys| !keys.is_empty());
        let (agreements, idle) = in_force.map(|record| record.agreement.clone()).partition(can_sign);
        Self { systems, agreements, idle }
    }
}

fn line(agreement: &Agreement) -> String {
    let list = |of: Vec<String>| of.join(", ");
    let mut line = format!(
        "  {} -> {}  {}\n    {} ({})",
        agreement.sender,
        agreement.receiver,
        list(agreement.types.iter().map(ToString::to_string).collect()),
        agreement.id,
        agreement.legal_basis,
    );
    if !agreement.services.is_empty() {
        line.push_str(&format!("; services {}", list(agreement.services.iter().map(ToString::to_string).collect())));
    }
    if !agreement.purposes.is_empty() {
        line.push_str(&format!("; purposes {}", list(agreement.purposes.iter().map(ToString::to_string).collect())));
    }
    if agreement.consent {
        line.push_str("; with the person's consent");
    }
    line + "\n"
}

fn not_there(report: &LogReport) -> Failure {
    let what = format!("{} has {} entries, and none at that moment", report.origin, report.size);
    Failure::caller(what, "Give the place of an entry, counted from 0, or a time at or after the first entry's.")
}

fn moment(text: &str) -> Result<Moment, String> {
    if let Ok(index) = text.parse() {
        return Ok(Moment::Index(index));
    }
    let time: Timestamp = text.parse().map_err(|error| format!("neither a place of the log nor a time: {error}"))?;
    if time.unix_ms() / 1000 > now() {
        return Err("that time is still to come".to_owned());
    }
    Ok(Moment::Time(time.unix_ms()))
}
