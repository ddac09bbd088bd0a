//! Who gets in, with what, and for how long.

use std::collections::HashSet;

use reqwest::header::SET_COOKIE;
use saphan_schemas::auth::AuthClaims;
use saphan_schemas::registry::{Change, Entry, EntryId, Role, System, TransportKind};

use super::Room;
use crate::harness::{HUB, TestHub, captured, sign_token};

#[tokio::test]
async fn a_token_that_was_signed_elsewhere_opens_a_session_whose_cookie_is_for_these_pages_only() {
    let mut room = Room::new().await;
    let page = room.get("/console/en").await.page(200);
    assert!(page.contains("saphan audit sign-in") && !page.contains("name=\"csrf\""), "{page}");
    let token = room.token_of(&room.auditor);
    let answer = room.sign_in(&format!(" {token}\r\n")).await;
    let cookie = answer.header(SET_COOKIE).unwrap().to_owned();
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(attributes, "HttpOnly; SameSite=Strict; Path=/console; Max-Age=28800");
    assert_eq!(pair.len(), "saphan-console=".len() + 43, "256 bits: {pair}");
    room.browser.cookie = Some(pair.to_owned());
    assert!(room.get("/console/th").await.page(200).contains("ผู้ตรวจสอบ: th.oag/audit"));
    room.enter().await;
    assert_ne!(room.browser.cookie.as_deref(), Some(pair));
    room.browser.cookie = Some(pair.to_owned());
    assert!(
        room.get("/console/en").await.page(200).contains("not signed in any longer"),
        "signing in anew ends the old one"
    );
    let log = captured();
    for secret in [token.as_str(), pair.split_once('=').unwrap().1, &room.browser.csrf] {
        assert!(!log.contains(secret), "the hub's log has a secret");
    }
}

#[tokio::test]
async fn where_browsers_come_over_https_the_cookie_stays_there() {
    let room = Room::with("[console]\nbehind_https = true").await;
    let answer = room.sign_in(&room.token_of(&room.auditor)).await;
    assert!(answer.header(SET_COOKIE).unwrap().ends_with("; Max-Age=28800; Secure"));
}

#[tokio::test]
async fn no_other_token_opens_anything() {
    let room = Room::new().await;
    let (hub, auditor) = (&room.hub, &room.auditor);
    let with = |change: &dyn Fn(&mut AuthClaims)| {
        let mut claims = hub.token(auditor.id.as_str(), "POST", "/console/session");
        change(&mut claims);
        sign_token(claims, &auditor.key)
    };
    let used = room.token_of(auditor);
    assert_eq!(room.sign_in(&used).await.status, 303);
    let stranger = auditor.another_key();
    let operator = sign_token(hub.token(HUB, "POST", "/console/session"), &hub.operator);
    let (signed, signature) = used.rsplit_once('.').unwrap();
    let other = room.token_of(auditor);
    let forged = format!("{signed}.{}", other.rsplit_once('.').unwrap().1);
    assert_ne!(forged, format!("{signed}.{signature}"));
    for (what, token, status) in [
        ("used before", used.clone(), 401),
        ("of a system that is no auditor", room.token_of(&hub.world.portal), 403),
        ("of the operator", operator, 401),
        ("of a key that nobody knows", room.token_of(&stranger), 401),
        ("for the API", with(&|claims| claims.htu = "/v1/audit/search".into()), 401),
        ("for another method", with(&|claims| claims.htm = "GET".into()), 401),
        ("for another hub", with(&|claims| claims.aud = "hub.elsewhere".parse().unwrap()), 401),
        ("too old", with(&|claims| claims.iat -= 61), 401),
        ("of another's name", with(&|claims| claims.iss = "th.dga/portal".into()), 401),
        ("forged", forged, 401),
        ("no token", "<script>alert(1)</script>".into(), 401),
        ("nothing", String::new(), 401),
    ] {
        let answer = room.sign_in(&token).await;
        let page = answer.page(status);
        assert!(page.contains("You could not be signed in") && !page.contains("alert(1)"), "{what}: {page}");
        assert_eq!(answer.header(SET_COOKIE), None, "{what}");
    }
    let foreign = [("token", room.token_of(auditor))];
    let foreign = foreign.each_ref().map(|(name, value)| (*name, value.as_str()));
    let answer = room.post_with("/console/session", &foreign, &[("sec-fetch-site", "cross-site")]).await;
    assert!(answer.page(403).contains("ไม่ได้มาจากการเข้าสู่ระบบ"));
    assert_eq!(answer.header(SET_COOKIE), None);
    let metrics = hub.get("/metrics").await;
    assert!(metrics.text().contains("token-replayed"), "refusals are counted as those of the API: {}", metrics.text());
}

