//! One run of a handler.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;

use super::Inbox;
use crate::handler::Handled;
use crate::journal::Ending;
use crate::message::Received;

/// What a handler's run came to.
pub(super) enum Verdict {
    Ended(Ending),
    Retry { after: Option<Duration> },
}

/// Shows the message to its handler. Needs a turn of [`Inbox::turns`].
pub(super) async fn attempt(inbox: &Inbox, received: Arc<Received>) -> Verdict {
    let (index, message) = (received.receipt.index, received.claims.jti);
    // Called inside, so that a handler that panics before its first await is caught as well.
    let handled = AssertUnwindSafe(async { inbox.handlers.call(received).await }).catch_unwind().await;
    match handled {
        Ok(Ok(handled)) => verdict(inbox, index, handled).await,
        Ok(Err(_)) => {
            // The error may quote the message, so its text is left to the handler's own log.
            tracing::warn!(%message, index, "a handler failed; its message is handled again");
            Verdict::Retry { after: None }
        }
        Err(_) => {
            tracing::error!(%message, index, "a handler panicked; its message is handled again");
            Verdict::Retry { after: None }
        }
    }
}

async fn verdict(inbox: &Inbox, index: u64, handled: Handled) -> Verdict {
    let ended = |code, replies| Verdict::Ended(Ending { code, replies });
    match handled {
        Handled::Done => ended(None, Vec::new()),
        Handled::Reject(code) => ended(Some(code), Vec::new()),
        Handled::Retry { after } => Verdict::Retry { after },
        Handled::Reply(messages) => {
            let mut replies = Vec::with_capacity(messages.len());
            for message in messages {
                match inbox.outbox.sign(message).await {
                    Ok(reply) => replies.push(Arc::new(reply)),
                    Err(error) => {
                        tracing::error!(%error, index, "a handler's reply cannot be sent; its message is handled again");
                        return Verdict::Retry { after: None };
                    }
                }
            }
            ended(None, replies)
        }
    }
}
