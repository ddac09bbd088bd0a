//! What the hub declares on the broker, as the wire contract has it.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Connection, ExchangeKind};
use saphan_schemas::ids::SystemId;

/// The exchange that messages are published to, by receiving system.
pub(super) const DELIVER: &str = "saphan.deliver";
/// The exchange of dead letters, and the queue that keeps them.
pub(super) const DEAD: &str = "saphan.dead";

/// Both exchanges and the queue for dead letters.
pub(super) async fn declare_exchanges(connection: &Connection) -> lapin::Result<()> {
    let channel = connection.create_channel().await?;
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(DELIVER.into(), ExchangeKind::Direct, durable, FieldTable::default()).await?;
    channel.exchange_declare(DEAD.into(), ExchangeKind::Fanout, durable, FieldTable::default()).await?;
    channel.queue_declare(DEAD.into(), durable_queue(), table(&[("x-queue-type", "quorum")])).await?;
    let (bind, none) = (QueueBindOptions::default(), FieldTable::default());
    channel.queue_bind(DEAD.into(), DEAD.into(), "".into(), bind, none).await?;
    close(channel).await;
    Ok(())
}

/// The inbox of a system, bound to its name.
///
/// An inbox that exists with other arguments keeps them: an operator may have good reasons.
pub(super) async fn declare_inbox(connection: &Connection, system: &SystemId) -> lapin::Result<()> {
    let name = system.inbox_queue();
    // A channel for each: a declaration that is refused ends its channel.
    let mut channel = connection.create_channel().await?;
    let arguments = table(&[
        ("x-queue-type", "quorum"),
        ("x-overflow", "reject-publish"),
        ("x-dead-letter-exchange", DEAD),
        ("x-dead-letter-strategy", "at-least-once"),
    ]);
    match channel.queue_declare(name.as_str().into(), durable_queue(), arguments).await {
        Ok(_) => {}
        Err(error) if error.is_amqp_soft_error() => {
            tracing::warn!(%system, %error, "the inbox differs from the hub's declaration; it is used as it is");
            channel = connection.create_channel().await?;
            let existing = QueueDeclareOptions { passive: true, ..durable_queue() };
            channel.queue_declare(name.as_str().into(), existing, FieldTable::default()).await?;
        }
        Err(error) => return Err(error),
    }
    let (bind, none) = (QueueBindOptions::default(), FieldTable::default());
    channel.queue_bind(name.as_str().into(), DELIVER.into(), system.as_str().into(), bind, none).await?;
    close(channel).await;
    Ok(())
}

async fn close(channel: lapin::Channel) {
    // All that it was for has been answered.
    let _ = channel.close(200, "done".into()).await;
}

fn durable_queue() -> QueueDeclareOptions {
    QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() }
}

fn table(arguments: &[(&str, &str)]) -> FieldTable {
    let mut table = FieldTable::default();
    for &(name, value) in arguments {
        table.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    table
}
