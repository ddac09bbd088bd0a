//! The hub as its users meet it: over HTTP, on a real store; and its program.

mod acceptance;
mod bad_input;
mod harness;
mod pressure;
