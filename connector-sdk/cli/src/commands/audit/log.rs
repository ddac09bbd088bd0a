//! `saphan audit log`.

mod alarm;
mod metrics;
mod told;
mod watch;
mod words;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::commands::audit::language::Language;
use crate::commands::log::{LogArguments, OpenedLog, TOO_MUCH, not_a_log};
use crate::log_audit::finding::Finding;
use crate::log_audit::state::{AuditState, StateError};
use crate::log_audit::{Audit, AuditFailure, TimestampCheck, audit};
use crate::log_check::{LogCheckError, Progress};
use crate::outcome::{Failure, Outcome};
use crate::progress::Bar;
use crate::timestamps::AuthorityArgument;
use metrics::Metrics;

#[derive(Debug, Args)]
pub(crate) struct AuditLogArguments {
    #[command(flatten)]
    log: LogArguments,

    /// The folder that keeps what was audited; it is made if it is not there, and belongs to one log
    #[arg(long, value_name = "DIR")]
    state: PathBuf,

    /// Audit everything again, from the first entry
    #[arg(long)]
    from_start: bool,

    #[command(flatten)]
    authority: AuthorityArgument,

    /// How long an entry may wait for a timestamp before that is told as a gap
    #[arg(long, value_name = "SECONDS", requires = "timestamp_authority", default_value = "7200", value_parser = seconds)]
    timestamp_gap: Duration,

    /// The language of the verdict
    #[arg(long, value_enum, default_value = "en")]
    lang: Language,

    /// Audit again every so many seconds, until SIGINT or SIGTERM
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "60", value_parser = seconds)]
    watch: Option<Duration>,

    /// Write metrics after each audit to this file, for the textfile collector of Prometheus' node exporter
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,

    /// What to run when the log does not hold or stays away: a program and its arguments, split at spaces, without a shell.
    /// It gets the verdict as JSON on its standard input
    #[arg(long, value_name = "COMMAND", requires = "watch", value_parser = alarm::Command::parse)]
    alarm: Option<alarm::Command>,

    /// For how long the log may stay away before that is an alarm
    #[arg(long, value_name = "SECONDS", requires = "watch", default_value = "900", value_parser = seconds)]
    patience: Duration,
}

/// One log and its state folder.
struct Audited {
    log: OpenedLog,
    state: AuditState,
    language: Language,
    metrics: Option<Metrics>,
}

pub(crate) async fn run(arguments: AuditLogArguments, json: bool) -> Result<Outcome, Failure> {
    let patience = arguments.timestamp_gap;
    let check = arguments.authority.read()?.map(|trusted| TimestampCheck { trusted, patience });
    let log = arguments.log.open().await?;
    let mut state = AuditState::open(&arguments.state, &log.vkey).await.map_err(|error| unusable(&error))?;
    if arguments.from_start {
        state.start_over().await.map_err(|error| unusable(&error))?;
    }
    if let Some(check) = check {
        state.check_timestamps(check);
    }
    let metrics = arguments.metrics.map(|path| Metrics::new(path, log.vkey.name()));
    let mut audited = Audited { log, state, language: arguments.lang, metrics };
    match arguments.watch {
        Some(every) => watch::run(audited, every, arguments.patience, arguments.alarm, json).await,
        None => {
            let bar = Bar::new();
            let found = audited.once(&bar).await;
            drop(bar);
            audited.tell(&found.map_err(|failure| failed(&failure))?)
        }
    }
}

impl Audited {
    /// One audit; its metrics are written.
    async fn once(&mut self, progress: &dyn Progress) -> Result<Audit, AuditFailure> {
        let found = audit(&*self.log.source, &mut self.state, progress).await;
        if let Some(metrics) = &mut self.metrics {
            metrics.note(&found)?;
        }
        found
    }

    fn tell(&self, audit: &Audit) -> Result<Outcome, Failure> {
        if let (None, Err(Finding::Log(error))) = (&audit.since, &audit.verdict)
            && let Some(failure) = not_a_log(error, &self.log.name)
        {
            return Err(failure);
        }
        Ok(self.log.tell(told::outcome(audit, &self.log.name, self.language)))
    }
}

fn failed(failure: &AuditFailure) -> Failure {
    match failure {
        AuditFailure::Log(LogCheckError::Export { .. }) => Failure::machine(failure, "Check the free space."),
        AuditFailure::Log(error) if error.is_too_much() => Failure::hub(failure, TOO_MUCH),
        AuditFailure::Log(_) => {
            Failure::hub(failure, "Nothing new is known about the log. Check the address, and try again.")
        }
        AuditFailure::State(error) => unusable(error),
    }
}

fn unusable(error: &StateError) -> Failure {
    match error {
        StateError::InUse => Failure::caller(error, "Wait until the other audit has ended, or give another folder."),
        StateError::OtherLog { .. } => Failure::caller(
            error,
            "Give that key with --vkey, or another folder for this one. After a rotation, audit once with the old key.",
        ),
        StateError::OtherFormat { .. } | StateError::Damaged { .. } | StateError::LaterLog => Failure::caller(
            error,
            "Restore it from a copy, or give another folder: everything is then audited from the first entry.",
        ),
        StateError::Folder { .. } | StateError::Database(_) => {
            Failure::machine(error, "Check the folder, its permissions and the free space.")
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds)),
        _ => Err("not a number of seconds, 1 or more".to_owned()),
    }
}
