//! Following a case: what happens in it, as it happens.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use saphan_schemas::ids::CaseId;
use tokio::time::{sleep, timeout};

use crate::backoff::Backoff;
use crate::hub_api::{CaseEvents, HubApi, HubError};
use crate::portal::CaseEvent;

/// Somebody who follows a case, from [`crate::Connector::watch_case`].
///
/// Cut connections and a hub that is away are waited out: what happened meanwhile comes then, each event once and in order.
pub struct CaseWatch {
    hub: Arc<dyn HubApi>,
    case: CaseId,
    /// The last event that was seen.
    last: Option<u64>,
    events: Option<CaseEvents>,
    failures: u32,
    ended: bool,
}

impl CaseWatch {
    pub(crate) fn new(hub: Arc<dyn HubApi>, case: CaseId, last: Option<u64>) -> Self {
        Self { hub, case, last, events: None, failures: 0, ended: false }
    }

    /// The number of the last event that was seen: a program that is started again goes on after it.
    #[must_use]
    pub const fn last(&self) -> Option<u64> {
        self.last
    }

    /// Waits for what happens next; `None` once the case has ended and everything was seen. May be cut off at any `await` and
    /// called again.
    ///
    /// # Errors
    /// [`HubError`] that waiting does not mend, `not-found` for a case that is not there or not to be seen among them.
    pub async fn next(&mut self) -> Result<Option<CaseEvent>, HubError> {
        while !self.ended {
            match self.step().await {
                Ok(Some(event)) => return Ok(Some(event)),
                Ok(None) => {}
                Err(error) if error.is_retryable() => {
                    self.events = None;
                    self.failures = self.failures.saturating_add(1);
                    let pause = Backoff::default().delay(self.failures, error.retry_after());
                    tracing::debug!(case = %self.case, error = &error as &dyn std::error::Error, "a case is looked at again");
                    sleep(pause).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// The next event; `None` for one that is known, or when the stream has to be opened again.
    async fn step(&mut self) -> Result<Option<CaseEvent>, HubError> {
        if self.events.is_none() {
            self.events = Some(self.hub.case_events(self.case, self.last).await?);
        }
        let Some(events) = &mut self.events else { return Ok(None) };
        // A hub says now and then that it is there.
        let next = timeout(SILENCE, events.next())
            .await
            .map_err(|_| HubError::Unreachable { source: "the hub has said nothing for too long".into() })?;
        let Some(event) = next.transpose()? else {
            self.events = None;
            return self.is_over().await.map(|()| None);
        };
        self.failures = 0;
        if self.last.is_some_and(|last| event.seq <= last) {
            return Ok(None);
        }
        self.last = Some(event.seq);
        self.ended = event.now.status.is_final() && event.seq + 1 >= event.now.events;
        Ok(Some(event))
    }

    /// A stream ends with its case, when the hub stops, and when whoever is between has had enough of it.
    async fn is_over(&mut self) -> Result<(), HubError> {
        let now = self.hub.case(self.case).await?;
        self.ended = now.status.is_final() && self.last.map_or(0, |last| last + 1) >= now.events;
        if !self.ended {
            self.failures = self.failures.saturating_add(1);
            sleep(Backoff::default().delay(self.failures, None)).await;
        }
        Ok(())
    }
}

impl std::fmt::Debug for CaseWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CaseWatch").field("case", &self.case).field("last", &self.last).finish_non_exhaustive()
    }
}

/// Several times as long as a hub is silent.
const SILENCE: Duration = Duration::from_secs(30);
