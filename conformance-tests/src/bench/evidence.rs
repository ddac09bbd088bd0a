//! What the hub keeps for a message besides its body, counted in its store.

use std::path::Path;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

/// Bytes of leaves (acknowledgements included), hashes, receipts, salts and checkpoints, for each message.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn bytes_per_message(store: &Path) -> anyhow::Result<f64> {
    let mut store = SqliteConnectOptions::new().filename(store).read_only(true).connect().await?;
    let bytes: i64 = sqlx::query_scalar(
        "SELECT (SELECT sum(length(leaf) + length(hash)) FROM entry) \
         + (SELECT sum(length(receipt) + length(salt)) FROM parts) + (SELECT sum(length(content)) FROM message) \
         + (SELECT coalesce(sum(length(hash)), 0) FROM tile_hash) + (SELECT sum(length(note)) FROM checkpoint)",
    )
    .fetch_one(&mut store)
    .await?;
    let messages: i64 = sqlx::query_scalar("SELECT count(*) FROM message").fetch_one(&mut store).await?;
    Ok(bytes as f64 / messages as f64)
}
