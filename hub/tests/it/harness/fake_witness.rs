//! A witness that cosigns by C2SP tlog-witness, or misbehaves as the test says. It keeps its state in memory only.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::log::{
    AddCheckpoint, Cosigner, NoteSigner, SignedCheckpoint, VerifierKey, empty_root, verify_consistency,
};
use tokio::net::TcpListener;

#[derive(Clone)]
pub(crate) struct FakeWitness {
    pub(crate) url: String,
    state: Arc<Mutex<Inner>>,
}

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// By the specification.
    Good,
    /// Never.
    Silent,
    /// With this status and text.
    Says(u16, &'static str),
}

struct Inner {
    manner: Manner,
    cosigner: Cosigner,
    /// Of the log; it knows no log before it has one.
    log: Option<VerifierKey>,
    size: u64,
    root: Sha256Hash,
    asked: u64,
}

impl FakeWitness {
    /// Listens on a free port, and knows no log yet.
    pub(crate) async fn start(name: &str, manner: Manner) -> Self {
        let cosigner = Cosigner::from_pkcs8(name, &NoteSigner::generate_pkcs8().unwrap()).unwrap();
        let inner = Inner { manner, cosigner, log: None, size: 0, root: empty_root(), asked: 0 };
        let state = Arc::new(Mutex::new(inner));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/w", listener.local_addr().unwrap());
        let router = Router::new().route("/w/add-checkpoint", post(answer)).with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, state }
    }

    /// Its line in a policy.
    pub(crate) fn policy_line(&self, name: &str) -> String {
        format!("witness {name} {} {}\n", self.state.lock().unwrap().cosigner.key(), self.url)
    }

    pub(crate) fn knows(&self, log: &VerifierKey) {
        self.state.lock().unwrap().log = Some(log.clone());
    }

    pub(crate) fn behave(&self, manner: Manner) {
        self.state.lock().unwrap().manner = manner;
    }

    /// As if it had cosigned this.
    pub(crate) fn has_seen(&self, size: u64, root: Sha256Hash) {
        let mut inner = self.state.lock().unwrap();
        (inner.size, inner.root) = (size, root);
    }

    /// What it cosigned last.
    pub(crate) fn size(&self) -> u64 {
        self.state.lock().unwrap().size
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> u64 {
        self.state.lock().unwrap().asked
    }
}

async fn answer(State(state): State<Arc<Mutex<Inner>>>, body: String) -> Response {
    let manner = {
        let mut inner = state.lock().unwrap();
        inner.asked += 1;
        inner.manner
    };
    match manner {
        Manner::Good => state.lock().unwrap().cosign(&body),
        Manner::Silent => std::future::pending().await,
        Manner::Says(status, text) => (StatusCode::from_u16(status).unwrap(), text).into_response(),
    }
}

impl Inner {
    fn cosign(&mut self, body: &str) -> Response {
        let Some(log) = &self.log else { return StatusCode::NOT_FOUND.into_response() };
        let request: AddCheckpoint = body.parse().unwrap();
        let signed = SignedCheckpoint::parse_and_verify(&request.checkpoint, log).unwrap();
        let (size, root) = (signed.checkpoint().size, signed.checkpoint().root);
        assert!(request.old <= size, "the hub asks for what cannot be");
        if request.old != self.size || size == self.size && root != self.root {
            let media_type = [(CONTENT_TYPE, "text/x.tlog.size")];
            return (StatusCode::CONFLICT, media_type, format!("{}\n", self.size)).into_response();
        }
        if verify_consistency(self.size, self.root, size, root, &request.proof).is_err() {
            return StatusCode::UNPROCESSABLE_ENTITY.into_response();
        }
        (self.size, self.root) = (size, root);
        format!("{}\n", self.cosigner.cosign(&signed, 1_795_543_200)).into_response()
    }
}
