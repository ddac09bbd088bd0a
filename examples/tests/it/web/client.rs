//! A browser without JavaScript: cookies, forms and links.

use std::sync::Mutex;

use saphan_connector::{HubAddress, http_client};
use tokio::time::{Duration, Instant};

use super::markup::Markup;

/// One visitor.
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    cookie: Mutex<Option<String>>,
    csrf: Mutex<Option<String>>,
}

/// A file that is chosen in a form.
pub(crate) struct Chosen<'a> {
    pub(crate) input: &'a str,
    pub(crate) called: &'a str,
    pub(crate) bytes: &'a [u8],
}

/// An answer.
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) location: String,
    pub(crate) cookie: String,
    pub(crate) policy: String,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn markup(&self) -> Markup<'_> {
        Markup(&self.text)
    }

    #[track_caller]
    pub(crate) fn has(&self, text: &str) {
        assert!(self.text.contains(text), "{text:?} is missing in:\n{}", self.text);
    }
}

impl Client {
    pub(crate) fn new(base: &str) -> Self {
        let http = http_client(&HubAddress::new(base)).unwrap();
        Self { http, base: base.to_owned(), cookie: Mutex::default(), csrf: Mutex::default() }
    }

    /// The session's token.
    pub(crate) fn token(&self) -> String {
        let cookie = self.cookie.lock().unwrap().clone().unwrap();
        cookie.split_once('=').unwrap().1.to_owned()
    }

    pub(crate) async fn get(&self, path: &str) -> Page {
        self.send(self.http.get(format!("{}{path}", self.base))).await
    }

    /// Sends a form, with the token of the last page that had one.
    pub(crate) async fn post(&self, path: &str, pairs: &[(&str, &str)]) -> Page {
        let csrf = self.csrf();
        let all: Vec<_> = pairs.iter().copied().chain([("csrf", csrf.as_str())]).collect();
        self.post_exactly(path, &all).await
    }

    /// The token of the last page that had one.
    pub(crate) fn csrf(&self) -> String {
        self.csrf.lock().unwrap().clone().unwrap_or_default()
    }

    /// Sends a form with files, in the order of the page: the token first.
    pub(crate) async fn post_files(&self, path: &str, pairs: &[(&str, &str)], files: &[Chosen<'_>]) -> Page {
        let csrf = self.csrf();
        let all: Vec<_> = [("csrf", csrf.as_str())].into_iter().chain(pairs.iter().copied()).collect();
        self.post_parts(path, [&texts(&all)[..], &parts(files)].concat()).await
    }

    /// Sends these parts, and nothing else.
    pub(crate) async fn post_parts(&self, path: &str, parts: Vec<u8>) -> Page {
        let body = [&parts[..], format!("--{BOUNDARY}--\r\n").as_bytes()].concat();
        let request = self.http.post(format!("{}{path}", self.base)).body(body);
        self.send(request.header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"))).await
    }

    pub(crate) async fn post_exactly(&self, path: &str, pairs: &[(&str, &str)]) -> Page {
        let encoded: Vec<_> = pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        let request = self.http.post(format!("{}{path}", self.base)).body(encoded.join("&"));
        self.send(request.header("content-type", "application/x-www-form-urlencoded")).await
    }

    /// Opens a page again until it has a text.
    pub(crate) async fn until(&self, path: &str, text: &str) -> Page {
        let deadline = Instant::now() + Duration::from_secs(300);
        loop {
            let page = self.get(path).await;
            if page.text.contains(text) {
                return page;
            }
            assert!(Instant::now() < deadline, "{text:?} never came:\n{}", page.text);
        }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Page {
        let cookie = self.cookie.lock().unwrap().clone();
        let request = cookie.into_iter().fold(request, |request, cookie| request.header("cookie", cookie));
        let response = request.send().await.unwrap();
        let header = |name: &str| {
            let value = response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
            value.unwrap_or_default()
        };
        let (location, cookie, policy) = (header("location"), header("set-cookie"), header("content-security-policy"));
        if let Some((pair, _)) = cookie.split_once(';') {
            *self.cookie.lock().unwrap() = Some(pair.to_owned());
        }
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        if let Some(csrf) = Markup(&text).value_of("csrf") {
            *self.csrf.lock().unwrap() = Some(csrf.to_owned());
        }
        Page { status, location, cookie, policy, text }
    }
}

/// Texts, as parts of a form.
pub(crate) fn texts(pairs: &[(&str, &str)]) -> Vec<u8> {
    let part = |(name, value): &(&str, &str)| {
        format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    pairs.iter().map(part).collect::<String>().into_bytes()
}

/// Files, as parts of a form.
pub(crate) fn parts(files: &[Chosen<'_>]) -> Vec<u8> {
    let part = |Chosen { input, called, bytes }: &Chosen<'_>| {
        let place = format!("Content-Disposition: form-data; name=\"{input}\"; filename=\"{called}\"");
        let head = format!("--{BOUNDARY}\r\n{place}\r\nContent-Type: application/pdf\r\n\r\n");
        [head.as_bytes(), bytes, b"\r\n"].concat()
    };
    files.iter().flat_map(part).collect()
}

const BOUNDARY: &str = "----a-boundary-of-a-form";

fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
