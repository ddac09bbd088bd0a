//! Documents over HTTP.

use std::ops::Range;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use reqwest::{Method, Response, StatusCode};
use saphan_schemas::digest::Sha256Hash;

use super::{ANSWER_TIMEOUT, HttpHub, answered, unreachable};
use crate::hub_api::{DocumentBytes, DocumentPiece, DocumentState, HubError};

impl HttpHub {
    pub(super) async fn look(&self, commit: Sha256Hash) -> Result<Option<DocumentState>, HubError> {
        let path = path(commit);
        let token = self.token(&Method::HEAD, &path).await?;
        let request = self.client.head(self.url(&path)).header(AUTHORIZATION, token);
        let response = request.send().await.map_err(|error| unreachable(error.without_url()))?;
        match response.status() {
            StatusCode::OK => state(&response).map(Some),
            StatusCode::NOT_FOUND => Ok(None),
            // An answer to HEAD has no body that says what is wrong. What is wrong with both requests, the other one says.
            status => match self.get_range(commit, 0..1).await {
                Err(HubError::Problem { document, retry_after }) if document.status == status.as_u16() => {
                    Err(HubError::Problem { document, retry_after })
                }
                _ => Err(HubError::Unreadable { status: status.as_u16() }),
            },
        }
    }

    pub(super) async fn put(&self, piece: DocumentPiece<'_>) -> Result<DocumentState, HubError> {
        let DocumentPiece { commit, salt, media_type, len, offset, bytes } = piece;
        let path = path(commit);
        let end = offset + bytes.len() as u64;
        let range = match bytes.len() {
            0 => format!("bytes */{len}"),
            _ => format!("bytes {offset}-{}/{len}", end - 1),
        };
        let sending = Duration::from_millis(bytes.len() as u64 / SLOWEST_BYTES_PER_MS);
        let checking = if end == len { CHECKING } else { Duration::ZERO };
        let request = self
            .client
            .put(self.url(&path))
            .header(AUTHORIZATION, self.token(&Method::PUT, &path).await?)
            .header("saphan-salt", salt.to_text())
            .header(CONTENT_TYPE, media_type)
            .header(CONTENT_RANGE, range)
            .timeout(ANSWER_TIMEOUT + sending + checking)
            .body(bytes);
        match answered(request).await? {
            stored if stored.status() == StatusCode::ACCEPTED => state(&stored),
            _ => Ok(DocumentState::Complete { len, media_type: media_type.to_owned() }),
        }
    }

    pub(super) async fn get_range(&self, commit: Sha256Hash, range: Range<u64>) -> Result<DocumentBytes, HubError> {
        let path = path(commit);
        let want = range.end.saturating_sub(range.start);
        let request = self
            .client
            .get(self.url(&path))
            .header(AUTHORIZATION, self.token(&Method::GET, &path).await?)
            .header(RANGE, format!("bytes={}-{}", range.start, range.end.saturating_sub(1)))
            .timeout(ANSWER_TIMEOUT + Duration::from_millis(want / SLOWEST_BYTES_PER_MS));
        let response = answered(request).await?;
        let unreadable = HubError::Unreadable { status: response.status().as_u16() };
        // Never more in memory than was asked for.
        let is_wanted = response.status() == StatusCode::PARTIAL_CONTENT
            && number(&response, CONTENT_LENGTH.as_str()).is_some_and(|length| length <= want);
        let salt = text(&response, "saphan-salt").and_then(|salt| salt.parse().ok());
        let whole = text(&response, CONTENT_RANGE.as_str()).and_then(|range| range.rsplit_once('/')?.1.parse().ok());
        let (true, Some(salt), Some(len)) = (is_wanted, salt, whole) else { return Err(unreadable) };
        let bytes = response.bytes().await.map_err(|error| unreachable(error.without_url()))?;
        Ok(DocumentBytes { salt, len, bytes: bytes.into() })
    }
}

fn path(commit: Sha256Hash) -> String {
    format!("/v1/documents/{commit}")
}

/// What the headers of an answer say of a document.
fn state(response: &Response) -> Result<DocumentState, HubError> {
    let unreadable = HubError::Unreadable { status: response.status().as_u16() };
    if text(response, "upload-complete") == Some("?1") {
        let (len, media_type) = (number(response, CONTENT_LENGTH.as_str()), text(response, CONTENT_TYPE.as_str()));
        let (Some(len), Some(media_type)) = (len, media_type) else { return Err(unreadable) };
        return Ok(DocumentState::Complete { len, media_type: media_type.to_owned() });
    }
    number(response, "upload-offset").map(|offset| DocumentState::Uploading { offset }).ok_or(unreadable)
}

fn text<'a>(response: &'a Response, header: &str) -> Option<&'a str> {
    response.headers().get(header).and_then(|value| value.to_str().ok())
}

fn number(response: &Response, header: &str) -> Option<u64> {
    text(response, header).and_then(|number| number.parse().ok())
}

/// As slow as the hub lets a document come, and a caller goes on taking one.
const SLOWEST_BYTES_PER_MS: u64 = 64;
/// How long the hub may take to check all of a document, and to have it scanned for viruses.
const CHECKING: Duration = Duration::from_secs(600);
