//! Free loopback ports.

use std::fs;
use std::io::{self, Read as _};
use std::net::{Ipv4Addr, TcpListener};

/// A port that nobody listens on, below the range from which the system serves outgoing connections: a client that
/// reconnects to a killed server could otherwise be given the server's own port.
///
/// # Errors
/// The system's, or none is free.
pub fn free() -> io::Result<u16> {
    let mut random = fs::File::open("/dev/urandom")?;
    for _ in 0..500 {
        let mut bytes = [0; 2];
        random.read_exact(&mut bytes)?;
        let port = LOWEST + u16::from_be_bytes(bytes) % COUNT;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "no free port"))
}

const LOWEST: u16 = 15_000;
const COUNT: u16 = 15_000;
