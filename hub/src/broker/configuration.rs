//! What RabbitMQ must be told so that it asks the hub: its three configuration files, for 3.10 and later.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use lapin::uri::{AMQPScheme, AMQPUri};

use super::access::VIRTUAL_HOST;
use crate::config::{ClientCertificates, Config, is_this_machine};

/// What the hub's configuration does not say about the broker.
#[derive(Debug, Clone)]
pub struct BrokerSetup {
    /// Where the broker reaches the hub, e.g. `https://hub.example`.
    pub hub_url: String,
    /// The certificates (PEM) of the authorities that may vouch for the hub; a file on the broker's machine.
    pub hub_ca: PathBuf,
    /// The broker's certificate and key, if it speaks TLS.
    pub tls: Option<BrokerTls>,
}

/// Files (PEM) on the broker's machine.
#[derive(Debug, Clone)]
pub struct BrokerTls {
    /// Its certificate, with those between it and its authority.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
    /// The authorities.
    pub ca: PathBuf,
}

/// The files of a RabbitMQ node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerFiles {
    /// `rabbitmq.conf`.
    pub rabbitmq_conf: String,
    /// `advanced.config`: what 3.10 cannot be told in the other file.
    pub advanced_config: String,
    /// `enabled_plugins`.
    pub enabled_plugins: String,
}

/// No configuration can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// There is no broker.
    #[error("the hub's configuration names no broker: set amqp.uri and amqp.management first")]
    NoBroker,
    /// TLS without certificate.
    #[error("amqp.uri begins with amqps: give the broker's --certificate, --key and --ca")]
    NoCertificate,
    /// The hub would be asked in clear over the network.
    #[error("the broker must reach the hub over https, or on its own machine: logins travel on that way")]
    PlainHub,
    /// An address where a name is needed.
    #[error("RabbitMQ checks names in certificates, not addresses: give the hub's name, --hub-url https://NAME")]
    NoName,
    /// Management in clear, AMQP over TLS, or the other way round.
    #[error("amqp.uri and amqp.management must both be of TLS (amqps, https), or both plain on one machine")]
    Mixed,
    /// A path or an address holds what the files cannot hold.
    #[error("addresses and paths must be without spaces, quotes, backslashes and line ends")]
    Unwritable,
}

impl BrokerFiles {
    /// The files for the broker of this configuration.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn new(config: &Config, setup: &BrokerSetup) -> Result<Self, SetupError> {
        let uri: AMQPUri = config.amqp.uri.parse().map_err(|_| SetupError::NoBroker)?;
        let hub: reqwest::Url = setup.hub_url.parse().map_err(|_| SetupError::PlainHub)?;
        if hub.scheme() != "https" && !hub.host_str().is_some_and(is_this_machine) {
            return Err(SetupError::PlainHub);
        }
        if hub.scheme() == "https" && hub.host_str().is_some_and(is_address) {
            return Err(SetupError::NoName);
        }
        let tls = match uri.scheme {
            AMQPScheme::AMQP => None,
            AMQPScheme::AMQPS => Some(setup.tls.as_ref().ok_or(SetupError::NoCertificate)?),
        };
        let mut conf = access(config, setup.hub_url.trim_end_matches('/'));
        listener(&mut conf, &uri, tls);
        if let Ok(url) = config.amqp.management.parse::<reqwest::Url>() {
            if (url.scheme() == "https") != tls.is_some() {
                return Err(SetupError::Mixed);
            }
            management(&mut conf, &url, tls);
        }
        limits(&mut conf, config.limits.body_bytes);
        if !is_writable(&config.amqp.management, setup) {
            return Err(SetupError::Unwritable);
        }
        // Where the hub asks its clients for certificates, the broker shows its own.
        let shown = tls.filter(|_| config.tls.client_certificates != ClientCertificates::None);
        let advanced_config = if hub.scheme() == "https" { hub_tls(&setup.hub_ca, shown) } else { "[].\n".to_owned() };
        let enabled_plugins = "[rabbitmq_auth_backend_http,rabbitmq_management].\n".to_owned();
        Ok(Self { rabbitmq_conf: conf, advanced_config, enabled_plugins })
    }
}

fn is_address(host: &str) -> bool {
    host.starts_with('[') || host.parse::<IpAddr>().is_ok()
}

