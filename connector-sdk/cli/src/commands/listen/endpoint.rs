//! The local endpoint: one POST a message, and what its answer means.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use saphan_connector::Message;
use saphan_schemas::envelope::EnvelopeClaims;
use saphan_schemas::ids::Code;
use serde::Deserialize;
use serde_json::Value;

use crate::outcome::Failure;

/// Where messages are posted.
pub(super) struct Endpoint {
    client: Client,
    url: Url,
}

/// What the endpoint made of a message.
#[derive(Debug)]
pub(super) enum Answer {
    Processed,
    Rejected(Code),
    Again { why: String, after: Option<Duration> },
}

impl Endpoint {
    pub(super) fn new(address: &str, timeout: Duration) -> Result<Self, Failure> {
        let url = Url::parse(address).ok().filter(is_allowed).ok_or_else(|| {
            let advice = "Give http:// on this machine (127.0.0.1, [::1], localhost), or https://.";
            Failure::caller(format!("{address} cannot be forwarded to"), advice)
        })?;
        // An error means that a provider is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            // A proxy of the environment is no place for personal data on its way to this machine.
            .no_proxy()
            .user_agent(concat!("saphan/", env!("CARGO_PKG_VERSION")))
            .build();
        let client = client.map_err(|error| Failure::machine(format!("no HTTP client: {error}"), "Report this."))?;
        Ok(Self { client, url })
    }

    pub(super) async fn post(&self, message: &Message<Value>) -> Answer {
        let request = self.client.post(self.url.clone()).headers(headers(message)).body(message.bytes().to_vec());
        match request.send().await {
            Ok(response) => answer(response).await,
            Err(error) if error.is_timeout() => again("the endpoint did not answer in time"),
            Err(error) if error.is_connect() => again("the endpoint cannot be reached"),
            Err(_) => again("the endpoint's answer broke off"),
        }
    }
}

async fn answer(response: Response) -> Answer {
    let status = response.status();
    if status.is_success() {
        return Answer::Processed;
    }
    let after = response.headers().get(RETRY_AFTER).and_then(seconds);
    if status != StatusCode::UNPROCESSABLE_ENTITY {
        return Answer::Again { why: format!("the endpoint answered {}", status.as_u16()), after };
    }
    let rejection = response.bytes().await.ok().and_then(|bytes| serde_json::from_slice::<Rejection>(&bytes).ok());
    match rejection {
        Some(Rejection { code }) => Answer::Rejected(code),
        // A framework's own 422 must not settle a message for good.
        None => Answer::Again { why: "the endpoint answered 422 without a code".to_owned(), after },
    }
}

#[derive(Deserialize)]
struct Rejection {
    code: Code,
}

fn again(why: &str) -> Answer {
    Answer::Again { why: why.to_owned(), after: None }
}

fn seconds(value: &HeaderValue) -> Option<Duration> {
    value.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

/// Without TLS only to this machine.
fn is_allowed(url: &Url) -> bool {
    match (url.scheme(), url.host_str()) {
        ("https", Some(_)) => true,
        ("http", Some("localhost" | "[::1]")) => true,
        ("http", Some(host)) => host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback()),
        _ => false,
    }
}

fn headers(message: &Message<Value>) -> HeaderMap {
    let claims = message.envelope();
    let named = saphan_headers(claims, message.log(), message.index()).into_iter().chain(cloud_event_headers(claims));
    // Ids and codes are ASCII by their types, so none is left out.
    let mut headers: HeaderMap = named
        .filter_map(|(name, value)| Some((HeaderName::from_static(name), HeaderValue::try_from(value?).ok()?)))
        .collect();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers
}

type Named = (&'static str, Option<String>);

fn saphan_headers(claims: &EnvelopeClaims, log: &str, index: u64) -> [Named; 10] {
    [
        ("saphan-message-id", Some(claims.jti.to_string())),
        ("saphan-sender", Some(claims.iss.to_string())),
        ("saphan-type", Some(claims.message_type.to_string())),
        ("saphan-schema", Some(claims.schema.to_string())),
        ("saphan-log", Some(log.to_owned())),
        ("saphan-index", Some(index.to_string())),
        ("saphan-case", claims.case.map(|case| case.to_string())),
        ("saphan-service", claims.service.as_ref().map(ToString::to_string)),
        ("saphan-reply-to", claims.reply_to.map(|message| message.to_string())),
        ("saphan-purpose", claims.purpose.as_ref().map(ToString::to_string)),
    ]
}

/// CloudEvents 1.0, HTTP binding, binary mode.
fn cloud_event_headers(claims: &EnvelopeClaims) -> [Named; 7] {
    [
        ("ce-specversion", Some("1.0".to_owned())),
        ("ce-id", Some(claims.jti.to_string())),
        ("ce-source", Some(claims.iss.to_string())),
        ("ce-type", Some(claims.message_type.to_string())),
        ("ce-dataschema", Some(claims.schema.urn())),
        ("ce-time", Some(rfc_3339(claims.iat))),
        ("ce-subject", claims.case.map(|case| case.to_string())),
    ]
}

/// Seconds since 1970 as RFC 3339 in UTC. The calendar repeats every 400 years (146,097 days); years begin in March, so
/// that the leap day is the last of its year.
fn rfc_3339(seconds: u64) -> String {
    let (days, time) = (seconds / 86_400 + DAYS_FROM_MARCH_0000, seconds % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, next_year) = if month_from_march < 10 { (month_from_march + 3, 0) } else { (month_from_march - 9, 1) };
    let year = era * 400 + year_of_era + next_year;
    let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// From 0000-03-01 to 1970-01-01.
const DAYS_FROM_MARCH_0000: u64 = 719_468;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_rfc_3339() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_764_007_960, "2025-11-24T18:12:40Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc_3339(seconds), text);
        }
    }

    #[test]
    fn bodies_leave_this_machine_encrypted_only() {
        let allowed = |address: &str| is_allowed(&Url::parse(address).unwrap());
        for address in ["http://127.0.0.1:3000/in", "http://localhost/", "http://[::1]:1", "https://app.example/in"] {
            assert!(allowed(address), "{address}");
        }
        for address in ["http://app.example/in", "http://10.0.0.1/", "http://127.0.0.1.example/", "ftp://localhost/"] {
            assert!(!allowed(address), "{address}");
        }
    }
}
