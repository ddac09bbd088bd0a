//! One request to the authority, over HTTP (RFC 3161 section 3.4).

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Response, StatusCode};
use saphan_schemas::log::Stamped;
use saphan_timestamps::{
    LONGEST_TOKEN, REPLY_MEDIA_TYPE, REQUEST_MEDIA_TYPE, ReplyFault, TimestampFault, TimestampRequest, Token,
    token_in_reply,
};

use super::Timestamps;
use super::rounds::Head;
use crate::clock::Clock;
use crate::store::StoreError;

/// Why a checkpoint has no timestamp.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotStamped {
    /// The authority cannot be reached, or did not answer in time.
    #[error("the timestamp authority does not answer: {0}")]
    Unreachable(#[source] reqwest::Error),
    /// It answers with another status than 200.
    #[error("the timestamp authority answers {status}")]
    Status {
        /// The status.
        status: StatusCode,
    },
    /// It refuses, or does not answer with a reply.
    #[error("the timestamp authority: {0}")]
    Reply(#[from] ReplyFault),
    /// It answers with more than a reply has, or with another media type.
    #[error("the timestamp authority answers with something else than {REPLY_MEDIA_TYPE}")]
    NotAReply,
    /// The token is for another request.
    #[error("the token is not for this request: its nonce or its policy is another")]
    OtherRequest,
    /// The token proves nothing.
    #[error("the token: {0}")]
    Token(#[from] TimestampFault),
    /// By the time in it, it was not made for this request.
    #[error(
        "the token says {time} s after 1970, which is not within {APART_SECONDS} s of now, {now}, or before an entry that it is to cover: the authority's clock is wrong, or this machine's"
    )]
    OtherTime {
        /// The time in it.
        time: u64,
        /// This machine's, in seconds since 1970.
        now: u64,
    },
    /// There are no random numbers.
    #[error("this machine has no random numbers")]
    NoRandom,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl NotStamped {
    /// For the label of a metric.
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Status { .. } => "status",
            Self::Reply(ReplyFault::Refused { .. }) => "refused",
            Self::Reply(ReplyFault::Malformed) | Self::NotAReply => "malformed",
            Self::OtherRequest => "other-request",
            Self::OtherTime { .. } => "other-time",
            Self::Token(fault) => fault.class(),
            Self::NoRandom => "no-random",
            Self::Store(_) => "store",
        }
    }
}

impl Timestamps {
    /// Asks for a token over a checkpoint's text, and verifies it. One whose time is not that of the request proves nothing, and who
    /// gives it would not be missed.
    pub(super) async fn stamp(&self, clock: &dyn Clock, head: &Head) -> Result<(Stamped, Vec<u8>), NotStamped> {
        let asked_at = clock.now_ms() / 1000;
        let data = head.text.as_bytes();
        let request = TimestampRequest::new(data, self.policy).ok_or(NotStamped::NoRandom)?;
        let asked = self.client.post(self.url.clone()).header(CONTENT_TYPE, REQUEST_MEDIA_TYPE);
        let asked = asked.header(ACCEPT, REPLY_MEDIA_TYPE).body(request.as_der().to_vec());
        let answer = asked.send().await.map_err(|error| NotStamped::Unreachable(error.without_url()))?;
        let bytes = token_in_reply(&reply(answer).await?)?;
        let proven = Token::parse(&bytes)?.verify(data, &self.trusted)?;
        if !request.is_answered_by(&proven) {
            return Err(NotStamped::OtherRequest);
        }
        let now = clock.now_ms() / 1000;
        if !is_of_now(proven.time, asked_at, now, head.newest) {
            return Err(NotStamped::OtherTime { time: proven.time, now });
        }
        Ok((Stamped { size: head.size, time: proven.time }, bytes))
    }
}

/// Whether a token can be of this time, in seconds since 1970: made between the request and the answer, and when the newest entry was
/// there already. Clocks differ a little.
fn is_of_now(time: u64, asked_at: u64, answered_at: u64, newest: u64) -> bool {
    let from = asked_at.min(answered_at).max(newest).saturating_sub(APART_SECONDS);
    (from..=asked_at.max(answered_at).saturating_add(APART_SECONDS)).contains(&time)
}

/// The body of an answer, as far as a reply could be long.
async fn reply(mut answer: Response) -> Result<Vec<u8>, NotStamped> {
    let status = answer.status();
    if status != StatusCode::OK {
        return Err(NotStamped::Status { status });
    }
    let media_type = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case(REPLY_MEDIA_TYPE) {
        return Err(NotStamped::NotAReply);
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| NotStamped::Unreachable(error.without_url()))? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST {
            return Err(NotStamped::NotAReply);
        }
    }
    Ok(body)
}

/// A token, and what stands around it.
const LONGEST: usize = LONGEST_TOKEN + 1024;
/// How far the authority's clock may be from this machine's. Less than verifiers bear ([`saphan_timestamps::CLOCKS_APART`]).
const APART_SECONDS: u64 = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_the_moment_in_which_it_was_asked_for() {
        for (time, asked_at, answered_at, newest, expected) in [
            (10_000, 10_000, 10_001, 9_000, true),
            (9_700, 10_000, 10_001, 9_000, true),
            (9_699, 10_000, 10_001, 9_000, false),
            (10_301, 10_000, 10_001, 9_000, true),
            (10_302, 10_000, 10_001, 9_000, false),
            // This machine's clock was set while the authority answered.
            (10_000, 10_000, 13_600, 9_000, true),
            (10_000, 10_000, 6_400, 9_000, true),
            // The newest entry was logged by a clock that was ahead.
            (10_000, 10_000, 10_001, 10_300, true),
            (10_000, 10_000, 10_001, 10_301, false),
            (0, 100, 101, 0, true),
            (u64::MAX, 100, 101, 0, false),
        ] {
            assert_eq!(
                is_of_now(time, asked_at, answered_at, newest),
                expected,
                "{time} {asked_at} {answered_at} {newest}"
            );
        }
    }
}
