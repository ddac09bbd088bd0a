//! Requests that are small on the wire and would be large, deep or endless in memory.

use saphan_schemas::problem::ProblemCode;
use serde_json::{Value, json};

use crate::harness::{RawAnswers, RawSubmission, TestHub, sign_token};

/// A request of the portal with a token, these lines and this body.
fn request(hub: &TestHub, path: &str, lines: &str, body: &[u8]) -> Vec<u8> {
    let portal = &hub.world.portal;
    let token = sign_token(hub.token(portal.id.as_str(), "POST", path), &portal.key);
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: hub.local\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\
         content-length: {}\r\n{lines}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn a_compressed_body_is_refused_and_never_inflated() {
    let hub = TestHub::new().await;
    let size = hub.size();
    let message = hub.world.message();
    for coding in ["gzip", "x-gzip", "deflate", "br", "zstd", "compress", "gzip, identity", "GZIP", "aes128gcm", ""] {
        for path in ["/v1/messages", "/v1/messages/batch", "/v1/inbox/lease", "/v1/acknowledgements", "/v1/registry"] {
            let lines = format!("content-encoding: {coding}\r\n");
            let answer = RawAnswers::to(&hub, request(&hub, path, &lines, &GZIP)).await;
            let detail = answer.problem(ProblemCode::RequestMalformed);
            assert_eq!(detail, "the body has a Content-Encoding; send its exact bytes", "{coding} {path}");
        }
    }
    // The same compression, said in the framing.
    let framed = b"POST /v1/inbox/lease HTTP/1.1\r\nhost: hub\r\ntransfer-encoding: gzip, chunked\r\n\
                   connection: close\r\n\r\n0\r\n\r\n";
    RawAnswers::to(&hub, framed).await.problem(ProblemCode::RequestMalformed);
    // Two codings, one of them harmless.
    let twice = "content-encoding: identity\r\ncontent-encoding: gzip\r\n";
    RawAnswers::to(&hub, request(&hub, "/v1/messages", twice, &GZIP)).await.problem(ProblemCode::RequestMalformed);
    assert_eq!(hub.size(), size);
    let lines = format!(
        "content-encoding: identity\r\nsaphan-envelope: {}\r\nsaphan-salt: {}\r\n",
        message.envelope(),
        message.salt.as_deref().unwrap()
    );
    let plain = RawAnswers::to(&hub, request(&hub, "/v1/messages", &lines, &message.body)).await;
    assert_eq!(plain.status(), 201, "{}", plain.text());
}

#[tokio::test]
async fn a_message_that_commits_to_compressed_bytes_is_no_json() {
    let hub = TestHub::new().await;
    let message = hub.world.withdrawal().with_body(GZIP).sign(&hub.world.portal.key);
    hub.submit(&message).await.problem(ProblemCode::BodyNotUtf8);
}

#[tokio::test]
async fn deep_and_strange_json_of_the_largest_size_is_refused_by_every_call_that_reads_json() {
    let hub = TestHub::new().await;
    let bodies = |most: usize| {
        [
            ("arrays in arrays", "[".repeat(most)),
            ("objects in objects", r#"{"a":"#.repeat(most / 5)),
            ("a known member full of arrays", format!(r#"{{"max":{}"#, "[".repeat(most - 7))),
            ("a number without end", format!(r#"{{"max":{}}}"#, "9".repeat(most - 8))),
            ("a number beyond all numbers", r#"{"max":1e999999999}"#.to_owned()),
            ("escapes only", format!(r#"{{"{}":1}}"#, "\\u0000".repeat((most - 8) / 6))),
            ("half a surrogate", r#"{"max":"\ud800"}"#.to_owned()),
            ("one member many times", format!(r#"{{{}"max":1}}"#, r#""max":1,"#.repeat(most / 8 - 2))),
        ]
    };
    for (path, most) in [
        ("/v1/inbox/lease", 32 << 10),
        ("/v1/inbox/extend", 32 << 10),
        ("/v1/inbox/release", 32 << 10),
        ("/v1/messages/batch", 1 << 20),
        ("/v1/registry", 64 << 10),
        ("/v1/join", 32 << 10),
    ] {
        for (what, body) in &bodies(most) {
            let answer = RawAnswers::to(&hub, request(&hub, path, "", body.as_bytes())).await;
            assert_eq!(answer.status(), 400, "{what} to {path}: {}", answer.text());
            answer.problem(ProblemCode::RequestMalformed);
        }
    }
    assert_eq!(hub.get("/livez").await.status, 200);
}

#[tokio::test]
async fn what_needs_little_is_refused_when_it_is_long_before_all_of_it_is_in_memory() {
    let hub = TestHub::new().await;
    for (path, most) in [
        ("/v1/inbox/lease", 32 << 10),
        ("/v1/acknowledgements", 32 << 10),
        ("/v1/join", 32 << 10),
        ("/v1/registry", 64 << 10),
    ] {
        let answer = RawAnswers::to(&hub, request(&hub, path, "", &vec![b' '; most + 1])).await;
        assert_eq!(answer.status(), 400, "{path}");
        assert!(answer.text().contains("length limit exceeded"), "{path}: {}", answer.text());
    }
    let form = "x".repeat((32 << 10) + 1);
    assert_eq!(hub.ask("user", &[("username", &form), ("password", "")]).await, "deny");
}

#[tokio::test]
async fn who_writes_all_of_a_body_that_is_too_long_before_reading_can_read_that_it_is() {
    let hub = TestHub::new().await;
    for megabytes in [11, 20, 39] {
        let draft = hub.world.withdrawal().with_body(vec![b' '; megabytes << 20]);
        let submission = RawSubmission::begin(&hub, &draft.sign(&hub.world.portal.key), 1).await;
        assert_eq!(submission.finish().await, "HTTP/1.1 413 Payload Too Large");
    }
}

#[tokio::test]
async fn deep_json_inside_of_what_is_signed_is_refused() {
    let hub = TestHub::new().await;
    let (portal, office) = (&hub.world.portal, &hub.world.office);
    let deep = "[".repeat(3000);
    let header = |typ: &str, key: &str| format!(r#"{{"alg":"ES256","cty":"json","kid":"{key}","typ":"{typ}"}}"#);
    let kid = portal.key.id().to_string();
    let envelope = hub.world.withdrawal().forge(&header("saphan-envelope+jws", &kid), Some(&deep), &portal.key);
    hub.submit(&envelope).await.problem(ProblemCode::EnvelopeMalformed);
    let in_header = hub.world.withdrawal().forge(&format!(r#"{{"alg":{deep}"#), None, &portal.key);
    hub.submit(&in_header).await.problem(ProblemCode::EnvelopeMalformed);
    let kid = office.key.id().to_string();
    let batch = hub.world.withdrawal().forge(&header("saphan-ack+jws", &kid), Some(&deep), &office.key);
    hub.acknowledge(office, batch.envelope()).await.problem(ProblemCode::AcknowledgementMalformed);
    let entry = hub.world.withdrawal().forge(&header("saphan-registry+jws", &kid), Some(&deep), &office.key);
    let body = json!({ "entries": [entry.envelope()] });
    hub.call(office, "POST", "/v1/registry", &body).await.problem(ProblemCode::RegistryEntryInvalid);
    let token = format!("Bearer {}", envelope.envelope());
    hub.call_with(&token, "POST", "/v1/inbox/lease", &Value::Null).await.problem(ProblemCode::TokenInvalid);
}

#[tokio::test]
async fn headers_over_32_kib_too_many_headers_and_a_path_without_end_are_cut_off() {
    let hub = TestHub::new().await;
    let head = "GET /livez HTTP/1.1\r\nhost: hub.local\r\nconnection: close\r\n";
    let long = |bytes: usize| format!("{head}a: {}\r\n\r\n", "x".repeat(bytes));
    assert_eq!(RawAnswers::to(&hub, long(31 << 10)).await.status(), 200, "there is room for every honest request");
    for (what, request) in [
        ("a long header", long(33 << 10)),
        ("many headers", format!("{head}{}\r\n", "a: b\r\n".repeat(200))),
        ("a header without end", format!("{head}a: {}", "x".repeat(4 << 20))),
        ("headers without end", format!("{head}{}", "a: b\r\n".repeat(1 << 17))),
        ("a long path", format!("GET /{} HTTP/1.1\r\nhost: hub\r\n\r\n", "x".repeat(33 << 10))),
        ("a path without end", format!("GET /{}", "x".repeat(4 << 20))),
    ] {
        let answer = RawAnswers::to(&hub, request).await;
        assert!(answer.statuses().iter().all(|status| matches!(status, 414 | 431)), "{what}: {}", answer.text());
    }
}

/// Complete gzip of a hundred bytes `a`; a bomb differs in its length only.
const GZIP: [u8; 24] = [
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0x4b, 0x4c, 0xa4, 0x3d, 0x00, 0x00, 0x64, 0x7a, 0x70,
    0xaf, 0x64, 0x00, 0x00, 0x00,
];
