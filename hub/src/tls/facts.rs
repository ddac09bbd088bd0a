//! What an operator wants to know about a certificate.

use std::path::Path;

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::TlsError;
use super::development::CA_NAME;

/// What the log and the metrics tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CertificateFacts {
    /// When the first certificate of the chain expires, in seconds since 1970.
    pub(super) not_after: i64,
    /// Issued by a CA of `saphan-hub init --dev`.
    pub(super) development: bool,
}

impl CertificateFacts {
    /// Of a chain, the hub's own certificate first. `path` is the file that it came from.
    pub(super) fn of(chain: &[CertificateDer<'_>], path: &Path) -> Result<Self, TlsError> {
        let mut facts = Self { not_after: i64::MAX, development: false };
        for der in chain {
            let (_, certificate) =
                X509Certificate::from_der(der).map_err(|_| TlsError::NoCertificate { path: path.into() })?;
            facts.not_after = facts.not_after.min(certificate.validity().not_after.timestamp());
            let mut names = certificate.issuer().iter_common_name();
            facts.development |= names.any(|name| name.as_str().is_ok_and(|name| name == CA_NAME));
        }
        Ok(facts)
    }

    /// Tells the log what somebody must do soon. `now` in seconds since 1970.
    pub(super) fn warn(&self, now: i64) {
        if self.development {
            tracing::warn!("the certificate is of a development CA: whoever has its key can pose as this hub");
        }
        let days = (self.not_after - now).div_euclid(DAY);
        if now >= self.not_after {
            tracing::error!(expired = self.not_after, "the certificate has expired; connectors refuse this hub");
        } else if days < WARN_DAYS {
            tracing::warn!(days, "the certificate expires soon; put a new one in its place");
        }
    }
}

const DAY: i64 = 24 * 60 * 60;
const WARN_DAYS: i64 = 14;
