//! The hub's configuration: one struct a concern, one commented default file.

mod amqp;
mod cases;
mod console;
mod documents;
mod limits;
mod timestamps;
mod tls;
mod witnesses;

pub use amqp::AmqpSection;
pub(crate) use amqp::is_this_machine;
pub use cases::CasesConfig;
pub use console::ConsoleConfig;
pub use documents::DocumentsConfig;
pub use limits::LimitsConfig;
pub use timestamps::TimestampsConfig;
pub use tls::{ClientCertificates, TlsSection};
pub use witnesses::WitnessesConfig;

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::{fs, io};

use saphan_keys::KeySource;
use saphan_schemas::ids::HubId;
use saphan_schemas::registry::is_shard_name;
use serde::Deserialize;

use crate::admission::MessageLimits;
use crate::keys::KeyStore;

/// The default file, with every setting and its meaning.
pub const DEFAULT: &str = include_str!("config/default.toml");

/// The whole configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `[hub]`
    pub hub: HubConfig,
    /// `[tls]`
    pub tls: TlsSection,
    /// `[log]`
    pub log: LogConfig,
    /// `[witnesses]`
    pub witnesses: WitnessesConfig,
    /// `[timestamps]`
    pub timestamps: TimestampsConfig,
    /// `[keys]`
    pub keys: KeysConfig,
    /// `[limits]`
    pub limits: LimitsConfig,
    /// `[inbox]`
    pub inbox: InboxConfig,
    /// `[cases]`
    pub cases: CasesConfig,
    /// `[documents]`
    pub documents: DocumentsConfig,
    /// `[retention]`
    pub retention: RetentionConfig,
    /// `[console]`
    pub console: ConsoleConfig,
    /// `[amqp]`
    pub amqp: AmqpSection,
}

/// Who the hub is and where it lives.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubConfig {
    /// Its name. Default `hub.local`; `SAPHAN_HUB__HUB__ID`.
    pub id: HubId,
    /// Where it listens. Default `127.0.0.1:8470`; `SAPHAN_HUB__HUB__LISTEN`.
    pub listen: SocketAddr,
    /// Keys and store. Default `data`; `SAPHAN_HUB__HUB__DATA_DIR`.
    pub data_dir: PathBuf,
}

/// The log.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// The shard's name. Default `main`; `SAPHAN_HUB__LOG__SHARD`.
    pub shard: String,
    /// Where the log is published as static files: a folder, or `s3://bucket/prefix` (feature `s3`). Default empty: nowhere;
    /// `SAPHAN_HUB__LOG__PUBLISH`.
    pub publish: String,
}

/// Where the hub's private keys are. Nothing here is secret.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysConfig {
    /// Receipt keys beside those in the data folder. Default none; only in the file.
    pub receipts: Vec<KeySource>,
    /// Signs registry entries. Default `operator.pem`; `SAPHAN_HUB__KEYS__OPERATOR`.
    pub operator: KeySource,
    /// Holds the passphrase of key files; empty for none. Default empty; `SAPHAN_HUB__KEYS__PASSPHRASE_FILE`.
    pub passphrase_file: PathBuf,
}

/// The inbox that systems pull from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InboxConfig {
    /// How long a lease lasts. Default 60; `SAPHAN_HUB__INBOX__LEASE_SECONDS`.
    pub lease_seconds: u64,
    /// The longest long poll. Default 30; `SAPHAN_HUB__INBOX__LONGEST_WAIT_SECONDS`.
    pub longest_wait_seconds: u64,
}

/// How long bodies are kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionConfig {
    /// Days until a body is erased of which neither its evidence type nor its agreement says; 0 to keep it. Default 0;
    /// `SAPHAN_HUB__RETENTION__DAYS`.
    pub days: u16,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// Not a configuration.
    #[error("the configuration is not valid: {0}")]
    Unreadable(#[from] toml::de::Error),
    /// A setting is out of its range.
    #[error("{setting} must be {rule}")]
    Range {
        /// The setting.
        setting: &'static str,
        /// Its range.
        rule: &'static str,
    },
}

