//! `saphan listen`.

use std::process::Stdio;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use saphan_schemas::acknowledgement::Outcome;
use serde_json::json;
use tokio::net::TcpListener;

use crate::ledger::{RECEIVER, SENDER};
use crate::program::{Ended, PROGRAM, saphan};
use crate::send::Station;

/// An agency's own endpoint: it gives these answers in turn, then 200.
#[derive(Clone, Default)]
struct Agency {
    answers: Arc<Mutex<Vec<(StatusCode, &'static str)>>>,
    got: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
}

impl Agency {
    async fn start(answers: &[(StatusCode, &'static str)]) -> (Self, String) {
        let agency = Self::default();
        agency.answers.lock().unwrap().extend(answers.iter().rev());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/in", listener.local_addr().unwrap());
        let router = Router::new().route("/in", post(take)).with_state(agency.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (agency, url)
    }

    fn got(&self) -> Vec<(HeaderMap, Bytes)> {
        self.got.lock().unwrap().clone()
    }
}

async fn take(State(agency): State<Agency>, headers: HeaderMap, body: Bytes) -> (StatusCode, &'static str) {
    agency.got.lock().unwrap().push((headers, body));
    agency.answers.lock().unwrap().pop().unwrap_or((StatusCode::OK, ""))
}

/// The program while it listens.
struct Listening {
    child: tokio::process::Child,
}

impl Listening {
    fn start(station: &Station, url: &str, more: &[&str]) -> Self {
        let arguments = ["--json", "listen", "--forward-to", url];
        let mut command = tokio::process::Command::new(PROGRAM);
        command.current_dir(station.path()).args(arguments).args(more).env_remove("SAPHAN_CONFIG");
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        Self { child: command.spawn().unwrap() }
    }

    /// As a supervisor stops it.
    async fn stop(self) -> Ended {
        let id = self.child.id().unwrap().to_string();
        let killed = tokio::process::Command::new("kill").args(["-TERM", &id]).status().await.unwrap();
        assert!(killed.success());
        Ended::new(self.child.wait_with_output().await.unwrap())
    }
}

#[tokio::test]
async fn a_verified_message_is_posted_as_it_is_and_acknowledged() {
    let station = Station::new(RECEIVER).await;
    let (agency, url) = Agency::start(&[]).await;
    let body = "{ \"a\" : \"ก\" }";
    let index = station.hub.deliver(body);
    let listening = Listening::start(&station, &url, &["--save", "kept"]);
    station.hub.until("acknowledged", |held| held.acknowledged.len() == 1).await;
    let ended = listening.stop().await;
    assert_eq!(ended.code, 0, "{}", ended.err);
    let told = ended.json();
    assert_eq!((&told["processed"], &told["rejected"], &told["left"]), (&json!(1), &json!(0), &json!(0)), "{told}");

    let got = agency.got();
    assert_eq!(got.len(), 1);
    let (headers, bytes) = &got[0];
    assert_eq!(bytes, body.as_bytes());
    let held = station.hub.held();
    assert_eq!((held.acknowledged[0].index, held.acknowledged[0].outcome), (index, Outcome::Processed));
    let claims = held.ledger.messages[&index].envelope.claims();
    for (name, value) in [
        ("content-type", "application/json".to_owned()),
        ("saphan-message-id", claims.jti.to_string()),
        ("saphan-sender", SENDER.to_owned()),
        ("saphan-type", "information.supplied".to_owned()),
        ("saphan-schema", "information.supplied@1".to_owned()),
        ("saphan-log", crate::ledger::ORIGIN.to_owned()),
        ("saphan-index", index.to_string()),
        ("saphan-case", claims.case.unwrap().to_string()),
        ("saphan-service", "th.dlt.driving-licence-renewal".to_owned()),
        ("ce-specversion", "1.0".to_owned()),
        ("ce-id", claims.jti.to_string()),
        ("ce-source", SENDER.to_owned()),
        ("ce-type", "information.supplied".to_owned()),
        ("ce-time", "2026-11-24T18:00:00Z".to_owned()),
    ] {
        assert_eq!(headers[name], value.as_str(), "{name}");
    }
    assert!(!headers.contains_key("saphan-reply-to"));

    let keys = serde_json::to_vec(&held.ledger.system_keys(SENDER)).unwrap();
    std::fs::write(station.path().join("sender.jwks.json"), keys).unwrap();
    let kept = format!("kept/{}.saphan.json", claims.jti);
    let verified =
        saphan(station.path(), ["verify", kept.as_str(), "--trust", "trust.json", "--sender-keys", "sender.jwks.json"]);
    assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
}

#[tokio::test]
async fn an_answer_of_422_with_a_code_rejects_the_message() {
    let station = Station::new(RECEIVER).await;
    let (agency, url) = Agency::start(&[(StatusCode::UNPROCESSABLE_ENTITY, r#"{"code":"case-closed"}"#)]).await;
    let index = station.hub.deliver("{}");
    let listening = Listening::start(&station, &url, &[]);
    station.hub.until("acknowledged", |held| held.acknowledged.len() == 1).await;
    assert_eq!(listening.stop().await.json()["rejected"], 1);
    let acknowledged = &station.hub.held().acknowledged[0];
    assert_eq!((acknowledged.index, acknowledged.outcome), (index, Outcome::Rejected));
    assert_eq!(acknowledged.code.as_ref().unwrap().as_str(), "case-closed");
    assert_eq!(agency.got().len(), 1);
}

#[tokio::test]
async fn any_other_answer_is_tried_again_until_it_is_settled() {
    let station = Station::new(RECEIVER).await;
    let (agency, url) = Agency::start(&[
        (StatusCode::INTERNAL_SERVER_ERROR, ""),
        (StatusCode::UNPROCESSABLE_ENTITY, "no code here"),
        (StatusCode::FOUND, ""),
    ])
    .await;
    station.hub.deliver("{}");
    let listening = Listening::start(&station, &url, &[]);
    station.hub.until("acknowledged", |held| held.acknowledged.len() == 1).await;
    let ended = listening.stop().await;
    let told = ended.json();
    assert_eq!((&told["retried"], &told["processed"]), (&json!(3), &json!(1)), "{told}");
    assert!(ended.err.contains("422 without a code"), "{}", ended.err);
    assert_eq!(agency.got().len(), 4);
}

#[tokio::test]
async fn a_message_that_does_not_verify_is_never_forwarded() {
    let station = Station::new(RECEIVER).await;
    let (agency, url) = Agency::start(&[]).await;
    let tampered = {
        let mut held = station.hub.held();
        let index = held.ledger.send("{}");
        held.tampered.insert(index);
        held.inbox.push_back(index);
        index
    };
    let good = station.hub.deliver("{\"good\":true}");
    let listening = Listening::start(&station, &url, &[]);
    station.hub.until("good one acknowledged", |held| held.acknowledged.len() == 1).await;
    station.hub.until("bad one given back", |held| held.released.contains(&tampered)).await;
    let told = listening.stop().await.json();
    assert_eq!((&told["unverified"], &told["processed"]), (&json!(1), &json!(1)), "{told}");
    let got = agency.got();
    assert_eq!((got.len(), &got[0].1[..]), (1, &b"{\"good\":true}"[..]));
    assert_eq!(station.hub.held().acknowledged[0].index, good);
}

#[tokio::test]
async fn nothing_of_a_body_is_shown() {
    let station = Station::new(RECEIVER).await;
    let (_, url) = Agency::start(&[(StatusCode::BAD_REQUEST, "")]).await;
    station.hub.deliver("{\"name\":\"nobody-must-read-this\"}");
    let listening = Listening::start(&station, &url, &[]);
    station.hub.until("acknowledged", |held| held.acknowledged.len() == 1).await;
    let ended = listening.stop().await;
    assert!(!format!("{}{}", ended.out, ended.err).contains("nobody-must"), "{}", ended.err);
}

#[tokio::test]
async fn an_endpoint_elsewhere_without_tls_is_refused() {
    let station = Station::new(RECEIVER).await;
    let ended = saphan(station.path(), ["listen", "--forward-to", "http://app.example/in"]);
    assert_eq!((ended.code, ended.out.as_str()), (2, ""));
    assert!(ended.err.contains("https://"), "{}", ended.err);
}
