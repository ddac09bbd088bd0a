//! Uploads, whole and in pieces, good and bad.

use saphan_schemas::commitment::Salt;
use saphan_schemas::problem::ProblemCode;

use crate::harness::{Document, TestHub, eventually};

const MIB: usize = 1 << 20;

#[tokio::test]
async fn a_document_is_readable_once_all_of_it_is_there_and_uploading_it_again_changes_nothing() {
    let hub = TestHub::new().await;
    let (portal, document) = (&hub.world.portal, Document::pdf(9 * MIB + 17));
    assert_eq!(hub.look(portal, &document).await.status, 404);
    let answer = hub.put(portal, &document).await;
    assert_eq!((answer.status, answer.header("upload-complete")), (201, Some("?1")), "{}", answer.text());
    assert_eq!(hub.put(portal, &document).await.status, 200);
    let read = hub.read(portal, &document).await;
    assert_eq!(read.status, 200);
    assert!(read.body == document.bytes);
}

#[tokio::test]
async fn an_upload_in_pieces_goes_on_where_it_ended() {
    let hub = TestHub::new().await;
    let (portal, document) = (&hub.world.portal, Document::pdf(10 * MIB + 5));
    // The second does not end at a chunk: what is over comes again.
    let first = hub.put_piece(portal, &document, 0..4 * MIB).await;
    assert_eq!((first.status, first.header("upload-offset")), (202, Some("4194304")));
    let second = hub.put_piece(portal, &document, 4 * MIB..6 * MIB + 1000).await;
    assert_eq!((second.status, second.header("upload-offset")), (202, Some("6291456")));
    let look = hub.look(portal, &document).await;
    assert_eq!((look.header("upload-offset"), look.header("upload-complete")), (Some("6291456"), Some("?0")));
    assert_eq!(look.header("upload-length"), Some("10485765"));
    hub.read(portal, &document).await.problem(ProblemCode::NotFound);
    let wrong = hub.put_piece(portal, &document, 7 * MIB..document.bytes.len()).await;
    wrong.problem(ProblemCode::DocumentOffset);
    assert_eq!(wrong.header("upload-offset"), Some("6291456"));
    assert_eq!(hub.put_piece(portal, &document, 6 * MIB..document.bytes.len()).await.status, 201);
    assert!(hub.read(portal, &document).await.body == document.bytes);
}

#[tokio::test]
async fn an_upload_that_was_cut_off_goes_on_after_a_restart() {
    let hub = TestHub::new().await;
    let document = Document::pdf(9 * MIB);
    hub.put_and_cut(&hub.world.portal, &document, 5 * MIB + 100).await;
    eventually(async || {
        let look = hub.look(&hub.world.portal, &document).await;
        look.header("upload-offset") == Some("5242880")
    })
    .await;
    hub.read(&hub.world.portal, &document).await.problem(ProblemCode::NotFound);
    let hub = hub.stop().await.start().await;
    let portal = &hub.world.portal;
    hub.read(portal, &document).await.problem(ProblemCode::NotFound);
    assert_eq!(hub.put_piece(portal, &document, 5 * MIB..9 * MIB).await.status, 201);
    assert!(hub.read(portal, &document).await.body == document.bytes);
}

#[tokio::test]
async fn a_request_that_says_nothing_more_gives_way_to_the_next() {
    let hub = TestHub::new().await;
    let (portal, document) = (&hub.world.portal, Document::pdf(6 * MIB));
    let _stalled = hub.put_and_stall(portal, &document, 5 * MIB).await;
    eventually(async || hub.look(portal, &document).await.header("upload-offset") == Some("4194304")).await;
    let mut answer = hub.put_piece(portal, &document, 4 * MIB..6 * MIB).await;
    // What it had taken in and not confirmed is stored before it gives way.
    if answer.status == ProblemCode::DocumentOffset.status() {
        let offset = answer.header("upload-offset").unwrap().parse().unwrap();
        assert!((4 * MIB..=5 * MIB).contains(&offset), "{offset}");
        answer = hub.put_piece(portal, &document, offset..6 * MIB).await;
    }
    assert_eq!(answer.status, 201);
    assert!(hub.read(portal, &document).await.body == document.bytes);
}

#[tokio::test]
async fn a_request_that_stands_still_is_ended_and_what_came_is_kept() {
    let hub = TestHub::with("[limits]\nbody_seconds = 1").await;
    let (portal, document) = (&hub.world.portal, Document::pdf(6 * MIB));
    let _stalled = hub.put_and_stall(portal, &document, 5 * MIB + 1).await;
    eventually(async || hub.look(portal, &document).await.header("upload-offset") == Some("5242880")).await;
    assert_eq!(hub.put_piece(portal, &document, 5 * MIB..6 * MIB).await.status, 201);
}

