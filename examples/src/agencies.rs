//! The agencies: those that decide and ask themselves, one for each family of public services; those that decide the
//! complete cases of the hub's once-only service; and the registers that hold evidence.
//!
//! Each is an ordinary user of the connector SDK and meant to be copied. An agency keeps its cases in its own database;
//! these keep them in memory, so that nothing hides the exchange.

pub mod case_office;
pub mod civil_registration;
pub mod civil_registry;
pub mod food_premises;
pub mod licences;
pub mod moves;
pub mod registers;
pub mod requests;
pub mod welfare;

pub(crate) mod answers;
pub(crate) mod desk;
mod records;

pub use desk::{Cases, Desk, Mandate};
pub use records::{KeptMessage, Records};

/// The mandates whose agencies take complete cases of the hub's once-only service.
pub const ONCE_ONLY: [Mandate; 4] = [food_premises::MANDATE, welfare::MANDATE, moves::MANDATE, licences::MANDATE];

/// The mandates of the four agencies that collect the evidence themselves.
pub const MANDATES: [Mandate; 4] =
    [welfare::MANDATE, requests::MANDATE, civil_registration::MANDATE, licences::MANDATE];
