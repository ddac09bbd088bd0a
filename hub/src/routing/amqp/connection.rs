//! The task that owns the connection, for as long as the transport lives.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use lapin::options::ConfirmSelectOptions;
use lapin::{Channel, Connection, Event};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use super::dialling::Dialler;
use super::{Link, Shared, publisher, topology};

/// Dials, serves, and dials again, until it is aborted.
pub(super) async fn keep(dialler: Dialler, shared: Arc<Shared>, up: watch::Sender<Option<Arc<Link>>>, window: usize) {
    let mut failures = 0;
    loop {
        match timeout(DIALLING, dial(&dialler, &shared)).await {
            Ok(Ok((connection, channel))) => {
                let since = Instant::now();
                serve(connection, channel, &up, window).await;
                up.send_replace(None);
                if since.elapsed() > STABLE {
                    failures = 0;
                }
            }
            Ok(Err(error)) => tracing::warn!(%error, failures, "the broker cannot be reached; trying again"),
            Err(_) => tracing::warn!(failures, "the broker does not answer; trying again"),
        }
        sleep(back_off(failures)).await;
        failures += 1;
    }
}

/// A connection with the whole topology on it, and a channel that confirms.
async fn dial(dialler: &Dialler, shared: &Shared) -> lapin::Result<(Connection, Channel)> {
    let connection = dialler.dial().await?;
    topology::declare_exchanges(&connection).await?;
    let inboxes = shared.inboxes().clone();
    for system in &inboxes {
        match topology::declare_inbox(&connection, system).await {
            // One inbox that is in the way of nobody else: what is sent to it will be reported as unroutable.
            Err(error) if error.is_amqp_soft_error() => tracing::error!(%system, %error, "an inbox cannot be declared"),
            other => other?,
        }
    }
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok((connection, channel))
}

/// Publishes until the connection or the publishing channel is lost.
async fn serve(connection: Connection, channel: Channel, up: &watch::Sender<Option<Arc<Link>>>, window: usize) {
    let events = connection.events_listener();
    let (jobs, queue) = mpsc::channel(window);
    up.send_replace(Some(Arc::new(Link { connection, jobs })));
    tracing::info!("connected to the broker");
    tokio::select! {
        reason = publisher::run(&channel, queue, window) => tracing::warn!(%reason, "publishing to the broker ended"),
        reason = lost(events, &channel) => tracing::warn!(reason, "the connection to the broker was lost"),
    }
}

async fn lost(events: impl Stream<Item = Event>, channel: &Channel) -> String {
    let mut events = std::pin::pin!(events);
    loop {
        match events.next().await {
            // A soft error ends the channel it occurred on, which is not the publishing one when a declaration fails.
            Some(Event::Error(error)) if !error.is_amqp_soft_error() || !channel.status().connected() => {
                return error.to_string();
            }
            Some(Event::ConnectionBlocked(reason)) => {
                tracing::warn!(reason, "the broker accepts nothing for now; check its memory and disk");
            }
            Some(Event::ConnectionUnblocked) => tracing::info!("the broker accepts messages again"),
            Some(_) => {}
            None => return "the connection was closed".to_owned(),
        }
    }
}

/// Half to the whole of a delay that doubles from 100 ms to 10 s: hubs that lost the same broker must not return as one.
fn back_off(failures: u32) -> Duration {
    let longest = SHORTEST.saturating_mul(1 << failures.min(10)).min(LONGEST);
    let mut byte = [0];
    // Without randomness the delay is merely not jittered.
    let _ = SystemRandom::new().fill(&mut byte);
    longest.mul_f64(0.5 + f64::from(byte[0]) / 510.0)
}

const DIALLING: Duration = Duration::from_secs(60);
const STABLE: Duration = Duration::from_secs(10);
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_grows_to_a_bound() {
        for failures in [0, 1, 5, 50, u32::MAX] {
            let delay = back_off(failures);
            assert!(delay >= SHORTEST / 2 && delay <= LONGEST, "{failures}: {delay:?}");
        }
        assert!(back_off(20) >= LONGEST / 2);
    }
}
