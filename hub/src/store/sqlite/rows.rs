//! Between column values and the domain's types.

use saphan_schemas::acknowledgement::{Acknowledged, Outcome};
use saphan_schemas::commitment::Salt;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::Code;
use saphan_schemas::registry::TransportKind;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::store::{MessageRecord, MessageState, Pending, StoreError};

pub(super) const PENDING: &str = "outbox.idx, outbox.recipient, entry.leaf, parts.salt, parts.body, parts.receipt, \
     outbox.proof, outbox.attempts, outbox.published";

pub(super) fn pending(row: &SqliteRow) -> Result<Pending, StoreError> {
    Ok(Pending {
        index: index(row, 0)?,
        recipient: parsed(row, 1)?,
        leaf: column(row, 2)?,
        salt: Salt::from_bytes(array(column(row, 3)?)?),
        body: column(row, 4)?,
        receipt: column(row, 5)?,
        proof: column(row, 6)?,
        attempts: column(row, 7)?,
        published: column(row, 8)?,
    })
}

pub(super) const MESSAGE: &str = "message.idx, message.sender, message.recipient, message.state, message.code, \
     message.acknowledgement, outbox.published FROM message LEFT JOIN outbox USING (idx)";

pub(super) fn message(row: &SqliteRow) -> Result<MessageRecord, StoreError> {
    let acknowledgement: Option<i64> = column(row, 5)?;
    Ok(MessageRecord {
        index: index(row, 0)?,
        sender: parsed(row, 1)?,
        recipient: parsed(row, 2)?,
        state: state(column(row, 3)?, column(row, 6)?)?,
        code: code(row, 4)?,
        acknowledgement: acknowledgement.map(|at| at.try_into().map_err(|_| UNREADABLE)).transpose()?,
    })
}

/// What a receiver said, of columns place, state and code.
pub(super) fn outcome(row: &SqliteRow) -> Result<Acknowledged, StoreError> {
    let MessageState::Settled(outcome) = state(column(row, 1)?, None)? else { return Err(UNREADABLE) };
    Ok(Acknowledged { index: index(row, 0)?, outcome, code: code(row, 2)? })
}

fn code(row: &SqliteRow, at: usize) -> Result<Option<Code>, StoreError> {
    column::<Option<&str>>(row, at)?.map(|code| code.parse().map_err(|_| UNREADABLE)).transpose()
}

pub(super) fn column<'r, T>(row: &'r SqliteRow, at: usize) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(at).map_err(|source| StoreError::Failed { action: "read a column", source: Box::new(source) })
}

pub(super) fn parsed<T: std::str::FromStr>(row: &SqliteRow, at: usize) -> Result<T, StoreError> {
    column::<&str>(row, at)?.parse().map_err(|_| UNREADABLE)
}

pub(super) fn index(row: &SqliteRow, at: usize) -> Result<u64, StoreError> {
    column::<i64>(row, at)?.try_into().map_err(|_| UNREADABLE)
}

pub(super) fn hash(row: &SqliteRow, at: usize) -> Result<Sha256Hash, StoreError> {
    array(column(row, at)?).map(Sha256Hash::from_bytes)
}

pub(super) fn array(bytes: Vec<u8>) -> Result<[u8; 32], StoreError> {
    bytes.try_into().map_err(|_| UNREADABLE)
}

/// SQLite's integers are signed; a log of 2^63 entries is out of anyone's reach.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) const fn transport(kind: TransportKind) -> i64 {
    match kind {
        TransportKind::Pull => 0,
        TransportKind::Amqp => 1,
    }
}

/// A message is delivered while its outbox row says that the broker has it.
const fn state(number: i64, published: Option<i64>) -> Result<MessageState, StoreError> {
    match number {
        0 => match published {
            None | Some(0) => Ok(MessageState::Accepted),
            Some(_) => Ok(MessageState::Delivered),
        },
        2 => Ok(MessageState::Settled(Outcome::Processed)),
        3 => Ok(MessageState::Settled(Outcome::Rejected)),
        4 => Ok(MessageState::Expired),
        _ => Err(UNREADABLE),
    }
}

pub(super) const UNREADABLE: StoreError = StoreError::Corrupt { what: "a row" };
