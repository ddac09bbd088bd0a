//! The portal's page, over HTTP, with a hub, agencies that hold evidence, and an authority.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test helper that fails should end its test"
)]

pub(crate) mod application;
#[expect(dead_code, reason = "the console's tests do more with it")]
mod browser;
mod chromium;
pub(crate) mod client;
#[expect(dead_code, reason = "the hub's tests ask it more")]
#[path = "../../../hub/tests/it/harness/fake_clamd.rs"]
mod fake_clamd;
mod files;
mod forms;
mod markup;
mod stage;
mod visitors;
