//! Receiving from the exchange's broker.

mod dialling;
mod looking;

use std::sync::{Arc, Mutex as SyncMutex, PoisonError};
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use lapin::message::Delivery as AmqpDelivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, BasicRejectOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, Consumer};
use tokio::sync::Mutex;
use tokio::time::timeout;

use self::dialling::Dialler;
pub use self::looking::BrokerError;
pub(crate) use self::looking::inbox;
use super::{Delivery, ReceiveError, Token, Transport, TransportFuture};
use crate::error::ConnectorError;
use crate::hub_api::{Answer, Submission};
use crate::journal::LogPlace;
use crate::outgoing::Identity;

/// A consumer of one inbox queue. It connects when it is asked for messages, and again after each failure.
pub(crate) struct Amqp {
    dialler: Dialler,
    queue: String,
    session: Mutex<Option<Session>>,
    /// The channel of the session, for acknowledgements while a call waits for messages.
    current: SyncMutex<Current>,
}

struct Session {
    epoch: u64,
    consumer: Consumer,
    /// Dropped, it closes the connection.
    _connection: Connection,
}

#[derive(Default, Clone)]
struct Current {
    epoch: u64,
    channel: Option<Channel>,
}

impl Amqp {
    /// With `ca` (PEM), only these authorities may vouch for the broker.
    pub(crate) fn new(uri: &str, identity: Arc<Identity>, ca: Option<&str>) -> Result<Self, ConnectorError> {
        let queue = identity.system.inbox_queue();
        let dialler = Dialler::new(uri, identity, ca)?;
        Ok(Self { dialler, queue, session: Mutex::new(None), current: SyncMutex::default() })
    }

    async fn connect(&self) -> Result<Session, ReceiveError> {
        let connection = timeout(CONNECT_TIMEOUT, self.dialler.dial(&self.queue))
            .await
            .map_err(|_| ReceiveError::Lost("it did not answer in time"))??;
        let channel = connection.create_channel().await?;
        channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
        let options = BasicConsumeOptions::default();
        let consumer =
            channel.basic_consume(self.queue.as_str().into(), "".into(), options, FieldTable::default()).await?;
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        *current = Current { epoch: current.epoch + 1, channel: Some(channel) };
        Ok(Session { epoch: current.epoch, consumer, _connection: connection })
    }

    fn current(&self) -> Current {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Transport for Amqp {
    fn next(&self, max: usize) -> TransportFuture<'_, Result<Vec<Delivery>, ReceiveError>> {
        Box::pin(async move {
            let mut session = self.session.lock().await;
            let open = match session.take() {
                Some(open) => session.insert(open),
                None => session.insert(self.connect().await?),
            };
            let received = receive(open, max).await;
            if received.is_err() {
                *session = None;
            }
            received
        })
    }

    fn stored<'a>(&'a self, tokens: &'a [Token]) -> TransportFuture<'a, ()> {
        Box::pin(async move {
            let Current { epoch, channel: Some(channel) } = self.current() else { return };
            let Some(last) = tokens.iter().filter(|token| token.epoch == epoch).map(|token| token.tag).max() else {
                return;
            };
            // All before it are stored or refused: deliveries come here in order.
            if let Err(error) = channel.basic_ack(last, BasicAckOptions { multiple: true }).await {
                tracing::debug!(%error, "messages could not be acknowledged at the broker; they come again");
            }
        })
    }

    fn refuse<'a>(&'a self, tokens: &'a [Token]) -> TransportFuture<'a, ()> {
        Box::pin(async move {
            let Current { epoch, channel: Some(channel) } = self.current() else { return };
            for token in tokens.iter().filter(|token| token.epoch == epoch) {
                if let Err(error) = channel.basic_reject(token.tag, BasicRejectOptions { requeue: false }).await {
                    tracing::debug!(%error, "a message could not be rejected at the broker; it comes again");
                }
            }
        })
    }

    fn acknowledged(&self, _: &[LogPlace]) {}

    fn close(&self) -> TransportFuture<'_, ()> {
        Box::pin(async move {
            if let Current { channel: Some(channel), .. } = self.current()
                && let Err(error) = channel.close(200, "the connector stops".into()).await
            {
                tracing::debug!(%error, "the channel was not closed in order");
            }
        })
    }
}

/// Waits for one delivery and takes with it what else has come.
async fn receive(session: &mut Session, max: usize) -> Result<Vec<Delivery>, ReceiveError> {
    let gone = ReceiveError::Lost("it ended the consumer");
    let first = session.consumer.next().await.ok_or(gone)??;
    let mut deliveries = vec![delivery(session.epoch, first)];
    while deliveries.len() < max {
        match session.consumer.next().now_or_never() {
            Some(Some(Ok(next))) => deliveries.push(delivery(session.epoch, next)),
            // An error shows again at the next call; what came before it is not lost.
            _ => break,
        }
    }
    Ok(deliveries)
}

fn delivery(epoch: u64, delivery: AmqpDelivery) -> Delivery {
    let text = |name: &str| text_header(&delivery, name);
    let (envelope, salt) = (text("saphan-envelope"), text("saphan-salt"));
    let answer = Answer { receipt: text("saphan-receipt"), proof: text("saphan-proof") };
    let token = Token { epoch, tag: delivery.delivery_tag };
    Delivery { token, submission: Submission { envelope, salt, body: delivery.data }, answer }
}

/// A header as text; empty when it is missing or no text, and then it does not verify.
fn text_header(delivery: &AmqpDelivery, name: &str) -> String {
    let headers = delivery.properties.headers().as_ref().map(FieldTable::inner);
    match headers.and_then(|headers| headers.get(name)) {
        Some(AMQPValue::LongString(text)) => str::from_utf8(text.as_bytes()).unwrap_or_default().to_owned(),
        Some(AMQPValue::ShortString(text)) => text.as_str().to_owned(),
        _ => String::new(),
    }
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Messages on their way or not stored yet.
const PREFETCH: u16 = 512;
