//! Publishing on one channel: many publications unconfirmed at once, each answered by what the broker says of it.
//!
//! The broker *acknowledges* a message that it could not route, after returning it. lapin hands a returned message to
//! whichever confirmation completes next, and completes those of one acknowledgement in no order, so the message that
//! comes with a confirmation may be another's. What was returned is therefore told by the message id; and a plain
//! acknowledgement counts only when every confirmation that completed before it has been looked at ([`Flights`]),
//! because one of those may have carried the return.

use std::collections::HashMap;
use std::future::poll_fn;

use lapin::message::BasicReturnMessage;
use lapin::options::BasicPublishOptions;
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation};
use saphan_schemas::ids::MessageId;
use tokio::sync::{mpsc, oneshot};

use super::flights::Flights;
use super::topology::DELIVER;
use crate::routing::transport::PublishError;

/// A publication to make.
pub(super) struct Job {
    pub(super) message_id: MessageId,
    pub(super) routing_key: ShortString,
    pub(super) properties: BasicProperties,
    pub(super) body: Vec<u8>,
    pub(super) reply: oneshot::Sender<Result<(), PublishError>>,
}

/// Why publishing on this channel ended. Everything unanswered is unknown.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("{0}")]
    Lost(lapin::Error),
    #[error("{unanswered} publications were never answered")]
    Stalled { unanswered: usize },
    #[error("the transport was dropped")]
    Dropped,
}

/// Publishes the jobs in their order, and answers each, until the channel fails.
pub(super) async fn run(channel: &Channel, mut jobs: mpsc::Receiver<Job>, window: usize) -> Ended {
    let mut flights = Flights::new();
    let mut returned = Returned::default();
    loop {
        tokio::select! {
            biased;
            landed = poll_fn(|context| flights.poll_landed(context)) => {
                if let Some(error) = answer(landed, &mut returned) {
                    return Ended::Lost(error);
                }
                if flights.len() == 0 {
                    returned = Returned::default();
                }
            }
            job = jobs.recv() => match job {
                None => return Ended::Dropped,
                // Its caller has given up before it was sent.
                Some(job) if job.reply.is_closed() => {}
                Some(Job { message_id, routing_key, properties, body, reply }) => {
                    flights.launch((message_id, reply), publish(channel.clone(), routing_key, properties, body));
                    // Callers leave the window when they give up; what they left behind must not pile up.
                    if flights.len() > window.saturating_mul(STALLED_WINDOWS) {
                        return Ended::Stalled { unanswered: flights.len() };
                    }
                }
            }
        }
    }
}

async fn publish(
    channel: Channel,
    routing_key: ShortString,
    properties: BasicProperties,
    body: Vec<u8>,
) -> lapin::Result<Confirmation> {
    let mandatory = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    channel.basic_publish(DELIVER.into(), routing_key, mandatory, &body, properties).await?.await
}

type Landed = ((MessageId, oneshot::Sender<Result<(), PublishError>>), lapin::Result<Confirmation>);

/// Answers the callers; the error that ends the channel, if one does.
fn answer(landed: Vec<Landed>, returned: &mut Returned) -> Option<lapin::Error> {
    let mut fatal = None;
    let mut verdicts = Vec::with_capacity(landed.len());
    for ((id, reply), confirmation) in landed {
        let verdict = match confirmation {
            Ok(Confirmation::Ack(None)) => Ok(()),
            Ok(Confirmation::Ack(Some(message))) => {
                returned.add(&message);
                // Its own return, if there is one, may still wait behind the one it was handed.
                Err(PublishError::Unknown)
            }
            Ok(Confirmation::Nack(message)) => {
                message.iter().for_each(|message| returned.add(message));
                Err(PublishError::Rejected)
            }
            Ok(Confirmation::NotRequested) => Err(PublishError::Unknown),
            Err(error) => {
                fatal = Some(error);
                Err(PublishError::Unknown)
            }
        };
        verdicts.push((id, reply, verdict));
    }
    for (id, reply, verdict) in verdicts {
        let verdict = if returned.take(&id) { Err(PublishError::Unroutable) } else { verdict };
        // The caller may have given up.
        let _ = reply.send(verdict);
    }
    fatal
}

/// The messages that the broker has returned and whose confirmation is still to be judged.
#[derive(Default)]
struct Returned(HashMap<String, usize>);

impl Returned {
    fn add(&mut self, message: &BasicReturnMessage) {
        if let Some(id) = message.properties.message_id() {
            *self.0.entry(id.to_string()).or_default() += 1;
        }
    }

    fn take(&mut self, id: &MessageId) -> bool {
        // Nothing is returned in ordinary times.
        if self.0.is_empty() {
            return false;
        }
        let id = id.to_string();
        let Some(count) = self.0.get_mut(&id) else { return false };
        *count -= 1;
        if *count == 0 {
            self.0.remove(&id);
        }
        true
    }
}

const STALLED_WINDOWS: usize = 8;

#[cfg(test)]
mod tests {
    use lapin::message::Delivery;

    use super::*;

    type Answer = oneshot::Receiver<Result<(), PublishError>>;

    fn landed(id: MessageId, confirmation: lapin::Result<Confirmation>) -> (Landed, Answer) {
        let (reply, answer) = oneshot::channel();
        (((id, reply), confirmation), answer)
    }

    fn acknowledged_with_return_of(id: MessageId) -> lapin::Result<Confirmation> {
        let mut delivery = Delivery::mock(0, DELIVER.into(), "th.dopa/nowhere".into(), false, Vec::new());
        delivery.properties = BasicProperties::default().with_message_id(id.to_string().into());
        let message = BasicReturnMessage { delivery, reply_code: 312, reply_text: "NO_ROUTE".into() };
        Ok(Confirmation::Ack(Some(message)))
    }

    #[test]
    fn a_return_that_came_with_anothers_confirmation_finds_its_own_message() {
        let (nowhere, other) = (MessageId::new(), MessageId::new());
        for together in [true, false] {
            let mut returned = Returned::default();
            let (first, mut of_other) = landed(other, acknowledged_with_return_of(nowhere));
            let (second, mut of_nowhere) = landed(nowhere, Ok(Confirmation::Ack(None)));
            if together {
                assert!(answer(vec![second, first], &mut returned).is_none());
            } else {
                assert!(answer(vec![first], &mut returned).is_none());
                assert!(answer(vec![second], &mut returned).is_none());
            }
            assert_eq!(of_nowhere.try_recv().unwrap(), Err(PublishError::Unroutable), "{together}");
            assert_eq!(of_other.try_recv().unwrap(), Err(PublishError::Unknown), "{together}");
            assert!(returned.0.is_empty());
        }
    }

    #[test]
    fn a_lost_channel_makes_its_message_unknown_and_ends_publishing() {
        let (lost, mut answered) = landed(MessageId::new(), Err(lapin::ErrorKind::MissingHeartbeatError.into()));
        assert!(answer(vec![lost], &mut Returned::default()).is_some());
        assert_eq!(answered.try_recv().unwrap(), Err(PublishError::Unknown));
    }
}
