//! The range of a document that is asked for (RFC 9110 section 14).

use std::ops::Range;

use axum::http::HeaderMap;
use axum::http::header::{HeaderName, IF_RANGE, RANGE};

/// What of a document is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it: no range, one that cannot be read, or several, which a server may leave aside.
    Whole,
    /// This, which is not empty and not beyond the end.
    Range(Range<u64>),
    /// What is beyond the end.
    Nothing,
}

pub(super) fn wanted(headers: &HeaderMap, etag: &str, len: u64) -> Wanted {
    let text = |name: HeaderName| {
        let mut values = headers.get_all(name).iter();
        values.next().filter(|_| values.next().is_none()).and_then(|value| value.to_str().ok())
    };
    // For whoever has the beginning of something else (section 13.1.5).
    if headers.contains_key(IF_RANGE) && text(IF_RANGE) != Some(etag) {
        return Wanted::Whole;
    }
    text(RANGE).and_then(|range| parse(range, len)).unwrap_or(Wanted::Whole)
}

fn parse(range: &str, len: u64) -> Option<Wanted> {
    let (unit, range) = range.split_once('=')?;
    let (first, last) = range.trim().split_once('-').filter(|_| unit.eq_ignore_ascii_case("bytes"))?;
    let wanted = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..len.min(last.saturating_add(1)),
        (Some(first), None) if last.is_empty() => first..len,
        (None, Some(count)) if first.is_empty() => len.saturating_sub(count)..len,
        _ => return None,
    };
    Some(if wanted.is_empty() { Wanted::Nothing } else { Wanted::Range(wanted) })
}

/// Digits, and nothing else. One that is too large is as good as any that is.
pub(super) fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(range: &str) -> Wanted {
        let headers = HeaderMap::from_iter([(RANGE, range.parse().unwrap())]);
        wanted(&headers, "\"x\"", 10)
    }

    #[test]
    fn one_range_is_cut_at_the_end() {
        for (text, range) in [
            ("bytes=0-0", 0..1),
            ("bytes=3-", 3..10),
            ("bytes=3-99999999999999999999", 3..10),
            ("bytes=-4", 6..10),
            ("Bytes=-40", 0..10),
        ] {
            assert_eq!(of(text), Wanted::Range(range), "{text}");
        }
        for text in ["bytes=10-", "bytes=10-12", "bytes=-0"] {
            assert_eq!(of(text), Wanted::Nothing, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_left_aside() {
        for text in ["bytes=", "bytes=-", "bytes=4-3", "bytes=0-1,4-5", "chunks=0-1", "bytes=+1-2", "bytes 0-1"] {
            assert_eq!(of(text), Wanted::Whole, "{text}");
        }
        let mut headers = HeaderMap::from_iter([(RANGE, "bytes=1-2".parse().unwrap())]);
        headers.append(IF_RANGE, "\"y\"".parse().unwrap());
        assert_eq!(wanted(&headers, "\"x\"", 10), Wanted::Whole);
        assert_eq!(wanted(&headers, "\"y\"", 10), Wanted::Range(1..3));
        headers.append(RANGE, "bytes=3-4".parse().unwrap());
        assert_eq!(wanted(&headers, "\"y\"", 10), Wanted::Whole);
    }
}
