//! The registry as an operator looks at it: `saphan-hub registry show`, `GET /v1/registry`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::{HubId, MemberId};
use saphan_schemas::keys::KeyId;
use saphan_schemas::log::VerifierKey;
use saphan_schemas::message_types::Timestamp;
use saphan_schemas::registry::{
    Agreement, HubKeyRing, Invitation, KeyRecord, Member, RegistryState, Schema, Service, System,
};
use serde::Serialize;

/// Everything that stands, and the keys that once did.
#[derive(Debug, Serialize)]
pub struct RegistryView<'a> {
    hub: &'a HubId,
    /// The place in the log after the last entry.
    next: u64,
    hub_keys: HubKeysView,
    members: Vec<&'a Member>,
    systems: Vec<SystemView<'a>>,
    services: Vec<&'a Service>,
    schemas: Vec<&'a Schema>,
    agreements: Vec<AgreementView<'a>>,
    invitations: Vec<&'a Invitation>,
}

#[derive(Debug, Serialize)]
struct HubKeysView {
    receipts: Vec<KeyView<KeyId>>,
    log: Vec<KeyView<VerifierKey>>,
    operator: Vec<KeyView<KeyId>>,
}

#[derive(Debug, Serialize)]
struct SystemView<'a> {
    #[serde(flatten)]
    system: &'a System,
    keys: Vec<KeyView<KeyId>>,
}

/// Times in seconds since 1970.
#[derive(Debug, Serialize)]
struct KeyView<I> {
    id: I,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked: Option<u64>,
}

#[derive(Debug, Serialize)]
struct AgreementView<'a> {
    #[serde(flatten)]
    agreement: &'a Agreement,
    /// What a signature names.
    terms: Sha256Hash,
    /// The members that signed, and the place of each signature in the log.
    signatures: &'a BTreeMap<MemberId, u64>,
    /// The members whose signatures are missing. It is in force when there are none.
    unsigned: BTreeSet<MemberId>,
}

impl<'a> RegistryView<'a> {
    /// Of a state.
    #[must_use]
    pub fn new(state: &'a RegistryState) -> Self {
        let system = |system: &'a System| SystemView {
            system,
            keys: state.keys_of(&system.id).into_iter().map(KeyView::of_system).collect(),
        };
        Self {
            hub: state.hub(),
            next: state.next(),
            hub_keys: HubKeysView {
                receipts: KeyView::of_hub(state.receipt_keys(), |key| key.id()),
                log: KeyView::of_hub(state.log_keys(), VerifierKey::clone),
                operator: KeyView::of_hub(state.operator_keys(), |key| key.id()),
            },
            members: state.members().collect(),
            systems: state.systems().map(system).collect(),
            services: state.services().collect(),
            schemas: state.schemas().collect(),
            agreements: state
                .agreements()
                .map(|record| AgreementView {
                    agreement: &record.agreement,
                    terms: record.terms,
                    signatures: &record.signatures,
                    unsigned: record.unsigned(),
                })
                .collect(),
            invitations: state.invitations().collect(),
        }
    }
}

impl KeyView<KeyId> {
    fn of_system(record: &KeyRecord) -> Self {
        Self {
            id: record.key.jwk.id(),
            not_before: record.key.not_before,
            not_after: record.key.not_after,
            revoked: record.revoked,
        }
    }
}

impl<I> KeyView<I> {
    fn of_hub<K: Clone + PartialEq>(ring: &HubKeyRing<K>, id: impl Fn(&K) -> I) -> Vec<Self> {
        let view = |key: &K, revoked| Self { id: id(key), not_before: None, not_after: None, revoked };
        ring.all().map(|record| view(&record.key, record.revoked.map(|end| end.at))).collect()
    }
}

impl fmt::Display for RegistryView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "hub {}, registry entries up to place {} of the log", self.hub, self.next)?;
        writeln!(f, "\nkeys of the hub")?;
        self.hub_keys.receipts.iter().try_for_each(|key| writeln!(f, "  receipts  {key}"))?;
        self.hub_keys.log.iter().try_for_each(|key| writeln!(f, "  log       {key}"))?;
        self.hub_keys.operator.iter().try_for_each(|key| writeln!(f, "  operator  {key}"))?;
        writeln!(f, "\nmembers")?;
        self.members.iter().try_for_each(|one| writeln!(f, "  {}  {} / {}", one.id, one.name_th, one.name_en))?;
        writeln!(f, "\nsystems")?;
        for SystemView { system, keys } in &self.systems {
            writeln!(f, "  {}  transport {}, roles {}", system.id, word(&system.transport), words(&system.roles))?;
            keys.iter().try_for_each(|key| writeln!(f, "    key {key}"))?;
        }
        writeln!(f, "\nservices")?;
        self.services.iter().try_for_each(|one| writeln!(f, "  {}  {}", one.id, one.authority))?;
        writeln!(f, "\nagreements")?;
        self.agreements.iter().try_for_each(|one| write!(f, "{one}"))?;
        writeln!(f, "\ninvitations")?;
        for one in &self.invitations {
            writeln!(f, "  {}  {}, until {}", one.id, one.system, time(one.not_after))?;
        }
        writeln!(f, "\nschemas")?;
        self.schemas.iter().try_for_each(|one| writeln!(f, "  {}  {}  {}", one.id, one.version, one.sha256))
    }
}

impl<I: fmt::Display> fmt::Display for KeyView<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id)?;
        for (what, at) in [("from", self.not_before), ("until", self.not_after), ("revoked", self.revoked)] {
            if let Some(at) = at {
                write!(f, ", {what} {}", time(at))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for AgreementView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Agreement {
            id,
            sender,
            receiver,
            types,
            services,
            purposes,
            legal_basis,
            consent,
            retention_days,
            not_before,
            not_after,
        } = self.agreement;
        let mut state = String::from("signed by all");
        if !self.unsigned.is_empty() {
            state = format!("NOT in force: not signed by {}", words(&self.unsigned));
        }
        for (what, at) in [("from", not_before), ("until", not_after)] {
            if let Some(at) = at {
                write!(state, "; {what} {}", time(*at))?;
            }
        }
        writeln!(f, "  {id}  {sender} to {receiver}; {state}")?;
        let consent = if *consent { "; with the person's consent" } else { "" };
        let kept = retention_days.map(|days| format!("; bodies kept {days} days")).unwrap_or_default();
        let (types, services, purposes) = (words(types), words(services), words(purposes));
        writeln!(f, "    types {types}; services {services}; purposes {purposes}; {legal_basis}{consent}{kept}")
    }
}

/// As its JSON says it.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(ToOwned::to_owned)).unwrap_or_default()
}

fn words<T: Serialize>(values: &BTreeSet<T>) -> String {
    if values.is_empty() { "none".to_owned() } else { values.iter().map(word).collect::<Vec<_>>().join(", ") }
}

/// A time that no calendar of ours has is shown as the number it is.
fn time(seconds: u64) -> String {
    Timestamp::from_unix_seconds(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}
