//! Documents and the virus scanner.

use std::path::Path;

use saphan_schemas::problem::ProblemCode;

use crate::harness::{Document, FakeClamd, TestHub};

const MIB: usize = 1 << 20;
const NEEDLE: &[u8] = b"X5O!P%@AP-EVIL";

async fn hub_with(scanner: &FakeClamd) -> TestHub {
    TestHub::with(&format!("[documents]\nclamd = \"{}\"", scanner.address)).await
}

/// A hub whose scanner is behind this socket.
async fn hub_at(socket: &Path) -> TestHub {
    TestHub::with(&format!("[documents]\nclamd = \"unix:{}\"", socket.display())).await
}

#[tokio::test]
async fn a_document_is_scanned_whole_before_anybody_reads_it() {
    let scanner = FakeClamd::start(NEEDLE, usize::MAX).await;
    let hub = hub_with(&scanner).await;
    let (portal, document) = (&hub.world.portal, Document::pdf(6 * MIB));
    assert_eq!(hub.put_piece(portal, &document, 0..4 * MIB).await.status, 202);
    assert!(scanner.scanned().is_empty());
    assert_eq!(hub.put_piece(portal, &document, 4 * MIB..6 * MIB).await.status, 201);
    assert_eq!(scanner.scanned(), [6 * MIB]);
    assert!(hub.read(portal, &document).await.body == document.bytes);
}

#[tokio::test]
async fn the_scanner_is_asked_over_a_unix_socket_too() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("clamd.ctl");
    FakeClamd::start_at(&socket, NEEDLE);
    let hub = hub_at(&socket).await;
    let (portal, sound, mut infected) = (&hub.world.portal, Document::pdf(2 * MIB), Document::pdf(2 * MIB));
    infected.bytes[MIB..MIB + NEEDLE.len()].copy_from_slice(NEEDLE);
    assert_eq!(hub.put(portal, &sound).await.status, 201);
    hub.put(portal, &infected).await.problem(ProblemCode::DocumentInfected);
}

#[tokio::test]
async fn a_scanner_that_is_away_holds_up_neither_keys_nor_what_is_removed() {
    // Nothing listens on that port.
    let hub = TestHub::with("[documents]\nclamd = \"127.0.0.1:1\"").await;
    let documents = [0; 3].map(|_| Document::pdf(MIB));
    for document in &documents {
        hub.put(&hub.world.portal, document).await.problem(ProblemCode::ScannerUnavailable);
    }
    let new = hub.app.key_store.add_storage().unwrap().id();
    hub.clock.advance(31 * 86_400);
    hub.keep_up().await;
    assert_eq!(hub.look(&hub.world.portal, &documents[2]).await.status, 404, "nobody cited it in time");
    assert!(hub.app.store.storage_keys().await.unwrap().iter().all(|id| *id == new));
}

#[tokio::test]
async fn an_infected_document_is_refused_and_destroyed() {
    let scanner = FakeClamd::start(NEEDLE, usize::MAX).await;
    let hub = hub_with(&scanner).await;
    let (portal, mut document) = (&hub.world.portal, Document::pdf(2 * MIB));
    let end = document.bytes.len();
    document.bytes[end - NEEDLE.len()..].copy_from_slice(NEEDLE);
    let refused = hub.put(portal, &document).await.problem(ProblemCode::DocumentInfected);
    assert_eq!(refused.detail.as_deref(), Some("the scanner calls it Test-Signature"));
    assert_eq!(hub.look(portal, &document).await.status, 404);
    hub.submit(&hub.citing(&document)).await.problem(ProblemCode::DocumentMissing);
    assert_eq!(std::fs::read_dir(hub.data_folder().join("documents")).unwrap().count(), 0);
}

#[tokio::test]
async fn while_the_scanner_is_away_no_document_becomes_readable_and_none_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("clamd.ctl");
    let hub = hub_at(&socket).await;
    let (portal, asked, unasked) = (&hub.world.portal, Document::pdf(2 * MIB), Document::pdf(2 * MIB));
    for document in [&asked, &unasked] {
        hub.put(portal, document).await.problem(ProblemCode::ScannerUnavailable);
        hub.put_end(portal, document).await.problem(ProblemCode::ScannerUnavailable);
        hub.read(portal, document).await.problem(ProblemCode::NotFound);
        let look = hub.look(portal, document).await;
        assert_eq!((look.header("upload-offset"), look.header("upload-complete")), (Some("2097152"), Some("?0")));
    }
    hub.submit(&hub.citing(&asked)).await.problem(ProblemCode::DocumentMissing);
    hub.keep_up().await;
    hub.read(portal, &unasked).await.problem(ProblemCode::NotFound);
    FakeClamd::start_at(&socket, NEEDLE);
    assert_eq!(hub.put_end(portal, &asked).await.status, 201);
    hub.keep_up().await;
    for document in [&asked, &unasked] {
        assert!(hub.read(portal, document).await.body == document.bytes);
    }
}

#[tokio::test]
async fn a_document_that_the_scanner_finds_too_long_stays_unreadable() {
    let scanner = FakeClamd::start(NEEDLE, MIB).await;
    let hub = hub_with(&scanner).await;
    let (portal, document) = (&hub.world.portal, Document::pdf(2 * MIB));
    hub.put(portal, &document).await.problem(ProblemCode::ScannerUnavailable);
    hub.read(portal, &document).await.problem(ProblemCode::NotFound);
}

#[tokio::test]
async fn bytes_of_another_commitment_are_found_out_with_a_scanner_too() {
    let scanner = FakeClamd::start(NEEDLE, usize::MAX).await;
    let hub = hub_with(&scanner).await;
    let (portal, document) = (&hub.world.portal, Document::pdf(1000));
    let path = Document::pdf(1000).path();
    let answer = hub.put_as(portal, &document, &path, None, document.bytes.clone()).await;
    answer.problem(ProblemCode::DocumentMismatch);
}
