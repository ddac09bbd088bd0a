//! The outbox after the commit: deliveries to the broker, leases, expiry.

use std::collections::BTreeMap;

use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

use super::bodies::body_length;
use super::failed;
use super::rows::{PENDING, UNREADABLE, Unopened, column, index, pending, signed};
use crate::store::{Deliveries, LeaseChange, LeaseRequest, Limit, Settlement, StoreError};

/// What is due, and whether the limit left others out.
pub(super) async fn due(
    pool: &SqlitePool,
    which: Deliveries,
    now: u64,
    limit: Limit,
) -> Result<(Vec<Unopened>, bool), StoreError> {
    // A row's time is 0 until it is settled for the first time.
    let from = match which {
        Deliveries::All => 0_i64,
        Deliveries::Again => 1,
    };
    let mut connection = pool.acquire().await.map_err(failed("waited for a connection"))?;
    let candidates = sqlx::query(
        concat!(
            "SELECT outbox.idx, ",
            body_length!(),
            " FROM outbox JOIN parts USING (idx) \
             WHERE transport = 1 AND due BETWEEN ?3 AND ?1 AND (not_after IS NULL OR not_after > ?1) ORDER BY due, outbox.idx LIMIT ?2",
        )
    )
    .bind(signed(now))
    .bind(i64::from(limit.rows))
    .bind(from)
    .fetch_all(&mut *connection)
    .await
    .map_err(failed("read the outbox"))?;
    let chosen = within(&candidates, limit.bytes)?;
    let messages = load(&mut connection, &chosen).await?;
    let more = candidates.len() == limit.rows as usize || messages.len() < candidates.len();
    Ok((messages, more))
}

pub(super) async fn settle(to: &mut SqliteConnection, settlements: &[Settlement]) -> Result<(), StoreError> {
    // Those of a round have few times between them.
    let mut changes: BTreeMap<(bool, u64), Vec<u64>> = BTreeMap::new();
    for settlement in settlements {
        let (change, index) = match settlement {
            Settlement::Delivered { index, again } => ((true, *again), *index),
            Settlement::Retry { index, at } => ((false, *at), *index),
        };
        changes.entry(change).or_default().push(index);
    }
    for ((delivered, due), indices) in changes {
        sqlx::query(if delivered { DELIVERED } else { RETRY })
            .bind(serde_json::to_string(&indices).map_err(|_| UNREADABLE)?)
            .bind(signed(due))
            .execute(&mut *to)
            .await
            .map_err(failed("settled"))?;
    }
    Ok(())
}

pub(super) async fn lease(to: &mut SqliteConnection, request: LeaseRequest<'_>) -> Result<Vec<Unopened>, StoreError> {
    let mut transaction = to.begin_with("BEGIN IMMEDIATE").await.map_err(failed("began a lease"))?;
    let candidates = sqlx::query(concat!(
        "SELECT outbox.idx, ",
        body_length!(),
        " FROM outbox JOIN parts USING (idx) \
             WHERE transport = 0 AND outbox.recipient = ?1 AND due <= ?2 AND (not_after IS NULL OR not_after > ?2) \
             ORDER BY outbox.idx LIMIT ?3",
    ))
    .bind(request.recipient.as_str())
    .bind(signed(request.now))
    .bind(i64::from(request.limit.rows))
    .fetch_all(&mut *transaction)
    .await
    .map_err(failed("read an inbox"))?;
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    let chosen = within(&candidates, request.limit.bytes)?;
    let leased = load(&mut transaction, &chosen).await?;
    sqlx::query(
        "UPDATE outbox SET lease = ?2, due = ?3, attempts = attempts + 1 \
         WHERE idx IN (SELECT value FROM json_each(?1))",
    )
    .bind(&chosen)
    .bind(request.lease)
    .bind(signed(request.until))
    .execute(&mut *transaction)
    .await
    .map_err(failed("leased"))?;
    transaction.commit().await.map_err(failed("leased"))?;
    Ok(leased)
}

