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
            Self::Token(fault) => fault.class(),
            Self::NoRandom => "no-random",
            Self::Store(_) => "store",
        }
    }
}

impl Timestamps {
    /// Asks for a token over a checkpoint's text, and verifies it.
    pub(super) async fn stamp(&self, head: &Head) -> Result<(Stamped, Vec<u8>), NotStamped> {
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
        Ok((Stamped { size: head.size, time: proven.time }, bytes))
    }
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
