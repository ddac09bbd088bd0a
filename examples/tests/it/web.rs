//! The portal's page, over HTTP, with a hub, agencies that hold evidence, and an authority.

mod application;
mod browser;
mod chromium;
mod client;
mod forms;
mod markup;
mod stage;
mod visitors;
