//! What auditors look for in the logs of a hub, and what they are answered with.
//!
//! - [`Filter`]: which entries;
//! - [`Row`]: an entry in one line, which follows from the log alone;
//! - [`ProvenRow`], with [`Head`] and [`End`]: the lines of an export, and their columns.
//!
//! Nothing is verified here; whoever holds an export verifies it.

mod export;
mod filter;
mod row;

pub use export::{COLUMNS, End, FORMAT, Head, MalformedRecord, ProvenRow};
pub use filter::Filter;
pub use row::{Fate, Row};
