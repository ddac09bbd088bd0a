//! The Saphan hub: checks, signs, logs and routes service messages.

pub mod admission;
pub mod clock;
pub mod ledger;
pub mod registry;
pub mod routing;
pub mod store;
