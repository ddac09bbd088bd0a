//! Acknowledgements of what came to the hub's own system.

use saphan_schemas::acknowledgement::{Acknowledged, AcknowledgementClaims, MAX_ACKNOWLEDGED};
use saphan_schemas::ids::MessageId;
use saphan_schemas::jws::{SignError, Signed};

use super::{Desk, Letter, LetterError, SignedLetter};
use crate::store::cases::StoredLetter;

impl Desk {
    /// Acknowledges messages to the hub's own system, by their places, in as many batches as their length needs: what is rejected has a code, and
    /// fewer of those fit.
    ///
    /// # Errors
    /// [`LetterError`].
    pub(in crate::cases) fn acknowledge(
        &self,
        messages: &[Acknowledged],
        now: u64,
    ) -> Result<Vec<Letter>, LetterError> {
        let mut letters = Vec::new();
        // A batch is about one log.
        let logs = messages.chunk_by(|one, next| self.shards.at(one.index) == self.shards.at(next.index));
        let mut waiting: Vec<&[Acknowledged]> = logs.flat_map(|log| log.chunks(MAX_ACKNOWLEDGED)).collect();
        waiting.reverse();
        while let Some(batch) = waiting.pop() {
            match self.acknowledge_batch(batch, now) {
                Err(LetterError::Sign(SignError::TooLong { .. })) if batch.len() > 1 => {
                    let (first, second) = batch.split_at(batch.len() / 2);
                    waiting.extend([second, first]);
                }
                letter => letters.push(letter?),
            }
        }
        Ok(letters)
    }

    fn acknowledge_batch(&self, messages: &[Acknowledged], now: u64) -> Result<Letter, LetterError> {
        let id = MessageId::new();
        let log = messages.first().map(|one| self.shards.at(one.index).origin.clone());
        let located = |one: &Acknowledged| Acknowledged { index: self.shards.located(one.index).index, ..one.clone() };
        let messages = messages.iter().map(located).collect();
        let (iss, aud) = (self.own.clone(), self.hub.clone());
        let claims = AcknowledgementClaims { iss, aud, jti: id, iat: now / 1000, log, messages };
        let signed = Signed::sign(claims, &*self.signer)?;
        let stored = StoredLetter { id, case: None, text: signed.as_str().to_owned(), content: None };
        Ok(Letter { stored, signed: SignedLetter::Acknowledgement(Box::new(signed)) })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use saphan_schemas::acknowledgement::Outcome;
    use saphan_schemas::keys::SigningKey;

    use super::*;
    use crate::shards::Shards;

    #[test]
    fn acknowledgements_are_as_many_batches_as_their_length_needs() {
        let signer = Arc::new(SigningKey::generate().unwrap().0);
        let (own, hub) = ("th.dga/once-only".parse().unwrap(), "hub.test".parse().unwrap());
        let shards = Shards::first("hub.test/log/a".into()).followed_by("hub.test/log/b".into(), 1_000_100);
        let desk = Desk { own, hub, shards: Arc::new(shards), signer };
        let rejected = |index| Acknowledged {
            index,
            outcome: Outcome::Rejected,
            code: Some("evidence-subject-mismatch".parse().unwrap()),
        };
        let messages: Vec<_> = (1_000_000..1_000_000 + MAX_ACKNOWLEDGED as u64).map(rejected).collect();
        let letters = desk.acknowledge(&messages, 1_790_000_000_000).unwrap();
        assert_eq!(letters.len(), 2, "one for each log");
        let all_of_one = Desk { shards: Arc::new(Shards::first("hub.test/log/a".into())), ..desk.clone() };
        let of_one = all_of_one.acknowledge(&messages, 1_790_000_000_000).unwrap();
        assert_eq!(of_one.len(), 2, "so many with a code do not fit into one");
        let said: Vec<_> = letters
            .iter()
            .flat_map(|letter| match &letter.signed {
                SignedLetter::Acknowledgement(batch) => desk.shards.acknowledged(batch.claims()),
                SignedLetter::Message(_) => Vec::new(),
            })
            .collect();
        assert_eq!(said, messages);
    }
}
