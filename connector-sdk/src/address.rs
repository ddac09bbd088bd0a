//! Where a hub is, and what makes the connection to it safe.

use std::fmt;

use reqwest::{Certificate, ClientBuilder, Identity};
use zeroize::Zeroizing;

use crate::error::ConnectorError;

/// A hub's address, with whom to believe that it is the hub, and a client certificate if the hub asks for one.
///
/// A bare URL is one as well: then the hub's certificate must be of a CA that this machine trusts. Plain HTTP is for a hub on
/// the same machine only. `Debug` shows no key.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use saphan_connector::{HubAddress, trust};
///
/// let hub = HubAddress::new("https://hub.example").ca(std::fs::read_to_string("exchange-ca.pem")?);
/// let trust = trust::fetch(&hub).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct HubAddress {
    url: String,
    ca: Option<String>,
    /// Certificates and key in one PEM text.
    identity: Option<Zeroizing<String>>,
}

impl HubAddress {
    /// The hub at this URL, e.g. `https://hub.example`.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), ca: None, identity: None }
    }

    /// Believes only certificates that these CA certificates (PEM, one or more) vouch for, in place of those that this machine
    /// trusts.
    pub fn ca(mut self, pem: impl Into<String>) -> Self {
        self.ca = Some(pem.into());
        self
    }

    /// Shows this client certificate, for a hub that asks for one: the certificate (PEM), followed by those between it and the
    /// root, and its private key (PEM, without a passphrase). It lets the system connect; who the system is, its registered
    /// key says.
    pub fn client_certificate(mut self, certificates: &str, key: &str) -> Self {
        self.identity = Some(Zeroizing::new(format!("{certificates}\n{key}")));
        self
    }

    /// The URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The CA certificates, if not those of this machine are believed.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca.as_deref()
    }

    /// Sets an HTTP client up for this hub. For programs of this project: which client it is may change.
    ///
    /// # Errors
    /// [`ConnectorError::Certificates`].
    #[doc(hidden)]
    pub fn secure(&self, mut client: ClientBuilder) -> Result<ClientBuilder, ConnectorError> {
        let unusable = |what| ConnectorError::Certificates { what };
        if let Some(ca) = &self.ca {
            let certificates = Certificate::from_pem_bundle(ca.as_bytes()).map_err(|_| unusable(CA))?;
            // Nobody could be believed; a mistake that is better told here.
            if certificates.is_empty() {
                return Err(unusable(CA));
            }
            client = client.tls_certs_only(certificates);
        }
        if let Some(identity) = &self.identity {
            // What is wrong with it could quote the key.
            client = client.identity(Identity::from_pem(identity.as_bytes()).map_err(|_| unusable(CLIENT))?);
        }
        Ok(client)
    }

    /// With what `other` sets, where this sets nothing.
    pub(crate) fn or(mut self, ca: Option<String>, identity: Option<(String, Zeroizing<String>)>) -> Self {
        self.ca = self.ca.or(ca);
        match identity {
            Some((certificates, key)) if self.identity.is_none() => self.client_certificate(&certificates, &key),
            _ => self,
        }
    }
}

impl From<&str> for HubAddress {
    fn from(url: &str) -> Self {
        Self::new(url)
    }
}

impl From<String> for HubAddress {
    fn from(url: String) -> Self {
        Self::new(url)
    }
}

impl From<&String> for HubAddress {
    fn from(url: &String) -> Self {
        Self::new(url)
    }
}

impl From<&Self> for HubAddress {
    fn from(address: &Self) -> Self {
        address.clone()
    }
}

impl fmt::Debug for HubAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubAddress")
            .field("url", &self.url)
            .field("own_ca", &self.ca.is_some())
            .field("client_certificate", &self.identity.is_some())
            .finish()
    }
}

const CA: &str = "CA certificates are not in PEM form, or there is none among them";
const CLIENT: &str = "client certificate and its key are not in PEM form, or one of them is missing";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_private_key() {
        let address = HubAddress::new("https://hub.example").client_certificate("certificate", "private key");
        let shown = format!("{address:?}");
        assert!(!shown.contains("private key"), "{shown}");
    }

    #[test]
    fn texts_that_hold_no_certificates_are_refused_and_not_quoted() {
        let refused = [
            HubAddress::new("https://hub.example").ca("private"),
            HubAddress::new("https://hub.example").client_certificate("private", "private"),
        ];
        for address in refused {
            let error = address.secure(reqwest::Client::builder()).unwrap_err();
            assert!(matches!(error, ConnectorError::Certificates { .. }), "{error:?}");
            assert!(!format!("{error} {error:?}").contains("private"), "{error:?}");
        }
    }
}
