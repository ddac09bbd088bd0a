//! The export as CSV (RFC 4180): the same as the JSON Lines, one column for each member.
//!
//! A spreadsheet takes a field that begins with `=`, `+`, `-`, `@` or a control character for a formula: such a field gets an
//! apostrophe before it, as spreadsheets have it themselves, and so does one that begins with an apostrophe.

use saphan_schemas::audit::{COLUMNS, ProvenRow};

/// The names of the columns.
pub(super) fn header(to: &mut Vec<u8>) {
    record(to, COLUMNS.iter().copied());
}

/// What is no row: the export itself, and its end. The number stands under `index`, the rest is JSON under `leaf`.
pub(super) fn note(to: &mut Vec<u8>, kind: &str, index: u64, leaf: &str) {
    let index = index.to_string();
    let field = |column: &&'static str| match *column {
        "index" => index.as_str(),
        "kind" => kind,
        "leaf" => leaf,
        _ => "",
    };
    record(to, COLUMNS.iter().map(field));
}

pub(super) fn row(to: &mut Vec<u8>, row: &ProvenRow) {
    record(to, row.to_record().iter().map(String::as_str));
}

fn record<'a>(to: &mut Vec<u8>, fields: impl Iterator<Item = &'a str>) {
    for (at, text) in fields.enumerate() {
        if at > 0 {
            to.push(b',');
        }
        field(to, text);
    }
    to.extend(b"\r\n");
}

fn field(to: &mut Vec<u8>, text: &str) {
    let dangerous = text.starts_with(|first: char| "=+-@'".contains(first) || first.is_control());
    let quoted = dangerous || text.contains([',', '"', '\r', '\n']);
    if quoted {
        to.push(b'"');
    }
    if dangerous {
        to.push(b'\'');
    }
    for byte in text.bytes() {
        if byte == b'"' {
            to.push(b'"');
        }
        to.push(byte);
    }
    if quoted {
        to.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_field_is_a_formula_and_quotes_are_doubled() {
        let mut text = Vec::new();
        record(&mut text, ["=1+1", "+a", "-a", "@a", "'a", "\ta", "a=b", "", "a,b", "say \"a\"\n"].into_iter());
        let wanted = "\"'=1+1\",\"'+a\",\"'-a\",\"'@a\",\"''a\",\"'\ta\",a=b,,\"a,b\",\"say \"\"a\"\"\n\"\r\n";
        assert_eq!(String::from_utf8(text).unwrap(), wanted);
    }
}
