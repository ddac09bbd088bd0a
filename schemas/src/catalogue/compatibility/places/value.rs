//! Places that hold one value: a text, a number, a yes or no.

use jsonschema::canonical::Containment;
use serde_json::{Value, json};

use super::{Members, Places, number};
use crate::catalogue::profile::ANNOTATIONS;

impl Places<'_> {
    pub(super) fn values(&mut self, (old, was): (&str, &Members), (new, is): (&str, &Members), covered: Containment) {
        let told = differences(was, is);
        if covered == Containment::No || self.refuses_a_probe((old, was), (new, is)) {
            self.refuse(new, &format!("accepts less than before: {told}"));
        } else {
            self.leave_open(new, &format!("may accept less than before: {told}"));
        }
    }

    /// Whether some value shows it that the old schema accepts and the new one refuses.
    fn refuses_a_probe(&self, (old, was): (&str, &Members), (new, is): (&str, &Members)) -> bool {
        let values = probes(was, is);
        let verdicts = (self.old.accepts(old, &values), self.new.accepts(new, &values));
        let (Some(accepted), Some(accepts)) = verdicts else { return false };
        accepted.into_iter().zip(accepts).any(|pair| pair == (true, false))
    }
}

/// Values at the limits of both schemas, and of the forms that the formats have.
fn probes(was: &Members, is: &Members) -> Vec<Value> {
    let mut values = vec![json!(true), json!(0), json!(1.5), json!([]), json!({})];
    for schema in [was, is] {
        values.extend(schema.get("enum").and_then(Value::as_array).into_iter().flatten().cloned());
        values.extend(["const", "minimum", "maximum"].iter().filter_map(|keyword| schema.get(*keyword).cloned()));
        for keyword in ["minLength", "maxLength"] {
            let length = number(schema, keyword).unwrap_or(0).min(LONGEST_PROBE);
            for length in [length.saturating_sub(1), length, length + 1] {
                let length = usize::try_from(length).unwrap_or(0);
                values.extend(["a", "A", "0", "ก"].map(|letter| Value::String(letter.repeat(length))));
            }
        }
    }
    values.extend(FORMS.iter().map(|form| json!(form)));
    values
}

/// What differs between the two, keyword by keyword.
fn differences(was: &Members, is: &Members) -> String {
    let mut keywords: Vec<&String> = was.keys().chain(is.keys()).collect();
    keywords.sort();
    keywords.dedup();
    let differ = keywords.into_iter().filter(|keyword| was.get(*keyword) != is.get(*keyword));
    let differ = differ.filter(|keyword| !ANNOTATIONS.contains(&keyword.as_str()));
    let tell = |keyword: &String| format!("{keyword} was {}, is {}", shown(was.get(keyword)), shown(is.get(keyword)));
    differ.map(tell).collect::<Vec<_>>().join("; ")
}

fn shown(value: Option<&Value>) -> String {
    let text = value.map_or_else(|| "absent".to_owned(), Value::to_string);
    if text.chars().count() <= LONGEST_SHOWN { text } else { text.chars().take(LONGEST_SHOWN).chain(['…']).collect() }
}

const FORMS: &[&str] = &[
    "",
    " ",
    "a b",
    "2026",
    "2026-11",
    "2026-11-24",
    "2569-11-24",
    "2026-11-24T09:30:00Z",
    "somebody@example.com",
    "1990100010008",
    "0105500000001",
    "https://example.com/",
    "01938c5f-7e00-7000-8000-000000000000",
    "th.example",
    "TH",
    "10110",
    "0812345678",
    "1/2",
    "สมชาย",
    "Somchai",
];
const LONGEST_PROBE: u64 = 20_000;
const LONGEST_SHOWN: usize = 160;
