//! `saphan-hub catalogue`: what of the catalogue is served end to end.

use clap::Subcommand;

use super::{ConfigArguments, change, output, run};
use crate::catalogue::Coverage;

#[derive(Debug, Subcommand)]
pub(super) enum CatalogueCommand {
    /// Print which services the agreements in force let the hub serve end to end, which evidence is missing for the others, and who
    /// holds it; the service with the highest priority first.
    Coverage {
        /// As one JSON object.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArguments,
    },
}

pub(super) fn catalogue(command: CatalogueCommand) -> anyhow::Result<()> {
    match command {
        CatalogueCommand::Coverage { json, config } => coverage(json, &config),
    }
}

fn coverage(json: bool, config: &ConfigArguments) -> anyhow::Result<()> {
    let config = run::load(&config.config)?;
    change::read(&config, |registry| {
        let current = registry.current();
        output::view(&Coverage::new(&current.catalogue, &current.state, change::now()), json)
    })
}
