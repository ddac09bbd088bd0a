//! Exports as CSV (RFC 4180), with the apostrophe that keeps a spreadsheet from taking a field for a formula.

use std::io::{BufRead, Error, ErrorKind};

use saphan_schemas::audit::{COLUMNS, End, Head, ProvenRow};
use saphan_schemas::json::{JsonError, parse_typed};

use super::fault::ExportFault;
use super::lines::Line;

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

/// A record by what it says. That of the export itself and that of its end have a kind of their own, with JSON as their leaf.
pub(super) fn line(record: Vec<String>) -> Result<Line, ExportFault> {
    let malformed = |what: &str| ExportFault::Malformed(what.to_owned());
    let field = |column: &str| {
        let at = COLUMNS.iter().position(|name| *name == column);
        at.and_then(|at| record.get(at)).map_or("", String::as_str)
    };
    let (kind, leaf) = (field("kind"), field("leaf").as_bytes());
    if kind != "export" && kind != "end" {
        let row = ProvenRow::from_record(record).map_err(|error| malformed(&error.to_string()))?;
        return Ok(Line::Row(Box::new(row)));
    }
    let is_silent = |column: &str| ["index", "kind", "leaf"].contains(&column) || field(column).is_empty();
    if record.len() != COLUMNS.len() || !COLUMNS.into_iter().all(is_silent) || field("index").parse::<u64>().is_err() {
        return Err(malformed("a first or last record says more than it may"));
    }
    let json = |error: JsonError| ExportFault::Malformed(error.to_string());
    if kind == "end" {
        return parse_typed::<End>(leaf).map(Line::End).map_err(json);
    }
    parse_typed::<Head>(leaf).map(|head| Line::Head(Box::new(head))).map_err(json)
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
