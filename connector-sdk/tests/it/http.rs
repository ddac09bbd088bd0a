//! The hub over HTTP: the requests are those of the contract, and the answers are read as it says.
//!
//! The server here speaks HTTP for the test hub, and checks every token as a hub does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use saphan_connector::hub_api::{HubApi, HubError, Submission};
use saphan_connector::schemas::auth::UnverifiedAuthToken;
use saphan_connector::schemas::b64;
use saphan_connector::schemas::problem::ProblemCode;
use saphan_connector::testing::TestHub;
use saphan_connector::{ConnectorError, Handled, Receive, SendError, trust};
use serde::Serialize;
use serde_json::{Value, json};

use crate::support::{OFFICE, PORTAL, Withdrawn, acknowledged, hub, in_time, until, withdrawal};

#[tokio::test]
async fn a_message_goes_through_a_hub_over_http_and_its_acknowledgement_comes_back() {
    let (hub, address, _) = serve().await;
    let trust = trust::fetch(&address).await.unwrap();
    assert_eq!(trust.log, hub.trust().log);
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
async fn a_connector_starts_and_sends_before_its_hub_is_there() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
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
}

async fn serve() -> (TestHub, String, Arc<AtomicUsize>) {
    let (hub, busy) = (hub(), Arc::new(AtomicUsize::new(0)));
    let router = Router::new()
        .route("/v1/messages", post(submit))
        .route("/v1/inbox/lease", post(lease))
        .route("/v1/acknowledgements", post(acknowledge))
        .route("/v1/systems/{member}/{system}/keys", get(keys))
        .route("/v1/keys", get(hub_keys))
        .route("/v1/log/vkey", get(log_key))
        .with_state(Server { hub: hub.clone(), busy: Arc::clone(&busy) });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    // It ends with the test's runtime.
    tokio::spawn(async move { axum::serve(listener, router).await });
    (hub, address, busy)
}

async fn submit(State(server): State<Server>, headers: HeaderMap, body: Bytes) -> Response {
    if server.busy.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
        let document = ProblemCode::HubBusy.document();
        return (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "0")], Json(document)).into_response();
    }
    assert_eq!(header(&headers, "content-type"), "application/json");
    let (envelope, salt) = (header(&headers, "saphan-envelope"), header(&headers, "saphan-salt"));
    let submission = Submission { envelope, salt, body: body.to_vec() };
    let api = server.hub.api(PORTAL).unwrap();
    let answer = api.submit(&submission).await;
    respond(answer.map(|answer| (StatusCode::CREATED, json!({ "receipt": answer.receipt, "proof": answer.proof }))))
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

async fn hub_keys(State(server): State<Server>) -> Json<Value> {
    let trust = server.hub.trust();
    let keys = trust.receipts.into_iter().map(saphan_connector::schemas::keys::PublishedKey::unlimited);
    Json(json!({ "issuer": trust.hub, "keys": keys.collect::<Vec<_>>() }))
}

async fn log_key(State(server): State<Server>) -> String {
    format!("{}\n", server.hub.trust().log)
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
