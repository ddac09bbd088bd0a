//! The connector against the test hub, module by module named for behaviour.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up fails")]

mod acknowledging;
mod copies;
mod documents;
mod effects;
mod handling;
mod http;
mod journal;
mod portal;
mod sending;
mod signing;
mod support;
mod verification;
