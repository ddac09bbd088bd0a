//! A virus scanner that speaks `INSTREAM`, and finds what the test says.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener};

/// It finds its needle in what it is sent.
pub(crate) struct FakeClamd {
    pub(crate) address: SocketAddr,
    /// The lengths of what it scanned.
    scanned: Arc<Mutex<Vec<usize>>>,
}

impl FakeClamd {
    /// Listens on a free port.
    pub(crate) async fn start(needle: &'static [u8], limit: usize) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let scanned = Arc::<Mutex<Vec<usize>>>::default();
        let noted = Arc::clone(&scanned);
        // It ends with the test's runtime.
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // A hub that hangs up in between is none of its affairs.
                let _ = scan(stream, needle, limit, &noted).await;
            }
        });
        Self { address, scanned }
    }

    /// Listens on a Unix socket. Unlike a port, nobody else takes it while no scanner is there.
    pub(crate) fn start_at(socket: &Path, needle: &'static [u8]) {
        let listener = UnixListener::bind(socket).unwrap();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let _ = scan(stream, needle, usize::MAX, &Mutex::default()).await;
            }
        });
    }

    pub(crate) fn scanned(&self) -> Vec<usize> {
        self.scanned.lock().unwrap().clone()
    }
}

async fn scan(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    needle: &[u8],
    limit: usize,
    scanned: &Mutex<Vec<usize>>,
) -> std::io::Result<()> {
    let mut command = [0; 10];
    stream.read_exact(&mut command).await?;
    assert_eq!(&command, b"zINSTREAM\0");
    let mut content = Vec::new();
    loop {
        let len = stream.read_u32().await? as usize;
        if len == 0 {
            break;
        }
        let begin = content.len();
        content.resize(begin + len, 0);
        stream.read_exact(&mut content[begin..]).await?;
        if content.len() > limit {
            return stream.write_all(b"INSTREAM size limit exceeded. ERROR\0").await;
        }
    }
    scanned.lock().unwrap().push(content.len());
    let infected = content.windows(needle.len()).any(|window| window == needle);
    let answer: &[u8] = if infected { b"stream: Test-Signature FOUND\0" } else { b"stream: OK\0" };
    stream.write_all(answer).await
}
