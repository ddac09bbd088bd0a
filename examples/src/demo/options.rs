//! The command line of the demo.

use std::path::PathBuf;

use clap::Parser;

/// Starts a hub, a citizen portal, agencies and registers on this machine, lets them exchange applications and answers and
/// carry out procedures for which nobody hands in a paper, and checks the signed log. Nothing is left behind.
#[derive(Debug, Parser)]
#[command(name = "demo", bin_name = "cargo demo --")]
pub(super) struct Options {
    /// Deliver through a private RabbitMQ node, started for this (needs the package rabbitmq-server).
    #[arg(long)]
    pub(super) rabbitmq: bool,
    /// Print one JSON object on standard output and nothing else.
    #[arg(long)]
    pub(super) json: bool,
    /// How many applications to submit.
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = applications)]
    pub(super) applications: usize,
    /// Write what a stranger needs to check everything with other tools. The folder must be new or empty.
    #[arg(long, value_name = "DIR")]
    pub(super) export: Option<PathBuf>,
    /// Leave everything running until Ctrl-C.
    #[arg(long)]
    pub(super) keep: bool,
    /// Then show the portal as a web page, in Thai and English, until Ctrl-C.
    #[arg(long)]
    pub(super) portal: bool,
}

impl Options {
    /// What will be started, in words.
    pub(super) const fn parts(&self) -> &'static str {
        if self.rabbitmq {
            "a RabbitMQ node, a hub, the citizen portal, agencies and registers"
        } else {
            "a hub, the citizen portal, agencies and registers"
        }
    }
}

fn applications(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=MOST) => Ok(number),
        _ => Err(format!("expected a number from 1 to {MOST}")),
    }
}

/// The demo keeps every message in memory.
const MOST: usize = 100_000;

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Options::command().debug_assert();
    }

    #[test]
    fn no_applications_are_no_demo() {
        assert!(Options::try_parse_from(["demo", "--applications", "0"]).is_err());
        assert_eq!(Options::try_parse_from(["demo"]).unwrap().applications, 24);
    }
}
