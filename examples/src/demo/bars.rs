//! Progress bars on standard error, when that is a terminal.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use saphan_cli::log_check::Progress;

use super::exchange::Standing;

/// What is under way.
pub(super) struct Bars {
    all: MultiProgress,
    applications: ProgressBar,
    delivered: ProgressBar,
    acknowledged: ProgressBar,
    log: ProgressBar,
}

impl Bars {
    pub(super) fn new(applications: usize, messages: usize) -> Self {
        // Draws on standard error, and nothing at all where that is no terminal.
        let all = MultiProgress::new();
        let bar = |name: &'static str, length: usize| {
            let bar = ProgressBar::new(length as u64);
            if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
                bar.set_style(style);
            }
            all.add(bar.with_message(name))
        };
        let (ended, delivered) = (bar("applications ended", applications), bar("messages delivered", messages));
        let (acknowledged, log) = (bar("acknowledged", messages), bar("log entries checked", 0));
        Self { applications: ended, delivered, acknowledged, log, all }
    }

    pub(super) fn show(&self, standing: &Standing) {
        self.applications.set_position(standing.decided() + standing.withdrawn);
        self.delivered.set_position(standing.delivered);
        self.acknowledged.set_position(standing.acknowledged);
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        // The terminal may be gone.
        let _ = self.all.clear();
    }
}

impl Progress for Bars {
    fn started(&self, entries: u64) {
        self.log.set_length(entries);
    }

    fn checked(&self, entries: u64) {
        self.log.inc(entries);
    }
}

const TEMPLATE: &str = "{msg:22} {wide_bar} {pos}/{len}";
