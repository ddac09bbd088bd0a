//! What a system does before its first message: it signs the agreements that name it.

use saphan_connector::membership::{Membership, MembershipError};

/// Signs every agreement that the system's member has not signed; answers how many those were.
///
/// # Errors
/// [`MembershipError`].
pub async fn sign_agreements(membership: &Membership) -> Result<usize, MembershipError> {
    let member = membership.system().member();
    let mut signed = 0;
    for terms in membership.agreements().await?.iter().filter(|terms| terms.unsigned.contains(&member)) {
        membership.sign(terms).await?;
        signed += 1;
    }
    Ok(signed)
}
