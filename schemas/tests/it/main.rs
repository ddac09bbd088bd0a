//! Tests of the wire contract as its users see it.

mod catalogue;
mod times;
