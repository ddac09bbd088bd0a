//! Whether the hub knows the system's key, and which others it knows.

use saphan_connector::hub_api::HubError;
use saphan_connector::membership::{Membership, MembershipError};
use saphan_schemas::ids::SystemId;
use saphan_schemas::keys::{KeyId, PublishedKey};

use super::finding::Finding;
use crate::commands::keys::{now, others};
use crate::outcome::Side;

pub(super) const STEP: &str = "key";

pub(super) async fn examine(membership: &Membership, kid: KeyId) -> Result<Finding, Finding> {
    let system = membership.system();
    let keys = membership.keys().await.map_err(|error| match problem_status(&error) {
        Some(404) => Finding::failed(STEP, format!("the hub knows no system {system}"), Side::Caller, INVITE),
        _ => Finding::failed(STEP, error.to_string(), Side::Hub, "try again"),
    })?;
    judge(&keys, system, kid, now())
}

fn judge(keys: &[PublishedKey], system: &SystemId, kid: KeyId, now: u64) -> Result<Finding, Finding> {
    let failed = |says: String, advice: &str| Err(Finding::failed(STEP, says, Side::Caller, advice));
    let Some(key) = keys.iter().find(|key| key.kid == kid) else {
        return failed(format!("the hub has no key {kid} of {system}"), INVITE);
    };
    let mut says = format!("{kid} is registered for {system}");
    let mut advice = Vec::new();
    match key {
        PublishedKey { revoked: Some(_), .. } => return failed("this key was revoked".to_owned(), INVITE),
        PublishedKey { exp: Some(end), .. } if now >= *end => return failed("this key has expired".to_owned(), INVITE),
        PublishedKey { nbf: Some(start), .. } if now < *start => {
            return failed(format!("this key is valid in {} s only", start - now), "wait, or use the key before it");
        }
        PublishedKey { exp: Some(end), .. } if end - now < SOON => {
            says.push_str(&format!(", and expires in {} days", (end - now) / 86_400));
            advice.push("make the next one in time: `saphan keys rotate`");
        }
        _ => {}
    }
    let others: Vec<String> = others(keys, kid, now).iter().map(ToString::to_string).collect();
    if !others.is_empty() {
        says.push_str(&format!("; so are other keys that stand: {}", others.join(", ")));
        advice.push("revoke those that are not in use, or not yours: `saphan keys revoke KID`, or --all-others");
    }
    Ok(match advice.is_empty() {
        true => Finding::ok(STEP, says),
        false => Finding::warning(STEP, says, Side::Caller, advice.join("; ")),
    })
}

fn problem_status(error: &MembershipError) -> Option<u16> {
    match error {
        MembershipError::Hub(HubError::Problem { document, .. }) => Some(document.status),
        _ => None,
    }
}

const INVITE: &str = "ask the hub's operator for an invitation, and join again in a new folder";
const SOON: u64 = 30 * 86_400;

#[cfg(test)]
mod tests {
    use saphan_schemas::keys::SigningKey;

    use super::*;
    use crate::commands::doctor::finding::Verdict;

    const NOW: u64 = 1_795_543_200;

    fn key() -> PublishedKey {
        PublishedKey::unlimited(*SigningKey::generate().unwrap().0.public())
    }

    fn judged(own: &PublishedKey, others: impl IntoIterator<Item = PublishedKey>) -> (Verdict, String) {
        let keys: Vec<_> = [own.clone()].into_iter().chain(others).collect();
        let finding = judge(&keys, &"th.dga/portal".parse().unwrap(), own.kid, NOW).unwrap_or_else(|failed| failed);
        (finding.verdict, finding.to_string())
    }

    #[test]
    fn other_keys_that_stand_or_will_are_named_in_a_warning_and_those_that_ended_are_not() {
        let (own, now, later) = (key(), key(), PublishedKey { nbf: Some(NOW + 1), ..key() });
        let expired = PublishedKey { exp: Some(NOW), ..key() };
        let revoked = PublishedKey { revoked: Some(NOW), ..key() };
        assert_eq!(judged(&own, [expired.clone(), revoked.clone()]).0, Verdict::Ok);
        let ended = [expired.kid, revoked.kid].map(|kid| kid.to_string());
        let (verdict, says) = judged(&own, [expired, now.clone(), revoked, later.clone()]);
        assert_eq!(verdict, Verdict::Warning, "{says}");
        for kid in [now.kid, later.kid] {
            assert!(says.contains(&kid.to_string()) && says.contains("--all-others"), "{says}");
        }
        assert!(ended.iter().all(|kid| !says.contains(kid)), "{says}");
    }

    #[test]
    fn a_key_that_ends_soon_is_told_beside_others_and_one_that_has_ended_fails() {
        let ending = PublishedKey { exp: Some(NOW + 3 * 86_400), ..key() };
        let (verdict, says) = judged(&ending, [key()]);
        assert_eq!(verdict, Verdict::Warning);
        assert!(says.contains("expires in 3 days") && says.contains("other keys that stand"), "{says}");
        assert_eq!(judged(&PublishedKey { revoked: Some(NOW), ..key() }, [key()]).0, Verdict::Failed);
        assert_eq!(judged(&PublishedKey { exp: Some(NOW), ..key() }, []).0, Verdict::Failed);
    }
}
