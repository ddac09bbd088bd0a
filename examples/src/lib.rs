//! A portal, four agencies, and the demo that starts a hub and lets them exchange applications.
//!
//! - [`portal`], [`agencies`]: ordinary users of the connector SDK, made to be copied;
//! - [`applicants`], [`applications`]: synthetic people and what they apply for;
//! - [`registry`]: who may send what to whom;
//! - [`web`]: the portal as a page for people, made to be copied as well;
//! - [`demo`]: all of them together, started, watched and checked;
//! - [`local`]: private local parts for the demo, the whole-system tests and the benchmark.

pub mod agencies;
pub mod applicants;
pub mod applications;
pub mod demo;
pub mod joining;
pub mod local;
pub mod portal;
pub mod registry;
pub mod web;

mod random;
