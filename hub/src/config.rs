//! The hub's configuration: one struct a concern, one commented default file.

mod amqp;
mod console;
mod documents;
mod timestamps;
mod witnesses;

pub use amqp::AmqpSection;
pub(crate) use amqp::is_this_machine;
pub use console::ConsoleConfig;
pub use documents::DocumentsConfig;
pub use timestamps::TimestampsConfig;
pub use witnesses::WitnessesConfig;

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use saphan_keys::KeySource;
use saphan_schemas::ids::{HubId, SystemId};
use saphan_schemas::registry::is_shard_name;
use serde::Deserialize;

use crate::admission::MessageLimits;
use crate::connections::ConnectionLimits;
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

/// The listener's certificate. Without one the hub serves plain HTTP, on loopback only.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSection {
    /// PEM file: the hub's certificate, then those between it and the root. Default empty; `SAPHAN_HUB__TLS__CERTIFICATE`.
    pub certificate: PathBuf,
    /// PEM file: the certificate's private key. Default empty; `SAPHAN_HUB__TLS__KEY`.
    pub key: PathBuf,
    /// PEM file: the CA certificates that vouch for the hub and the broker, for those who join: they believe no others from then
    /// on. Default empty, which leaves it to their machines; `SAPHAN_HUB__TLS__CA`.
    pub ca: PathBuf,
    /// PEM file: the CA certificates that sign client certificates. Default empty; `SAPHAN_HUB__TLS__CLIENT_CA`.
    pub client_ca: PathBuf,
    /// Whether clients show certificates. Default `none`; `SAPHAN_HUB__TLS__CLIENT_CERTIFICATES`.
    pub client_certificates: ClientCertificates,
}

/// Whether clients show certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificates {
    /// They are not asked for one.
    None,
    /// One that is shown must be of the client CA.
    Optional,
    /// Each must show one of the client CA.
    Required,
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

/// What is refused for its size, its age, or for want of room.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// Longest body in bytes. Default 10 MiB; `SAPHAN_HUB__LIMITS__BODY_BYTES`.
    pub body_bytes: u64,
    /// Deepest nesting. Default 32; `SAPHAN_HUB__LIMITS__BODY_DEPTH`.
    pub body_depth: usize,
    /// Memory for bodies, MiB. Default 64; `SAPHAN_HUB__LIMITS__BODY_MEMORY_MIB`.
    pub body_memory_mib: u32,
    /// Entries that wait. Default 4096; `SAPHAN_HUB__LIMITS__QUEUE`.
    pub queue: usize,
    /// Requests with a token, a second, of one system; 0 for no limit. Default 500; `SAPHAN_HUB__LIMITS__REQUESTS_PER_SECOND`.
    pub requests_per_second: u32,
    /// Messages a second of one system; 0 for no limit. Default 2000; `SAPHAN_HUB__LIMITS__MESSAGES_PER_SECOND`.
    pub messages_per_second: u32,
    /// Connections at once. Default 4096; `SAPHAN_HUB__LIMITS__CONNECTIONS`.
    pub connections: usize,
    /// Connections at once of one address; 0 for no limit. Default 1024; `SAPHAN_HUB__LIMITS__CONNECTIONS_PER_ADDRESS`.
    pub connections_per_address: usize,
    /// Seconds for a TLS handshake, and for the headers of a request. Default 30; `SAPHAN_HUB__LIMITS__HEADER_SECONDS`.
    pub header_seconds: u64,
    /// Seconds for a body. Default 15; `SAPHAN_HUB__LIMITS__BODY_SECONDS`.
    pub body_seconds: u64,
    /// Milliseconds to wait with a refusal on a connection that keeps failing to prove anything. Default 500;
    /// `SAPHAN_HUB__LIMITS__REFUSAL_PAUSE_MS`.
    pub refusal_pause_ms: u64,
    /// Seconds in the future. Default 300; `SAPHAN_HUB__LIMITS__FUTURE_SECONDS`.
    pub future_seconds: u64,
    /// Seconds in the past. Default 30 days; `SAPHAN_HUB__LIMITS__PAST_SECONDS`.
    pub past_seconds: u64,
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

/// Applications that need evidence.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CasesConfig {
    /// The hub's own system, which takes applications, asks for evidence and hands cases over. Default empty: none;
    /// `SAPHAN_HUB__CASES__SYSTEM`.
    #[serde(deserialize_with = "system_or_none")]
    pub system: Option<SystemId>,
    /// How long a provider may take before somebody else is asked. Default 3 days; `SAPHAN_HUB__CASES__EVIDENCE_SECONDS`.
    pub evidence_seconds: u64,
    /// How long the applicant may take to answer what the hub asks. Default 30 days; `SAPHAN_HUB__CASES__ANSWER_DAYS`.
    pub answer_days: u16,
    /// After how long what was rejected or could not be sent is tried again; doubled each time. Default 10 minutes;
    /// `SAPHAN_HUB__CASES__AGAIN_SECONDS`.
    pub again_seconds: u32,
}

/// How long bodies are kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionConfig {
    /// Days until a body is erased of which neither its evidence type nor its agreement says; 0 to keep it. Default 0;
    /// `SAPHAN_HUB__RETENTION__DAYS`.
    pub days: u16,
}

