//! Setting up a connector.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use saphan_schemas::ids::SystemId;
use saphan_schemas::keys::{Signer, SigningKey};
use saphan_schemas::message_types::MessageBody;
use saphan_schemas::trust::Trust;
use serde_json::Value;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use zeroize::Zeroizing;

use crate::address::HubAddress;
use crate::backoff::Backoff;
use crate::connector::{AbortOnDrop, Connector};
use crate::documents::Documents;
use crate::error::ConnectorError;
use crate::handler::{Handled, HandlerError, Handlers};
use crate::hub_api::HubApi;
use crate::hub_api::http::HttpHub;
use crate::inbox::{self, Inbox, Verifier};
use crate::journal::{Journal, Opened};
use crate::keys::SystemKeys;
use crate::message::Message;
use crate::outbox::{Dispatcher, Outbox, Sending};
use crate::outgoing::Identity;
use crate::receive::pull::Pull;
use crate::receive::{Receive, Transport};
use crate::stats::Stats;
use crate::stop::{self, Stop};
use crate::trusted::Trusted;

/// A connector that is being set up. [`Self::trust`], [`Self::key`], [`Self::data_dir`] and one of [`Self::hub`] and
/// [`Self::hub_api`] are needed.
#[must_use]
pub struct ConnectorBuilder {
    system: SystemId,
    hub: Option<Hub>,
    ca: Option<String>,
    client_certificate: Option<(String, Zeroizing<String>)>,
    trust: Option<Trust>,
    key: Option<Arc<dyn Signer>>,
    data_dir: Option<PathBuf>,
    receive: Receive,
    handlers: Handlers,
    /// The first mistake of a call that returns the builder.
    mistake: Option<ConnectorError>,
    backoff: Backoff,
    in_flight: usize,
    hub_keys_every: Duration,
    handlers_at_once: usize,
}

enum Hub {
    Address(HubAddress),
    Api(Arc<dyn HubApi>),
}

impl ConnectorBuilder {
    pub(crate) fn new(system: SystemId) -> Self {
        Self {
            system,
            hub: None,
            ca: None,
            client_certificate: None,
            trust: None,
            key: None,
            data_dir: None,
            receive: Receive::default(),
            handlers: Handlers::default(),
            mistake: None,
            backoff: Backoff::default(),
            in_flight: 64,
            hub_keys_every: Duration::from_secs(60),
            handlers_at_once: 32,
        }
    }

    /// The hub's address, e.g. `https://hub.example`. Plain HTTP is for a hub on the same machine only.
    pub fn hub(mut self, address: impl Into<HubAddress>) -> Self {
        self.hub = Some(Hub::Address(address.into()));
        self
    }

    /// Believes the hub only with a certificate that these CA certificates (PEM, one or more) vouch for, in place of those that
    /// this machine trusts; and the broker by them too, besides those of this machine.
    pub fn ca(mut self, pem: impl Into<String>) -> Self {
        self.ca = Some(pem.into());
        self
    }

    /// Shows this client certificate (PEM: certificate, then those between it and the root; and its private key), for a hub
    /// that asks for one.
    pub fn client_certificate(mut self, certificates: impl Into<String>, key: impl Into<String>) -> Self {
        self.client_certificate = Some((certificates.into(), Zeroizing::new(key.into())));
        self
    }

    /// A hub that is asked in another way than over HTTP, such as the test hub.
    pub fn hub_api(mut self, hub: Arc<dyn HubApi>) -> Self {
        self.hub = Some(Hub::Api(hub));
        self
    }

    /// The keys of the hub that receipts and proofs are verified with. When the hub's operator adds keys, the connector follows by
    /// itself. See [`crate::trust`].
    pub fn trust(mut self, trust: impl Into<Trust>) -> Self {
        self.trust = Some(trust.into());
        self
    }

    /// The system's registered signing key.
    pub fn key(self, key: SigningKey) -> Self {
        self.signer(Arc::new(key))
    }

    /// Whoever signs with the system's registered key: a key file or a token, as [`crate::key_store::KeySource::open`] gives
    /// it. While a token is away, [`crate::SendError::Key`] says so, and acknowledgements wait.
    ///
    /// ```no_run
    /// use saphan_connector::key_store::{KeySource, nobody};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// // `nobody`: there is no human to ask for a passphrase, so a file or the environment must have it.
    /// let signer = KeySource::File("saphan.key.pem".into()).open(None, &nobody)?;
    /// let connector = saphan_connector::Connector::builder("th.dlt/licensing".parse()?).signer(signer);
    /// # Ok(())
    /// # }
    /// ```
    pub fn signer(mut self, signer: Arc<dyn Signer>) -> Self {
        self.key = Some(signer);
        self
    }

