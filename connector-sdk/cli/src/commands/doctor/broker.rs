//! Whether the system can read its inbox, when that is at the broker.

use saphan_connector::membership::Membership;
use saphan_connector::{BrokerError, Receive};

use super::finding::Finding;
use crate::outcome::{Failure, Side};

pub(super) const STEP: &str = "broker";

/// `receive` is how the configuration says that messages come; `ca` vouches for the broker.
pub(super) async fn examine(membership: &Membership, receive: Result<Receive, Failure>, ca: Option<&str>) -> Finding {
    let uri = match receive {
        Ok(Receive::Amqp { uri }) => uri,
        Ok(_) => return Finding::ok(STEP, "not needed: messages are pulled from the hub"),
        Err(failure) => return Finding::failure(STEP, failure),
    };
    match membership.waiting_at_broker(&uri, ca).await {
        Ok(waiting) => Finding::ok(STEP, format!("it lets this system in; {waiting} messages wait in its inbox")),
        Err(error) => fault(&error),
    }
}

fn fault(error: &BrokerError) -> Finding {
    let (side, advice) = match error {
        BrokerError::Address(_) => {
            (Side::Caller, "correct `amqp` in the configuration; the hub's operator tells the address")
        }
        BrokerError::Insecure { .. } => (
            Side::Caller,
            "if the broker has a CA of its own, name it with `ca_file`; if not, somebody else may answer for it",
        ),
        BrokerError::Refused => (
            Side::Hub,
            "ask the hub's operator whether this system is registered with `transport = \"amqp\"`; the broker asks the hub for \
             each login",
        ),
        BrokerError::Failed { .. } => (Side::Hub, "try again in a minute; if it stays, tell the hub's operator"),
        BrokerError::NoInbox => {
            (Side::Hub, "tell the hub's operator: the hub has not reached the broker since the system joined")
        }
        _ => (Side::Hub, "check the address, that no firewall is in between, and that the broker is running"),
    };
    Finding::failed(STEP, error.to_string(), side, advice)
}
