//! The hub's rule over the broker: who may log in at RabbitMQ, what they may do there, and when a connection must end.
//!
//! RabbitMQ asks the hub about every login and every right ([`access`], through `rabbitmq_auth_backend_http`). It asks
//! nothing while it delivers, so the hub ends connections itself, through the management interface ([`closing`]).

pub mod access;
pub mod closing;
pub mod configuration;
pub mod login;
pub mod management;
