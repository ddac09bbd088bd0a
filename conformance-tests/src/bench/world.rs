//! A hub of its own with the examples' registry, and connectors to it.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::Context as _;
use saphan_connector::schemas::ids::{HubId, ServiceId, SystemId};
use saphan_connector::schemas::message::Trust;
use saphan_connector::{Connector, ConnectorBuilder, OutgoingMessage, trust};
use saphan_examples::agencies::{Mandate, licences};
use saphan_examples::applications::Plan;
use saphan_examples::local::hub::{HubOptions, HubProcess, HubProgram};
use saphan_examples::portal;
use saphan_examples::registry::{SYSTEMS, of_the_examples};
use saphan_schemas::keys::{PublicKey, SigningKey};
use saphan_schemas::message_types::{ApplicationSubmitted, MessageBody as _, Timestamp};
use saphan_schemas::registry::TransportKind;
use tempfile::TempDir;

/// A running hub, and who may talk to it.
pub(super) struct World {
    pub(super) hub: HubProcess,
    pub(super) trust: Trust,
    pub(super) mandate: Mandate,
    pub(super) folder: TempDir,
    keys: HashMap<SystemId, String>,
}

impl World {
    pub(super) async fn start(transport: TransportKind, broker: Option<String>) -> anyhow::Result<Self> {
        let (mut keys, mut public) = (HashMap::new(), HashMap::<SystemId, PublicKey>::new());
        for system in SYSTEMS {
            let (key, pem) = SigningKey::generate()?;
            let system: SystemId = system.parse()?;
            public.insert(system.clone(), *key.public());
            keys.insert(system, pem.to_string());
        }
        let registry = of_the_examples(transport, |system| public[system])?.to_toml()?;
        let mut options = HubOptions::new(HubProgram::this_program()?, registry);
        options.broker = broker;
        let hub = HubProcess::start(options).await?;
        let trust = trust::fetch(hub.url()).await?;
        Ok(Self { hub, trust, mandate: licences::MANDATE, folder: TempDir::new()?, keys })
    }

    pub(super) fn hub_id(&self) -> &HubId {
        &self.trust.hub
    }

    pub(super) fn sender(&self) -> anyhow::Result<SystemId> {
        Ok(portal::SYSTEM.parse()?)
    }

    pub(super) fn receiver(&self) -> anyhow::Result<SystemId> {
        Ok(self.mandate.system.parse()?)
    }

    pub(super) fn service(&self) -> anyhow::Result<ServiceId> {
        Ok(self.mandate.service.parse()?)
    }

    pub(super) fn key(&self, system: &SystemId) -> anyhow::Result<SigningKey> {
        Ok(SigningKey::from_pem(self.keys.get(system).context("a system of the examples")?)?)
    }

    pub(super) fn connector(&self, system: &SystemId) -> anyhow::Result<ConnectorBuilder> {
        Ok(Connector::builder(system.clone())
            .hub(self.hub.url())
            .trust(self.trust.clone())
            .key(self.key(system)?)
            .data_dir(self.folder.path().join(system.name())))
    }

    /// A message with this body.
    pub(super) fn message(&self, body: Vec<u8>) -> anyhow::Result<OutgoingMessage> {
        Ok(OutgoingMessage::bytes(self.receiver()?, ApplicationSubmitted::SCHEMA.parse()?, body)
            .service(self.service()?)
            .purpose(self.mandate.purpose.parse()?)
            .legal_basis(self.mandate.law.parse()?))
    }

    pub(super) fn store_file(&self) -> PathBuf {
        self.hub.folder().join("data").join("hub.sqlite")
    }

    pub(super) async fn stop(&mut self) -> anyhow::Result<()> {
        Ok(self.hub.stop().await?)
    }
}

/// Real applications, filled up with white space to 2,048 bytes: a body's cost is in its members.
pub(super) fn bodies(count: usize) -> anyhow::Result<Vec<Vec<u8>>> {
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
