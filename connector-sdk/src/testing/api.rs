//! The test hub as one system sees it.

use std::ops::Range;
use std::time::Duration;

use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::SystemId;
use saphan_schemas::keys::PublishedKey;
use saphan_schemas::problem::{ProblemCode, ProblemDocument};
use saphan_schemas::trust::TrustEntry;
use tokio::time::{Instant, timeout_at};

use super::TestHub;
use super::exchange::{Exchange, problem};
use super::inboxes::LEASE;
use crate::hub_api::{
    Answer, DocumentBytes, DocumentPiece, DocumentState, HubApi, HubError, HubFuture, Lease, Submission,
};

pub(super) struct SystemApi {
    pub(super) hub: TestHub,
    pub(super) system: SystemId,
}

impl SystemApi {
    /// Does one thing at the hub, unless nothing gets through.
    fn at_hub<T>(&self, act: impl FnOnce(&mut Exchange) -> Result<T, Box<ProblemDocument>>) -> Result<T, HubError> {
        self.hub.change(|exchange| {
            if exchange.faults.outage {
                exchange.faults.unanswered += 1;
                return Err(lost("nothing reaches the hub"));
            }
            act(exchange).map_err(refused)
        })
    }

    fn at_hub_maybe_unheard<T>(
        &self,
        act: impl FnOnce(&mut Exchange) -> Result<T, Box<ProblemDocument>>,
    ) -> Result<T, HubError> {
        let (done, unheard) = self.at_hub(|exchange| {
            let done = act(exchange)?;
            Ok((done, exchange.loses_response()))
        })?;
        if unheard { Err(lost("the answer was lost")) } else { Ok(done) }
    }

    fn try_lease(&self, max: u16) -> Result<Option<Lease>, HubError> {
        // Looking is no change: nobody is woken by it.
        let mut exchange = self.hub.exchange();
        if exchange.faults.outage {
            return Err(lost("nothing reaches the hub"));
        }
        let leased = exchange.lease(&self.system, max.into());
        Ok(leased.map(|(id, messages)| Lease { id: Some(id), expires_in: LEASE, messages }))
    }
}

impl HubApi for SystemApi {
    /// An answer that is lost is that of the whole request; one that is corrupted is that of one message.
    fn submit<'a>(&'a self, messages: &'a [Submission]) -> HubFuture<'a, Vec<Result<Answer, HubError>>> {
        Box::pin(async move {
            self.at_hub_maybe_unheard(|exchange| {
                let mut submit = |message| {
                    let answer = exchange.submit(message)?;
                    Ok(exchange.corrupt_answer(answer))
                };
                Ok(messages.iter().map(|message| submit(message).map_err(refused)).collect())
            })
        })
    }

    fn lease(&self, max: u16, wait: Duration) -> HubFuture<'_, Lease> {
        Box::pin(async move {
            let end = Instant::now() + wait;
            let mut changes = self.hub.shared.changes.subscribe();
            loop {
                if let Some(lease) = self.try_lease(max)? {
                    return Ok(lease);
                }
                if timeout_at(end, changes.changed()).await.is_err() {
                    return Ok(Lease::default());
                }
            }
        })
    }

    fn extend<'a>(&'a self, lease: &'a str) -> HubFuture<'a, Duration> {
        Box::pin(async move {
            self.at_hub(
                |exchange| {
                    if exchange.inboxes.extend(lease) { Ok(LEASE) } else { Err(problem(ProblemCode::LeaseLost)) }
                },
            )
        })
    }

    fn release<'a>(&'a self, lease: &'a str, indices: &'a [u64], delay: Duration) -> HubFuture<'a, ()> {
        Box::pin(async move {
            self.at_hub(|exchange| {
                let released = exchange.inboxes.release(lease, indices, delay);
                if released { Ok(()) } else { Err(problem(ProblemCode::LeaseLost)) }
            })
        })
    }

    fn acknowledge<'a>(&'a self, batch: &'a str) -> HubFuture<'a, ()> {
        Box::pin(async move { self.at_hub_maybe_unheard(|exchange| exchange.acknowledge(&self.system, batch)) })
    }

    fn system_keys<'a>(&'a self, system: &'a SystemId) -> HubFuture<'a, Vec<PublishedKey>> {
        Box::pin(async move {
            let (keys, unheard) = self.at_hub(|exchange| {
                let unheard = exchange.faults.lost_keys > 0;
                exchange.faults.lost_keys = exchange.faults.lost_keys.saturating_sub(1);
                Ok((exchange.system_keys(system)?, unheard))
            })?;
            if unheard { Err(lost("the answer was lost")) } else { Ok(keys) }
        })
    }

    fn trust_entries(&self) -> HubFuture<'_, Vec<TrustEntry>> {
        Box::pin(async move { self.at_hub(|exchange| Ok(exchange.trust_entries())) })
    }

    fn document(&self, commit: Sha256Hash) -> HubFuture<'_, Option<DocumentState>> {
        Box::pin(async move { self.at_hub(|exchange| Ok(exchange.document(&self.system, commit))) })
    }

    fn put_document<'a>(&'a self, piece: DocumentPiece<'a>) -> HubFuture<'a, DocumentState> {
        Box::pin(async move { self.at_hub_maybe_unheard(|exchange| exchange.put_document(&self.system, piece)) })
    }

    fn get_document(&self, commit: Sha256Hash, range: Range<u64>) -> HubFuture<'_, DocumentBytes> {
        Box::pin(async move { self.at_hub(|exchange| exchange.get_document(&self.system, commit, range)) })
    }
}

fn refused(document: Box<ProblemDocument>) -> HubError {
    HubError::Problem { document, retry_after: None }
}

fn lost(reason: &'static str) -> HubError {
    HubError::Unreachable { source: reason.into() }
}
