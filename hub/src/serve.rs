//! A running hub: the listener, the relay, the upkeep, and how they stop.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use saphan_schemas::problem::{Fault, ProblemCode};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::app::{App, Opened};
use crate::audit;
use crate::broker::closing;
use crate::caller;
use crate::cases::follower::Follower;
use crate::connections::{self, Listener, Patience};
use crate::documents;
use crate::erasing;
use crate::http;
use crate::publication;
use crate::routing::relay::{Broker, Relay};
use crate::timestamps;
use crate::witnesses::rounds;

/// Serves until `stop` becomes true; then refuses new messages, finishes what has begun, and returns when everything that
/// was accepted is written.
///
/// # Errors
/// When a task of the hub ends by itself.
pub async fn serve(
    listener: impl Into<Listener>,
    opened: Opened,
    broker: Option<Broker>,
    mut stop: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let (listener, Opened { app, writer }) = (listener.into(), opened);
    let mut tasks = JoinSet::new();
    if let Some(mut broker) = broker {
        if let Some(management) = broker.management.take() {
            tasks.spawn(closing::run(Arc::clone(&app), management));
        }
        tasks.spawn(Relay::new(Arc::clone(&app), broker).run());
    }
    tasks.spawn(upkeep(Arc::clone(&app)));
    if let Some(room) = app.cases.clone() {
        tasks.spawn(Follower::run(Arc::clone(&app), room));
    }
    if let Some(witnesses) = app.witnesses.clone() {
        tasks.spawn(rounds::run(Arc::clone(&app), witnesses));
    }
    if let Some(authority) = app.timestamps.clone() {
        tasks.spawn(timestamps::rounds::run(Arc::clone(&app), authority));
    }
    if let Some((publication, published)) = app.publication.clone() {
        tasks.spawn(publication::run(Arc::clone(&app), publication, published));
    }
    tasks.spawn(audit::follower::run(Arc::clone(&app)));
    tasks.spawn(documents::upkeep::run(Arc::clone(&app)));
    tasks.spawn(erasing::upkeep::run(Arc::clone(&app)));
    if let Some(tls) = listener.tls.clone() {
        let (metrics, stopping) = (Arc::clone(&app.metrics), app.stopping.clone());
        tasks.spawn(async move { tls.watch(CERTIFICATE_PAUSE, &metrics, stopping).await });
    }
    let router = http::router(Arc::clone(&app)).layer(middleware::from_fn_with_state(Arc::clone(&app), observe));
    let stopped = async move {
        // A sender that is gone means the same as a signal.
        let _ = stop.wait_for(|stop| *stop).await;
    };
    let serving = connections::serve(listener, router, app.connections, Arc::clone(&app.metrics), stopped);
    let mut overdue = app.stopping.clone();
    let overdue = async move {
        let _ = overdue.wait_for(|stop| *stop).await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        () = serving => {}
        () = overdue => tracing::warn!("connections are still open; the hub does not wait for them any longer"),
        () = ended_early(&mut tasks, &app) => anyhow::bail!("a task of the hub ended by itself; the log says why"),
    }
    while tasks.join_next().await.is_some() {}
    drop(app);
    // Connections that were given up hold the ledger; all that was answered is written already.
    let _ = tokio::time::timeout(DRAIN, writer).await;
    Ok(())
}

/// Returns when a task ends though the hub does not stop: a hub without its relay would accept and never deliver.
async fn ended_early(tasks: &mut JoinSet<()>, app: &App) {
    while tasks.join_next().await.is_some() {
        if !app.is_stopping() {
            return;
        }
    }
    std::future::pending().await
}

/// One line for each refusal: method, route, status, code, and the system if the request proved it. Paths and queries are not
/// logged; they hold ids.
async fn observe(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let route = request.extensions().get::<axum::extract::MatchedPath>().map(|path| path.as_str().to_owned());
    let patience = request.extensions().get::<Patience>().cloned().unwrap_or_default();
    let (response, system) = caller::watch(next.run(request)).await;
    if system.is_some() {
        patience.proven();
    }
    if let Some(code) = response.extensions().get::<ProblemCode>() {
        app.metrics.problem(*code);
        let (route, status) = (route.as_deref().unwrap_or("none"), response.status().as_u16());
        let system = system.as_ref().map(tracing::field::display);
        let proven = system.is_some();
        tracing::info!(%method, route, status, code = code.as_str(), system, "a request was refused");
        if !proven && wastes_time(*code) {
            tokio::time::sleep(patience.unproven(app.connections.refusal_pause)).await;
        }
    }
    response
}

/// Whether it takes the hub some work to find out. Paths with nothing behind them are as cheap as those with something; and who
/// is told to come later is not at fault when it comes later.
fn wastes_time(code: ProblemCode) -> bool {
    code.fault() == Fault::Caller
        && !matches!(code, ProblemCode::NotFound | ProblemCode::MethodNotAllowed | ProblemCode::RateLimited)
}

/// Ends outbox rows whose time has passed.
async fn upkeep(app: Arc<App>) {
    let mut stopping = app.stopping.clone();
    loop {
        let pause = tokio::time::timeout(UPKEEP_PAUSE, stopping.wait_for(|stop| *stop));
        if pause.await.is_ok() {
            return;
        }
        match app.store.expire(app.clock.now_ms()).await {
            Ok(0) => {}
            Ok(expired) => {
                app.metrics.expired.inc_by(expired);
                tracing::warn!(expired, "messages expired before their recipients took them");
            }
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "expiry failed"),
        }
    }
}

/// How long requests may take to finish once the hub stops; longer than the longest long poll needs to notice.
const DRAIN: Duration = Duration::from_secs(15);
/// Between looks at the certificate's files.
const CERTIFICATE_PAUSE: Duration = Duration::from_secs(2);
const UPKEEP_PAUSE: Duration = Duration::from_secs(1);
