//! `saphan audit log --watch`: a monitor.

use std::future::pending;
use std::io::Write as _;
use std::pin::pin;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::watch;

use super::alarm::Command;
use super::metrics::Metrics;
use super::{Audited, failed};
use crate::commands::StopSignal;
use crate::log_audit::monitor::Monitor;
use crate::log_audit::{Audit, AuditFailure};
use crate::log_check::{LogCheckError, Progress};
use crate::outcome::{Failure, Outcome};

/// Audits every so often until it is told to stop; then ends as the last audit did, or as one of a log that cannot be had if
/// patience has ended with the one that runs. Prints what each audit found: a line when that has changed, or with `json` an object
/// each time.
pub(super) async fn run(
    mut audited: Audited,
    every: Duration,
    patience: Duration,
    alarm: Option<Command>,
    json: bool,
) -> Result<Outcome, Failure> {
    let mut stop = StopSignal::install()?;
    // Its metrics are written while an audit runs, too.
    let metrics = audited.metrics.take();
    let monitor = Monitor::new(patience, Instant::now());
    let mut watch = Watch { monitor, patience, metrics, alarm, json, last: None };
    while let Some(found) = watch.audit(&mut audited, &mut stop).await {
        watch.note(&found);
        let is_news = watch.is_news(&found);
        watch.tell(told(&audited, &found), is_news).await;
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = stop.received() => break,
        }
    }
    let nothing = || Failure::hub("the watch was stopped before it had audited anything", "Start it again.");
    watch.last.unwrap_or_else(|| Err(nothing()))
}

type Found = Result<Audit, AuditFailure>;

struct Watch {
    monitor: Monitor,
    patience: Duration,
    metrics: Option<Metrics>,
    alarm: Option<Command>,
    json: bool,
    /// What was told last.
    last: Option<Result<Outcome, Failure>>,
}

impl Watch {
    /// One audit, to its end; `None` if the watch is stopped before. If patience ends meanwhile, that is told, and the audit goes on.
    async fn audit(&mut self, audited: &mut Audited, stop: &mut StopSignal) -> Option<Found> {
        let advance = Advance::begin(Instant::now());
        let mut audit = pin!(audited.once(&advance));
        tokio::select! {
            found = &mut audit => return Some(found),
            () = stop.received() => return None,
            () = stands_still(&self.monitor, &advance) => {}
        }
        // Neither waits for the other's end: an alarm may take its time.
        let ended = async {
            tokio::select! {
                found = &mut audit => Some(found),
                () = stop.received() => None,
            }
        };
        tokio::join!(ended, self.tell_of_standstill(&advance)).0
    }

    async fn tell_of_standstill(&mut self, advance: &Advance) {
        // To the metrics, this is an audit without a verdict.
        self.note(&Err(AuditFailure::Log(LogCheckError::Stopped)));
        let now = Instant::now();
        let what = if now.duration_since(advance.last()) >= self.patience {
            format!("the audit has not ended, and has checked no entry for {} s", self.patience.as_secs())
        } else {
            format!("the audit has not ended for {} s", now.duration_since(advance.begun).as_secs())
        };
        let advice = "Nothing new is known about the log. The audit goes on; check what answers at the address.";
        let is_news = self.monitor.cannot_be_had(now);
        self.tell(Err(Failure::hub(what, advice)), is_news).await;
    }

    /// Writes the metrics. Where that fails, what was found is told all the same.
    fn note(&mut self, found: &Found) {
        if let Some(Err(error)) = self.metrics.as_mut().map(|metrics| metrics.note(found)) {
            tracing::warn!("{error}");
        }
    }

    fn is_news(&mut self, found: &Found) -> bool {
        let now = Instant::now();
        match found {
            Ok(Audit { verdict: Ok(_), .. }) => {
                self.monitor.holds(now);
                false
            }
            Ok(Audit { verdict: Err(finding), .. }) => self.monitor.does_not_hold(finding, now),
            Err(_) => self.monitor.cannot_be_had(now),
        }
    }

    /// Prints it, and raises the alarm with what is news.
    async fn tell(&mut self, told: Result<Outcome, Failure>, is_news: bool) {
        let object = match &told {
            Ok(outcome) => outcome.json.clone(),
            Err(failure) => unknown(failure),
        };
        print(&told, &object, self.last.as_ref(), self.json);
        self.last = Some(told);
        if let (true, Some(alarm)) = (is_news, &self.alarm)
            && let Err(error) = alarm.run(&object).await
        {
            tracing::warn!("{error}");
        }
    }
}

/// The life of the audit that runs. What is only fetched is none: whoever serves the log can drip bytes, and make up logs before logs,
/// for ever.
struct Advance {
    begun: Instant,
    /// When it took its last entry as one that holds, or began.
    last: watch::Sender<Instant>,
}

impl Advance {
    fn begin(now: Instant) -> Self {
        Self { begun: now, last: watch::Sender::new(now) }
    }

    fn last(&self) -> Instant {
        *self.last.borrow()
    }
}

impl Progress for Advance {
    fn checked(&self, _: u64) {
        self.last.send_replace(Instant::now());
    }
}

/// Waits until patience ends with the audit that runs, unless somebody was told already.
async fn stands_still(monitor: &Monitor, advance: &Advance) {
    while let Some(end) = monitor.patience_ends(advance.begun, advance.last()) {
        if end <= Instant::now() {
            return;
        }
        tokio::time::sleep_until(end.into()).await;
    }
    pending().await
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

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn an_audit_stands_still_when_it_checks_no_entry_for_the_patience_and_that_is_told_once() {
        let patience = Duration::from_secs(60);
        let now = Instant::now();
        let long_ago = now.checked_sub(patience).unwrap();
        let mut monitor = Monitor::new(patience, long_ago);
        let advance = Advance::begin(now);
        assert!(stands_still(&monitor, &advance).now_or_never().is_none(), "it has only begun");
        let advance = Advance::begin(long_ago);
        advance.started(1_000_000);
        assert!(stands_still(&monitor, &advance).now_or_never().is_some());
        advance.checked(256);
        assert!(stands_still(&monitor, &advance).now_or_never().is_none(), "a long audit that advances");
        let advance = Advance::begin(long_ago);
        assert!(monitor.cannot_be_had(now));
        assert!(stands_still(&monitor, &advance).now_or_never().is_none(), "somebody was told");
    }
}
