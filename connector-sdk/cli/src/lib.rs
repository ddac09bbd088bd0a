//! The saphan command line: keys, send, listen, verify, log check.
