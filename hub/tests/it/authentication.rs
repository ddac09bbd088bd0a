//! Who calls: a fresh token of the caller's own key, for this hub, method and path.

use saphan_schemas::auth::AuthClaims;
use saphan_schemas::b64;
use saphan_schemas::keys::SigningKey;
use saphan_schemas::problem::ProblemCode;
use saphan_schemas::registry::{Change, Entry, EntryId, Role, System, SystemKey, TransportKind};
use serde_json::{Value, json};

use crate::harness::{Answer, HUB, NOW, Party, TestHub, sign_entry, sign_entry_as, sign_token};

/// A lease with this token of the office.
async fn with_claims(hub: &TestHub, change: impl FnOnce(&mut AuthClaims), key: &SigningKey) -> Answer {
    let mut claims = hub.token(hub.world.office.id.as_str(), "POST", LEASE);
    change(&mut claims);
    with_token(hub, &sign_token(claims, key)).await
}

async fn with_token(hub: &TestHub, token: &str) -> Answer {
    hub.call_with(&format!("Bearer {token}"), "POST", LEASE, &json!({ "max": 1 })).await
}

#[tokio::test]
async fn a_token_is_good_for_60_seconds_and_a_little_early() {
    let hub = TestHub::new().await;
    // It accepts no token from before it started.
    hub.clock.advance(61);
    let now = hub.clock.now();
    let key = &hub.world.office.key;
    for iat in [now, now - 60, now + 10] {
        assert_eq!(with_claims(&hub, |claims| claims.iat = iat, key).await.status, 200, "{iat}");
    }
    for iat in [now - 61, now + 11, 0, u64::MAX] {
        with_claims(&hub, |claims| claims.iat = iat, key).await.problem(ProblemCode::TokenExpired);
    }
}

#[tokio::test]
async fn a_token_for_another_hub_method_or_path_is_refused_and_the_member_named() {
    type Change = fn(&mut AuthClaims);

    let hub = TestHub::new().await;
    let key = &hub.world.office.key;
    let cases: [(&str, Change); 6] = [
        ("aud", |claims| claims.aud = "hub.elsewhere".parse().unwrap()),
        ("htm", |claims| claims.htm = "GET".into()),
        ("htm", |claims| claims.htm = "post".into()),
        ("htu", |claims| claims.htu = "/v1/inbox/extend".into()),
        ("htu", |claims| claims.htu = format!("http://hub.local{LEASE}")),
        ("htu", |claims| claims.htu = format!("{LEASE}?max=1")),
    ];
    for (member, change) in cases {
        let problem = with_claims(&hub, change, key).await.problem(ProblemCode::TokenInvalid);
        assert_eq!(problem.detail, Some(format!("its {member} is of another request")));
    }
}

