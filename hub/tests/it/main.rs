//! The hub as its users meet it: over HTTP, on a real store; and its program.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod acceptance;
mod acknowledgements;
mod api;
mod audit;
mod authentication;
mod authority;
mod bad_input;
mod batch;
mod bombs;
mod broker;
mod cases;
mod catalogue;
mod connections;
mod console;
mod documents;
mod erasing;
mod forgery;
mod harness;
mod hub_keys;
mod inbox;
mod isolation;
mod joining;
mod limits;
mod log_endpoints;
mod observability;
mod pressure;
mod program;
mod publication;
mod receipt_device;
mod registry;
mod relay;
mod restart;
mod schemas;
mod shards;
mod smuggling;
mod store_contract;
mod store_failures;
mod timestamps;
mod tls;
mod traversal;
mod witness;
