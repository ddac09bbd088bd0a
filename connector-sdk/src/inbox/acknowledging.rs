//! Signs outcomes in batches and hands them to the hub.

use std::collections::{HashSet, VecDeque};
use std::mem;
use std::sync::Arc;

use saphan_schemas::acknowledgement::{Acknowledged, AcknowledgementClaims, MAX_ACKNOWLEDGED, Outcome as Said};
use saphan_schemas::ids::MessageId;
use saphan_schemas::jws::{Claims as _, SignError};
use saphan_schemas::problem::ProblemCode;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::{BATCH, Inbox};
use crate::clock;
use crate::hub_api::HubError;
use crate::journal::{LogPlace, ToAcknowledge};
use crate::stats::Stats;
use crate::stop::Stop;

/// An outcome that the hub has not confirmed.
pub(super) struct Outcome {
    pub(super) acknowledge: ToAcknowledge,
    /// It was acknowledged before, and its message came again.
    pub(super) again: bool,
}

pub(super) async fn run(inbox: Arc<Inbox>, mut settled: mpsc::Receiver<Outcome>, left: Vec<ToAcknowledge>, stop: Stop) {
    let mut waiting: Vec<Outcome> = left.into_iter().map(|acknowledge| Outcome { acknowledge, again: false }).collect();
    loop {
        let mut batches = pack(mem::take(&mut waiting));
        while let Some(batch) = batches.pop_front() {
            match hand_in(&inbox, &batch, stop.clone()).await {
                HandedIn::Done => done(&inbox, &batch).await,
                HandedIn::Later => return,
                HandedIn::NotAcceptable if batch.len() > 1 => {
                    // One of them is to blame: halve until it stands alone.
                    let mut first = batch;
                    let second = first.split_off(first.len() / 2);
                    batches.push_front(second);
                    batches.push_front(first);
                }
                HandedIn::NotAcceptable => {
                    let index = batch.first().map(|outcome| outcome.acknowledge.place.index);
                    tracing::error!(index, "the hub does not take the acknowledgement of this message; it is given up");
                    done(&inbox, &batch).await;
                }
            }
        }
        if settled.recv_many(&mut waiting, BATCH).await == 0 {
            return;
        }
    }
}

enum HandedIn {
    Done,
    /// The connector stops; the outcomes are durable and are handed in after the next start.
    Later,
    /// The hub will never take this batch as it is.
    NotAcceptable,
}

async fn hand_in(inbox: &Inbox, batch: &[Outcome], mut stop: Stop) -> HandedIn {
    let mut text: Option<String> = None;
    let mut failures = 0;
    loop {
        // Signed once, unless the key's device is away: a batch that may have arrived must come again as it was.
        let handed_in = match &text {
            Some(text) => inbox.hub.acknowledge(text).await,
            None => match sign(inbox, batch).await {
                Ok(signed) => inbox.hub.acknowledge(text.insert(signed)).await,
                Err(SignError::Key(error)) if error.is_retryable() => Err(SignError::Key(error).into()),
                Err(_) => return HandedIn::NotAcceptable,
            },
        };
        let error = match handed_in {
            Ok(()) => return HandedIn::Done,
            Err(error) => error,
        };
        if is_about_content(&error) {
            return HandedIn::NotAcceptable;
        }
        failures += 1;
        if failures == 1 {
            tracing::warn!(%error, "acknowledgements cannot be handed in; they wait in the journal");
        }
        tokio::select! {
            () = stop.given() => return HandedIn::Later,
            () = sleep(inbox.backoff.delay(failures, error.retry_after())) => {}
        }
    }
}

fn is_about_content(error: &HubError) -> bool {
    matches!(
        error.problem_code(),
        Some(
            ProblemCode::AcknowledgementUnknownMessage
                | ProblemCode::AcknowledgementConflict
                | ProblemCode::AcknowledgementMalformed
        )
    )
}

async fn sign(inbox: &Inbox, batch: &[Outcome]) -> Result<String, SignError> {
    let messages = batch.iter().map(|outcome| said(&outcome.acknowledge)).collect();
    let log = batch.first().map(|outcome| outcome.acknowledge.place.log.as_ref().to_owned());
    let claims = AcknowledgementClaims {
        iss: inbox.identity.system.clone(),
        aud: inbox.identity.hub.clone(),
        jti: MessageId::new(),
        iat: clock::unix_seconds(),
        log,
        messages,
    };
    Ok(inbox.identity.sign(claims).await?.as_str().to_owned())
}

fn said(acknowledge: &ToAcknowledge) -> Acknowledged {
    let outcome = if acknowledge.code.is_some() { Said::Rejected } else { Said::Processed };
    Acknowledged { index: acknowledge.place.index, outcome, code: acknowledge.code.clone() }
}

