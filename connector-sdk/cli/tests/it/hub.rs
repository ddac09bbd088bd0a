//! A hub on loopback that speaks the contract for one sender and one receiver, on a [`Ledger`]; the program needs no more.

use std::collections::{BTreeSet, VecDeque};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use saphan_schemas::acknowledgement::{Acknowledged, UnverifiedAcknowledgement};
use saphan_schemas::auth::UnverifiedAuthToken;
use saphan_schemas::b64;
use saphan_schemas::envelope::UnverifiedEnvelope;
use saphan_schemas::problem::{ProblemCode, ProblemPlace};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::ledger::{HUB, Ledger, Sent};

/// The running hub.
pub(crate) struct FakeHub {
    url: String,
    shared: Shared,
    server: JoinHandle<()>,
}

/// What the hub holds; tests look at it and change it.
pub(crate) struct Held {
    pub(crate) ledger: Ledger,
    pub(crate) inbox: VecDeque<u64>,
    /// Messages that the hub delivers with another body.
    pub(crate) tampered: BTreeSet<u64>,
    pub(crate) released: Vec<u64>,
    pub(crate) acknowledged: Vec<Acknowledged>,
    /// Refuses every message for its schema.
    pub(crate) refusing: bool,
    pub(crate) submissions: u32,
}

#[derive(Clone)]
struct Shared {
    held: Arc<Mutex<Held>>,
    changed: watch::Sender<()>,
}

impl FakeHub {
    pub(crate) async fn start(ledger: Ledger) -> Self {
        Self::serve(TcpListener::bind((Self::own_address(), 0)).await.unwrap(), ledger)
    }

    /// An address of this hub alone: when it has stopped, no server of another test is given its port, and nobody who dials from it.
    fn own_address() -> Ipv4Addr {
        static HUBS: AtomicU16 = AtomicU16::new(0);
        let [high, low] = HUBS.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        Ipv4Addr::new(127, 1, high, low)
    }

    /// At the address of one that has stopped.
    pub(crate) async fn start_at(url: &str, ledger: Ledger) -> Self {
        Self::serve(TcpListener::bind(url.trim_start_matches("http://")).await.unwrap(), ledger)
    }

    fn serve(listener: TcpListener, ledger: Ledger) -> Self {
        let url = format!("http://{}", listener.local_addr().unwrap());
        let held = Held {
            ledger,
            inbox: VecDeque::new(),
            tampered: BTreeSet::new(),
            released: Vec::new(),
            acknowledged: Vec::new(),
            refusing: false,
            submissions: 0,
        };
        let shared = Shared { held: Arc::new(Mutex::new(held)), changed: watch::channel(()).0 };
        let router = router(shared.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, shared, server }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn held(&self) -> MutexGuard<'_, Held> {
        self.shared.held.lock().unwrap()
    }

    /// Puts a message of the sender into the receiver's inbox.
    pub(crate) fn deliver(&self, body: &str) -> u64 {
        self.shared.change(|held| {
            let index = held.ledger.send(body);
            held.inbox.push_back(index);
            index
        })
    }

