//! The arguments of the program.

use clap::{Parser, Subcommand};

use crate::commands::{agreements, audit, doctor, documents, join, keys, listen, log, send, trust, verify, witness};

/// Connects a back-office system to a Saphan exchange, and checks what the exchange says.
#[derive(Debug, Parser)]
#[command(name = "saphan", version, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// Print one JSON object on standard output, and nothing else
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Join a hub with an invitation's code: makes a key and everything that `send` and `listen` need
    Join(join::JoinArguments),
    /// Check every step of the connection to the hub, and say whose side a fault is on
    Doctor(doctor::DoctorArguments),
    /// Read and sign the agreements of a system
    #[command(subcommand)]
    Agreements(agreements::AgreementsCommand),
    /// Make, show, rotate and revoke the keys of a system
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Fetch a hub's keys once, to trust them from then on
    Trust(trust::TrustArguments),
    /// Send a message and wait for its receipt
    Send(send::SendArguments),
    /// Upload and download documents, files that travel beside messages
    #[command(subcommand)]
    Documents(documents::DocumentsCommand),
    /// Receive messages, and post each verified one to a local endpoint
    Listen(listen::ListenArguments),
    /// Verify messages with their receipts and proofs, offline
    Verify(verify::VerifyArguments),
    /// Check the hub's log
    #[command(subcommand)]
    Log(log::LogCommand),
    /// Find out from the hub's log what was so
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Cosign the checkpoints of logs, so that nobody can be shown another history
    #[command(subcommand)]
    Witness(witness::WitnessCommand),
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done; everything that was checked holds
  1  no: a message or log does not hold, or the hub refused the message for good
  2  wrong use, or a file that cannot be read or written
  3  not now: the hub was not reached, or the message waits in the outbox

With --json, an error is one object too: {\"error\": {\"what\", \"side\", \"advice\"}}.
SAPHAN_LOG=saphan_connector=debug shows on standard error what the connector does.";
