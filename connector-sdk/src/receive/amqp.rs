//! Receiving from the exchange's broker.

use std::sync::{Mutex as SyncMutex, PoisonError};
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use lapin::message::Delivery as AmqpDelivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, BasicRejectOptions};
use lapin::runtime::default_runtime;
use lapin::tcp::OwnedTLSConfig;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ConnectionProperties, Consumer};
use saphan_schemas::ids::SystemId;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::{Delivery, ReceiveError, Token, Transport, TransportFuture};
use crate::error::ConnectorError;
use crate::hub_api::http::is_this_machine;
use crate::hub_api::{Answer, Submission};

/// A consumer of one inbox queue. It connects when it is asked for messages, and again after each failure.
pub(crate) struct Amqp {
    uri: String,
    queue: String,
    /// CA certificates (PEM) to believe besides this machine's.
    ca: Option<String>,
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
    pub(crate) fn new(uri: String, system: &SystemId, ca: Option<String>) -> Result<Self, ConnectorError> {
        check(&uri)?;
        // lapin picks rustls' default provider; installing it again is harmless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self { uri, queue: system.inbox_queue(), ca, session: Mutex::new(None), current: SyncMutex::default() })
    }

    async fn connect(&self) -> Result<Session, ReceiveError> {
        let properties = ConnectionProperties::default().with_connection_name(self.queue.as_str().into());
        let config = OwnedTLSConfig { cert_chain: self.ca.clone(), ..OwnedTLSConfig::default() };
        let connecting = Connection::connect_with_config(&self.uri, properties, config, default_runtime()?);
        let connection = timeout(CONNECT_TIMEOUT, connecting)
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

    fn acknowledged(&self, _: &[u64]) {}

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

/// A header as text; empty when it is missing, and then it does not verify.
fn text_header(delivery: &AmqpDelivery, name: &str) -> String {
    let headers = delivery.properties.headers().as_ref().map(FieldTable::inner);
    match headers.and_then(|headers| headers.get(name)) {
        Some(AMQPValue::LongString(text)) => String::from_utf8_lossy(text.as_bytes()).into_owned(),
        Some(AMQPValue::ShortString(text)) => text.as_str().to_owned(),
        _ => String::new(),
    }
}

/// Without TLS only this machine is a broker.
fn check(uri: &str) -> Result<(), ConnectorError> {
    let refuse = |reason| Err(ConnectorError::Address { reason });
    let Ok(url) = reqwest::Url::parse(uri) else { return refuse("the broker's address is not a URL") };
    match (url.scheme(), url.host_str()) {
        ("amqps", Some(_)) => Ok(()),
        ("amqp", Some(host)) if is_this_machine(host) => Ok(()),
        ("amqp", _) => refuse("plain AMQP is for a broker on this machine only; use amqps"),
        _ => refuse("the broker's address must begin with amqps://"),
    }
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Messages on their way or not stored yet.
const PREFETCH: u16 = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_amqp_is_for_this_machine_only() {
        assert!(check("amqp://u:p@127.0.0.1:5672/saphan").is_ok());
        assert!(check("amqps://u:p@broker.example/saphan").is_ok());
        for uri in
            ["amqp://u:p@broker.example/saphan", "amqp://u:p@127.broker.example/saphan", "http://127.0.0.1", "broker"]
        {
            assert!(check(uri).is_err(), "{uri}");
        }
    }
}
