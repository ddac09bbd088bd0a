//! The command line: `init`, `serve`, `registry`, `invite`, `schema`, `catalogue`, `broker config`, `keys`, `shard`, `erase`,
//! `recover`,
//! `check-config`, `default-config`.

mod broker;
mod catalogue;
mod change;
mod erase;
mod init;
mod invite;
mod keys;
mod output;
mod recover;
mod registry;
mod run;
mod running;
mod schema;
mod shard;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// The Saphan hub: checks, signs, logs and routes service messages.
#[derive(Debug, Parser)]
#[command(name = "saphan-hub", version, after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a folder with a configuration, keys and an empty store.
    Init(init::InitArguments),
    /// Run the hub until SIGTERM or Ctrl-C. Prints one line when it is ready; logs go to standard error.
    Serve(ConfigArguments),
    /// Change the registry, and look at it.
    #[command(subcommand)]
    Registry(registry::RegistryCommand),
    /// Let a system register its first key: prints a code that works once.
    Invite(invite::InviteArguments),
    /// Publish schemas, and look at them.
    #[command(subcommand)]
    Schema(schema::SchemaCommand),
    /// Look at what of the catalogue is served.
    #[command(subcommand)]
    Catalogue(catalogue::CatalogueCommand),
    /// Set RabbitMQ up.
    #[command(subcommand)]
    Broker(BrokerCommand),
    /// Rotate the hub's own keys.
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Close the log and go on in another one.
    #[command(subcommand)]
    Shard(shard::ShardCommand),
    /// Erase the bodies of messages for ever; the log keeps what was said of them, and that they were erased. Refused before they
    /// are acknowledged or have expired, and in a case that has not ended. Works on a running hub and on a stopped one.
    Erase(erase::EraseArguments),
    /// Make the head and the hashes of the log again from its entries, and damaged entries from where the log is published. Nothing
    /// is written unless everything then gives the root that the newest checkpoint signs. The hub must be stopped.
    Recover(recover::RecoverArguments),
    /// Say whether a configuration file is valid.
    CheckConfig(ConfigArguments),
    /// Print the default configuration with every setting explained.
    DefaultConfig,
}

#[derive(Debug, Subcommand)]
enum BrokerCommand {
    /// Print RabbitMQ's configuration: it lets in whom the hub lets in.
    Config(broker::BrokerArguments),
}

#[derive(Debug, Args)]
struct ConfigArguments {
    /// The configuration file.
    #[arg(long, default_value = "hub.toml", env = "SAPHAN_HUB_CONFIG")]
    config: PathBuf,
}

/// Runs the program with these arguments, the first being its name.
#[must_use]
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are errors to clap, printed to standard output and ended with 0.
            let code = if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
            let _ = error.print();
            return code;
        }
    };
    let result = match arguments.command {
        Command::Init(arguments) => init::init(&arguments),
        Command::Serve(arguments) => run::serve(&arguments.config),
        Command::Registry(command) => registry::registry(command),
        Command::Invite(arguments) => invite::invite(&arguments),
        Command::Schema(command) => schema::schema(&command),
        Command::Catalogue(command) => catalogue::catalogue(command),
        Command::Broker(BrokerCommand::Config(arguments)) => broker::config(&arguments),
        Command::Keys(command) => keys::keys(&command),
        Command::Shard(command) => shard::shard(&command),
        Command::Erase(arguments) => erase::erase(&arguments),
        Command::Recover(arguments) => recover::recover(&arguments),
        Command::CheckConfig(arguments) => run::check(&arguments.config),
        Command::DefaultConfig => output::print(|output| output.write_all(crate::config::DEFAULT.as_bytes())),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("saphan-hub: {}", told(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes. Many errors tell their cause themselves; nothing is told twice.
fn told(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |told, cause| match cause.to_string() {
        cause if told.is_empty() => cause,
        cause if told.contains(&cause) => told,
        cause => format!("{told}: {cause}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer: {0}")]
    struct Telling(#[source] std::fmt::Error);

    #[test]
    fn a_cause_is_told_once_whether_or_not_its_error_tells_it_too() {
        let inner = std::fmt::Error.to_string();
        assert_eq!(told(&Telling(std::fmt::Error).into()), format!("outer: {inner}"));
        let context = anyhow::Error::from(std::fmt::Error).context("context");
        assert_eq!(told(&context), format!("context: {inner}"));
    }
}
