//! Connections that take their time, and those that waste the hub's.

use saphan_schemas::problem::ProblemCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::harness::{RawSubmission, Site, Submission, TestHub, captured, eventually, in_time, sign_token};

#[tokio::test]
async fn a_message_whose_body_comes_too_slowly_is_refused_and_holds_no_memory_any_more() {
    let hub = TestHub::with("[limits]\nbody_seconds = 1").await;
    let rooms = hub.app.body_memory.available_permits();
    let message = hub.world.message();
    let slow = RawSubmission::begin(&hub, &message, 10).await;
    eventually(async || hub.app.body_memory.available_permits() < rooms).await;
    hub.submit(&hub.world.message()).await.accepted();
    assert_eq!(in_time(slow.answer()).await, "HTTP/1.1 400 Bad Request");
    eventually(async || hub.app.body_memory.available_permits() == rooms).await;
    hub.submit(&message).await.accepted();
}

#[tokio::test]
async fn an_answer_that_comes_before_the_body_was_read_reaches_a_sender_that_still_writes() {
    let hub = TestHub::with("[limits]\nmessages_per_second = 1").await;
    let large = || {
        let draft = hub.world.withdrawal();
        let body = [draft.body.clone(), vec![b' '; 5_000_000]].concat();
        draft.with_body(body).sign(&hub.world.portal.key)
    };
    for _ in 0..2 {
        hub.submit(&hub.world.message()).await.accepted();
    }
    for _ in 0..5 {
        hub.submit(&large()).await.problem(ProblemCode::RateLimited);
    }
    hub.call_with("", "POST", "/v1/acknowledgements", &json!("x".repeat(900_000)))
        .await
        .problem(ProblemCode::TokenMissing);
}

