//! Requests byte by byte, for what no HTTP client would do.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::TestHub;
use super::messages::Submission;

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
