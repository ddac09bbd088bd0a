//! How a command ends: its exit code, its words, and its JSON.

use std::fmt;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;
use serde_json::{Value, json};

/// What a command has to say when it did its work, whatever the answer is.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) exit: Exit,
    pub(crate) text: String,
    pub(crate) json: Value,
}

/// Exit codes, as `--help` documents them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    No = 1,
    Usage = 2,
    Later = 3,
}

/// Why a command did not do its work: what happened, whose side it is on, and what to do.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    side: Side,
    what: String,
    advice: String,
}

/// Who must act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Side {
    Caller,
    Machine,
    Hub,
}

impl Exit {
    pub(crate) fn code(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}

impl Failure {
    /// A mistake in arguments, configuration or input.
    pub(crate) fn caller(what: impl fmt::Display, advice: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, Side::Caller, what, advice)
    }

    /// This machine does not do what it should: disk, memory, permissions.
    pub(crate) fn machine(what: impl fmt::Display, advice: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, Side::Machine, what, advice)
    }

    /// The hub, or the way to it; trying later may help.
    pub(crate) fn hub(what: impl fmt::Display, advice: impl fmt::Display) -> Self {
        Self::new(Exit::Later, Side::Hub, what, advice)
    }

    /// The hub said no, for good.
    pub(crate) fn refused(what: impl fmt::Display, advice: impl fmt::Display) -> Self {
        Self::new(Exit::No, Side::Caller, what, advice)
    }

    /// The hub has it no more, for good.
    pub(crate) fn lost(what: impl fmt::Display, advice: impl fmt::Display) -> Self {
        Self::new(Exit::No, Side::Hub, what, advice)
    }

    /// A file that cannot be read.
    pub(crate) fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        Self::caller(format!("cannot read {}: {error}", path.display()), "Check the path and its permissions.")
    }

    /// A file that cannot be written.
    pub(crate) fn unwritable(path: &Path, error: &std::io::Error) -> Self {
        let what = format!("cannot write {}: {error}", path.display());
        Self::machine(what, "Check the folder, its permissions and the free space.")
    }

    fn new(exit: Exit, side: Side, what: impl fmt::Display, advice: impl fmt::Display) -> Self {
        Self { exit, side, what: what.to_string(), advice: advice.to_string() }
    }

    /// Whose side it is on, what happened, and what to do.
    pub(crate) fn into_parts(self) -> (Side, String, String) {
        (self.side, self.what, self.advice)
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({ "error": { "what": self.what, "side": self.side, "advice": self.advice } })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "saphan: {} ({})\n  {}", self.what, self.side.words(), self.advice)
    }
}

impl Side {
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Caller => "on your side",
            Self::Machine => "on this machine",
            Self::Hub => "at the hub, or on the way to it",
        }
    }
}

/// Prints what a command has to say: a result on standard output, an error on standard error; with `json` one object on
/// standard output in both cases.
pub(crate) fn print(result: Result<Outcome, Failure>, json: bool) -> ExitCode {
    let (exit, text, object) = match result {
        Ok(outcome) => (outcome.exit, Ok(outcome.text), outcome.json),
        Err(failure) => (failure.exit, Err(failure.to_string()), failure.to_json()),
    };
    // Whoever closed the pipe does not want to read it; the exit code still tells.
    let _ = match (json, text) {
        (true, _) => writeln!(std::io::stdout(), "{object}"),
        (false, Ok(text)) => writeln!(std::io::stdout(), "{}", text.trim_end()),
        (false, Err(text)) => writeln!(std::io::stderr(), "{text}"),
    };
    exit.code()
}
