//! Back to what is left of a log that the hub has abandoned, where more of it was audited before.

use super::consistency::{self, Consistency};
use super::finding::Finding;
use super::state::AuditState;
use super::{AuditFailure, verdict_or_failure};
use crate::log_check::LogCheckError;
use crate::log_check::chain::Link;

/// Whether an abandoned log stands by what it showed before.
pub(super) enum Rewound {
    /// As far as anybody can tell; the state is before the first entry that is lost.
    Stands,
    /// It is said to have had less than it showed, or something else.
    Excluded(Finding),
    /// The tiles that would tell are wrong.
    Unproven(LogCheckError),
}

/// Holds a log that is abandoned against everything that it showed before, and goes back to its first entry if more was audited than is
/// left. What was trusted is kept with the evidence then: nobody else may have it any more.
pub(super) async fn rewind(state: &mut AuditState, link: &Link) -> Result<Rewound, AuditFailure> {
    let Some(lost) = link.lost.as_ref().filter(|lost| lost.checkpoint().origin == state.vkey().name()) else {
        return Ok(Rewound::Stands);
    };
    let (kept, last) = (link.signed.checkpoint(), lost.checkpoint());
    let known = state.known().await?;
    if known.iter().all(|known| known.signed.checkpoint().size <= kept.size) {
        // Nothing is to be given up, and the audit up to what is left tells who signed that.
        return Ok(Rewound::Stands);
    }
    // Nobody is accused, and nothing given up, by a key that may be anybody's.
    for signed in [&link.signed, lost] {
        if let Err(unknown) = state.must_be_known(signed).await? {
            return Ok(Rewound::Unproven(unknown));
        }
    }
    for known in known.iter().rev() {
        let before = known.signed.checkpoint();
        if before.size > last.size {
            return Ok(Rewound::Excluded(Finding::rollback(state, &known.signed, lost)?));
        }
        if before.size == last.size && before.root != last.root {
            return Ok(Rewound::Excluded(Finding::fork(state, &known.signed, lost, &[])?));
        }
        // Of what lies between the two, the hub may have nothing to show.
        if before.size <= kept.size || before.size > link.shown.size {
            continue;
        }
        match consistency::ask(&*link.source, before, &link.shown).await {
            Ok(Consistency::Grown) => {}
            Ok(Consistency::Forked(proof)) => {
                return Ok(Rewound::Excluded(Finding::fork(state, &known.signed, lost, &proof)?));
            }
            Err(error) => return Ok(Rewound::Unproven(verdict_or_failure(error)?)),
        }
    }
    let beyond: Vec<_> = known.iter().filter(|known| known.signed.checkpoint().size > kept.size).collect();
    for known in &beyond {
        state.keep_abandoned(&known.signed, lost)?;
    }
    let more_was_trusted = beyond.iter().any(|known| known.trusted);
    state.forget_beyond(kept.size, more_was_trusted).await?;
    Ok(Rewound::Stands)
}
