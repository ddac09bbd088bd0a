//! `saphan witness check`: whether a checkpoint is good by a policy, offline.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use clap::Args;
use saphan_schemas::log::policy::{Policy, PolicyRefusal};
use serde_json::json;

use crate::files::read_text;
use crate::outcome::{Exit, Failure, Outcome};

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// Which logs and witnesses to trust, and which of these suffice (C2SP tlog-policy)
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,

    /// The checkpoint, such as https://<hub>/v1/log/checkpoint.cosigned gives
    #[arg(value_name = "FILE")]
    checkpoint: PathBuf,
}

pub(crate) fn run(CheckArguments { policy: file, checkpoint }: &CheckArguments) -> Result<Outcome, Failure> {
    let policy = read_policy(file)?;
    if policy.logs().is_empty() {
        let what = format!("{} names no log", file.display());
        return Err(Failure::caller(what, "Add a line `log <vkey>` with the text that /v1/log/vkey of the hub gives."));
    }
    let note = read_text(checkpoint)?;
    Ok(judged(&policy, &note))
}

/// A policy in a file.
pub(crate) fn read_policy(file: &Path) -> Result<Policy, Failure> {
    let policy = std::fs::read(file).map_err(|error| Failure::unreadable(file, &error))?;
    Policy::parse(&policy).map_err(|error| Failure::caller(format!("{}: {error}", file.display()), "Correct the line."))
}

fn judged(policy: &Policy, note: &str) -> Outcome {
    let (signed, witnessed) = match policy.verify(note) {
        Ok(verified) => verified,
        Err(refusal) => {
            let why = reason(&refusal);
            return Outcome {
                exit: Exit::No,
                text: format!("not good: {why}\n"),
                json: json!({ "good": false, "reason": why }),
            };
        }
    };
    let checkpoint = signed.checkpoint();
    let mut text = format!("good: {}, {} entries\n", checkpoint.origin, checkpoint.size);
    for (witness, time) in &witnessed.by {
        text.push_str(&format!("  cosigned by {} as of {}\n", witness.name(), date(*time)));
    }
    let by: Vec<_> =
        witnessed.by.iter().map(|(witness, time)| json!({ "witness": witness.name(), "time": time })).collect();
    let json = json!({
        "good": true, "origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.to_string(), "cosigned": by,
    });
    Outcome { exit: Exit::Done, text, json }
}

/// A refusal with what is below it.
fn reason(refusal: &PolicyRefusal) -> String {
    std::iter::successors(refusal.source(), |&cause| cause.source())
        .fold(refusal.to_string(), |said, cause| format!("{said}: {cause}"))
}

/// A time as people write it, as long as it has one; a witness may say any number.
fn date(seconds: u64) -> String {
    let writable = Some(seconds).filter(|seconds| *seconds < YEAR_10000);
    let time = writable.and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
    time.map_or_else(|| format!("{seconds} seconds after 1970"), httpdate::fmt_http_date)
}

const YEAR_10000: u64 = 253_402_300_800;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_time_can_be_shown() {
        assert_eq!(date(1_679_315_147), "Mon, 20 Mar 2023 12:25:47 GMT");
        assert!(date(YEAR_10000 - 1).contains("9999"));
        assert!(date(YEAR_10000).starts_with("253402300800 seconds"));
        assert!(date(u64::MAX >> 1).ends_with("after 1970"));
    }
}
