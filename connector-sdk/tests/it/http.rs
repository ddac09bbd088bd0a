//! The hub over HTTP: the requests are those of the contract, and the answers are read as it says.
//!
//! The server here speaks HTTP for the test hub, and checks every token as a hub does.

use std::io::Cursor;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use saphan_connector::hub_api::{Answer, HubApi, HubError, Submission};
use saphan_connector::schemas::auth::UnverifiedAuthToken;
use saphan_connector::schemas::b64;
use saphan_connector::schemas::problem::{ProblemCode, ProblemDocument};
use saphan_connector::testing::TestHub;
use saphan_connector::trust::TrustBundle;
use saphan_connector::{
    Accepted, ConnectorError, Handled, OutgoingMessage, PreparedDocument, Receive, SendError, trust,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::support::{OFFICE, PORTAL, Withdrawn, acknowledged, eventually, hub, in_time, until, withdrawal};

#[tokio::test]
async fn keys_that_the_hubs_operator_added_are_asked_for_over_http() {
    let (hub, address, _) = serve().await;
    let before = hub.trust();
    assert_eq!(trust::renew(&address, &before).await.unwrap(), None);
    hub.rotate_keys().unwrap();
    let renewed = trust::renew(&address, &before).await.unwrap().unwrap();
    assert_eq!(renewed.receipts, [before.receipts, hub.trust().receipts].concat());
}

#[tokio::test]
async fn a_message_goes_through_a_hub_over_http_and_its_acknowledgement_comes_back() {
    let (hub, address, _) = serve().await;
    let trust = trust::fetch(&address).await.unwrap();
    assert_eq!(trust.vkey, hub.trust().log);
    let _office = hub
        .connector(OFFICE)
        .unwrap()
        .hub(&address)
        .trust(trust.clone())
        .receive(Receive::Pull)
        .handle(|_: Withdrawn| async { Ok(Handled::Done) })
        .build()
        .await
        .unwrap();
    let portal = hub.connector(PORTAL).unwrap().hub(&address).trust(trust).build().await.unwrap();
    let accepted = in_time(portal.send(withdrawal())).await.unwrap();
    assert_eq!(accepted.index(), 0);
    until(&hub, |hub| acknowledged(hub) == 1).await;
}

#[tokio::test]
async fn a_busy_hub_is_asked_again_and_a_refusal_is_read_from_its_problem_document() {
    let (hub, address, busy) = serve().await;
    let portal = hub.connector(PORTAL).unwrap().hub(&address).build().await.unwrap();
    busy.store(2, Ordering::SeqCst);
    let error = in_time(portal.send(withdrawal())).await.unwrap_err();
    assert!(matches!(error, SendError::Refused(_)), "{error:?}");
    assert_eq!(error.problem_code(), Some(ProblemCode::RecipientUnknown));
    assert_eq!(busy.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_hub_that_just_starts_is_asked_again_what_it_has_of_a_document_before_that_is_believed() {
    let problem =
        |code: ProblemCode| (StatusCode::from_u16(code.status()).unwrap(), Json(code.document())).into_response();
    let looks = Arc::new(AtomicUsize::new(0));
    let looked = Arc::clone(&looks);
    let answer = move |method: Method| async move {
        match method {
            Method::HEAD if looked.fetch_add(1, Ordering::SeqCst) == 0 => problem(ProblemCode::HubBusy),
            Method::PUT => StatusCode::CREATED.into_response(),
            // Also what is unfinished cannot be read.
            _ => problem(ProblemCode::NotFound),
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/v1/documents/{commit}", any(answer));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let portal = hub().connector(PORTAL).unwrap().hub(&address).build().await.unwrap();
    let prepared = PreparedDocument::read(&mut &b"%PDF-1.7"[..], "application/pdf").await.unwrap();
    let upload = async { portal.documents().upload(&prepared, &mut Cursor::new(b"%PDF-1.7")).await };
    assert_eq!(in_time(upload).await.unwrap(), prepared.reference());
    assert_eq!(looks.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_connector_that_sends_too_fast_waits_as_long_as_the_hub_asks_and_loses_nothing() {
    let (hub, address, _, batches) = serve_batches().await;
    hub.register(&OFFICE.parse().unwrap()).unwrap();
    let portal = hub.connector(PORTAL).unwrap().hub(&address).build().await.unwrap();
    in_time(portal.send(withdrawal())).await.unwrap();
    batches.limit.store(1, Ordering::SeqCst);
    let asked = Instant::now();
    in_time(portal.send(withdrawal())).await.unwrap();
    assert!(asked.elapsed() >= Duration::from_secs(1), "it came again before its time");
    assert_eq!(hub.accepted().len(), 2);
}

#[tokio::test]
async fn messages_of_a_request_that_are_too_many_wait_and_all_are_accepted_in_the_end() {
    let messages = (0..5).map(|_| withdrawal()).collect();
    let (sent, batches) = send_what_waited(messages, |batches| batches.accept_first.store(1, Ordering::SeqCst)).await;
    assert_eq!(batches, [4, 2], "one was accepted, and of the three that waited one probed");
    assert!(all_accepted(&sent));
}

/// Messages that wait because the hub is busy, and what becomes of them once it is not. Place 0 in the log is another's.
async fn send_what_waited(messages: Vec<OutgoingMessage>, batches: impl FnOnce(&Batches)) -> (Vec<Sent>, Vec<usize>) {
    let (hub, address, busy, seen) = serve_batches().await;
    hub.register(&OFFICE.parse().unwrap()).unwrap();
    let portal = hub.connector(PORTAL).unwrap().hub(&address).build().await.unwrap();
    // From here on the connector has read its journal, and learns of messages one by one.
    in_time(portal.send(withdrawal())).await.unwrap();
    batches(&seen);
    busy.store(usize::MAX, Ordering::SeqCst);
    let mut ids = Vec::new();
    for message in &messages {
        ids.push(portal.enqueue(message.clone()).await.unwrap());
    }
    // What was on its way is back after this many answers, and one message at a time probes.
    eventually(async || busy.load(Ordering::SeqCst) < usize::MAX - MORE_THAN_GO_AT_ONCE).await;
    busy.store(0, Ordering::SeqCst);
    let mut sent = Vec::new();
    for (id, message) in ids.into_iter().zip(messages) {
        // Sent again under its id it is the same message, and its outcome is waited for.
        sent.push(in_time(portal.send(message.id(id))).await);
    }
    let seen = seen.seen.lock().unwrap().clone();
    (sent, seen)
}

type Sent = Result<Accepted, SendError>;

const MORE_THAN_GO_AT_ONCE: usize = 20;

fn all_accepted(sent: &[Sent]) -> bool {
    sent.iter().all(Result::is_ok)
}

#[tokio::test]
async fn messages_that_waited_go_out_in_one_request_and_keep_their_order() {
    let (sent, batches) = send_what_waited((0..20).map(|_| withdrawal()).collect(), |_| {}).await;
    assert_eq!(batches, [19], "one probed alone whether the hub is there");
    let places: Vec<u64> = sent.iter().map(|sent| sent.as_ref().unwrap().index()).collect();
    assert_eq!(places, (1..=20).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_message_that_is_refused_among_others_is_the_only_one() {
    let stranger = OutgoingMessage::bytes("th.x/nobody".parse().unwrap(), "a.b@1".parse().unwrap(), b"{}".to_vec());
    let (sent, batches) = send_what_waited(vec![withdrawal(), withdrawal(), stranger, withdrawal()], |_| {}).await;
    assert_eq!(batches, [3]);
    assert_eq!(sent[2].as_ref().unwrap_err().problem_code(), Some(ProblemCode::RecipientUnknown));
    assert!(all_accepted(&sent[..2]) && all_accepted(&sent[3..]));
}

#[tokio::test]
async fn when_a_request_is_refused_whole_each_of_its_messages_is_sent_alone() {
    let messages = (0..5).map(|_| withdrawal()).collect();
    let (sent, batches) =
        send_what_waited(messages, |batches| batches.refuse.store(usize::MAX, Ordering::SeqCst)).await;
    assert_eq!(batches, [4]);
    assert!(all_accepted(&sent));
}

#[tokio::test]
async fn when_a_proxy_turns_a_request_away_each_of_its_messages_is_sent_alone() {
    let messages = (0..5).map(|_| withdrawal()).collect();
    let (sent, batches) =
        send_what_waited(messages, |batches| batches.turn_away.store(usize::MAX, Ordering::SeqCst)).await;
    assert_eq!(batches, [4]);
    assert!(all_accepted(&sent));
}

#[tokio::test]
async fn an_answer_with_a_result_too_few_is_no_answer_and_the_messages_are_sent_again() {
    let messages = (0..5).map(|_| withdrawal()).collect();
    let (sent, batches) = send_what_waited(messages, |batches| batches.shorten.store(1, Ordering::SeqCst)).await;
    assert_eq!(batches, [4, 3], "another one probes in between");
    assert!(all_accepted(&sent));
}

#[tokio::test]
async fn a_connector_starts_and_sends_before_its_hub_is_there() {
    // The port is taken, and nobody listens on it.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = format!("http://{}", socket.local_addr().unwrap());
    let hub = hub();
    let portal = hub.connector(PORTAL).unwrap().hub(&address).build().await.unwrap();
    let id = portal.enqueue(withdrawal()).await.unwrap();
    let drained = in_time(portal.shutdown(Duration::from_secs(10))).await.unwrap();
    assert_eq!(drained.outbox, 1, "{id} stays");
}

#[tokio::test]
async fn an_address_that_would_send_in_the_clear_is_refused() {
    let built = hub().connector(PORTAL).unwrap().hub("http://hub.example").build().await;
    assert!(matches!(built, Err(ConnectorError::Address { .. })), "{built:?}");
}

#[derive(Clone)]
struct Server {
    hub: TestHub,
    /// How many more submissions are answered with "busy".
    busy: Arc<AtomicUsize>,
    batches: Arc<Batches>,
}

/// What the server saw of requests with several messages, and what it does to them.
#[derive(Default)]
struct Batches {
    /// How many messages each held.
    seen: Mutex<Vec<usize>>,
    /// How many more are refused whole.
    refuse: AtomicUsize,
    /// How many more a proxy turns away, with a page of its own.
    turn_away: AtomicUsize,
    /// How many more are answered without their last result.
    shorten: AtomicUsize,
    /// How many more requests with one message are too many; each may come again in a second.
    limit: AtomicUsize,
    /// How many more are answered so that but their first message is too many.
    accept_first: AtomicUsize,
}

async fn serve() -> (TestHub, String, Arc<AtomicUsize>) {
    let (hub, address, busy, _) = serve_batches().await;
    (hub, address, busy)
}

async fn serve_batches() -> (TestHub, String, Arc<AtomicUsize>, Arc<Batches>) {
    let (hub, busy, batches) = (hub(), Arc::new(AtomicUsize::new(0)), Arc::<Batches>::default());
    let router = Router::new()
        .route("/v1/messages", post(submit))
        .route("/v1/messages/batch", post(submit_batch))
        .route("/v1/inbox/lease", post(lease))
        .route("/v1/acknowledgements", post(acknowledge))
        .route("/v1/systems/{member}/{system}/keys", get(keys))
        .route("/v1/trust", get(hub_trust))
        .route("/v1/trust/entries", get(trust_entries))
        .with_state(Server { hub: hub.clone(), busy: Arc::clone(&busy), batches: Arc::clone(&batches) });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    // It ends with the test's runtime.
    tokio::spawn(async move { axum::serve(listener, router).await });
    (hub, address, busy, batches)
}

async fn submit(State(server): State<Server>, headers: HeaderMap, body: Bytes) -> Response {
    if take_one(&server.busy) {
        let document = ProblemCode::HubBusy.document();
        return (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "0")], Json(document)).into_response();
    }
    if take_one(&server.batches.limit) {
        let document = ProblemCode::RateLimited.document();
        return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")], Json(document)).into_response();
    }
    assert_eq!(header(&headers, "content-type"), "application/json");
    let (envelope, salt) = (header(&headers, "saphan-envelope"), header(&headers, "saphan-salt"));
    let submission = Submission { envelope, salt, body: body.to_vec() };
    let api = server.hub.api(PORTAL).unwrap();
    let answer = api.submit(&[submission]).await.and_then(|mut answers| answers.remove(0));
    respond(answer.map(|answer| (StatusCode::CREATED, json!({ "receipt": answer.receipt, "proof": answer.proof }))))
}

async fn submit_batch(State(server): State<Server>, headers: HeaderMap, uri: Uri, Json(body): Json<Value>) -> Response {
    let api = authenticated(&server, &headers, "POST", &uri).await;
    let text = |message: &Value, name: &str| message[name].as_str().unwrap().to_owned();
    let submissions: Vec<Submission> = body["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| Submission {
            envelope: text(message, "envelope"),
            salt: text(message, "salt"),
            body: b64::decode_std(text(message, "body")).unwrap(),
        })
        .collect();
    server.batches.seen.lock().unwrap().push(submissions.len());
    if take_one(&server.batches.refuse) {
        return (StatusCode::BAD_REQUEST, Json(ProblemCode::RequestMalformed.document())).into_response();
    }
    if take_one(&server.batches.turn_away) {
        return (StatusCode::PAYLOAD_TOO_LARGE, "<html>too large</html>").into_response();
    }
    let result = |answer: Result<Answer, HubError>| match answer {
        Ok(answer) => json!({ "receipt": answer.receipt, "proof": answer.proof }),
        Err(HubError::Problem { document, .. }) => json!({ "problem": document }),
        Err(error) => unreachable!("{error}"),
    };
    let taken = if take_one(&server.batches.accept_first) { 1 } else { submissions.len() };
    let mut results: Vec<Value> = api.submit(&submissions[..taken]).await.unwrap().into_iter().map(result).collect();
    let too_many = ProblemDocument { retry_after: Some(0), ..ProblemCode::RateLimited.document() };
    results.resize(submissions.len(), json!({ "problem": too_many }));
    if take_one(&server.batches.shorten) {
        results.pop();
    }
    Json(json!({ "results": results })).into_response()
}

/// Whether there was one left.
fn take_one(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

async fn lease(State(server): State<Server>, headers: HeaderMap, uri: Uri, Json(request): Json<Value>) -> Response {
    let api = authenticated(&server, &headers, "POST", &uri).await;
    let (max, wait) = (request["max"].as_u64().unwrap(), request["wait"].as_u64().unwrap());
    assert!((1..=256).contains(&max) && wait <= 30, "{request}");
    let lease = api.lease(max as u16, Duration::from_secs(wait)).await;
    respond(lease.map(|lease| {
        let message = |leased: &saphan_connector::hub_api::Leased| {
            json!({
                "index": leased.index, "attempt": 1,
                "envelope": leased.submission.envelope, "salt": leased.submission.salt,
                "body": b64::encode_std(&leased.submission.body),
                "receipt": leased.answer.receipt, "proof": leased.answer.proof,
            })
        };
        let messages: Vec<Value> = lease.messages.iter().map(message).collect();
        let expires = lease.expires_in.as_secs();
        (StatusCode::OK, json!({ "lease": lease.id, "expires_in": expires, "messages": messages }))
    }))
}

async fn acknowledge(State(server): State<Server>, headers: HeaderMap, uri: Uri, body: String) -> Response {
    assert_eq!(header(&headers, "content-type"), "application/jose");
    let api = authenticated(&server, &headers, "POST", &uri).await;
    respond(api.acknowledge(&body).await.map(|()| (StatusCode::CREATED, json!({ "index": 7 }))))
}

async fn keys(State(server): State<Server>, Path((member, system)): Path<(String, String)>) -> Response {
    let api = server.hub.api(PORTAL).unwrap();
    let issuer = format!("{member}/{system}");
    let keys = api.system_keys(&issuer.parse().unwrap()).await;
    respond(keys.map(|keys| (StatusCode::OK, json!({ "issuer": issuer, "keys": keys }))))
}

async fn hub_trust(State(server): State<Server>) -> Json<TrustBundle> {
    let trust = server.hub.trust();
    Json(TrustBundle {
        hub: trust.hub,
        operator: trust.operators.first().copied(),
        more_operators: Vec::new(),
        former_operators: trust.former_operators,
        receipts: trust.receipts,
        vkey: trust.log,
        more_vkeys: trust.more_logs,
        logs: trust.logs,
        ended: trust.ended,
        broker: None,
        ca: None,
    })
}

async fn trust_entries(State(server): State<Server>) -> Json<Value> {
    let entries = server.hub.api(PORTAL).unwrap().trust_entries().await.unwrap();
    Json(json!({ "entries": entries }))
}

/// The hub as the system sees it that signed the request's token; the token must be for this very request.
async fn authenticated(server: &Server, headers: &HeaderMap, method: &str, uri: &Uri) -> Arc<dyn HubApi> {
    let token = header(headers, "authorization");
    let token = UnverifiedAuthToken::parse(token.strip_prefix("Bearer ").unwrap()).unwrap();
    let claims = token.claims().clone();
    let api = server.hub.api(&claims.iss).unwrap();
    let keys = api.system_keys(&claims.iss.parse().unwrap()).await.unwrap();
    token.verify(&keys[0].key).unwrap();
    assert_eq!((claims.htm.as_str(), claims.htu.as_str()), (method, uri.path()));
    assert_eq!(claims.aud, server.hub.trust().hub);
    api
}

fn header(headers: &HeaderMap, name: &str) -> String {
    headers[name].to_str().unwrap().to_owned()
}

fn respond(answer: Result<(StatusCode, impl Serialize), HubError>) -> Response {
    match answer {
        Ok((status, body)) => (status, Json(body)).into_response(),
        Err(HubError::Problem { document, .. }) => {
            (StatusCode::from_u16(document.status).unwrap(), Json(*document)).into_response()
        }
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}
