//! The real program on good and tampered files, logs and hubs. One module a command.

mod hub;
mod keys;
mod ledger;
mod listen;
mod log_check;
mod program;
mod send;
mod trust;
mod usage;
mod verify;