fn access(config: &Config, hub_url: &str) -> String {
    let internal = if config.amqp.logs_in_with_tokens() {
        ""
    } else {
        "# amqp.uri of the hub names a user, whom RabbitMQ must know itself. Make that user with rabbitmqctl, and then:\n\
         #   rabbitmqctl delete_user guest\n\
         auth_backends.2 = internal\n"
    };
    format!(
        "# RabbitMQ for the hub {hub}, as `saphan-hub broker config` prints it. rabbitmq.conf, for 3.10 and later.\n\
         \n\
         # Nobody is let in and nothing is allowed unless the hub says so.\n\
         auth_backends.1 = http\n\
         {internal}\
         auth_mechanisms.1 = PLAIN\n\
         auth_http.http_method = post\n\
         auth_http.user_path = {hub_url}/v1/broker/user\n\
         auth_http.vhost_path = {hub_url}/v1/broker/vhost\n\
         auth_http.resource_path = {hub_url}/v1/broker/resource\n\
         auth_http.topic_path = {hub_url}/v1/broker/topic\n\
         auth_http.connection_timeout = 5000\n\
         auth_http.request_timeout = 10000\n\
         \n\
         # Made at a node's very first start; on one that ran before: rabbitmqctl add_vhost {VIRTUAL_HOST}\n\
         default_vhost = {VIRTUAL_HOST}\n\
         # The user that RabbitMQ makes with it may do nothing.\n\
         default_user_tags.administrator = false\n\
         default_permissions.configure = ^$\n\
         default_permissions.write = ^$\n\
         default_permissions.read = ^$\n",
        hub = config.hub.id,
    )
}

fn listener(conf: &mut String, uri: &AMQPUri, tls: Option<&BrokerTls>) {
    let port = uri.authority.port;
    conf.push('\n');
    let _ = match tls {
        None => writeln!(conf, "listeners.tcp.local = 127.0.0.1:{port}"),
        Some(tls) => {
            conf.push_str("listeners.tcp = none\n");
            let on = if is_this_machine(&uri.authority.host) { format!("127.0.0.1:{port}") } else { port.to_string() };
            let _ = writeln!(conf, "listeners.ssl.default = {on}");
            conf.push_str(&tls_settings("ssl_options", tls));
            Ok(())
        }
    };
}

fn management(conf: &mut String, url: &reqwest::Url, tls: Option<&BrokerTls>) {
    let kind = if tls.is_some() { "ssl" } else { "tcp" };
    conf.push_str("\n# Where the hub closes connections. Nobody else needs to reach it.\n");
    let _ = writeln!(conf, "management.{kind}.port = {}", url.port_or_known_default().unwrap_or_default());
    if url.host_str().is_some_and(is_this_machine) {
        let _ = writeln!(conf, "management.{kind}.ip = 127.0.0.1");
    }
    if let Some(tls) = tls {
        conf.push_str(&tls_settings("management.ssl", tls));
    }
}

fn tls_settings(prefix: &str, BrokerTls { certificate, key, ca }: &BrokerTls) -> String {
    let (certificate, key, ca) = (certificate.display(), key.display(), ca.display());
    format!(
        "{prefix}.cacertfile = {ca}\n\
         {prefix}.certfile = {certificate}\n\
         {prefix}.keyfile = {key}\n\
         {prefix}.versions.1 = tlsv1.3\n\
         {prefix}.versions.2 = tlsv1.2\n\
         {prefix}.verify = verify_none\n\
         {prefix}.fail_if_no_peer_cert = false\n"
    )
}

fn limits(conf: &mut String, body_bytes: u64) {
    // Envelope, salt, receipt and proof travel in headers, which do not count; a margin all the same.
    let _ = write!(
        conf,
        "\n# 4.x takes 16 MiB by default; the hub's limits.body_bytes is {body_bytes}.\n\
         max_message_size = {}\n\
         channel_max = 64\n\
         heartbeat = 10\n",
        body_bytes + (64 << 10),
    );
}

