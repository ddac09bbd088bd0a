//! Everything that a system could try at the broker and must not be able to do.

use lapin::options::{
    BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeBindOptions,
    ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
    QueuePurgeOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ExchangeKind, Result};

/// A connection on which things are tried, each on a channel of its own: a refusal ends the channel.
struct Attempts<'a> {
    connection: &'a Connection,
    not_refused: Vec<String>,
}

/// Tries it all; answers what the broker did not refuse as forbidden.
pub(super) async fn everything_forbidden(connection: &Connection, own: &str, other: &str) -> Vec<String> {
    let mut attempts = Attempts { connection, not_refused: Vec::new() };
    for queue in [other, DEAD] {
        attempts.reading(queue).await;
    }
    for (exchange, key) in [("", own), ("", other), (DELIVER, "th.dlt/licensing"), (DELIVER, "x"), (DEAD, "")] {
        attempts.publishing(exchange, key).await;
    }
    for queue in ["of-my-own", "", "inbox.th.dlt.spare"] {
        let options = QueueDeclareOptions { exclusive: queue.is_empty(), ..QueueDeclareOptions::default() };
        let declaring = async |channel: Channel| channel.queue_declare(queue.into(), options, none()).await;
        attempts.attempt(format!("declaring the queue {queue:?}"), declaring).await;
    }
    for queue in [own, other, DEAD] {
        attempts.changing(queue).await;
    }
    attempts.changing_exchanges().await;
    attempts.not_refused
}

impl Attempts<'_> {
    async fn attempt<T>(&mut self, what: String, attempt: impl AsyncFnOnce(Channel) -> Result<T>) {
        let outcome = attempt(self.connection.create_channel().await.unwrap()).await;
        match outcome {
            Err(error) if error.to_string().contains("ACCESS_REFUSED") => {}
            Err(error) => self.not_refused.push(format!("{what}: {error}")),
            Ok(_) => self.not_refused.push(what),
        }
    }

    async fn reading(&mut self, queue: &str) {
        let consuming = async |channel: Channel| {
            channel.basic_consume(queue.into(), "".into(), BasicConsumeOptions::default(), none()).await
        };
        self.attempt(format!("consuming {queue}"), consuming).await;
        let getting = async |channel: Channel| channel.basic_get(queue.into(), BasicGetOptions::default()).await;
        self.attempt(format!("getting from {queue}"), getting).await;
        let purging = async |channel: Channel| channel.queue_purge(queue.into(), QueuePurgeOptions::default()).await;
        self.attempt(format!("purging {queue}"), purging).await;
    }

    async fn publishing(&mut self, exchange: &str, key: &str) {
        let publishing = async |channel: Channel| {
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
            channel.basic_publish(exchange.into(), key.into(), options, b"{}", properties).await?.await
        };
        self.attempt(format!("publishing to {exchange:?} with the key {key:?}"), publishing).await;
    }

    async fn changing(&mut self, queue: &str) {
        let deleting = async |channel: Channel| channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await;
        self.attempt(format!("deleting {queue}"), deleting).await;
        let binding = async |channel: Channel| {
            channel.queue_bind(queue.into(), DELIVER.into(), "x".into(), QueueBindOptions::default(), none()).await
        };
        self.attempt(format!("binding {queue}"), binding).await;
        let unbinding =
            async |channel: Channel| channel.queue_unbind(queue.into(), DELIVER.into(), "x".into(), none()).await;
        self.attempt(format!("unbinding {queue}"), unbinding).await;
    }

    async fn changing_exchanges(&mut self) {
        let declaring = async |channel: Channel| {
            let (kind, options) = (ExchangeKind::Direct, ExchangeDeclareOptions::default());
            channel.exchange_declare("of-my-own".into(), kind, options, none()).await
        };
        self.attempt("declaring an exchange".to_owned(), declaring).await;
        let deleting =
            async |channel: Channel| channel.exchange_delete(DELIVER.into(), ExchangeDeleteOptions::default()).await;
        self.attempt("deleting an exchange".to_owned(), deleting).await;
        let binding = async |channel: Channel| {
            channel.exchange_bind(DEAD.into(), DELIVER.into(), "x".into(), ExchangeBindOptions::default(), none()).await
        };
        self.attempt("binding exchanges".to_owned(), binding).await;
    }
}

fn none() -> FieldTable {
    FieldTable::default()
}

const DELIVER: &str = "saphan.deliver";
const DEAD: &str = "saphan.dead";
