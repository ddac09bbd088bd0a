//! Reading documents: ranges, headers, and who may.

use saphan_schemas::problem::ProblemCode;

use crate::harness::{Document, TestHub};

const MIB: usize = 1 << 20;

#[tokio::test]
async fn a_range_is_exactly_what_was_asked_for_wherever_chunks_and_parts_end() {
    let hub = TestHub::new().await;
    let (portal, document) = (&hub.world.portal, Document::pdf(5 * MIB + 3));
    assert_eq!(hub.put(portal, &document).await.status, 201);
    let (chunk, part, len) = (256 * 1024, 4 * MIB, document.bytes.len());
    for range in [
        0..1,
        chunk - 1..chunk,
        chunk - 1..chunk + 1,
        chunk..2 * chunk,
        part - 2..part + 2,
        len - 3..len,
        len - 1..len,
        100..len,
    ] {
        let answer = hub.read_range(portal, &document, &format!("bytes={}-{}", range.start, range.end - 1)).await;
        let said = format!("bytes {}-{}/{len}", range.start, range.end - 1);
        assert_eq!((answer.status, answer.header("content-range")), (206, Some(&*said)));
        assert!(answer.body == document.bytes[range.clone()], "{range:?}");
    }
    let last = hub.read_range(portal, &document, "bytes=-7").await;
    assert!(last.body == document.bytes[len - 7..]);
    let beyond = hub.read_range(portal, &document, &format!("bytes={len}-")).await;
    beyond.problem(ProblemCode::RangeNotSatisfiable);
    assert_eq!(beyond.header("content-range"), Some(&*format!("bytes */{len}")));
    let several = hub.read_range(portal, &document, "bytes=0-1,4-5").await;
    assert_eq!((several.status, several.body.len()), (200, len));
}

#[tokio::test]
async fn the_answer_says_what_it_is_and_lets_no_browser_show_or_keep_it() {
    let hub = TestHub::new().await;
    let (portal, document) = (&hub.world.portal, Document::pdf(1234));
    assert_eq!(hub.put(portal, &document).await.status, 201);
    let (read, look) = (hub.read(portal, &document).await, hub.look(portal, &document).await);
    for answer in [&read, &look] {
        for (name, value) in [
            ("content-type", "application/pdf"),
            ("content-length", "1234"),
            ("accept-ranges", "bytes"),
            ("cache-control", "no-store"),
            ("content-disposition", "attachment"),
            ("x-content-type-options", "nosniff"),
            ("saphan-salt", &document.salt.to_text()),
            ("etag", &format!("\"{}\"", document.commit())),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
    }
    assert_eq!((look.body.len(), look.header("upload-complete")), (0, Some("?1")));
}

#[tokio::test]
async fn only_the_uploader_and_the_parties_of_a_message_that_cites_a_document_read_it() {
    let hub = TestHub::new().await;
    let (portal, office, archive) = (&hub.world.portal, &hub.world.office, &hub.world.archive);
    let document = Document::pdf(1000);
    assert_eq!(hub.put(portal, &document).await.status, 201);
    let never = Document::pdf(1000);
    for other in [office, archive] {
        let (answer, none) = (hub.read(other, &document).await, hub.read(other, &never).await);
        answer.problem(ProblemCode::NotFound);
        assert_eq!(answer.body, none.body, "what is another's looks like what never was");
        assert_eq!(hub.look(other, &document).await.status, 404);
    }
    hub.accept(&hub.citing(&document)).await;
    assert!(hub.read(office, &document).await.body == document.bytes);
    hub.read(archive, &document).await.problem(ProblemCode::NotFound);
    hub.get(&document.path()).await.problem(ProblemCode::TokenMissing);
}

#[tokio::test]
async fn an_upload_that_is_not_finished_is_seen_by_its_uploader_alone() {
    let hub = TestHub::new().await;
    let (portal, office, document) = (&hub.world.portal, &hub.world.office, Document::pdf(2 * MIB));
    assert_eq!(hub.put_piece(portal, &document, 0..MIB).await.status, 202);
    assert_eq!(hub.look(office, &document).await.status, 404);
    hub.read(portal, &document).await.problem(ProblemCode::NotFound);
    // Another's upload under the same name is its own, and stands in nobody's way.
    let mut garbage = document.clone();
    garbage.bytes[MIB] ^= 1;
    let answer = hub.put_as(office, &garbage, &document.path(), None, garbage.bytes.clone()).await;
    answer.problem(ProblemCode::DocumentMismatch);
    assert_eq!(hub.put_piece(portal, &document, MIB..2 * MIB).await.status, 201);
    assert!(hub.read(portal, &document).await.body == document.bytes);
}
