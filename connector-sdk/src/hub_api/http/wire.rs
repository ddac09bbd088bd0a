//! The JSON bodies of the HTTP API that only this client reads and writes.

use std::time::Duration;

use saphan_schemas::b64::{self, NotBase64};
use saphan_schemas::ids::ServiceId;
use saphan_schemas::message_types::Subject;
use saphan_schemas::problem::ProblemDocument;
use serde::{Deserialize, Serialize};

use crate::hub_api::{Answer, HubError, Lease, Leased, Submission};
use crate::portal::ServiceView;

#[derive(Deserialize)]
pub(super) struct AnswerBody {
    pub(super) receipt: String,
    pub(super) proof: String,
}

/// The request that submits several messages, as JSON. Bodies are most of it, and base64 is written into it as it is.
pub(super) fn batch_request(messages: &[Submission]) -> String {
    let mut text = String::with_capacity(messages.iter().map(written_bytes).sum());
    text.push_str(r#"{"messages":["#);
    for (number, Submission { envelope, salt, body }) in messages.iter().enumerate() {
        text.push_str(if number == 0 { r#"{"envelope":"# } else { r#",{"envelope":"# });
        push_string(&mut text, envelope);
        text.push_str(r#","salt":"#);
        push_string(&mut text, salt);
        text.push_str(r#","body":""#);
        b64::push_std(&mut text, body);
        text.push_str(r#""}"#);
    }
    text.push_str("]}");
    text
}

fn push_string(to: &mut String, text: &str) {
    // A string always serializes.
    to.push_str(&serde_json::to_string(text).unwrap_or_default());
}

/// About as many as a message takes of a request.
fn written_bytes(Submission { envelope, salt, body }: &Submission) -> usize {
    envelope.len() + salt.len() + body.len().div_ceil(3) * 4 + 64
}

#[derive(Deserialize)]
pub(super) struct BatchBody {
    pub(super) results: Vec<BatchResult>,
}

#[derive(Deserialize)]
pub(super) struct BatchResult {
    receipt: Option<String>,
    proof: Option<String>,
    problem: Option<Box<ProblemDocument>>,
}

impl BatchResult {
    /// `status` is that of the answer which holds it.
    pub(super) fn into_answer(self, status: u16) -> Result<Answer, HubError> {
        match self {
            Self { receipt: Some(receipt), proof: Some(proof), problem: None } => Ok(Answer { receipt, proof }),
            Self { problem: Some(document), .. } => {
                let retry_after = document.retry_after.map(Duration::from_secs);
                Err(HubError::Problem { document, retry_after })
            }
            Self { .. } => Err(HubError::Unreadable { status }),
        }
    }
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

#[derive(Serialize)]
pub(super) struct TraceRequest<'a> {
    pub(super) subject: &'a Subject,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct ServicesBody {
    pub(super) items: Vec<ServiceView>,
    pub(super) next: Option<ServiceId>,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_request_of_several_messages_is_json_whatever_they_hold() {
        let message = |envelope: &str, body: &[u8]| Submission {
            envelope: envelope.to_owned(),
            salt: "s".to_owned(),
            body: body.to_vec(),
        };
        let text = batch_request(&[message("a.b.c", b"{}"), message("\"},{\"\\", b"")]);
        let expected = json!({ "messages": [
            { "envelope": "a.b.c", "salt": "s", "body": "e30=" },
            { "envelope": "\"},{\"\\", "salt": "s", "body": "" },
        ] });
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
    }
}
