//! TLS of the hub's listener: certificate and key from PEM files, taken anew when the files change.
//!
//! - `files`: what the files hold, and what is wrong with them;
//! - `clients`: which client certificates are accepted;
//! - `facts`: until when a certificate is valid, and whether it is for development only;
//! - `pinned`: how the operator's commands know the hub that runs beside them;
//! - [`development`]: the CA that `saphan-hub init --dev` makes.

mod clients;
pub mod development;
mod facts;
mod files;
mod pinned;

pub use files::{TlsError, authorities};
pub(crate) use pinned::client_config;

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::ServerConfig;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use self::facts::CertificateFacts;
use self::files::{Pair, Stamp};
use crate::config::TlsSection;
use crate::metrics::Metrics;

/// What the listener shows to those who connect. `Debug` shows no key.
pub struct ServerTls {
    section: TlsSection,
    serving: watch::Sender<Serving>,
    /// The files as they were when they were last read.
    stamp: Mutex<Stamp>,
}

#[derive(Clone)]
struct Serving {
    config: Arc<ServerConfig>,
    facts: CertificateFacts,
}

impl ServerTls {
    /// Reads the files that the configuration names; `None` when it names none.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn load(section: &TlsSection) -> Result<Option<Arc<Self>>, TlsError> {
        if !section.is_on() {
            return Ok(None);
        }
        // Before they are read: a change in between is seen later, not missed.
        let stamp = Stamp::of(section);
        let (serving, _) = watch::channel(Serving::read(section)?);
        Ok(Some(Arc::new(Self { section: section.clone(), serving, stamp: Mutex::new(stamp) })))
    }

    /// Reads the files again, for connections that begin from now on. When they cannot be used, all stays as it is.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn reload(&self) -> Result<(), TlsError> {
        *self.stamp.lock().unwrap_or_else(PoisonError::into_inner) = Stamp::of(&self.section);
        self.serving.send_replace(Serving::read(&self.section)?);
        Ok(())
    }

    /// As [`Self::reload`]; what came of it goes to the log.
    pub fn reload_and_say(&self) {
        match self.reload() {
            Ok(()) => tracing::info!(expires = self.expires(), "the certificate was read again"),
            Err(error) => tracing::error!(
                error = &error as &dyn Error,
                "the new certificate cannot be used; the hub goes on with the old one"
            ),
        }
    }

    /// When the certificate expires, in seconds since 1970; of a chain, the certificate that expires first.
    #[must_use]
    pub fn expires(&self) -> i64 {
        self.serving.borrow().facts.not_after
    }

    /// What the next connection is served with.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.serving.borrow().config))
    }

    /// Reads the files again when they change, looking `every` so often, and says in time that the certificate expires.
    /// Returns when `stop` becomes true.
    pub async fn watch(&self, every: Duration, metrics: &Metrics, mut stop: watch::Receiver<bool>) {
        let mut said: Option<Instant> = None;
        loop {
            metrics.tls_certificate_expires.set(self.expires());
            if said.is_none_or(|said| said.elapsed() >= SAY_AGAIN) {
                self.serving.borrow().facts.warn(unix_seconds());
                said = Some(Instant::now());
            }
            if tokio::time::timeout(every, stop.wait_for(|stop| *stop)).await.is_ok() {
                return;
            }
            if self.changed() {
                self.reload_and_say();
                said = None;
            }
        }
    }

    fn changed(&self) -> bool {
        *self.stamp.lock().unwrap_or_else(PoisonError::into_inner) != Stamp::of(&self.section)
    }
}

impl Serving {
    fn read(section: &TlsSection) -> Result<Self, TlsError> {
        let Pair { chain, key } = Pair::read(section)?;
        let facts = CertificateFacts::of(&chain, &section.certificate)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let clients = clients::verifier(section, &provider, &chain)?;
        let unusable = |source| TlsError::Unusable { certificate: section.certificate.clone(), source };
        // rustls has nothing older than these two.
        let versions = [&rustls::version::TLS13, &rustls::version::TLS12];
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&versions);
        let mut config = builder
            .map_err(unusable)?
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, key)
            .map_err(unusable)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), facts })
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("section", &self.section).finish_non_exhaustive()
    }
}

fn unix_seconds() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    i64::try_from(now).unwrap_or(i64::MAX)
}

/// A warning that nobody has acted on is repeated.
const SAY_AGAIN: Duration = Duration::from_secs(24 * 60 * 60);
