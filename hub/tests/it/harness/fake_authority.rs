//! A timestamp authority over HTTP, which OpenSSL plays, or which misbehaves as the test says.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use saphan_timestamps::testing::{KeyKind, TestAuthority};
use saphan_timestamps::{Authorities, REPLY_MEDIA_TYPE, REQUEST_MEDIA_TYPE, TimestampRequest};
use tokio::net::TcpListener;

use super::clock::TestClock;

#[derive(Clone)]
pub(crate) struct FakeAuthority {
    pub(crate) url: String,
    state: Arc<Inner>,
}

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// As it should.
    Good,
    /// As it should until it was asked so often in all, and then with the status 503.
    GoodUntil(u64),
    /// Never.
    Silent,
    /// With this status.
    Fails(u16),
    /// With these bytes, as a reply.
    Says(&'static [u8]),
    /// With a web page.
    WebPage,
    /// With more bytes than any reply has, without an end.
    Endless,
    /// With a good token for something else.
    OtherText,
    /// With a good token for the same text, which somebody else asked for.
    OtherRequest,
    /// With a good token of an authority that nobody trusts.
    Foreign,
    /// With a good token, by a clock that is so many seconds ahead, or behind.
    Wrong(i64),
}

struct Inner {
    authority: TestAuthority,
    foreign: TestAuthority,
    behaviour: Mutex<Behaviour>,
    /// What it has the time from.
    clock: Mutex<Arc<TestClock>>,
    asked: Mutex<u64>,
}

impl FakeAuthority {
    pub(crate) async fn start(behaviour: Behaviour) -> Self {
        let [authority, foreign] = [KeyKind::P256, KeyKind::P256].map(|kind| TestAuthority::new(kind).unwrap());
        let clock = Mutex::new(Arc::new(TestClock::new()));
        let state = Inner { authority, foreign, behaviour: Mutex::new(behaviour), clock, asked: Mutex::default() };
        let state = Arc::new(state);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/tsr", listener.local_addr().unwrap());
        let router = Router::new().route("/tsr", post(answer)).with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, state }
    }

    /// From now on it has the time from a hub's clock. Before, from one that stands still where each begins.
    pub(crate) fn follow(&self, clock: &Arc<TestClock>) {
        *self.state.clock.lock().unwrap() = Arc::clone(clock);
    }

    pub(crate) fn behave(&self, behaviour: Behaviour) {
        *self.state.behaviour.lock().unwrap() = behaviour;
    }

    /// The file with the certificate that is to be trusted.
    pub(crate) fn pem(&self) -> PathBuf {
        self.state.authority.pem()
    }

    pub(crate) fn trusted(&self) -> Authorities {
        Authorities::from_pem(&std::fs::read(self.pem()).unwrap()).unwrap()
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> u64 {
        *self.state.asked.lock().unwrap()
    }
}

async fn answer(State(state): State<Arc<Inner>>, headers: HeaderMap, request: Bytes) -> Response {
    assert_eq!(headers[CONTENT_TYPE], REQUEST_MEDIA_TYPE);
    let asked = {
        let mut asked = state.asked.lock().unwrap();
        *asked += 1;
        *asked
    };
    let behaviour = *state.behaviour.lock().unwrap();
    let now = state.clock.lock().unwrap().now();
    let reply = |bytes: Vec<u8>| ([(CONTENT_TYPE, REPLY_MEDIA_TYPE)], bytes).into_response();
    let other = TimestampRequest::new(b"something else", None).unwrap().as_der().to_vec();
    match behaviour {
        Behaviour::GoodUntil(last) if asked > last => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Behaviour::Good | Behaviour::GoodUntil(_) => reply(state.authority.reply_at(&request, now).unwrap()),
        Behaviour::Wrong(seconds) => {
            reply(state.authority.reply_at(&request, now.saturating_add_signed(seconds)).unwrap())
        }
        Behaviour::Silent => std::future::pending().await,
        Behaviour::Fails(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Behaviour::Says(bytes) => reply(bytes.to_vec()),
        Behaviour::WebPage => ([(CONTENT_TYPE, "text/html")], "<html>").into_response(),
        Behaviour::Endless => reply(vec![0x30; 1 << 20]),
        Behaviour::OtherText => reply(state.authority.reply_at(&other, now).unwrap()),
        Behaviour::OtherRequest => {
            // The nonce ends the request, before three bytes that ask for certificates.
            let (mut again, nonce) = (request.to_vec(), request.len() - 4);
            again[nonce] ^= 1;
            reply(state.authority.reply_at(&again, now).unwrap())
        }
        Behaviour::Foreign => reply(state.foreign.reply_at(&request, now).unwrap()),
    }
}
