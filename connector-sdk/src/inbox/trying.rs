//! A first run of the handlers before anything is stored: most messages have ended by the time that they would be.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::task::JoinError;
use tokio::time::sleep;

use super::Inbox;
use super::attempt::{Verdict, attempt};
use super::verify::Arrival;
use crate::connector::AbortOnDrop;
use crate::journal::Ending;
use crate::stop::Stop;

/// How far a message has come before it is stored.
pub(super) enum Tried {
    /// No handler has seen it.
    Not,
    Finished(Verdict),
    Running(AbortOnDrop<Verdict>),
}

/// What is left to do about a message that has not ended.
pub(super) enum Left {
    /// Show it to a handler.
    Handling,
    /// Show it to a handler again.
    Again { after: Option<Duration> },
    /// Wait for the handler that runs.
    Running(AbortOnDrop<Verdict>),
}

impl Tried {
    /// How the message has ended, or what is left to do.
    pub(super) fn ended(self) -> Result<Ending, Left> {
        match self {
            Self::Finished(Verdict::Ended(ending)) => Ok(ending),
            Self::Finished(Verdict::Retry { after }) => Err(Left::Again { after }),
            Self::Running(run) => Err(Left::Running(run)),
            Self::Not => Err(Left::Handling),
        }
    }
}

/// Runs the handlers of new messages, as long as there are turns and none is slow; says of each how far it has come, in order.
pub(super) async fn attempts(inbox: &Arc<Inbox>, arrivals: &[&Arrival], stop: &mut Stop) -> Vec<Tried> {
    let mut tried: Vec<Tried> = arrivals.iter().map(|_| Tried::Not).collect();
    // A message that may come too late is stored first: if it comes again after a crash, that it was seen in time must be known.
    let timeless = |(_, arrival): &(usize, &&Arrival)| arrival.received.claims.not_after.is_none();
    let mut waiting: VecDeque<usize> = arrivals.iter().enumerate().filter(timeless).map(|(at, _)| at).collect();
    let mut running = FuturesUnordered::new();
    let patience = sleep(PATIENCE);
    tokio::pin!(patience);
    loop {
        while let Some(at) = waiting.front().copied()
            && let Ok(turn) = Arc::clone(&inbox.turns).try_acquire_owned()
        {
            waiting.pop_front();
            let (inbox, received) = (Arc::clone(inbox), Arc::clone(&arrivals[at].received));
            let run = tokio::spawn(async move {
                let _turn = turn;
                attempt(&inbox, received).await
            });
            running.push(Run { at, run: AbortOnDrop(run) });
        }
        tokio::select! {
            finished = running.next() => match finished {
                Some((at, Ok(verdict))) => tried[at] = Tried::Finished(verdict),
                // The runtime is being torn down; nothing will be stored.
                Some((_, Err(error))) => tracing::debug!(%error, "the run of a handler ended abnormally"),
                // All have ended, or others have all the turns.
                None => return tried,
            },
            () = &mut patience => break,
            () = stop.given() => break,
        }
    }
    for Run { at, run } in running {
        tried[at] = Tried::Running(run);
    }
    tried
}

/// The run of the handler of one message.
struct Run {
    at: usize,
    run: AbortOnDrop<Verdict>,
}

impl Future for Run {
    type Output = (usize, Result<Verdict, JoinError>);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let at = self.at;
        Pin::new(&mut self.run).poll(context).map(|verdict| (at, verdict))
    }
}

/// A handler that takes longer finishes beside: others wait behind it until then.
const PATIENCE: Duration = Duration::from_millis(20);
