//! An agency that can be killed at any moment: each message has its effect in the agency's own database, in the same
//! transaction as the claim, and the effects are counted.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use saphan_connector::effects::CREATE_TABLE;
use saphan_connector::{Connector, Handled, Message, Receive, trust};
use saphan_schemas::ids::SystemId;
use saphan_schemas::keys::SigningKey;
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use tokio::sync::Mutex;

/// Handles messages until it is killed.
#[derive(Debug, Parser)]
struct Arguments {
    #[arg(long)]
    system: SystemId,
    #[arg(long)]
    hub: String,
    /// The PEM file of its key.
    #[arg(long)]
    key: PathBuf,
    /// The connector's folder.
    #[arg(long)]
    data_dir: PathBuf,
    /// The agency's own database.
    #[arg(long)]
    effects: PathBuf,
    /// The broker; it pulls without one.
    #[arg(long, env = "AGENCY_BROKER")]
    broker: Option<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments = Arguments::parse();
    let database = Arc::new(Mutex::new(open(&arguments.effects).await?));
    let handler = move |message: Message<Value>| {
        let database = Arc::clone(&database);
        async move {
            count(&mut *database.lock().await, &message).await?;
            // Told before the acknowledgement: what was acknowledged is always among the lines.
            println!("{}", message.id());
            Ok(Handled::Done)
        }
    };
    let key = std::fs::read_to_string(&arguments.key).context("the key cannot be read")?;
    let receive = arguments.broker.map_or(Receive::Pull, |uri| Receive::Amqp { uri });
    let _connector = Connector::builder(arguments.system)
        .hub(&arguments.hub)
        .trust(trust::fetch(&arguments.hub).await?)
        .key(SigningKey::from_pem(&key)?)
        .data_dir(arguments.data_dir)
        .receive(receive)
        .retry_delays(Duration::from_millis(20), Duration::from_millis(500))
        .handle_any(handler)
        .build()
        .await?;
    std::future::pending().await
}

async fn open(path: &std::path::Path) -> anyhow::Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut database = options.busy_timeout(Duration::from_secs(10)).connect().await?;
    let tables: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE name = 'effect'").fetch_one(&mut database).await?;
    if tables == 0 {
        let mut transaction = database.begin().await?;
        sqlx::query(CREATE_TABLE).execute(&mut *transaction).await?;
        // No unique key: an effect that happened twice shall be seen.
        sqlx::query("CREATE TABLE effect (message TEXT NOT NULL)").execute(&mut *transaction).await?;
        transaction.commit().await?;
    }
    Ok(database)
}

async fn count(database: &mut SqliteConnection, message: &Message<Value>) -> Result<(), sqlx::Error> {
    let mut transaction = database.begin().await?;
    if message.effect().claim(&mut transaction).await? {
        let insert = sqlx::query("INSERT INTO effect (message) VALUES (?1)").bind(message.id().to_string());
        insert.execute(&mut *transaction).await?;
    }
    transaction.commit().await
}
