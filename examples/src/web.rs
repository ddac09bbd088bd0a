//! The portal's page: a small web application, rendered on the server, in Thai and English.
//!
//! It lists services, builds their forms from the catalogue's schemas, says which papers need not be handed in, asks for consent,
//! submits, shows how far each application is, and lists who used a person's data. All of it works without JavaScript.
//!
//! It is an example. Its sign-in is a demonstration: anybody may be any of the synthetic people. What a portal keeps in tables, it
//! keeps in memory.

mod book;
mod draft;
mod files;
mod form;
mod guard;
mod language;
mod names;
mod pages;
mod people;
mod refusal;
mod sessions;
mod visit;

pub use people::Person;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use saphan_connector::{Connector, ConnectorBuilder, ConnectorError, Drained, JournalError, OutgoingMessage};
use saphan_hub::html;
use saphan_schemas::catalogue::{Catalogue, CatalogueError};
use saphan_schemas::ids::{Code, ServiceId, SystemId};
use saphan_schemas::message_types::BilingualText;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

use self::book::Book;
use self::draft::Drafts;
use self::files::Shelf;
use self::names::Names;
use self::refusal::Because;
use self::sessions::Sessions;

/// A service that people can apply for here, and why data may travel for it. Agreements say the same.
#[derive(Debug, Clone)]
pub struct Offer {
    /// The service.
    pub service: ServiceId,
    /// The purpose that messages name.
    pub purpose: Code,
    /// The purpose as people read it in the question for consent, e.g. “to renew your driving licence”.
    pub reason: BilingualText,
}

/// What the page offers, and to whom.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The hub's own system, which takes applications.
    pub hub_system: SystemId,
    /// What people can apply for; the other services of the hub are shown only.
    pub offers: Vec<Offer>,
    /// Who can sign in.
    pub people: Vec<Person>,
}

/// The page with its connector.
#[derive(Debug)]
pub struct Portal {
    site: Arc<Site>,
}

/// The page could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The catalogue of this release is damaged.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The connector does not start.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
}

/// What all requests share.
struct Site {
    settings: Settings,
    connector: Connector,
    catalogue: Catalogue,
    names: Names,
    sessions: Sessions,
    drafts: Drafts,
    shelf: Arc<Shelf>,
    book: Arc<Book>,
    /// Becomes true when the page is to stop.
    stopping: watch::Sender<bool>,
}

impl Portal {
    /// Registers the portal's handlers and starts its connector.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(builder: ConnectorBuilder, settings: Settings) -> Result<Self, OpenError> {
        let catalogue = Catalogue::embedded()?;
        let book = Arc::new(Book::default());
        let connector = book::handlers(builder, &book).build().await?;
        let names = Names::new(&catalogue, &settings.hub_system, connector.system());
        let (sessions, drafts, shelf) = (Sessions::default(), Drafts::default(), Arc::default());
        let stopping = watch::Sender::new(false);
        let site = Site { settings, connector, catalogue, names, sessions, drafts, shelf, book, stopping };
        Ok(Self { site: Arc::new(site) })
    }

    /// Serves the page until `stop` is there and all requests are answered. For a browser on this machine, or behind something that
    /// ends TLS: the page itself speaks plain HTTP.
    ///
    /// # Errors
    /// The listener fails.
    pub async fn serve(&self, listener: TcpListener, stop: impl Future<Output = ()> + Send) -> io::Result<()> {
        let router = pages::router(Arc::clone(&self.site));
        let mut stopping = self.site.stopping.subscribe();
        let stopped = async move {
            // Whoever could say so is gone with the page.
            let _ = stopping.wait_for(|stopping| *stopping).await;
        };
        let serving = axum::serve(listener, router).with_graceful_shutdown(stopped);
        let told = async {
            stop.await;
            // Those who watch a case go home first.
            self.site.stopping.send_replace(true);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            served = serving => served,
            () = told => Ok(()),
        }
    }

    /// The connector, e.g. for its counts.
    #[must_use]
    pub fn connector(&self) -> &Connector {
        &self.site.connector
    }

    /// Stops the connector in good order, once [`Portal::serve`] has ended; `None` when a request is still under way, and everything
    /// stops when it ends.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn shutdown(self, deadline: Duration) -> Result<Option<Drained>, JournalError> {
        match Arc::into_inner(self.site) {
            Some(site) => site.connector.shutdown(deadline).await.map(Some),
            None => Ok(None),
        }
    }
}

impl Site {
    fn offer(&self, service: &ServiceId) -> Option<&Offer> {
        self.settings.offers.iter().find(|offer| offer.service == *service)
    }

    /// Sends a message and waits for its receipt, as long as a person waits for a page. It goes on by itself after that.
    async fn send(&self, message: OutgoingMessage) -> Result<(), Because> {
        match timeout(PATIENCE, self.connector.send(message)).await {
            Ok(sent) => sent.map(|_| ()).map_err(Because::from),
            Err(_) => Err(Because::Unreachable),
        }
    }
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site").field("connector", &self.connector).finish_non_exhaustive()
    }
}

const PATIENCE: Duration = Duration::from_secs(20);
