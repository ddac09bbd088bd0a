//! The Saphan wire contract, version 1, without I/O.
//!
//! Everything that two parties must agree on byte for byte lives here. In reading order:
//!
//! - [`ids`], [`digest`], [`b64`], [`json`]: names, hashes, encodings, strict JSON;
//! - [`keys`], [`jws`]: ES256 keys and strict compact JWS;
//! - [`commitment`], [`envelope`], [`receipt`], [`acknowledgement`], [`registry`], [`auth`]: what is signed;
//! - [`invitation`], [`joining`]: how a system gets its first key into the registry;
//! - [`leaf`], [`log`]: what is logged, and the Merkle log with its proofs; [`facts`]: what one entry says, flat;
//! - [`succession`]: how one log of a hub follows from the one before;
//! - [`audit`]: what auditors look for, and the rows that they are answered with;
//! - [`message`]: a whole service message with its receipt and proof, and how it is verified;
//! - [`evidence_bundle`]: one file that proves messages to somebody who trusts a log's key and nothing else;
//! - [`trust`]: what is trusted about a hub, and how that follows when its keys change;
//! - [`problem`]: every refusal, in English and Thai;
//! - [`catalogue`], [`message_types`]: JSON Schemas, public services, and the Rust types of message bodies.

pub mod acknowledgement;
pub mod audit;
pub mod auth;
pub mod b64;
pub mod catalogue;
pub mod commitment;
pub mod digest;
pub mod envelope;
pub mod evidence_bundle;
pub mod facts;
pub mod ids;
pub mod invitation;
pub mod joining;
pub mod json;
pub mod jws;
pub mod keys;
pub mod leaf;
pub mod log;
pub mod message;
pub mod message_types;
pub mod problem;
pub mod receipt;
pub mod registry;
pub mod succession;
mod text;
pub mod trust;
