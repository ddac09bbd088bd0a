//! Every problem the exchange can answer with: the one table, in English and Thai.
//!
//! [`ProblemCode`] is what code matches on; [`ProblemDocument`] is what travels (RFC 9457).

mod document;

pub use document::{ProblemDocument, ProblemPlace};

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{Code, InvalidId};

/// Whose side a problem is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The caller sent something that can never be accepted as it is.
    Caller,
    /// The hub cannot do its part.
    Hub,
    /// The recipient of the message.
    Recipient,
}

macro_rules! problems {
    ($( $(#[$doc:meta])* $name:ident = $code:literal, $status:literal, $fault:ident, retry: $retry:literal, $en:literal, $th:literal; )*) => {
        /// A problem, by its code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ProblemCode {
            $( $(#[$doc])* $name, )*
        }

        impl ProblemCode {
            /// All of them, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The code, e.g. `schema-violation`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            /// The HTTP status it is answered with.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status),* }
            }

            /// Whose side it is on.
            #[must_use]
            pub const fn fault(self) -> Fault {
                match self { $(Self::$name => Fault::$fault),* }
            }

            /// Whether the same request may succeed later, unchanged.
            #[must_use]
            pub const fn retry(self) -> bool {
                match self { $(Self::$name => $retry),* }
            }

            /// What happened and what to do, in English.
            #[must_use]
            pub const fn title_en(self) -> &'static str {
                match self { $(Self::$name => $en),* }
            }

            /// What happened and what to do, in Thai.
            #[must_use]
            pub const fn title_th(self) -> &'static str {
                match self { $(Self::$name => $th),* }
            }
        }
    };
}

