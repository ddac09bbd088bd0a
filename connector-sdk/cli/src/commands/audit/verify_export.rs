//! `saphan audit verify-export`.

use std::path::{Path, PathBuf};

use clap::Args;
use saphan_schemas::audit::Filter;
use saphan_schemas::log::VerifierKey;
use serde_json::json;

use crate::audit_export::{self, ExportError, Report};
use crate::commands::log::read_vkey;
use crate::outcome::{Exit, Failure, Outcome};

#[derive(Debug, Args)]
pub(crate) struct VerifyExportArguments {
    /// An export of `saphan audit search`: JSON Lines, or CSV if its name ends in .csv
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The key of the log that was exported, or a file with it: all that is trusted
    #[arg(long, value_name = "FILE|TEXT")]
    vkey: String,
}

pub(crate) fn run(arguments: &VerifyExportArguments) -> Result<Outcome, Failure> {
    verify(&arguments.file, &read_vkey(&arguments.vkey)?, &[], None)
}

/// What a hub was asked.
pub(super) struct AskedFor<'a> {
    pub(super) filter: &'a Filter,
    /// The origin of the log, if one was named.
    pub(super) log: Option<&'a str>,
}

/// Verifies an export with keys of the log of which any may have signed its checkpoint.
pub(super) fn verify(
    path: &Path,
    key: &VerifierKey,
    more: &[VerifierKey],
    asked: Option<&AskedFor<'_>>,
) -> Result<Outcome, Failure> {
    match audit_export::verify(path, key, more) {
        Ok(report) if asked.is_some_and(|asked| asked.is_other_than(&report)) => {
            let (name, log) = (path.display(), &report.log);
            let what = format!("{name}: the hub answered another question: {} of {log}", json!(report.filter));
            Err(Failure::hub(what, "Ask again. If it happens again, tell the hub's operator."))
        }
        Ok(report) => Ok(holds(path, &report)),
        Err(ExportError::Unreadable(error)) => Err(Failure::unreadable(path, &error)),
        Err(ExportError::Fault { line, fault }) => {
            let (name, reason) = (path.display(), fault.to_string());
            let text = format!(
                "{name}: NOT verified\n\n  line {line}: {reason}\n\nExport again. If it happens again, show the file to the hub's operator and to other auditors.\n"
            );
            let verdict = json!({ "holds": false, "line": line, "reason": reason });
            Ok(Outcome { exit: Exit::No, text, json: json!({ "file": path, "verdict": verdict }) })
        }
    }
}

impl AskedFor<'_> {
    fn is_other_than(&self, report: &Report) -> bool {
        *self.filter != report.filter || self.log.is_some_and(|log| log != report.log)
    }
}

fn holds(path: &Path, report: &Report) -> Outcome {
    let Report { log, size, root, query, query_log, indexed, rows, supporting, unnamed, filter, .. } = report;
    let (filter, of) = (json!(filter), query_log.as_ref().map(|log| format!(" of {log}")).unwrap_or_default());
    let name = path.display();
    let text = format!(
        "{name}: every row is in the log\n\n  rows        {rows}\n  cited       {supporting} entries beside them\n  asked       {filter}\n  \
         question    entry {query}{of}\n  searched    {indexed} entries\n  log         {log}\n  entries     {size}\n  root        {root}\n\n\
         what this file does not show\n  - that this was the question, that it is that entry, and how much was searched: these are the file's word\n  \
         - that nothing that fits was left out, or was acknowledged since, also in a later log: the logs show that\n  \
         - that senders and receivers signed what they say, and might: `saphan audit log` shows that\n"
    );
    let text = if *unnamed == 0 {
        text
    } else {
        format!(
            "{text}  - that {unnamed} of its acknowledgements are of this log: they name none, so they are of the hub's first log, if it has \
             had several\n"
        )
    };
    Outcome { exit: Exit::Done, text, json: json!({ "file": path, "verdict": { "holds": true }, "export": report }) }
}
