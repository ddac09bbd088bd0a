//! Requests that two readers, such as a proxy and the hub, could understand differently.

use saphan_schemas::problem::ProblemCode;

use crate::harness::{RawAnswers, Submission, TestHub, sign_token};

/// A submission whose head ends with these lines.
fn submission(message: &Submission, lines: &str) -> Vec<u8> {
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: hub.local\r\nconnection: close\r\ncontent-length: {}\r\n{lines}\r\n\r\n",
        message.body.len(),
    );
    [head.as_bytes(), &message.body].concat()
}

fn envelope(message: &Submission) -> String {
    format!("saphan-envelope: {}", message.envelope())
}

fn salt(message: &Submission) -> String {
    format!("saphan-salt: {}", message.salt.as_deref().unwrap())
}

/// The head of a lease of the office, with a token of its own, up to the line for its length.
fn lease(hub: &TestHub) -> String {
    let office = &hub.world.office;
    let token = sign_token(hub.token(office.id.as_str(), "POST", LEASE), &office.key);
    format!("POST {LEASE} HTTP/1.1\r\nhost: hub.local\r\nauthorization: Bearer {token}\r\n")
}

#[tokio::test]
async fn a_header_of_the_contract_or_a_host_that_comes_twice_is_refused_and_neither_is_taken() {
    let hub = TestHub::new().await;
    let (one, two) = (hub.world.message(), hub.world.message());
    let size = hub.size();
    for (name, lines) in [
        ("saphan-envelope", format!("{}\r\n{}\r\n{}", envelope(&one), envelope(&two), salt(&one))),
        ("saphan-envelope", format!("{}\r\n{}\r\n{}", envelope(&one), salt(&one), envelope(&one))),
        ("saphan-envelope", format!("{}\r\nSAPHAN-ENVELOPE: \r\n{}", envelope(&one), salt(&one))),
        ("saphan-salt", format!("{}\r\n{}\r\n{}", envelope(&one), salt(&one), salt(&two))),
        ("saphan-salt", format!("{}\r\n{}\r\nSaphan-Salt: x", envelope(&one), salt(&one))),
        (
            "saphan-anything",
            format!("{}\r\n{}\r\nsaphan-anything: 1\r\nsaphan-anything: 2", envelope(&one), salt(&one)),
        ),
        ("host", format!("{}\r\n{}\r\nHost: hub.elsewhere", envelope(&one), salt(&one))),
    ] {
        let answer = RawAnswers::to(&hub, submission(&one, &lines)).await;
        let detail = answer.problem(ProblemCode::RequestMalformed);
        assert_eq!(detail, format!("the request has several {name} headers"));
    }
    assert_eq!(hub.size(), size, "something was logged");
    let refused = hub.get("/metrics").await;
    assert!(refused.text().contains(r#"saphan_problems_total{code="request-malformed"} 7"#), "they are counted");
    let good = RawAnswers::to(&hub, submission(&one, &format!("{}\r\n{}", envelope(&one), salt(&one)))).await;
    assert_eq!(good.status(), 201, "the same bytes without the second header");
}

#[tokio::test]
async fn two_values_in_one_header_and_a_name_that_only_looks_alike_are_not_the_header() {
    let hub = TestHub::new().await;
    let (one, two) = (hub.world.message(), hub.world.message());
    let size = hub.size();
    for (code, lines) in [
        (ProblemCode::EnvelopeMalformed, format!("{}, {}\r\n{}", envelope(&one), two.envelope(), salt(&one))),
        (ProblemCode::EnvelopeMalformed, format!("{}; q=1\r\n{}", envelope(&one), salt(&one))),
        (ProblemCode::EnvelopeMissing, format!("saphan_envelope: {}\r\n{}", one.envelope(), salt(&one))),
        (ProblemCode::EnvelopeMissing, format!("x-saphan-envelope: {}\r\n{}", one.envelope(), salt(&one))),
    ] {
        RawAnswers::to(&hub, submission(&one, &lines)).await.problem(code);
    }
    assert_eq!(hub.size(), size);
}

#[tokio::test]
async fn two_authorizations_are_refused_though_the_first_or_the_last_is_good() {
    let hub = TestHub::new().await;
    hub.accept(&hub.world.message()).await;
    let rest = "content-length: 9\r\nconnection: close\r\n\r\n{\"max\":1}";
    let bad = "authorization: Bearer x\r\n";
    for request in [
        format!("{}{bad}{rest}", lease(&hub)),
        lease(&hub).replace("authorization:", &format!("{bad}Authorization:")) + rest,
        lease(&hub).replace("authorization:", "authorization: Basic YTpi\r\nauthorization:") + rest,
    ] {
        RawAnswers::to(&hub, request).await.problem(ProblemCode::TokenInvalid);
    }
    let good = RawAnswers::to(&hub, lease(&hub) + rest).await;
    assert_eq!(good.status(), 200);
    assert!(good.text().contains("\"attempt\":1"), "nothing was leased by the others: {}", good.text());
}

#[tokio::test]
async fn a_request_whose_lengths_contradict_each_other_hides_no_second_request() {
    let hub = TestHub::new().await;
    let hidden = "GET /livez HTTP/1.1\r\nhost: hub.local\r\nconnection: close\r\n\r\n";
    let body = "{\"max\":1}";
    let chunked = format!("9\r\n{body}\r\n0\r\n\r\n");
    // For a reader of the length all that follows is the body; for a reader of the chunks it is another request.
    let whole = chunked.len() + hidden.len();
    for (lines, rest, statuses) in [
        // Answered, for both may stand there, and then nothing more is read (RFC 9112 section 6.1).
        (format!("content-length: {whole}\r\ntransfer-encoding: chunked"), &chunked, vec![200]),
        (format!("transfer-encoding: chunked\r\ncontent-length: {whole}"), &chunked, vec![200]),
        (
            format!("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\ncontent-length: {whole}"),
            &chunked,
            vec![400],
        ),
        (format!("content-length: 9\r\ncontent-length: {}", 9 + hidden.len()), &body.to_owned(), vec![400]),
        (format!("content-length: 9, {}", 9 + hidden.len()), &body.to_owned(), vec![400]),
        ("content-length: +9".to_owned(), &body.to_owned(), vec![400]),
        ("content-length: 0x9".to_owned(), &body.to_owned(), vec![400]),
        ("content-length: -1".to_owned(), &body.to_owned(), vec![400]),
        ("content-length: 99999999999999999999".to_owned(), &body.to_owned(), vec![400]),
        ("content-length:".to_owned(), &body.to_owned(), vec![400]),
        ("transfer-encoding: chunked, identity".to_owned(), &chunked, vec![400]),
        ("transfer-encoding: xchunked".to_owned(), &chunked, vec![400]),
        ("transfer-encoding: \u{b}chunked".to_owned(), &chunked, vec![400]),
        ("transfer-encoding : chunked".to_owned(), &chunked, vec![400]),
        ("transfer-encoding: chunked".to_owned(), &format!("9;{body}\r\n0\r\n\r\n"), vec![400]),
        ("transfer-encoding: chunked".to_owned(), &format!("-9\r\n{body}\r\n0\r\n\r\n"), vec![400]),
        ("transfer-encoding: chunked".to_owned(), &format!("ffffffffffffffff9\r\n{body}\r\n0\r\n\r\n"), vec![400]),
    ] {
        let request = format!("{}{lines}\r\n\r\n{rest}{hidden}", lease(&hub));
        let answers = RawAnswers::to(&hub, &request).await;
        assert_eq!(answers.statuses(), statuses, "{lines}: {}", answers.text());
    }
    // Two requests that are well framed are two: the hidden one would have been seen.
    let two = format!("{}transfer-encoding: chunked\r\n\r\n{chunked}{hidden}", lease(&hub));
    assert_eq!(RawAnswers::to(&hub, two).await.statuses(), [200, 200]);
}

#[tokio::test]
async fn a_header_that_is_folded_or_holds_a_control_character_is_refused() {
    let hub = TestHub::new().await;
    let message = hub.world.message();
    let size = hub.size();
    let (envelope, salt) = (envelope(&message), salt(&message));
    let half = envelope.len() / 2;
    for lines in [
        // RFC 9112 section 5.2.
        format!("{}\r\n {}\r\n{salt}", &envelope[..half], &envelope[half..]),
        format!("saphan-envelope:\r\n\t{}\r\n{salt}", message.envelope()),
        format!("{}\r{}\r\n{salt}", &envelope[..half], &envelope[half..]),
        format!("{envelope}\rsaphan-salt: x\r\n{salt}"),
        format!("{}\0{}\r\n{salt}", &envelope[..half], &envelope[half..]),
        format!("{envelope}\0\r\n{salt}"),
        format!("saphan-envelope : {}\r\n{salt}", message.envelope()),
        format!(" {envelope}\r\n{salt}"),
        format!("saphan-\0envelope: {}\r\n{salt}", message.envelope()),
        format!("ซอง: x\r\n{envelope}\r\n{salt}"),
        format!("{envelope}\r\nno colon\r\n{salt}"),
    ] {
        let answer = RawAnswers::to(&hub, submission(&message, &lines)).await;
        assert_eq!(answer.status(), 400, "{lines:?}: {}", answer.text());
    }
    // A bare LF ends a line (RFC 9112 section 2.2); what comes after it is one header more, and counted as such.
    let lines = format!("{envelope}\nsaphan-salt: x\r\n{salt}");
    RawAnswers::to(&hub, submission(&message, &lines)).await.problem(ProblemCode::RequestMalformed);
    assert_eq!(hub.size(), size);
}

#[tokio::test]
async fn no_header_makes_a_request_one_of_another_method_path_host_or_address() {
    let hub = TestHub::new().await;
    let office = &hub.world.office;
    let index = hub.accept(&hub.world.message()).await;
    let token = sign_token(hub.token(office.id.as_str(), "POST", "/v1/inbox/extend"), &office.key);
    let request = format!(
        "POST /v1/inbox/extend HTTP/1.1\r\nhost: hub.local\r\nauthorization: Bearer {token}\r\n\
         x-http-method-override: GET\r\nx-original-url: {LEASE}\r\nx-rewrite-url: {LEASE}\r\n\
         x-forwarded-host: hub.elsewhere\r\nx-forwarded-for: 127.0.0.1\r\n\
         content-length: 9\r\nconnection: close\r\n\r\n{{\"max\":1}}"
    );
    RawAnswers::to(&hub, request).await.problem(ProblemCode::RequestMalformed);
    assert_eq!(hub.lease(office, 1).await.indices(), [index], "it was not leased by the other path");
}

#[tokio::test]
async fn what_is_no_http_1_is_refused_or_cut_off() {
    let hub = TestHub::with("[limits]\nheader_seconds = 1").await;
    for request in [
        "GET /livez\r\n\r\n",
        "GET /livez HTTP/0.9\r\n\r\n",
        "GET /livez HTTP/2.0\r\n\r\n",
        "GET  /livez HTTP/1.1\r\nhost: hub\r\n\r\n",
        "GET /livez extra HTTP/1.1\r\nhost: hub\r\n\r\n",
        "GE\0T /livez HTTP/1.1\r\nhost: hub\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\u{16}\u{3}\u{1}",
    ] {
        let answer = RawAnswers::to(&hub, request).await;
        assert!(!answer.text().contains("alive"), "{request:?}: {}", answer.text());
        assert!(answer.statuses().iter().all(|status| (400..=505).contains(status)), "{request:?}: {}", answer.text());
    }
    // An offer to speak another protocol is not taken up.
    let upgrade = "GET /livez HTTP/1.1\r\nhost: hub\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\n\
                   http2-settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n";
    assert_eq!(RawAnswers::to(&hub, upgrade).await.status(), 200);
    let tunnel = "CONNECT 127.0.0.1:22 HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n\r\n";
    assert!((400..500).contains(&RawAnswers::to(&hub, tunnel).await.status()));
}

const LEASE: &str = "/v1/inbox/lease";
