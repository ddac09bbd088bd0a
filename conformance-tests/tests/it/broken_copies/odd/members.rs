//! A JSON text with one of its members odd: what can be odd about each.

use serde_json::Value;

/// What is odd, and where, and the text.
pub(super) struct Odd {
    /// The member, as a JSON Pointer.
    pub(super) at: String,
    pub(super) what: &'static str,
    pub(super) text: String,
}

/// Each member in turn, the first of each list too, with each thing that can be odd about it.
pub(super) fn odd(good: &Value) -> Vec<Odd> {
    let mut all = Vec::new();
    for at in members(good, "") {
        let value = good.pointer(&at).unwrap();
        let mut odd = |what, text| all.push(Odd { at: at.clone(), what, text });
        if let Some((object, name)) = at.rsplit_once('/')
            && good.pointer(object).unwrap().is_object()
        {
            let mut without = good.clone();
            without.pointer_mut(object).unwrap().as_object_mut().unwrap().remove(name);
            odd("left out", without.to_string());
            odd("twice", with(good, &at, &format!("{value},\"{name}\":{value}")));
        }
        for (what, written) in instead_of(value) {
            odd(what, with(good, &at, &written));
        }
    }
    all
}

fn members(value: &Value, at: &str) -> Vec<String> {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, value)| (format!("{at}/{name}"), value)).collect(),
        Value::Array(elements) => elements.iter().take(1).map(|value| (format!("{at}/0"), value)).collect(),
        _ => Vec::new(),
    };
    let mut all = vec![at.to_owned()];
    all.extend(inner.into_iter().flat_map(|(at, value)| members(value, &at)));
    all
}

/// The text with this written in the place of a member.
fn with(good: &Value, at: &str, written: &str) -> String {
    let mut marked = good.clone();
    *marked.pointer_mut(at).unwrap() = MARK.into();
    marked.to_string().replacen(&format!("\"{MARK}\""), written, 1)
}

/// What may be written in the place of a value.
pub(super) fn instead_of(value: &Value) -> Vec<(&'static str, String)> {
    let mut all: Vec<(&str, String)> = ANY.iter().map(|(what, written)| (*what, (*written).to_owned())).collect();
    all.push(("in a list", format!("[{value}]")));
    match value {
        Value::String(text) => {
            let written = value.to_string();
            let inside = &written[1..written.len() - 1];
            all.push(("a member without a value", format!("{{{value}:null}}")));
            all.push(("a number", "5".to_owned()));
            for (what, before, behind) in AROUND {
                all.push((what, format!("\"{before}{inside}{behind}\"")));
            }
            all.push(("too long", format!("\"{inside}{}\"", "a".repeat(300))));
            all.push(("in capitals", format!("\"{}\"", capital(inside))));
            if let Some(first) = text.chars().next() {
                let rest = &inside[first.len_utf8()..];
                all.push(("escaped", format!("\"\\u{:04x}{rest}\"", u32::from(first))));
            }
        }
        Value::Number(number) => {
            all.push(("in quotes", format!("\"{number}\"")));
            all.push(("with a point", format!("{number}.0")));
            all.push(("with an exponent", format!("{number}e0")));
            all.extend(NUMBERS.iter().map(|(what, written)| (*what, (*written).to_owned())));
        }
        Value::Object(members) => {
            let values: Vec<String> = members.values().map(Value::to_string).collect();
            all.push(("a list of its values", format!("[{}]", values.join(","))));
            let text = value.to_string();
            all.push(("a member more", format!("{},\"odd\":1}}", &text[..text.len() - 1])));
        }
        Value::Array(elements) => {
            let twice: Vec<String> = elements.iter().chain(elements).map(Value::to_string).collect();
            all.push(("each element twice", format!("[{}]", twice.join(","))));
        }
        Value::Null | Value::Bool(_) => {}
    }
    let as_it_was = value.to_string();
    all.retain(|(_, written)| *written != as_it_was);
    all
}

/// With its first small letter in the other size.
fn capital(text: &str) -> String {
    let at = text.find(|letter: char| letter.is_ascii_lowercase()).unwrap_or(text.len());
    let (before, rest) = text.split_at(at);
    let (first, rest) = rest.split_at(rest.len().min(1));
    format!("{before}{}{rest}", first.to_uppercase())
}

const MARK: &str = "the place";
const ANY: [(&str, &str); 5] =
    [("null", "null"), ("true", "true"), ("no text", "\"\""), ("an empty list", "[]"), ("an empty object", "{}")];
const AROUND: [(&str, &str, &str); 8] = [
    ("a blank before it", " ", ""),
    ("a blank behind it", "", " "),
    ("a new line behind it", "", "\\n"),
    ("a control character", "", "\\u0001"),
    ("a control character above 127", "", "\\u0085"),
    ("a control character that is not escaped", "", "\u{1}"),
    ("a Thai letter", "", "ก"),
    ("half a pair", "", "\\ud800"),
];
const NUMBERS: [(&str, &str); 12] = [
    ("nought", "0"),
    ("minus nought", "-0"),
    ("minus one", "-1"),
    ("a thousand with an exponent", "1e3"),
    ("the last second of 9998", "253370764799"),
    ("the first second of 9999", "253370764800"),
    ("2^16", "65536"),
    ("2^53", "9007199254740992"),
    ("2^63 - 1", "9223372036854775807"),
    ("2^63", "9223372036854775808"),
    ("2^64 - 1", "18446744073709551615"),
    ("2^64", "18446744073709551616"),
];
