//! The endpoint of an agency, which answers as endpoints do: mostly well, once with an error page that quotes what it got.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::patience::in_time;

/// What it saw, in the order in which it came.
#[derive(Clone)]
pub(super) struct Desk(Arc<watch::Sender<Vec<Vec<u8>>>>);

impl Desk {
    pub(super) async fn open() -> (Self, String) {
        let desk = Self(Arc::new(watch::Sender::new(Vec::new())));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/in", listener.local_addr().unwrap());
        let open = desk.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                open.answer(stream).await;
            }
        });
        (desk, url)
    }

    pub(super) fn saw(&self, body: &[u8]) -> bool {
        self.0.borrow().iter().any(|seen| seen == body)
    }

    /// So many messages of their own.
    pub(super) async fn until_it_saw(&self, count: usize) {
        let different = |seen: &Vec<Vec<u8>>| seen.iter().collect::<std::collections::BTreeSet<_>>().len();
        let mut seen = self.0.subscribe();
        let forwarded = seen.wait_for(|seen| different(seen) >= count);
        in_time(forwarded, || format!("{count} messages were not forwarded")).await.unwrap();
    }

    async fn answer(&self, mut stream: TcpStream) {
        let mut request = Vec::new();
        let body = loop {
            if stream.read_buf(&mut request).await.unwrap() == 0 {
                return;
            }
            let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
            let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            let length: usize = length.parse().unwrap();
            if let Some(body) = request.get(end + 4..end + 4 + length) {
                break body.to_vec();
            }
        };
        let before = self.0.borrow().len();
        let (status, text) = match before {
            0 => ("500 Internal Server Error", [b"KeyError in ", &body[..]].concat()),
            2 => ("422 Unprocessable Content", br#"{"code":"wrong-office"}"#.to_vec()),
            _ => ("200 OK", Vec::new()),
        };
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", text.len());
        self.0.send_modify(|seen| seen.push(body));
        // The program may be on its way out.
        let _ = stream.write_all(&[head.as_bytes(), &text].concat()).await;
    }
}
