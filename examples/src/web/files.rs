//! Files that people send: taken in piece by piece, kept where nobody else reads them, and uploaded when they go with a message.
//!
//! What a person calls a file is personal data. It is read only to tell a file from none, and goes no further.

mod arriving;
mod content;
mod shelf;
mod upload;

pub(super) use arriving::Arriving;
pub(super) use shelf::{Faults, Held, Owner, Shelf};
pub(super) use upload::{NotUploaded, document, upload_all};

use std::io;

use saphan_connector::documents::{DocumentError, Documents, PreparedDocument};
use saphan_connector::hub_api::HubError;
use saphan_schemas::envelope::{DocumentReference, MAX_DOCUMENTS};
use saphan_schemas::message_types::Language;
use saphan_schemas::problem::ProblemCode;
use tokio::fs::File;
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};
use tokio::sync::Mutex;
use tokio::time::timeout;

use self::arriving::Incoming;
use self::content::{Content, LONGEST_MARK};
use super::PATIENCE;
use super::language::Speaks as _;
use super::refusal::Because;

/// A file that a person sent. It has no name in the file system and is gone with this value, or with the process.
pub(super) struct Received {
    content: Content,
    len: u64,
    stored: Mutex<Stored>,
}

struct Stored {
    file: File,
    /// Made once: an upload that was cut off goes on, and none leaves a second copy behind.
    prepared: Option<PreparedDocument>,
}

/// Why a file does not go on, as the person can mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileFault {
    /// None was chosen.
    Missing,
    /// It has no byte.
    Empty,
    /// It is over [`MOST_BYTES`].
    TooLarge,
    /// It is neither PDF, PNG nor JPEG.
    OtherKind,
    /// A message takes no more files.
    TooMany,
    /// The exchange's scanner found something.
    Infected,
    /// The exchange does not take it.
    Refused,
    /// The exchange is not reached; the file is still here.
    Unreachable,
}

impl Received {
    /// Takes a file in. One that is not kept is read to its end all the same: a browser looks at the answer only after that.
    ///
    /// # Errors
    /// What arrives is no form, or nothing can be stored here.
    async fn take(incoming: &mut Incoming<'_>) -> Result<Result<Self, FileFault>, Because> {
        let mut kept = Some(temporary().await.map_err(|_| Because::Internal)?);
        let (mut head, mut len, mut fault) = (Vec::with_capacity(LONGEST_MARK), 0, None);
        while let Some(bytes) = incoming.chunk().await? {
            len += bytes.len() as u64;
            head.extend(bytes.iter().take(LONGEST_MARK - head.len()));
            if len > MOST_BYTES {
                fault = Some(FileFault::TooLarge);
            } else if head.len() == LONGEST_MARK && Content::of(&head).is_none() {
                fault = Some(FileFault::OtherKind);
            }
            kept = kept.filter(|_| fault.is_none());
            if let Some(file) = &mut kept {
                file.write_all(&bytes).await.map_err(|_| Because::Internal)?;
            }
        }
        if len == 0 {
            return Ok(Err(FileFault::Empty));
        }
        let (Some(mut file), Some(content)) = (kept, Content::of(&head)) else {
            return Ok(Err(fault.unwrap_or(FileFault::OtherKind)));
        };
        file.flush().await.map_err(|_| Because::Internal)?;
        Ok(Ok(Self { content, len, stored: Mutex::new(Stored { file, prepared: None }) }))
    }

    /// Uploads it, as long as a person waits for a page. Once it is there, it is not uploaded again.
    ///
    /// # Errors
    /// Why not; the inner ones can be mended by the person.
    async fn upload(&self, documents: &Documents) -> Result<Result<DocumentReference, FileFault>, Because> {
        match timeout(PATIENCE, self.upload_to(documents)).await {
            Ok(Ok(reference)) => Ok(Ok(reference)),
            Ok(Err(error)) => FileFault::of(&error).map(Err),
            Err(_) => Ok(Err(FileFault::Unreachable)),
        }
    }

    async fn upload_to(&self, documents: &Documents) -> Result<DocumentReference, DocumentError> {
        let mut stored = self.stored.lock().await;
        let Stored { file, prepared } = &mut *stored;
        let prepared = match prepared {
            Some(prepared) => prepared,
            None => {
                file.rewind().await?;
                prepared.insert(PreparedDocument::read(file, self.content.media_type()).await?)
            }
        };
        documents.upload(prepared, file).await
    }

