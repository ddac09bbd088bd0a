//! Whole-system tests on real parts, and the exchange benchmark.
//!
//! - [`world`]: a hub of its own with connectors, what tests and benchmark run on;
//! - [`programs`]: the real programs, built when they are needed;
//! - [`bench`](mod@bench): the benchmark.

pub mod bench;
pub mod programs;
pub mod world;
