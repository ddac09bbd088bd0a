//! `saphan log`: the hub's log as an auditor sees it.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use saphan_schemas::log::VerifierKey;
use saphan_schemas::succession::AbandonedLog;
use serde_json::{Value, json};

use crate::commands::witness::read_policy;
use crate::files;
use crate::log_check::{
    self, Cosigned, FolderLog, HttpLog, LogCheckError, LogReport, LogSource, NotCosigned, SourceError, VKEY_PATH,
};
use crate::outcome::{Exit, Failure, Outcome};
use crate::progress::Bar;
use crate::tls::TlsFiles;

#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// Fetch a whole log, derive every tile and the root again, and check every signature
    Check(CheckArguments),
}

/// A log and its key.
#[derive(Debug, Args)]
pub(crate) struct LogArguments {
    /// A hub's address, the prefix of its log (https://hub.example/v1/log/), or a folder with the same files
    #[arg(value_name = "URL|DIR")]
    source: String,

    /// The log's key, or a file with it. Without it the log's own word is taken, which shows only that the log agrees
    /// with itself
    #[arg(long, value_name = "FILE|TEXT")]
    vkey: Option<String>,

    #[command(flatten)]
    tls: TlsFiles,
}

/// A log to be read.
pub(crate) struct OpenedLog {
    pub(crate) source: Box<dyn LogSource>,
    pub(crate) vkey: VerifierKey,
    /// What the caller called it.
    pub(crate) name: String,
    /// Whether the key is the log's own word.
    own_word: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    #[command(flatten)]
    log: LogArguments,

    /// Which witnesses must have cosigned the log's checkpoint, or the newest one that it shows as cosigned (C2SP tlog-policy)
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,

    /// Also write the static copy of the log (C2SP tlog-tiles) into this folder
    #[arg(long, value_name = "DIR")]
    export: Option<PathBuf>,
}

impl LogArguments {
    pub(crate) async fn open(&self) -> Result<OpenedLog, Failure> {
        let source = open(&self.source, &self.tls)?;
        let (vkey, own_word) = match &self.vkey {
            Some(given) => (read_vkey(given)?, false),
            None => (fetch_vkey(&*source, &self.source).await?, true),
        };
        Ok(OpenedLog { source, vkey, name: self.source.clone(), own_word })
    }
}

impl OpenedLog {
    /// Says beside the outcome which log it is about, and by whose key.
    pub(crate) fn tell(&self, mut outcome: Outcome) -> Outcome {
        if self.own_word {
            outcome.text.push_str(OWN_WORD);
        }
        outcome.json["source"] = json!(self.name);
        outcome.json["vkey"] = json!(self.vkey.to_string());
        outcome.json["vkey_from_log"] = json!(self.own_word);
        outcome
    }
}

pub(crate) async fn run(command: LogCommand) -> Result<Outcome, Failure> {
    let LogCommand::Check(arguments) = command;
    let policy = arguments.policy.as_deref().map(read_policy).transpose()?;
    let log = arguments.log.open().await?;
    let bar = Bar::new();
    let checked = match &arguments.export {
        Some(folder) => log_check::check_and_export(&*log.source, &log.vkey, &bar, folder).await,
        None => log_check::check(&*log.source, &log.vkey, &bar).await,
    };
    drop(bar);
    let report = match checked {
        Ok(report) => report,
        Err(error) => return Ok(log.tell(no_or_unknown(&error, &log.name)?)),
    };
    let cosigned = match &policy {
        Some(policy) => match log_check::cosigned(&*log.source, &log.vkey, &report, policy).await {
            Ok(cosigned) => Some(cosigned),
            Err(NotCosigned::Log(error)) => return Ok(log.tell(no_or_unknown(&error, &log.name)?)),
            Err(error) => return Ok(log.tell(not_cosigned(&error, &log.name))),
        },
        None => None,
    };
    Ok(log.tell(holds(&report, cosigned.as_ref(), arguments.export.as_deref())))
}

/// The key of a log, from a text or a file with it.
pub(crate) fn read_vkey(given: &str) -> Result<VerifierKey, Failure> {
    given.parse().or_else(|error| {
        let path = Path::new(given);
        // Whatever the reason is, a file that cannot be looked for is told as a file.
        if path.try_exists().unwrap_or(true) {
            return read_vkey_file(path);
        }
        Err(Failure::caller(format!("{given} is neither a log's key ({error}) nor a file"), VKEY_ADVICE))
    })
}

/// The key of a log, from a file with it.
pub(crate) fn read_vkey_file(path: &Path) -> Result<VerifierKey, Failure> {
    let text = files::read_text(path)?;
    text.trim_end().parse().map_err(|error| Failure::caller(format!("{}: {error}", path.display()), VKEY_ADVICE))
}