#[tokio::test]
async fn every_other_body_that_comes_too_slowly_is_refused() {
    let hub = TestHub::with("[limits]\nbody_seconds = 1").await;
    let office = &hub.world.office;
    let mut slow = Vec::new();
    for path in ["/v1/messages/batch", "/v1/inbox/lease", "/v1/acknowledgements", "/v1/join", "/v1/broker/user"] {
        let token = sign_token(hub.token(office.id.as_str(), "POST", path), &office.key);
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: 100\r\n\r\n{{"
        );
        let mut stream = connect(&hub).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        slow.push((path, stream));
    }
    for (path, mut stream) in slow {
        let mut answer = String::new();
        in_time(stream.read_to_string(&mut answer)).await.unwrap();
        // The broker knows but one way to say no.
        let (status, word) = if path.contains("broker") { (200, "deny") } else { (400, "too slowly") };
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(word), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_connection_that_takes_nothing_of_its_answer_is_closed() {
    let hub = TestHub::with("[limits]\nbody_seconds = 1\nbody_bytes = 4194304").await;
    let (portal, office) = (&hub.world.portal, &hub.world.office);
    for _ in 0..4 {
        let draft = hub.world.withdrawal();
        let body = [draft.body.clone(), vec![b' '; 4_000_000]].concat();
        hub.submit(&draft.with_body(body).sign(&portal.key)).await.accepted();
    }
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut deaf = socket.connect(hub.address).await.unwrap();
    let path = "/v1/inbox/lease";
    let token = sign_token(hub.token(office.id.as_str(), "POST", path), &office.key);
    let body = json!({ "max": 4 }).to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer {token}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    deaf.write_all(head.as_bytes()).await.unwrap();
    eventually(async || metric(&hub, r#"saphan_connections_closed_total{reason="stalled"} 1"#).await).await;
}

#[tokio::test]
async fn connections_that_the_hub_closes_without_an_answer_are_counted_by_reason() {
    // None of them is closed because it rests.
    let hub = TestHub::with("[limits]\nheader_seconds = 300\nconnections_per_address = 3").await;
    // The harness has one.
    let _silent = connect(&hub).await;
    let mut other = connect(&hub).await;
    let mut too_many = connect(&hub).await;
    assert_eq!(in_time(too_many.read(&mut [0; 8])).await.unwrap_or(0), 0);
    let mut answer = Vec::new();
    other.write_all(b"\x16\x03\x01 no HTTP\r\n\r\n").await.unwrap();
    in_time(other.read_to_end(&mut answer)).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 400"));
    eventually(async || metric(&hub, r#"saphan_connections_closed_total{reason="not-http"} 1"#).await).await;
    let mut long = connect(&hub).await;
    let head = format!("GET / HTTP/1.1\r\nhost: hub\r\nx: {}\r\n\r\n", "x".repeat(200_000));
    // It may be closed before all of it is written.
    let _ = long.write_all(head.as_bytes()).await;
    eventually(async || metric(&hub, r#"saphan_connections_closed_total{reason="headers-too-large"} 1"#).await).await;
    assert!(metric(&hub, r#"saphan_connections_closed_total{reason="too-many"} 1"#).await);

    let hub = TestHub::with("[limits]\nheader_seconds = 1").await;
    let mut silent = connect(&hub).await;
    assert_eq!(in_time(silent.read(&mut [0; 8])).await.unwrap(), 0);
    // Those of the harness may rest too long as well.
    let counted = async || {
        let metrics = hub.get("/metrics").await;
        let counter = r#"saphan_connections_closed_total{reason="no-request"} "#;
        metrics.text().lines().find_map(|line| line.strip_prefix(counter)?.parse::<u64>().ok()).unwrap_or(0)
    };
    eventually(async || counted().await >= 1).await;
}

#[tokio::test]
async fn refusals_to_a_connection_that_proves_nothing_again_and_again_are_held_back_and_others_are_served_meanwhile() {
    let hub = holding_refusals_back().await;
    let forged = Submission { envelope: Some(hub.world.message().envelope.unwrap() + "AA"), ..hub.world.message() };
    let mut stranger = connect(&hub).await;
    for _ in 0..8 {
        assert!(send(&mut stranger, &forged).await.starts_with("HTTP/1.1 400"));
    }
    let mut begun = Box::pin(send(&mut stranger, &forged));
    tokio::select! {
        answer = &mut begun => panic!("it was not held back: {answer}"),
        () = async {
            // Ten times as many as the stranger has sent are answered.
            for _ in 0..80 {
                hub.submit(&hub.world.message()).await.accepted();
            }
        } => {}
    }
}

#[tokio::test]
async fn a_connection_that_proves_something_is_borne_anew() {
    let hub = holding_refusals_back().await;
    let forged = Submission { envelope: Some(hub.world.message().envelope.unwrap() + "AA"), ..hub.world.message() };
    let mut shared = connect(&hub).await;
    for _ in 0..5 {
        for _ in 0..8 {
            assert!(in_time(send(&mut shared, &forged)).await.starts_with("HTTP/1.1 400"), "it was not held back");
        }
        assert!(send(&mut shared, &hub.world.message()).await.starts_with("HTTP/1.1 201"));
    }
}

#[tokio::test]
async fn a_refusal_is_logged_with_the_system_that_it_was_proven_to_be_from_and_with_none_otherwise() {
    let hub = TestHub::new().await;
    // No other test leases in this way.
    let archive = &hub.world.archive;
    hub.call(archive, "POST", "/v1/inbox/extend", &json!({ "lease": 7 })).await.problem(ProblemCode::RequestMalformed);
    let token = sign_token(hub.token(archive.id.as_str(), "POST", "/v1/other"), &archive.key);
    let bearer = format!("Bearer {token}");
    hub.call_with(&bearer, "POST", "/v1/inbox/extend", &json!({})).await.problem(ProblemCode::TokenInvalid);
    let logged: Vec<Value> = captured().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let about = |code: &str| {
        let lines = logged.iter().map(|line| &line["fields"]);
        let mut lines = lines.filter(|fields| fields["route"] == "/v1/inbox/extend" && fields["code"] == code);
        lines.any(|fields| fields["system"] == archive.id.as_str())
    };
    assert!(about("request-malformed"));
    assert!(!about("token-invalid"), "a token for something else proves nothing here");
}

/// A hub that holds refusals back for longer than a test takes, and than its configuration allows.
async fn holding_refusals_back() -> TestHub {
    let mut site = Site::new("");
    site.config.limits.refusal_pause_ms = 24 * 3_600_000;
    let hub = site.start().await;
    hub.apply(hub.world.changes()).await;
    hub
}

async fn metric(hub: &TestHub, line: &str) -> bool {
    hub.get("/metrics").await.text().lines().any(|found| found == line)
}

async fn connect(hub: &TestHub) -> TcpStream {
    TcpStream::connect(hub.address).await.unwrap()
}

/// Sends a message on a connection that stays open; returns the answer's head.
async fn send(stream: &mut TcpStream, message: &Submission) -> String {
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: hub\r\ncontent-length: {}\r\nsaphan-envelope: {}\r\nsaphan-salt: {}\r\n\r\n",
        message.body.len(),
        message.envelope(),
        message.salt.as_deref().unwrap(),
    );
    stream.write_all(&[head.as_bytes(), &message.body].concat()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(answer).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    stream.read_exact(&mut vec![0; length]).await.unwrap();
    head
}
