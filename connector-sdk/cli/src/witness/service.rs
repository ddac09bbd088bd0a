//! The HTTP interface of a witness: `POST /add-checkpoint`.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use saphan_schemas::log::AddCheckpoint;
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::Witness;
use super::log::Refusal;

/// Serves until `stop`; then takes no more connections, and finishes what has begun.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    witness: Arc<Witness>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (stopped, mut stopping) = tokio::sync::watch::channel(false);
    let stop = async move {
        stop.await;
        stopped.send_replace(true);
    };
    let overdue = async move {
        // A sender that is gone means that it serves no more.
        let _ = stopping.wait_for(|stopping| *stopping).await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        served = axum::serve(listener, router(witness)).with_graceful_shutdown(stop).into_future() => served,
        // A caller that holds its connection open does not hold the witness.
        () = overdue => Ok(()),
    }
}

/// The routes below the submission prefix.
pub fn router(witness: Arc<Witness>) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(middleware::from_fn(in_time))
        .with_state(witness)
}

async fn add_checkpoint(State(witness): State<Arc<Witness>>, body: String) -> Response {
    // It waits for the disk. The request goes on also if the caller goes away, and a cosignature that nobody takes does no harm.
    let answer = tokio::task::spawn_blocking(move || witness.add_checkpoint(&body, now())).await;
    match answer.unwrap_or(Err(Refusal::Halted)) {
        Ok(lines) => text(StatusCode::OK, TEXT, lines),
        Err(refusal) => refused(&refusal),
    }
}

fn refused(refusal: &Refusal) -> Response {
    let status = match refusal {
        Refusal::OtherSize { size } | Refusal::OtherRoot { size } => {
            return text(StatusCode::CONFLICT, AddCheckpoint::SIZE_MEDIA_TYPE, format!("{size}\n"));
        }
        Refusal::Malformed { .. } | Refusal::OldAboveSize => StatusCode::BAD_REQUEST,
        Refusal::UnknownLog => StatusCode::NOT_FOUND,
        Refusal::NotSigned => StatusCode::FORBIDDEN,
        Refusal::Inconsistent => StatusCode::UNPROCESSABLE_ENTITY,
        Refusal::Unsaved | Refusal::Halted => StatusCode::INTERNAL_SERVER_ERROR,
    };
    text(status, TEXT, format!("{refusal}\n"))
}

fn text(status: StatusCode, media_type: &'static str, body: String) -> Response {
    let header: [(HeaderName, &str); 1] = [(CONTENT_TYPE, media_type)];
    (status, header, body).into_response()
}

async fn in_time(request: Request, next: Next) -> Response {
    let late = || (StatusCode::REQUEST_TIMEOUT, "the request came too slowly\n").into_response();
    timeout(REQUEST, next.run(request)).await.unwrap_or_else(|_| late())
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

const TEXT: &str = "text/plain; charset=utf-8";
/// Room for a proof and the longest note that is read.
const BODY_BYTES: usize = (256 << 10) + (4 << 10);
/// For a request to arrive and be answered.
const REQUEST: Duration = Duration::from_secs(15);
/// For callers to end once the witness stops.
const DRAIN: Duration = Duration::from_secs(5);