#[tokio::test]
async fn a_token_covers_a_path_with_any_query() {
    let hub = TestHub::new().await;
    let token = sign_token(hub.token(hub.world.office.id.as_str(), "POST", LEASE), &hub.world.office.key);
    let path = format!("{LEASE}?trace=1");
    let answer = hub.call_with(&format!("Bearer {token}"), "POST", &path, &json!({ "max": 1 })).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_token_that_is_not_signed_as_the_contract_says_is_refused() {
    let hub = TestHub::new().await;
    let office = &hub.world.office;
    let claims = b64::encode_url(serde_json::to_vec(&hub.token(office.id.as_str(), "POST", LEASE)).unwrap());
    let kid = office.key.id();
    for header in [
        r#"{"alg":"none"}"#.to_owned(),
        format!(r#"{{"alg":"none","kid":"{kid}","typ":"saphan-auth+jwt"}}"#),
        format!(r#"{{"alg":"HS256","kid":"{kid}","typ":"saphan-auth+jwt"}}"#),
        format!(r#"{{"alg":"ES256","kid":"{kid}","typ":"JWT"}}"#),
        format!(r#"{{"alg":"ES256","kid":"{kid}","typ":"saphan-envelope+jws"}}"#),
        format!(r#"{{"alg":"ES256","cty":"json","kid":"{kid}","typ":"saphan-auth+jwt"}}"#),
        format!(r#"{{"alg":"ES256","crit":["b64"],"kid":"{kid}","typ":"saphan-auth+jwt"}}"#),
    ] {
        let input = format!("{}.{claims}", b64::encode_url(&header));
        let signature = b64::encode_url(office.key.sign(input.as_bytes()).unwrap());
        with_token(&hub, &format!("{input}.{signature}")).await.problem(ProblemCode::TokenInvalid);
        with_token(&hub, &format!("{input}.")).await.problem(ProblemCode::TokenInvalid);
    }
    // A message's envelope is no token, though the same key signed it.
    with_token(&hub, hub.world.message().envelope()).await.problem(ProblemCode::TokenInvalid);
}

#[tokio::test]
async fn a_token_of_another_key_is_refused() {
    let hub = TestHub::new().await;
    let office = &hub.world.office;
    let [unknown, early, late, revoked] = std::array::from_fn(|_| office.another_key());
    let entries = [
        SystemKey { not_before: Some(NOW + 1), ..early.key_entry() },
        SystemKey { not_after: Some(NOW), ..late.key_entry() },
        revoked.key_entry(),
    ];
    hub.apply(entries.map(|entry| Change::Added(Entry::Key(entry)))).await;
    assert_eq!(with_claims(&hub, |_| (), &revoked.key).await.status, 200);
    hub.apply([Change::Revoked(EntryId::Key(revoked.key.id()))]).await;
    for (key, code) in [
        (&unknown.key, ProblemCode::KeyUnknown),
        (&early.key, ProblemCode::KeyNotValid),
        (&late.key, ProblemCode::KeyNotValid),
        (&revoked.key, ProblemCode::KeyRevoked),
        (&hub.world.portal.key, ProblemCode::SenderMismatch),
        (&hub.operator, ProblemCode::KeyUnknown),
    ] {
        let answer = with_claims(&hub, |_| (), key).await;
        answer.problem(code);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
}

#[tokio::test]
async fn a_token_that_was_changed_is_refused() {
    let hub = TestHub::new().await;
    let office = &hub.world.office;
    let [first, second] =
        std::array::from_fn(|_| sign_token(hub.token(office.id.as_str(), "POST", LEASE), &office.key));
    let swapped = format!("{}.{}", first.rsplit_once('.').unwrap().0, second.rsplit_once('.').unwrap().1);
    with_token(&hub, &swapped).await.problem(ProblemCode::SignatureInvalid);
}

#[tokio::test]
async fn every_call_that_needs_a_token_says_so() {
    let hub = TestHub::new().await;
    for (method, path) in [
        ("POST", LEASE),
        ("POST", "/v1/inbox/extend"),
        ("POST", "/v1/inbox/release"),
        ("POST", "/v1/acknowledgements"),
        ("POST", "/v1/registry"),
        ("GET", "/v1/messages/f47ac10b-58cc-4372-a567-0e02b2c3d479"),
    ] {
        hub.call_with("", method, path, &json!({})).await.problem(ProblemCode::TokenMissing);
    }
}

#[tokio::test]
async fn only_the_operator_of_this_hub_changes_the_registry() {
    let hub = TestHub::new().await;
    let (portal, path) = (&hub.world.portal, "/v1/registry");
    let size = hub.size();
    let revocation = || Change::Revoked(EntryId::Agreement("to-office".parse().unwrap()));
    let signed = json!({ "entries": [sign_entry(revocation(), &hub.operator)] });
    // A system, under its own name and under the hub's.
    let own = json!({ "entries": [sign_entry_as(portal.id.as_str(), revocation(), &portal.key)] });
    hub.call(portal, "POST", path, &own).await.problem(ProblemCode::RegistryEntryInvalid);
    let as_hub = sign_token(hub.token(HUB, "POST", path), &portal.key);
    hub.call_with(&format!("Bearer {as_hub}"), "POST", path, &signed).await.problem(ProblemCode::SenderMismatch);
    let as_system = sign_token(hub.token(portal.id.as_str(), "POST", path), &hub.operator);
    hub.call_with(&format!("Bearer {as_system}"), "POST", path, &signed).await.problem(ProblemCode::SenderMismatch);
    // The operator, with an entry that somebody else signed.
    let problem = hub.send_registry(&[sign_entry(revocation(), &portal.key)]).await;
    let problem = problem.problem(ProblemCode::RegistryEntryInvalid);
    assert_eq!(problem.detail.as_deref(), Some("entry 0: the entry names a key that is not registered for hub.local"));
    // The operator, for another request or too late.
    let other = sign_token(hub.token(HUB, "POST", LEASE), &hub.operator);
    hub.call_with(&format!("Bearer {other}"), "POST", path, &signed).await.problem(ProblemCode::TokenInvalid);
    let old = sign_token(hub.token(HUB, "POST", path), &hub.operator);
    hub.clock.advance(61);
    hub.call_with(&format!("Bearer {old}"), "POST", path, &signed).await.problem(ProblemCode::TokenExpired);
    assert_eq!(hub.size(), size);
    assert_eq!(hub.submit(&hub.world.message()).await.status, 201);
    assert_eq!(hub.call_with("", "POST", path, &Value::Null).await.status, 401);
}

const LEASE: &str = "/v1/inbox/lease";

#[tokio::test]
async fn a_replayed_token_is_refused_also_when_it_comes_many_times_at_once_and_as_long_as_it_is_fresh() {
    let hub = TestHub::new().await;
    let office = &hub.world.office;
    let token = format!("Bearer {}", sign_token(hub.token(office.id.as_str(), "POST", LEASE), &office.key));
    let body = json!({ "max": 1 });
    let calls = (0..8).map(|_| hub.call_with(&token, "POST", LEASE, &body));
    let answers = futures_util::future::join_all(calls).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    for seconds in [0, 30, 29, 1] {
        hub.clock.advance(seconds);
        hub.call_with(&token, "POST", LEASE, &body).await.problem(ProblemCode::TokenReplayed);
    }
    hub.clock.advance(1);
    hub.call_with(&token, "POST", LEASE, &body).await.problem(ProblemCode::TokenExpired);
}

#[tokio::test]
async fn a_refused_token_is_not_used_up_and_a_used_one_is_not_good_after_a_restart_either() {
    let hub = TestHub::new().await;
    let office = hub.world.office.id.clone();
    let token = format!("Bearer {}", sign_token(hub.token(office.as_str(), "POST", LEASE), &hub.world.office.key));
    let body = json!({ "max": 1 });
    hub.call_with(&token, "POST", "/v1/inbox/extend", &json!({ "lease": "x" }))
        .await
        .problem(ProblemCode::TokenInvalid);
    hub.call_with(&token, "POST", LEASE, &body).await.json::<Value>(200);
    hub.clock.advance(1);
    let hub = hub.stop().await.start().await;
    let problem = hub.call_with(&token, "POST", LEASE, &body).await.problem(ProblemCode::HubBusy);
    assert!(problem.detail.unwrap().contains("sign a fresh one"));
    assert_eq!(hub.lease_answer(&hub.world.office, 1, 0).await.status, 200);
}

#[tokio::test]
async fn what_a_system_may_do_is_what_its_roles_say() {
    let hub = TestHub::new().await;
    let (portal, archive) = (&hub.world.portal, &hub.world.archive);
    let message = hub.world.message();
    hub.submit(&message).await.accepted();
    hub.show(archive, &message).await.problem(ProblemCode::NotFound);
    let with = |party: &Party, roles: &[Role]| {
        let (id, transport) = (party.id.clone(), TransportKind::Pull);
        Change::Changed(Entry::System(System { id, transport, roles: roles.iter().copied().collect() }))
    };
    hub.apply([with(archive, &[Role::Auditor]), with(portal, &[])]).await;
    // An auditor looks at every message, and takes part in none.
    assert_eq!(hub.show(archive, &message).await.status, 200);
    hub.lease_answer(archive, 1, 0).await.problem(ProblemCode::Forbidden);
    hub.show(portal, &message).await.problem(ProblemCode::Forbidden);
    hub.submit(&hub.world.message()).await.problem(ProblemCode::Forbidden);
}
