//! `saphan audit message`: makes an evidence bundle.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use saphan_schemas::ids::{CaseId, MessageId};
use saphan_schemas::json::parse_typed;
use saphan_schemas::log::SignedCheckpoint;
use saphan_schemas::message::MessageFile;
use saphan_schemas::registry::is_shard_name;

use super::bundle::{Beside, holds};
use super::language::Language;
use crate::commands::log::{LogArguments, OpenedLog, no_or_unknown};
use crate::evidence::{self, EntryName, EvidenceError, LogName, Wanted};
use crate::files::{self, Readers};
use crate::log_check::{self, COSIGNED_PATH};
use crate::outcome::{Failure, Outcome};
use crate::progress::Bar;

#[derive(Debug, Args)]
pub(crate) struct MessageArguments {
    #[command(flatten)]
    log: LogArguments,

    /// A message: its file *.saphan.json, which brings receipt and body; its id; or its index in the log, for an earlier log of the hub
    /// with the name of its shard before it (2026h2:451). May be repeated
    #[arg(long, value_name = "FILE|ID|[SHARD:]INDEX", required_unless_present = "case")]
    message: Vec<String>,

    /// All messages of a case. May be repeated
    #[arg(long, value_name = "ID")]
    case: Vec<CaseId>,

    /// Leave out what messages said: the rest is proven without it
    #[arg(long)]
    without_bodies: bool,

    /// The new file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// The language of the verdict
    #[arg(long, value_enum, default_value = "en")]
    lang: Language,
}

pub(crate) async fn run(arguments: MessageArguments) -> Result<Outcome, Failure> {
    let wanted = wanted(&arguments)?;
    let opened = arguments.log.open().await?;
    let bar = Bar::new();
    let checked = log_check::check(&*opened.source, &opened.vkey, &bar).await;
    drop(bar);
    let report = match checked {
        Ok(report) => report,
        Err(error) => return Ok(opened.tell(no_or_unknown(&error, &opened.name)?)),
    };
    let checkpoint = SignedCheckpoint::parse_and_verify(&report.checkpoint, &opened.vkey);
    let checkpoint = checkpoint.map_err(|error| Failure::hub(error, "Check the log's key."))?;
    let make = async |checkpoint| evidence::make(&*opened.source, checkpoint, &opened.vkey, &wanted).await;
    // One that witnesses cosigned proves more. It may be a second older than the message.
    let made = match cosigned(&opened).await.filter(|cosigned| cosigned.checkpoint().size <= report.size) {
        Some(cosigned) => match make(&cosigned).await {
            Err(EvidenceError::NotThere(_)) => make(&checkpoint).await,
            made => made,
        },
        None => make(&checkpoint).await,
    };
    let (bundle, proven) = made.map_err(|error| failure(&error))?;
    let mut text = serde_json::to_vec(&bundle)
        .map_err(|error| Failure::machine(error, "This is a fault of the program; please report it."))?;
    text.push(b'\n');
    // Bodies are about people.
    files::write_new(&arguments.out, &text, Readers::Owner)?;
    let mut outcome = holds(&arguments.out, &proven, &Beside::default(), arguments.lang);
    outcome.json["bytes"] = text.len().into();
    Ok(opened.tell(outcome))
}

/// The newest checkpoint with cosignatures, where there is one.
async fn cosigned(log: &OpenedLog) -> Option<SignedCheckpoint> {
    let text = String::from_utf8(log.source.fetch(COSIGNED_PATH).await.ok()?).ok()?;
    SignedCheckpoint::parse_and_verify(&text, &log.vkey).ok()
}

fn wanted(arguments: &MessageArguments) -> Result<Wanted, Failure> {
    let cases = arguments.case.clone();
    let mut wanted = Wanted { cases, without_bodies: arguments.without_bodies, ..Wanted::default() };
    for name in &arguments.message {
        if let Some(entry) = entry(name) {
            wanted.entries.push(entry);
        } else if let Ok(id) = MessageId::from_str(name) {
            wanted.ids.push(id);
        } else {
            let path = PathBuf::from(name);
            let bytes = std::fs::read(&path).map_err(|error| Failure::unreadable(&path, &error))?;
            let file: MessageFile = parse_typed(&bytes).map_err(|error| {
                let what = format!("{name} is neither an id, nor a place, nor a message's file: {error}");
                Failure::caller(what, "Give a *.saphan.json as `saphan listen --save` writes it.")
            })?;
            let entry = evidence::name(&file).ok_or_else(|| failure(&EvidenceError::NoReceipt))?;
            wanted.entries.push(entry);
            wanted.files.push(file);
        }
    }
    Ok(wanted)
}

/// An index, or one in the log of a shard.
fn entry(text: &str) -> Option<EntryName> {
    let (log, index) = match text.split_once(':') {
        Some((shard, index)) if is_shard_name(shard) => (LogName::Shard(shard.to_owned()), index),
        Some(_) => return None,
        None => (LogName::Given, text),
    };
    Some(EntryName { log, index: index.parse().ok()? })
}

fn failure(error: &EvidenceError) -> Failure {
    match error {
        EvidenceError::Log(_) => Failure::hub(error, "Check the address, and try again."),
        EvidenceError::NotThere(_) => Failure::caller(error, "Check the id, the place, or whether it is this log."),
        EvidenceError::Lost(..) => Failure::lost(
            error,
            "If the message was sent again, name it by its id. A copy of that log itself which has the entry still proves it.",
        ),
        EvidenceError::NoReceipt => Failure::caller(error, "Fetch the message's file again."),
        EvidenceError::TooMany { .. } => Failure::caller(error, "Make several bundles."),
        EvidenceError::Fault(fault) if ["changed-receipt", "changed-body"].contains(&fault.class()) => Failure::caller(
            error,
            "The message's file does not belong to this log, or was changed: `saphan verify` says which.",
        ),
        EvidenceError::Fault(_) => {
            Failure::machine(error, "The log holds, so this is a fault of the program; please report it.")
        }
    }
}
