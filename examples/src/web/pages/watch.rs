//! How far a case is, as it goes on: server-sent events for the script.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use saphan_connector::CaseWatch;
use saphan_schemas::ids::CaseId;
use saphan_schemas::message_types::Language;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::sleep;

use super::case::{look, own};
use super::progress::Progress;
use crate::web::Site;
use crate::web::refusal::Refusal;
use crate::web::visit::SignedIn;

pub(super) async fn events(
    State(site): State<Arc<Site>>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let (id, _) = own(&site, &who, &id)?;
    let (changes, stopping) = (site.book.changes(), site.stopping.subscribe());
    let (person, language) = (who.index, who.visit.language);
    let watching = Watching { site, id, person, language, changes, stopping, watch: None, seen: None, is_done: false };
    let stream = stream::unfold(watching, Watching::step);
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// Somebody who watches a case.
struct Watching {
    site: Arc<Site>,
    id: CaseId,
    person: usize,
    language: Language,
    changes: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
    /// What the hub says of the case as it happens, once it knows the case.
    watch: Option<CaseWatch>,
    /// What was shown: the hub's events, and the portal's.
    seen: Option<(Option<u64>, u64)>,
    is_done: bool,
}

/// What the script shows.
#[derive(Serialize)]
struct Told<'a> {
    status: &'a str,
    html: &'a str,
    done: bool,
}

impl Watching {
    /// Waits for what is new; `None` ends the stream.
    async fn step(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            if self.is_done || *self.stopping.borrow() {
                return None;
            }
            self.changes.mark_unchanged();
            let kept = self.site.book.of(self.person, self.id)?;
            // A hub that is not reached is asked again.
            if let Ok(view) = look(&self.site, self.id).await {
                if let Some(view) = view.as_ref().filter(|_| self.watch.is_none()) {
                    self.watch = Some(self.site.connector.watch_case(self.id, view.events.checked_sub(1)));
                }
                let now = (view.as_ref().map(|view| view.events), kept.version);
                if self.seen != Some(now) {
                    self.seen = Some(now);
                    let progress = Progress::new(&self.site, self.language, self.id, &kept, view.as_ref());
                    self.is_done = progress.is_done;
                    let told = Told { status: &progress.status, html: progress.html.as_str(), done: self.is_done };
                    let data = serde_json::to_string(&told).ok()?;
                    return Some((Ok(Event::default().event("progress").data(data)), self));
                }
            }
            tokio::select! {
                () = something_happened(&mut self.watch) => {}
                () = sleep(LOOK_ANYHOW) => {}
                changed = self.changes.changed() => changed.ok()?,
                _ = self.stopping.changed() => {}
            }
        }
    }
}

/// Waits until the hub says that something happened in a case. One that it does not know yet is looked for again.
async fn something_happened(watch: &mut Option<CaseWatch>) {
    let Some(watch) = watch else { return sleep(LOOK_AGAIN).await };
    match watch.next().await {
        Ok(Some(_)) => {}
        // The case has ended, or cannot be watched.
        Ok(None) | Err(_) => sleep(LOOK_ANYHOW).await,
    }
}

/// The hub lets a system watch so many cases at once, and there may be more people.
const LOOK_ANYHOW: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_secs(1);
const KEEP_ALIVE: Duration = Duration::from_secs(10);
