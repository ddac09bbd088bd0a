//! The raw broker: publish with confirms, consume, acknowledge; the same bytes as a real message, and nothing else.

use std::collections::VecDeque;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use futures_util::StreamExt as _;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Connection, ConnectionProperties};

/// A message as it travels through the broker.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Header names and values.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Sample {
    /// Bytes of headers and body.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.body.len() + self.headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
    }
}

/// Messages a second through one quorum queue: published persistently with a window of confirms, consumed, acknowledged.
///
/// # Errors
/// When the broker fails.
pub(super) async fn measure(uri: &str, sample: &Sample, messages: usize) -> anyhow::Result<f64> {
    let publisher = Connection::connect(uri, ConnectionProperties::default()).await?;
    let consumer = Connection::connect(uri, ConnectionProperties::default()).await?;
    let channel = publisher.create_channel().await?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    channel.queue_declare(QUEUE.into(), QueueDeclareOptions { durable: true, ..Default::default() }, arguments).await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let receiving = consumer.create_channel().await?;
    receiving.basic_qos(WINDOW, BasicQosOptions::default()).await?;
    let mut deliveries = receiving
        .basic_consume(QUEUE.into(), "raw".into(), BasicConsumeOptions::default(), FieldTable::default())
        .await?;
    let started = Instant::now();
    let consume = async {
        for number in 1..=messages {
            let delivery = deliveries.next().await.context("the consumer ended")??;
            if number % ACK_EVERY == 0 || number == messages {
                delivery.ack(BasicAckOptions { multiple: true }).await?;
            }
        }
        anyhow::Ok(())
    };
    tokio::try_join!(publish(&channel, sample, messages), consume)?;
    let rate = messages as f64 / started.elapsed().as_secs_f64();
    publisher.close(0, "done".into()).await?;
    consumer.close(0, "done".into()).await?;
    Ok(rate)
}

async fn publish(channel: &lapin::Channel, sample: &Sample, messages: usize) -> anyhow::Result<()> {
    let mut headers = FieldTable::default();
    for (name, value) in &sample.headers {
        headers.insert((*name).into(), AMQPValue::LongString(value.as_str().into()));
    }
    let properties = BasicProperties::default()
        .with_delivery_mode(2)
        .with_content_type("application/json".into())
        .with_headers(headers);
    let mut unconfirmed = VecDeque::with_capacity(usize::from(WINDOW));
    for _ in 0..messages {
        if unconfirmed.len() == usize::from(WINDOW) {
            confirmed(unconfirmed.pop_front()).await?;
        }
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        let confirm = channel.basic_publish("".into(), QUEUE.into(), options, &sample.body, properties.clone()).await?;
        unconfirmed.push_back(confirm);
    }
    while let Some(confirm) = unconfirmed.pop_front() {
        confirmed(Some(confirm)).await?;
    }
    Ok(())
}

async fn confirmed(confirm: Option<lapin::PublisherConfirm>) -> anyhow::Result<()> {
    if let Some(confirm) = confirm {
        ensure!(confirm.await?.is_ack(), "the broker refused a message");
    }
    Ok(())
}

const QUEUE: &str = "raw";
const WINDOW: u16 = 500;
const ACK_EVERY: usize = 50;
