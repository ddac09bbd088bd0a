//! What people read when the page cannot do what they asked.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use saphan_connector::SendError;
use saphan_connector::hub_api::HubError;
use saphan_schemas::message_types::Language;
use saphan_schemas::problem::{ProblemCode, ProblemDocument};

use super::html::{Html, el};
use super::language::Speaks as _;
use super::pages::layout;
use super::visit::Visit;

/// A request that is refused.
pub(super) struct Refusal {
    /// The request.
    pub(super) visit: Box<Visit>,
    /// Why not.
    pub(super) because: Because,
}

/// Why not.
#[derive(Debug)]
pub(super) enum Because {
    /// Nobody is signed in.
    NotSignedIn,
    /// There is no such page, or it is not this person's.
    NotFound,
    /// The form was not sent from a page of this session.
    NotFromHere,
    /// What was sent is no form.
    Unreadable,
    /// It cannot be done any more.
    TooLate,
    /// The exchange refused, and said why.
    Refused(Box<ProblemDocument>),
    /// The exchange is not reached.
    Unreachable,
    /// A defect of this program or its machine.
    Internal,
}

impl From<SendError> for Because {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Refused(document) => Self::Refused(document),
            SendError::Stopped { .. } | SendError::Untrusted { .. } => Self::Unreachable,
            _ => Self::Internal,
        }
    }
}

impl From<HubError> for Because {
    fn from(error: HubError) -> Self {
        match error {
            HubError::Problem { document, .. } if document.code() == Some(ProblemCode::NotFound) => Self::NotFound,
            HubError::Problem { document, .. } => Self::Refused(document),
            _ => Self::Unreachable,
        }
    }
}

impl Because {
    const fn status(&self) -> StatusCode {
        match self {
            Self::NotSignedIn => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::NotFromHere => StatusCode::FORBIDDEN,
            Self::Unreadable => StatusCode::BAD_REQUEST,
            Self::TooLate => StatusCode::CONFLICT,
            Self::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unreachable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn texts(&self, language: Language) -> (String, String) {
        let (title, text) = match self {
            Self::NotSignedIn => (
                language.of("โปรดเข้าสู่ระบบ", "Please sign in"),
                language.of("หน้านี้ใช้ได้เมื่อเข้าสู่ระบบแล้ว", "This page is for people who are signed in."),
            ),
            Self::NotFound => (
                language.of("ไม่พบหน้านี้", "There is no such page"),
                language
                    .of("ตรวจสอบที่อยู่ หรือเริ่มจากรายการบริการ", "Check the address, or start from the list of services."),
            ),
            Self::NotFromHere => (
                language.of("แบบฟอร์มหมดอายุ", "The form is too old"),
                language.of(
                    "ไม่มีการบันทึกข้อมูล โปรดเปิดหน้านี้ใหม่ เข้าสู่ระบบ แล้วส่งอีกครั้ง",
                    "Nothing was done. Please open the page again, sign in, and send it once more.",
                ),
            ),
            Self::Unreadable => (
                language.of("อ่านข้อมูลไม่ได้", "What was sent cannot be read"),
                language.of("ไม่มีการบันทึกข้อมูล โปรดลองอีกครั้ง", "Nothing was done. Please try again."),
            ),
            Self::TooLate => (
                language.of("ดำเนินการไม่ได้แล้ว", "It is too late for this"),
                language.of(
                    "คำขอนี้มีการเปลี่ยนแปลงแล้ว โปรดดูสถานะล่าสุด",
                    "The application has moved on. Please look at where it is now.",
                ),
            ),
            Self::Refused(document) => {
                let known = document.code().map(|code| language.of(code.title_th(), code.title_en()).to_owned());
                let title = language.of("ระบบแลกเปลี่ยนข้อมูลไม่รับคำขอ", "The exchange did not accept this");
                return (title.to_owned(), known.unwrap_or_else(|| document.title.clone()));
            }
            Self::Unreachable => (
                language.of("ติดต่อระบบแลกเปลี่ยนข้อมูลไม่ได้", "The exchange is not reached"),
                language.of(
                    "ข้อมูลที่ส่งแล้วจะถูกส่งต่อเองเมื่อติดต่อได้ โปรดดูอีกครั้งภายหลัง",
                    "What you sent goes on by itself as soon as the exchange is there. Please look again later.",
                ),
            ),
            Self::Internal => (
                language.of("เกิดข้อผิดพลาด", "Something went wrong"),
                language
                    .of("ความผิดพลาดอยู่ที่ระบบนี้ โปรดลองอีกครั้งภายหลัง", "The fault is on our side. Please try again later."),
            ),
        };
        (title.to_owned(), text.to_owned())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self { visit, because } = self;
        if matches!(because, Because::NotSignedIn) {
            return Redirect::to(&visit.path("sign-in")).into_response();
        }
        let (title, text) = because.texts(visit.language);
        let detail = match &because {
            Because::Refused(document) => document.detail.as_deref(),
            _ => None,
        };
        let detail = detail.map(|detail| el("p").class("quiet").attr("lang", "en").with(detail));
        let page = layout::Page::new(&visit, &title).body(Html::from(el("p").with(text)).with(detail));
        (because.status(), page).into_response()
    }
}