problems! {
    /// No envelope header.
    EnvelopeMissing = "envelope-missing", 400, Caller, retry: false,
        "The request has no Saphan-Envelope header; send the signed envelope with the body",
        "คำขอไม่มีส่วนหัว Saphan-Envelope โปรดส่งซองข้อความที่ลงนามแล้วมาพร้อมเนื้อหา";
    /// Over 8 KiB.
    EnvelopeTooLarge = "envelope-too-large", 431, Caller, retry: false,
        "The envelope is over 8 KiB; move the content into the body",
        "ซองข้อความเกิน 8 KiB โปรดย้ายข้อมูลไปไว้ในเนื้อหา";
    /// Not strict.
    EnvelopeMalformed = "envelope-malformed", 400, Caller, retry: false,
        "The envelope is not a strict compact JWS with the members of the contract",
        "ซองข้อความไม่ใช่ compact JWS ตามรูปแบบของข้อกำหนด";
    /// Not ES256.
    AlgorithmNotAllowed = "algorithm-not-allowed", 400, Caller, retry: false,
        "The signature algorithm is not allowed; sign with ES256",
        "ไม่อนุญาตให้ใช้อัลกอริทึมลายมือชื่อนี้ โปรดลงนามด้วย ES256";
    /// The kid is not in the registry.
    KeyUnknown = "key-unknown", 401, Caller, retry: false,
        "The signing key is not registered; register it before sending",
        "กุญแจที่ใช้ลงนามยังไม่ได้ลงทะเบียน โปรดลงทะเบียนก่อนส่ง";
    /// The key was revoked.
    KeyRevoked = "key-revoked", 401, Caller, retry: false,
        "The signing key is revoked; sign with a valid key of the system",
        "กุญแจที่ใช้ลงนามถูกเพิกถอนแล้ว โปรดลงนามด้วยกุญแจที่ยังใช้ได้ของระบบ";
    /// Outside its validity.
    KeyNotValid = "key-not-valid", 401, Caller, retry: false,
        "The signing key is not valid at this time; sign with a valid key of the system",
        "กุญแจที่ใช้ลงนามไม่อยู่ในช่วงเวลาที่ใช้ได้ โปรดลงนามด้วยกุญแจที่ยังใช้ได้ของระบบ";
    /// The signature does not verify.
    SignatureInvalid = "signature-invalid", 401, Caller, retry: false,
        "The signature does not fit the key and the envelope",
        "ลายมือชื่อไม่ตรงกับกุญแจและซองข้อความ";
    /// The key belongs to another system.
    SenderMismatch = "sender-mismatch", 401, Caller, retry: false,
        "The signing key belongs to another system than the sender named in the envelope",
        "กุญแจที่ใช้ลงนามเป็นของระบบอื่น ไม่ใช่ผู้ส่งที่ระบุในซองข้อความ";
    /// For another hub.
    HubMismatch = "hub-mismatch", 422, Caller, retry: false,
        "The message is meant for another hub; check the hub configured at the sender",
        "ข้อความนี้ส่งถึงศูนย์แลกเปลี่ยนอื่น โปรดตรวจสอบศูนย์ที่ตั้งค่าไว้ที่ผู้ส่ง";
    /// iat in the future.
    IssuedInFuture = "issued-in-future", 422, Caller, retry: false,
        "The envelope was signed in the future; set the sender's clock",
        "ซองข้อความลงนามด้วยเวลาในอนาคต โปรดตั้งนาฬิกาของผู้ส่งให้ถูกต้อง";
    /// iat too old.
    IssuedTooLongAgo = "issued-too-long-ago", 422, Caller, retry: false,
        "The envelope was signed too long ago; sign a new message",
        "ซองข้อความลงนามไว้นานเกินไป โปรดลงนามข้อความใหม่";
    /// not_after has passed.
    MessageExpired = "message-expired", 422, Caller, retry: false,
        "The message's own not_after has passed",
        "ข้อความพ้นกำหนดเวลา not_after ของตนเองแล้ว";
    /// No such recipient.
    RecipientUnknown = "recipient-unknown", 422, Caller, retry: false,
        "The receiving system is not registered at this hub",
        "ระบบผู้รับยังไม่ได้ลงทะเบียนที่ศูนย์แลกเปลี่ยนนี้";
    /// No such type.
    TypeUnknown = "type-unknown", 422, Caller, retry: false,
        "The message type or schema version is not known at this hub",
        "ศูนย์แลกเปลี่ยนนี้ไม่รู้จักประเภทข้อความหรือรุ่นของสคีมานี้";
    /// No such service.
    ServiceUnknown = "service-unknown", 422, Caller, retry: false,
        "The public service is not registered at this hub",
        "บริการภาครัฐนี้ยังไม่ได้ลงทะเบียนที่ศูนย์แลกเปลี่ยนนี้";
    /// Nothing allows it.
    AgreementMissing = "agreement-missing", 403, Caller, retry: false,
        "No agreement allows this message; the detail says which part is missing",
        "ไม่มีข้อตกลงที่อนุญาตให้ส่งข้อความนี้ รายละเอียดระบุส่วนที่ขาด";
    /// Salt header missing or malformed.
    SaltMalformed = "salt-malformed", 400, Caller, retry: false,
        "The Saphan-Salt header is missing or is not 32 bytes of URL-safe base64",
        "ส่วนหัว Saphan-Salt ไม่มีหรือไม่ใช่ base64 แบบ URL-safe ขนาด 32 ไบต์";
    /// Commitment does not open.
    CommitmentMismatch = "commitment-mismatch", 422, Caller, retry: false,
        "Body and salt do not match the commitment in the envelope; send the exact bytes that were signed",
        "เนื้อหาและ salt ไม่ตรงกับค่าผูกพันในซองข้อความ โปรดส่งไบต์เดียวกับที่ลงนาม";
    /// Body too large.
    BodyTooLarge = "body-too-large", 413, Caller, retry: false,
        "The body is over the limit; send large files as documents",
        "เนื้อหาใหญ่เกินกำหนด โปรดส่งไฟล์ขนาดใหญ่เป็นเอกสารแนบ";
    /// Body is not UTF-8.
    BodyNotUtf8 = "body-not-utf8", 400, Caller, retry: false,
        "The body is not UTF-8",
        "เนื้อหาไม่ใช่ UTF-8";
    /// Body is not JSON.
    BodyNotJson = "body-not-json", 400, Caller, retry: false,
        "The body is not JSON; the detail says where",
        "เนื้อหาไม่ใช่ JSON รายละเอียดระบุตำแหน่ง";
    /// Duplicate key in the body.
    BodyDuplicateKey = "body-duplicate-key", 400, Caller, retry: false,
        "An object in the body has the same key twice",
        "อ็อบเจกต์ในเนื้อหามีคีย์ซ้ำกัน";
    /// Body nested too deep.
    BodyTooDeep = "body-too-deep", 400, Caller, retry: false,
        "The body is nested too deep",
        "เนื้อหาซ้อนกันหลายชั้นเกินไป";
    /// Schema violated.
    SchemaViolation = "schema-violation", 422, Caller, retry: false,
        "The body does not follow its schema; errors lists each place",
        "เนื้อหาไม่เป็นไปตามสคีมา ดูตำแหน่งที่ผิดใน errors";
    /// Not for such applicants.
    ApplicantNotEligible = "applicant-not-eligible", 422, Caller, retry: false,
        "The public service is not for applicants of this kind; the detail says who can apply",
        "บริการภาครัฐนี้ไม่เปิดให้ผู้ยื่นคำขอประเภทนี้ รายละเอียดระบุผู้ที่ยื่นได้";
    /// Same id, other content.
    DuplicateId = "duplicate-id", 409, Caller, retry: false,
        "The message id was used before with other content; use a new id for a new message",
        "รหัสข้อความนี้เคยใช้กับเนื้อหาอื่นแล้ว โปรดใช้รหัสใหม่สำหรับข้อความใหม่";
    /// A cited document is not there.
    DocumentMissing = "document-missing", 422, Caller, retry: false,
        "The message cites a document that its sender has not uploaded to the hub, or may not read; upload it, then send the message again",
        "ข้อความอ้างถึงเอกสารที่ผู้ส่งยังไม่ได้อัปโหลดหรือไม่มีสิทธิ์อ่าน โปรดอัปโหลดเอกสารก่อนแล้วจึงส่งข้อความอีกครั้ง";
    /// Bytes, salt, length or type are others.
    DocumentMismatch = "document-mismatch", 422, Caller, retry: false,
        "The document is not what its commitment or its reference says; the detail says what differs",
        "เอกสารไม่ตรงกับค่าผูกพันหรือข้อมูลอ้างอิง รายละเอียดระบุส่วนที่ต่างกัน";
    /// Document too large.
    DocumentTooLarge = "document-too-large", 413, Caller, retry: false,
        "The document is over the limit; the detail says how large it may be",
        "เอกสารใหญ่เกินกำหนด รายละเอียดระบุขนาดสูงสุด";
    /// The content is of another type.
    DocumentTypeRefused = "document-type-refused", 415, Caller, retry: false,
        "The content of the document is not of the media type stated for it; state the right one, or send the right file",
        "เนื้อหาของเอกสารไม่ตรงกับชนิดสื่อที่ระบุ โปรดระบุชนิดที่ถูกต้องหรือส่งไฟล์ที่ถูกต้อง";
    /// The scanner found something.
    DocumentInfected = "document-infected", 422, Caller, retry: false,
        "The virus scanner found something in the document; the hub has destroyed it. Check the machine that it comes from",
        "โปรแกรมตรวจไวรัสพบสิ่งผิดปกติในเอกสาร ศูนย์ได้ทำลายเอกสารแล้ว โปรดตรวจสอบเครื่องต้นทาง";
    /// The upload goes on from elsewhere.
    DocumentOffset = "document-offset", 409, Caller, retry: false,
        "The upload does not go on from here; the header Upload-Offset says from where",
        "การอัปโหลดไม่ได้ต่อจากตำแหน่งนี้ ส่วนหัว Upload-Offset ระบุตำแหน่งที่ถูกต้อง";
    /// Nothing of the range is there.
    RangeNotSatisfiable = "range-not-satisfiable", 416, Caller, retry: false,
        "The document ends before the range that was asked for; the header Content-Range says how long it is",
        "เอกสารสั้นกว่าช่วงที่ขอ ส่วนหัว Content-Range ระบุความยาวของเอกสาร";
    /// Ack not readable.
    AcknowledgementMalformed = "acknowledgement-malformed", 400, Caller, retry: false,
        "The acknowledgement is not a strict compact JWS with the members of the contract",
        "ใบตอบรับไม่ใช่ compact JWS ตามรูปแบบของข้อกำหนด";
    /// Ack for a message of someone else, or none.
    AcknowledgementUnknownMessage = "acknowledgement-unknown-message", 422, Caller, retry: false,
        "The acknowledgement names a place in the log that holds no message to this system",
        "ใบตอบรับอ้างถึงตำแหน่งในบันทึกที่ไม่มีข้อความถึงระบบนี้";
    /// Ack contradicts an earlier one.
    AcknowledgementConflict = "acknowledgement-conflict", 409, Caller, retry: false,
        "The acknowledgement contradicts an earlier one for the same message",
        "ใบตอบรับขัดแย้งกับใบตอบรับก่อนหน้าของข้อความเดียวกัน";
    /// Registry entry refused.
    RegistryEntryInvalid = "registry-entry-invalid", 422, Caller, retry: false,
        "The registry entry is not acceptable; the detail says why",
        "รายการทะเบียนไม่ถูกต้อง รายละเอียดระบุเหตุผล";
    /// The invitation does not let this key join.
    InvitationInvalid = "invitation-invalid", 403, Caller, retry: false,
        "The invitation's code is wrong, was used, or has expired; ask the hub's operator for a new one",
        "รหัสเชิญไม่ถูกต้อง ถูกใช้แล้ว หรือหมดอายุ โปรดขอรหัสใหม่จากผู้ดูแลศูนย์";
    /// No token.
    TokenMissing = "token-missing", 401, Caller, retry: false,
        "The request needs an Authorization: Bearer token signed by a registered key",
        "คำขอต้องมีโทเคน Authorization: Bearer ที่ลงนามด้วยกุญแจที่ลงทะเบียน";
    /// Token unreadable, wrong audience, wrong binding.
    TokenInvalid = "token-invalid", 401, Caller, retry: false,
        "The token is not acceptable for this request; sign a fresh one for this hub, method and path",
        "โทเคนใช้กับคำขอนี้ไม่ได้ โปรดลงนามโทเคนใหม่สำหรับศูนย์ เมทอด และพาธนี้";
    /// Token used before.
    TokenReplayed = "token-replayed", 401, Caller, retry: false,
        "The token was used before; sign a fresh one for every request",
        "โทเคนถูกใช้แล้ว โปรดลงนามโทเคนใหม่สำหรับทุกคำขอ";
    /// Token older than a minute, or from the future.
    TokenExpired = "token-expired", 401, Caller, retry: false,
        "The token is older than 60 seconds or from the future; sign a fresh one and check the clock",
        "โทเคนเก่ากว่า 60 วินาทีหรือมาจากอนาคต โปรดลงนามใหม่และตรวจสอบนาฬิกา";
    /// The caller has no right to this.
    Forbidden = "forbidden", 403, Caller, retry: false,
        "The caller may not do this",
        "ผู้เรียกไม่มีสิทธิ์ทำรายการนี้";
    /// Nothing there.
    NotFound = "not-found", 404, Caller, retry: false,
        "Nothing is here, or the caller may not know of it",
        "ไม่พบข้อมูล หรือผู้เรียกไม่มีสิทธิ์ทราบ";
    /// The body is still needed.
    ErasureTooEarly = "erasure-too-early", 409, Caller, retry: false,
        "The body is still needed: it is not acknowledged yet, or a case that has not ended rests on it. Ask again when that is over",
        "ยังต้องใช้เนื้อหานี้ เพราะผู้รับยังไม่ยืนยัน หรือเรื่องที่ใช้เนื้อหานี้ยังไม่สิ้นสุด โปรดขอลบอีกครั้งเมื่อสิ้นสุดแล้ว";
    /// Wrong method.
    MethodNotAllowed = "method-not-allowed", 405, Caller, retry: false,
        "This path does not have this method",
        "พาธนี้ไม่รองรับเมทอดนี้";
    /// Request unreadable.
    RequestMalformed = "request-malformed", 400, Caller, retry: false,
        "The request cannot be read; the detail says what is wrong",
        "อ่านคำขอไม่ได้ รายละเอียดระบุสิ่งที่ผิด";
    /// Lease over.
    LeaseLost = "lease-lost", 409, Caller, retry: false,
        "The lease is over or was never given to this system; lease again",
        "สิทธิ์ถือข้อความหมดอายุหรือไม่ใช่ของระบบนี้ โปรดขอใหม่";
    /// The system asks for more than one system may.
    RateLimited = "rate-limited", 429, Caller, retry: true,
        "This system asks for more at once than one system may; send the same again after Retry-After, and more slowly",
        "ระบบนี้ส่งคำขอเกินกว่าที่กำหนดสำหรับหนึ่งระบบ โปรดส่งคำขอเดิมอีกครั้งหลังเวลา Retry-After และส่งให้ช้าลง";
    /// Queue full.
    HubBusy = "hub-busy", 503, Hub, retry: true,
        "The hub has as much work as it can hold; send the same message again after Retry-After",
        "ศูนย์แลกเปลี่ยนมีงานเต็ม โปรดส่งข้อความเดิมอีกครั้งหลังเวลา Retry-After";
    /// Shutting down.
    HubStopping = "hub-stopping", 503, Hub, retry: true,
        "The hub is stopping; send the same message again after Retry-After",
        "ศูนย์แลกเปลี่ยนกำลังหยุดทำงาน โปรดส่งข้อความเดิมอีกครั้งหลังเวลา Retry-After";
    /// Store out of reach.
    HubUnavailable = "hub-unavailable", 503, Hub, retry: true,
        "The hub cannot reach its store; nothing was accepted unless a receipt follows; send the same message again",
        "ศูนย์แลกเปลี่ยนเข้าถึงที่เก็บข้อมูลไม่ได้ โปรดส่งข้อความเดิมอีกครั้ง";
    /// The scanner cannot be reached.
    ScannerUnavailable = "scanner-unavailable", 503, Hub, retry: true,
        "The hub has the document and cannot scan it for viruses now; it is readable once it was scanned. Ask again after Retry-After",
        "ศูนย์ได้รับเอกสารแล้วแต่ยังตรวจไวรัสไม่ได้ เอกสารจะอ่านได้เมื่อตรวจแล้ว โปรดถามอีกครั้งหลังเวลา Retry-After";
    /// No room for documents.
    StorageFull = "storage-full", 507, Hub, retry: true,
        "The hub has no room left for documents; what it confirmed is kept. Go on after Retry-After, and tell its operator",
        "ศูนย์ไม่มีพื้นที่เก็บเอกสารเหลือ ส่วนที่ยืนยันแล้วยังอยู่ โปรดส่งต่อหลังเวลา Retry-After และแจ้งผู้ดูแลศูนย์";
    /// What is stored does not open.
    DocumentDamaged = "document-damaged", 500, Hub, retry: true,
        "The hub's copy of the document is damaged and was not handed out; tell the hub's operator, who must restore it",
        "สำเนาเอกสารที่ศูนย์เสียหายและไม่ได้ส่งออกไป โปรดแจ้งผู้ดูแลศูนย์ให้กู้คืน";
    /// A mistake of ours.
    Internal = "internal", 500, Hub, retry: true,
        "The hub failed; its operator finds the reason in its log; send the same message again",
        "ศูนย์แลกเปลี่ยนขัดข้อง ผู้ดูแลดูสาเหตุได้ในบันทึกของระบบ โปรดส่งข้อความเดิมอีกครั้ง";
    /// No case is named, or another application has it.
    CaseInvalid = "case-invalid", 422, Caller, retry: false,
        "An application names a case of its own, a new UUIDv7; other messages name a case that is known here",
        "คำขอต้องระบุรหัสเรื่องใหม่ของตนเองเป็น UUIDv7 ข้อความอื่นต้องระบุเรื่องที่ศูนย์แลกเปลี่ยนรู้จัก";
    /// The case has ended.
    CaseClosed = "case-closed", 409, Caller, retry: false,
        "The case has ended; nothing can be added to it",
        "เรื่องนี้สิ้นสุดแล้ว เพิ่มเติมข้อมูลไม่ได้";
    /// Does not fit where the case is.
    CaseStateMismatch = "case-state-mismatch", 409, Caller, retry: false,
        "This does not fit where the case is; look at the case, and say what follows from there",
        "ข้อความนี้ไม่สอดคล้องกับสถานะปัจจุบันของเรื่อง โปรดตรวจสอบสถานะของเรื่องก่อน";
    /// A company without anybody who acts for it.
    RepresentativeMissing = "representative-missing", 422, Caller, retry: false,
        "The service asks for evidence about a person, and a company acts through one; name the representative",
        "บริการนี้ต้องใช้หลักฐานของบุคคล โปรดระบุผู้แทนของนิติบุคคล";
    /// A service that no authority takes cases of.
    ServiceNotOffered = "service-not-offered", 422, Caller, retry: false,
        "No system of the competent authority takes cases of this service; an agreement is missing",
        "ยังไม่มีระบบของหน่วยงานผู้มีอำนาจที่รับเรื่องของบริการนี้ โปรดตรวจสอบข้อตกลง";
    /// Evidence needs a consent, and none is named.
    ConsentMissing = "consent-missing", 422, Caller, retry: false,
        "The person must consent first; send consent.given and name it, or send the evidence along",
        "ต้องได้รับความยินยอมจากเจ้าของข้อมูลก่อน โปรดส่ง consent.given และอ้างถึง หรือแนบหลักฐานมาด้วย";
    /// The consent was taken back.
    ConsentRevoked = "consent-revoked", 422, Caller, retry: false,
        "The person has taken the consent back; ask for a new one",
        "เจ้าของข้อมูลถอนความยินยอมแล้ว โปรดขอความยินยอมใหม่";
    /// The consent is not known, is over, or is for something else.
    ConsentInsufficient = "consent-insufficient", 422, Caller, retry: false,
        "The consent is not known, is over, or does not cover this person, data, purpose or recipient",
        "ไม่พบความยินยอม หมดอายุ หรือไม่ครอบคลุมบุคคล ข้อมูล วัตถุประสงค์ หรือผู้รับนี้";
    /// Evidence that nobody asked for.
    EvidenceNotAwaited = "evidence-not-awaited", 422, Caller, retry: false,
        "Nothing in the case waits for this answer; name the request in reply_to, and answer it once",
        "ไม่มีคำขอหลักฐานในเรื่องที่รอคำตอบนี้ โปรดระบุคำขอใน reply_to และตอบเพียงครั้งเดียว";
    /// Evidence of another type, or not as its schema says.
    EvidenceInvalid = "evidence-invalid", 422, Caller, retry: false,
        "The evidence is not of the type that was requested, or its content does not follow the schema of its type",
        "หลักฐานไม่ใช่ประเภทที่ขอ หรือเนื้อหาไม่เป็นไปตามสคีมาของประเภทหลักฐาน";
    /// Evidence about another person.
    EvidenceSubjectMismatch = "evidence-subject-mismatch", 422, Caller, retry: false,
        "The evidence is about another person than the one that was asked about",
        "หลักฐานเป็นของบุคคลอื่น ไม่ใช่บุคคลที่ขอ";
    /// Evidence that is too old.
    EvidenceExpired = "evidence-expired", 422, Caller, retry: false,
        "The evidence is older than its type allows, or is not valid any more",
        "หลักฐานเก่าเกินกำหนดหรือหมดอายุแล้ว";
    /// Undelivered when not_after passed.
    DeliveryExpired = "delivery-expired", 410, Recipient, retry: false,
        "The message was not taken by its recipient before its not_after",
        "ผู้รับไม่ได้รับข้อความภายในเวลา not_after";
    /// The receiver rejected without a code of its own that this table knows.
    RecipientRejected = "recipient-rejected", 422, Recipient, retry: false,
        "The recipient rejected the message; its code says why",
        "ผู้รับปฏิเสธข้อความ รหัสของผู้รับระบุเหตุผล";
}

