//! What goes wrong with a document, as a problem.

use axum::response::{IntoResponse as _, Response};
use saphan_schemas::problem::ProblemCode;

use super::super::ApiError;
use super::UPLOAD_OFFSET;
use crate::documents::reading::ReadError;
use crate::documents::scanner::ScanError;
use crate::documents::storage::StorageError;
use crate::documents::upload::UploadError;

/// The answer to an upload that does not go on, with where it would.
pub(super) fn upload_problem(error: UploadError) -> Response {
    let offset = match &error {
        UploadError::Offset { stored } | UploadError::Interrupted { stored } => Some(*stored),
        _ => None,
    };
    let mut response = ApiError::from(error).into_response();
    if let Some(offset) = offset {
        response.headers_mut().insert(UPLOAD_OFFSET, offset.into());
    }
    response
}

impl From<UploadError> for ApiError {
    fn from(error: UploadError) -> Self {
        let detail = error.to_string();
        let code = match error {
            UploadError::TooLarge { .. } => ProblemCode::DocumentTooLarge,
            UploadError::Exhausted(error) => return error.into(),
            UploadError::Busy => return Self::problem(ProblemCode::HubBusy),
            UploadError::Offset { .. } => ProblemCode::DocumentOffset,
            UploadError::Differs(_) | UploadError::Commitment => ProblemCode::DocumentMismatch,
            UploadError::MediaType(_) => ProblemCode::DocumentTypeRefused,
            UploadError::Infected(_) => ProblemCode::DocumentInfected,
            UploadError::Interrupted { .. } => ProblemCode::RequestMalformed,
            UploadError::Scan(error) => return error.into(),
            UploadError::Storage(error) => return error.into(),
            UploadError::Store(error) => return error.into(),
            UploadError::Read(error) => return error.into(),
            UploadError::Seal(_) | UploadError::Lost => return Self::internal(&error, ProblemCode::Internal),
        };
        Self::detailed(code, detail)
    }
}

impl From<ScanError> for ApiError {
    fn from(error: ScanError) -> Self {
        Self::internal(&error, ProblemCode::ScannerUnavailable)
    }
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        let code = match error {
            StorageError::Full(_) => ProblemCode::StorageFull,
            StorageError::Failed(_) => ProblemCode::HubUnavailable,
        };
        Self::internal(&error, code)
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Storage(error) => error.into(),
            ReadError::Store(error) => error.into(),
            ReadError::Seal(_) | ReadError::PartMissing => Self::internal(&error, ProblemCode::DocumentDamaged),
        }
    }
}
