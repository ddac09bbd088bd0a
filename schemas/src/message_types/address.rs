//! Addresses in Thailand.

use serde::{Deserialize, Serialize};

/// An address in Thailand, in Thai.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// House number (บ้านเลขที่), e.g. `88/12`.
    pub house_number: String,
    /// Village number (หมู่).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub village_number: Option<String>,
    /// Village or building.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub building: Option<String>,
    /// Lane (ตรอก or ซอย).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<String>,
    /// Road.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub road: Option<String>,
    /// Sub-district (ตำบล or แขวง) without that word.
    pub sub_district: String,
    /// District (อำเภอ or เขต) without that word.
    pub district: String,
    /// Province (จังหวัด) without that word.
    pub province: String,
    /// Postcode, 5 digits.
    pub postcode: String,
    /// Code of the sub-district in the civil registry, 6 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area_code: Option<String>,
}

redacted_debug! { Address { province } }