impl Config {
    /// Reads a file over the defaults, and the environment over both. Relative paths are relative to the file.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load(path: &Path, environment: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::File { path: path.into(), source })?;
        let mut config = Self::parse(&text, environment)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        config.hub.data_dir = folder.join(&config.hub.data_dir);
        let tls = &mut config.tls;
        let tls = [&mut tls.certificate, &mut tls.key, &mut tls.ca, &mut tls.client_ca];
        let others = [&mut config.amqp.ca_file, &mut config.keys.passphrase_file, &mut config.witnesses.policy];
        for file in tls.into_iter().chain(others).chain([&mut config.timestamps.authority]) {
            if !file.as_os_str().is_empty() {
                *file = folder.join(&file);
            }
        }
        let publish = &mut config.log.publish;
        if !publish.is_empty() && !publish.starts_with("s3://") {
            *publish = folder.join(&*publish).display().to_string();
        }
        Ok(config)
    }

    /// Reads a text over the defaults, and the environment over both.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn parse(text: &str, environment: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let mut settings: toml::Table = DEFAULT.parse()?;
        overlay(&mut settings, text.parse()?);
        for (name, value) in environment {
            if let Some((section, setting)) = name.strip_prefix(PREFIX).and_then(|name| name.split_once("__")) {
                let settings_of_section = toml::Table::from_iter([(setting.to_lowercase(), from_text(value))]);
                overlay(&mut settings, toml::Table::from_iter([(section.to_lowercase(), settings_of_section.into())]));
            }
        }
        let config: Self = settings.try_into()?;
        config.check()?;
        Ok(config)
    }

    /// The log's origin.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}/log/{}", self.hub.id, self.log.shard)
    }

    /// Where the hub's keys are.
    #[must_use]
    pub fn key_store(&self) -> KeyStore {
        let passphrase_file = Some(&self.keys.passphrase_file).filter(|path| !path.as_os_str().is_empty());
        KeyStore {
            folder: self.hub.data_dir.clone(),
            origin: self.origin(),
            receipts: self.keys.receipts.clone(),
            operator: self.keys.operator.clone(),
            passphrase_file: passphrase_file.cloned(),
        }
    }

    /// The limits of a message, and of keeping it.
    #[must_use]
    pub const fn message_limits(&self) -> MessageLimits {
        MessageLimits {
            body_bytes: self.limits.body_bytes,
            body_depth: self.limits.body_depth,
            future_seconds: self.limits.future_seconds,
            past_seconds: self.limits.past_seconds,
            kept_days: NonZeroU16::new(self.retention.days),
        }
    }

    /// The store's file.
    #[must_use]
    pub fn store_file(&self) -> PathBuf {
        self.hub.data_dir.join("hub.sqlite")
    }

    /// The auditors' index.
    #[must_use]
    pub fn search_file(&self) -> PathBuf {
        self.hub.data_dir.join("search.sqlite")
    }

    fn check(&self) -> Result<(), ConfigError> {
        let own = [
            (
                self.hub.listen.ip().is_loopback() || self.tls.is_on(),
                "hub.listen",
                "a loopback address, such as 127.0.0.1:8470, or else tls.certificate and tls.key must name PEM files: \
                 people's data and tokens do not cross a network without TLS",
            ),
            (is_shard_name(&self.log.shard), "log.shard", "1 to 63 of a-z, 0-9 and '-'"),
            ((1..=3600).contains(&self.inbox.lease_seconds), "inbox.lease_seconds", "1 to 3600"),
            (self.inbox.longest_wait_seconds <= 60, "inbox.longest_wait_seconds", "0 to 60"),
        ];
        let own = own.into_iter().chain(self.tls.rules()).chain(self.limits.rules()).chain(self.cases.rules());
        let others = self.amqp.rules().into_iter().chain(self.documents.rules()).chain(self.timestamps.rules());
        let broken = own.chain(others).find(|(holds, ..)| !holds);
        broken.map_or(Ok(()), |(_, setting, rule)| Err(ConfigError::Range { setting, rule }))
    }
}

fn overlay(base: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(toml::Value::Table(base)), toml::Value::Table(over)) => overlay(base, over),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// Numbers as numbers, `true` and `false` as such, all else as text.
fn from_text(value: String) -> toml::Value {
    match (value.parse(), value.parse()) {
        (Ok(number), _) => toml::Value::Integer(number),
        (_, Ok(holds)) => toml::Value::Boolean(holds),
        _ => toml::Value::String(value),
    }
}

const PREFIX: &str = "SAPHAN_HUB__";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_file_is_a_configuration() {
        let config = Config::parse("", std::iter::empty()).unwrap();
        assert_eq!(config.origin(), "hub.local/log/main");
    }

    #[test]
    fn the_environment_wins_over_the_file_and_the_file_over_the_default() {
        let environment = [("LIMITS__QUEUE", "7"), ("CONSOLE__ENABLED", "false")];
        let environment = environment.map(|(name, value)| (format!("{PREFIX}{name}"), value.to_owned()));
        let config = Config::parse("[limits]\nqueue = 5\nbody_depth = 9", environment.into_iter()).unwrap();
        assert_eq!((config.limits.queue, config.limits.body_depth), (7, 9));
        assert!(!config.console.enabled);
    }

    #[test]
    fn unknown_settings_and_other_addresses_than_loopback_are_refused() {
        assert!(matches!(Config::parse("[hub]\nlissen = 1", std::iter::empty()), Err(ConfigError::Unreadable(_))));
        let open = Config::parse("[hub]\nlisten = \"0.0.0.0:80\"", std::iter::empty());
        assert!(matches!(open, Err(ConfigError::Range { setting: "hub.listen", .. })));
    }
}
