//! Times of the year 9999 are signed nowhere: whoever reads the statement would refuse it.

#![expect(clippy::unwrap_used, reason = "a test helper that fails should end its test")]

use std::fmt::Debug;

use saphan_schemas::acknowledgement::AcknowledgementClaims;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::envelope::EnvelopeClaims;
use saphan_schemas::ids::MessageId;
use saphan_schemas::invitation::InvitationCode;
use saphan_schemas::jws::{Claims, SignError, Signed, Unverified};
use saphan_schemas::keys::SigningKey;
use saphan_schemas::receipt::ReceiptClaims;
use saphan_schemas::registry::{Agreement, Change, Entry, Invitation, RegistryClaims, SystemKey};
use serde_json::json;

const FIRST: u64 = 253_370_764_800;

/// `with` makes the statement with this time in it.
fn ends_before_9999<C: Claims + Debug + PartialEq>(what: &str, with: impl Fn(u64) -> C) {
    let (key, _) = SigningKey::generate().unwrap();
    let signed = Signed::sign(with(FIRST - 1), &key).unwrap();
    assert_eq!(Unverified::<C>::parse(signed.as_str()).unwrap().claims(), &with(FIRST - 1), "{what}");
    for time in [FIRST, u64::MAX] {
        let refused = Signed::sign(with(time), &key).unwrap_err();
        assert!(matches!(refused, SignError::Rule(rule) if rule.contains("before the year 9999")), "{what}: {refused}");
    }
}

#[test]
fn an_envelope_a_receipt_and_an_acknowledgement_with_a_time_of_the_year_9999_are_not_signed() {
    let (jti, hash) = (MessageId::new(), Sha256Hash::of(b"x"));
    let envelope: EnvelopeClaims = serde_json::from_value(json!({
        "iss": "th.dga/portal", "aud": "th.dlt/licensing", "hub": "hub.local", "jti": jti, "iat": 1,
        "type": "application.submitted", "schema": "application.submitted@1",
        "body": { "alg": "HMAC-SHA-256", "commit": hash, "len": 2 },
    }))
    .unwrap();
    ends_before_9999("iat of an envelope", |iat| EnvelopeClaims { iat, ..envelope.clone() });
    ends_before_9999("not_after", |time| EnvelopeClaims { not_after: Some(time), ..envelope.clone() });
    let receipt: ReceiptClaims = serde_json::from_value(json!({
        "iss": "hub.local", "iat": 1, "jti": jti, "log": "hub.local/log/1", "index": 0, "leaf": hash, "env": hash,
        "size": 1, "root": hash, "schema": "application.submitted@1",
    }))
    .unwrap();
    ends_before_9999("iat of a receipt", |iat| ReceiptClaims { iat, ..receipt.clone() });
    let acknowledgement: AcknowledgementClaims = serde_json::from_value(json!({
        "iss": "th.dlt/licensing", "aud": "hub.local", "jti": jti, "iat": 1,
        "messages": [{ "index": 0, "outcome": "processed" }],
    }))
    .unwrap();
    ends_before_9999("iat of an acknowledgement", |iat| AcknowledgementClaims { iat, ..acknowledgement.clone() });
}

#[test]
fn a_change_of_the_registry_with_a_time_of_the_year_9999_is_not_signed() {
    let claims = |iat: u64, entry: Entry| RegistryClaims {
        iss: "hub.local".into(),
        aud: "hub.local".parse().unwrap(),
        iat,
        jti: "01990000-0000-7000-8000-000000000000".parse().unwrap(),
        change: Change::Added(entry),
        invitation: None,
    };
    let (system, jwk) = ("th.dga/portal".parse().unwrap(), *SigningKey::generate().unwrap().0.public());
    let key = SystemKey { system, jwk, not_before: None, not_after: None };
    ends_before_9999("iat of a change", |iat| claims(iat, Entry::Key(key.clone())));
    ends_before_9999("not_before of a key", |time| {
        claims(1, Entry::Key(SystemKey { not_before: Some(time), ..key.clone() }))
    });
    ends_before_9999("not_after of a key", |time| {
        claims(1, Entry::Key(SystemKey { not_after: Some(time), ..key.clone() }))
    });
    let agreement: Agreement = serde_json::from_value(json!({
        "id": "renewals", "sender": "th.dga/portal", "receiver": "th.dlt/licensing",
        "types": ["application.submitted"], "legal_basis": "Vehicle Act BE 2522 s.46",
    }))
    .unwrap();
    ends_before_9999("not_before of an agreement", |time| {
        claims(1, Entry::Agreement(Agreement { not_before: Some(time), ..agreement.clone() }))
    });
    ends_before_9999("not_after of an agreement", |time| {
        claims(1, Entry::Agreement(Agreement { not_after: Some(time), ..agreement.clone() }))
    });
    let (id, system) = (InvitationCode::generate().unwrap().id().unwrap(), key.system);
    ends_before_9999("not_after of an invitation", |not_after| {
        claims(1, Entry::Invitation(Invitation { id, system: system.clone(), not_after }))
    });
}
