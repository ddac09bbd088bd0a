//! `saphan.toml`: the connection of one system to one hub. The sample beside the crate documents it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use saphan_connector::membership::Membership;
use saphan_connector::{Connector, ConnectorBuilder, ConnectorError, Documents, HubAddress, Receive};
use saphan_keys::KeySource;
use saphan_schemas::ids::SystemId;
use saphan_schemas::keys::{KeyId, Signer};
use saphan_schemas::trust::{Trust, TrustBundle};
use serde::Deserialize;

use crate::outcome::Failure;
use crate::tls::TlsFiles;
use crate::trust_file;
use crate::{files, key};

/// A configuration that was read, with its key open.
#[derive(Debug)]
pub(crate) struct Config {
    settings: Settings,
    key: Arc<dyn Signer>,
}

/// A configuration that was read: paths are resolved; the private key is not touched yet.
#[derive(Debug)]
pub(crate) struct Settings {
    system: SystemId,
    hub: HubAddress,
    key: KeySource,
    key_passphrase_file: Option<PathBuf>,
    data_dir: PathBuf,
    trust: Trust,
    transport: Transport,
    amqp: Option<String>,
    amqp_uri_env: String,
}

/// How messages arrive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Transport {
    /// Over HTTP.
    #[default]
    Pull,
    /// From the broker.
    Amqp,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    system: SystemId,
    hub: String,
    key: KeySource,
    key_passphrase_file: Option<PathBuf>,
    data_dir: PathBuf,
    trust_file: Option<PathBuf>,
    trust: Option<TrustBundle>,
    #[serde(default)]
    transport: Transport,
    amqp: Option<String>,
    amqp_uri_env: Option<String>,
    ca_file: Option<PathBuf>,
    client_certificate: Option<PathBuf>,
    client_key: Option<PathBuf>,
}

impl Settings {
    /// Reads the file at `path` and the files it names, the private key apart.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text = files::read_text(path)?;
        let file: ConfigFile = toml::from_str(&text).map_err(|error| {
            let what = format!("{} is not a configuration: {}", path.display(), error.to_string().trim_end());
            Failure::caller(what, "Compare it with saphan.sample.toml, which documents every setting.")
        })?;
        if file.amqp.as_ref().is_some_and(|address| address.contains('@')) {
            let what = format!("`amqp` in {} names a user", path.display());
            let advice =
                format!("A password does not belong there: put that address into the variable {AMQP_URI_ENV}.");
            return Err(Failure::caller(what, advice));
        }
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        let trust = match (file.trust, file.trust_file) {
            (Some(trust), None) => trust,
            (None, Some(file)) => trust_file::read(&folder.join(file))?,
            (Some(_), Some(_)) => return Err(trust_failure(path, "has both `trust` and `trust_file`")),
            (None, None) => return Err(trust_failure(path, "has neither `trust` nor `trust_file`")),
        };
        let (ca_file, client_certificate, client_key) = (file.ca_file, file.client_certificate, file.client_key);
        let tls = TlsFiles { ca_file, client_certificate, client_key };
        Ok(Self {
            hub: tls.address(&file.hub, folder, trust.ca.clone())?,
            trust: trust.trust(),
            system: file.system,
            key: file.key.relative_to(folder),
            key_passphrase_file: file.key_passphrase_file.map(|file| folder.join(file)),
            data_dir: folder.join(file.data_dir),
            transport: file.transport,
            amqp: file.amqp.or(trust.broker),
            amqp_uri_env: file.amqp_uri_env.unwrap_or_else(|| AMQP_URI_ENV.to_owned()),
        })
    }

    /// Opens the private key.
    pub(crate) fn open(self) -> Result<Config, Failure> {
        let key = key::open(&self.key, self.key_passphrase_file.as_deref())?;
        Ok(Config { settings: self, key })
    }

    /// Where the private key is.
    pub(crate) const fn key_source(&self) -> &KeySource {
        &self.key
    }

    /// The file with the passphrase of the key's file.
    pub(crate) fn key_passphrase_file(&self) -> Option<&Path> {
        self.key_passphrase_file.as_deref()
    }

    /// The folder of the journals.
    pub(crate) fn data_dir(&self) -> &Path {
        &self.data_dir
    }
}

