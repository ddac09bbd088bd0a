//! The local parts and the demo, on the real programs.

mod demo;
mod hub;
mod rabbitmq;
mod web;
