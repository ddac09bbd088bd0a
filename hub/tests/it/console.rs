//! The auditors' pages, as a browser meets them.

mod answers;
mod asking;
mod entering;
mod logs;
mod past;

use reqwest::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use saphan_schemas::registry::TransportKind;
use serde_json::{Value, json};

use crate::audit::registration;
use crate::harness::{Answer, Party, TestHub, sign_token};

/// A hub with an auditor, who has a browser.
struct Room {
    hub: TestHub,
    auditor: Party,
    browser: Browser,
}

/// What a browser keeps between requests; it follows no redirect by itself.
struct Browser {
    client: reqwest::Client,
    cookie: Option<String>,
    csrf: String,
}

impl Browser {
    fn new() -> Self {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        Self { client: client.build().unwrap(), cookie: None, csrf: String::new() }
    }
}

impl Room {
    async fn new() -> Self {
        Self::with(WITHOUT_LIMITS).await
    }

    async fn with(settings: &str) -> Self {
        let (hub, auditor) = (TestHub::with(settings).await, Party::new("th.oag/audit", TransportKind::Pull));
        hub.apply(registration(&auditor)).await;
        Self { hub, auditor, browser: Browser::new() }
    }

    /// With the auditor signed in.
    async fn entered() -> Self {
        let mut room = Self::new().await;
        room.enter().await;
        room
    }

    /// A token for the console of this party, as `saphan audit sign-in` signs it.
    fn token_of(&self, party: &Party) -> String {
        sign_token(self.hub.token(party.id.as_str(), "POST", "/console/session"), &party.key)
    }

    async fn get(&self, path: &str) -> Answer {
        let request = self.browser.client.get(self.hub.at(path));
        let request = self.browser.cookie.iter().fold(request, |request, cookie| request.header(COOKIE, cookie));
        Answer::read(request.send().await.unwrap()).await
    }

    /// Sends a form of this session.
    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_with(path, &[&[("csrf", self.browser.csrf.as_str())], fields].concat(), &[]).await
    }

    /// Sends a form with these headers.
    async fn post_with(&self, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
        let form = reqwest::Url::parse_with_params(&self.hub.at("/"), fields).unwrap();
        let request = self.browser.client.post(self.hub.at(path));
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = self.browser.cookie.iter().fold(request, |request, cookie| request.header(COOKIE, cookie));
        Answer::read(request.body(form.query().unwrap_or_default().to_owned()).send().await.unwrap()).await
    }

    async fn sign_in(&self, token: &str) -> Answer {
        self.post_with("/console/session", &[("language", "en"), ("token", token)], &[]).await
    }

    /// Signs in, and keeps what a browser keeps.
    async fn enter(&mut self) {
        let answer = self.sign_in(&self.token_of(&self.auditor)).await;
        assert_eq!((answer.status, answer.header(LOCATION)), (303, Some("/console/en")), "{}", answer.text());
        let cookie = answer.header(SET_COOKIE).unwrap().split(';').next().unwrap().to_owned();
        self.browser.cookie = Some(cookie);
        let page = self.get("/console/en").await.page(200);
        self.browser.csrf = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    }

    /// Past queries' texts, the oldest first.
    async fn asked(&self) -> Vec<String> {
        let answer: Value = self.hub.call(&self.auditor, "GET", "/v1/audit/queries", &Value::Null).await.json(200);
        let queries = answer["queries"].as_array().unwrap().iter();
        queries.rev().map(|query| query["text"].as_str().unwrap().to_owned()).collect()
    }

    async fn settle(&self, index: u64, code: Option<&str>) {
        let office = &self.hub.world.office;
        let batch = crate::harness::sign_batch(crate::harness::batch(office, &[(index, code)]), &office.key);
        self.hub.acknowledge(office, &batch).await.json::<Value>(201);
    }
}

impl Answer {
    /// A page with this status, with all that every page must have.
    fn page(&self, status: u16) -> String {
        let page = self.text().to_owned();
        assert_eq!((self.status, self.header(CONTENT_TYPE)), (status, Some("text/html; charset=utf-8")), "{page}");
        for (name, value) in [
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
        ] {
            assert_eq!(self.header(name), Some(value), "{name}");
        }
        let policy = self.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("script-src"), "{policy}");
        // Long enough that no secret or salt, of letters by chance, holds one.
        for never in [
            "<script",
            " style=",
            " onclick",
            "<style",
            "javascript:",
            "method=\"get\"",
            "sqlx::",
            "sqlx_core",
            "/tmp/",
        ] {
            assert!(!page.contains(never), "{never} in {page}");
        }
        // What is asked stands in no URL.
        assert!(page.split("action=\"").skip(1).all(|action| !action.split('"').next().unwrap().contains('?')));
        page
    }
}

fn case_filter(case: impl serde::Serialize) -> Value {
    json!({ "case": case })
}

/// The tests' clock stands still, so that an allowance never comes back.
const WITHOUT_LIMITS: &str = "[limits]\nrequests_per_second = 0\nmessages_per_second = 0\n";
