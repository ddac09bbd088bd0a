//! Receiving: verified first, handled and durable next, acknowledged last.
//!
//! Five tasks in a row, each of which takes everything that waits for it:
//!
//! 1. [`intake`] takes deliveries from the transport and verifies them ([`verify`]);
//! 2. [`filing`] stores them and tells the broker; duplicates end here. Before, it lets their handlers have a run ([`trying`]), so
//!    that of most messages nothing is stored but how they ended;
//! 3. [`handling`] runs the handlers of those that have not ended;
//! 4. [`settling`] makes their outcomes and replies durable in one transaction;
//! 5. [`acknowledging`] signs outcomes in batches and hands them to the hub.
//!
//! A crash between any two loses nothing: each goes on from what the one before made durable, and until then the message is
//! the transport's, which brings it again.

mod acknowledging;
mod attempt;
mod filing;
mod handling;
mod intake;
mod settling;
mod trying;
mod verify;

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::backoff::Backoff;
use crate::handler::Handlers;
use crate::hub_api::HubApi;
use crate::journal::{Journal, JournalError};
use crate::outbox::Outbox;
use crate::outgoing::Identity;
use crate::receive::Transport;
use crate::stats::Stats;
use crate::stop::Stop;

pub(crate) use self::verify::Verifier;

/// What the tasks share.
pub(crate) struct Inbox {
    pub(crate) identity: Arc<Identity>,
    pub(crate) hub: Arc<dyn HubApi>,
    pub(crate) journal: Journal,
    pub(crate) outbox: Outbox,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) handlers: Handlers,
    pub(crate) backoff: Backoff,
    /// A permit for each handler that may run at once.
    pub(crate) turns: Arc<Semaphore>,
    pub(crate) stats: Arc<Stats>,
    /// Messages that are stored and not acknowledged.
    pub(crate) unsettled: watch::Sender<usize>,
}

/// Starts the tasks, after what an earlier life left over.
pub(crate) async fn start(inbox: Inbox, stop: &Stop, tasks: &mut JoinSet<()>) -> Result<(), JournalError> {
    let left = inbox.journal.unsettled().await?;
    let inbox = Arc::new(inbox);
    inbox.unsettled.send_modify(|count| *count += left.pending.len() + left.handled.len());
    let (verified, to_file) = mpsc::channel(4);
    let (filed, to_handle) = mpsc::channel(16);
    let (handled, to_settle) = mpsc::channel(CHANNEL);
    let (settled, to_acknowledge) = mpsc::channel(CHANNEL);
    tasks.spawn(intake::run(Arc::clone(&inbox), verified, stop.clone()));
    tasks.spawn(filing::run(Arc::clone(&inbox), to_file, filed, settled.clone(), stop.clone()));
    tasks.spawn(handling::run(Arc::clone(&inbox), to_handle, left.pending, handled, stop.clone()));
    tasks.spawn(settling::run(Arc::clone(&inbox), to_settle, settled));
    tasks.spawn(acknowledging::run(inbox, to_acknowledge, left.handled, stop.clone()));
    Ok(())
}

/// Messages between two tasks before the first waits.
const CHANNEL: usize = 1024;

/// Messages stored and not acknowledged before no more are taken in.
const MOST_UNSETTLED: usize = 2048;

/// Messages taken in, settled or acknowledged at once.
const BATCH: usize = 256;
