//! `[amqp]`: the broker.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use lapin::uri::{AMQPScheme, AMQPUri};
use serde::Deserialize;

/// The broker. `Debug` shows no address: it may hold a password.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AmqpSection {
    /// The broker's address; empty for none. Without a user in it, the hub logs in with tokens of its own. Default empty;
    /// `SAPHAN_HUB__AMQP__URI`.
    pub uri: String,
    /// The broker's address for connectors, without a password; empty for none. Default empty; `SAPHAN_HUB__AMQP__ADDRESS`.
    pub address: String,
    /// The address of RabbitMQ's management, through which connections are ended; empty for none. Default empty;
    /// `SAPHAN_HUB__AMQP__MANAGEMENT`.
    pub management: String,
    /// The certificates (PEM) of the authorities that may vouch for the broker; empty: those that the machine trusts.
    /// Default empty; `SAPHAN_HUB__AMQP__CA_FILE`.
    pub ca_file: PathBuf,
    /// Seconds until a publication is unknown. Default 30; `SAPHAN_HUB__AMQP__PUBLISH_TIMEOUT_SECONDS`.
    pub publish_timeout_seconds: u64,
    /// Seconds until a message that the broker confirmed, but nobody acknowledged, is published again; doubled each time.
    /// Default 3600; `SAPHAN_HUB__AMQP__PUBLISH_AGAIN_SECONDS`.
    pub publish_again_seconds: u64,
    /// Unconfirmed publications. Default 512; `SAPHAN_HUB__AMQP__WINDOW`.
    pub window: usize,
}

impl AmqpSection {
    /// Whether the hub logs in with tokens: there is a broker, and its address names no user.
    #[must_use]
    pub fn logs_in_with_tokens(&self) -> bool {
        let names_user = |url: reqwest::Url| !url.username().is_empty() || url.password().is_some();
        self.uri.parse().is_ok_and(|url| !names_user(url))
    }

    /// The rules of these settings: whether one holds, its setting, and what it says.
    pub(super) fn rules(&self) -> [(bool, &'static str, &'static str); 7] {
        [
            (
                is_safe_broker(&self.uri),
                "amqp.uri",
                "empty, amqps://…, or amqp://… with a loopback host: bodies and a password travel on it",
            ),
            (
                is_safe_broker(&self.address) && !self.address.contains('@'),
                "amqp.address",
                "empty or amqps://…, or amqp://… with a loopback host, and without a user: everyone may read it",
            ),
            (
                is_safe_management(&self.management),
                "amqp.management",
                "empty, https://…, or http://… with a loopback host, and without a user: logins travel on it",
            ),
            (
                !self.logs_in_with_tokens() || !self.management.is_empty(),
                "amqp.management",
                "given when amqp.uri names no user: without it a revoked key would keep the connection that it opened",
            ),
            ((1..=600).contains(&self.publish_timeout_seconds), "amqp.publish_timeout_seconds", "1 to 600"),
            ((1..=604_800).contains(&self.publish_again_seconds), "amqp.publish_again_seconds", "1 to 604800"),
            ((1..=10_000).contains(&self.window), "amqp.window", "1 to 10000"),
        ]
    }
}

impl fmt::Debug for AmqpSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let uri = if self.uri.is_empty() { "none" } else { "redacted" };
        f.debug_struct("AmqpSection")
            .field("uri", &uri)
            .field("address", &self.address)
            .field("management", &self.management)
            .field("ca_file", &self.ca_file)
            .field("publish_timeout_seconds", &self.publish_timeout_seconds)
            .field("publish_again_seconds", &self.publish_again_seconds)
            .field("window", &self.window)
            .finish()
    }
}

/// Without TLS only this machine is a broker.
fn is_safe_broker(uri: &str) -> bool {
    let Ok(uri) = uri.parse::<AMQPUri>() else { return uri.is_empty() };
    uri.scheme == AMQPScheme::AMQPS || is_this_machine(&uri.authority.host)
}

fn is_safe_management(address: &str) -> bool {
    let Ok(url) = address.parse::<reqwest::Url>() else { return address.is_empty() };
    let plain = url.scheme() == "http" && url.host_str().is_some_and(is_this_machine);
    (url.scheme() == "https" || plain) && url.username().is_empty() && url.password().is_none()
}

/// Whether the host of an address is this machine, as far as its text says.
pub(crate) fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::super::{Config, ConfigError};
    use super::*;

    #[test]
    fn a_broker_on_another_machine_needs_tls() {
        for (uri, safe) in [
            ("", true),
            ("amqp://u:p@127.0.0.1:5672/v", true),
            ("amqp://u:p@localhost/v", true),
            ("amqps://u:p@broker.example/v", true),
            ("amqps://broker.example", true),
            ("amqp://u:p@broker.example/v", false),
            ("amqp://u:p@127.broker.example/v", false),
            ("http://127.0.0.1/", false),
        ] {
            assert_eq!(is_safe_broker(uri), safe, "{uri}");
        }
        for (address, safe) in [
            ("", true),
            ("http://127.0.0.1:15672", true),
            ("http://[::1]:15672/", true),
            ("https://broker.example:15671", true),
            ("http://broker.example:15672", false),
            ("https://u:p@broker.example", false),
            ("amqps://broker.example", false),
            ("broker", false),
        ] {
            assert_eq!(is_safe_management(address), safe, "{address}");
        }
    }

    #[test]
    fn a_hub_that_logs_in_with_tokens_must_be_able_to_end_connections() {
        let parse = |amqp: &str| Config::parse(&format!("[amqp]\n{amqp}"), std::iter::empty());
        let without = parse("uri = \"amqps://broker.example/saphan\"");
        assert!(matches!(without, Err(ConfigError::Range { setting: "amqp.management", .. })));
        let config = parse("uri = \"amqps://broker.example\"\nmanagement = \"https://broker.example:15671\"").unwrap();
        assert!(config.amqp.logs_in_with_tokens());
        assert!(!parse("uri = \"amqps://u:p@broker.example/saphan\"").unwrap().amqp.logs_in_with_tokens());
        assert!(!parse("").unwrap().amqp.logs_in_with_tokens());
    }

    #[test]
    fn debug_shows_no_password() {
        let config = Config::parse("[amqp]\nuri = \"amqp://u:hunter2@127.0.0.1/v\"", std::iter::empty()).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
