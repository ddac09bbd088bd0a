//! `saphan audit bundle`: verifies evidence bundles.

mod words;

use std::path::{Path, PathBuf};

use clap::Args;
use saphan_schemas::evidence_bundle::{Body, EvidenceBundle, Proven, ProvenMessage, StampedTree};
use saphan_schemas::json::parse_typed;
use saphan_schemas::log::{Policy, VerifierKey};
use saphan_schemas::succession::AbandonedLog;
use saphan_timestamps::{Authorities, Timestamp, TimestampFault};
use serde_json::{Value, json};

use super::language::{Language, table};
use crate::commands::log::read_vkey;
use crate::commands::witness::read_policy;
use crate::outcome::{Exit, Failure, Outcome};
use crate::quorum;
use crate::timestamps::{AuthorityArgument, moment};
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

    #[command(flatten)]
    authority: AuthorityArgument,

    /// The language of the verdict
    #[arg(long, value_enum, default_value = "en")]
    lang: Language,
}

pub(crate) fn run(arguments: &BundleArguments) -> Result<Outcome, Failure> {
    let trusted = Trusted {
        vkey: read_vkey(&arguments.vkey)?,
        policy: arguments.policy.as_deref().map(read_policy).transpose()?,
        authorities: arguments.authority.read()?,
    };
    let mut told_all = Vec::with_capacity(arguments.files.len());
    for path in &arguments.files {
        let bytes = std::fs::read(path).map_err(|error| Failure::unreadable(path, &error))?;
        let bundle: EvidenceBundle = parse_typed(&bytes).map_err(|error| {
            Failure::caller(format!("{} is not an evidence bundle: {error}", path.display()), "Give the right file.")
        })?;
        let told = match judge(&bundle, &trusted) {
            Ok(Judged { proven, beside }) => holds(path, &proven, &beside, arguments.lang),
            Err((class, reason)) => does_not_hold(path, class, &reason, arguments.lang),
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

/// What whoever asks trusts.
struct Trusted {
    vkey: VerifierKey,
    policy: Option<Policy>,
    authorities: Option<Authorities>,
}

/// A bundle of which everything holds.
struct Judged {
    proven: Proven,
    beside: Beside,
}

/// What others than the hub say: as far as it was asked for.
#[derive(Default)]
pub(super) struct Beside {
    /// The witnesses that are the quorum of a policy.
    witnesses: Option<Vec<String>>,
    /// What each timestamp of the bundle proves.
    timestamps: Option<Vec<(StampedTree, Timestamp)>>,
}

/// Or the class of what does not hold, and why.
fn judge(bundle: &EvidenceBundle, trusted: &Trusted) -> Result<Judged, (&'static str, String)> {
    let proven = bundle.verify(&trusted.vkey).map_err(|fault| (fault.class(), fault.to_string()))?;
    let witnesses = trusted.policy.as_ref().map(|policy| witnesses(policy, bundle, &proven));
    let witnesses = witnesses.transpose().map_err(|reason| (quorum::TOO_FEW, reason))?;
    let timestamps = trusted.authorities.as_ref().map(|authorities| {
        let verify = |tree: &StampedTree| {
            let proven = Timestamp::of(&tree.token, tree.text.as_bytes(), tree.logged, authorities);
            let fault =
                |fault: TimestampFault| (fault.class(), format!("the timestamp for {} entries: {fault}", tree.size));
            proven.map(|proven| (tree.clone(), proven)).map_err(fault)
        };
        proven.stamped.iter().map(verify).collect::<Result<_, _>>()
    });
    let timestamps = timestamps.transpose()?;
    Ok(Judged { proven, beside: Beside { witnesses, timestamps } })
}

/// The witnesses that are the quorum on one of the checkpoints that cover all messages; or what is wrong with the newest.
fn witnesses(policy: &Policy, bundle: &EvidenceBundle, proven: &Proven) -> Result<Vec<String>, String> {
    let mut judged = bundle.covering(proven).map(|checkpoint| quorum::witnesses(policy, checkpoint));
    let newest = judged.next().unwrap_or_else(|| Err("there is no checkpoint".to_owned()));
    newest.or_else(|reason| judged.find_map(Result::ok).ok_or(reason))
}

fn does_not_hold(path: &Path, class: &str, reason: &str, language: Language) -> Outcome {
    let words = Words::of(language);
    let lines = [(words.verdict, class.to_owned()), (words.reason, reason.to_owned())];
    let text = format!("{}: {}\n\n{}", path.display(), words.does_not_hold, table(&lines));
    let verdict = json!({ "holds": false, "class": class, "reason": reason });
    Outcome { exit: Exit::No, text, json: json!({ "file": path, "verdict": verdict }) }
}

/// The verdict about a file of which everything holds.
pub(super) fn holds(path: &Path, proven: &Proven, beside: &Beside, language: Language) -> Outcome {
    let words = Words::of(language);
    let mut text = format!("{}: {}\n", path.display(), words.holds);
    for message in &proven.messages {
        let mut lines = lines(message, proven, words);
        lines.extend(beside.existed_by(message.place).map(|said| (words.existed_by, said)));
        text.push_str(&format!("\n{}", table(&lines)));
    }
    let mut log = vec![
        (words.log, proven.origin.clone()),
        (words.entries, format!("{} / {}", proven.entries, proven.size)),
        (words.root, proven.root.to_string()),
    ];
    let before = proven.earlier.iter().map(|log| log.origin.as_str()).collect::<Vec<_>>().join(", ");
    log.extend((!before.is_empty()).then_some((words.before, before)));
    let lost = |one: &AbandonedLog| (words.abandoned, format!("{}: {} / {}", one.log, one.kept, one.last));
    log.extend(proven.abandoned.iter().map(lost));
    log.extend(beside.witnesses.as_ref().map(|names| (words.witnesses, names.join(", "))));
    text.push_str(&format!("\n{}\n{}\n", table(&log), words.not_shown));
    let not_shown = not_shown(proven, beside);
    for reason in &not_shown {
        text.push_str(&format!("  - {}\n", words.limit(reason)));
    }
    let json = json!({
        "file": path, "verdict": { "holds": true }, "proven": proven, "witnesses": beside.witnesses,
        "timestamps": beside.told(proven),
        "not_shown": not_shown.iter().map(|reason| reason.name()).collect::<Vec<_>>(),
    });
    Outcome { exit: Exit::Done, text, json }
}

impl Beside {
    /// By when a message existed, and who says so: the first timestamp on a tree that it is in.
    fn existed_by(&self, place: u64) -> Option<String> {
        let (_, first) = self.timestamps.iter().flatten().find(|(tree, _)| tree.end > place)?;
        Some(format!("{} ({})", moment(first.time), first.authority))
    }

    /// For programs: the timestamps of the bundle; without `proven` those that were not checked.
    fn told(&self, proven: &Proven) -> Vec<Value> {
        match &self.timestamps {
            Some(all) => all.iter().map(|(tree, proven)| timestamp(tree, Some(proven))).collect(),
            None => proven.stamped.iter().map(|tree| timestamp(tree, None)).collect(),
        }
    }
}

fn timestamp(tree: &StampedTree, proven: Option<&Timestamp>) -> Value {
    json!({ "log": tree.log, "size": tree.size, "proven": proven })
}

fn lines(message: &ProvenMessage, proven: &Proven, words: &Words) -> Vec<(&'static str, String)> {
    let claims = &message.envelope;
    let schema = &message.schema;
    let text = if message.schema_text { words.here } else { words.not_here };
    let body = match &message.body {
        Body::Shown { bytes } => format!("{bytes} {}", words.bytes),
        Body::NotShown => words.not_here.to_owned(),
        Body::Erased { log, index, basis } => {
            format!("{} {} ({basis})", words.erased_by, entry(log.as_ref().unwrap_or(&message.log), *index, proven))
        }
    };
    let answer = message.acknowledgement.as_ref().map_or_else(
        || words.none.to_owned(),
        |answer| {
            let code = answer.code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
            let entry = entry(answer.log.as_ref().unwrap_or(&message.log), answer.index, proven);
            format!("{}{code}, {} {entry}", answer.outcome.as_str(), words.entry)
        },
    );
    vec![
        (words.entry, entry(&message.log, message.index, proven)),
        (words.message, format!("{} {}", claims.message_type, claims.jti)),
        (words.from, format!("{} ({})", claims.iss, message.key)),
        (words.to, claims.aud.to_string()),
        (words.logged, moment(message.logged_at / 1000)),
        (words.agreement, format!("{} ({})", message.agreement.id, message.agreement.legal_basis)),
        (words.schema, format!("{} {} ({text})", schema.id, schema.sha256)),
        (words.body, body),
        (words.receipt, if message.receipt { words.here } else { words.not_here }.to_owned()),
        (words.answer, answer),
    ]
}

/// An entry, with its log where there are several.
fn entry(log: &str, index: u64, proven: &Proven) -> String {
    if proven.earlier.is_empty() { index.to_string() } else { format!("{index} ({log})") }
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
    /// By when a message existed.
    Time,
    /// What the hub has lost.
    Lost,
}

impl Limit {
    const fn name(self) -> &'static str {
        match self {
            Self::Omissions => "omissions",
            Self::OneLog => "one-log",
            Self::Content => "content",
            Self::Receipt => "reception",
            Self::Time => "time",
            Self::Lost => "lost",
        }
    }
}

fn not_shown(proven: &Proven, beside: &Beside) -> Vec<Limit> {
    let mut limits = vec![Limit::Omissions];
    if beside.witnesses.is_none() {
        limits.push(Limit::OneLog);
    }
    if proven.messages.iter().any(|message| !matches!(message.body, Body::Shown { .. })) {
        limits.push(Limit::Content);
    }
    if proven.messages.iter().any(|message| message.acknowledgement.is_none()) {
        limits.push(Limit::Receipt);
    }
    if beside.timestamps.is_none() && !proven.stamped.is_empty() {
        limits.push(Limit::Time);
    }
    if !proven.abandoned.is_empty() {
        limits.push(Limit::Lost);
    }
    limits
}
