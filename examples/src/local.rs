//! Private local parts: what the demo, the whole-system tests and the benchmark start for themselves.
//!
//! Every part lives in a temporary folder, listens on loopback only, and ends with the value that owns it.

pub mod hub;
pub mod port;
pub mod process_group;
pub mod rabbitmq;
pub mod ruled_broker;

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// Keeps a part's log beyond the part, in the folder that `SAPHAN_KEEP_LOGS` names, if any: a whole test run is searched for secrets.
fn keep_log(part: &str, file: &Path) {
    static KEPT: AtomicU32 = AtomicU32::new(0);
    let Some(folder) = std::env::var_os("SAPHAN_KEEP_LOGS") else { return };
    let number = KEPT.fetch_add(1, Ordering::Relaxed);
    let kept = Path::new(&folder).join(format!("{part}-{}-{number}.log", std::process::id()));
    if let Err(error) = std::fs::copy(file, &kept) {
        // The run must not look searched when it was not; a value that is dropped has no other way to say so.
        eprintln!("{} cannot be kept as {}: {error}", file.display(), kept.display());
    }
}