impl Config {
    /// Reads the file at `path` and the files it names, and opens the private key.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        Settings::read(path)?.open()
    }

    /// All but the open key.
    pub(crate) const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The system it is for.
    pub(crate) const fn system(&self) -> &SystemId {
        &self.settings.system
    }

    /// The hub's address.
    pub(crate) fn hub(&self) -> &str {
        self.settings.hub.url().trim_end_matches('/')
    }

    /// What is trusted about the hub.
    pub(crate) const fn trust(&self) -> &Trust {
        &self.settings.trust
    }

    /// The hub's address with what its connection needs.
    pub(crate) const fn address(&self) -> &HubAddress {
        &self.settings.hub
    }

    /// The CA certificates (PEM) that vouch for hub and broker, if they are not among those that the machine trusts.
    pub(crate) fn ca(&self) -> Option<&str> {
        self.settings.hub.ca_pem()
    }

    /// A client that reaches the hub as the connector does.
    pub(crate) fn http_client(&self) -> Result<reqwest::Client, ConnectorError> {
        saphan_connector::http_client(&self.settings.hub)
    }

    /// Its key.
    pub(crate) fn signer(&self) -> &dyn Signer {
        &*self.key
    }

    /// The name of its key.
    pub(crate) fn key_id(&self) -> KeyId {
        self.key.public().id()
    }

    /// How messages arrive, as the connector takes it.
    pub(crate) fn receive(&self) -> Result<Receive, Failure> {
        match self.settings.transport {
            Transport::Pull => Ok(Receive::Pull),
            Transport::Amqp => {
                let uri = std::env::var(&self.settings.amqp_uri_env).ok().or_else(|| self.settings.amqp.clone());
                let uri = uri.ok_or_else(|| {
                    let what = "neither the configuration nor the trust file says where the broker is";
                    Failure::caller(
                        what,
                        "Set `amqp` to its address, which the hub's operator tells: amqps://host/saphan.",
                    )
                })?;
                Ok(Receive::Amqp { uri })
            }
        }
    }

    /// The system's membership, to change what is its own in the hub's registry.
    pub(crate) fn into_membership(self) -> Result<Membership, ConnectorError> {
        let Settings { hub, trust, system, .. } = self.settings;
        Membership::new(hub, system, self.key, &trust)
    }

    /// The hub's documents.
    pub(crate) fn into_documents(self) -> Result<Documents, ConnectorError> {
        let Settings { hub, trust, system, .. } = self.settings;
        Documents::of_hub(hub, system, self.key, &trust)
    }

    /// A connector to the hub with its own journal in `data_dir`: sending and listening may go on side by side.
    pub(crate) fn into_builder(self, journal: &str) -> ConnectorBuilder {
        let Settings { hub, trust, system, data_dir, .. } = self.settings;
        Connector::builder(system).hub(hub).trust(trust).signer(self.key).data_dir(data_dir.join(journal))
    }
}

fn trust_failure(path: &Path, what: &str) -> Failure {
    let advice = "Give one of them; `saphan trust URL` writes a trust file.";
    Failure::caller(format!("{} {what}", path.display()), advice)
}

const AMQP_URI_ENV: &str = "SAPHAN_AMQP_URI";

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = include_str!("../saphan.sample.toml");

    #[test]
    fn the_sample_is_a_configuration() {
        let file: ConfigFile = toml::from_str(SAMPLE).unwrap();
        assert_eq!(file.system.as_str(), "th.dlt/licensing");
        assert_eq!(file.transport, Transport::Pull);
        assert!(file.trust_file.is_some() && file.trust.is_none());
    }

    #[test]
    fn the_sample_mentions_every_setting() {
        let settings = [
            "system",
            "hub",
            "key",
            "key_passphrase_file",
            "data_dir",
            "trust_file",
            "[trust]",
            "transport",
            "amqp =",
            "amqp_uri_env",
        ];
        let of_tls = ["ca_file", "client_certificate", "client_key"];
        for setting in settings.into_iter().chain(of_tls) {
            let mentioned = |line: &str| line.trim_start_matches("# ").starts_with(setting);
            assert!(SAMPLE.lines().any(mentioned), "{setting}");
        }
    }

    #[test]
    fn an_unknown_setting_is_refused() {
        let error = toml::from_str::<ConfigFile>(&format!("retries = 3\n{SAMPLE}")).unwrap_err();
        assert!(error.to_string().contains("retries"), "{error}");
    }
}
