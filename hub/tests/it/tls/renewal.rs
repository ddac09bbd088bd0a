//! New certificates under a running hub.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use saphan_hub::config::Config;
use saphan_hub::metrics::Metrics;
use saphan_hub::tls::{ServerTls, TlsError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::hub;
use crate::harness::{Issued, THIS_MACHINE, TestHub, TlsFiles, captured, eventually, in_time};

#[tokio::test]
async fn a_renewed_certificate_is_for_new_connections_and_open_ones_go_on() {
    let files = TlsFiles::new();
    let hub = hub(&files.settings()).await;
    let mut open = connect(&files, &hub).await;
    ask(&mut open).await;
    let renewed = files.authority.issue(&THIS_MACHINE);
    files.put(&renewed.certificate, &renewed.key);
    hub.tls.as_ref().unwrap().reload().unwrap();
    let mut new = connect(&files, &hub).await;
    assert_eq!(shown(&new), der(&renewed));
    ask(&mut new).await;
    assert_eq!(shown(&open), der(&files.hub));
    ask(&mut open).await;
}

#[tokio::test]
async fn files_that_cannot_be_used_leave_the_old_certificate_in_its_place() {
    let files = TlsFiles::new();
    let hub = hub(&files.settings()).await;
    let tls = hub.tls.as_ref().unwrap();
    let renewed = files.authority.issue(&THIS_MACHINE);
    let cut = &renewed.certificate[..renewed.certificate.len() / 2];
    for (certificate, key) in [
        ("", renewed.key.as_str()),
        (cut, &renewed.key),
        (&renewed.certificate, ""),
        (&renewed.certificate, &files.hub.key),
    ] {
        files.put(certificate, key);
        let error = tls.reload().unwrap_err();
        let expected = |error: &TlsError| {
            matches!(error, TlsError::NoCertificate { .. } | TlsError::NoKey { .. } | TlsError::Unusable { .. })
        };
        assert!(expected(&error), "{error:?}");
        assert_eq!(shown(&connect(&files, &hub).await), der(&files.hub));
    }
    std::fs::remove_file(files.certificate()).unwrap();
    tls.reload_and_say();
    assert_eq!(shown(&connect(&files, &hub).await), der(&files.hub));
    assert!(captured().contains("the new certificate cannot be used; the hub goes on with the old one"));
    files.put(&renewed.certificate, &renewed.key);
    tls.reload().unwrap();
    assert_eq!(shown(&connect(&files, &hub).await), der(&renewed));
}

#[tokio::test]
async fn a_key_that_everybody_can_read_is_refused_at_the_start_and_at_a_renewal_and_one_of_a_group_is_not() {
    let files = TlsFiles::new();
    let hub = hub(&files.settings()).await;
    let tls = hub.tls.as_ref().unwrap();
    let renewed = files.authority.issue(&THIS_MACHINE);
    files.put(&renewed.certificate, &renewed.key);
    files.set_mode_of_key(0o644);
    let config = Config::parse(&files.settings(), std::iter::empty()).unwrap();
    for error in [tls.reload().unwrap_err(), ServerTls::load(&config.tls).unwrap_err()] {
        let said = error.to_string();
        assert!(said.contains("hub.key.pem is open to everybody (mode 0644)") && said.contains("chmod o= "), "{said}");
    }
    assert_eq!(shown(&connect(&files, &hub).await), der(&files.hub));
    files.set_mode_of_key(0o640);
    tls.reload().unwrap();
    assert_eq!(shown(&connect(&files, &hub).await), der(&renewed));
}

#[tokio::test]
async fn a_change_of_the_files_is_noticed_without_being_told() {
    let files = TlsFiles::new();
    let config = Config::parse(&files.settings(), std::iter::empty()).unwrap();
    let tls = ServerTls::load(&config.tls).unwrap().unwrap();
    let (stop, stopping) = watch::channel(false);
    let watching = tokio::spawn({
        let tls = Arc::clone(&tls);
        async move { tls.watch(Duration::from_millis(5), &Metrics::default(), stopping).await }
    });
    let first = tls.expires();
    let renewed = files.authority.issue_until(&THIS_MACHINE, SystemTime::now() + Duration::from_secs(3600));
    // Longer than the first: their times of change may be the same, on a file system whose clock is coarse.
    files.put(&format!("{}\n{}", "#".repeat(100), renewed.certificate), &renewed.key);
    eventually(async || tls.expires() != first).await;
    stop.send_replace(true);
    in_time(watching).await.unwrap();
}

#[tokio::test]
async fn a_certificate_that_expires_soon_or_has_expired_is_told_to_the_log() {
    let files = TlsFiles::new();
    let tells = async |until: SystemTime, words: &str| {
        let late = files.authority.issue_until(&THIS_MACHINE, until);
        files.put(&late.certificate, &late.key);
        let _hub = hub(&files.settings()).await;
        // Other tests of this program write to the same log; none has such certificates.
        eventually(async || captured().contains(words)).await;
    };
    tells(SystemTime::now() + Duration::from_secs(13 * DAY + DAY / 2), "\"days\":13").await;
    tells(SystemTime::now() - Duration::from_secs(DAY), "the certificate has expired").await;
}

const DAY: u64 = 24 * 60 * 60;

async fn connect(files: &TlsFiles, hub: &TestHub) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(files.authority.pem().as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(hub.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    in_time(TlsConnector::from(Arc::new(config)).connect(name, stream)).await.unwrap()
}

/// The certificate that the hub showed on this connection.
fn shown(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

fn der(issued: &Issued) -> Vec<u8> {
    CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap().to_vec()
}

/// One request on a connection that stays open.
async fn ask(stream: &mut TlsStream<TcpStream>) {
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: hub\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    while !answer.ends_with("alive\n") {
        let mut piece = [0; 1024];
        let read = in_time(stream.read(&mut piece)).await.unwrap();
        assert_ne!(read, 0, "it was closed after {answer:?}");
        answer.push_str(std::str::from_utf8(&piece[..read]).unwrap());
    }
}
