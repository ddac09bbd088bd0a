//! What happens in a case, as server-sent events.

use std::time::Duration;

use eventsource_stream::{Event, EventStreamError, Eventsource as _};
use futures_util::{StreamExt as _, stream};
use reqwest::header::{ACCEPT, AUTHORIZATION};
use reqwest::{Method, Response};
use saphan_schemas::ids::CaseId;

use super::{HttpHub, answered, unreachable};
use crate::hub_api::{CaseEvents, HubError};

impl HttpHub {
    pub(super) async fn events(&self, id: CaseId, after: Option<u64>) -> Result<CaseEvents, HubError> {
        let path = format!("/v1/cases/{id}/events");
        let mut request = self
            .client
            .get(self.url(&path))
            .header(AUTHORIZATION, self.token(&Method::GET, &path).await?)
            .header(ACCEPT, "text/event-stream")
            .timeout(LONGEST_WATCH);
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        let response = answered(request).await?;
        let status = response.status().as_u16();
        let events = stream::unfold(response, chunk).eventsource().map(move |event| match event {
            Ok(Event { data, .. }) => serde_json::from_str(&data).map_err(|_| HubError::Unreadable { status }),
            Err(EventStreamError::Transport(error)) => Err(error),
            Err(_) => Err(HubError::Unreadable { status }),
        });
        Ok(events.boxed())
    }
}

/// The next bytes; `None` at the end.
async fn chunk(mut response: Response) -> Option<(Result<Vec<u8>, HubError>, Response)> {
    let chunk = response.chunk().await.map_err(|error| unreachable(error.without_url())).transpose()?;
    Some((chunk.map(Vec::from), response))
}

/// A day: the hub looks at the caller's right from time to time by itself.
const LONGEST_WATCH: Duration = Duration::from_secs(86_400);