/// How the plugin trusts the hub: 3.10 takes this in Erlang's form only.
fn hub_tls(ca: &Path, shown: Option<&BrokerTls>) -> String {
    let ca = ca.display();
    let shown = shown.map_or_else(String::new, |BrokerTls { certificate, key, .. }| {
        let (certificate, key) = (certificate.display(), key.display());
        format!("    {{certfile, \"{certificate}\"}},\n    {{keyfile, \"{key}\"}},\n")
    });
    format!(
        "%% advanced.config: how RabbitMQ makes sure that it asks the hub and nobody else.\n\
         [{{rabbitmq_auth_backend_http, [\n  {{ssl_options, [\n    {{cacertfile, \"{ca}\"}},\n{shown}    \
         {{verify, verify_peer}},\n    {{versions, ['tlsv1.3', 'tlsv1.2']}}\n  ]}}\n]}}].\n"
    )
}

/// The files have no way to quote.
fn is_writable(management: &str, setup: &BrokerSetup) -> bool {
    let paths = setup.tls.iter().flat_map(|tls| [&tls.certificate, &tls.key, &tls.ca]).chain([&setup.hub_ca]);
    let mut texts = paths.map(|path| path.to_str()).chain([Some(management), Some(setup.hub_url.as_str())]);
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '\\');
    texts.all(|text| text.is_some_and(|text| !text.contains(odd)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(amqp: &str) -> Config {
        Config::parse(&format!("[amqp]\n{amqp}"), std::iter::empty()).unwrap()
    }

    fn tls() -> BrokerTls {
        BrokerTls { certificate: "/b.pem".into(), key: "/b.key".into(), ca: "/ca.pem".into() }
    }

    fn setup(hub_url: &str) -> BrokerSetup {
        BrokerSetup { hub_url: hub_url.to_owned(), hub_ca: "/ca.pem".into(), tls: Some(tls()) }
    }

    const TLS: &str = "uri = \"amqps://broker.example\"\nmanagement = \"https://broker.example:15671\"";
    const PLAIN: &str = "uri = \"amqp://127.0.0.1:5672\"\nmanagement = \"http://127.0.0.1:15672\"";

    #[test]
    fn a_broker_of_the_network_listens_with_tls_only_and_asks_the_hub_only() {
        let files = BrokerFiles::new(&config(TLS), &setup("https://hub.example/")).unwrap();
        let has = |line: &str| files.rabbitmq_conf.lines().any(|other| other == line);
        assert!(has("auth_backends.1 = http") && !files.rabbitmq_conf.contains("auth_backends.2"));
        assert!(has("auth_http.user_path = https://hub.example/v1/broker/user"));
        assert!(has("listeners.tcp = none") && has("listeners.ssl.default = 5671"));
        assert!(has("management.ssl.port = 15671") && !files.rabbitmq_conf.contains("management.tcp"));
        assert!(files.advanced_config.contains("verify_peer"));
    }

    #[test]
    fn a_broker_of_this_machine_listens_to_it_only() {
        let files = BrokerFiles::new(&config(PLAIN), &setup("http://127.0.0.1:8470")).unwrap();
        let has = |line: &str| files.rabbitmq_conf.lines().any(|other| other == line);
        assert!(has("listeners.tcp.local = 127.0.0.1:5672") && has("management.tcp.ip = 127.0.0.1"));
        assert_eq!(files.advanced_config, "[].\n");
    }

    #[test]
    fn what_would_not_be_safe_is_not_written() {
        let error = |amqp, setup: &BrokerSetup| BrokerFiles::new(&config(amqp), setup).unwrap_err();
        assert_eq!(error("", &setup("https://hub.example")), SetupError::NoBroker);
        assert_eq!(error(TLS, &setup("http://hub.example")), SetupError::PlainHub);
        assert_eq!(error(TLS, &setup("https://127.0.0.1:8470")), SetupError::NoName);
        assert_eq!(error(TLS, &BrokerSetup { tls: None, ..setup("https://hub.example") }), SetupError::NoCertificate);
        let mixed = "uri = \"amqps://broker.example\"\nmanagement = \"http://127.0.0.1:15672\"";
        assert_eq!(error(mixed, &setup("https://hub.example")), SetupError::Mixed);
        let odd = BrokerSetup { hub_ca: "/ca\"}.pem".into(), ..setup("https://hub.example") };
        assert_eq!(error(TLS, &odd), SetupError::Unwritable);
    }
}
