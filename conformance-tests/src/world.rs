//! A hub of its own with the examples' registry, and connectors to it: what the tests and the benchmark run on.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use saphan_connector::membership::Membership;
use saphan_connector::{Connector, ConnectorBuilder, OutgoingMessage, trust};
use saphan_examples::agencies::{Mandate, licences};
use saphan_examples::applications::Plan;
use saphan_examples::joining::sign_agreements;
use saphan_examples::local::hub::{HubOptions, HubProcess, HubProgram};
use saphan_examples::portal;
use saphan_examples::registry::{SYSTEMS, of_the_examples};
use saphan_schemas::ids::{HubId, ServiceId, SystemId};
use saphan_schemas::keys::{PublicKey, SigningKey};
use saphan_schemas::message_types::{ApplicationSubmitted, MessageBody as _, Timestamp};
use saphan_schemas::registry::TransportKind;
use saphan_schemas::trust::Trust;
use tempfile::TempDir;

/// A running hub, and who may talk to it.
pub struct World {
    /// The hub.
    pub hub: HubProcess,
    /// Its keys.
    pub trust: Trust,
    /// The service that messages are about, and who decides it.
    pub mandate: Mandate,
    /// Where connectors keep their journals.
    pub folder: TempDir,
    keys: HashMap<SystemId, String>,
}

impl World {
    /// Starts the hub that `program` is; with the address of a broker, systems receive from it, else they pull.
    ///
    /// # Errors
    /// When the hub does not start.
    pub async fn start(program: HubProgram, broker: Option<String>) -> anyhow::Result<Self> {
        let transport = if broker.is_some() { TransportKind::Amqp } else { TransportKind::Pull };
        Self::start_with(transport, |registry| HubOptions { broker, ..HubOptions::new(program, registry) }).await
    }

    /// As [`Self::start`], without a limit for one system: to see what the hub can do.
    ///
    /// # Errors
    /// When the hub does not start.
    pub async fn start_unlimited(program: HubProgram, broker: Option<String>) -> anyhow::Result<Self> {
        let transport = if broker.is_some() { TransportKind::Amqp } else { TransportKind::Pull };
        let limits = ["SAPHAN_HUB__LIMITS__MESSAGES_PER_SECOND", "SAPHAN_HUB__LIMITS__REQUESTS_PER_SECOND"];
        let settings = limits.map(|name| (name, "0".to_owned())).into();
        Self::start_with(transport, |registry| HubOptions { broker, settings, ..HubOptions::new(program, registry) })
            .await
    }

    /// Starts the hub that `program` is, with HTTPS; systems pull.
    ///
    /// # Errors
    /// When the hub does not start.
    pub async fn start_over_tls(program: HubProgram) -> anyhow::Result<Self> {
        let options = |registry| HubOptions { tls: true, ..HubOptions::new(program, registry) };
        Self::start_with(TransportKind::Pull, options).await
    }

    /// Starts a hub whose systems receive in this way; `options` answers, for its registry, how it is to be.
    ///
    /// # Errors
    /// When the hub does not start.
    pub async fn start_with(
        transport: TransportKind,
        options: impl FnOnce(String) -> HubOptions,
    ) -> anyhow::Result<Self> {
        let (mut keys, mut public) = (HashMap::new(), HashMap::<SystemId, PublicKey>::new());
        for system in SYSTEMS {
            let (key, pem) = SigningKey::generate()?;
            let system: SystemId = system.parse()?;
            public.insert(system.clone(), *key.public());
            keys.insert(system, pem.to_string());
        }
        let registry = of_the_examples(transport, |system| public.get(system).copied())?.to_toml()?;
        let hub = HubProcess::start(options(registry)).await?;
        let trust = trust::fetch(hub.address()).await?.trust();
        for (system, pem) in &keys {
            let key = SigningKey::from_pem(pem)?;
            let membership = Membership::new(hub.address(), system.clone(), Arc::new(key), &trust)?;
            sign_agreements(&membership).await?;
        }
        Ok(Self { hub, trust, mandate: licences::MANDATE, folder: TempDir::new()?, keys })
    }

    /// The hub's name.
    #[must_use]
    pub const fn hub_id(&self) -> &HubId {
        &self.trust.hub
    }

    /// The portal, which sends.
    ///
    /// # Errors
    /// None: the name is a constant.
    pub fn sender(&self) -> anyhow::Result<SystemId> {
        Ok(portal::SYSTEM.parse()?)
    }

    /// The agency, which receives.
    ///
    /// # Errors
    /// None: the name is a constant.
    pub fn receiver(&self) -> anyhow::Result<SystemId> {
        Ok(self.mandate.system.parse()?)
    }

    /// The public service.
    ///
    /// # Errors
    /// None: the name is a constant.
    pub fn service(&self) -> anyhow::Result<ServiceId> {
        Ok(self.mandate.service.parse()?)
    }

    /// The key of a system of the examples.
    ///
    /// # Errors
    /// Another system.
    pub fn key(&self, system: &SystemId) -> anyhow::Result<SigningKey> {
        Ok(SigningKey::from_pem(self.pem(system)?)?)
    }

    /// The PEM text of that key.
    ///
    /// # Errors
    /// Another system.
    pub fn pem(&self, system: &SystemId) -> anyhow::Result<&str> {
        self.keys.get(system).map(String::as_str).context("not a system of the examples")
    }

    /// A connector that is ready but for how it receives.
    ///
    /// # Errors
    /// Not a system of the examples.
    pub fn connector(&self, system: &SystemId) -> anyhow::Result<ConnectorBuilder> {
        Ok(Connector::builder(system.clone())
            .hub(self.hub.address())
            .trust(self.trust.clone())
            .key(self.key(system)?)
            .data_dir(self.folder.path().join(system.name())))
    }

    /// A message with this body, from the portal to the agency.
    ///
    /// # Errors
    /// None: the names are constants.
    pub fn message(&self, body: Vec<u8>) -> anyhow::Result<OutgoingMessage> {
        Ok(OutgoingMessage::bytes(self.receiver()?, ApplicationSubmitted::SCHEMA.parse()?, body)
            .service(self.service()?)
            .purpose(self.mandate.purpose.parse()?)
            .legal_basis(self.mandate.law.parse()?))
    }

    /// The hub's store.
    #[must_use]
    pub fn store_file(&self) -> PathBuf {
        self.hub.folder().join("hub").join("data").join("hub.sqlite")
    }

    /// The hub's index for auditors.
    #[must_use]
    pub fn search_file(&self) -> PathBuf {
        self.store_file().with_file_name("search.sqlite")
    }

    /// Stops the hub in good order.
    ///
    /// # Errors
    /// It does not.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        Ok(self.hub.stop().await?)
    }
}

/// `count` bodies: real applications, filled up with white space to 2,048 bytes: a body's cost is in its members.
///
/// # Errors
/// None: the applications are synthetic and valid.
pub fn bodies(count: usize) -> anyhow::Result<Vec<Vec<u8>>> {
    let plan = Plan::new(SEED, count * 4)?;
    let service = licences::MANDATE.service;
    let now = Timestamp::from_system_time(std::time::SystemTime::now()).context("a time of this century")?;
    let mine = plan.applications.iter().filter(|application| application.mandate.service == service);
    mine.map(|application| {
        let mut body = serde_json::to_vec(&application.submitted_at(now.clone()))?;
        body.resize(BODY_BYTES.max(body.len()), b' ');
        Ok(body)
    })
    .collect()
}

const BODY_BYTES: usize = 2048;
const SEED: u64 = 7;