fn system_or_none<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<SystemId>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(serde::de::Error::custom) }
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
        let shard = &self.log.shard;
        let rules = [
            (
                self.hub.listen.ip().is_loopback() || self.tls.is_on(),
                "hub.listen",
                "a loopback address, such as 127.0.0.1:8470, or else tls.certificate and tls.key must name PEM files: \
                 people's data and tokens do not cross a network without TLS",
            ),
            (
                is_set(&self.tls.certificate) == is_set(&self.tls.key),
                "tls.key",
                "set if tls.certificate is set, and only then",
            ),
            (!is_set(&self.tls.ca) || is_set(&self.tls.certificate), "tls.ca", "set only if tls.certificate is set"),
            (
                is_set(&self.tls.client_ca) == (self.tls.client_certificates != ClientCertificates::None),
                "tls.client_ca",
                "set if tls.client_certificates is \"optional\" or \"required\", and only then",
            ),
            (
                self.tls.is_on() || self.tls.client_certificates == ClientCertificates::None,
                "tls.client_certificates",
                "\"none\" as long as tls.certificate and tls.key are not set",
            ),
            (is_shard_name(shard), "log.shard", "1 to 63 of a-z, 0-9 and '-'"),
            ((1..=64 << 20).contains(&self.limits.body_bytes), "limits.body_bytes", "1 to 67108864"),
            ((1..=100).contains(&self.limits.body_depth), "limits.body_depth", "1 to 100"),
            ((1..=1 << 20).contains(&self.limits.body_memory_mib), "limits.body_memory_mib", "1 to 1048576"),
            (
                u64::from(self.limits.body_memory_mib) << 20 >= self.limits.body_bytes,
                "limits.body_memory_mib",
                "enough for the longest body",
            ),
            ((1..=1 << 20).contains(&self.limits.queue), "limits.queue", "1 to 1048576"),
            (self.limits.requests_per_second <= 1_000_000, "limits.requests_per_second", "0 to 1000000"),
            (self.limits.messages_per_second <= 1_000_000, "limits.messages_per_second", "0 to 1000000"),
            ((1..=1 << 20).contains(&self.limits.connections), "limits.connections", "1 to 1048576"),
            ((1..=300).contains(&self.limits.header_seconds), "limits.header_seconds", "1 to 300"),
            (self.limits.refusal_pause_ms <= 10_000, "limits.refusal_pause_ms", "0 to 10000"),
            ((1..=300).contains(&self.limits.body_seconds), "limits.body_seconds", "1 to 300"),
            ((1..=3600).contains(&self.inbox.lease_seconds), "inbox.lease_seconds", "1 to 3600"),
            ((1..=31_536_000).contains(&self.cases.evidence_seconds), "cases.evidence_seconds", "1 to 31536000"),
            ((1..=365).contains(&self.cases.answer_days), "cases.answer_days", "1 to 365"),
            ((1..=3600).contains(&self.cases.again_seconds), "cases.again_seconds", "1 to 3600"),
            (self.inbox.longest_wait_seconds <= 60, "inbox.longest_wait_seconds", "0 to 60"),
        ];
        let others = self.amqp.rules().into_iter().chain(self.documents.rules()).chain(self.timestamps.rules());
        let broken = rules.into_iter().chain(others).find(|(holds, ..)| !holds);
        broken.map_or(Ok(()), |(_, setting, rule)| Err(ConfigError::Range { setting, rule }))
    }
}

impl TlsSection {
    /// Whether the hub serves HTTPS.
    #[must_use]
    pub fn is_on(&self) -> bool {
        is_set(&self.certificate)
    }
}

impl LimitsConfig {
    /// The limits of connections.
    #[must_use]
    pub const fn connections(&self) -> ConnectionLimits {
        ConnectionLimits {
            connections: self.connections,
            per_address: if self.connections_per_address == 0 { usize::MAX } else { self.connections_per_address },
            headers: Duration::from_secs(self.header_seconds),
            body: Duration::from_secs(self.body_seconds),
            refusal_pause: Duration::from_millis(self.refusal_pause_ms),
        }
    }
}

fn is_set(path: &Path) -> bool {
    !path.as_os_str().is_empty()
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

    #[test]
    fn a_hub_on_the_network_needs_tls() {
        let network = "[hub]\nlisten = \"0.0.0.0:443\"\n";
        let refused = |text: &str| match Config::parse(&format!("{network}{text}"), std::iter::empty()) {
            Err(ConfigError::Range { setting, .. }) => setting,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(""), "hub.listen");
        assert_eq!(refused("[tls]\nkey = \"k\""), "hub.listen");
        assert_eq!(refused("[tls]\ncertificate = \"c\""), "tls.key");
        let plain = Config::parse("[tls]\nca = \"c\"", std::iter::empty());
        assert!(matches!(plain, Err(ConfigError::Range { setting: "tls.ca", .. })), "{plain:?}");
        let with = |text: &str| format!("[tls]\ncertificate = \"c\"\nkey = \"k\"\n{text}");
        assert_eq!(refused(&with("client_ca = \"a\"")), "tls.client_ca");
        assert_eq!(refused(&with("client_certificates = \"required\"")), "tls.client_ca");
        let whole = with("client_ca = \"a\"\nclient_certificates = \"optional\"");
        for text in [with(""), whole] {
            assert!(Config::parse(&format!("{network}{text}"), std::iter::empty()).unwrap().tls.is_on());
        }
    }

    #[test]
    fn client_certificates_need_a_certificate_of_the_hub() {
        let text = "[tls]\nclient_ca = \"a\"\nclient_certificates = \"required\"";
        let refused = Config::parse(text, std::iter::empty());
        assert!(matches!(refused, Err(ConfigError::Range { setting: "tls.client_certificates", .. })), "{refused:?}");
    }
}
