//! Whole-system tests on real parts, and the benchmarks.
//!
//! - [`world`]: a hub of its own with connectors, what tests and benchmark run on;
//! - [`programs`]: the real programs, built when they are needed;
//! - [`case_world`]: a hub that collects evidence, with agencies that answer at once;
//! - [`long_log`]: logs of millions of entries, made in minutes;
//! - [`bench`](mod@bench): the benchmarks.

pub mod bench;
pub mod case_world;
pub mod long_log;
pub mod programs;
pub mod world;
