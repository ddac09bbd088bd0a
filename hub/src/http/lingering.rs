//! Answers that come before the request's body was read.
//!
//! A connection that is closed while its other end still writes is reset, and the answer is lost with it: a sender would take
//! "you send too fast" for an outage. So what is left of a body is read, and forgotten, while the answer goes out.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::BodyExt as _;
use hyper::body::{Frame, SizeHint};
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

use crate::app::App;

/// Reads bodies to their end, in the time that bodies have and up to some times the longest that is allowed: who sends too much
/// shall learn that it is too much.
pub(super) async fn read_to_the_end(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let limit = READ_ON * app.admission.limits().body_bytes.max(super::REQUEST_BYTES as u64);
    let until = Instant::now() + app.connections.body;
    next.run(request.map(|body| Body::new(Lingering { body, until, limit }))).await
}

struct Lingering {
    body: Body,
    until: Instant,
    /// In bytes.
    limit: u64,
}

impl HttpBody for Lingering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let is_short = self.body.size_hint().lower() <= self.limit;
        if !self.body.is_end_stream()
            && is_short
            && Instant::now() < self.until
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(forget(std::mem::take(&mut self.body), self.until, self.limit));
        }
    }
}

/// Ends with the body, or when its time or its length is up; then the connection is closed.
async fn forget(mut body: Body, until: Instant, limit: u64) {
    let mut left = limit;
    while let Ok(Some(Ok(frame))) = timeout_at(until, body.frame()).await {
        let length = frame.data_ref().map_or(0, Bytes::len) as u64;
        let Some(less) = left.checked_sub(length) else { return };
        left = less;
    }
}

const READ_ON: u64 = 4;
