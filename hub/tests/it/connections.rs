//! Connections that take without asking for anything.

use std::io::ErrorKind;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{TestHub, in_time};

#[tokio::test]
async fn a_slow_loris_is_cut_off_while_others_are_served() {
    let hub = TestHub::with("[limits]\nheader_seconds = 1").await;
    let mut loris = connect(&hub).await;
    loris.write_all(b"POST /v1/messages HTTP/1.1\r\nsaphan-envelope: ey").await.unwrap();
    hub.submit(&hub.world.message()).await.accepted();
    let mut answer = Vec::new();
    in_time(loris.read_to_end(&mut answer)).await.unwrap();
    assert!(!answer.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn a_connection_on_which_nothing_is_asked_is_closed() {
    let hub = TestHub::with("[limits]\nheader_seconds = 1").await;
    let mut silent = connect(&hub).await;
    assert_eq!(in_time(silent.read(&mut [0; 64])).await.unwrap(), 0);
}

#[tokio::test]
async fn a_connection_that_has_asked_and_asks_for_nothing_more_is_closed() {
    let hub = TestHub::with("[limits]\nheader_seconds = 1").await;
    let mut rests = connect(&hub).await;
    rests.write_all(b"GET /livez HTTP/1.1\r\nhost: hub\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    in_time(rests.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("alive\n"), "{answer}");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_one_that_ends() {
    // No connection rests so long that it is closed for it, and the harness keeps the one that it has set the hub up with.
    let mut hub = TestHub::with("[limits]\nconnections = 1\nheader_seconds = 300").await;
    let mut second = connect(&hub).await;
    second.write_all(b"GET /livez HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n\r\n").await.unwrap();
    for _ in 0..20 {
        assert_eq!(hub.get("/livez").await.status, 200);
    }
    let early = second.try_read(&mut [0; 64]).map_err(|error| error.kind());
    assert_eq!(early, Err(ErrorKind::WouldBlock), "it is not served yet");
    hub.hang_up();
    let mut answer = String::new();
    in_time(second.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

async fn connect(hub: &TestHub) -> TcpStream {
    TcpStream::connect(hub.url.strip_prefix("http://").unwrap()).await.unwrap()
}
