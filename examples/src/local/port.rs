//! Free loopback ports.

use std::fs;
use std::io::{self, Read as _};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

use tokio::net::TcpSocket;

/// A port that nobody listens on, below the range from which the system serves outgoing connections: a client that
/// reconnects to a killed server could otherwise be given the server's own port.
///
/// It is this program's until it ends: nobody else who asks here is given it, in whichever program, before a server listens
/// on it, or while that one is down.
///
/// # Errors
/// The system's, or none is free.
pub fn free() -> io::Result<u16> {
    let mut random = fs::File::open("/dev/urandom")?;
    for _ in 0..500 {
        let mut bytes = [0; 2];
        random.read_exact(&mut bytes)?;
        let port = LOWEST + u16::from_be_bytes(bytes) % COUNT;
        let Some(reserved) = reserve(port)? else { continue };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            RESERVED.lock().unwrap_or_else(PoisonError::into_inner).push(reserved);
            return Ok(port);
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "no free port"))
}

/// Takes a port; `None` if somebody has it.
fn reserve(port: u16) -> io::Result<Option<TcpSocket>> {
    let reserved = TcpSocket::new_v4()?;
    if reserved.bind((RESERVING, port).into()).is_err() {
        return Ok(None);
    }
    // Only now: it keeps out nobody who listens, not even one that tries all addresses as RabbitMQ does, but everybody who reserves.
    reserved.set_reuseaddr(true)?;
    Ok(Some(reserved))
}

/// Whoever has a port here has that of the same number at [`Ipv4Addr::LOCALHOST`], where the server itself will listen.
const RESERVING: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
static RESERVED: Mutex<Vec<TcpSocket>> = Mutex::new(Vec::new());
const LOWEST: u16 = 15_000;
const COUNT: u16 = 15_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_else_is_given_a_port_though_no_server_listens_on_it_yet() {
        let port = free().unwrap();
        assert!(reserve(port).unwrap().is_none());
        for address in [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED] {
            assert!(TcpListener::bind((address, port)).is_ok(), "the server can listen at {address}");
        }
        assert!(reserve(port).unwrap().is_none());
    }
}
