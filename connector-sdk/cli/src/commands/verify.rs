//! `saphan verify`: messages with their receipts and proofs, offline.

mod trusted;

use std::path::{Path, PathBuf};

use clap::Args;
use saphan_schemas::ids::HubId;
use saphan_schemas::json::parse_typed;
use saphan_schemas::log::Policy;
use saphan_schemas::message::MessageFile;
use serde_json::{Value, json};

use crate::commands::witness::read_policy;
use crate::message_check::{Check, MessageReport, TrustedKeys, Verdict, check_message};
use crate::outcome::{Exit, Failure, Outcome};

#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// Messages, *.saphan.json
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// What to trust: a folder with keys/hub.jwks.json, keys/<member>__<system>.jwks.json and log/vkey, or a trust.json
    /// (then give --sender-keys too)
    #[arg(long, value_name = "DIR|FILE", conflicts_with_all = ["hub_keys", "vkey"], required_unless_present = "hub_keys")]
    trust: Option<PathBuf>,

    /// The keys that sign the hub's receipts, as a JWK Set with `issuer`
    #[arg(long, value_name = "FILE", requires = "vkey")]
    hub_keys: Option<PathBuf>,

    /// The log's key, or a file with it
    #[arg(long, value_name = "FILE|TEXT")]
    vkey: Option<String>,

    /// The keys of a sender, as a JWK Set with `issuer`; may be given more than once
    #[arg(long, value_name = "FILE")]
    sender_keys: Vec<PathBuf>,

    /// Which witnesses must have cosigned a checkpoint that the message is in (C2SP tlog-policy): that of the file's
    /// `cosigned_proof`, or of its proof
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,

    /// The hub that the messages must be of
    #[arg(long, value_name = "ID")]
    hub: Option<HubId>,
}

pub(crate) fn run(arguments: &VerifyArguments) -> Result<Outcome, Failure> {
    let keys = trusted::load(arguments)?;
    if let Some(hub) = arguments.hub.as_ref().filter(|hub| *hub != keys.hub()) {
        let what = format!("the keys that were given are those of the hub {}, not of {hub}", keys.hub());
        return Err(Failure::caller(what, "Give the keys of the hub that the messages must be of."));
    }
    let policy = arguments.policy.as_deref().map(read_policy).transpose()?;
    let files = arguments.files.iter();
    let shown: Vec<Shown> = files.map(|file| Shown::check(file, &keys, policy.as_ref())).collect();
    let exit = shown.iter().map(Shown::exit).max_by_key(|exit| *exit as u8).unwrap_or(Exit::Done);
    let verified = shown.iter().filter(|shown| shown.exit() == Exit::Done).count();
    let in_full = shown.len() == 1;
    let mut text: String = shown.iter().map(|shown| shown.text(in_full)).collect();
    if !in_full {
        text.push_str(&format!("{verified} of {} messages verified\n", shown.len()));
    }
    let files: Vec<Value> = shown.iter().map(Shown::json).collect();
    let json = json!({
        "verified": exit == Exit::Done, "hub": keys.hub(), "vkey": keys.log().to_string(),
        "checked": files.len(), "held": verified, "files": files,
    });
    Ok(Outcome { exit, text, json })
}

/// One file, and what came of it.
struct Shown<'a> {
    file: &'a Path,
    report: Result<MessageReport, String>,
}

impl<'a> Shown<'a> {
    fn check(file: &'a Path, keys: &TrustedKeys, policy: Option<&Policy>) -> Self {
        let bytes = std::fs::read(file).map_err(|error| error.to_string());
        let read = bytes.and_then(|bytes| {
            parse_typed::<MessageFile>(&bytes).map_err(|error| format!("not a message file: {error}"))
        });
        Self { file, report: read.map(|message| check_message(&message, keys, policy)) }
    }

    const fn exit(&self) -> Exit {
        match &self.report {
            Ok(report) if report.verified => Exit::Done,
            Ok(_) => Exit::No,
            Err(_) => Exit::Usage,
        }
    }

    fn text(&self, in_full: bool) -> String {
        let name = self.file.display();
        let report = match &self.report {
            Ok(report) => report,
            Err(reason) => return format!("{name}: cannot be read: {reason}\n"),
        };
        let verdict = if report.verified { "verified" } else { "NOT verified" };
        let mut text = format!("{name}: {verdict}\n");
        let (full, failed) = (in_full || !report.verified, |check: &&Check| check.verdict == Verdict::Failed);
        if let Some(message) = report.message.as_ref().filter(|_| full) {
            let place = message.index.map(|index| format!(", entry {index}")).unwrap_or_default();
            let (kind, sender, recipient) = (&message.message_type, &message.sender, &message.recipient);
            text.push_str(&format!("  {kind} from {sender} to {recipient}{place}\n"));
        }
        for check in report.checks.iter().filter(|check| in_full || failed(check)) {
            text.push_str(&format!("  {:<7} {:<11} {}\n", check.verdict.word(), check.part.name(), check.says));
        }
        text
    }

    fn json(&self) -> Value {
        match &self.report {
            Ok(report) => {
                json!({ "file": self.file, "verified": report.verified, "message": report.message, "checks": report.checks })
            }
            Err(reason) => json!({ "file": self.file, "verified": false, "error": reason }),
        }
    }
}
