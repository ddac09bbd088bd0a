//! Whole-system tests on real parts: the real hub, a real RabbitMQ node, real processes killed with `kill -9`.

mod amqp_transport;
mod exchange;
mod killing;
mod observer;
