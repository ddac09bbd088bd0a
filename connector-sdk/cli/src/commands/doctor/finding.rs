//! What one step showed.

use std::fmt;

use serde::Serialize;

use crate::outcome::{Failure, Side};

/// What one step showed.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) step: &'static str,
    pub(super) verdict: Verdict,
    pub(super) says: String,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    remedy: Option<Remedy>,
}

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    Ok,
    /// It works, and will not for ever.
    Warning,
    Failed,
    /// A step before it failed.
    Skipped,
}

#[derive(Debug, Serialize)]
struct Remedy {
    side: Side,
    advice: String,
}

impl Finding {
    pub(super) fn ok(step: &'static str, says: impl Into<String>) -> Self {
        Self { step, verdict: Verdict::Ok, says: says.into(), remedy: None }
    }

    pub(super) fn failed(step: &'static str, says: impl Into<String>, side: Side, advice: impl Into<String>) -> Self {
        let remedy = Some(Remedy { side, advice: advice.into() });
        Self { step, verdict: Verdict::Failed, says: says.into(), remedy }
    }

    /// What a command would have said.
    pub(super) fn failure(step: &'static str, failure: Failure) -> Self {
        let (side, what, advice) = failure.into_parts();
        Self::failed(step, what, side, advice)
    }

    pub(super) fn warning(step: &'static str, says: impl Into<String>, side: Side, advice: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warning, ..Self::failed(step, says, side, advice) }
    }

    pub(super) fn skipped(step: &'static str) -> Self {
        Self { step, verdict: Verdict::Skipped, says: "not looked at: a step before it fails".to_owned(), remedy: None }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Failed => "FAILED",
            Verdict::Skipped => "-",
        };
        writeln!(f, "  {word:8} {:14} {}", self.step, self.says)?;
        if let Some(Remedy { side, advice }) = &self.remedy {
            writeln!(f, "  {:8} {:14} {}: {advice}", "", "", side.words())?;
        }
        Ok(())
    }
}
