//! Exports as CSV (RFC 4180), with the apostrophe that keeps a spreadsheet from taking a field for a formula.

use std::io::{BufRead, Error, ErrorKind};

use saphan_schemas::json::parse_typed;

use super::fault::ExportFault;
use super::lines::Line;
use super::{End, Head, Proven, Row};

pub(super) const COLUMNS: [&str; 18] = [
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
    "supports",
    "leaf",
    "hash",
    "proof",
];

/// The next record; `None` at the end. [`ErrorKind::InvalidData`] for what is not RFC 4180, [`ErrorKind::UnexpectedEof`] when the
/// file ends within a record.
pub(super) fn record(from: &mut impl BufRead) -> std::io::Result<Option<Vec<String>>> {
    let (mut fields, mut field) = (Vec::new(), Vec::new());
    let (mut quoted, mut length) = (false, 0);
    loop {
        let Some(byte) = next(from)? else {
            let begun = length > 0;
            return if begun { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(None) };
        };
        length += 1;
        if length > LONGEST_RECORD {
            return Err(invalid("a record is too long"));
        }
        match byte {
            // A spreadsheet would begin another row here.
            b'\n' if !quoted => return Err(invalid("a line ends within a record")),
            b'"' if quoted => match peek(from)? {
                Some(b'"') => {
                    from.consume(1);
                    field.push(b'"');
                }
                _ => quoted = false,
            },
            b'"' if field.is_empty() => quoted = true,
            b'"' => return Err(invalid("a quote stands within a field")),
            b',' if !quoted => fields.push(text(&mut field)?),
            b'\r' if !quoted => {
                if next(from)? != Some(b'\n') {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                fields.push(text(&mut field)?);
                return Ok(Some(fields));
            }
            other => field.push(other),
        }
    }
}

/// A record by what it says.
pub(super) fn line(record: Vec<String>) -> Result<Line, ExportFault> {
    let malformed = |what: &str| ExportFault::Malformed(what.to_owned());
    let fields: [String; COLUMNS.len()] = record.try_into().map_err(|_| malformed("it has other columns"))?;
    let [
        index,
        at,
        kind,
        id,
        from,
        to,
        message_type,
        service,
        case,
        outcome,
        code,
        acknowledgement,
        acknowledged_at,
        erasure,
        supports,
        leaf,
        hash,
        proof,
    ] = fields;
    let json = |error: saphan_schemas::json::JsonError| ExportFault::Malformed(error.to_string());
    if ["export", "end"].contains(&kind.as_str()) {
        let others = [
            &at,
            &id,
            &from,
            &to,
            &message_type,
            &service,
            &case,
            &outcome,
            &code,
            &acknowledgement,
            &acknowledged_at,
            &erasure,
            &supports,
            &hash,
            &proof,
        ];
        if !others.iter().all(|text| text.is_empty()) || index.parse::<u64>().is_err() {
            return Err(malformed("a first or last record says more than it may"));
        }
    }
    match kind.as_str() {
        "export" => return parse_typed::<Head>(leaf.as_bytes()).map(|head| Line::Head(Box::new(head))).map_err(json),
        "end" => return parse_typed::<End>(leaf.as_bytes()).map(Line::End).map_err(json),
        _ => {}
    }
    let number = |text: &str| text.parse::<u64>().map_err(|_| malformed("a number is none"));
    let place = |text: &str| if text.is_empty() { Ok(None) } else { number(text).map(Some) };
    let some = |text: String| (!text.is_empty()).then_some(text);
    let hash_of = |text: &str| text.parse().map_err(|_| malformed("a hash is none"));
    let row = Row {
        index: number(&index)?,
        at: number(&at)?,
        kind: some(kind),
        id: some(id),
        from: some(from),
        to: some(to),
        message_type: some(message_type),
        service: some(service),
        case: some(case),
        outcome: some(outcome),
        code: some(code),
        acknowledgement: place(&acknowledgement)?,
        acknowledged_at: place(&acknowledged_at)?,
        erasure: place(&erasure)?,
    };
    let supports = match supports.as_str() {
        "" => false,
        "true" => true,
        _ => return Err(malformed("`supports` is true or empty")),
    };
    let proof = proof.split_ascii_whitespace().map(hash_of).collect::<Result<_, _>>()?;
    Ok(Line::Row(Box::new(Proven { row, supports, leaf, hash: hash_of(&hash)?, proof })))
}

fn text(field: &mut Vec<u8>) -> std::io::Result<String> {
    let text = String::from_utf8(std::mem::take(field)).map_err(|_| invalid("a field is no text"))?;
    Ok(text.strip_prefix('\'').map(str::to_owned).unwrap_or(text))
}

fn next(from: &mut impl BufRead) -> std::io::Result<Option<u8>> {
    let byte = peek(from)?;
    if byte.is_some() {
        from.consume(1);
    }
    Ok(byte)
}

fn peek(from: &mut impl BufRead) -> std::io::Result<Option<u8>> {
    Ok(from.fill_buf()?.first().copied())
}

fn invalid(what: &'static str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

const LONGEST_RECORD: u64 = 256 << 10;
