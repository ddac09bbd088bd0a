//! The virus scanner: `clamd` of ClamAV, asked by its command `INSTREAM` (clamd(8)) over TCP or a Unix socket.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

/// Where the scanner listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scanner {
    /// `host:port`. The connection is not encrypted: same machine, or a network that nobody else is on.
    Tcp(String),
    /// A socket's path.
    Unix(PathBuf),
}

/// What the scanner says of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It found nothing.
    Clean,
    /// It found something, which it calls this.
    Infected(String),
}

/// The scanner has not said anything about a document.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// It is not reached, or the connection to it broke.
    #[error("the virus scanner is not reached")]
    Unreachable(#[source] io::Error),
    /// It answered something else than a verdict.
    #[error(
        "the virus scanner answers: {0}; if it is a limit, raise StreamMaxLength, MaxFileSize and MaxScanSize in clamd.conf"
    )]
    Refused(String),
}

/// A document on its way through the scanner.
pub(super) struct Scan {
    stream: Pin<Box<dyn Stream>>,
}

trait Stream: AsyncRead + AsyncWrite + Send {}
impl<S: AsyncRead + AsyncWrite + Send> Stream for S {}

impl Scanner {
    /// Of a setting: empty for none, `host:port`, or `unix:` and a path.
    pub(crate) fn parse(setting: &str) -> Option<Self> {
        match setting.strip_prefix("unix:") {
            _ if setting.is_empty() => None,
            Some(path) => Some(Self::Unix(path.into())),
            None => Some(Self::Tcp(setting.to_owned())),
        }
    }

    /// Begins a scan.
    pub(super) async fn begin(&self) -> Result<Scan, ScanError> {
        let mut stream: Pin<Box<dyn Stream>> = match self {
            Self::Tcp(address) => Box::pin(in_time(TcpStream::connect(address)).await?),
            Self::Unix(path) => Box::pin(in_time(UnixStream::connect(path)).await?),
        };
        in_time(stream.write_all(b"zINSTREAM\0")).await?;
        Ok(Scan { stream })
    }
}

impl Scan {
    /// Hands over the next bytes.
    pub(super) async fn feed(&mut self, bytes: &[u8]) -> Result<(), ScanError> {
        for piece in bytes.chunks(PIECE) {
            let len = u32::try_from(piece.len()).unwrap_or(0).to_be_bytes();
            let sent = in_time(async {
                self.stream.write_all(&len).await?;
                self.stream.write_all(piece).await
            });
            if let Err(error) = sent.await {
                // It may have said why before it hung up.
                return match self.answer().await {
                    Ok(answer) if !answer.is_empty() => Err(ScanError::Refused(answer)),
                    _ => Err(error),
                };
            }
        }
        Ok(())
    }

    /// All was handed over: what it says.
    pub(super) async fn finish(mut self) -> Result<Verdict, ScanError> {
        in_time(self.stream.write_all(&[0; 4])).await?;
        let answer = self.answer().await?;
        let said = answer.strip_prefix("stream: ").unwrap_or(&answer);
        match said.strip_suffix(" FOUND") {
            Some(name) => Ok(Verdict::Infected(name.to_owned())),
            None if said == "OK" => Ok(Verdict::Clean),
            None => Err(ScanError::Refused(answer)),
        }
    }

    async fn answer(&mut self) -> Result<String, ScanError> {
        let mut answer = Vec::new();
        in_time((&mut self.stream).take(LONGEST_ANSWER).read_to_end(&mut answer)).await?;
        let text = answer.split(|byte| *byte == 0).next().unwrap_or_default();
        let visible = |character: &char| character.is_ascii_graphic() || *character == ' ';
        Ok(String::from_utf8_lossy(text).chars().filter(visible).collect::<String>().trim().to_owned())
    }
}

async fn in_time<T>(step: impl Future<Output = io::Result<T>>) -> Result<T, ScanError> {
    let done = timeout(LONGEST_STEP, step).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    done.map_err(ScanError::Unreachable)
}

/// It scans when it has everything, which takes a while for a large archive. Its own limit (MaxScanTime) is two minutes.
const LONGEST_STEP: Duration = Duration::from_secs(180);
const PIECE: usize = 256 * 1024;
const LONGEST_ANSWER: u64 = 512;
