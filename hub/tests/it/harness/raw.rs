//! Requests byte by byte, for what no HTTP client would do.

use saphan_schemas::problem::{ProblemCode, ProblemDocument};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::TestHub;
use super::messages::Submission;
use super::waiting::in_time;

/// A submission that is sent in pieces.
pub(crate) struct RawSubmission {
    stream: TcpStream,
    rest: Vec<u8>,
}

impl RawSubmission {
    /// Sends everything but the last `held_back` bytes of the body.
    pub(crate) async fn begin(hub: &TestHub, message: &Submission, held_back: usize) -> Self {
        let address = hub.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        let (now, rest) = message.body.split_at(message.body.len() - held_back);
        let head = format!(
            "POST /v1/messages HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\
             saphan-envelope: {}\r\nsaphan-salt: {}\r\n\r\n",
            message.body.len(),
            message.envelope(),
            message.salt.as_deref().unwrap(),
        );
        stream.write_all(&[head.as_bytes(), now].concat()).await.unwrap();
        Self { stream, rest: rest.into() }
    }

    /// Sends no more, and returns the status line of what comes all the same.
    pub(crate) async fn answer(mut self) -> String {
        let mut answer = vec![0; 64];
        let read = self.stream.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[..read]).lines().next().unwrap_or_default().to_owned()
    }

    /// Sends the rest; returns the status line.
    pub(crate) async fn finish(mut self) -> String {
        self.stream.write_all(&self.rest).await.unwrap();
        let mut answer = Vec::new();
        self.stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap().lines().next().unwrap_or_default().to_owned()
    }
}

/// What came back on a connection, byte by byte.
#[derive(Debug)]
pub(crate) struct RawAnswers(String);

impl RawAnswers {
    /// Sends these bytes on a connection of their own, and reads until the hub closes it.
    pub(crate) async fn to(hub: &TestHub, request: impl AsRef<[u8]>) -> Self {
        let mut stream = TcpStream::connect(hub.address).await.unwrap();
        // A hub that has closed already takes no more; what it said can still be read.
        let _ = stream.write_all(request.as_ref()).await;
        let (mut answers, mut part) = (Vec::new(), [0; 4096]);
        in_time(async {
            while let Ok(read @ 1..) = stream.read(&mut part).await {
                answers.extend_from_slice(&part[..read]);
            }
        })
        .await;
        Self(String::from_utf8_lossy(&answers).into_owned())
    }

    /// The statuses, one for each request that the hub saw.
    pub(crate) fn statuses(&self) -> Vec<u16> {
        let answers = self.0.split("HTTP/1.1 ").skip(1);
        answers.map(|answer| answer[..3].parse().unwrap()).collect()
    }

    /// The only answer's status.
    pub(crate) fn status(&self) -> u16 {
        let statuses = self.statuses();
        assert_eq!(statuses.len(), 1, "{}", self.0);
        statuses[0]
    }

    /// The only answer, a problem with this code; answers its detail.
    pub(crate) fn problem(&self, code: ProblemCode) -> String {
        assert_eq!(self.status(), code.status(), "{}", self.0);
        let (_, body) = self.0.split_once("\r\n\r\n").unwrap();
        let document: ProblemDocument = serde_json::from_str(body).unwrap();
        assert_eq!(document.code(), Some(code), "{body}");
        document.detail.unwrap_or_default()
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}