    /// The folder of the journal, which holds outbox and inbox: personal data, so keep it as the system's own database is
    /// kept. It is made if it is not there. A folder belongs to one connector.
    pub fn data_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(folder.into());
        self
    }

    /// How messages come in; default [`Receive::Nothing`].
    pub fn receive(mut self, receive: Receive) -> Self {
        self.receive = receive;
        self
    }

    /// Registers the handler for a message type. It may run many times at once, and again for the same message after a
    /// crash: see [`crate::effects`].
    pub fn handle<T, F, Fut>(mut self, handler: F) -> Self
    where
        T: MessageBody + Send + 'static,
        F: Fn(Message<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Handled, HandlerError>> + Send + 'static,
    {
        let added = self.handlers.add(handler);
        self.note(added);
        self
    }

    /// Registers the handler for every type that has none of its own. Without it, such messages are rejected with the code
    /// `type-unknown`.
    pub fn handle_any<F, Fut>(mut self, handler: F) -> Self
    where
        F: Fn(Message<Value>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Handled, HandlerError>> + Send + 'static,
    {
        let added = self.handlers.add_any(handler);
        self.note(added);
        self
    }

    /// The waits between attempts: a random time up to a bound, which begins with `first` and doubles up to `most`. For
    /// sending, for receiving and for handlers; default 200 ms and 30 s.
    pub const fn retry_delays(mut self, first: Duration, most: Duration) -> Self {
        self.backoff = Backoff { first, most };
        self
    }

    /// Messages that may be on their way to the hub at once; default 64.
    pub fn in_flight(mut self, messages: usize) -> Self {
        self.in_flight = messages.max(1);
        self
    }

    /// Handlers that may run at once; default 32.
    pub fn handlers_at_once(mut self, handlers: usize) -> Self {
        self.handlers_at_once = handlers.clamp(1, Semaphore::MAX_PERMITS);
        self
    }

    /// How often the hub is asked which of its keys its operator has added or revoked; default a minute. A key that was revoked is
    /// believed no longer than this.
    pub const fn hub_keys_every(mut self, time: Duration) -> Self {
        self.hub_keys_every = time;
        self
    }

    /// Opens the journal and starts. Messages that an earlier run left in the outbox go out; those that it left in the
    /// inbox are handled. The hub need not be reachable.
    ///
    /// # Errors
    /// [`ConnectorError`].
    pub async fn build(self) -> Result<Connector, ConnectorError> {
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        let missing = |method| ConnectorError::Missing { method };
        let trust = self.trust.ok_or(missing("trust"))?;
        let key = self.key.ok_or(missing("key"))?;
        let folder = self.data_dir.ok_or(missing("data_dir"))?;
        let identity = Arc::new(Identity { system: self.system, hub: trust.hub.clone(), key });
        let (hub, ca): (Arc<dyn HubApi>, _) = match self.hub.ok_or(missing("hub"))? {
            Hub::Address(address) => {
                let address = address.or(self.ca, self.client_certificate);
                (Arc::new(HttpHub::new(&address, Arc::clone(&identity))?), address.ca_pem().map(ToOwned::to_owned))
            }
            Hub::Api(hub) => (hub, self.ca),
        };
        let transport = transport(self.receive, &hub, &identity, ca.as_deref())?;
        let (notices, noticed) = mpsc::unbounded_channel();
        let Opened { journal, writer } = Journal::open(&folder, &identity.system, notices).await?;
        let documents = Documents::new(Arc::clone(&hub), self.backoff);
        let outbox = Outbox::new(journal.clone(), Arc::clone(&identity), documents);
        let (trusted, stats) = (Arc::new(Trusted::new(Arc::clone(&hub), trust)), Arc::new(Stats::default()));
        let keys = Arc::new(SystemKeys::new(Arc::clone(&hub)));
        let (stopper, stop) = stop::signal();
        let sending = Sending { hub: Arc::clone(&hub), trusted: Arc::clone(&trusted), keys: Arc::clone(&keys) };
        let dispatcher = Dispatcher::new(sending, journal.clone(), self.backoff, self.in_flight, Arc::clone(&stats));
        let mut connector = Connector {
            hub: Arc::clone(&hub),
            outbox: outbox.clone(),
            journal: journal.clone(),
            stats: Arc::clone(&stats),
            stopper,
            tasks: JoinSet::new(),
            transport: transport.clone(),
            writer: AbortOnDrop(writer),
        };
        connector.tasks.spawn(dispatcher.run(noticed, stop.clone()));
        connector.tasks.spawn(keep_up(Arc::clone(&trusted), self.hub_keys_every, stop.clone()));
        if let Some(transport) = transport {
            let verifier = Arc::new(Verifier {
                identity: Arc::clone(&identity),
                trusted,
                keys,
                outbox: outbox.clone(),
                backoff: self.backoff,
            });
            let inbox = Inbox {
                identity,
                hub,
                journal,
                outbox,
                transport,
                verifier,
                handlers: self.handlers,
                backoff: self.backoff,
                turns: Arc::new(Semaphore::new(self.handlers_at_once)),
                stats,
                unsettled: watch::Sender::new(0),
            };
            inbox::start(inbox, &stop, &mut connector.tasks).await?;
        }
        Ok(connector)
    }

    fn note(&mut self, result: Result<(), ConnectorError>) {
        if let Err(mistake) = result {
            self.mistake.get_or_insert(mistake);
        }
    }
}

async fn keep_up(trusted: Arc<Trusted>, every: Duration, mut stop: Stop) {
    tokio::select! {
        () = stop.given() => {}
        () = trusted.keep_up(every) => {}
    }
}

#[cfg_attr(not(feature = "amqp"), expect(unused_variables, reason = "only the way to a broker needs all of them"))]
fn transport(
    receive: Receive,
    hub: &Arc<dyn HubApi>,
    identity: &Arc<Identity>,
    ca: Option<&str>,
) -> Result<Option<Arc<dyn Transport>>, ConnectorError> {
    match receive {
        Receive::Nothing => Ok(None),
        Receive::Pull => Ok(Some(Arc::new(Pull::new(Arc::clone(hub))))),
        #[cfg(feature = "amqp")]
        Receive::Amqp { uri } => Ok(Some(Arc::new(crate::receive::amqp::Amqp::new(&uri, Arc::clone(identity), ca)?))),
    }
}
