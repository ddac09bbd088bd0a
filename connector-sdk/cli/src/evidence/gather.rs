//! One pass over the logs for everything that may belong into a bundle. Entries are known by their places over all logs.

use std::collections::BTreeSet;

use saphan_schemas::acknowledgement::UnverifiedAcknowledgement;
use saphan_schemas::envelope::{EnvelopeClaims, UnverifiedEnvelope};
use saphan_schemas::ids::{Code, SystemId};
use saphan_schemas::leaf::{Leaf, SchemaVersion};
use saphan_schemas::log::decode_bundle;
use saphan_schemas::registry::{MessageFacts, RegistryClaims, RegistryState, UnverifiedRegistryEntry};
use saphan_schemas::succession::Opening;

use super::logs::{Log, Logs};
use super::{EntryName, LogName, Wanted, name};
use crate::log_check::{LogCheckError, bundles, fetch_tile};

/// What the pass found.
#[derive(Default)]
pub(super) struct Gathered {
    /// The entries that open the logs, and those that close one before the last: place and leaf.
    pub(super) shards: Vec<(u64, String)>,
    /// The systems that vouch in them for the key of a log, where the operator himself does not.
    pub(super) vouch: Vec<SystemId>,
    /// All entries of the registry. They grow with the registry, not with the log.
    pub(super) registry: Vec<RegistryLeaf>,
    /// The messages that are wanted.
    pub(super) messages: Vec<MessageLeaf>,
    /// What their receivers acknowledged, and what was erased of them: place and leaf.
    pub(super) about_them: Vec<(u64, String)>,
}

pub(super) struct RegistryLeaf {
    pub(super) place: u64,
    pub(super) leaf: String,
    pub(super) claims: RegistryClaims,
}

pub(super) struct MessageLeaf {
    pub(super) place: u64,
    pub(super) leaf: String,
    pub(super) claims: EnvelopeClaims,
    pub(super) schema: SchemaVersion,
    /// The agreement that allowed it.
    pub(super) agreement: Option<Code>,
}

/// Reads logs that were checked: nothing is judged here.
pub(super) async fn gather(logs: &Logs<'_>, wanted: &Wanted) -> Result<Gathered, LogCheckError> {
    let mut gathered = Gathered::default();
    let of_files = wanted.files.iter().filter_map(name);
    let places = of_files.chain(wanted.entries.iter().cloned()).filter_map(|name| logs.place_of(&name)).collect();
    let mut pass = Pass { logs, wanted, places, registry: None };
    for log in logs.all() {
        for path in bundles(0, log.signed.checkpoint().size) {
            let bytes = fetch_tile(log.source(), path).await?;
            let entries = decode_bundle(&bytes, path.width());
            let entries = entries.map_err(|source| LogCheckError::Bundle { path, source })?;
            for (index, bytes) in (path.start()..).zip(entries) {
                // It was read before, as a part of the check.
                let (Ok(leaf), Ok(text)) = (Leaf::parse(bytes), std::str::from_utf8(bytes)) else { continue };
                pass.take(log, index, leaf, text, &mut gathered);
            }
        }
    }
    // Behind the last one nothing comes.
    let end = logs.all().last().map_or(0, |log| log.first);
    gathered.shards.retain(|(place, _)| *place <= end);
    Ok(gathered)
}

struct Pass<'a> {
    logs: &'a Logs<'a>,
    wanted: &'a Wanted,
    places: BTreeSet<u64>,
    /// The registry after the entries so far.
    registry: Option<RegistryState>,
}

impl Pass<'_> {
    fn take(&mut self, log: &Log<'_>, index: u64, leaf: Leaf, text: &str, gathered: &mut Gathered) {
        let place = log.first + index;
        match leaf {
            Leaf::Shard { event, .. } => {
                let Some(opening) = Opening::of(event) else { return gathered.shards.push((place, text.to_owned())) };
                if let Ok(Some(entry)) = opening.vouching() {
                    gathered.vouch.extend(entry.claims().iss.parse::<SystemId>());
                }
                // The registry goes on over all logs. A key that a leaf here brings is none that messages are signed with.
                self.registry.get_or_insert_with(|| RegistryState::new(opening.root));
                gathered.shards.push((place, text.to_owned()));
            }
            Leaf::Registry { ts, entry } => {
                let Ok(entry) = UnverifiedRegistryEntry::parse(&entry) else { return };
                let claims = entry.claims().clone();
                gathered.registry.push(RegistryLeaf { place, leaf: text.to_owned(), claims });
                if let Some(registry) = &mut self.registry {
                    // Refused is none, in a log that was checked.
                    drop(registry.take(entry, place, ts / 1000));
                }
            }
            Leaf::Message { ts, schema, envelope } => {
                let Ok(envelope) = UnverifiedEnvelope::parse(&envelope) else { return };
                let claims = envelope.claims();
                if self.is_wanted(place, claims) {
                    let facts = MessageFacts { claims, now: ts / 1000 };
                    let allowed = self.registry.as_ref().and_then(|registry| registry.allows(facts).ok());
                    let agreement = allowed.map(|agreement| agreement.id.clone());
                    let (leaf, claims) = (text.to_owned(), claims.clone());
                    gathered.messages.push(MessageLeaf { place, leaf, claims, schema, agreement });
                }
            }
            Leaf::Acknowledgement { acknowledgement, .. } => {
                let Ok(batch) = UnverifiedAcknowledgement::parse(&acknowledgement) else { return };
                let claims = batch.claims();
                if claims.messages.iter().any(|said| self.speaks_of(log, &claims.log, said.index, gathered)) {
                    gathered.about_them.push((place, text.to_owned()));
                }
            }
            Leaf::Erasure { index: erased, log: of, .. } if self.speaks_of(log, &of, erased, gathered) => {
                gathered.about_them.push((place, text.to_owned()));
            }
            Leaf::Erasure { .. } | Leaf::Refusal { .. } | Leaf::Query { .. } => {}
        }
    }

    fn is_wanted(&self, place: u64, claims: &EnvelopeClaims) -> bool {
        let Wanted { ids, cases, .. } = self.wanted;
        self.places.contains(&place)
            || ids.contains(&claims.jti)
            || claims.case.is_some_and(|case| cases.contains(&case))
    }

    /// Whether an entry of `log` that says this is about one of the messages. Without a name it is about its own log: what is said of an
    /// earlier one names that.
    fn speaks_of(&self, log: &Log<'_>, of: &Option<String>, index: u64, gathered: &Gathered) -> bool {
        let log = LogName::Origin(of.clone().unwrap_or_else(|| log.origin().to_owned()));
        self.logs.place_of(&EntryName { log, index }).is_some_and(|place| gathered.has(place))
    }
}

impl Gathered {
    fn has(&self, place: u64) -> bool {
        self.messages.binary_search_by_key(&place, |message| message.place).is_ok()
    }
}
