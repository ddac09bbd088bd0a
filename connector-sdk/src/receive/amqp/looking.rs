//! A look at the broker that takes nothing: whether it lets the system in, and what waits in its inbox.

use std::sync::Arc;

use lapin::ErrorKind;
use lapin::options::QueueDeclareOptions;
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::types::FieldTable;
use tokio::time::timeout;

use super::CONNECT_TIMEOUT;
use super::dialling::Dialler;
use crate::error::ConnectorError;
use crate::hub_api::http::tls_error;
use crate::outgoing::Identity;

/// Why a system cannot read at the broker.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// The address or the CA is not usable.
    #[error(transparent)]
    Address(#[from] ConnectorError),
    /// It was not reached, or did not answer in time.
    #[error("the broker was not reached: {reason}")]
    Unreachable {
        /// What the client says.
        reason: String,
    },
    /// The broker's certificate is not one to believe.
    #[error("the connection to the broker cannot be made safe: {reason}")]
    Insecure {
        /// What TLS says.
        reason: String,
    },
    /// It does not let the system in.
    #[error("the broker does not let this system in")]
    Refused,
    /// It broke the connection off for another reason: it stops, say, or is out of something.
    #[error("the broker answered with an error: {reason}")]
    Failed {
        /// What it says.
        reason: String,
    },
    /// The hub has not made the system's queue there.
    #[error("the broker has no inbox of this system")]
    NoInbox,
}

/// How many messages wait in the system's inbox.
pub(crate) async fn inbox(uri: &str, identity: Arc<Identity>, ca: Option<&str>) -> Result<u32, BrokerError> {
    let queue = identity.system.inbox_queue();
    let dialler = Dialler::new(uri, identity, ca)?;
    let looking = async {
        let connection = dialler.dial(&queue).await?;
        let channel = connection.create_channel().await?;
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let found = channel.queue_declare(queue.as_str().into(), passive, FieldTable::default()).await?;
        let waiting = found.message_count();
        connection.close(200, "only looking".into()).await?;
        Ok(waiting)
    };
    match timeout(CONNECT_TIMEOUT, looking).await {
        Ok(looked) => looked.map_err(|error| told(&error)),
        Err(_) => Err(BrokerError::Unreachable { reason: "it did not answer in time".to_owned() }),
    }
}

fn told(error: &lapin::Error) -> BrokerError {
    match error.kind() {
        ErrorKind::ProtocolError(error) => match error.kind() {
            AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND) => BrokerError::NoInbox,
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) | AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => {
                BrokerError::Refused
            }
            _ => BrokerError::Failed { reason: error.get_message().to_string() },
        },
        ErrorKind::IOError(error) => match tls_error(&**error) {
            Some(error) => BrokerError::Insecure { reason: error.to_string() },
            None => BrokerError::Unreachable { reason: error.to_string() },
        },
        _ => BrokerError::Unreachable { reason: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use lapin::protocol::AMQPError;

    use super::*;

    fn answered(kind: AMQPErrorKind) -> BrokerError {
        told(&ErrorKind::ProtocolError(AMQPError::new(kind, "no more memory".into())).into())
    }

    #[test]
    fn a_broker_that_fails_is_not_said_to_keep_the_system_out() {
        for kind in [AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED), AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED)]
        {
            assert!(matches!(answered(kind), BrokerError::Refused));
        }
        assert!(matches!(answered(AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND)), BrokerError::NoInbox));
        for kind in [
            AMQPErrorKind::Hard(AMQPHardError::CONNECTIONFORCED),
            AMQPErrorKind::Hard(AMQPHardError::RESOURCEERROR),
            AMQPErrorKind::Soft(AMQPSoftError::RESOURCELOCKED),
        ] {
            let error = answered(kind);
            assert!(matches!(&error, BrokerError::Failed { reason } if reason == "no more memory"), "{error}");
        }
    }
}
