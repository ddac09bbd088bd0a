//! A progress bar on standard error, when that is a terminal.

use indicatif::{ProgressBar, ProgressStyle};

use crate::log_check::Progress;

/// Shows how far a log check has come.
pub(crate) struct Bar {
    bar: ProgressBar,
}

impl Bar {
    /// A bar that shows itself when there is something to show; nothing is drawn when standard error is no terminal.
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::no_length();
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        Self { bar }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Bar {
    fn started(&self, entries: u64) {
        self.bar.set_length(entries);
    }

    fn checked(&self, entries: u64) {
        self.bar.inc(entries);
    }
}

const TEMPLATE: &str = "checking {wide_bar} {pos}/{len} entries, {per_sec}, {eta} left";
