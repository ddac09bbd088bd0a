//! The agencies: one for each family of public services, and the civil registry that they ask.
//!
//! Each is an ordinary user of the connector SDK and meant to be copied. An agency keeps its cases in its own database;
//! these keep them in memory, so that nothing hides the exchange.

pub mod civil_registration;
pub mod civil_registry;
pub mod licences;
pub mod requests;
pub mod welfare;

pub(crate) mod answers;
pub(crate) mod desk;
mod records;

pub use desk::{Cases, Desk, Mandate};
pub use records::{KeptMessage, Records};

/// The mandates of the four agencies.
pub const MANDATES: [Mandate; 4] =
    [welfare::MANDATE, requests::MANDATE, civil_registration::MANDATE, licences::MANDATE];
