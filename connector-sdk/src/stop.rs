//! The signal to stop in order.

use tokio::sync::watch;

/// Gives the signal; dropped, it gives it too.
#[derive(Debug)]
pub(crate) struct Stopper(watch::Sender<bool>);

/// Waits for the signal.
#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

pub(crate) fn signal() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(false);
    (Stopper(sender), Stop(receiver))
}

impl Stopper {
    pub(crate) fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Returns once the signal was given.
    pub(crate) async fn given(&mut self) {
        // An error means that the stopper is gone.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}