#[tokio::test]
async fn bytes_that_are_not_those_of_the_commitment_are_destroyed() {
    let hub = TestHub::new().await;
    let (portal, document) = (&hub.world.portal, Document::pdf(5 * MIB));
    let path = document.path();
    let mut changed = document.clone();
    *changed.bytes.last_mut().unwrap() ^= 1;
    hub.put_as(portal, &changed, &path, None, changed.bytes.clone()).await.problem(ProblemCode::DocumentMismatch);
    let other_salt = Document { salt: Salt::generate().unwrap(), ..document.clone() };
    hub.put_as(portal, &other_salt, &path, None, document.bytes.clone()).await.problem(ProblemCode::DocumentMismatch);
    assert_eq!(hub.look(portal, &document).await.status, 404);
    assert_eq!(files(&hub), 0, "nothing is left");
    assert_eq!(hub.put(portal, &document).await.status, 201, "the right one is still welcome");
}

#[tokio::test]
async fn a_piece_of_another_upload_is_refused_and_nothing_lost() {
    let hub = TestHub::new().await;
    let (portal, document) = (&hub.world.portal, Document::pdf(3 * MIB));
    assert_eq!(hub.put_piece(portal, &document, 0..MIB).await.status, 202);
    let rest = document.bytes[MIB..].to_vec();
    let range = "bytes 1048576-3145727/3145728";
    let salted = Document { salt: Salt::generate().unwrap(), ..document.clone() };
    let typed = Document { media_type: "image/png", ..document.clone() };
    for other in [salted, typed] {
        let answer = hub.put_as(portal, &other, &document.path(), Some(range), rest.clone()).await;
        answer.problem(ProblemCode::DocumentMismatch);
    }
    assert_eq!(hub.put_piece(portal, &document, MIB..3 * MIB).await.status, 201);
}

#[tokio::test]
async fn what_is_not_of_its_media_type_is_refused() {
    let hub = TestHub::new().await;
    let portal = &hub.world.portal;
    let as_picture = Document { media_type: "image/png", ..Document::pdf(2000) };
    hub.put(portal, &as_picture).await.problem(ProblemCode::DocumentTypeRefused);
    let program = Document { bytes: b"MZ\x90\0 this program".to_vec(), ..Document::pdf(0) };
    hub.put(portal, &program).await.problem(ProblemCode::DocumentTypeRefused);
    assert_eq!(files(&hub), 0);
}

#[tokio::test]
async fn requests_that_cannot_be_understood_store_nothing() {
    let hub = TestHub::with("[documents]\nmax_bytes = 3000000").await;
    let (portal, document) = (&hub.world.portal, Document::pdf(2 * MIB));
    let path = document.path();
    for (range, bytes) in [
        (Some("bytes 0-99/2097152"), 100),
        (Some("bytes 0-1048575/1048577"), 10),
        (Some("bytes 5-1/2097152"), 100),
        (Some("nonsense"), 100),
        (None, 0),
    ] {
        let answer = hub.put_as(portal, &document, &path, range, document.bytes[..bytes].to_vec()).await;
        answer.problem(ProblemCode::RequestMalformed);
    }
    let odd = Document { media_type: "application/pdf; version=1", ..document.clone() };
    hub.put(portal, &odd).await.problem(ProblemCode::RequestMalformed);
    let large = hub.put(portal, &Document::pdf(3_000_001)).await.problem(ProblemCode::DocumentTooLarge);
    assert_eq!(large.detail.as_deref(), Some("the limit is 3000000 bytes"));
    hub.put_as(portal, &document, "/v1/documents/short", None, vec![1]).await.problem(ProblemCode::NotFound);
    hub.put_end(portal, &document).await.problem(ProblemCode::DocumentOffset);
    assert_eq!(hub.look(portal, &document).await.status, 404);
}

#[tokio::test]
async fn a_system_has_so_many_unfinished_uploads_and_those_of_others_do_not_count() {
    let hub = TestHub::with("[documents]\nuploads_per_system = 2").await;
    let (portal, office) = (&hub.world.portal, &hub.world.office);
    let documents = [0; 3].map(|_| Document::pdf(2 * MIB));
    for document in &documents[..2] {
        assert_eq!(hub.put_piece(portal, document, 0..MIB).await.status, 202);
    }
    hub.put_piece(portal, &documents[2], 0..MIB).await.problem(ProblemCode::RateLimited);
    assert_eq!(hub.put_piece(office, &documents[2], 0..MIB).await.status, 202);
    assert_eq!(hub.put_piece(portal, &documents[0], MIB..2 * MIB).await.status, 201);
    assert_eq!(hub.put_piece(portal, &documents[2], 0..MIB).await.status, 202);
}

