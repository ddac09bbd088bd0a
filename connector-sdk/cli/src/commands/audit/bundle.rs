//! `saphan audit bundle`: verifies evidence bundles.

mod words;

use std::path::{Path, PathBuf};

use clap::Args;
use saphan_schemas::evidence_bundle::{Body, BundleFault, EvidenceBundle, Proven, ProvenMessage};
use saphan_schemas::json::parse_typed;
use saphan_schemas::message_types::Timestamp;
use serde_json::{Value, json};

use super::language::{Language, table};
use crate::commands::log::read_vkey;
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

    /// The language of the verdict
    #[arg(long, value_enum, default_value = "en")]
    lang: Language,
}

pub(crate) fn run(arguments: &BundleArguments) -> Result<Outcome, Failure> {
    let vkey = read_vkey(&arguments.vkey)?;
    let mut told_all = Vec::with_capacity(arguments.files.len());
    for path in &arguments.files {
        let bytes = std::fs::read(path).map_err(|error| Failure::unreadable(path, &error))?;
        let bundle: EvidenceBundle = parse_typed(&bytes).map_err(|error| {
            Failure::caller(format!("{} is not an evidence bundle: {error}", path.display()), "Give the right file.")
        })?;
        let proven = bundle.verify(&vkey);
        told_all.push(told(path, proven.as_ref(), arguments.lang));
    }
    let exit = if told_all.iter().all(|told| told.exit == Exit::Done) { Exit::Done } else { Exit::No };
    let text = told_all.iter().map(|told| told.text.as_str()).collect::<Vec<_>>().join("\n");
    let json = json!({
        "verdict": { "holds": exit == Exit::Done },
        "files": told_all.into_iter().map(|told| told.json).collect::<Vec<Value>>(),
    });
    Ok(Outcome { exit, text, json })
}

/// The verdict about one file.
pub(super) fn told(path: &Path, proven: Result<&Proven, &BundleFault>, language: Language) -> Outcome {
    let words = Words::of(language);
    let proven = match proven {
        Ok(proven) => proven,
        Err(fault) => {
            let lines = [(words.verdict, fault.class().to_owned()), (words.reason, fault.to_string())];
            let text = format!("{}: {}\n\n{}", path.display(), words.does_not_hold, table(&lines));
            let verdict = json!({ "holds": false, "class": fault.class(), "reason": fault.to_string() });
            return Outcome { exit: Exit::No, text, json: json!({ "file": path, "verdict": verdict }) };
        }
    };
    let mut text = format!("{}: {}\n", path.display(), words.holds);
    for message in &proven.messages {
        text.push_str(&format!("\n{}", table(&lines(message, words))));
    }
    let log = [
        (words.log, proven.origin.clone()),
        (words.entries, format!("{} / {}", proven.entries, proven.size)),
        (words.root, proven.root.to_string()),
    ];
    text.push_str(&format!("\n{}\n{}\n", table(&log), words.not_shown));
    let not_shown = not_shown(proven);
    for reason in &not_shown {
        text.push_str(&format!("  - {}\n", words.limit(reason)));
    }
    let json = json!({
        "file": path, "verdict": { "holds": true }, "proven": proven,
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
