//! Documents on their way to the hub and back.

use std::io::Cursor;
use std::path::PathBuf;
use std::time::Duration;

use saphan_connector::schemas::problem::ProblemCode;
use saphan_connector::testing::Part;
use saphan_connector::{DocumentError, PreparedDocument, SendError};

use crate::support::{OFFICE, content_office, hub, portal, withdrawal};

/// Three pieces, the last of them short.
fn document() -> Vec<u8> {
    let numbers = (0_u32..).flat_map(u32::to_le_bytes);
    b"%PDF-1.7\n".iter().copied().chain(numbers).take((17 << 20) + 3).collect()
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.pdf");
    (folder, path)
}

#[tokio::test]
async fn an_upload_survives_lost_answers_and_the_recipient_gets_the_same_bytes() {
    let hub = hub();
    let (portal, office) = (portal(&hub).await, content_office(&hub).await);
    let (folder, copy) = folder();
    let original = folder.path().join("original.pdf");
    std::fs::write(&original, document()).unwrap();
    hub.lose_next_responses(2);
    let reference = portal.documents().upload_file(&original, "application/PDF").await.unwrap();
    assert_eq!((reference.len, &*reference.media_type), (document().len() as u64, "application/pdf"));
    assert_eq!(hub.unanswered(), 2);
    let early = office.documents().download_file(&reference, &copy).await.unwrap_err();
    assert!(matches!(early, DocumentError::NotThere { .. }), "{early:?}");
    portal.send(withdrawal().document(reference.clone())).await.unwrap();
    assert_eq!(office.documents().find(reference.commit).await.unwrap(), Some(reference.clone()));
    office.documents().download_file(&reference, &copy).await.unwrap();
    assert!(std::fs::read(&copy).unwrap() == document());
    let again = office.documents().download_file(&reference, &copy).await.unwrap_err();
    assert!(matches!(again, DocumentError::File(_)), "a file is not overwritten: {again:?}");
}

#[tokio::test]
async fn an_upload_goes_on_after_a_crash_with_the_salt_that_was_kept() {
    let hub = hub();
    let first = portal(&hub).await;
    let prepared = PreparedDocument::read(&mut &document()[..], "application/pdf").await.unwrap();
    // A source that ends after the first piece is as good as a crash.
    let torn = first.documents().upload(&prepared, &mut Cursor::new(document()[..9 << 20].to_vec())).await;
    assert!(matches!(torn, Err(DocumentError::File(_))), "{torn:?}");
    first.shutdown(Duration::ZERO).await.unwrap();
    let second = portal(&hub).await;
    let prepared =
        PreparedDocument::read_with(&mut &document()[..], "application/pdf", prepared.salt().clone()).await.unwrap();
    let reference = second.documents().upload(&prepared, &mut Cursor::new(document())).await.unwrap();
    assert_eq!(second.documents().find(reference.commit).await.unwrap(), Some(reference));
}

#[tokio::test]
async fn a_document_that_was_changed_on_its_way_leaves_no_file() {
    let hub = hub();
    let (portal, (folder, copy)) = (portal(&hub).await, folder());
    let prepared = PreparedDocument::read(&mut &document()[..], "application/pdf").await.unwrap();
    let mut reference = portal.documents().upload(&prepared, &mut Cursor::new(document())).await.unwrap();
    hub.corrupt_next_delivery(Part::Document);
    let changed = portal.documents().download_file(&reference, &copy).await.unwrap_err();
    assert!(matches!(changed, DocumentError::Untrusted), "{changed:?}");
    reference.len -= 1;
    let shorter = portal.documents().download_file(&reference, &copy).await.unwrap_err();
    assert!(matches!(shorter, DocumentError::Untrusted), "{shorter:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_source_that_changed_since_it_was_committed_to_is_refused_for_good() {
    let hub = hub();
    let portal = portal(&hub).await;
    let prepared = PreparedDocument::read(&mut &document()[..], "application/pdf").await.unwrap();
    let mut changed = document();
    changed[5] = b'2';
    let refused = portal.documents().upload(&prepared, &mut Cursor::new(changed)).await.unwrap_err();
    assert_eq!(refused.problem_code(), Some(ProblemCode::DocumentMismatch));
    assert!(!refused.is_retryable());
}

#[tokio::test]
async fn what_was_not_uploaded_cannot_be_cited() {
    let hub = hub();
    hub.register(&OFFICE.parse().unwrap()).unwrap();
    let portal = portal(&hub).await;
    let prepared = PreparedDocument::read(&mut &b"%PDF-1.7"[..], "application/pdf").await.unwrap();
    let refused = portal.send(withdrawal().document(prepared.reference())).await.unwrap_err();
    assert!(matches!(refused, SendError::Refused(_)));
    assert_eq!(refused.problem_code(), Some(ProblemCode::DocumentMissing));
}

#[tokio::test]
async fn an_empty_document_and_one_without_a_type_are_mistakes() {
    let empty = PreparedDocument::read(&mut &b""[..], "application/pdf").await.unwrap_err();
    assert!(matches!(empty, DocumentError::Empty), "{empty:?}");
    let untyped = PreparedDocument::read(&mut &b"x"[..], "pdf").await.unwrap_err();
    assert!(matches!(untyped, DocumentError::MediaType { .. }), "{untyped:?}");
}

#[tokio::test]
async fn debug_shows_no_salt() {
    let prepared = PreparedDocument::read(&mut &b"%PDF-1.7"[..], "application/pdf").await.unwrap();
    assert!(!format!("{prepared:?}").contains(&prepared.salt().to_text()));
}
