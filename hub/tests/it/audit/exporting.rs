//! Exports, and that each row is proven.

use saphan_hub::audit::{self, Filter};
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::log::{Checkpoint, SignedCheckpoint, leaf_hash, verify_inclusion};
use serde_json::{Value, json};

use super::Hall;
use crate::harness::sign_token;

impl Hall {
    async fn export(&self, filter: Value, accept: &str) -> (String, String) {
        let path = "/v1/audit/export";
        let token = sign_token(self.hub.token(self.auditor.id.as_str(), "POST", path), &self.auditor.key);
        let request = reqwest::Client::new().post(self.hub.at(path)).bearer_auth(token).header("accept", accept);
        let answer = request.json(&json!({ "filter": filter })).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        let media_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (media_type, answer.text().await.unwrap())
    }
}

/// That the row's leaf is in the log of this checkpoint, at the row's index.
pub(crate) fn proven(line: &Value, checkpoint: &Checkpoint) {
    let hash: Sha256Hash = line["hash"].as_str().unwrap().parse().unwrap();
    assert_eq!(leaf_hash(line["leaf"].as_str().unwrap().as_bytes()), hash);
    let proof: Vec<Sha256Hash> = serde_json::from_value(line["proof"].clone()).unwrap();
    let index = line["row"]["index"].as_u64().unwrap();
    verify_inclusion(hash, index, checkpoint.size, &proof, checkpoint.root).unwrap();
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Some messages, most of them acknowledged: (message, acknowledgement).
async fn some(hall: &Hall) -> Vec<(u64, Option<u64>)> {
    let mut all = Vec::new();
    for number in 0..9 {
        let index = hall.hub.accept(&hall.hub.world.message()).await;
        let settled = match number % 3 {
            0 => None,
            1 => Some(hall.settle(index, None).await),
            _ => Some(hall.settle(index, Some("not-ours")).await),
        };
        all.insert(0, (index, settled));
    }
    all
}

#[tokio::test]
async fn each_row_of_an_export_is_proven_for_the_one_checkpoint_that_it_states() {
    let hall = Hall::new().await;
    let messages = some(&hall).await;
    let (media_type, text) = hall.export(json!({ "kind": "message" }), "application/jsonl").await;
    assert!(media_type.starts_with("application/jsonl"), "{media_type}");
    let lines = lines(&text);
    let head = &lines[0]["export"];
    assert_eq!(
        (head["format"].as_str(), head["log"].as_str()),
        (Some("saphan-audit-export-1"), Some("hub.local/log/main"))
    );
    let vkey = hall.hub.get("/v1/log/vkey").await.text().trim_end().parse().unwrap();
    let checkpoint =
        SignedCheckpoint::parse_and_verify(head["checkpoint"].as_str().unwrap(), &vkey).unwrap().into_checkpoint();
    assert_eq!(Some(checkpoint.size), head["size"].as_u64());
    assert!(head["query"].as_u64().unwrap() < checkpoint.size, "the checkpoint covers the question too");
    let mut wanted: Vec<(u64, bool)> = Vec::new();
    for (message, acknowledgement) in &messages {
        wanted.extend(acknowledgement.map(|place| (place, true)));
        wanted.push((*message, false));
    }
    let rows = &lines[1..lines.len() - 1];
    let told = |line: &Value| (line["row"]["index"].as_u64().unwrap(), line["supports"].as_bool().unwrap_or(false));
    assert_eq!(rows.iter().map(told).collect::<Vec<_>>(), wanted, "what supports a row stands before it");
    rows.iter().for_each(|line| proven(line, &checkpoint));
    assert_eq!(lines.last().unwrap(), &json!({ "end": { "rows": 9, "supporting": 6 } }));
}

#[tokio::test]
async fn csv_says_the_same_as_json_lines() {
    let hall = Hall::new().await;
    some(&hall).await;
    let filter = json!({ "until": u32::MAX as u64 * 1000, "kind": "message" });
    let (_, text) = hall.export(filter.clone(), "*/*").await;
    let (media_type, csv) = hall.export(filter, "text/csv").await;
    assert!(media_type.starts_with("text/csv"), "{media_type}");
    let records = parsed(&csv);
    let columns = &records[0];
    let lines = lines(&text);
    assert_eq!(records.len(), lines.len() + 1);
    for (record, line) in records[2..records.len() - 1].iter().zip(&lines[1..]) {
        for (column, field) in columns.iter().zip(record) {
            let wanted = match column.as_str() {
                "leaf" | "hash" | "supports" => line[column].clone(),
                // Another export, another checkpoint.
                "proof" => continue,
                _ => line["row"][column].clone(),
            };
            let wanted = match wanted {
                Value::Null => String::new(),
                Value::String(text) => text,
                other => other.to_string(),
            };
            assert_eq!(unguarded(field), wanted, "{column}");
        }
    }
    assert!(records.iter().flatten().all(|field| !field.starts_with(['=', '+', '-', '@'])));
    assert_eq!(records.last().unwrap()[2], "end");
}

#[tokio::test]
async fn an_export_of_nothing_has_a_beginning_and_an_end() {
    let hall = Hall::new().await;
    let (_, text) = hall.export(json!({ "kind": "erasure" }), "").await;
    let lines = lines(&text);
    assert_eq!((lines.len(), &lines[1]), (2, &json!({ "end": { "rows": 0, "supporting": 0 } })));
}

#[tokio::test]
async fn a_long_export_is_complete() {
    let hall = Hall::new().await;
    for _ in 0..200 {
        hall.hub.accept(&hall.hub.world.message()).await;
    }
    let (_, text) = hall.export(json!({}), "").await;
    let lines = lines(&text);
    let places: Vec<u64> =
        lines[1..lines.len() - 1].iter().map(|line| line["row"]["index"].as_u64().unwrap()).collect();
    let query = lines[0]["export"]["query"].as_u64().unwrap();
    assert_eq!(places, (0..query).rev().collect::<Vec<_>>(), "everything before the question, the newest first");
}

#[tokio::test]
async fn a_message_that_was_rejected_after_the_checkpoint_is_not_in_an_export_that_asks_for_the_code() {
    let hall = Hall::new().await;
    let [late, settled] =
        [hall.hub.accept(&hall.hub.world.message()).await, hall.hub.accept(&hall.hub.world.message()).await];
    hall.settle(settled, Some("not-ours")).await;
    let asked = audit::ask(&hall.hub.app, &hall.auditor.id, "a question").await.unwrap();
    let code = Some("not-ours".parse().unwrap());
    let mut export = asked.export(Filter { code, ..Filter::default() }, None).await.unwrap();
    // The export has its checkpoint, and has read no row yet.
    hall.settle(late, Some("not-ours")).await;
    assert_eq!(hall.places(json!({ "code": "not-ours" })).await, [settled, late], "the index has both now");
    let mut rows = Vec::new();
    while let Some(more) = export.next().await.unwrap() {
        rows.extend(more);
    }
    let fitting: Vec<_> = rows.iter().filter(|row| !row.supports).map(|row| row.row.index).collect();
    assert_eq!(fitting, [settled]);
}

#[tokio::test]
async fn a_message_that_is_acknowledged_while_the_export_runs_is_in_it_as_unacknowledged() {
    let hall = Hall::new().await;
    let [late, settled] =
        [hall.hub.accept(&hall.hub.world.message()).await, hall.hub.accept(&hall.hub.world.message()).await];
    hall.settle(settled, None).await;
    let asked = audit::ask(&hall.hub.app, &hall.auditor.id, "a question").await.unwrap();
    let outcome = Some(audit::Fate::Unacknowledged);
    let mut export = asked.export(Filter { outcome, ..Filter::default() }, None).await.unwrap();
    hall.settle(late, None).await;
    assert!(hall.places(json!({ "outcome": "unacknowledged" })).await.is_empty(), "the index knows it now");
    let mut rows = Vec::new();
    while let Some(more) = export.next().await.unwrap() {
        rows.extend(more);
    }
    let found: Vec<_> = rows.iter().map(|row| (row.row.index, row.row.acknowledgement)).collect();
    assert_eq!(found, [(late, None)]);
}

fn unguarded(field: &str) -> &str {
    field.strip_prefix('\'').unwrap_or(field)
}

/// RFC 4180, strictly.
fn parsed(text: &str) -> Vec<Vec<String>> {
    let (mut records, mut record, mut field) = (Vec::new(), Vec::new(), String::new());
    let (mut quoted, mut characters) = (false, text.chars().peekable());
    while let Some(character) = characters.next() {
        match (quoted, character) {
            (true, '"') if characters.peek() == Some(&'"') => field.push(characters.next().unwrap()),
            (_, '"') => quoted = !quoted,
            (false, ',') => record.push(std::mem::take(&mut field)),
            (false, '\r') => {
                assert_eq!(characters.next(), Some('\n'));
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            (_, other) => field.push(other),
        }
    }
    assert!(!quoted && field.is_empty() && record.is_empty(), "the last record ends");
    records
}