pub(super) async fn move_lease(to: &mut SqliteConnection, change: LeaseChange<'_>) -> Result<u64, StoreError> {
    let only = serde_json::to_string(&change.only).map_err(|_| UNREADABLE)?;
    let done = sqlx::query(
        "UPDATE outbox SET due = ?1, lease = CASE ?2 WHEN 1 THEN NULL ELSE lease END \
         WHERE lease = ?3 AND recipient = ?4 AND due > ?5 \
         AND (?6 = 'null' OR idx IN (SELECT value FROM json_each(?6)))",
    )
    .bind(signed(change.until))
    .bind(i64::from(change.ends))
    .bind(change.lease)
    .bind(change.recipient.as_str())
    .bind(signed(change.now))
    .bind(only)
    .execute(to)
    .await
    .map_err(failed("changed a lease"))?;
    Ok(done.rows_affected())
}

pub(super) async fn expire(to: &mut SqliteConnection, now: u64) -> Result<u64, StoreError> {
    let mut transaction = to.begin_with("BEGIN IMMEDIATE").await.map_err(failed("began to expire"))?;
    // What is leased or at the broker is in its receiver's hands; its acknowledgement still counts, for a month a copy.
    let marked = sqlx::query(
        "UPDATE message SET state = 4 WHERE idx IN \
         (SELECT idx FROM outbox WHERE not_after <= ?1 - published * ?2 - transport * ?3 AND (lease IS NULL OR due <= ?1))",
    )
    .bind(signed(now))
    .bind(MONTH_MS)
    .bind(CONFIRMED_MS)
    .execute(&mut *transaction)
    .await
    .map_err(failed("expired"))?;
    sqlx::query(
        "DELETE FROM outbox WHERE not_after <= ?1 - published * ?2 - transport * ?3 AND (lease IS NULL OR due <= ?1)",
    )
    .bind(signed(now))
    .bind(MONTH_MS)
    .bind(CONFIRMED_MS)
    .execute(&mut *transaction)
    .await
    .map_err(failed("expired"))?;
    transaction.commit().await.map_err(failed("expired"))?;
    Ok(marked.rows_affected())
}

/// The first rows whose bodies fit into `bytes` together, at least one, as a JSON array of places.
fn within(candidates: &[SqliteRow], bytes: u64) -> Result<String, StoreError> {
    let (mut chosen, mut total) = (Vec::new(), 0_u64);
    for row in candidates {
        total = total.saturating_add(column::<Option<i64>>(row, 1)?.unwrap_or(0).unsigned_abs());
        if total > bytes && !chosen.is_empty() {
            break;
        }
        chosen.push(index(row, 0)?);
    }
    serde_json::to_string(&chosen).map_err(|_| UNREADABLE)
}

async fn load(from: &mut SqliteConnection, indices: &str) -> Result<Vec<Unopened>, StoreError> {
    let statement = format!(
        "SELECT {PENDING} FROM outbox JOIN parts USING (idx) JOIN entry USING (idx) \
         LEFT JOIN body_key USING (idx) WHERE outbox.idx IN (SELECT value FROM json_each(?1)) ORDER BY outbox.idx"
    );
    // Nothing of a caller is in the text: it is two constants.
    let rows = sqlx::query(AssertSqlSafe(statement)).bind(indices).fetch_all(from).await;
    rows.map_err(failed("read the outbox"))?.iter().map(pending).collect()
}

const DELIVERED: &str = "UPDATE outbox SET due = ?2, published = published + 1, attempts = 0 \
     WHERE idx IN (SELECT value FROM json_each(?1))";
const RETRY: &str =
    "UPDATE outbox SET due = ?2, attempts = attempts + 1 WHERE idx IN (SELECT value FROM json_each(?1))";
/// What goes to the broker may be there, and not be marked yet.
const CONFIRMED_MS: i64 = 5000;
const MONTH_MS: i64 = 30 * 24 * 3_600_000;
