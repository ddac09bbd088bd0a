//! The connector against the test hub, module by module named for behaviour.

mod acknowledging;
mod effects;
mod handling;
mod journal;
mod sending;
mod support;
mod verification;
