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
    /// It knows no log before it has its key.
    logs: Vec<Log>,
    asked: u64,
}

struct Log {
    key: VerifierKey,
    size: u64,
    root: Sha256Hash,
    /// How often it was asked to cosign it, while it was good.
    asked: u64,
}

impl FakeWitness {
    /// Listens on a free port, and knows no log yet.
    pub(crate) async fn start(name: &str, manner: Manner) -> Self {
        let cosigner = Cosigner::from_pkcs8(name, &NoteSigner::generate_pkcs8().unwrap()).unwrap();
        let inner = Inner { manner, cosigner, logs: Vec::new(), asked: 0 };
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

    /// Knows a log, or another key of it.
    pub(crate) fn knows(&self, log: &VerifierKey) {
        let mut inner = self.state.lock().unwrap();
        match inner.logs.iter_mut().find(|known| known.key.name() == log.name()) {
            Some(known) => known.key = log.clone(),
            None => inner.logs.push(Log { key: log.clone(), size: 0, root: empty_root(), asked: 0 }),
        }
    }

    pub(crate) fn behave(&self, manner: Manner) {
        self.state.lock().unwrap().manner = manner;
    }

    /// As if it had cosigned this of the first log that it knows.
    pub(crate) fn has_seen(&self, size: u64, root: Sha256Hash) {
        let log = &mut self.state.lock().unwrap().logs[0];
        (log.size, log.root) = (size, root);
    }

    /// What it cosigned last of the first log that it knows.
    pub(crate) fn size(&self) -> u64 {
        self.state.lock().unwrap().logs[0].size
    }

    /// How often it was asked about this log, while it was good.
    pub(crate) fn asked_about(&self, origin: &str) -> u64 {
        let inner = self.state.lock().unwrap();
        inner.logs.iter().find(|log| log.key.name() == origin).map_or(0, |log| log.asked)
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
        let request: AddCheckpoint = body.parse().unwrap();
        let origin = request.checkpoint.lines().next().unwrap();
        let Some(log) = self.logs.iter_mut().find(|log| log.key.name() == origin) else {
            return StatusCode::NOT_FOUND.into_response();
        };
        log.asked += 1;
        let signed = SignedCheckpoint::parse_and_verify(&request.checkpoint, &log.key).unwrap();
        let (size, root) = (signed.checkpoint().size, signed.checkpoint().root);
        assert!(request.old <= size, "the hub asks for what cannot be");
        if request.old != log.size || size == log.size && root != log.root {
            let media_type = [(CONTENT_TYPE, "text/x.tlog.size")];
            return (StatusCode::CONFLICT, media_type, format!("{}\n", log.size)).into_response();
        }
        if verify_consistency(log.size, log.root, size, root, &request.proof).is_err() {
            return StatusCode::UNPROCESSABLE_ENTITY.into_response();
        }
        (log.size, log.root) = (size, root);
        format!("{}\n", self.cosigner.cosign(&signed, 1_795_543_200)).into_response()
    }
}
