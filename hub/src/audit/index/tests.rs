//! Rounds of any length, cut off anywhere, come to the same index.

use saphan_schemas::acknowledgement::{Acknowledged, Outcome};
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::facts::{EntryFacts, EntryKind};
use saphan_schemas::ids::{CaseId, MessageId};
use sqlx::Row as _;
use tempfile::TempDir;

use super::*;

const NOW: u64 = 1_795_543_200_000;

fn entry(number: u64, facts: EntryFacts) -> Entry {
    Entry { hash: Sha256Hash::of(&number.to_be_bytes()), facts: Some(facts) }
}

fn facts(kind: EntryKind, number: u64) -> EntryFacts {
    EntryFacts {
        kind,
        at: NOW + number * 700,
        signed: None,
        id: None,
        from: None,
        to: None,
        message_type: None,
        service: None,
        case: None,
        code: None,
        acknowledged: Vec::new(),
        erases: None,
        log: None,
    }
}

fn message(number: u64, case: CaseId) -> Entry {
    let to = if number.is_multiple_of(5) { "th.dlt/licensing" } else { "th.dopa/archive" };
    entry(
        number,
        EntryFacts {
            id: Some(MessageId::new()),
            from: Some("th.dga/portal".into()),
            to: Some(to.parse().unwrap()),
            message_type: Some("application.submitted".parse().unwrap()),
            case: Some(case),
            ..facts(EntryKind::Message, number)
        },
    )
}

/// A log in which messages are acknowledged, once and again, near and far, rejected and erased.
fn log(size: u64) -> Vec<Entry> {
    let cases: Vec<CaseId> = (0..9).map(|_| CaseId::new()).collect();
    let mut entries = Vec::new();
    for number in 0..size {
        entries.push(match number % 11 {
            3 if number > 20 => {
                let said = |index: u64, code: Option<&str>| Acknowledged {
                    index,
                    outcome: if code.is_some() { Outcome::Rejected } else { Outcome::Processed },
                    code: code.map(|code| code.parse().unwrap()),
                };
                let acknowledged =
                    vec![said(number - 1, None), said(number - 14, Some("not-ours")), said(number / 11 * 4, None)];
                let from = Some("th.dlt/licensing".into());
                entry(number, EntryFacts { from, acknowledged, ..facts(EntryKind::Acknowledgement, number) })
            }
            5 if number > 20 => {
                let code = Some("pdpa-s33".parse().unwrap());
                entry(
                    number,
                    EntryFacts { erases: Some(number / 2 / 11 * 11), code, ..facts(EntryKind::Erasure, number) },
                )
            }
            7 => {
                let code = Some("agreement-missing".parse().unwrap());
                entry(number, EntryFacts { code, ..facts(EntryKind::Refusal, number) })
            }
            9 => Entry { hash: Sha256Hash::of(&number.to_be_bytes()), facts: None },
            _ => message(number, cases[usize::try_from(number % 9).unwrap()]),
        });
    }
    entries
}

fn copy(entries: &[Entry]) -> Vec<Entry> {
    entries.iter().map(|entry| Entry { hash: entry.hash, facts: entry.facts.clone() }).collect()
}

/// Everything in the index, with names in the place of their numbers.
async fn dump(folder: &TempDir) -> Vec<String> {
    let options = SqliteConnectOptions::new().filename(folder.path().join("search.sqlite"));
    let mut connection = options.connect().await.unwrap();
    let mut lines = Vec::new();
    for statement in [
        "SELECT json_array(idx, at, kind, hex(jti), s.text, r.text, t.text, hex(case_id), outcome, c.text, acknowledgement, \
         acknowledged, erasure) FROM entry LEFT JOIN name s ON s.id = sender LEFT JOIN name r ON r.id = recipient \
         LEFT JOIN name t ON t.id = message_type LEFT JOIN name c ON c.id = code ORDER BY idx",
        "SELECT json_array(iif(term < 0, term, term % 8), text, block) FROM block LEFT JOIN name ON id = term / 8 ORDER BY 1",
        "SELECT json_array(minute, what, iif(what IN (1, 3), text, which), count) FROM tally LEFT JOIN name ON id = which \
         ORDER BY 1",
        "SELECT json_array(next, hex(last)) FROM cursor",
    ] {
        let rows = sqlx::query(statement).fetch_all(&mut connection).await.unwrap();
        assert!(!rows.is_empty(), "{statement}");
        lines.extend(rows.iter().map(|row| row.get::<String, _>(0)));
    }
    lines
}

fn same(one: &[String], other: &[String]) {
    let only = |these: &[String], those: &[String]| {
        these.iter().filter(|line| !those.contains(line)).cloned().collect::<Vec<_>>()
    };
    assert_eq!((only(one, other), only(other, one)), (vec![], vec![]));
    assert_eq!(one, other);
}

async fn opened(folder: &TempDir) -> (Index, Writer, Cursor) {
    open(&folder.path().join("search.sqlite"), "hub.local/log/main").await.unwrap()
}