    /// Waits until the hub holds what the test waits for.
    pub(crate) async fn until(&self, what: &str, mut is_so: impl FnMut(&Held) -> bool) {
        let mut changed = self.shared.changed.subscribe();
        let wait = async {
            while !is_so(&self.shared.held.lock().unwrap()) {
                changed.changed().await.unwrap();
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
    }

    /// Stops; nothing answers at the address any more.
    pub(crate) async fn stop(self) {
        self.server.abort();
        let _ = self.server.await;
    }
}

impl Shared {
    fn change<T>(&self, change: impl FnOnce(&mut Held) -> T) -> T {
        let value = change(&mut self.held.lock().unwrap());
        self.changed.send_replace(());
        value
    }
}

fn router(shared: Shared) -> Router {
    Router::new()
        .route("/v1/keys", get(hub_keys))
        .route("/v1/trust", get(trust))
        .route("/v1/trust/entries", get(trust_entries))
        .route("/v1/systems/{member}/{system}/keys", get(system_keys))
        .route("/v1/log/{*path}", get(log_file))
        .route("/v1/messages", post(submit))
        .route("/v1/inbox/lease", post(lease))
        .route("/v1/inbox/extend", post(|| async { Json(json!({ "expires_in": 60 })) }))
        .route("/v1/inbox/release", post(release))
        .route("/v1/acknowledgements", post(acknowledge))
        .with_state(shared)
}

async fn hub_keys(State(shared): State<Shared>) -> Json<Value> {
    Json(json!(shared.held.lock().unwrap().ledger.hub_keys()))
}

async fn trust(State(shared): State<Shared>) -> Json<Value> {
    Json(json!(shared.held.lock().unwrap().ledger.trust()))
}

async fn trust_entries(State(shared): State<Shared>) -> Json<Value> {
    Json(json!({ "entries": shared.held.lock().unwrap().ledger.trust_entries }))
}

async fn system_keys(State(shared): State<Shared>, Path((member, system)): Path<(String, String)>) -> Json<Value> {
    Json(json!(shared.held.lock().unwrap().ledger.system_keys(&format!("{member}/{system}"))))
}

async fn log_file(State(shared): State<Shared>, Path(path): Path<String>) -> Response {
    match shared.held.lock().unwrap().ledger.files().remove(&path) {
        Some(bytes) => bytes.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn submit(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers[name].to_str().unwrap();
    let envelope = UnverifiedEnvelope::parse(header("saphan-envelope")).unwrap();
    let salt: saphan_schemas::commitment::Salt = header("saphan-salt").parse().unwrap();
    envelope.claims().body.open(&salt, &body).unwrap();
    shared.change(|held| {
        held.submissions += 1;
        if held.refusing {
            return problem(ProblemCode::SchemaViolation);
        }
        let key = held.ledger.public_key(envelope.claims().iss.as_str());
        let Ok(envelope) = envelope.verify(&key) else { return problem(ProblemCode::SignatureInvalid) };
        let same = |sent: &Sent| sent.envelope.claims().jti == envelope.claims().jti;
        let known = held.ledger.messages.iter().find(|(_, sent)| same(sent)).map(|(index, _)| *index);
        let (status, index) = match known {
            Some(index) => (StatusCode::OK, index),
            None => (StatusCode::CREATED, held.ledger.accept(Sent { envelope, salt, body: body.to_vec() })),
        };
        let (receipt, proof) = held.ledger.evidence(index);
        (status, Json(json!({ "receipt": receipt, "proof": proof }))).into_response()
    })
}

fn problem(code: ProblemCode) -> Response {
    let mut document = code.document();
    document.errors = vec![ProblemPlace { pointer: "/applicant/name".into(), detail: "a string is expected".into() }];
    let status = StatusCode::from_u16(document.status).unwrap();
    (status, [(CONTENT_TYPE, "application/problem+json")], serde_json::to_vec(&document).unwrap()).into_response()
}

async fn lease(State(shared): State<Shared>, headers: HeaderMap, Json(request): Json<Value>) -> Response {
    let token = headers["authorization"].to_str().unwrap().strip_prefix("Bearer ").unwrap();
    let token = UnverifiedAuthToken::parse(token).unwrap();
    let key = shared.held.lock().unwrap().ledger.public_key(&token.claims().iss);
    let Ok(token) = token.verify(&key) else { return StatusCode::UNAUTHORIZED.into_response() };
    assert_eq!((token.claims().htm.as_str(), token.claims().htu.as_str()), ("POST", "/v1/inbox/lease"));
    assert_eq!(token.claims().aud.as_str(), HUB);
    let wait = Duration::from_secs(request["wait"].as_u64().unwrap());
    let mut changed = shared.changed.subscribe();
    let filled = async {
        while shared.held.lock().unwrap().inbox.is_empty() {
            changed.changed().await.unwrap();
        }
    };
    if tokio::time::timeout(wait, filled).await.is_err() {
        return Json(json!({ "lease": null, "messages": [] })).into_response();
    }
    let mut held = shared.held.lock().unwrap();
    let indices: Vec<u64> = held.inbox.drain(..).collect();
    let messages: Vec<Value> = indices.iter().map(|index| leased(&held, *index)).collect();
    let lease = saphan_schemas::ids::MessageId::new();
    Json(json!({ "lease": lease, "expires_in": 60, "messages": messages })).into_response()
}

fn leased(held: &Held, index: u64) -> Value {
    let (receipt, proof) = held.ledger.evidence(index);
    let sent = &held.ledger.messages[&index];
    let body = if held.tampered.contains(&index) { b"{\"other\":1}".to_vec() } else { sent.body.clone() };
    json!({
        "index": index, "attempt": 1, "envelope": sent.envelope.as_str(), "salt": sent.salt.to_text(),
        "body": b64::encode_std(body), "receipt": receipt, "proof": proof,
    })
}

async fn release(State(shared): State<Shared>, Json(request): Json<Value>) -> StatusCode {
    let indices = request["indices"].as_array().into_iter().flatten();
    let indices: Vec<u64> = indices.map(|index| index.as_u64().unwrap()).collect();
    shared.change(|held| held.released.extend(indices));
    StatusCode::NO_CONTENT
}

async fn acknowledge(State(shared): State<Shared>, body: String) -> (StatusCode, Json<Value>) {
    let batch = UnverifiedAcknowledgement::parse(&body).unwrap();
    shared.change(|held| {
        let key = held.ledger.public_key(batch.claims().iss.as_str());
        held.acknowledged.extend_from_slice(&batch.verify(&key).unwrap().claims().messages);
    });
    (StatusCode::CREATED, Json(json!({ "index": 1 })))
}

/// A bound that only a failing test reaches.
const PATIENCE: Duration = Duration::from_secs(300);