#[tokio::test]
async fn an_abandoned_upload_is_removed_and_one_that_goes_on_is_not() {
    let hub = TestHub::new().await;
    let (portal, old, new) = (&hub.world.portal, Document::pdf(2 * MIB), Document::pdf(2 * MIB));
    assert_eq!(hub.put_piece(portal, &old, 0..MIB).await.status, 202);
    hub.clock.advance(23 * 3600);
    assert_eq!(hub.put_piece(portal, &new, 0..MIB).await.status, 202);
    hub.keep_up().await;
    assert_eq!(hub.look(portal, &old).await.header("upload-offset"), Some("1048576"));
    hub.clock.advance(2 * 3600);
    hub.keep_up().await;
    assert_eq!((hub.look(portal, &old).await.status, files(&hub)), (404, 1));
    assert_eq!(hub.put_piece(portal, &new, MIB..2 * MIB).await.status, 201);
}

#[tokio::test]
async fn a_document_that_no_message_cites_in_time_is_removed_and_one_that_is_cited_stays() {
    let hub = TestHub::with("[documents]\nuncited_days = 10").await;
    let (portal, office) = (&hub.world.portal, &hub.world.office);
    let documents = [0; 3].map(|_| Document::pdf(MIB));
    let [cited, again, forgotten] = &documents;
    for document in &documents {
        assert_eq!(hub.put(portal, document).await.status, 201);
    }
    hub.accept(&hub.citing(cited)).await;
    hub.clock.advance(6 * 86_400);
    assert_eq!(hub.put(portal, again).await.status, 200, "it is there; from now on it has ten days again");
    hub.clock.advance(4 * 86_400 - 60);
    hub.submit(&hub.citing(forgotten)).await.problem(ProblemCode::DocumentMissing);
    hub.clock.advance(61);
    hub.keep_up().await;
    hub.read(portal, forgotten).await.problem(ProblemCode::NotFound);
    assert_eq!(files(&hub), 2, "nothing is left of it");
    for (party, document) in [(office, cited), (portal, again)] {
        assert!(hub.read(party, document).await.body == document.bytes);
    }
    assert_eq!(hub.put(portal, forgotten).await.status, 201, "it can be uploaded again");
    hub.accept(&hub.citing(forgotten)).await;
}

#[tokio::test]
async fn an_upload_that_began_while_another_was_cited_is_not_cited_once_that_one_is_erased() {
    let hub = TestHub::with("[documents]\nuncited_days = 10").await;
    let (portal, office, document) = (&hub.world.portal, &hub.world.office, Document::pdf(2 * MIB));
    assert_eq!(hub.put(portal, &document).await.status, 201);
    let index = hub.deliver(&hub.citing(&document), office).await;
    assert_eq!(hub.put_piece(office, &document, 0..MIB).await.status, 202);
    hub.erase(&[index], "pdpa-s33").await.json::<serde_json::Value>(200);
    assert_eq!(hub.put_piece(office, &document, MIB..2 * MIB).await.status, 201);
    assert_eq!(hub.read(portal, &document).await.status, 404);
    hub.clock.advance(10 * 86_400 + 1);
    hub.keep_up().await;
    assert_eq!(hub.read(office, &document).await.status, 404, "nobody cited it in time");
}

#[tokio::test]
async fn a_system_has_so_much_that_no_message_cites_and_no_more() {
    let hub = TestHub::with("[documents]\nuncited_gib_per_system = 1\nmax_bytes = 1073741824").await;
    let (portal, office) = (&hub.world.portal, &hub.world.office);
    let (first, second) = (Document::pdf(MIB), Document::pdf(MIB));
    assert_eq!(hub.put(portal, &first).await.status, 201);
    // Announced is as good as there: it counts with its whole length.
    assert_eq!(hub.announce(portal, &second, 1 << 30).await.problem(ProblemCode::RateLimited).retry_after, Some(60));
    assert_eq!(hub.announce(office, &second, 1 << 30).await.status, 202, "it is another's");
    hub.accept(&hub.citing(&first)).await;
    assert_eq!(hub.announce(portal, &second, 1 << 30).await.status, 202, "what is cited does not count");
}

/// The files of all documents.
fn files(hub: &TestHub) -> usize {
    let folder = hub.data_folder().join("documents");
    let folders = std::fs::read_dir(folder).unwrap();
    folders.map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap().count()).sum()
}
