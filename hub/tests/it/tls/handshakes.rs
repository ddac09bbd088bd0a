//! Handshakes that are none, too old, or never end.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{alive, hub};
use crate::harness::{TestHub, TlsFiles, eventually, in_time};

#[tokio::test]
async fn a_client_that_knows_no_tls_newer_than_1_1_is_refused() {
    let files = TlsFiles::new();
    let hub = hub(&files.settings()).await;
    for version in [[3, 0], [3, 1], [3, 2]] {
        let answer = answer(&hub, &client_hello(version)).await;
        assert_eq!(answer.first(), Some(&ALERT), "{version:?}: {answer:?}");
        assert_eq!(answer[5..7], [FATAL, PROTOCOL_VERSION], "{version:?}: {answer:?}");
    }
    // The same words with a version that is served get as far as the hub's part of the handshake.
    let answer = answer(&hub, &client_hello([3, 3])).await;
    assert_eq!((answer[0], answer[5]), (HANDSHAKE, SERVER_HELLO), "{answer:?}");
}

#[tokio::test]
async fn plain_http_gets_nothing_from_the_port_of_https() {
    let files = TlsFiles::new();
    let hub = hub(&files.settings()).await;
    let answer = answer(&hub, b"GET /livez HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n\r\n").await;
    let text = String::from_utf8_lossy(&answer);
    assert!(answer.len() < 16 && !text.contains("HTTP") && !text.contains("alive"), "{text}");
}

#[tokio::test]
async fn a_stalled_handshake_holds_up_nobody() {
    let files = TlsFiles::new();
    // Longer than the test waits for anything.
    let hub = hub(&format!("{}[limits]\nheader_seconds = 300", files.settings())).await;
    let _silent = connect(&hub).await;
    let mut stalled = connect(&hub).await;
    stalled.write_all(&client_hello([3, 3])[..20]).await.unwrap();
    assert!(alive(&files.client().build().unwrap(), &hub).await.unwrap());
}

#[tokio::test]
async fn a_stalled_handshake_is_cut_off() {
    let files = TlsFiles::new();
    let hub = hub(&format!("{}[limits]\nheader_seconds = 1", files.settings())).await;
    let mut silent = connect(&hub).await;
    let mut stalled = connect(&hub).await;
    stalled.write_all(&client_hello([3, 3])[..20]).await.unwrap();
    for stream in [&mut silent, &mut stalled] {
        assert_eq!(in_time(stream.read(&mut [0; 64])).await.unwrap(), 0);
    }
    eventually(async || hub.app.metrics.tls_handshakes_failed.get() == 2).await;
}

#[tokio::test]
async fn a_handshake_counts_as_a_connection() {
    let files = TlsFiles::new();
    let hub = hub(&format!("{}[limits]\nheader_seconds = 1\nconnections = 1", files.settings())).await;
    let _stalled = connect(&hub).await;
    // It is served only when the time of the first one is over.
    assert!(alive(&files.client().build().unwrap(), &hub).await.unwrap());
    assert_eq!(hub.app.metrics.tls_handshakes_failed.get(), 1);
}

#[tokio::test]
async fn a_hub_that_stops_does_not_wait_for_a_handshake() {
    let files = TlsFiles::new();
    let hub = hub(&format!("{}[limits]\nheader_seconds = 300", files.settings())).await;
    let mut stalled = connect(&hub).await;
    assert!(alive(&files.client().build().unwrap(), &hub).await.unwrap(), "the stalled one was taken before");
    hub.stop().await;
    assert_eq!(in_time(stalled.read(&mut [0; 64])).await.unwrap(), 0);
}

async fn connect(hub: &TestHub) -> TcpStream {
    TcpStream::connect(hub.address).await.unwrap()
}

/// What the hub says to these bytes, up to the end or to what it says at once.
async fn answer(hub: &TestHub, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(hub).await;
    stream.write_all(bytes).await.unwrap();
    let mut answer = vec![0; 4096];
    let read = in_time(stream.read(&mut answer)).await.unwrap();
    answer.truncate(read);
    answer
}

/// RFC 5246, section 7.4.1.2, with suites that TLS 1.1 and TLS 1.2 have.
fn client_hello(version: [u8; 2]) -> Vec<u8> {
    let suites = [[0xC0, 0x2B], [0xC0, 0x09], [0xC0, 0x0A], [0x00, 0x2F]].concat();
    let extensions = [
        // supported_groups: secp256r1 and x25519; ec_point_formats: uncompressed.
        vec![0, 10, 0, 6, 0, 4, 0, 23, 0, 29],
        vec![0, 11, 0, 2, 1, 0],
        // signature_algorithms: ECDSA with SHA-256 on secp256r1.
        vec![0, 13, 0, 4, 0, 2, 4, 3],
        // extended_master_secret.
        vec![0, 23, 0, 0],
    ]
    .concat();
    let mut hello = version.to_vec();
    hello.extend([7; 32]);
    hello.push(0);
    hello.extend(length(&suites));
    hello.extend(suites);
    hello.extend([1, 0]);
    hello.extend(length(&extensions));
    hello.extend(extensions);
    let mut handshake = vec![1, 0];
    handshake.extend(length(&hello));
    handshake.extend(hello);
    let mut record = vec![HANDSHAKE, 3, 1];
    record.extend(length(&handshake));
    record.extend(handshake);
    record
}

fn length(bytes: &[u8]) -> [u8; 2] {
    u16::try_from(bytes.len()).unwrap().to_be_bytes()
}

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const FATAL: u8 = 2;
const PROTOCOL_VERSION: u8 = 70;
const SERVER_HELLO: u8 = 2;
