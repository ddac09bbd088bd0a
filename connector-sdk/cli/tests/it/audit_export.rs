//! `saphan audit verify-export`.

use std::path::Path;

use saphan_schemas::acknowledgement::{Acknowledged, Outcome};
use saphan_schemas::audit::{Fate, Row};
use saphan_schemas::facts::{EntryFacts, EntryKind};
use saphan_schemas::leaf::Leaf;
use saphan_schemas::log::{BatchAppend, CompactRange, leaf_hash};
use serde_json::{Value, json};

use crate::ledger::{Ledger, NOW, ORIGIN, RECEIVER, query};
use crate::program::{Ended, saphan};

/// A log with a processed, a rejected, an erased and an open message, a refusal, and a question.
struct Asked {
    ledger: Ledger,
    /// Each place that is exported, and whether it supports another.
    places: Vec<(u64, bool)>,
    acknowledgement: u64,
    erasure: u64,
}

impl Asked {
    fn new() -> Self {
        Self::speaking_of(None)
    }

    /// As if acknowledgement and erasure were about messages of this log.
    fn speaking_of(log: Option<&str>) -> Self {
        let mut ledger = Ledger::new();
        ledger.admit_auditor("th.oag/audit");
        let messages: Vec<u64> = (0..3).map(|number| ledger.send(&format!(r#"{{"number":{number}}}"#))).collect();
        let code = Some("not-ours".parse().unwrap());
        let acknowledgement = ledger.acknowledge_in(
            log,
            RECEIVER,
            vec![
                Acknowledged { index: messages[0], outcome: Outcome::Processed, code: None },
                Acknowledged { index: messages[1], outcome: Outcome::Rejected, code },
            ],
        );
        let erasure = ledger.push(&Leaf::Erasure {
            ts: NOW * 1000,
            index: messages[0],
            basis: "pdpa-s33".parse().unwrap(),
            log: log.map(ToOwned::to_owned),
        });
        ledger.push(&query("th.oag/audit"));
        let places = vec![
            (messages[2], false),
            (acknowledgement, true),
            (messages[1], false),
            (erasure, true),
            (messages[0], false),
        ];
        Self { ledger, places, acknowledgement, erasure }
    }

    /// The export, line by line.
    fn lines(&self) -> Vec<Value> {
        let size = self.ledger.size();
        let hashes = self.ledger.leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        let tree = BatchAppend::new(&CompactRange::new(), hashes);
        let mut lines = vec![json!({ "export": {
            "format": "saphan-audit-export-1", "log": ORIGIN, "size": size, "checkpoint": self.ledger.checkpoint(),
            "query": size - 1, "indexed": size - 1, "filter": { "kind": "message" },
        } })];
        for (place, supports) in &self.places {
            let leaf = &self.ledger.leaves[usize::try_from(*place).unwrap()];
            let mut line = json!({
                "row": self.row(*place, leaf), "leaf": std::str::from_utf8(leaf).unwrap(), "hash": leaf_hash(leaf),
                "proof": tree.inclusion_proof(*place).unwrap(),
            });
            if *supports {
                line["supports"] = json!(true);
            }
            lines.push(line);
        }
        lines.push(json!({ "end": { "rows": 3, "supporting": 2 } }));
        lines
    }

    fn row(&self, place: u64, leaf: &[u8]) -> Value {
        let mut row = Row { erasure_log: None, ..Row::new(place, &EntryFacts::read(leaf).unwrap()) };
        let [open, _, rejected, _, erased] = &*self.places else { panic!("five are exported") };
        if row.kind == Some(EntryKind::Message) && place != open.0 {
            row.acknowledgement = Some(self.acknowledgement);
            row.acknowledged_at = Some(NOW * 1000);
            row.outcome = Some(Fate::Processed);
        }
        if place == rejected.0 {
            (row.outcome, row.code) = (Some(Fate::Rejected), Some("not-ours".into()));
        }
        if place == erased.0 {
            row.erasure = Some(self.erasure);
        }
        json!(row)
    }

    fn vkey(&self) -> String {
        self.ledger.vkey().to_string()
    }
}

fn text(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// The same as CSV, every field in quotes.
fn csv(lines: &[Value]) -> String {
    let columns = [
        "index",
        "at",
        "kind",
        "id",
        "from",
        "to",
        "type",
        "service",
        "case",
        "outcome",
        "code",
        "acknowledgement",
        "acknowledged_at",
        "erasure",
    ];
    let header = format!("{},supports,leaf,hash,proof\r\n", columns.join(","));
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let plain = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let note = |kind: &str, index: u64, leaf: &Value| {
        format!("{index},,{kind},,,,,,,,,,,,,{},,\r\n", quoted(&leaf.to_string()))
    };
    let mut text = header;
    for line in lines {
        if !line["export"].is_null() {
            text += &note("export", 0, &line["export"]);
        } else if !line["end"].is_null() {
            text += &note("end", 0, &line["end"]);
        } else {
            let proof: Vec<&str> =
                line["proof"].as_array().unwrap().iter().map(|hash| hash.as_str().unwrap()).collect();
            let mut fields: Vec<String> = columns.iter().map(|column| quoted(&plain(&line["row"][*column]))).collect();
            let guard = |hash: String| if hash.starts_with('-') { format!("'{hash}") } else { hash };
            fields.push(plain(&line["supports"]));
            fields.push(quoted(line["leaf"].as_str().unwrap()));
            fields.push(quoted(&guard(plain(&line["hash"]))));
            fields.push(quoted(&guard(proof.join(" "))));
            text += &format!("{}\r\n", fields.join(","));
        }
    }
    text
}

fn verify(folder: &Path, name: &str, text: &str, vkey: &str) -> Ended {
    std::fs::write(folder.join(name), text).unwrap();
    saphan(folder, ["--json", "audit", "verify-export", name, "--vkey", vkey])
}

#[test]
fn an_export_holds_as_json_lines_and_as_csv_and_offline() {
    let (asked, folder) = (Asked::new(), tempfile::tempdir().unwrap());
    let lines = asked.lines();
    for (name, text) in [("export.jsonl", text(&lines)), ("export.csv", csv(&lines))] {
        let ended = verify(folder.path(), name, &text, &asked.vkey());
        let told = ended.json();
        assert_eq!((ended.code, &told["verdict"]["holds"]), (0, &json!(true)), "{name}: {told}");
        assert_eq!((&told["export"]["rows"], &told["export"]["supporting"]), (&json!(3), &json!(2)));
    }
    let told = saphan(folder.path(), ["audit", "verify-export", "export.jsonl", "--vkey", &asked.vkey()]);
    assert!(told.out.contains("every row is in the log") && told.out.contains("does not show"), "{}", told.out);
}

#[test]
fn what_is_said_of_messages_of_another_log_is_not_taken_for_those_of_the_same_number() {
    let folder = tempfile::tempdir().unwrap();
    for (log, code) in [(ORIGIN, 0), ("hub.example/log/another", 1)] {
        let asked = Asked::speaking_of(Some(log));
        for (name, text) in [("export.jsonl", text(&asked.lines())), ("export.csv", csv(&asked.lines()))] {
            let ended = verify(folder.path(), name, &text, &asked.vkey());
            assert_eq!(ended.code, code, "{log}, {name}: {}", ended.out);
        }
    }
}

#[test]
fn a_table_shows_a_spreadsheet_no_other_rows_than_those_that_were_verified() {
    let (asked, folder) = (Asked::new(), tempfile::tempdir().unwrap());
    let good = csv(&asked.lines());
    assert_eq!(verify(folder.path(), "good.csv", &good, &asked.vkey()).code, 0);
    for (what, from, to) in [
        ("a formula in the first record", "0,,export,", "0,=1+1,export,"),
        ("a row in the last record", "0,,end,", "0,,end,th.dopa/archive"),
        ("a line within a record", "0,,end,", "0,\n99,end,"),
    ] {
        let changed = good.replacen(from, to, 1);
        assert_ne!(changed, good, "{what}");
        assert_eq!(verify(folder.path(), "changed.csv", &changed, &asked.vkey()).code, 1, "{what}");
    }
}

#[test]
fn whatever_is_changed_in_an_export_is_found() {
    let (asked, folder) = (Asked::new(), tempfile::tempdir().unwrap());
    let good = asked.lines();
    let other = asked.ledger.leaves[1].clone();
    type Change<'a> = Box<dyn Fn(&mut Vec<Value>) + 'a>;
    let row = |line: usize, member: &'static str, value: Value| -> Change<'_> {
        Box::new(move |lines| lines[line]["row"][member] = value.clone())
    };
    let changes: Vec<(&str, Change<'_>)> = vec![
        ("another leaf", Box::new(|lines| lines[1]["leaf"] = std::str::from_utf8(&other).unwrap().into())),
        (
            "another leaf with its hash",
            Box::new(|lines| {
                lines[1]["leaf"] = std::str::from_utf8(&other).unwrap().into();
                lines[1]["hash"] = json!(leaf_hash(&other));
            }),
        ),
        ("another place", row(1, "index", json!(3))),
        ("no proof", Box::new(|lines| lines[1]["proof"] = json!([]))),
        ("another proof", Box::new(|lines| lines[1]["proof"] = lines[3]["proof"].clone())),
        ("another time", row(1, "at", json!(NOW * 1000 + 1))),
        ("another kind", row(1, "kind", json!("refusal"))),
        ("another id", row(1, "id", json!("019ab5c0-3f00-7c3a-9d51-5a0f3d1c2b7e"))),
        ("another sender", row(1, "from", json!("th.dopa/archive"))),
        ("another receiver", row(1, "to", json!("th.dopa/archive"))),
        ("another type", row(1, "type", json!("application.withdrawn"))),
        ("no service", row(1, "service", Value::Null)),
        ("another case", row(1, "case", json!("019ab5c0-3f00-7c3a-9d51-5a0f3d1c2b7e"))),
        ("an outcome without an acknowledgement", row(1, "outcome", json!("processed"))),
        ("a code without one", row(1, "code", json!("not-ours"))),
        ("another outcome", row(3, "outcome", json!("processed"))),
        ("another code", row(3, "code", json!("ours"))),
        ("no acknowledgement", row(3, "acknowledgement", Value::Null)),
        ("an acknowledgement that is another entry", row(3, "acknowledgement", json!(asked.erasure))),
        ("an acknowledgement that is not there", row(3, "acknowledgement", json!(1))),
        ("another time of it", row(3, "acknowledged_at", json!(1))),
        ("an erasure of another", row(3, "erasure", json!(asked.erasure))),
        ("an erasure that is no erasure", row(5, "erasure", json!(asked.acknowledgement))),
        ("what it erased", row(4, "erasure", json!(1))),
        ("the acknowledgement is taken out", Box::new(|lines| drop(lines.remove(2)))),
        ("a row is taken out", Box::new(|lines| drop(lines.remove(5)))),
        ("a row is there twice", Box::new(|lines| lines.insert(2, lines[1].clone()))),
        ("rows change places", Box::new(|lines| lines.swap(1, 3))),
        ("the end is taken away", Box::new(|lines| drop(lines.pop()))),
        ("the head is taken away", Box::new(|lines| drop(lines.remove(0)))),
        ("something follows", Box::new(|lines| lines.push(lines[1].clone()))),
        ("another count", Box::new(|lines| lines[6]["end"]["rows"] = json!(4))),
        ("another size", Box::new(|lines| lines[0]["export"]["size"] = json!(5))),
        ("another log", Box::new(|lines| lines[0]["export"]["log"] = json!("hub.other/log/x"))),
        ("another question", Box::new(|lines| lines[0]["export"]["filter"] = json!({ "kind": "refusal" }))),
        ("a question that nobody knows", Box::new(|lines| lines[0]["export"]["filter"]["mood"] = json!("bad"))),
        ("another format", Box::new(|lines| lines[0]["export"]["format"] = json!("saphan-audit-export-2"))),
        ("an unknown member", Box::new(|lines| lines[1]["note"] = json!("believe me"))),
        ("an unknown member of a row", row(1, "note", json!("believe me"))),
        ("a log in a row", row(1, "log", json!(ORIGIN))),
        ("a question in no log", Box::new(|lines| lines[0]["export"]["filter"]["log"] = json!(ORIGIN))),
        (
            "a checkpoint without a signature",
            Box::new(|lines| {
                let note = lines[0]["export"]["checkpoint"].as_str().unwrap().split("\n\n").next().unwrap().to_owned();
                lines[0]["export"]["checkpoint"] = format!("{note}\n\n").into();
            }),
        ),
    ];
    for (what, change) in &changes {
        let mut lines = good.clone();
        change(&mut lines);
        for (name, text) in [("export.jsonl", text(&lines)), ("export.csv", csv(&lines))] {
            // These have no column.
            let has_no_column = ["an unknown member", "an unknown member of a row", "a log in a row"].contains(what);
            if has_no_column && name == "export.csv" {
                continue;
            }
            let ended = verify(folder.path(), name, &text, &asked.vkey());
            assert_eq!(ended.code, 1, "{what}, {name}: {}", ended.out);
            assert_eq!(ended.json()["verdict"]["holds"], false, "{what}, {name}");
        }
    }
}

#[test]
fn an_export_that_was_cut_off_anywhere_is_not_taken_for_a_whole_one() {
    let (asked, folder) = (Asked::new(), tempfile::tempdir().unwrap());
    let lines = asked.lines();
    for (name, whole) in [("export.jsonl", text(&lines)), ("export.csv", csv(&lines))] {
        for part in [1, 2, 3, 5, 9, 100] {
            let ended =
                verify(folder.path(), name, &whole[..whole.len() - whole.len() * part / 101 - 1], &asked.vkey());
            assert_eq!(ended.code, 1, "{name} {part}: {}", ended.out);
        }
        let ended = verify(folder.path(), name, "", &asked.vkey());
        assert_eq!(ended.code, 1, "{name}: {}", ended.out);
    }
}

#[test]
fn an_export_of_a_log_with_another_key_is_not_believed() {
    let (asked, folder) = (Asked::new(), tempfile::tempdir().unwrap());
    let stranger = Ledger::new().vkey().to_string();
    let ended = verify(folder.path(), "export.jsonl", &text(&asked.lines()), &stranger);
    assert_eq!(ended.code, 1, "{}", ended.out);
    let ended = saphan(folder.path(), ["audit", "verify-export", "nothing.jsonl", "--vkey", &stranger]);
    assert_eq!(ended.code, 2, "{}", ended.err);
}
