//! `saphan keys list`, and `saphan keys revoke --all-others`: all keys of the system at the hub, whoever registered them.

use std::path::PathBuf;

use clap::Args;
use saphan_connector::hub_api::HubError;
use saphan_connector::membership::{Membership, MembershipError};
use saphan_schemas::keys::{KeyId, PublishedKey};
use saphan_schemas::message_types::Timestamp;
use saphan_schemas::problem::ProblemCode;
use serde_json::{Value, json};

use super::now;
use crate::commands::{membership_failure, start_failure};
use crate::config::Config;
use crate::outcome::{Exit, Failure, Outcome};

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// The connection to the hub
    #[arg(long, value_name = "FILE", default_value = "saphan.toml", env = "SAPHAN_CONFIG")]
    config: PathBuf,
}

pub(super) async fn list(arguments: ListArguments) -> Result<Outcome, Failure> {
    let config = Config::read(&arguments.config)?;
    let own = config.key_id();
    let membership = config.into_membership().map_err(|error| start_failure(&error))?;
    let (keys, now) = (fetch(&membership).await?, now());
    let mut text = format!("keys of {}\n\n{}", membership.system(), lines(&keys, own, now));
    if keys.iter().all(|key| key.kid != own) {
        text.push_str(&format!("\nThe key of this configuration, {own}, is not among them.\n"));
    }
    if !others(&keys, own, now).is_empty() {
        text.push_str(
            "\nWhoever has one of the others that stand acts as this system. One that is not yours: saphan keys revoke KID.\nAll but \
             the key of this configuration: saphan keys revoke --all-others.\n",
        );
    }
    let listed: Vec<Value> = keys.iter().map(|key| object(key, own, now)).collect();
    let json = json!({ "system": membership.system(), "kid": own, "keys": listed });
    Ok(Outcome { exit: Exit::Done, text, json })
}

/// Revokes all that stand but the key of the configuration, those of them that have expired by this machine's clock included:
/// the hub's may differ.
pub(super) async fn revoke_all_others(config: Config) -> Result<Outcome, Failure> {
    let own = config.key_id();
    let membership = config.into_membership().map_err(|error| start_failure(&error))?;
    let mut revoked = Vec::new();
    // Whoever has one of them may add another until it is revoked.
    for _ in 0..ROUNDS {
        let mut keys = fetch(&membership).await?;
        keys.retain(|key| key.revoked.is_none() && key.kid != own);
        if keys.is_empty() {
            let text = match revoked.len() {
                0 => format!("no other key of {} stands\n", membership.system()),
                count => format!("revoked: {count}. {own} is the only key of {} that stands\n", membership.system()),
            };
            return Ok(Outcome { exit: Exit::Done, text, json: json!({ "kid": own, "revoked": revoked }) });
        }
        // Before, so that it is known what went, whatever comes of it.
        eprintln!("revoking all keys of {} but {own}:\n\n{}", membership.system(), lines(&keys, own, now()));
        let kids: Vec<KeyId> = keys.iter().map(|key| key.kid).collect();
        for kids in kids.chunks(AT_ONCE) {
            match membership.revoke_keys(kids).await {
                Ok(()) => revoked.extend_from_slice(kids),
                // Somebody revoked one of them meanwhile, and then none of these is: look again.
                Err(MembershipError::Hub(HubError::Problem { document, .. }))
                    if document.code() == Some(ProblemCode::RegistryEntryInvalid) =>
                {
                    break;
                }
                Err(error) => return Err(membership_failure(&error)),
            }
        }
    }
    let what = format!("{} keys are revoked, and others were added or revoked meanwhile", revoked.len());
    Err(Failure::refused(what, "Ask the hub's operator to revoke the system's keys, and for an invitation."))
}

/// The keys that stand beside this one.
pub(crate) fn others(keys: &[PublishedKey], own: KeyId, now: u64) -> Vec<KeyId> {
    keys.iter().filter(|key| key.kid != own && key.stands_at(now)).map(|key| key.kid).collect()
}

/// All keys that the system ever had, those that stand first.
async fn fetch(membership: &Membership) -> Result<Vec<PublishedKey>, Failure> {
    let mut keys = membership.keys().await.map_err(|error| membership_failure(&error))?;
    let now = now();
    keys.sort_by_key(|key| !key.stands_at(now));
    Ok(keys)
}

fn lines(keys: &[PublishedKey], own: KeyId, now: u64) -> String {
    let of_this = |key: &PublishedKey| if key.kid == own { "; the key of this configuration" } else { "" };
    keys.iter().map(|key| format!("  {}  {}{}\n", key.kid, words(key, now), of_this(key))).collect()
}

fn words(key: &PublishedKey, now: u64) -> String {
    let begin = match key.nbf {
        Some(start) if now < start => format!("from {} ", time(start)),
        _ => String::new(),
    };
    match key {
        PublishedKey { revoked: Some(at), .. } => format!("revoked {}", time(*at)),
        PublishedKey { exp: Some(end), .. } if now >= *end => format!("expired {}", time(*end)),
        PublishedKey { exp: Some(end), .. } => format!("good {begin}until {}", time(*end)),
        PublishedKey { exp: None, .. } => format!("good {begin}until it is revoked"),
    }
}

fn object(key: &PublishedKey, own: KeyId, now: u64) -> Value {
    json!({
        "kid": key.kid, "stands": key.stands_at(now), "own": key.kid == own, "not_before": key.nbf, "not_after": key.exp,
        "revoked": key.revoked,
    })
}

/// A time that no calendar of ours has is shown as the number it is.
fn time(seconds: u64) -> String {
    Timestamp::from_unix_seconds(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

const ROUNDS: usize = 5;
/// What the hub takes of a system in one request.
const AT_ONCE: usize = 60;

#[cfg(test)]
mod tests {
    use saphan_schemas::keys::SigningKey;

    use super::*;

    #[test]
    fn what_a_key_is_good_for_is_told_in_words() {
        let key = PublishedKey::unlimited(*SigningKey::generate().unwrap().0.public());
        let (now, then) = (1_795_543_200, 1_795_543_260);
        for (key, expected) in [
            (key.clone(), "good until it is revoked"),
            (PublishedKey { exp: Some(then), ..key.clone() }, "good until 2026-11-24T18:01:00Z"),
            (PublishedKey { nbf: Some(then), ..key.clone() }, "good from 2026-11-24T18:01:00Z until it is revoked"),
            (PublishedKey { exp: Some(now), ..key.clone() }, "expired 2026-11-24T18:00:00Z"),
            (PublishedKey { exp: Some(then), revoked: Some(now), ..key }, "revoked 2026-11-24T18:00:00Z"),
        ] {
            assert_eq!(words(&key, now), expected);
        }
    }
}
