//! `saphan audit bundle`: verifies evidence bundles.

mod words;

use std::path::{Path, PathBuf};

use clap::Args;
use saphan_schemas::evidence_bundle::{Body, EvidenceBundle, Proven, ProvenMessage};
use saphan_schemas::json::parse_typed;
use saphan_schemas::log::{NoteError, Policy, SignedNote};
use saphan_schemas::message_types::Timestamp;
use serde_json::{Value, json};

use super::language::{Language, table};
use crate::commands::log::read_vkey;
use crate::commands::witness::read_policy;
use crate::outcome::{Exit, Failure, Outcome};
use words::Words;

#[derive(Debug, Args)]
pub(crate) struct BundleArguments {
    /// Evidence bundles, as `saphan audit message` makes them
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// The key of the log, or a file with it: all that is trusted
    #[arg(long, value_name = "FILE|TEXT")]
    vkey: String,

    /// Which witnesses must have cosigned the checkpoint (C2SP tlog-policy)
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,

    /// The language of the verdict
    #[arg(long, value_enum, default_value = "en")]
    lang: Language,
}

pub(crate) fn run(arguments: &BundleArguments) -> Result<Outcome, Failure> {
    let vkey = read_vkey(&arguments.vkey)?;
    let policy = arguments.policy.as_deref().map(read_policy).transpose()?;
    let mut told_all = Vec::with_capacity(arguments.files.len());
    for path in &arguments.files {
        let bytes = std::fs::read(path).map_err(|error| Failure::unreadable(path, &error))?;
        let bundle: EvidenceBundle = parse_typed(&bytes).map_err(|error| {
            Failure::caller(format!("{} is not an evidence bundle: {error}", path.display()), "Give the right file.")
        })?;
        let told = match bundle.verify(&vkey) {
            Ok(proven) => match policy.as_ref().map(|policy| witnesses(policy, &bundle.checkpoint)) {
                Some(Err(reason)) => does_not_hold(path, "too-few-witnesses", &reason, arguments.lang),
                witnesses => holds(path, &proven, witnesses.and_then(Result::ok).as_deref(), arguments.lang),
            },
            Err(fault) => does_not_hold(path, fault.class(), &fault.to_string(), arguments.lang),
        };
        told_all.push(told);
    }
    let exit = if told_all.iter().all(|told| told.exit == Exit::Done) { Exit::Done } else { Exit::No };
    let text = told_all.iter().map(|told| told.text.as_str()).collect::<Vec<_>>().join("\n");
    let json = json!({
        "verdict": { "holds": exit == Exit::Done },
        "files": told_all.into_iter().map(|told| told.json).collect::<Vec<Value>>(),
    });
    Ok(Outcome { exit, text, json })
}

/// The witnesses of a policy that cosigned a checkpoint.
fn witnesses(policy: &Policy, checkpoint: &str) -> Result<Vec<String>, String> {
    let note: SignedNote = checkpoint.parse().map_err(|error: NoteError| error.to_string())?;
    let witnessed = policy.witnessed(&note).map_err(|error| error.to_string())?;
    let names: Vec<String> = witnessed.by.iter().map(|(witness, _)| witness.name().into_owned()).collect();
    if witnessed.quorum { Ok(names) } else { Err(format!("cosigned by {}", names.join(", "))) }
}

fn does_not_hold(path: &Path, class: &str, reason: &str, language: Language) -> Outcome {
    let words = Words::of(language);
    let lines = [(words.verdict, class.to_owned()), (words.reason, reason.to_owned())];
    let text = format!("{}: {}\n\n{}", path.display(), words.does_not_hold, table(&lines));
    let verdict = json!({ "holds": false, "class": class, "reason": reason });
    Outcome { exit: Exit::No, text, json: json!({ "file": path, "verdict": verdict }) }
}

/// The verdict about a file of which everything holds, with the witnesses that are the quorum of a policy.
pub(super) fn holds(path: &Path, proven: &Proven, witnesses: Option<&[String]>, language: Language) -> Outcome {
    let words = Words::of(language);
    let mut text = format!("{}: {}\n", path.display(), words.holds);
    for message in &proven.messages {
        text.push_str(&format!("\n{}", table(&lines(message, words))));
    }
    let mut log = vec![
        (words.log, proven.origin.clone()),
        (words.entries, format!("{} / {}", proven.entries, proven.size)),
        (words.root, proven.root.to_string()),
    ];
    log.extend(witnesses.map(|names| (words.witnesses, names.join(", "))));
    text.push_str(&format!("\n{}\n{}\n", table(&log), words.not_shown));
    let mut not_shown = not_shown(proven);
    not_shown.retain(|limit| *limit != Limit::OneLog || witnesses.is_none());
    for reason in &not_shown {
        text.push_str(&format!("  - {}\n", words.limit(reason)));
    }
    let json = json!({
        "file": path, "verdict": { "holds": true }, "proven": proven, "witnesses": witnesses,
        "not_shown": not_shown.iter().map(|reason| reason.name()).collect::<Vec<_>>(),
    });
    Outcome { exit: Exit::Done, text, json }
}

fn lines(message: &ProvenMessage, words: &Words) -> Vec<(&'static str, String)> {
    let claims = &message.envelope;
    let time = Timestamp::from_unix_seconds(message.logged_at / 1000).map(|time| time.to_string()).unwrap_or_default();
    let schema = &message.schema;
    let text = if message.schema_text { words.here } else { words.not_here };
    let body = match &message.body {
        Body::Shown { bytes } => format!("{bytes} {}", words.bytes),
        Body::NotShown => words.not_here.to_owned(),
        Body::Erased { index, basis } => format!("{} {index} ({basis})", words.erased_by),
    };
    let answer = message.acknowledgement.as_ref().map_or_else(
        || words.none.to_owned(),
        |answer| {
            let code = answer.code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
            format!("{}{code}, {} {}", answer.outcome.as_str(), words.entry, answer.index)
        },
    );
    vec![
        (words.entry, message.index.to_string()),
        (words.message, format!("{} {}", claims.message_type, claims.jti)),
        (words.from, format!("{} ({})", claims.iss, message.key)),
        (words.to, claims.aud.to_string()),
        (words.logged, time),
        (words.agreement, format!("{} ({})", message.agreement.id, message.agreement.legal_basis)),
        (words.schema, format!("{} {} ({text})", schema.id, schema.sha256)),
        (words.body, body),
        (words.receipt, if message.receipt { words.here } else { words.not_here }.to_owned()),
        (words.answer, answer),
    ]
}

/// What a bundle cannot show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    /// That nothing was left out of it.
    Omissions,
    /// That all see the same log.
    OneLog,
    /// What a message said.
    Content,
    /// That a message was received.
    Receipt,
}

impl Limit {
    const fn name(self) -> &'static str {
        match self {
            Self::Omissions => "omissions",
            Self::OneLog => "one-log",
            Self::Content => "content",
            Self::Receipt => "reception",
        }
    }
}

fn not_shown(proven: &Proven) -> Vec<Limit> {
    let mut limits = vec![Limit::Omissions, Limit::OneLog];
    if proven.messages.iter().any(|message| !matches!(message.body, Body::Shown { .. })) {
        limits.push(Limit::Content);
    }
    if proven.messages.iter().any(|message| message.acknowledgement.is_none()) {
        limits.push(Limit::Receipt);
    }
    limits
}
