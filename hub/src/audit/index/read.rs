//! The reading side.

use std::collections::BTreeMap;

use saphan_schemas::audit::{Filter, Row};
use saphan_schemas::ids::{CaseId, MessageId};
use sqlx::query_builder::QueryBuilder;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite, SqliteConnection};

use super::tally::{MINUTE_MS, What, height};
use super::term::{self, Role, fate_number, fate_of, kind_number, kind_of};
use super::{BLOCK, Index, IndexError, failed, signed};
use crate::audit::row::{Place, PlacedRow, Slot, Within};

/// Rows that fit, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The rows, newest first.
    pub rows: Vec<PlacedRow>,
    /// All that fits and is not in `rows` is before this place; `None` when nothing is.
    pub next: Option<u64>,
}

/// The places that are searched: from `low` on, before `high`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    pub(super) low: u64,
    pub(super) high: u64,
}

/// The slot, what is counted, which of it (`None`: all codes that are not named), its name, and the number.
type Count = (i64, i64, Option<i64>, Option<String>, i64);

/// A filter in the file's numbers.
struct Numbers {
    /// Blocks must be listed under each.
    terms: Vec<i64>,
    /// Columns, with what must be in them.
    columns: Vec<(&'static str, i64)>,
    /// Columns of which one must have this.
    party: Option<i64>,
    /// Systems of which one must be a party.
    systems: Option<String>,
    case: Option<[u8; 16]>,
}

impl Index {
    /// How many entries are in the index.
    ///
    /// # Errors
    /// [`IndexError`].
    pub async fn size(&self) -> Result<u64, IndexError> {
        let next: i64 = sqlx::query_scalar("SELECT next FROM cursor")
            .fetch_one(&self.readers)
            .await
            .map_err(failed("read how far it is"))?;
        Ok(next.unsigned_abs())
    }

    /// At most `limit` rows that fit, newest first, before place `before`. It stops early after a lot of work: then there may be
    /// few rows, or none, and more to come.
    ///
    /// # Errors
    /// [`IndexError`].
    pub async fn search(&self, filter: &Filter, before: u64, limit: usize) -> Result<Found, IndexError> {
        let mut connection = self.readers.acquire().await.map_err(failed("waited for a connection"))?;
        let connection = &mut *connection;
        let low = match filter.since {
            Some(since) => first_at(connection, since, before).await?,
            None => 0,
        };
        let high = match filter.until {
            Some(until) => first_at(connection, until, before).await?,
            None => before,
        };
        let places = Places { low, high };
        if places.low >= places.high {
            return Ok(Found { rows: Vec::new(), next: None });
        }
        let Some(numbers) = numbers(connection, filter).await? else {
            return Ok(Found { rows: Vec::new(), next: None });
        };
        if numbers.case.is_some() || numbers.terms.is_empty() {
            return straight(connection, &numbers, places, limit).await;
        }
        by_blocks(connection, &numbers, places, limit).await
    }

    /// At most `limit` messages of a case from place `after` on, oldest first.
    ///
    /// # Errors
    /// [`IndexError`].
    pub async fn case(&self, case: CaseId, after: u64, limit: usize) -> Result<Vec<PlacedRow>, IndexError> {
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        query.push("entry WHERE case_id = ").push_bind(case.to_bytes().to_vec());
        query.push(" AND idx >= ").push_bind(signed(after));
        query.push(" ORDER BY idx LIMIT ").push_bind(limit as i64);
        let rows = query.build().fetch_all(&self.readers).await.map_err(failed("read a case"))?;
        rows.iter().map(read).collect()
    }

    /// The row of the entry at this place.
    ///
    /// # Errors
    /// [`IndexError`].
    pub async fn row(&self, index: u64) -> Result<Option<PlacedRow>, IndexError> {
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        query.push("entry WHERE idx = ").push_bind(signed(index));
        let row = query.build().fetch_optional(&self.readers).await.map_err(failed("read an entry"))?;
        row.as_ref().map(read).transpose()
    }

