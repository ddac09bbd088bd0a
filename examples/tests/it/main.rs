//! The local parts, on the real programs.

mod rabbitmq;
