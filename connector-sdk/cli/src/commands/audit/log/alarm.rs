//! Telling somebody that a log does not hold.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

/// A program and its arguments; no shell reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    program: String,
    arguments: Vec<String>,
}

impl Command {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace().map(str::to_owned);
        let program = words.next().ok_or("no program is named")?;
        Ok(Self { program, arguments: words.collect() })
    }

    /// Runs it with the object on its standard input, and waits for its end, but not for ever.
    ///
    /// # Errors
    /// What went wrong, in words; the watch goes on all the same.
    pub(super) async fn run(&self, verdict: &Value) -> Result<(), String> {
        let run = async {
            let mut command = tokio::process::Command::new(&self.program);
            let command = command.args(&self.arguments).stdin(Stdio::piped()).stdout(Stdio::null()).kill_on_drop(true);
            let mut child = command.spawn()?;
            if let Some(mut input) = child.stdin.take() {
                // A program that does not read it was told by being started.
                let _ = input.write_all(format!("{verdict}\n").as_bytes()).await;
            }
            child.wait().await
        };
        match tokio::time::timeout(LONGEST, run).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(format!("the alarm {} ended with {status}", self.program)),
            Ok(Err(error)) => Err(format!("the alarm {} cannot be run: {error}", self.program)),
            Err(_) => Err(format!("the alarm {} did not end within {} s", self.program, LONGEST.as_secs())),
        }
    }
}

const LONGEST: Duration = Duration::from_secs(60);
