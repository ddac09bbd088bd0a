//! What an upload's headers say, and its bytes in the time that they have.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName};
use futures_util::stream::{self, Stream};
use http_body_util::BodyExt as _;
use saphan_schemas::commitment::Salt;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::envelope::is_media_type;
use saphan_schemas::ids::SystemId;
use saphan_schemas::problem::ProblemCode;
use tokio::time::{Instant, timeout_at};

use super::super::ApiError;
use super::super::messages::SLOWEST_BYTES_PER_MS;
use super::range::number;
use crate::documents::upload::{Interrupted, Position, Upload};

/// The upload that the headers of a request announce, and how many bytes come with it.
pub(super) fn upload(commit: Sha256Hash, uploader: SystemId, headers: &HeaderMap) -> Result<(Upload, u64), ApiError> {
    let salt: Option<Salt> = single(headers, "saphan-salt")?.and_then(|salt| salt.parse().ok());
    let salt = salt.ok_or_else(|| ApiError::problem(ProblemCode::SaltMalformed))?;
    let media_type = single(headers, CONTENT_TYPE)?.filter(|text| is_media_type(text)).ok_or_else(|| {
        malformed("the Content-Type must be the document's media type, as type/subtype without parameters")
    })?;
    let length = single(headers, CONTENT_LENGTH)?.and_then(number);
    let (from, len, expected) = match single(headers, CONTENT_RANGE)? {
        None => {
            let len = length.ok_or_else(|| malformed("a document needs a Content-Length or a Content-Range"))?;
            (Position::Beginning, len, len)
        }
        Some(range) => {
            let (from, len, expected) = content_range(range).ok_or_else(|| malformed(RANGES))?;
            if length.is_some_and(|length| length != expected) {
                return Err(malformed("Content-Length and Content-Range do not agree"));
            }
            (from, len, expected)
        }
    };
    if len == 0 {
        return Err(malformed("a document has at least one byte"));
    }
    Ok((Upload { commit, uploader, salt, media_type: media_type.to_ascii_lowercase(), len, from }, expected))
}

/// Where the bytes of a request belong, the length of the whole, and how many come (RFC 9110 sections 14.4 and 14.5).
fn content_range(text: &str) -> Option<(Position, u64, u64)> {
    let (unit, rest) = text.split_once(' ')?;
    let (range, len) = rest.split_once('/').filter(|_| unit.eq_ignore_ascii_case("bytes"))?;
    let len = number(len)?;
    if range == "*" {
        return Some((Position::End, len, 0));
    }
    let (first, last) = range.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    let count = last.checked_sub(first)?.checked_add(1)?;
    // Less might be less than a chunk, and would never get anywhere.
    let goes_on = last + 1 == len || (last < len && count >= SHORTEST_PIECE);
    let from = if first == 0 { Position::Beginning } else { Position::At(first) };
    goes_on.then_some((from, len, count))
}

/// The bytes of a body, as long as they keep coming: each piece in the time that bodies have, and all of them at no less than
/// 64 kB a second on the whole.
pub(super) fn bytes(
    body: Body,
    patience: Duration,
    expected: u64,
) -> impl Stream<Item = Result<Bytes, Interrupted>> + Send {
    let until = Instant::now() + patience + Duration::from_millis(expected / SLOWEST_BYTES_PER_MS);
    stream::unfold(Some(body), move |body| async move {
        let mut body = body?;
        loop {
            let frame = timeout_at(until.min(Instant::now() + patience), body.frame()).await;
            return match frame {
                Ok(None) => None,
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(bytes) => Some((Ok(bytes), Some(body))),
                    Err(_trailers) => continue,
                },
                Ok(Some(Err(_))) | Err(_) => Some((Err(Interrupted), None)),
            };
        }
    })
}

/// The only value of a header.
fn single<N: TryInto<HeaderName>>(headers: &HeaderMap, name: N) -> Result<Option<&str>, ApiError> {
    let Ok(name) = name.try_into() else { return Ok(None) };
    let mut values = headers.get_all(&name).iter();
    let value = values.next();
    if values.next().is_some() {
        return Err(malformed(&format!("the request has several {name} headers")));
    }
    Ok(value.map(|value| value.to_str().unwrap_or_default()))
}

fn malformed(detail: &str) -> ApiError {
    ApiError::detailed(ProblemCode::RequestMalformed, detail)
}

/// The longest chunk that may be configured.
const SHORTEST_PIECE: u64 = 1 << 20;
const RANGES: &str =
    "Content-Range is bytes a-b/len, or bytes */len; a piece that is not the last has at least 1048576 bytes";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_says_where_its_bytes_belong() {
        assert_eq!(content_range("bytes 0-9/10"), Some((Position::Beginning, 10, 10)));
        assert_eq!(content_range("bytes 4-9/10"), Some((Position::At(4), 10, 6)));
        assert_eq!(content_range("bytes */10"), Some((Position::End, 10, 0)));
        assert_eq!(content_range("bytes 0-1048575/2000000"), Some((Position::Beginning, 2_000_000, 1 << 20)));
        for text in [
            "bytes 0-8/10",
            "bytes 0-10/10",
            "bytes 5-4/10",
            "bytes 0-9/*",
            "bytes */*",
            "bytes=0-9/10",
            "lines 0-9/10",
            "bytes 0-18446744073709551615/10",
            "",
        ] {
            assert_eq!(content_range(text), None, "{text}");
        }
    }
}
