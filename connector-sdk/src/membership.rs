//! What a system does about itself in the hub's registry: joining, its own keys, its agreements.
//!
//! Every change is a registry entry that the system signs and that stands in the log: nobody else can make it, and everybody
//! can check it.

use std::sync::Arc;

use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::{MemberId, MessageId, SystemId};
use saphan_schemas::invitation::{InvitationCode, InvitationError, InvitationSignature};
use saphan_schemas::joining::{AgreementBody, InvitationBody, JoinRequest};
use saphan_schemas::jws::SignError;
use saphan_schemas::keys::{JwkSet, KeyId, PublicKey, PublishedKey, Signer};
use saphan_schemas::registry::{
    Agreement, AgreementSignature, Change, Entry, EntryId, RegistryClaims, SystemKey, TransportKind,
    UnverifiedRegistryEntry,
};
use saphan_schemas::trust::{Trust, TrustBundle};
use serde::Deserialize;
use serde_json::json;

use crate::address::HubAddress;
use crate::clock;
use crate::error::ConnectorError;
use crate::hub_api::http::{HttpHub, answered, base_address, client, read};
use crate::hub_api::{HubApi as _, HubError};
use crate::outgoing::Identity;

/// Why something about a membership was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MembershipError {
    /// The hub said no, or was not reached.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// The hub's address is not usable.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    /// The entry cannot be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The code cannot be used.
    #[error(transparent)]
    Code(#[from] InvitationError),
    /// Somebody else joined with the code.
    #[error("the code was used before, for another key: {0}; ask the hub's operator who has it")]
    UsedByAnother(KeyId),
    /// The key joined, and was revoked since. It never comes back.
    #[error("the key {0} joined with this code and was revoked since; it signs nothing any more")]
    Revoked(KeyId),
    /// What the hub calls the terms of an agreement are not, or were not signed by the hub's operator.
    #[error("the hub's answer about agreements does not hold: {0}; do not sign")]
    Terms(&'static str),
}

/// Who joined, and what to trust from now on.
#[derive(Debug, Clone)]
pub struct Joined {
    /// The system that this key may sign for.
    pub system: SystemId,
    /// How its messages reach it.
    pub transport: TransportKind,
    /// The hub's name and keys, and the broker's address.
    pub trust: TrustBundle,
}

/// An agreement that the system is a party of.
#[derive(Debug, Clone)]
pub struct AgreementTerms {
    /// What it says.
    pub agreement: Agreement,
    /// SHA-256 of the exact text of its registry entry: what a signature names.
    pub terms: Sha256Hash,
    /// The members whose signatures are missing. It is in force when there are none.
    pub unsigned: Vec<MemberId>,
    /// Why the terms are not to be believed: no key that is known as the hub's operator's signed them. Then they are not signed.
    pub doubt: Option<&'static str>,
}

/// Joins a hub: registers `key` for the system that the code invites. The code itself is not sent. It may be repeated with the
/// same key if the answer did not arrive, as long as the key was not revoked.
///
/// # Errors
/// [`MembershipError`].
pub async fn join(
    address: impl Into<HubAddress>,
    code: &InvitationCode,
    key: Arc<dyn Signer>,
) -> Result<Joined, MembershipError> {
    let address = address.into();
    let (base, client) = (base_address(address.url())?, client(&address)?);
    let path = format!("{base}/v1/invitations/{}", code.id()?);
    let InvitationBody { hub, system, transport, used_by } = read(answered(client.get(path)).await?).await?;
    let trust = match used_by {
        None => {
            let signature = code.sign(&hub, &system, key.public().id())?;
            let own = SystemKey { system: system.clone(), jwk: *key.public(), not_before: None, not_after: None };
            let change = Change::Added(Entry::Key(own));
            let identity = Identity { system: system.clone(), hub, key };
            let entry = entry(&identity, change, Some(signature)).await?;
            read(answered(client.post(format!("{base}/v1/join")).json(&JoinRequest { entry })).await?).await?
        }
        Some(kid) if kid == key.public().id() => {
            let path = format!("{base}/v1/systems/{system}/keys");
            let JwkSet { keys, .. } = read(answered(client.get(path)).await?).await?;
            if keys.iter().any(|key| key.kid == kid && key.revoked.is_some()) {
                return Err(MembershipError::Revoked(kid));
            }
            read(answered(client.get(format!("{base}/v1/trust"))).await?).await?
        }
        Some(kid) => return Err(MembershipError::UsedByAnother(kid)),
    };
    Ok(Joined { system, transport, trust })
}

/// A registered system, as it changes what is its own.
pub struct Membership {
    hub: HttpHub,
    identity: Arc<Identity>,
    trust: Trust,
}

impl Membership {
    /// The system's membership at a hub: its address, one of the system's usable keys, and what is trusted about the hub. Terms of
    /// agreements are believed with the signature of the hub's operator only, if its keys are among what is trusted
    /// ([`AgreementTerms::doubt`]).
    ///
    /// # Errors
    /// [`ConnectorError`].
    pub fn new(
        address: impl Into<HubAddress>,
        system: SystemId,
        key: Arc<dyn Signer>,
        trust: &Trust,
    ) -> Result<Self, ConnectorError> {
        let identity = Arc::new(Identity { system, hub: trust.hub.clone(), key });
        let hub = HttpHub::new(&address.into(), Arc::clone(&identity))?;
        Ok(Self { hub, identity, trust: trust.clone() })
    }

    /// The system.
    #[must_use]
    pub fn system(&self) -> &SystemId {
        &self.identity.system
    }

    /// All keys that the system ever had, with their validity.
    ///
    /// # Errors
    /// [`MembershipError`].
    pub async fn keys(&self) -> Result<Vec<PublishedKey>, MembershipError> {
        Ok(self.hub.system_keys(&self.identity.system).await?)
    }

    /// The agreements that the system is a party of.
    ///
    /// # Errors
    /// [`MembershipError`].
    pub async fn agreements(&self) -> Result<Vec<AgreementTerms>, MembershipError> {
        let bodies: Vec<AgreementBody> = self.hub.get("/v1/agreements").await?;
        // The operator may have another key by now.
        let followed = self.trust.follow(&self.hub.trust_entries().await?);
        let trust = followed.as_ref().unwrap_or(&self.trust);
        bodies.into_iter().map(|body| self.terms(body, trust)).collect()
    }

    /// Signs an agreement for the system's member. It is in force once both members have.
    ///
    /// # Errors
    /// [`MembershipError`].
    pub async fn sign(&self, agreement: &AgreementTerms) -> Result<(), MembershipError> {
        if let Some(doubt) = agreement.doubt {
            return Err(MembershipError::Terms(doubt));
        }
        let id = agreement.agreement.id.clone();
        self.change(Change::Signed(AgreementSignature { agreement: id, terms: agreement.terms })).await
    }

    /// Registers another key of the system, valid from `not_before` until `not_after` (seconds since 1970). Both keys are good
    /// until the old one is revoked.
    ///
    /// # Errors
    /// [`MembershipError`].
    pub async fn add_key(
        &self,
        key: PublicKey,
        not_before: Option<u64>,
        not_after: Option<u64>,
    ) -> Result<(), MembershipError> {
        let system = self.identity.system.clone();
        self.change(Change::Added(Entry::Key(SystemKey { system, jwk: key, not_before, not_after }))).await
    }

    /// Revokes a key of the system, at once and for ever. What it signed before stays valid.
    ///
    /// # Errors
    /// [`MembershipError`].
    pub async fn revoke_key(&self, key: KeyId) -> Result<(), MembershipError> {
        self.revoke_keys(&[key]).await
    }

    /// As [`Self::revoke_key`], with several at one moment: none of them can add another key while the others go. All or none.
    ///
    /// # Errors
    /// [`MembershipError`].
    pub async fn revoke_keys(&self, keys: &[KeyId]) -> Result<(), MembershipError> {
        self.changes(keys.iter().map(|key| Change::Revoked(EntryId::Key(*key)))).await
    }

    /// Logs in at the broker as a connector of the system does, with `ca` (PEM) as the only authorities that may vouch for it, and
    /// looks at the system's inbox there: answers how many messages wait in it. Takes nothing.
    ///
    /// # Errors
    /// [`crate::BrokerError`].
    #[cfg(feature = "amqp")]
    pub async fn waiting_at_broker(&self, uri: &str, ca: Option<&str>) -> Result<u32, crate::BrokerError> {
        crate::receive::amqp::inbox(uri, Arc::clone(&self.identity), ca).await
    }

    async fn change(&self, change: Change) -> Result<(), MembershipError> {
        self.changes([change]).await
    }

    async fn changes(&self, changes: impl IntoIterator<Item = Change>) -> Result<(), MembershipError> {
        let mut entries = Vec::new();
        for change in changes {
            entries.push(entry(&self.identity, change, None).await?);
        }
        let _: Applied = self.hub.call("/v1/registry", &json!({ "entries": entries })).await?;
        Ok(())
    }

    /// Believes nothing that is not in the signed entry itself.
    fn terms(&self, body: AgreementBody, trust: &Trust) -> Result<AgreementTerms, MembershipError> {
        let entry =
            UnverifiedRegistryEntry::parse(&body.entry).map_err(|_| MembershipError::Terms("unreadable terms"))?;
        let terms = Sha256Hash::of(body.entry.as_bytes());
        let operators = || trust.operators.iter().chain(&trust.former_operators);
        let claims = entry.claims().clone();
        let doubt = match operators().find(|key| key.id() == entry.kid()) {
            Some(operator) => entry.verify(operator).err().map(|_| "the operator's signature under them does not hold"),
            // A system with the operator's role may make agreements too, but that is seen in the whole log only.
            None => operators().next().map(|_| "they are signed with a key that is not known as the operator's"),
        };
        let (Change::Added(Entry::Agreement(agreement)) | Change::Changed(Entry::Agreement(agreement))) = claims.change
        else {
            return Err(MembershipError::Terms("not an agreement"));
        };
        if !agreement.is_party(&self.identity.system) {
            return Err(MembershipError::Terms("of others"));
        }
        Ok(AgreementTerms { agreement, terms, unsigned: body.unsigned.into_iter().collect(), doubt })
    }
}

#[derive(Deserialize)]
struct Applied {}

async fn entry(
    identity: &Identity,
    change: Change,
    invitation: Option<InvitationSignature>,
) -> Result<String, SignError> {
    let claims = RegistryClaims {
        iss: identity.system.to_string(),
        aud: identity.hub.clone(),
        iat: clock::unix_seconds(),
        jti: MessageId::new(),
        change,
        invitation,
    };
    Ok(identity.sign(claims).await?.as_str().to_owned())
}
