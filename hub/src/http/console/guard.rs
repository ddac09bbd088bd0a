//! What every answer says to the browser: what it may load, keep, and send on. And the session's cookie.

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, COOKIE, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;

use crate::console::{LASTS_SECONDS, SessionToken};

/// Adds the headers.
pub(super) async fn protect(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Pages say who dealt with whom.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The cookie's value. Two cookies of the name are none: somebody else may have set one of them.
pub(super) fn token(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut own =
        all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().strip_prefix(NAME)?.strip_prefix('='));
    let token = own.next()?;
    own.next().is_none().then_some(token)
}

/// What sets the cookie.
pub(super) fn keep(token: &SessionToken, over_https: bool) -> String {
    cookie(token.as_str(), LASTS_SECONDS, over_https)
}

/// What takes it away.
pub(super) fn forget(over_https: bool) -> String {
    cookie("", 0, over_https)
}

/// Whether the browser says that another site sent the request. Old browsers say nothing; then the session's token in the form, and
/// `SameSite`, are what there is.
pub(super) fn is_foreign(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none")
}

fn cookie(value: &str, seconds: u64, over_https: bool) -> String {
    let secure = if over_https { "; Secure" } else { "" };
    format!("{NAME}={value}; HttpOnly; SameSite=Strict; Path=/console; Max-Age={seconds}{secure}")
}

const NAME: &str = "saphan-console";

const HEADERS: [(HeaderName, &str); 7] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cookies: &[&'static str]) -> HeaderMap {
        cookies.iter().map(|cookie| (COOKIE, HeaderValue::from_static(cookie))).collect()
    }

    #[test]
    fn one_cookie_of_the_name_is_a_token_and_two_are_none() {
        assert_eq!(token(&headers(&["a=1; saphan-console=x; saphan-console-2=y"])), Some("x"));
        assert_eq!(token(&headers(&["saphan-console=x; saphan-console=y"])), None);
        assert_eq!(token(&headers(&["saphan-console=x", "saphan-console=x"])), None);
        assert_eq!(token(&headers(&["a=1"])), None);
    }
}
