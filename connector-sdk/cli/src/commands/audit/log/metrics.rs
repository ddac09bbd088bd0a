//! What a monitor measures, as a file in Prometheus' text format.

use std::path::PathBuf;

use crate::commands::keys::now;
use crate::files::{self, Readers};
use crate::log_audit::state::StateError;
use crate::log_audit::{Audit, AuditFailure};
use crate::log_check::TamperClass;

/// The metrics of one log. The file is replaced in one step, so a collector never reads half of it.
pub(super) struct Metrics {
    path: PathBuf,
    log: String,
    /// The entries of the trusted checkpoint, and when the log last held, in seconds since 1970; `None` in this process.
    held: Option<(u64, u64)>,
    audits: u64,
    unreachable: u64,
}

impl Metrics {
    pub(super) fn new(path: PathBuf, log: &str) -> Self {
        Self { path, log: log.to_owned(), held: None, audits: 0, unreachable: 0 }
    }

    /// Writes what is known after an audit.
    pub(super) fn note(&mut self, found: &Result<Audit, AuditFailure>) -> Result<(), StateError> {
        let class = match found {
            Ok(audit) => {
                self.audits += 1;
                if let Ok(report) = &audit.verdict {
                    self.held = Some((report.size, now()));
                    // The hub may have gone on in another one.
                    self.log.clone_from(&report.origin);
                }
                audit.verdict.as_ref().err().map(super::Finding::class)
            }
            Err(_) => {
                self.unreachable += 1;
                None
            }
        };
        let text = self.text(found.is_ok(), class);
        let fault = |source| StateError::Folder { path: self.path.clone(), source };
        files::replace(&self.path, text.as_bytes(), Readers::All).map_err(fault)
    }

    fn text(&self, reached: bool, class: Option<TamperClass>) -> String {
        // The origin of a log has no quotes and no line breaks; a backslash is all that needs care.
        let log = self.log.replace('\\', "\\\\").replace('"', "\\\"");
        let mut text = String::new();
        let mut add = |name: &str, kind: &str, help: &str, labels: &str, value: u64| {
            let name = format!("saphan_audit_{name}");
            if !text.contains(&format!("# TYPE {name} ")) {
                text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
            }
            text.push_str(&format!("{name}{{log=\"{log}\"{labels}}} {value}\n"));
        };
        add("reached", "gauge", "Whether the log could be had at the last audit.", "", reached.into());
        add("audits_total", "counter", "Audits with a verdict since the start.", "", self.audits);
        add("failures_total", "counter", "Audits without a verdict since the start.", "", self.unreachable);
        if let Some((entries, time)) = self.held {
            add("trusted_entries", "gauge", "Entries up to the trusted checkpoint.", "", entries);
            add("held_timestamp_seconds", "gauge", "When the log held last.", "", time);
        }
        if reached {
            for each in TamperClass::ALL {
                let label = format!(",class=\"{}\"", each.name());
                add("fault", "gauge", "Whether the last verdict has this class.", &label, (class == Some(each)).into());
            }
        }
        text
    }
}
