//! One module a command.

pub(crate) mod agreements;
pub(crate) mod audit;
pub(crate) mod doctor;
pub(crate) mod documents;
pub(crate) mod join;
pub(crate) mod keys;
pub(crate) mod listen;
pub(crate) mod log;
pub(crate) mod send;
pub(crate) mod trust;
pub(crate) mod verify;
pub(crate) mod witness;

use saphan_connector::ConnectorError;
use saphan_connector::hub_api::HubError;
use saphan_connector::membership::MembershipError;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::arguments::{Arguments, Command};
use crate::outcome::{Failure, Outcome};
use crate::tls::INSECURE_ADVICE;

/// Runs the command that the arguments name.
pub(crate) async fn dispatch(arguments: Arguments) -> Result<Outcome, Failure> {
    match arguments.command {
        Command::Join(arguments) => join::run(arguments).await,
        Command::Doctor(arguments) => doctor::run(arguments).await,
        Command::Agreements(command) => agreements::run(command).await,
        Command::Keys(command) => keys::run(command).await,
        Command::Trust(arguments) => trust::run(arguments).await,
        Command::Send(arguments) => send::run(arguments).await,
        Command::Documents(command) => documents::run(command).await,
        Command::Listen(arguments) => listen::run(arguments).await,
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Log(command) => log::run(command).await,
        Command::Audit(command) => audit::run(command, arguments.json).await,
        Command::Witness(command) => witness::run(command).await,
    }
}

/// Hears when the program is asked to stop: Ctrl-C, or SIGTERM from a supervisor.
struct StopSignal {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignal {
    /// From here on the signals no longer end the program by themselves.
    fn install() -> Result<Self, Failure> {
        let install =
            || Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? });
        install().map_err(|error: std::io::Error| {
            Failure::machine(format!("cannot listen for signals: {error}"), "Check the limits of this process.")
        })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Why a membership did not change.
fn membership_failure(error: &MembershipError) -> Failure {
    match error {
        MembershipError::Hub(HubError::Problem { document, .. }) => {
            let detail = document.detail.as_ref().map(|detail| format!("; {detail}")).unwrap_or_default();
            let what = format!("the hub refused: {} ({}){detail}", document.title, document.code);
            if document.retry {
                Failure::hub(what, "Try again later.")
            } else {
                Failure::refused(what, "Do what it says.")
            }
        }
        MembershipError::Hub(HubError::Insecure { .. }) => Failure::hub(error, INSECURE_ADVICE),
        MembershipError::Connector(ConnectorError::Certificates { .. }) => Failure::caller(error, "Give PEM files."),
        MembershipError::Hub(_) => {
            Failure::hub(error, "Check the address, and that the hub is running; then try again.")
        }
        MembershipError::Connector(ConnectorError::Address { .. }) => {
            Failure::caller(error, "Give the hub's address, such as https://hub.example.")
        }
        MembershipError::Revoked(_) => Failure::refused(
            error,
            "Ask the hub's operator for a new invitation, and join with it in a new folder, with a new key. If you did not revoke \
             it, ask who did.",
        ),
        MembershipError::UsedByAnother(_) | MembershipError::Terms(_) => {
            Failure::refused(error, "Ask the hub's operator on another way than through the hub.")
        }
        _ => Failure::machine(error, "Try again."),
    }
}

/// Why a connector did not start.
fn start_failure(error: &ConnectorError) -> Failure {
    match error {
        ConnectorError::InUse { .. } => {
            Failure::caller(error, "Wait until the other one has ended, or use another `data_dir`.")
        }
        ConnectorError::Address { .. } => Failure::caller(error, "Correct `hub` in the configuration."),
        ConnectorError::Certificates { .. } => {
            Failure::caller(error, "Correct `ca_file`, `client_certificate` or `client_key` in the configuration.")
        }
        ConnectorError::OtherSystem { .. } => Failure::caller(error, "Use another `data_dir` for this system."),
        ConnectorError::Folder { .. } | ConnectorError::Journal(_) => {
            Failure::machine(error, "Check `data_dir`, its permissions and the free space.")
        }
        _ => Failure::machine(error, "Check the configuration."),
    }
}
