//! One pass over a log for everything that may belong into a bundle.

use std::collections::BTreeSet;

use saphan_schemas::acknowledgement::UnverifiedAcknowledgement;
use saphan_schemas::envelope::{EnvelopeClaims, UnverifiedEnvelope};
use saphan_schemas::ids::Code;
use saphan_schemas::leaf::{Leaf, SchemaVersion, ShardEvent};
use saphan_schemas::log::decode_bundle;
use saphan_schemas::registry::{MessageFacts, RegistryClaims, RegistryState, Root, UnverifiedRegistryEntry};

use super::{Wanted, place};
use crate::log_check::{LogCheckError, LogSource, bundles, fetch_tile};

/// What the pass found.
#[derive(Default)]
pub(super) struct Gathered {
    /// The entry that opens the log.
    pub(super) opening: Option<String>,
    /// All entries of the registry. They grow with the registry, not with the log.
    pub(super) registry: Vec<RegistryLeaf>,
    /// The messages that are wanted.
    pub(super) messages: Vec<MessageLeaf>,
    /// What their receivers acknowledged, and what was erased of them: place and leaf.
    pub(super) about_them: Vec<(u64, String)>,
}

pub(super) struct RegistryLeaf {
    pub(super) index: u64,
    pub(super) leaf: String,
    pub(super) claims: RegistryClaims,
}

pub(super) struct MessageLeaf {
    pub(super) index: u64,
    pub(super) leaf: String,
    pub(super) claims: EnvelopeClaims,
    pub(super) schema: SchemaVersion,
    /// The agreement that allowed it.
    pub(super) agreement: Option<Code>,
}

/// Reads the first `size` entries of a log that was checked: nothing is judged here.
pub(super) async fn gather(source: &dyn LogSource, size: u64, wanted: &Wanted) -> Result<Gathered, LogCheckError> {
    let mut gathered = Gathered::default();
    let mut pass = Pass { wanted, places: wanted.files.iter().filter_map(place).collect(), registry: None };
    pass.places.extend(&wanted.places);
    for path in bundles(0, size) {
        let bytes = fetch_tile(source, path).await?;
        let entries = decode_bundle(&bytes, path.width()).map_err(|source| LogCheckError::Bundle { path, source })?;
        for (index, bytes) in (path.start()..).zip(entries) {
            // It was read before, as a part of the check.
            let (Ok(leaf), Ok(text)) = (Leaf::parse(bytes), std::str::from_utf8(bytes)) else { continue };
            pass.take(index, leaf, text, &mut gathered);
        }
    }
    Ok(gathered)
}

struct Pass<'a> {
    wanted: &'a Wanted,
    places: BTreeSet<u64>,
    /// The registry after the entries so far.
    registry: Option<RegistryState>,
}

impl Pass<'_> {
    fn take(&mut self, index: u64, leaf: Leaf, text: &str, gathered: &mut Gathered) {
        match leaf {
            Leaf::Shard { event: ShardEvent::Opened { hub, operator, receipts, log, .. }, .. } => {
                let root = Root { hub, operator: *operator, receipts: *receipts, log: *log };
                self.registry = Some(RegistryState::new(root));
                gathered.opening = Some(text.to_owned());
            }
            Leaf::Registry { ts, entry } => {
                let Ok(entry) = UnverifiedRegistryEntry::parse(&entry) else { return };
                let claims = entry.claims().clone();
                gathered.registry.push(RegistryLeaf { index, leaf: text.to_owned(), claims });
                if let Some(registry) = &mut self.registry {
                    // Refused is none, in a log that was checked.
                    drop(registry.take(entry, index, ts / 1000));
                }
            }
            Leaf::Message { ts, schema, envelope } => {
                let Ok(envelope) = UnverifiedEnvelope::parse(&envelope) else { return };
                let claims = envelope.claims();
                if self.is_wanted(index, claims) {
                    let facts = MessageFacts { claims, now: ts / 1000 };
                    let allowed = self.registry.as_ref().and_then(|registry| registry.allows(facts).ok());
                    let agreement = allowed.map(|agreement| agreement.id.clone());
                    let (leaf, claims) = (text.to_owned(), claims.clone());
                    gathered.messages.push(MessageLeaf { index, leaf, claims, schema, agreement });
                }
            }
            Leaf::Acknowledgement { acknowledgement, .. } => {
                let Ok(batch) = UnverifiedAcknowledgement::parse(&acknowledgement) else { return };
                let said = &batch.claims().messages;
                if said.iter().any(|said| gathered.has(said.index)) {
                    gathered.about_them.push((index, text.to_owned()));
                }
            }
            Leaf::Erasure { index: erased, .. } if gathered.has(erased) => {
                gathered.about_them.push((index, text.to_owned()));
            }
            Leaf::Erasure { .. } | Leaf::Refusal { .. } | Leaf::Query { .. } | Leaf::Shard { .. } => {}
        }
    }

    fn is_wanted(&self, index: u64, claims: &EnvelopeClaims) -> bool {
        let Wanted { ids, cases, .. } = self.wanted;
        self.places.contains(&index)
            || ids.contains(&claims.jti)
            || claims.case.is_some_and(|case| cases.contains(&case))
    }
}

impl Gathered {
    fn has(&self, index: u64) -> bool {
        self.messages.binary_search_by_key(&index, |message| message.index).is_ok()
    }
}
