//! Body of `application.fee-paid`.

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// `application.fee-paid`: the applicant has paid the fee.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationFeePaid {
    /// When.
    pub paid_at: Timestamp,
    /// What was paid, in satang.
    pub amount_satang: u64,
    /// What the authority asked to be cited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_reference: Option<String>,
    /// Number of the receipt of who took the money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt_number: Option<String>,
}

redacted_debug! {
    ApplicationFeePaid { paid_at }
}

message_body!(ApplicationFeePaid, "application.fee-paid", "application.fee-paid@1");
