//! The portal's page, over HTTP, with a hub, agencies that hold evidence, and an authority.

pub(crate) mod application;
mod browser;
mod chromium;
pub(crate) mod client;
mod forms;
mod markup;
mod stage;
mod visitors;
