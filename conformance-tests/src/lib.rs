//! Whole-system tests on real parts, and the exchange benchmark.
//!
//! - [`world`]: a hub of its own with connectors, what tests and benchmark run on;
//! - [`programs`]: the real programs, built when they are needed;
//! - [`case_world`]: a hub that collects evidence, with agencies that answer at once;
//! - [`bench`](mod@bench): the benchmark.

pub mod bench;
pub mod case_world;
pub mod programs;
pub mod world;
