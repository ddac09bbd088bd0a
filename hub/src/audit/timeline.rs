//! One message's way, from the log and the store: nothing of it rests on the index.

use saphan_schemas::acknowledgement::Outcome;
use saphan_schemas::envelope::UnverifiedEnvelope;
use saphan_schemas::facts::EntryFacts;
use saphan_schemas::leaf::Leaf;

use super::{Asked, AuditError, Fate, MessageFile, Moment, Place, PlacedRow, Row, Step, Timeline, TimelineQuery};
use crate::ledger::{EvidenceError, evidence};
use crate::store::{MessageRecord, MessageState, StoreError};

/// An entry of the log, and what it says.
struct Known {
    leaf: Vec<u8>,
    facts: EntryFacts,
}

impl Asked<'_> {
    /// A message's way, and what proves it.
    ///
    /// # Errors
    /// [`AuditError`]; [`AuditError::NotFound`] when there is no such message.
    pub async fn timeline(&self, query: &TimelineQuery) -> Result<Timeline, AuditError> {
        let records = self.app.store.messages(query.id).await?;
        let sent_by = |record: &MessageRecord| query.from.as_ref().is_none_or(|from| record.sender == *from);
        let record = records.into_iter().filter(sent_by).min_by_key(|record| record.index);
        let record = record.ok_or(AuditError::NotFound)?;
        let message = self.known(record.index).await?;
        let acknowledgement = match record.acknowledgement {
            Some(place) => Some((place, self.known(place).await?)),
            None => None,
        };
        let erasure = match record.erased {
            Some(place) => Some((place, self.known(place).await?)),
            None => None,
        };
        let cosigned = self.app.cosigned_of(self.app.shards.at(record.index)).await?;
        let evidence = evidence(&*self.app.store, &self.app.shards, record.index, cosigned.as_deref()).await?;
        let not_after = UnverifiedEnvelope::parse(&evidence.envelope).map_err(EvidenceError::from)?.claims().not_after;
        Ok(Timeline {
            query: self.index_of_query(),
            message: row(&record, &message.facts, acknowledgement.as_ref()).located(&self.app.shards),
            moments: moments(&record, &message.facts, not_after, acknowledgement.as_ref(), erasure.as_ref())
                .into_iter()
                .map(|moment| moment.located(&self.app.shards))
                .collect(),
            evidence: MessageFile { envelope: evidence.envelope, receipt: evidence.receipt, proof: evidence.proof },
            cosigned_proof: evidence.cosigned_proof,
            acknowledgement: acknowledgement.and_then(|(_, known)| statement(&known.leaf)),
        })
    }

    async fn known(&self, place: u64) -> Result<Known, AuditError> {
        let leaf = self.app.store.entries(place, 1).await?.pop();
        let leaf = leaf.ok_or(StoreError::Corrupt { what: "an entry of a message's way" })?;
        let facts = EntryFacts::read(&leaf).ok_or(StoreError::Corrupt { what: "an entry of a message's way" })?;
        Ok(Known { leaf, facts })
    }
}

fn row(record: &MessageRecord, facts: &EntryFacts, acknowledgement: Option<&(u64, Known)>) -> PlacedRow {
    let outcome = match record.state {
        MessageState::Settled(Outcome::Processed) => Fate::Processed,
        MessageState::Settled(Outcome::Rejected) => Fate::Rejected,
        MessageState::Accepted | MessageState::Delivered | MessageState::Expired => Fate::Unacknowledged,
    };
    let says = Row {
        outcome: Some(outcome),
        code: record.code.as_ref().map(ToString::to_string),
        acknowledged_at: acknowledgement.map(|(_, known)| known.facts.at),
        ..Row::new(0, facts)
    };
    PlacedRow::new(Place(record.index), record.acknowledgement.map(Place), record.erased.map(Place), says)
}

fn moments(
    record: &MessageRecord,
    facts: &EntryFacts,
    not_after: Option<u64>,
    acknowledgement: Option<&(u64, Known)>,
    erasure: Option<&(u64, Known)>,
) -> Vec<Moment> {
    let milliseconds = |seconds: u64| seconds.saturating_mul(1000);
    let moment = |step, at, entry| Moment { step, at, entry, log: None };
    let mut moments = vec![
        moment(Step::Submitted, facts.signed.map(milliseconds), Some(record.index)),
        moment(Step::Accepted, Some(facts.at), Some(record.index)),
    ];
    match record.state {
        MessageState::Delivered => moments.push(moment(Step::Sent, None, None)),
        MessageState::Expired => moments.push(moment(Step::Expired, not_after.map(milliseconds), None)),
        MessageState::Accepted | MessageState::Settled(_) => {}
    }
    if let Some((place, known)) = acknowledgement {
        moments.push(moment(Step::Delivered, known.facts.signed.map(milliseconds), Some(*place)));
        moments.push(moment(Step::Acknowledged, Some(known.facts.at), Some(*place)));
    }
    if let Some((place, known)) = erasure {
        moments.push(moment(Step::Erased, Some(known.facts.at), Some(*place)));
    }
    moments
}

fn statement(leaf: &[u8]) -> Option<String> {
    match Leaf::parse(leaf) {
        Ok(Leaf::Acknowledgement { acknowledgement, .. }) => Some(acknowledgement),
        _ => None,
    }
}
