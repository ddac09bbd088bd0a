//! `saphan doctor`: every step of a connection, and whose side a fault is on.

mod broker;
mod finding;
mod hub;
mod key;
mod machine;

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use self::finding::{Finding, Verdict};
use crate::config::Settings;
use crate::outcome::{Exit, Failure, Outcome};

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// The connection to the hub
    #[arg(long, value_name = "FILE", default_value = "saphan.toml", env = "SAPHAN_CONFIG")]
    config: PathBuf,
}

pub(crate) async fn run(arguments: DoctorArguments) -> Result<Outcome, Failure> {
    let settings = Settings::read(&arguments.config)?;
    let mut findings = vec![Finding::ok("configuration", format!("{} is readable", arguments.config.display()))];
    let folder = machine::data_folder(settings.data_dir());
    let (key, config) = machine::private_key(settings);
    findings.extend([key, folder]);
    match config {
        Some(config) => findings.extend(hub::examine(config).await),
        None => findings.extend(hub::not_examined()),
    }
    Ok(outcome(&findings))
}

fn outcome(findings: &[Finding]) -> Outcome {
    let failed = findings.iter().filter(|finding| finding.verdict == Verdict::Failed).count();
    let mut text: String = findings.iter().map(ToString::to_string).collect();
    text.push_str(&match failed {
        0 => "\nThe connection works.\n".to_owned(),
        1 => "\nOne step fails.\n".to_owned(),
        more => format!("\n{more} steps fail; begin with the first.\n"),
    });
    let exit = if failed == 0 { Exit::Done } else { Exit::No };
    Outcome { exit, text, json: json!({ "works": failed == 0, "checks": findings }) }
}
