//! The connections that the hub serves: how many at once, and how long one may take to say what it wants.

mod patience;
mod stalls;

pub(crate) use patience::Patience;

use std::error::Error;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use self::stalls::Unstalled;
use crate::limits::Shares;
use crate::metrics::{Closed, Metrics};
use crate::tls::ServerTls;

/// What connections may take.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// At once; others wait in the listener's backlog.
    pub connections: usize,
    /// At once of one address; others are closed.
    pub per_address: usize,
    /// For the TLS handshake, and for the headers of a request, the pause before them included.
    pub headers: Duration,
    /// For the body of a request, a message's length apart; and for a pause in which nothing of an answer is taken.
    pub body: Duration,
    /// For a refusal on a connection that keeps failing to prove anything.
    pub refusal_pause: Duration,
}

/// Where connections come in; a bare [`TcpListener`] is one without TLS.
#[derive(Debug)]
pub struct Listener {
    /// The socket.
    pub tcp: TcpListener,
    /// What is served over it: HTTPS, or without it HTTP.
    pub tls: Option<Arc<ServerTls>>,
}

impl From<TcpListener> for Listener {
    fn from(tcp: TcpListener) -> Self {
        Self { tcp, tls: None }
    }
}

/// Serves until `stop`; then takes no more connections, and returns when the requests in progress are answered.
pub(crate) async fn serve(
    listener: Listener,
    router: Router,
    limits: ConnectionLimits,
    metrics: Arc<Metrics>,
    stop: impl Future<Output = ()>,
) {
    let Listener { tcp, tls } = listener;
    let room = Arc::new(Semaphore::new(limits.connections));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.headers);
    http.max_header_size(HEADER_BYTES);
    let server = Arc::new(Server { http, router, limits, metrics });
    let open = GracefulShutdown::new();
    // Dropped when the hub stops: who has not finished a handshake by then has asked for nothing yet.
    let (taking, taken) = watch::channel(());
    let addresses = Shares::new(limits.per_address, "connections");
    let mut stop = pin!(stop);
    loop {
        let (stream, address, place) = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&tcp, &room) => accepted,
        };
        let Ok(share) = addresses.take(&network(address), 1) else {
            server.metrics.connection_closed(Closed::TooMany);
            continue;
        };
        let stream = Unstalled::new(stream, limits.body);
        let (server, watcher, taken) = (Arc::clone(&server), open.watcher(), taken.clone());
        // Of this moment: a certificate that is replaced later is for those that come later.
        let acceptor = tls.as_ref().map(|tls| tls.acceptor());
        // The handshake too is the connection's own affair: one that stalls holds up nobody.
        tokio::spawn(async move {
            let _place = (place, share);
            match acceptor {
                None => server.serve(stream, watcher).await,
                Some(acceptor) => {
                    if let Some(stream) = server.shake_hands(&acceptor, stream, taken).await {
                        server.serve(stream, watcher).await;
                    }
                }
            }
        });
    }
    drop((tcp, taking));
    open.shutdown().await;
}

struct Server {
    http: http1::Builder,
    router: Router,
    limits: ConnectionLimits,
    metrics: Arc<Metrics>,
}

impl Server {
    async fn serve(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, watcher: Watcher) {
        let (router, patience) = (TowerToHyperService::new(self.router.clone()), Patience::default());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(patience.clone());
            router.call(request)
        });
        let connection = self.http.serve_connection(TokioIo::new(stream), service);
        if let Err(error) = watcher.watch(connection).await {
            if let Some(reason) = closed(&error) {
                self.metrics.connection_closed(reason);
            }
            // Anyone can cause it, so it must not fill the log.
            tracing::debug!(%error, "a connection ended in the middle of a request");
        }
    }

    /// The connection behind its TLS handshake; `None` when that failed, took too long, or the hub stops meanwhile.
    async fn shake_hands(
        &self,
        acceptor: &TlsAcceptor,
        stream: Unstalled<TcpStream>,
        mut taken: watch::Receiver<()>,
    ) -> Option<TlsStream<Unstalled<TcpStream>>> {
        let shaken = tokio::select! {
            shaken = tokio::time::timeout(self.limits.headers, acceptor.accept(stream)) => shaken,
            _ = taken.changed() => return None,
        };
        let failed: io::Error = match shaken {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(error)) => error,
            Err(_) => io::ErrorKind::TimedOut.into(),
        };
        self.metrics.tls_handshakes_failed.inc();
        // Anyone can cause it, so it must not fill the log.
        tracing::debug!(error = %failed, "a TLS handshake failed");
        None
    }
}

/// The next connection, once there is room for it.
async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> (TcpStream, IpAddr, Option<OwnedSemaphorePermit>) {
    // It is never closed, so there always is a place in the end.
    let place = Arc::clone(room).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                // Without it an answer may wait 40 ms for the caller to acknowledge the one before.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection keeps its delay");
                }
                return (stream, address.ip(), place);
            }
            Err(error) => {
                // A caller that went away, or no file left for its connection: the next one may fare better.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Who has an IPv6 address has its /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

/// Why the hub closed a connection, if it did.
fn closed(error: &hyper::Error) -> Option<Closed> {
    let cause: Option<&(dyn Error + 'static)> = error.source();
    let mut causes = std::iter::successors(cause, |error| (*error).source()).filter_map(|error| error.downcast_ref());
    if causes.any(|error: &io::Error| error.kind() == io::ErrorKind::TimedOut) {
        Some(Closed::Stalled)
    } else if error.is_timeout() {
        Some(Closed::NoRequest)
    } else if error.is_parse_too_large() {
        Some(Closed::HeadersTooLarge)
    } else if error.is_parse() {
        Some(Closed::NotHttp)
    } else {
        None
    }
}

/// For the headers of a request: an envelope and a token, and what a proxy may add, several times over. Whoever is not known
/// yet can take this much memory a connection.
const HEADER_BYTES: usize = 32 * 1024;
const PAUSE: Duration = Duration::from_millis(100);
