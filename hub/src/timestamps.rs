//! Timestamps (RFC 3161): an authority that knows nothing of the hub says that a checkpoint existed by some time, so that the hub
//! cannot date its log back.
//!
//! Once in each interval the newest checkpoint is stamped ([`rounds`], `asking`), if the log has grown; the token is verified, kept
//! and served. Nothing waits for it: while the authority is away messages are accepted as before, and a gap remains.

mod asking;
pub mod rounds;

use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::{Client, Url};
use saphan_timestamps::{Authorities, PolicyId};

use crate::config::TimestampsConfig;
use crate::metrics::Metrics;

/// The authority of a hub, and what it stamped last.
#[derive(Debug)]
pub struct Timestamps {
    url: Url,
    client: Client,
    trusted: Authorities,
    policy: Option<PolicyId>,
    /// From one token to the next, in milliseconds.
    every_ms: u64,
    newest: Mutex<Newest>,
}

/// The newest token.
#[derive(Debug, Clone, Copy)]
struct Newest {
    /// The entries in its checkpoint.
    size: u64,
    /// When the hub got it, by the hub's clock in milliseconds since 1970; at first when the hub began to ask.
    at_ms: u64,
}

impl Timestamps {
    /// The authority that the configuration names, if any. `now_ms` is the time from which on a token is late.
    ///
    /// # Errors
    /// When address, policy or certificates cannot be used.
    pub fn open(config: &TimestampsConfig, now_ms: u64) -> anyhow::Result<Option<Self>> {
        if config.url.is_empty() {
            return Ok(None);
        }
        let pem = &config.authority;
        let trusted =
            fs::read(pem).with_context(|| format!("timestamps.authority: {} cannot be read", pem.display()))?;
        let trusted =
            Authorities::from_pem(&trusted).with_context(|| format!("timestamps.authority: {}", pem.display()))?;
        let policy = Some(&config.policy).filter(|policy| !policy.is_empty());
        let policy = policy.map(|policy| policy.parse()).transpose().context("timestamps.policy")?;
        // The hub's other commands come here too. An error means that a provider is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let answer = Duration::from_secs(config.timeout_seconds);
        let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let client = client.connect_timeout(answer).timeout(answer).build().context("no HTTP client can be made")?;
        Ok(Some(Self {
            url: address(&config.url).context("timestamps.url")?,
            client,
            trusted,
            policy,
            every_ms: u64::from(config.every_seconds) * 1000,
            newest: Mutex::new(Newest { size: 0, at_ms: now_ms }),
        }))
    }

    /// Writes the age of the newest token.
    pub fn measure(&self, metrics: &Metrics, now_ms: u64) {
        let newest = self.newest();
        let age = now_ms.saturating_sub(newest.at_ms) / 1000;
        metrics.timestamp_age.set(i64::try_from(age).unwrap_or(i64::MAX));
        metrics.timestamped_size.set(i64::try_from(newest.size).unwrap_or(i64::MAX));
    }

    fn newest(&self) -> Newest {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_newest(&self, newest: Newest) {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = newest;
    }
}

/// Plain HTTP is allowed, as RFC 3161 section 3.4 has it: all that passes is a hash, and signed.
fn address(url: &str) -> anyhow::Result<Url> {
    let url: Url = url.parse()?;
    if !matches!(url.scheme(), "https" | "http") || url.fragment().is_some() {
        bail!("it is not of the form https://host/path");
    }
    if !url.username().is_empty() || url.password().is_some() {
        bail!("it must not hold a user or a password");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_no_password() {
        for (text, good) in [
            ("http://tsa.example", true),
            ("https://tsa.example:8443/tsr?policy=1", true),
            ("ftp://tsa.example", false),
            ("tsa.example", false),
            ("https://u:p@tsa.example", false),
            ("https://tsa.example/#a", false),
        ] {
            assert_eq!(address(text).is_ok(), good, "{text}");
        }
    }
}
