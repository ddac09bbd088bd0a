//! Messages that cite documents.

use saphan_schemas::b64;
use saphan_schemas::problem::ProblemCode;
use serde_json::{Value, json};

use crate::harness::{Document, Draft, TestHub};

#[tokio::test]
async fn a_message_whose_document_is_not_there_is_refused_and_accepted_once_it_is() {
    let hub = TestHub::new().await;
    let document = Document::pdf(3 << 20);
    let message = hub.citing(&document);
    let refused = hub.submit(&message).await.problem(ProblemCode::DocumentMissing);
    assert!(refused.index.is_some(), "the refusal is in the log");
    assert_eq!(hub.put_piece(&hub.world.portal, &document, 0..1 << 20).await.status, 202);
    hub.submit(&message).await.problem(ProblemCode::DocumentMissing);
    assert_eq!(hub.put_piece(&hub.world.portal, &document, 1 << 20..3 << 20).await.status, 201);
    hub.accept(&message).await;
}

#[tokio::test]
async fn nobody_gains_a_document_by_citing_what_stands_in_the_log() {
    let hub = TestHub::new().await;
    let (portal, office) = (&hub.world.portal, &hub.world.office);
    let document = Document::pdf(1000);
    assert_eq!(hub.put(portal, &document).await.status, 201);
    let thief = Draft::withdrawal(&office.id, &portal.id).change(|claims| claims.documents.push(document.reference()));
    hub.submit(&thief.sign(&office.key)).await.problem(ProblemCode::DocumentMissing);
    hub.read(office, &document).await.problem(ProblemCode::NotFound);
    // Once it was sent, it may pass it on.
    hub.accept(&hub.citing(&document)).await;
    hub.accept(&thief.sign(&office.key)).await;
}

#[tokio::test]
async fn a_citation_with_another_length_or_type_is_refused() {
    let hub = TestHub::new().await;
    let document = Document::pdf(1000);
    assert_eq!(hub.put(&hub.world.portal, &document).await.status, 201);
    let longer = hub.world.withdrawal().change(|claims| {
        let mut reference = document.reference();
        reference.len += 1;
        claims.documents.push(reference);
    });
    hub.submit(&longer.sign(&hub.world.portal.key)).await.problem(ProblemCode::DocumentMismatch);
    let picture = Document { media_type: "image/png", ..document.clone() };
    let refused = hub.submit(&hub.citing(&picture)).await.problem(ProblemCode::DocumentMismatch);
    let said = "documents/0: the document was uploaded as application/pdf, the envelope says image/png";
    assert_eq!(refused.detail.as_deref(), Some(said));
}

#[tokio::test]
async fn in_a_batch_too_each_message_is_judged_by_its_documents() {
    let hub = TestHub::new().await;
    let (there, missing) = (Document::pdf(1000), Document::pdf(1000));
    assert_eq!(hub.put(&hub.world.portal, &there).await.status, 201);
    let messages = [&there, &missing].map(|document| {
        let message = hub.citing(document);
        json!({ "envelope": message.envelope(), "salt": message.salt, "body": b64::encode_std(&message.body) })
    });
    let answer = hub.call(&hub.world.portal, "POST", "/v1/messages/batch", &json!({ "messages": messages })).await;
    let results = answer.json::<Value>(200)["results"].clone();
    assert!(results[0]["receipt"].is_string(), "{results}");
    assert_eq!(results[1]["problem"]["code"], "document-missing");
}

#[tokio::test]
async fn a_document_may_be_cited_twice_and_by_many_messages() {
    let hub = TestHub::new().await;
    let document = Document::pdf(1000);
    assert_eq!(hub.put(&hub.world.portal, &document).await.status, 201);
    let twice = hub.world.withdrawal().change(|claims| claims.documents = vec![document.reference(); 2]);
    hub.accept(&twice.sign(&hub.world.portal.key)).await;
    hub.accept(&hub.citing(&document)).await;
    assert!(hub.read(&hub.world.office, &document).await.body == document.bytes);
}