fn open(source: &str, tls: &TlsFiles) -> Result<Box<dyn LogSource>, Failure> {
    if source.contains("://") {
        let log = HttpLog::new(tls.address_here(source)?).map_err(|error| {
            Failure::caller(format!("{source}: {error}"), "Give a hub's address, or the prefix of its log.")
        })?;
        return Ok(Box::new(log));
    }
    if !Path::new(source).is_dir() {
        let what = format!("{source} is neither an address nor a folder");
        return Err(Failure::caller(what, "Give http(s)://… or a folder with `checkpoint` and `tile/`."));
    }
    Ok(Box::new(FolderLog::new(source)))
}

async fn fetch_vkey(source: &dyn LogSource, name: &str) -> Result<VerifierKey, Failure> {
    let bytes = source.fetch(VKEY_PATH).await.map_err(|error| match error {
        SourceError::NotFound => Failure::caller(format!("there is no log's key at {name}"), VKEY_ADVICE),
        error => Failure::hub(format!("cannot fetch the log's key from {name}: {error}"), "Check the address."),
    })?;
    let text = String::from_utf8_lossy(&bytes);
    let key = text.trim_end().parse();
    key.map_err(|error| Failure::caller(format!("`vkey` at {name}: {error}"), VKEY_ADVICE))
}

fn holds(report: &LogReport, cosigned: Option<&Cosigned>, export: Option<&Path>) -> Outcome {
    let leaves = &report.leaves;
    let mut text = format!(
        "{}: everything holds\n\n  entries          {}\n  messages         {}\n  acknowledgements {} ({} processed, {} \
         rejected)\n  refusals         {}\n  registry         {}\n  erasures         {}\n  queries          {}\n  root             {}\n  \
         signatures       {}, and the checkpoint's\n",
        report.origin,
        report.size,
        leaves.messages,
        leaves.acknowledgements,
        leaves.processed,
        leaves.rejected,
        leaves.refusals,
        leaves.registry,
        leaves.erasures,
        leaves.queries,
        report.root,
        report.signatures,
    );
    for AbandonedLog { log, kept, last, .. } in &report.abandoned {
        text.push_str(&format!("  abandoned        {log}: {kept} of {last} entries are left\n"));
    }
    if let Some(Cosigned { size, by }) = cosigned {
        text.push_str(&format!("  cosigned         {size}, by {}\n", by.join(", ")));
    }
    if let Some(folder) = export {
        text.push_str(&format!("  copy             {}\n", folder.display()));
    }
    Outcome {
        exit: Exit::Done,
        text,
        json: json!({ "verified": true, "log": report, "cosigned": cosigned, "export": export }),
    }
}

/// The entries hold, and the witnesses do not stand for them.
fn not_cosigned(error: &NotCosigned, source: &str) -> Outcome {
    let class = error.class();
    let text = format!(
        "{source}: the log does NOT hold by the policy\n\n  {error} ({class})\n\nKeep a copy, and show it to the hub's operator.\n"
    );
    Outcome { exit: Exit::No, text, json: json!({ "verified": false, "class": class, "reason": error.to_string() }) }
}

/// A verdict on a log that does not hold, or why nothing is known.
pub(crate) fn no_or_unknown(error: &LogCheckError, source: &str) -> Result<Outcome, Failure> {
    if !error.is_verdict() {
        return Err(match error {
            LogCheckError::Export { .. } => Failure::machine(error, "Check the folder and the free space."),
            _ if error.is_too_much() => Failure::hub(error, TOO_MUCH),
            _ => Failure::hub(error, "Nothing is known about the log. Check the address, and try again."),
        });
    }
    if let Some(failure) = not_a_log(error, source) {
        return Err(failure);
    }
    let text =
        format!("{source}: the log does NOT hold\n\n  {error}\n\nKeep a copy, and show it to the hub's operator.\n");
    let json: Value =
        json!({ "verified": false, "reason": error.to_string(), "path": error.path(), "index": error.index() });
    Ok(Outcome { exit: Exit::No, text, json })
}

/// What to do where more is shown than is looked at.
pub(crate) const TOO_MUCH: &str =
    "Nothing new is known about the log. Whoever serves it may have made this up: get it from the hub itself.";

/// What stands there is not a log that does not hold, but no log.
pub(crate) fn not_a_log(error: &LogCheckError, source: &str) -> Option<Failure> {
    let is_none = matches!(error, LogCheckError::File { path, source: SourceError::NotFound } if path == "checkpoint");
    is_none.then(|| {
        let what = format!("there is no checkpoint at {source}, so it is not a log");
        Failure::caller(what, "Give the folder or address that `checkpoint` is right below.")
    })
}

const VKEY_ADVICE: &str = "Give the key that the hub's operator publishes with --vkey.";
const OWN_WORD: &str = "\n\
    The key came from the log itself: this shows that the log agrees with itself, not whose log it is. Give the key that\n\
    the hub's operator publishes with --vkey.\n";
