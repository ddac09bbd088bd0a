//! What the hub's own system says and hears, as the log shows it: it has no connector here that would count.

use std::collections::HashSet;

use anyhow::{Context as _, bail};
use saphan_cli::log_check::{HttpLog, LogSource as _, SourceError};
use saphan_schemas::acknowledgement::{Outcome, UnverifiedAcknowledgement};
use saphan_schemas::envelope::UnverifiedEnvelope;
use saphan_schemas::ids::SystemId;
use saphan_schemas::leaf::Leaf;
use saphan_schemas::log::{SignedCheckpoint, TILE_WIDTH, TileContent, TilePath, VerifierKey, decode_bundle};

use super::exchange::Exchange;
use crate::registry::ONCE_ONLY;

/// The messages of a log, followed as it grows.
pub(super) struct Traffic {
    source: HttpLog,
    vkey: VerifierKey,
    own: SystemId,
    /// The entries read so far.
    size: u64,
    /// Places of messages that are not acknowledged.
    open: HashSet<u64>,
    /// Places of messages to the hub's own system.
    to_own: HashSet<u64>,
    counts: OwnCounts,
    messages: u64,
}

/// What the hub's own system did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct OwnCounts {
    /// Messages that it sent.
    pub(super) sent: u64,
    /// Messages to it that it has taken: its acknowledgement is in the log.
    pub(super) taken: u64,
}

impl Traffic {
    pub(super) fn new(exchange: &Exchange) -> anyhow::Result<Self> {
        Ok(Self {
            source: HttpLog::new(exchange.address())?,
            vkey: exchange.trust.log.clone(),
            own: ONCE_ONLY.parse()?,
            size: 0,
            open: HashSet::new(),
            to_own: HashSet::new(),
            counts: OwnCounts::default(),
            messages: 0,
        })
    }

    /// What it did so far.
    pub(super) const fn own(&self) -> OwnCounts {
        self.counts
    }

    /// Messages so far.
    pub(super) const fn messages(&self) -> u64 {
        self.messages
    }

    /// Whether each message so far is acknowledged.
    pub(super) fn is_settled(&self) -> bool {
        self.open.is_empty()
    }

    /// Reads what is new.
    pub(super) async fn follow(&mut self) -> anyhow::Result<()> {
        let text = String::from_utf8(self.source.fetch("checkpoint").await?).context("no checkpoint")?;
        let size = SignedCheckpoint::parse_and_verify(&text, &self.vkey)?.checkpoint().size;
        let width = u64::from(TILE_WIDTH);
        while self.size < size {
            let bundle = self.size / width;
            let entries = u16::try_from((size - bundle * width).min(width))?;
            let path = TilePath::new(TileContent::Entries, bundle, entries)?;
            let bytes = match self.source.fetch(&path.to_string()).await {
                Ok(bytes) => bytes,
                // The log has grown meanwhile, and the full bundle has taken its place: it is read next time.
                Err(SourceError::NotFound) if path.is_partial() => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let skipped = usize::try_from(self.size - bundle * width)?;
            for entry in decode_bundle(&bytes, entries)?.into_iter().skip(skipped) {
                self.take(entry)?;
                self.size += 1;
            }
        }
        Ok(())
    }

    fn take(&mut self, entry: &[u8]) -> anyhow::Result<()> {
        match Leaf::parse(entry)? {
            Leaf::Message { envelope, .. } => {
                let envelope = UnverifiedEnvelope::parse(&envelope)?;
                self.messages += 1;
                self.open.insert(self.size);
                self.counts.sent += u64::from(envelope.claims().iss == self.own);
                if envelope.claims().aud == self.own {
                    self.to_own.insert(self.size);
                }
            }
            Leaf::Acknowledgement { acknowledgement, .. } => {
                let batch = UnverifiedAcknowledgement::parse(&acknowledgement)?;
                for message in &batch.claims().messages {
                    if message.outcome == Outcome::Rejected {
                        bail!("{} rejected message {}: {:?}", batch.claims().iss, message.index, message.code);
                    }
                    let is_first = self.open.remove(&message.index);
                    self.counts.taken += u64::from(is_first && self.to_own.contains(&message.index));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