async fn done(inbox: &Inbox, batch: &[Outcome]) {
    let first: Vec<&Outcome> = batch.iter().filter(|outcome| !outcome.again).collect();
    let ids: Vec<i64> = first.iter().map(|outcome| outcome.acknowledge.id).collect();
    let places: Vec<LogPlace> = batch.iter().map(|outcome| outcome.acknowledge.place.clone()).collect();
    if !ids.is_empty() {
        inbox.until_written(|| inbox.journal.acknowledged(ids.clone())).await;
    }
    // After the journal: a message that comes again until then is known as handled, and its lease ends here too.
    inbox.transport.acknowledged(&places);
    Stats::add(&inbox.stats.acknowledged, batch.len());
    inbox.unsettled.send_modify(|count| *count = count.saturating_sub(first.len()));
}

/// Batches that fit into a leaf, each about one log, each message once.
fn pack(mut outcomes: Vec<Outcome>) -> VecDeque<Vec<Outcome>> {
    outcomes.sort_by(|one, other| one.acknowledge.place.log.cmp(&other.acknowledge.place.log));
    let mut batches = VecDeque::new();
    let (mut batch, mut bytes, mut places) = (Vec::<Outcome>::new(), 0, HashSet::new());
    for outcome in outcomes {
        if !places.insert(outcome.acknowledge.place.clone()) {
            continue;
        }
        let more = entry_bytes(&outcome.acknowledge);
        let is_of_another = |first: &Outcome| first.acknowledge.place.log != outcome.acknowledge.place.log;
        let is_full = batch.len() == MAX_ACKNOWLEDGED || bytes + more > ENTRIES_BYTES;
        if is_full || batch.first().is_some_and(is_of_another) {
            batches.push_back(mem::take(&mut batch));
            bytes = 0;
        }
        bytes += more;
        batch.push(outcome);
    }
    if !batch.is_empty() {
        batches.push_back(batch);
    }
    batches
}

/// The most that an entry can take in the payload: `{"index":…,"outcome":"processed","code":"…"},`.
fn entry_bytes(acknowledge: &ToAcknowledge) -> usize {
    let digits = acknowledge.place.index.checked_ilog10().unwrap_or(0) as usize + 1;
    let code = acknowledge.code.as_ref().map_or(0, |code| code.as_str().len() + r#","code":"""#.len());
    r#"{"index":,"outcome":"processed"},"#.len() + digits + code
}

/// What entries may take in the payload: base64 makes four bytes of three, and header, other claims and signature need room.
const ENTRIES_BYTES: usize = (AcknowledgementClaims::MAX_BYTES - FRAME_BYTES) / 4 * 3;

/// Header (170), signature (86), and the other claims at their longest (128 + 128 + 36 + 196 + names, in base64), rounded up.
const FRAME_BYTES: usize = 1180;

#[cfg(test)]
mod tests {
    use saphan_schemas::jws::Signed;
    use saphan_schemas::keys::SigningKey;

    use super::*;

    fn outcome(log: &str, index: u64, code: Option<&str>) -> Outcome {
        let code = code.map(|code| code.parse().unwrap());
        Outcome { acknowledge: ToAcknowledge { id: 0, place: LogPlace { log: log.into(), index }, code }, again: false }
    }

    #[test]
    fn every_packed_batch_can_be_signed_and_batches_are_few() {
        let key = SigningKey::generate().unwrap().0;
        let code = "x".repeat(64);
        for (code, most) in [(None, 5), (Some(code.as_str()), 13)] {
            let log = format!("{}/log/{}", "h".repeat(128), "s".repeat(63));
            let outcomes = (0..1000).map(|at| outcome(&log, (1 << 63) - 1 - at, code)).collect();
            let batches = pack(outcomes);
            assert!(batches.len() <= most, "{} batches", batches.len());
            assert_eq!(batches.iter().map(Vec::len).sum::<usize>(), 1000);
            for batch in batches {
                let claims = AcknowledgementClaims {
                    iss: format!("{}/{}", "m".repeat(64), "s".repeat(63)).parse().unwrap(),
                    aud: "h".repeat(128).parse().unwrap(),
                    jti: MessageId::new(),
                    iat: 253_370_764_799,
                    log: Some(log.clone()),
                    messages: batch.iter().map(|outcome| said(&outcome.acknowledge)).collect(),
                };
                Signed::sign(claims, &key).unwrap();
            }
        }
    }

    #[test]
    fn a_message_stands_once_in_what_is_packed() {
        let batches = pack(vec![outcome("a", 7, None), outcome("a", 7, None), outcome("a", 8, None)]);
        assert_eq!(batches.iter().map(Vec::len).sum::<usize>(), 2);
    }

    #[test]
    fn a_batch_is_about_one_log() {
        let batches = pack(vec![outcome("a", 7, None), outcome("b", 7, None), outcome("a", 8, None)]);
        let logs = batches.iter().map(|batch| batch.iter().map(|one| &*one.acknowledge.place.log).collect::<Vec<_>>());
        assert_eq!(logs.collect::<Vec<_>>(), [vec!["a", "a"], vec!["b"]]);
    }
}
