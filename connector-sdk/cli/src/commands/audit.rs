//! `saphan audit`: what was so, found out from the hub's log and nothing else.

mod registry;

use clap::Subcommand;

use crate::outcome::{Failure, Outcome};

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Who could send what to whom at some moment, once the whole log was checked
    Registry(registry::RegistryArguments),
}

pub(crate) async fn run(command: AuditCommand) -> Result<Outcome, Failure> {
    match command {
        AuditCommand::Registry(arguments) => registry::run(arguments).await,
    }
}
