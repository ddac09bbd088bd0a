//! Whole-system tests on real parts: the real hub, a real RabbitMQ node, real processes killed with `kill -9`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod admin;
mod agency;
mod amqp_transport;
mod auditing;
mod broken_copies;
mod broker_access;
mod broker_belief;
#[expect(dead_code, reason = "the portal's tests do more with it")]
#[path = "../../../examples/tests/it/web/browser.rs"]
mod browser;
mod cases;
mod console;
mod doctor;
mod documents;
mod exchange;
mod joining;
mod killing;
mod killing_unmarked;
mod long_log;
mod observer;
mod patience;
mod procedures;
mod publication;
mod rotation;
mod schemas;
mod secrets;
mod shards;
mod stolen_keys;
mod tampering;
mod timestamps;
mod tls;
mod tokens;
mod witness;
