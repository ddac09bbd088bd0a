//! The end of what was kept long enough.

use std::sync::Arc;
use std::time::Duration;

use saphan_schemas::ids::Code;

use super::{Candidate, EraseError, candidates, erase_all, wipe};
use crate::app::App;
use crate::store::StoreError;

/// Looks for bodies whose time has come, now and every hour, until the hub stops.
pub async fn run(app: Arc<App>) {
    let mut stopping = app.stopping.clone();
    loop {
        match erase_due(&app).await {
            Ok(0) => {}
            Ok(erased) => tracing::info!(erased, "bodies were erased; they were kept long enough"),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "bodies whose time has come are still there");
            }
        }
        let pause = tokio::time::timeout(PAUSE, stopping.wait_for(|stop| *stop));
        if pause.await.is_ok() {
            return;
        }
    }
}

/// Erases the bodies whose time has come; those that are still needed are looked at again a day later. Returns how many were
/// erased.
///
/// # Errors
/// [`EraseError`]; what was erased before stays so.
pub async fn erase_due(app: &App) -> Result<usize, EraseError> {
    let basis: Code = BASIS.parse().map_err(|_| StoreError::Corrupt { what: "the basis of retention" })?;
    let mut erased = 0;
    while !app.is_stopping() {
        let now = app.clock.now_ms();
        let due = app.store.bodies_due(now, AT_ONCE).await?;
        if due.is_empty() {
            break;
        }
        let mut ended = candidates(app, &due).await?;
        for Candidate { index, .. } in ended.iter().filter(|one| !one.is_readable && one.erased.is_none()) {
            tracing::warn!(
                index,
                "the envelope of a message cannot be read; its body is kept until it is erased by hand"
            );
        }
        ended.retain(|one| one.need.is_none() && one.is_readable && one.erased.is_none());
        let kept: Vec<_> = due.into_iter().filter(|index| ended.iter().all(|one| one.index != *index)).collect();
        if !kept.is_empty() {
            app.store.keep_bodies(&kept, now.saturating_add(DAY_MS)).await?;
        }
        erased += erase_all(app, ended, &basis).await?.len();
    }
    // Also what could not be wiped when it was erased by hand.
    wipe(app).await;
    Ok(erased)
}

/// What the log gives as the reason.
const BASIS: &str = "retention";
/// A small part of what may wait for the log.
const AT_ONCE: u32 = 64;
const PAUSE: Duration = Duration::from_secs(3600);
const DAY_MS: u64 = 24 * 3_600_000;
