//! The lines of an export, one at a time, however long the file is.

use std::ffi::OsStr;
use std::io::{BufRead, ErrorKind, Read as _};
use std::path::Path;

use saphan_schemas::audit::{COLUMNS, End, Head, ProvenRow};
use saphan_schemas::json::parse_typed;
use serde::Deserialize;

use super::csv;
use super::fault::{ExportError, ExportFault};

/// A line, by what it says.
pub(super) enum Line {
    Head(Box<Head>),
    Row(Box<ProvenRow>),
    End(End),
}

pub(super) struct Lines<R> {
    from: R,
    is_csv: bool,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    /// What the file's name ends in says what it is.
    pub(super) fn new(from: R, path: &Path) -> Self {
        let is_csv = path.extension().and_then(OsStr::to_str).is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
        Self { from, is_csv, number: 0 }
    }

    /// What is wrong with the last line.
    pub(super) const fn fault(&self, fault: ExportFault) -> ExportError {
        ExportError::Fault { line: self.number, fault }
    }

    pub(super) fn next(&mut self) -> Result<Option<Line>, ExportError> {
        let line = if self.is_csv { self.next_record()? } else { self.next_object()? };
        line.map(|line| line.map_err(|fault| self.fault(fault))).transpose()
    }

    fn next_object(&mut self) -> Result<Option<Result<Line, ExportFault>>, ExportError> {
        self.number += 1;
        let mut text = Vec::new();
        (&mut self.from).take(LONGEST_LINE).read_until(b'\n', &mut text)?;
        if text.is_empty() {
            return Ok(None);
        }
        let cut = text.pop() != Some(b'\n');
        Ok(Some(if cut { Err(ExportFault::CutOff) } else { object(&text) }))
    }

    fn next_record(&mut self) -> Result<Option<Result<Line, ExportFault>>, ExportError> {
        self.number += 1;
        if self.number == 1 {
            match csv::record(&mut self.from) {
                Ok(Some(columns)) if columns == COLUMNS => self.number += 1,
                Ok(_) => return Ok(Some(Err(ExportFault::NoHead))),
                Err(error) => return unreadable(error),
            }
        }
        match csv::record(&mut self.from) {
            Ok(record) => Ok(record.map(csv::line)),
            Err(error) => unreadable(error),
        }
    }
}

/// A file that is not what it should be is a fault; one that cannot be read is not.
fn unreadable(error: std::io::Error) -> Result<Option<Result<Line, ExportFault>>, ExportError> {
    match error.kind() {
        ErrorKind::InvalidData => Ok(Some(Err(ExportFault::Malformed(error.to_string())))),
        ErrorKind::UnexpectedEof => Ok(Some(Err(ExportFault::CutOff))),
        _ => Err(error.into()),
    }
}

#[derive(Deserialize)]
struct WithHead {
    export: Head,
}

#[derive(Deserialize)]
struct WithEnd {
    end: End,
}

fn object(text: &[u8]) -> Result<Line, ExportFault> {
    let malformed = |error: saphan_schemas::json::JsonError| ExportFault::Malformed(error.to_string());
    // Serialized without blanks: the first member tells them apart.
    if text.starts_with(b"{\"export\":") {
        parse_typed::<WithHead>(text).map(|line| Line::Head(Box::new(line.export))).map_err(malformed)
    } else if text.starts_with(b"{\"end\":") {
        parse_typed::<WithEnd>(text).map(|line| Line::End(line.end)).map_err(malformed)
    } else {
        parse_typed(text).map(|proven| Line::Row(Box::new(proven))).map_err(malformed)
    }
}

/// A leaf of 16 KiB, escaped, with the longest proof there is.
const LONGEST_LINE: u64 = 256 << 10;
