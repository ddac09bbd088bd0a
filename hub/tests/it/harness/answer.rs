//! Answers of the hub, read as strictly as a client may read them.

use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use saphan_schemas::problem::{ProblemCode, ProblemDocument};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A complete answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// What shows that a message was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Evidence {
    pub(crate) receipt: String,
    pub(crate) proof: String,
}

impl Answer {
    pub(crate) async fn read(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, body: response.bytes().await.unwrap().to_vec() }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: impl reqwest::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// A success with this status, as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self, status: u16) -> T {
        assert_eq!(self.status, status, "{}", self.text());
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The first acceptance of a message.
    pub(crate) fn accepted(&self) -> Evidence {
        self.json(201)
    }

    /// A problem with this code, with everything that RFC 9457 and the table ask of it.
    pub(crate) fn problem(&self, code: ProblemCode) -> ProblemDocument {
        assert_eq!(self.header(CONTENT_TYPE), Some("application/problem+json"), "{code}: {}", self.text());
        let document: ProblemDocument = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(document.code(), Some(code), "{}", self.text());
        assert_eq!(self.status, code.status(), "{code}");
        let bare = code.document();
        let said =
            ProblemDocument { detail: None, errors: Vec::new(), index: None, retry_after: None, ..document.clone() };
        assert_eq!(said, bare, "the document says what the table says");
        let pause = self.header(RETRY_AFTER).map(|seconds| seconds.parse::<u64>().unwrap());
        assert_eq!(pause.is_some_and(|seconds| seconds > 0), code.retry(), "{code}: Retry-After");
        assert!(document.retry_after.is_none_or(|seconds| Some(seconds) == pause), "{code}: two times to wait");
        document
    }
}
