//! `saphan audit log --watch`: a monitor.

use std::io::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::alarm::Command;
use super::{Audited, failed};
use crate::commands::StopSignal;
use crate::log_audit::monitor::Monitor;
use crate::log_audit::{Audit, AuditFailure};
use crate::outcome::{Failure, Outcome};

/// Audits every so often until it is told to stop; then ends as the last audit did. Prints what each audit found: a line when
/// that has changed, or with `json` an object each time.
pub(super) async fn run(
    mut audited: Audited,
    every: Duration,
    patience: Duration,
    alarm: Option<Command>,
    json: bool,
) -> Result<Outcome, Failure> {
    let mut stop = StopSignal::install()?;
    let mut monitor = Monitor::new(patience, Instant::now());
    let mut last = None;
    loop {
        let found = tokio::select! {
            found = audited.once(&()) => found,
            () = stop.received() => break,
        };
        let is_news = news(&mut monitor, &found);
        let told = told(&audited, &found);
        let object = match &told {
            Ok(outcome) => outcome.json.clone(),
            Err(failure) => unknown(failure),
        };
        print(&told, &object, last.as_ref(), json);
        if let (true, Some(alarm)) = (is_news, &alarm)
            && let Err(error) = alarm.run(&object).await
        {
            tracing::warn!("{error}");
        }
        last = Some(told);
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = stop.received() => break,
        }
    }
    let nothing = || Failure::hub("the watch was stopped before it had audited anything", "Start it again.");
    last.unwrap_or_else(|| Err(nothing()))
}

fn news(monitor: &mut Monitor, found: &Result<Audit, AuditFailure>) -> bool {
    let now = Instant::now();
    match found {
        Ok(Audit { verdict: Ok(_), .. }) => {
            monitor.holds(now);
            false
        }
        Ok(Audit { verdict: Err(finding), .. }) => monitor.does_not_hold(finding, now),
        Err(_) => monitor.cannot_be_had(now),
    }
}

fn told(audited: &Audited, found: &Result<Audit, AuditFailure>) -> Result<Outcome, Failure> {
    audited.tell(found.as_ref().map_err(failed)?)
}

/// What an alarm hears of a log about which nothing is known.
fn unknown(failure: &Failure) -> Value {
    let mut object = failure.to_json();
    object["verdict"] = json!({ "holds": null });
    object
}

/// What closes standard output does not want to read; the exit code and the alarm still tell.
fn print(told: &Result<Outcome, Failure>, object: &Value, last: Option<&Result<Outcome, Failure>>, json: bool) {
    let mut out = std::io::stdout();
    if json {
        let _ = writeln!(out, "{object}");
        return;
    }
    let text = |told: &Result<Outcome, Failure>| match told {
        Ok(outcome) => outcome.text.clone(),
        Err(failure) => failure.to_string(),
    };
    let text_now = text(told);
    if last.map(text).as_ref() != Some(&text_now) {
        let _ = writeln!(out, "{}\n", text_now.trim_end());
    }
}
