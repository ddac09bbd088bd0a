//! What holds all the same, for whoever signs it may as well say that, or says the same with it.

use super::copies::NOTHING;

/// Whether that must hold; what need not, must not.
pub(super) fn holds(place: &str, what: &str) -> bool {
    what == NOTHING || rules().any(|rule| rule.is_about(place, what))
}

/// Something odd, at all places that end so.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    end: &'static str,
    what: &'static str,
}

impl Rule {
    pub(super) fn is_about(self, place: &str, what: &str) -> bool {
        // JSON has several ways to write a text; a leaf has one.
        let has_one_way = what == ESCAPED && place.starts_with("leaf ");
        what == self.what && place.ends_with(self.end) && !has_one_way
    }
}

pub(super) fn rules() -> impl Iterator<Item = Rule> {
    let listed = HOLD
        .iter()
        .flat_map(|(ends, whats)| ends.iter().flat_map(move |end| whats.iter().map(move |what| Rule { end, what })));
    listed.chain([Rule { end: "", what: ESCAPED }])
}

const ESCAPED: &str = "escaped";
/// Ends of places, and what holds there.
const HOLD: &[(&[&str], &[&str])] = &[
    (
        &[
            "messages/0/receipt",
            "ack+jws/log",
            "/case",
            "/evidence_type",
            "/reply_to",
            "envelope+jws/legal_basis",
            "/accepted",
            "erasure /log",
            "agreement/change/entry/consent",
            "/retention_days",
            "/not_before",
            "key/change/entry/not_after",
            "agreement/change/entry/not_after",
            "envelope+jws/not_after",
        ],
        &["left out"],
    ),
    (&["/schemas", "/documents", "/purposes", "/services", "/timestamps"], &["left out", "an empty list"]),
    (&["/schemas", "/documents", "/types", "/purposes", "/services"], &["each element twice"]),
    // Other bytes, which nothing here is held against.
    (&["/commit", "added schema/change/entry/sha256", "refusal /env", "/media_type"], &["in capitals"]),
    (
        &["member/iat", "envelope+jws/iat", "ack+jws/iat", "/not_before", "envelope+jws/not_after", "opened/ts"],
        &["nought", "2^16"],
    ),
    (&["member/iat", "envelope+jws/iat", "ack+jws/iat", "/not_after", "opened/ts"], &["the last second of 9998"]),
    // In milliseconds.
    (&["opened/ts"], &["the first second of 9999"]),
    (&["/len"], &["nought"]),
    (
        &["/len", "receipt in a bundle/size"],
        &["2^16", "2^53", "2^63 - 1", "the last second of 9998", "the first second of 9999"],
    ),
    (
        &["agreement/change/entry/legal_basis", "/accepted", "/name_th", "/name_en", "closed/next"],
        &["a Thai letter", "a blank before it", "a blank behind it"],
    ),
    // Thai has no capitals.
    (&["agreement/change/entry/legal_basis", "/accepted", "/name_en", "closed/next"], &["in capitals"]),
    (&["/name_th", "/name_en", "closed/next"], &["no text", "too long", "a new line behind it", "a control character"]),
    // A leaf has it as it is.
    (&["/name_th", "/name_en"], &["a control character above 127"]),
    (
        &["checkpoint"],
        &["16 signatures", "a line more", "a line of blanks", "a line with a control character above 127"],
    ),
];
