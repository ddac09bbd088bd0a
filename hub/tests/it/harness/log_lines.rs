//! What the hub writes into its own log, of all tests of this program together.

use std::io;
use std::sync::{Mutex, Once, PoisonError};

use tracing_subscriber::EnvFilter;

/// Everything from here on is captured, however small its level.
pub(crate) fn capture() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let filter = EnvFilter::new("trace");
        tracing_subscriber::fmt().json().with_writer(|| Capture).with_env_filter(filter).init();
    });
}

/// All of it so far.
pub(crate) fn captured() -> String {
    String::from_utf8(LINES.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap()
}

struct Capture;

impl io::Write for Capture {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
