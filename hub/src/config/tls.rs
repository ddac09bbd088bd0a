//! `[tls]`: the listener's certificate, and those of clients.

use std::path::{Path, PathBuf};

use serde::Deserialize;

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

impl TlsSection {
    /// Whether the hub serves HTTPS.
    #[must_use]
    pub fn is_on(&self) -> bool {
        is_set(&self.certificate)
    }

    /// The rules of these settings: whether one holds, its setting, and what it says.
    pub(super) fn rules(&self) -> [(bool, &'static str, &'static str); 4] {
        [
            (is_set(&self.certificate) == is_set(&self.key), "tls.key", "set if tls.certificate is set, and only then"),
            (!is_set(&self.ca) || is_set(&self.certificate), "tls.ca", "set only if tls.certificate is set"),
            (
                is_set(&self.client_ca) == (self.client_certificates != ClientCertificates::None),
                "tls.client_ca",
                "set if tls.client_certificates is \"optional\" or \"required\", and only then",
            ),
            (
                self.is_on() || self.client_certificates == ClientCertificates::None,
                "tls.client_certificates",
                "\"none\" as long as tls.certificate and tls.key are not set",
            ),
        ]
    }
}

fn is_set(path: &Path) -> bool {
    !path.as_os_str().is_empty()
}

#[cfg(test)]
mod tests {
    use super::super::{Config, ConfigError};

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
