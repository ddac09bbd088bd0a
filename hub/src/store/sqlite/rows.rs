//! Between column values and the domain's types.

use saphan_schemas::acknowledgement::{Acknowledged, Outcome};
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::{Code, SystemId};
use saphan_schemas::registry::TransportKind;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::bodies::{StoredBody, body_columns};
use crate::sealing::StorageKeys;
use crate::store::{MessageRecord, MessageState, Pending, StoreError};

pub(super) const PENDING: &str = concat!(
    "outbox.idx, outbox.recipient, entry.leaf, parts.receipt, outbox.proof, outbox.attempts, outbox.published, ",
    body_columns!(),
);

/// A [`Pending`] whose body was not opened yet: nobody waits for that who waits for the store.
pub(super) struct Unopened {
    index: u64,
    recipient: SystemId,
    leaf: Vec<u8>,
    receipt: String,
    proof: String,
    attempts: u32,
    published: u32,
    body: StoredBody,
}

/// Of columns [`PENDING`].
pub(super) fn pending(row: &SqliteRow) -> Result<Unopened, StoreError> {
    Ok(Unopened {
        index: index(row, 0)?,
        recipient: parsed(row, 1)?,
        leaf: column(row, 2)?,
        receipt: column(row, 3)?,
        proof: column(row, 4)?,
        attempts: column(row, 5)?,
        published: column(row, 6)?,
        body: StoredBody::read(row, 7)?,
    })
}

/// Opens the bodies; answers those that open, and the places of those that do not.
pub(super) fn open_all(unopened: Vec<Unopened>, keys: &StorageKeys) -> Result<(Vec<Pending>, Vec<u64>), StoreError> {
    let (mut opened, mut unreadable) = (Vec::with_capacity(unopened.len()), Vec::new());
    for one in unopened {
        let Unopened { index, recipient, leaf, receipt, proof, attempts, published, body } = one;
        match body.open_or_tell(keys, index)? {
            Some((salt, body)) => {
                opened.push(Pending { index, recipient, leaf, salt, body, receipt, proof, attempts, published });
            }
            // What waits for delivery was not erased.
            None => unreadable.push(index),
        }
    }
    Ok((opened, unreadable))
}

pub(super) const MESSAGE: &str = "message.idx, message.sender, message.recipient, message.state, message.code, \
     message.acknowledgement, outbox.published, erasure.place \
     FROM message LEFT JOIN outbox USING (idx) LEFT JOIN erasure USING (idx)";

pub(super) fn message(row: &SqliteRow) -> Result<MessageRecord, StoreError> {
    Ok(MessageRecord {
        index: index(row, 0)?,
        sender: parsed(row, 1)?,
        recipient: parsed(row, 2)?,
        state: state(column(row, 3)?, column(row, 6)?)?,
        code: code(row, 4)?,
        acknowledgement: place(row, 5)?,
        erased: place(row, 7)?,
    })
}

/// A place of the log, or none.
pub(super) fn place(row: &SqliteRow, at: usize) -> Result<Option<u64>, StoreError> {
    column::<Option<i64>>(row, at)?.map(|place| place.try_into().map_err(|_| UNREADABLE)).transpose()
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

/// Where the table of tiles has a hash of a log's tree. A log of 2^40 hashes on a level above 0 is out of anyone's reach.
pub(super) const fn tile_place(shard: u32, index: u64) -> u64 {
    ((shard as u64) << 40) | index
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