#[tokio::test]
async fn a_session_ends_when_it_is_not_used_and_at_its_end() {
    let room = Room::entered().await;
    for _ in 0..16 {
        room.hub.clock.advance(29 * 60);
        assert!(room.get("/console/en").await.page(200).contains("th.oag/audit"));
    }
    room.hub.clock.advance(16 * 60);
    assert!(room.get("/console/en").await.page(200).contains("not signed in any longer"), "eight hours");
    let mut room = Room::entered().await;
    room.hub.clock.advance(30 * 60);
    let size = room.hub.size();
    assert!(room.post("/console/th/search", &[]).await.page(401).contains("การเข้าสู่ระบบสิ้นสุดแล้ว"));
    assert_eq!(room.hub.size(), size, "nothing was asked");
    room.enter().await;
    let answer = room.post("/console/session/end", &[("language", "th")]).await;
    assert_eq!((answer.status, answer.header("location")), (303, Some("/console/th")));
    assert!(answer.header(SET_COOKIE).unwrap().starts_with("saphan-console=; "));
    room.post("/console/en/search", &[]).await.page(401);
}

#[tokio::test]
async fn a_session_ends_with_its_key_and_with_its_holders_role() {
    let mut room = Room::entered().await;
    let auditor = System { id: room.auditor.id.clone(), transport: TransportKind::Pull, roles: [Role::System].into() };
    room.hub.apply([Change::Changed(Entry::System(auditor.clone()))]).await;
    room.post("/console/en/search", &[]).await.page(401);
    let auditor = System { roles: [Role::Auditor].into(), ..auditor };
    room.hub.apply([Change::Changed(Entry::System(auditor))]).await;
    room.post("/console/en/search", &[]).await.page(401);
    room.enter().await;
    room.post("/console/en/search", &[]).await.page(200);
    room.hub.apply([Change::Revoked(EntryId::Key(room.auditor.key.id()))]).await;
    room.post("/console/en/search", &[]).await.page(401);
    assert!(room.get("/console/en").await.page(200).contains("saphan audit sign-in"));
}

#[tokio::test]
async fn a_form_that_is_not_of_the_session_asks_nothing_and_signs_nobody_out() {
    let mut room = Room::entered().await;
    let (mine, size) = (room.browser.csrf.clone(), room.hub.size());
    let other = Room::entered().await;
    for path in ["/console/en/search", "/console/en/export", "/console/en/health", "/console/session/end"] {
        for csrf in ["", "x", &mine[1..], other.browser.csrf.as_str()] {
            let page = room.post_with(path, &[("csrf", csrf), ("language", "en")], &[]).await.page(403);
            assert!(
                page.contains("does not come from your session") || page.contains("ไม่ได้มาจากการเข้าสู่ระบบ"),
                "{page}"
            );
        }
        for site in ["cross-site", "same-site"] {
            room.post_with(path, &[("csrf", &mine)], &[("sec-fetch-site", site)]).await.page(403);
        }
    }
    room.post("/console/en/search", &[("kind", "query"), ("kind", "message")]).await.page(400);
    room.post("/console/en/search", &[("code", &"a".repeat(40_000))]).await.page(400);
    assert_eq!(room.hub.size(), size, "nothing was asked");
    let own = room.browser.cookie.take().unwrap();
    for cookie in ["saphan-console=", "saphan-console=AAAA", &own[..own.len() - 1], &format!("{own}; {own}")] {
        room.browser.cookie = Some(cookie.to_owned());
        room.post("/console/en/search", &[]).await.page(401);
        assert!(room.get("/console/en/health").await.page(200).contains("saphan audit sign-in"));
    }
    room.browser.cookie = Some(own);
    let own_site = [("sec-fetch-site", "same-origin")];
    room.post_with("/console/en/search", &[("csrf", &mine)], &own_site).await.page(200);
}

#[tokio::test]
async fn an_auditor_may_sign_in_so_often_and_others_all_the_same() {
    let room = Room::new().await;
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(room.sign_in(&room.token_of(&room.auditor)).await.status);
    }
    assert_eq!(statuses, [[303; 10].as_slice(), &[429; 2]].concat());
    let page = room.sign_in(&room.token_of(&room.auditor)).await;
    assert!(page.header("retry-after").is_some() && page.page(429).contains("Please wait a moment"));
    room.hub.clock.advance(10);
    assert_eq!(room.sign_in(&room.token_of(&room.auditor)).await.status, 303);
    for _ in 0..30 {
        assert_eq!(room.sign_in(&room.token_of(&room.hub.world.portal)).await.status, 403);
    }
}

#[tokio::test]
async fn no_two_sessions_have_a_secret_in_common() {
    let mut room = Room::new().await;
    let mut secrets = HashSet::new();
    for _ in 0..5 {
        room.enter().await;
        assert!(secrets.insert(room.browser.cookie.clone().unwrap()) && secrets.insert(room.browser.csrf.clone()));
    }
}

#[tokio::test]
async fn a_hub_without_a_console_has_nothing_there() {
    let hub = TestHub::with("[console]\nenabled = false").await;
    for path in ["/console", "/console/en", "/console/console.css"] {
        hub.get(path).await.problem(saphan_schemas::problem::ProblemCode::NotFound);
    }
}
