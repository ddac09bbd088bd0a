//! Private local parts: what the demo, the whole-system tests and the benchmark start for themselves.
//!
//! Every part lives in a temporary folder, listens on loopback only, and ends with the value that owns it.

pub mod hub;
pub mod port;
pub mod process_group;
pub mod rabbitmq;
pub mod ruled_broker;