impl ProblemCode {
    /// `urn:saphan:problem:<code>`.
    #[must_use]
    pub fn urn(self) -> String {
        format!("{URN_PREFIX}{}", self.as_str())
    }

    /// The code as a leaf or an acknowledgement carries it.
    ///
    /// # Errors
    /// Never for a code of the table; a test proves it.
    pub fn to_code(self) -> Result<Code, InvalidId> {
        self.as_str().parse()
    }
}

impl fmt::Display for ProblemCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ProblemCode {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let found = Self::ALL.iter().find(|code| code.as_str() == text);
        found.copied().ok_or(InvalidId { kind: "problem code", expected: "a code of the problem table" })
    }
}

const URN_PREFIX: &str = "urn:saphan:problem:";

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_is_unique_readable_and_has_both_languages() {
        let mut seen = HashSet::new();
        for code in ProblemCode::ALL {
            assert!(seen.insert(code.as_str()), "{code} stands twice");
            assert_eq!(code.as_str().parse::<ProblemCode>().unwrap(), *code);
            assert_eq!(code.to_code().unwrap().as_str(), code.as_str());
            assert!((400..=599).contains(&code.status()), "{code}");
            assert!(code.title_th().chars().any(|c| ('\u{0e01}'..='\u{0e5b}').contains(&c)), "{code} has no Thai");
            assert!(code.title_en().is_ascii() && code.title_en().len() > 15, "{code}");
        }
    }

    #[test]
    fn what_the_hub_causes_may_be_retried_and_what_the_caller_causes_may_not_unless_it_was_only_too_much() {
        for code in ProblemCode::ALL {
            assert_eq!(code.retry(), code.fault() == Fault::Hub || code.status() == 429, "{code}");
            assert_eq!(code.status() >= 500, code.fault() == Fault::Hub, "{code}");
        }
    }
}