    /// What it is, and how large, e.g. `PDF, 1.2 MB`.
    pub(super) fn described(&self) -> String {
        let kilobytes = self.len.div_ceil(1024);
        let tenths = kilobytes * 10 / 1024;
        let size = match kilobytes {
            0..1024 => format!("{kilobytes} kB"),
            _ => format!("{}.{} MB", tenths / 10, tenths % 10),
        };
        format!("{}, {size}", self.content.name())
    }
}

/// A file without a name, that only this process can open.
async fn temporary() -> io::Result<File> {
    let file = tokio::task::spawn_blocking(tempfile::tempfile).await??;
    Ok(File::from_std(file))
}

impl FileFault {
    fn of(error: &DocumentError) -> Result<Self, Because> {
        match error {
            DocumentError::Hub(HubError::Sign(_)) => Err(Because::Internal),
            DocumentError::Hub(_) if error.is_retryable() => Ok(Self::Unreachable),
            DocumentError::Hub(_) if error.problem_code() == Some(ProblemCode::DocumentInfected) => Ok(Self::Infected),
            DocumentError::Hub(_) => Ok(Self::Refused),
            _ => Err(Because::Internal),
        }
    }

    /// Whether the same file may go another time.
    const fn may_pass(self) -> bool {
        matches!(self, Self::Unreachable)
    }

    /// What the person reads.
    pub(super) fn text(self, language: Language) -> String {
        let text = match self {
            Self::Missing => language.of("โปรดเลือกไฟล์", "Please choose a file."),
            Self::Empty => language.of("ไฟล์ว่างเปล่า โปรดเลือกไฟล์อื่น", "The file is empty. Please choose another."),
            Self::TooLarge => {
                return match language {
                    Language::Th => format!("ไฟล์ใหญ่เกินไป โปรดเลือกไฟล์ที่ไม่เกิน {MOST_MEGABYTES} MB"),
                    Language::En => {
                        format!("The file is too large. Please choose one of at most {MOST_MEGABYTES} MB.")
                    }
                };
            }
            Self::OtherKind => language.of(
                "ไฟล์นี้ไม่ใช่ PDF, PNG หรือ JPEG โปรดเลือกไฟล์อื่น",
                "The file is neither a PDF nor a PNG or JPEG picture. Please choose another.",
            ),
            Self::TooMany => {
                return match language {
                    Language::Th => format!("ส่งไฟล์พร้อมกันได้ไม่เกิน {MAX_DOCUMENTS} ไฟล์ โปรดยื่นเอกสารนี้ที่สำนักงาน"),
                    Language::En => {
                        format!("No more than {MAX_DOCUMENTS} files go at once. Please hand this one in at the office.")
                    }
                };
            }
            Self::Infected => language.of(
                "พบไวรัสในไฟล์นี้ ไฟล์ถูกทำลายแล้ว โปรดตรวจสอบเครื่องของท่านและเลือกไฟล์อื่น",
                "A virus was found in the file, and it was destroyed. Please check your device, and choose another.",
            ),
            Self::Refused => language.of(
                "ระบบแลกเปลี่ยนข้อมูลไม่รับไฟล์นี้ โปรดเลือกไฟล์อื่น หรือยื่นที่สำนักงาน",
                "The exchange does not take this file. Please choose another, or hand it in at the office.",
            ),
            Self::Unreachable => language.of(
                "ติดต่อระบบแลกเปลี่ยนข้อมูลไม่ได้ ยังไม่มีการส่งข้อมูล โปรดส่งอีกครั้งภายหลัง",
                "The exchange is not reached. Nothing was sent. Please send it again later.",
            ),
        };
        text.to_owned()
    }
}

/// What a file may be, for people.
pub(super) fn takes(language: Language) -> String {
    let text = language.of("PDF, PNG หรือ JPEG ไม่เกิน", "PDF, PNG or JPEG, at most");
    format!("{text} {MOST_MEGABYTES} MB")
}

/// What a file may be, for browsers.
pub(super) const ACCEPT: &str = "application/pdf,image/png,image/jpeg";
/// A scanned deed of some pages, or a photograph of a phone.
const MOST_MEGABYTES: u64 = 20;
const MOST_BYTES: u64 = MOST_MEGABYTES << 20;
