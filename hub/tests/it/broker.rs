//! What RabbitMQ asks about its users, as its plugin asks it.

use saphan_schemas::auth::AuthClaims;
use saphan_schemas::ids::SystemId;
use saphan_schemas::keys::SigningKey;
use saphan_schemas::registry::{Change, EntryId};

use crate::harness::{HUB, NOW, Party, TestHub, captured, sign_token};

async fn log_in(hub: &TestHub, user: &str, password: &str) -> String {
    hub.ask("user", &[("username", user), ("password", password)]).await
}

fn claims(hub: &TestHub, party: &Party) -> AuthClaims {
    hub.token(party.id.as_str(), "AMQP", "/saphan")
}

async fn may_read(hub: &TestHub, user: &SystemId, queue: &str) -> String {
    let form = [
        ("username", user.as_str()),
        ("vhost", "saphan"),
        ("resource", "queue"),
        ("name", queue),
        ("permission", "read"),
        ("tags", ""),
    ];
    hub.ask("resource", &form).await
}

#[tokio::test]
async fn a_system_logs_in_with_a_fresh_token_and_reads_its_own_inbox() {
    let hub = TestHub::new().await;
    let archive = &hub.world.archive;
    let token = sign_token(claims(&hub, archive), &archive.key);
    assert_eq!(log_in(&hub, archive.id.as_str(), &token).await, "allow");
    let enter = [("username", archive.id.as_str()), ("vhost", "saphan"), ("ip", "127.0.0.1"), ("tags", "")];
    assert_eq!(hub.ask("vhost", &enter).await, "allow");
    assert_eq!(log_in(&hub, archive.id.as_str(), &token).await, "deny", "a token is good once");
    assert_eq!(may_read(&hub, &archive.id, "inbox.th.dopa.archive").await, "allow");
    assert_eq!(may_read(&hub, &archive.id, "inbox.th.dlt.licensing").await, "deny");
    assert_eq!(may_read(&hub, &hub.world.office.id, "inbox.th.dlt.licensing").await, "deny", "it pulls");
}

#[tokio::test]
async fn every_wrong_login_is_denied_counted_and_logged_without_what_was_given() {
    type Wrong = fn(&mut AuthClaims);

    let hub = TestHub::new().await;
    let (archive, office) = (&hub.world.archive, &hub.world.office);
    let wrong: [Wrong; 6] = [
        |claims| claims.iat = NOW - 61,
        |claims| claims.iat = NOW + 11,
        |claims| claims.aud = "hub.elsewhere".parse().unwrap(),
        |claims| claims.htm = "POST".into(),
        |claims| claims.htu = "/".into(),
        |claims| claims.iss = HUB.into(),
    ];
    let mut passwords: Vec<String> = Vec::new();
    for change in wrong {
        let mut claims = claims(&hub, archive);
        change(&mut claims);
        passwords.push(sign_token(claims, &archive.key));
    }
    let unknown = SigningKey::generate().unwrap().0;
    passwords.push(sign_token(claims(&hub, archive), &unknown));
    passwords.push(sign_token(claims(&hub, archive), &office.key));
    passwords.push(sign_token(claims(&hub, office), &office.key));
    passwords.extend(["a-password-of-old".to_owned(), String::new()]);
    for password in &passwords {
        assert_eq!(log_in(&hub, archive.id.as_str(), password).await, "deny", "{password}");
    }
    let own = sign_token(claims(&hub, archive), &archive.key);
    assert_eq!(log_in(&hub, HUB, &own).await, "deny", "it is not the hub");
    assert_eq!(
        log_in(&hub, office.id.as_str(), &sign_token(claims(&hub, office), &office.key)).await,
        "deny",
        "it pulls"
    );

    let metrics = hub.get("/metrics").await;
    let line = format!("saphan_broker_refusals_total{{question=\"user\"}} {}", passwords.len() + 2);
    assert!(metrics.text().lines().any(|found| found == line), "{line} is missing in:\n{}", metrics.text());
    let log = captured();
    for password in passwords.iter().filter(|password| !password.is_empty()) {
        assert!(!log.contains(password), "the log quotes what was given as a password");
    }
}

#[tokio::test]
async fn the_hub_logs_in_with_a_token_of_its_receipt_key_and_may_do_everything_in_its_virtual_host() {
    let hub = TestHub::new().await;
    let fresh = hub.app.broker_login.fresh().await.unwrap();
    assert_eq!(fresh.user, HUB);
    assert_eq!(log_in(&hub, &fresh.user, &fresh.password).await, "allow administrator");
    assert_eq!(log_in(&hub, "hub.elsewhere", &fresh.password).await, "deny");
    let operator = sign_token(hub.token(HUB, "AMQP", "/saphan"), &hub.operator);
    assert_eq!(log_in(&hub, HUB, &operator).await, "deny", "that is the operator's key");
    for (virtual_host, answer) in [("saphan", "allow"), ("/", "deny")] {
        assert_eq!(hub.ask("vhost", &[("username", HUB), ("vhost", virtual_host)]).await, answer);
        for question in ["resource", "topic"] {
            let form = [
                ("username", HUB),
                ("vhost", virtual_host),
                ("resource", "exchange"),
                ("name", "saphan.deliver"),
                ("permission", "configure"),
            ];
            assert_eq!(hub.ask(question, &form).await, answer, "{question}");
        }
    }
}

#[tokio::test]
async fn a_revoked_key_opens_nothing_from_that_moment_on() {
    let hub = TestHub::new().await;
    let archive = &hub.world.archive;
    hub.apply([Change::Revoked(EntryId::Key(archive.key.id()))]).await;
    let token = sign_token(claims(&hub, archive), &archive.key);
    assert_eq!(log_in(&hub, archive.id.as_str(), &token).await, "deny");
    // Also for whoever logged in before.
    assert_eq!(may_read(&hub, &archive.id, "inbox.th.dopa.archive").await, "deny");
}

#[tokio::test]
async fn what_is_no_question_is_denied_and_answered_200_all_the_same() {
    let hub = TestHub::new().await;
    for question in ["user", "vhost", "resource", "topic"] {
        assert_eq!(hub.ask(question, &[]).await, "deny", "{question}");
        assert_eq!(hub.ask(question, &[("username", HUB), ("username", HUB)]).await, "deny", "{question}");
    }
}