#[tokio::test]
async fn rounds_of_any_length_come_to_the_same_index() {
    let (entries, whole) = (log(700), tempfile::tempdir().unwrap());
    let (_, mut writer, _) = opened(&whole).await;
    writer.take(0, copy(&entries)).await.unwrap();
    let wanted = dump(&whole).await;
    for length in [1, 7, 64, 256, 300] {
        let folder = tempfile::tempdir().unwrap();
        let (_, mut writer, _) = opened(&folder).await;
        for (number, round) in entries.chunks(length).enumerate() {
            writer.take((number * length) as u64, copy(round)).await.unwrap();
        }
        same(&dump(&folder).await, &wanted);
    }
}

#[tokio::test]
async fn a_round_that_is_cut_off_leaves_nothing_of_itself_and_is_taken_again() {
    let (entries, whole, folder) = (log(600), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_, mut writer, _) = opened(&whole).await;
    writer.take(0, copy(&entries)).await.unwrap();
    let (_, mut writer, mut cursor) = opened(&folder).await;
    let mut cut = 0;
    for steps in 0.. {
        let first = usize::try_from(cursor.next).unwrap();
        if first == entries.len() {
            break;
        }
        let last = (first + 40).min(entries.len());
        let taking = writer.take(cursor.next, copy(&entries[first..last]));
        let given_up = async {
            for _ in 0..steps * 7 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = given_up => cut += 1,
            taken = taking => taken.unwrap(),
        }
        // A process that is killed leaves its connections just so: nobody closes them.
        let before = writer;
        (_, writer, cursor) = opened(&folder).await;
        assert!(cursor.next == first as u64 || cursor.next == last as u64, "all of a round, or nothing");
        drop(before);
    }
    assert!(cut > 3, "{cut}");
    same(&dump(&folder).await, &dump(&whole).await);
}

#[tokio::test]
async fn what_is_open_is_searched_where_something_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let (index, mut writer, _) = opened(&folder).await;
    let case = CaseId::new();
    writer.take(0, (0..600).map(|number| message(number, case)).collect()).await.unwrap();
    let all = |range: std::ops::Range<u64>| {
        let processed = |index| Acknowledged { index, outcome: Outcome::Processed, code: None };
        let acknowledged = range.map(processed).collect();
        EntryFacts { acknowledged, from: Some("th.dlt/licensing".into()), ..facts(EntryKind::Acknowledgement, 600) }
    };
    writer.take(600, vec![entry(600, all(0..256))]).await.unwrap();
    let listed: Vec<i64> = sqlx::query_scalar("SELECT block FROM block WHERE term = ?1 ORDER BY block")
        .bind(term::fate(crate::audit::Fate::Unacknowledged))
        .fetch_all(&index.readers)
        .await
        .unwrap();
    assert_eq!(listed, [1, 2]);
    writer.take(601, vec![entry(601, all(256..511))]).await.unwrap();
    let filter = crate::audit::Filter { outcome: Some(crate::audit::Fate::Unacknowledged), ..Default::default() };
    let found = index.search(&filter, 602, 1000).await.unwrap();
    assert_eq!(found.rows.iter().map(|row| row.place.0).collect::<Vec<_>>(), (511..600).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn blocks_are_looked_up_from_the_rarest_term_on() {
    let folder = tempfile::tempdir().unwrap();
    let (index, mut writer, _) = opened(&folder).await;
    let case = CaseId::new();
    let rare = |number| {
        let mut entry = message(number, case);
        entry.facts.as_mut().unwrap().to = Some("th.rd/tax".parse().unwrap());
        entry
    };
    let entries = (0..2_000).map(|number| if number == 300 { rare(number) } else { message(number, case) });
    writer.take(0, entries.collect()).await.unwrap();
    let mut connection = index.readers.acquire().await.unwrap();
    let name: i64 =
        sqlx::query_scalar("SELECT id FROM name WHERE text = 'th.rd/tax'").fetch_one(&mut *connection).await.unwrap();
    let (common, rare) = (term::kind(EntryKind::Message), term::named(term::Role::To, name));
    let all = read::Places { low: 0, high: 2_000 };
    let ordered = read::rarest_first(&mut connection, &[common, rare], all).await.unwrap();
    assert_eq!(ordered, Some(vec![rare, common]));
    // Where one has no block, nothing can fit.
    let later = read::Places { low: 512, high: 2_000 };
    assert_eq!(read::rarest_first(&mut connection, &[common, rare], later).await.unwrap(), None);
    drop(connection);
    let filter = crate::audit::Filter {
        kind: Some(EntryKind::Message),
        to: Some("th.rd/tax".parse().unwrap()),
        ..Default::default()
    };
    let found = index.search(&filter, 2_000, 10).await.unwrap();
    assert_eq!((found.rows.iter().map(|row| row.place.0).collect::<Vec<_>>(), found.next), (vec![300], None));
}
