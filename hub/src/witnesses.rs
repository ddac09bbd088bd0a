//! Witnesses: others that cosign the hub's checkpoints, so that the hub cannot show different people different logs unnoticed.
//!
//! The hub publishes each checkpoint at once and waits for nobody. About once a second it brings the newest one before all
//! witnesses of its policy, at the same time and each on its own ([`rounds`]); what they sign is put together
//! (`gathering`), and once it is a quorum it is the cosigned checkpoint. After a restart the hub asks again. Of a log that is closed
//! the last checkpoint goes on being shown until all have cosigned it, and is kept then (`ends`).

mod asking;
mod ends;
mod gathering;
pub mod rounds;

pub(crate) use ends::keep_newest;

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::{Client, Url};
use saphan_schemas::log::{AddCheckpoint, NoteSignature, Policy};
use tokio::sync::watch;

use self::asking::Asked;
use self::gathering::Gathered;
use crate::metrics::Metrics;

/// The witnesses of a hub, and what they have signed.
#[derive(Debug)]
pub struct Witnesses {
    policy: Policy,
    /// Those that the policy gives an address of.
    asked: Vec<Asked>,
    gathered: Mutex<Gathered>,
    cosigned: watch::Sender<Option<Arc<Cosigned>>>,
}

/// A checkpoint with the cosignatures of a quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigned {
    /// The number of entries.
    pub size: u64,
    /// The note: what the log signed, and a line of each witness.
    pub text: String,
}

/// A checkpoint that witnesses are asked to cosign.
#[derive(Debug, Clone)]
struct Head {
    size: u64,
    checkpoint: Arc<str>,
}

impl Witnesses {
    /// Reads the policy: a C2SP tlog-policy whose witnesses have addresses. `now_ms` is the time from which on a witness that
    /// does not answer is late.
    ///
    /// # Errors
    /// When it cannot be read, or names no witness that could be asked.
    pub fn open(policy: &Path, now_ms: u64) -> anyhow::Result<Self> {
        let file =
            fs::read(policy).with_context(|| format!("witnesses.policy: {} cannot be read", policy.display()))?;
        let policy = Policy::parse(&file).with_context(|| format!("witnesses.policy: {}", policy.display()))?;
        // The hub's other commands come here too. An error means that a provider is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Directly, as to all others: what stands in the environment for other programs is not on the way.
        let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let client = client.connect_timeout(ANSWER).timeout(ANSWER).build().context("no HTTP client can be made")?;
        let mut asked = Vec::new();
        for (place, witness) in policy.witnesses().iter().enumerate() {
            let Some(prefix) = &witness.url else { continue };
            let url = endpoint(prefix).with_context(|| format!("the address of the witness {}", witness.name()))?;
            asked.push(Asked::new(place, witness, url, client.clone()));
        }
        if asked.is_empty() {
            bail!("witnesses.policy: no witness has an address: write `witness <name> <vkey> https://…`");
        }
        if asked.len() > MOST {
            bail!("witnesses.policy: more than {MOST} witnesses have addresses; a checkpoint has no room for more");
        }
        let gathered = Mutex::new(Gathered::new(policy.witnesses().len(), now_ms));
        Ok(Self { policy, asked, gathered, cosigned: watch::Sender::new(None) })
    }

    /// The newest checkpoint that a quorum has cosigned; changes whenever there is a newer one.
    #[must_use]
    pub fn cosigned(&self) -> watch::Receiver<Option<Arc<Cosigned>>> {
        self.cosigned.subscribe()
    }

    /// Writes the ages of what was signed last.
    pub fn measure(&self, metrics: &Metrics, now_ms: u64) {
        let age = |at_ms: u64| i64::try_from(now_ms.saturating_sub(at_ms) / 1000).unwrap_or(i64::MAX);
        let gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        for asked in &self.asked {
            metrics.witness_age(asked.name(), age(gathered.last_ms(asked.place())));
        }
        metrics.cosigned_age.set(age(gathered.quorum_ms()));
        let size = self.cosigned.borrow().as_ref().map_or(0, |cosigned| cosigned.size);
        metrics.cosigned_size.set(i64::try_from(size).unwrap_or(i64::MAX));
    }

    /// A witness signed this head. The line was verified.
    fn take(&self, asked: &Asked, head: &Head, line: NoteSignature, now_ms: u64) {
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cosigned) = gathered.add(&self.policy, asked, head, line, now_ms) {
            self.cosigned.send_replace(Some(Arc::new(cosigned)));
        }
    }
}

/// Where a witness takes checkpoints. Plain HTTP is allowed: all that passes is public, and signed.
fn endpoint(prefix: &str) -> anyhow::Result<Url> {
    let url: Url = format!("{}/{}", prefix.trim_end_matches('/'), AddCheckpoint::PATH).parse()?;
    if !matches!(url.scheme(), "https" | "http") || url.query().is_some() || url.fragment().is_some() {
        bail!("it is not of the form https://host/prefix");
    }
    if !url.username().is_empty() || url.password().is_some() {
        bail!("it must not hold a user or a password");
    }
    Ok(url)
}

/// How long a witness may take for one answer.
const ANSWER: Duration = Duration::from_secs(5);
/// A note has 16 signatures at most, and the log may have several keys.
const MOST: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_witnesses_are_prefixes() {
        for (prefix, expected) in [
            ("https://w.example", Some("https://w.example/add-checkpoint")),
            ("https://w.example/", Some("https://w.example/add-checkpoint")),
            ("http://127.0.0.1:8480/w/1", Some("http://127.0.0.1:8480/w/1/add-checkpoint")),
            ("ftp://w.example", None),
            ("w.example", None),
            ("https://u:p@w.example", None),
            ("https://w.example?q=", None),
        ] {
            assert_eq!(endpoint(prefix).ok().map(|url| url.to_string()).as_deref(), expected, "{prefix}");
        }
    }
}
