//! How a system of the examples comes into the exchange: an invitation, a key of its own, its member's signatures.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use saphan_connector::membership::{Membership, MembershipError, join};
use saphan_connector::{Connector, ConnectorBuilder, HubAddress};
use saphan_schemas::ids::SystemId;
use saphan_schemas::keys::{Signer, SigningKey};
use saphan_schemas::trust::Trust;
use tokio::time::Instant;

use crate::local::hub::HubProcess;

/// A system that joined, with what its connector needs.
pub struct Joined {
    /// The system.
    pub system: SystemId,
    /// When it was invited.
    pub invited: Instant,
    /// What it trusts from now on.
    pub trust: Trust,
    hub: HubAddress,
    key: Arc<dyn Signer>,
}

impl Joined {
    /// Its connector, but for how it receives.
    pub fn connector(&self, data: PathBuf) -> ConnectorBuilder {
        let builder = Connector::builder(self.system.clone()).hub(self.hub.clone()).trust(self.trust.clone());
        builder.signer(Arc::clone(&self.key)).data_dir(data)
    }
}

/// Lets the operator invite the system, joins with a new key as `saphan join` does, and signs the agreements that name it.
///
/// # Errors
/// The hub refuses, or is not reached.
pub async fn join_by_invitation(hub: &HubProcess, system: &SystemId) -> anyhow::Result<Joined> {
    let invited = Instant::now();
    let code = hub.invite(system).await?.parse().context("the hub printed something that is no code")?;
    let key: Arc<dyn Signer> = Arc::new(SigningKey::generate()?.0);
    let joined = join(hub.address(), &code, Arc::clone(&key)).await?;
    anyhow::ensure!(joined.system == *system, "the code let another system in: {}", joined.system);
    let trust = joined.trust.trust();
    let membership = Membership::new(hub.address(), system.clone(), Arc::clone(&key), &trust)?;
    sign_agreements(&membership).await?;
    Ok(Joined { system: system.clone(), invited, trust, hub: hub.address(), key })
}

/// Signs every agreement that the system's member has not signed; answers how many those were.
///
/// # Errors
/// [`MembershipError`].
pub async fn sign_agreements(membership: &Membership) -> Result<usize, MembershipError> {
    let member = membership.system().member();
    let mut signed = 0;
    for terms in membership.agreements().await?.iter().filter(|terms| terms.unsigned.contains(&member)) {
        membership.sign(terms).await?;
        signed += 1;
    }
    Ok(signed)
}
