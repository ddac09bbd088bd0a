//! A portal, agencies and registers, and the demo that starts a hub and lets them exchange applications.
//!
//! - [`portal`], [`agencies`]: ordinary users of the connector SDK, made to be copied;
//! - [`applicants`], [`applications`]: synthetic people and what they apply for;
//! - [`procedures`]: what people apply for through the hub's own system, so that they are asked once;
//! - [`cast`]: everybody who takes part, with their handlers;
//! - [`registry`]: who may send what to whom;
//! - [`web`]: the portal as a page for people, made to be copied as well;
//! - [`demo`]: all of them together, started, watched and checked;
//! - [`local`]: private local parts for the demo, the whole-system tests and the benchmark.

pub mod agencies;
pub mod applicants;
pub mod applications;
pub mod cast;
pub mod demo;
pub mod joining;
pub mod local;
pub mod portal;
pub mod procedures;
pub mod registry;
pub mod web;

mod random;
