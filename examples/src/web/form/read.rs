//! From what a browser sends to the form's JSON. What cannot be read stays as the text that was written, so that the schema refuses it
//! at its place and the page can show it again.

use std::collections::HashMap;

use serde_json::{Map, Number, Value};

use super::{Field, Filled, Form, Kind, TAG};

/// What a browser sent, by the inputs' names.
#[derive(Default)]
pub(in super::super) struct Input(HashMap<String, Vec<String>>);

impl Input {
    /// Takes the pairs in their order.
    pub(in super::super) fn new(pairs: Vec<(String, String)>) -> Self {
        let mut input = Self::default();
        for (name, value) in pairs {
            input.0.entry(name).or_default().push(value);
        }
        input
    }

    /// The first value with this name, without blanks around it; `None` when nothing is left.
    pub(in super::super) fn one(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.first().map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.get(name).into_iter().flatten().map(String::as_str)
    }

    /// Whether there is anything for this row of a list.
    fn has(&self, row: &str) -> bool {
        self.0
            .keys()
            .any(|name| name.strip_prefix(row).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', ':'])))
    }
}

impl Form {
    /// What was filled in.
    pub(in super::super) fn read(&self, input: &Input) -> Filled {
        members(&self.fields, "", input)
    }
}

fn members(fields: &[Field], path: &str, input: &Input) -> Map<String, Value> {
    let read = |field: &Field| Some((field.name.clone(), value(field, &format!("{path}/{}", field.name), input)?));
    fields.iter().filter_map(read).collect()
}

fn value(field: &Field, path: &str, input: &Input) -> Option<Value> {
    match &field.kind {
        Kind::Text { .. } | Kind::Date | Kind::Choice(_) => input.one(path).map(Value::from),
        Kind::Number { whole, .. } => input.one(path).map(|text| number(text, *whole)),
        Kind::Money => input.one(path).map(|text| satang(text).map_or_else(|| text.into(), Value::from)),
        Kind::YesNo => match input.one(path)? {
            "yes" => Some(true.into()),
            "no" => Some(false.into()),
            other => Some(other.into()),
        },
        Kind::Confirmed => input.one(path).map(|_| true.into()),
        Kind::Choices(_) => some(input.all(path).map(Value::from).collect()),
        Kind::Group(fields) => {
            let members = members(fields, path, input);
            (field.required || members.values().any(is_filled)).then_some(Value::Object(members))
        }
        Kind::Alternatives(alternatives) => {
            let tag = input.one(path)?;
            let chosen = alternatives.iter().find(|one| one.tag == tag);
            let mut members =
                chosen.map(|chosen| members(&chosen.fields, &format!("{path}:{tag}"), input)).unwrap_or_default();
            members.insert(TAG.to_owned(), tag.into());
            Some(Value::Object(members))
        }
        Kind::List { item, most, .. } => {
            let rows = (0..*most).map(|row| format!("{path}/{row}")).filter(|row| input.has(row));
            let filled = |value: &Value| value.as_object().is_none_or(|members| members.values().any(is_filled));
            some(rows.filter_map(|row| value(item, &row, input)).filter(filled).collect())
        }
        Kind::Document => None,
    }
}

fn is_filled(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.values().any(is_filled),
        Value::Array(items) => items.iter().any(is_filled),
        _ => true,
    }
}

fn some(items: Vec<Value>) -> Option<Value> {
    (!items.is_empty()).then_some(Value::Array(items))
}

fn number(text: &str, whole: bool) -> Value {
    let plain = text.replace(',', "");
    match plain.parse::<i64>() {
        Ok(number) => number.into(),
        Err(_) if !whole => plain.parse().ok().and_then(Number::from_f64).map_or_else(|| text.into(), Value::Number),
        Err(_) => text.into(),
    }
}

/// Baht with at most two digits after the point, in satang.
fn satang(text: &str) -> Option<u64> {
    let plain = text.replace(',', "");
    let (whole, rest) = plain.split_once('.').unwrap_or((&plain, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(rest) || rest.len() > 2 {
        return None;
    }
    let rest: u64 = format!("{rest:0<2}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(100)?.checked_add(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_in_baht_and_kept_in_satang() {
        let read = ["0", "1,250.5", "600.05", "1.234", "-3", "1e3", ".5", "99999999999999999999"].map(satang);
        assert_eq!(read, [Some(0), Some(125_050), Some(60_005), None, None, None, None, None]);
    }

    #[test]
    fn what_is_no_number_stays_as_it_was_written() {
        assert_eq!(number("2,000", true), 2000);
        assert_eq!(number("2.5", true), "2.5");
        assert_eq!(number("2.5", false), 2.5);
        assert_eq!(number("many", false), "many");
    }
}
