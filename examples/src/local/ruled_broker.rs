//! A RabbitMQ node as in production: AMQPS, no users of its own, and the hub says who may log in and do what.
//!
//! The hub must be told first where the node will be, and the node is configured by what `saphan-hub broker config` writes.

use std::io;

use super::hub::{HubProcess, HubProcessError};
use super::port;
use super::rabbitmq::{RabbitError, RabbitNode};

/// Where the node will be.
#[derive(Debug, Clone)]
pub struct RuledBroker {
    uri: String,
    management: String,
}

/// The node was not configured or not started.
#[derive(Debug, thiserror::Error)]
pub enum RuledBrokerError {
    /// The hub wrote no configuration.
    #[error(transparent)]
    Hub(#[from] HubProcessError),
    /// The node did not start.
    #[error(transparent)]
    Node(#[from] RabbitError),
}

impl RuledBroker {
    /// Takes free ports.
    ///
    /// # Errors
    /// There is none.
    pub fn plan() -> io::Result<Self> {
        Ok(Self {
            uri: format!("amqps://localhost:{}/saphan", port::free()?),
            management: format!("https://localhost:{}", port::free()?),
        })
    }

    /// Where connectors and hub log in, with tokens.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The settings of a hub with HTTPS from its own development CA ([`super::hub::HubOptions::tls`]).
    #[must_use]
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("SAPHAN_HUB__AMQP__URI", self.uri.clone()),
            ("SAPHAN_HUB__AMQP__ADDRESS", self.uri.clone()),
            ("SAPHAN_HUB__AMQP__MANAGEMENT", self.management.clone()),
            ("SAPHAN_HUB__AMQP__CA_FILE", "data/tls/ca.pem".to_owned()),
        ]
    }

    /// Starts the node as this hub, which has those settings, configures it.
    ///
    /// # Errors
    /// [`RuledBrokerError`].
    pub async fn start(&self, hub: &HubProcess) -> Result<RabbitNode, RuledBrokerError> {
        let file = |name: &str| hub.certificates().join(name).display().to_string();
        let (ca, certificate, key) = (file("ca.pem"), file("broker.pem"), file("broker.key.pem"));
        let arguments = ["--hub-ca", &ca, "--ca", &ca, "--certificate", &certificate, "--key", &key];
        let files = hub.broker_files(&arguments).await?;
        Ok(RabbitNode::start_configured(&files, &self.uri).await?)
    }
}
