//! Long answers on standard output, which may end before they do: `saphan-hub registry show | head`.

use std::io::{self, BufWriter, ErrorKind, Write};

use anyhow::Context as _;
use serde::Serialize;

/// Writes a view as one JSON object, or as text for people.
pub(super) fn view<T: Serialize + std::fmt::Display>(view: &T, json: bool) -> anyhow::Result<()> {
    if json {
        let text = serde_json::to_string_pretty(view)?;
        print(|output| writeln!(output, "{text}"))
    } else {
        print(|output| write!(output, "{view}"))
    }
}

/// Lets `write` write to standard output. A reader that has seen enough is no failure.
pub(super) fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
    let mut output = BufWriter::new(io::stdout().lock());
    let written = write(&mut output).and_then(|()| output.flush());
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("standard output cannot be written"),
    }
}
