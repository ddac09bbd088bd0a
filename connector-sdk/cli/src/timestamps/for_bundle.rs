//! The timestamps that belong into an evidence bundle.

use saphan_schemas::evidence_bundle::BundledTimestamp;
use saphan_schemas::log::{Checkpoint, ProofPlan, Stamped};
use saphan_timestamps::Token;

use super::{page, token};
use crate::log_check::hashes::Hashes;
use crate::log_check::{LogCheckError, LogSource};

/// For each message the first timestamp on a checkpoint that it is in. `messages` are places in a log that was checked up to
/// `checkpoint`. One that is plainly not for its checkpoint proves nothing and stays out.
///
/// # Errors
/// [`LogCheckError`].
pub(crate) async fn for_bundle(
    source: &dyn LogSource,
    checkpoint: &Checkpoint,
    hashes: &mut Hashes<'_>,
    messages: impl Iterator<Item = u64>,
) -> Result<Vec<BundledTimestamp>, LogCheckError> {
    let mut stamps = Vec::new();
    for Stamped { size, .. } in first_after(source, messages, checkpoint.size).await? {
        let root = if size == checkpoint.size { checkpoint.root } else { hashes.root_at(size).await? };
        let plan = ProofPlan::consistency(size, checkpoint.size).map_err(|_| LogCheckError::Stopped)?;
        let (proof, token) = (hashes.prove(&plan).await?, token(source, size).await?);
        let text = Checkpoint::new(checkpoint.origin.clone(), size, root).to_note_text();
        if Token::parse(&token).is_ok_and(|token| token.is_over(text.as_bytes())) {
            stamps.push(BundledTimestamp::new(size, root, proof, &token));
        }
    }
    Ok(stamps)
}

/// For each place the first timestamp behind it, in order, each once; none above `most` entries.
async fn first_after(
    source: &dyn LogSource,
    messages: impl Iterator<Item = u64>,
    most: u64,
) -> Result<Vec<Stamped>, LogCheckError> {
    let mut left: Vec<u64> = messages.collect();
    left.sort_unstable();
    let mut found: Vec<Stamped> = Vec::new();
    let (mut left, mut number) = (left.into_iter().peekable(), 0);
    while left.peek().is_some() {
        let Some(page) = page(source, number).await? else { break };
        for stamped in page.into_iter().filter(|stamped| stamped.size <= most) {
            let mut is_first = false;
            while left.next_if(|place| *place < stamped.size).is_some() {
                is_first = true;
            }
            found.extend(Some(stamped).filter(|_| is_first));
        }
        number += 1;
    }
    Ok(found)
}