    /// What was logged from `since` to `until` (ms), in slots of some minutes, in order, without gaps. Receivers make up the codes
    /// that they reject messages with: only the most frequent of all this time are told apart.
    ///
    /// # Errors
    /// [`IndexError`].
    pub async fn health(&self, since: u64, until: u64, minutes: u32) -> Result<Vec<Slot>, IndexError> {
        let (first, last) = (since / MINUTE_MS, until.div_ceil(MINUTE_MS));
        let minutes = u64::from(minutes.max(1));
        let counts: Vec<Count> = sqlx::query_as(
            "WITH frequent AS (SELECT which FROM tally WHERE what = ?4 AND minute >= ?1 AND minute < ?2 \
               GROUP BY which ORDER BY sum(count) DESC, which LIMIT ?5), \
             named AS (SELECT (minute - ?1) / ?3 AS slot, what, \
               iif(what = ?4 AND which NOT IN (SELECT which FROM frequent), NULL, which) AS which, count \
               FROM tally WHERE minute >= ?1 AND minute < ?2) \
             SELECT slot, what, which, (SELECT text FROM name WHERE id = which), sum(count) \
             FROM named GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        )
        .bind(signed(first))
        .bind(signed(last))
        .bind(signed(minutes))
        .bind(What::Rejected.number())
        .bind(MOST_CODES as i64)
        .fetch_all(&self.readers)
        .await
        .map_err(failed("read counts"))?;
        let number = last.saturating_sub(first).div_ceil(minutes);
        let slot = |place: u64| Slot { since: (first + place * minutes) * MINUTE_MS, ..Slot::default() };
        let mut slots: Vec<Slot> = (0..number).map(slot).collect();
        let mut took: BTreeMap<usize, Vec<(i64, u64)>> = BTreeMap::new();
        for (place, what, which, name, count) in counts {
            let place = usize::try_from(place).unwrap_or(usize::MAX);
            let Some(slot) = slots.get_mut(place) else { continue };
            let count = count.unsigned_abs();
            let Some(which) = which else {
                slot.rejected_others += count;
                continue;
            };
            let name = name.unwrap_or_default();
            match What::of(what).ok_or(IndexError::Unreadable { what: "a count" })? {
                What::Accepted => slot.accepted = count,
                What::Refused => drop(slot.refused.insert(name, count)),
                What::Processed => slot.processed = count,
                What::Rejected => drop(slot.rejected.insert(name, count)),
                What::Took => took.entry(place).or_default().push((which, count)),
            }
        }
        for (place, steps) in took {
            slots[place].acknowledged_within = within(&steps);
        }
        Ok(slots)
    }
}

/// `steps`: how many took how long, in rising order.
fn within(steps: &[(i64, u64)]) -> Option<Within> {
    let all: u64 = steps.iter().map(|(_, count)| count).sum();
    let part = |part: u64| {
        let mut seen = 0;
        let reached = steps.iter().find(|(_, count)| {
            seen += count;
            seen >= part
        });
        reached.map(|(step, _)| height(*step))
    };
    Some(Within { half: part(all.div_ceil(2))?, most: part((all * 19).div_ceil(20))?, all: height(steps.last()?.0) })
}

/// The first place that was logged at `time` (ms) or later, at most `high`. The log's times never run backwards.
async fn first_at(connection: &mut SqliteConnection, time: u64, high: u64) -> Result<u64, IndexError> {
    let (mut low, mut high) = (0, high);
    while low < high {
        let middle = low + (high - low) / 2;
        let at: Option<i64> = sqlx::query_scalar("SELECT at FROM entry WHERE idx = ?1")
            .bind(signed(middle))
            .fetch_optional(&mut *connection)
            .await
            .map_err(failed("read a time"))?;
        let at = at.ok_or(IndexError::Unreadable { what: "an entry is missing" })?;
        if at.unsigned_abs() < time { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

/// `None`: a name is in no entry, so nothing fits.
async fn numbers(connection: &mut SqliteConnection, filter: &Filter) -> Result<Option<Numbers>, IndexError> {
    let mut found = Numbers {
        terms: Vec::new(),
        columns: Vec::new(),
        party: None,
        systems: None,
        case: filter.case.map(CaseId::to_bytes),
    };
    let names = [
        (Role::Member, filter.member.as_ref().map(|name| name.as_str())),
        (Role::Party, filter.system.as_ref().map(|name| name.as_str())),
        (Role::From, filter.from.as_ref().map(|name| name.as_str())),
        (Role::To, filter.to.as_ref().map(|name| name.as_str())),
        (Role::Type, filter.message_type.as_ref().map(|name| name.as_str())),
        (Role::Service, filter.service.as_ref().map(|name| name.as_str())),
        (Role::Code, filter.code.as_ref().map(|name| name.as_str())),
    ];
    for (role, name) in names {
        let Some(name) = name else { continue };
        let number: Option<i64> = sqlx::query_scalar("SELECT id FROM name WHERE text = ?1")
            .bind(name)
            .fetch_optional(&mut *connection)
            .await
            .map_err(failed("read a name"))?;
        let Some(number) = number else { return Ok(None) };
        found.terms.push(term::named(role, number));
        match role {
            Role::Member => found.systems = Some(systems(connection, name).await?),
            Role::Party => found.party = Some(number),
            Role::From => found.columns.push(("sender", number)),
            Role::To => found.columns.push(("recipient", number)),
            Role::Type => found.columns.push(("message_type", number)),
            Role::Service => found.columns.push(("service", number)),
            Role::Code => found.columns.push(("code", number)),
        }
    }
    if let Some(kind) = filter.kind {
        found.terms.push(term::kind(kind));
        found.columns.push(("kind", kind_number(kind)));
    }
    if let Some(outcome) = filter.outcome {
        found.terms.push(term::fate(outcome));
        found.columns.push(("outcome", fate_number(outcome)));
    }
    Ok(Some(found))
}

/// The numbers of a member's systems, and of its own name, as a JSON array.
async fn systems(connection: &mut SqliteConnection, member: &str) -> Result<String, IndexError> {
    // `0` follows `/`: all names that begin with the member and a slash.
    sqlx::query_scalar(
        "SELECT json_group_array(id) FROM name WHERE text = ?1 OR (text > ?1 || '/' AND text < ?1 || '0')",
    )
    .bind(member)
    .fetch_one(connection)
    .await
    .map_err(failed("read the names of a member's systems"))
}

/// Rows one after the other, or those of a case.
async fn straight(
    connection: &mut SqliteConnection,
    numbers: &Numbers,
    places: Places,
    limit: usize,
) -> Result<Found, IndexError> {
    let mut query = QueryBuilder::<Sqlite>::new(SELECT);
    // A case is found by its index, not by going through all entries between the bounds.
    let bound = if numbers.case.is_some() { "+idx" } else { "idx" };
    query.push("entry WHERE ").push(bound).push(" >= ").push_bind(signed(places.low));
    query.push(" AND ").push(bound).push(" < ").push_bind(signed(places.high));
    fits(&mut query, numbers);
    query.push(" ORDER BY idx DESC LIMIT ").push_bind(limit as i64);
    let rows = query.build().fetch_all(connection).await.map_err(failed("searched"))?;
    let rows = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let next = rows.last().map(|row| row.place.0).filter(|last| rows.len() == limit && *last > places.low);
    Ok(Found { rows, next })
}

/// The rows of blocks that are listed under all terms.
async fn by_blocks(
    connection: &mut SqliteConnection,
    numbers: &Numbers,
    places: Places,
    limit: usize,
) -> Result<Found, IndexError> {
    let Some(terms) = rarest_first(connection, &numbers.terms, places).await? else {
        return Ok(Found { rows: Vec::new(), next: None });
    };
    let mut rows: Vec<PlacedRow> = Vec::new();
    let mut high = places.high;
    let mut searched = 0;
    // Where everything fits, one or two blocks are enough; where little does, a statement should see many.
    let mut at_once = 2;
    while searched < MOST_BLOCKS {
        let blocks = listed(connection, &terms, Places { high, ..places }, at_once).await?;
        let Some(lowest) = blocks.last().copied() else { return Ok(Found { rows, next: None }) };
        let is_last = blocks.len() < at_once;
        let wanted = limit - rows.len();
        let found = within_blocks(connection, numbers, &blocks, Places { high, ..places }, wanted).await?;
        let is_full = found.len() == wanted;
        rows.extend(found);
        if is_full {
            let next = rows.last().map(|row| row.place.0).filter(|last| *last > places.low);
            return Ok(Found { rows, next });
        }
        high = lowest * BLOCK;
        if is_last || high <= places.low {
            return Ok(Found { rows, next: None });
        }
        searched += blocks.len();
        at_once = (at_once * 2).min(BLOCKS_AT_ONCE);
    }
    Ok(Found { rows, next: Some(high) })
}

/// The terms, the one with the fewest blocks first: all others are only looked up where that one is. `None` if one has none.
pub(super) async fn rarest_first(
    connection: &mut SqliteConnection,
    terms: &[i64],
    places: Places,
) -> Result<Option<Vec<i64>>, IndexError> {
    let mut counted = Vec::with_capacity(terms.len());
    for term in terms {
        let blocks: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM (SELECT 1 FROM block WHERE term = ?1 AND block >= ?2 AND block <= ?3 LIMIT ?4)",
        )
        .bind(term)
        .bind(signed(places.low / BLOCK))
        .bind(signed((places.high - 1) / BLOCK))
        .bind(MOST_BLOCKS as i64)
        .fetch_one(&mut *connection)
        .await
        .map_err(failed("counted blocks"))?;
        if blocks == 0 {
            return Ok(None);
        }
        counted.push((blocks, *term));
    }
    counted.sort_by_key(|(blocks, _)| *blocks);
    Ok(Some(counted.into_iter().map(|(_, term)| term).collect()))
}

/// Blocks that are listed under all terms, the newest first.
async fn listed(
    connection: &mut SqliteConnection,
    terms: &[i64],
    places: Places,
    limit: usize,
) -> Result<Vec<u64>, IndexError> {
    let Some((term, more)) = terms.split_first() else { return Ok(Vec::new()) };
    let last = (places.high - 1) / BLOCK;
    let mut query = QueryBuilder::<Sqlite>::new("SELECT block FROM block AS listed WHERE term = ");
    query.push_bind(*term).push(" AND block >= ").push_bind(signed(places.low / BLOCK));
    query.push(" AND block <= ").push_bind(signed(last));
    for term in more {
        query.push(" AND EXISTS (SELECT 1 FROM block AS other WHERE other.term = ").push_bind(*term);
        query.push(" AND other.block = listed.block)");
    }
    query.push(" ORDER BY block DESC LIMIT ").push_bind(limit as i64);
    let blocks: Vec<i64> =
        query.build_query_scalar().fetch_all(connection).await.map_err(failed("looked for blocks"))?;
    Ok(blocks.into_iter().map(i64::unsigned_abs).collect())
}

async fn within_blocks(
    connection: &mut SqliteConnection,
    numbers: &Numbers,
    blocks: &[u64],
    places: Places,
    limit: usize,
) -> Result<Vec<PlacedRow>, IndexError> {
    let blocks = serde_json::to_string(blocks).map_err(|_| IndexError::Unreadable { what: "a block" })?;
    let mut query = QueryBuilder::<Sqlite>::new(SELECT);
    query.push("json_each(").push_bind(blocks).push(") AS listed CROSS JOIN entry ON idx >= listed.value * ");
    query.push_bind(signed(BLOCK)).push(" AND idx < (listed.value + 1) * ").push_bind(signed(BLOCK));
    // The signs keep SQLite from going by these bounds, through all entries between them for each block.
    query.push(" WHERE +idx >= ").push_bind(signed(places.low)).push(" AND +idx < ").push_bind(signed(places.high));
    fits(&mut query, numbers);
    query.push(" ORDER BY idx DESC LIMIT ").push_bind(limit as i64);
    let rows = query.build().fetch_all(connection).await.map_err(failed("searched"))?;
    rows.iter().map(read).collect()
}

/// What else must hold of a row. Nothing of a caller is in the text.
fn fits(query: &mut QueryBuilder<Sqlite>, numbers: &Numbers) {
    for (column, number) in &numbers.columns {
        query.push(" AND ").push(*column).push(" = ").push_bind(*number);
    }
    if let Some(party) = numbers.party {
        query.push(" AND (sender = ").push_bind(party).push(" OR recipient = ").push_bind(party).push(")");
    }
    if let Some(systems) = &numbers.systems {
        for (open, column) in [(" AND (", "sender"), (" OR ", "recipient")] {
            query
                .push(open)
                .push(column)
                .push(" IN (SELECT value FROM json_each(")
                .push_bind(systems.clone())
                .push("))");
        }
        query.push(")");
    }
    if let Some(case) = numbers.case {
        query.push(" AND case_id = ").push_bind(case.to_vec());
    }
}

/// Of the columns of [`SELECT`].
fn read(row: &SqliteRow) -> Result<PlacedRow, IndexError> {
    let id = column::<Option<Vec<u8>>>(row, 3)?;
    let case = column::<Option<Vec<u8>>>(row, 8)?;
    let number = |at: usize| Ok::<_, IndexError>(column::<Option<i64>>(row, at)?.map(i64::unsigned_abs));
    let kind = match column::<i64>(row, 2)? {
        0 => None,
        number => Some(kind_of(number).ok_or(UNREADABLE)?),
    };
    let outcome = column::<Option<i64>>(row, 9)?;
    let says = Row {
        kind,
        id: id.map(|id| uuid(id).and_then(MessageId::from_bytes).ok_or(UNREADABLE)).transpose()?,
        from: column(row, 4)?,
        to: column(row, 5)?,
        message_type: column(row, 6)?,
        service: column(row, 7)?,
        case: case.map(|id| uuid(id).and_then(CaseId::from_bytes).ok_or(UNREADABLE)).transpose()?,
        outcome: outcome.map(|number| fate_of(number).ok_or(UNREADABLE)).transpose()?,
        code: column(row, 10)?,
        acknowledged_at: number(12)?,
        ..Row::empty(0, column::<i64>(row, 1)?.unsigned_abs())
    };
    let place = Place(column::<i64>(row, 0)?.unsigned_abs());
    Ok(PlacedRow::new(place, number(11)?.map(Place), number(13)?.map(Place), says))
}

fn column<'r, T>(row: &'r SqliteRow, at: usize) -> Result<T, IndexError>
where
    T: sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite>,
{
    row.try_get(at).map_err(failed("read a column"))
}

fn uuid(bytes: Vec<u8>) -> Option<[u8; 16]> {
    bytes.try_into().ok()
}

/// What a row is made of; what it is of follows.
const SELECT: &str = "SELECT idx, at, kind, jti, (SELECT text FROM name WHERE id = sender) AS sender, \
     (SELECT text FROM name WHERE id = recipient) AS recipient, (SELECT text FROM name WHERE id = message_type) AS message_type, \
     (SELECT text FROM name WHERE id = service) AS service, case_id, outcome, \
     (SELECT text FROM name WHERE id = code) AS code, acknowledgement, acknowledged, erasure FROM ";
const UNREADABLE: IndexError = IndexError::Unreadable { what: "a row" };
/// Codes of receivers that are told apart.
pub(super) const MOST_CODES: usize = 32;
/// Blocks that one statement sees at most, and one search: a million entries.
const BLOCKS_AT_ONCE: usize = 128;
const MOST_BLOCKS: usize = 4096;
