//! Whole-system tests on real parts, and the exchange benchmark.

pub mod bench;
