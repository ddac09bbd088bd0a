//! The JSON bodies of the HTTP API that only this client reads and writes.

use std::time::Duration;

use saphan_schemas::b64::{self, NotBase64};
use serde::{Deserialize, Serialize};

use crate::hub_api::{Answer, Lease, Leased, Submission};

#[derive(Deserialize)]
pub(super) struct AnswerBody {
    pub(super) receipt: String,
    pub(super) proof: String,
}

#[derive(Serialize)]
pub(super) struct LeaseRequest {
    pub(super) max: u16,
    pub(super) wait: u64,
}

#[derive(Deserialize)]
pub(super) struct LeaseBody {
    lease: Option<String>,
    #[serde(default)]
    expires_in: u64,
    #[serde(default)]
    messages: Vec<LeasedBody>,
}

#[derive(Deserialize)]
struct LeasedBody {
    index: u64,
    envelope: String,
    salt: String,
    body: String,
    receipt: String,
    proof: String,
}

impl TryFrom<LeaseBody> for Lease {
    type Error = NotBase64;

    fn try_from(body: LeaseBody) -> Result<Self, NotBase64> {
        let messages = body.messages.into_iter().map(Leased::try_from).collect::<Result<_, _>>()?;
        Ok(Self { id: body.lease, expires_in: Duration::from_secs(body.expires_in), messages })
    }
}

impl TryFrom<LeasedBody> for Leased {
    type Error = NotBase64;

    fn try_from(message: LeasedBody) -> Result<Self, NotBase64> {
        let LeasedBody { index, envelope, salt, body, receipt, proof } = message;
        let body = b64::decode_std(body)?;
        Ok(Self { index, submission: Submission { envelope, salt, body }, answer: Answer { receipt, proof } })
    }
}

#[derive(Serialize)]
pub(super) struct ExtendRequest<'a> {
    pub(super) lease: &'a str,
}

#[derive(Deserialize)]
pub(super) struct ExtendBody {
    pub(super) expires_in: u64,
}

#[derive(Serialize)]
pub(super) struct ReleaseRequest<'a> {
    pub(super) lease: &'a str,
    pub(super) indices: &'a [u64],
    pub(super) delay: u64,
}
