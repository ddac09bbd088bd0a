//! Envelopes that are not acceptable, whatever the body.

use saphan_schemas::envelope::EnvelopeClaims;
use saphan_schemas::ids::SystemId;
use saphan_schemas::keys::SigningKey;
use saphan_schemas::problem::ProblemCode;
use serde_json::{Map, Value, json};

use super::{Case, Keys};
use crate::harness::{Draft, NOW, SERVICE, Submission, World};

pub(super) fn cases(world: &World, keys: &Keys) -> Vec<Case> {
    let cases = [texts(world), headers(world), payloads(world), sizes(world), signatures(world, keys), claims(world)];
    cases.into_iter().flatten().collect()
}

/// Not compact JWS at all.
fn texts(world: &World) -> Vec<Case> {
    let good = world.message();
    let with = |envelope: String| Submission { envelope: Some(envelope), ..good.clone() };
    let envelope = good.envelope();
    let (input, _) = envelope.rsplit_once('.').unwrap();
    let malformed = |what, text| Case::anonymous(what, ProblemCode::EnvelopeMalformed, with(text));
    vec![
        Case::anonymous("no envelope", ProblemCode::EnvelopeMissing, Submission { envelope: None, ..good.clone() }),
        malformed("an empty envelope", String::new()),
        malformed("not ASCII", "ซอง".into()),
        malformed("two parts", input.into()),
        malformed("four parts", format!("{envelope}.AAAA")),
        malformed("a dot at the end", format!("{envelope}.")),
        malformed("padding", format!("{envelope}==")),
        malformed("a signature that is cut", envelope[..envelope.len() - 4].into()),
        malformed("a signature of 65 bytes", format!("{input}.{}", "A".repeat(87))),
        malformed("the other base64 alphabet", envelope.replacen('e', "+", 1)),
        malformed("JSON serialization", format!(r#"{{"payload":"{input}"}}"#)),
    ]
}

/// Headers with other members than the contract's four.
fn headers(world: &World) -> Vec<Case> {
    let (draft, key) = (world.withdrawal(), &world.portal.key);
    let header = |change: &dyn Fn(&mut Map<String, Value>)| {
        let kid = key.id().to_string();
        let mut header = json!({ "alg": "ES256", "cty": "json", "kid": kid, "typ": "saphan-envelope+jws" });
        change(header.as_object_mut().unwrap());
        draft.forge(&header.to_string(), None, key)
    };
    let set = |name: &'static str, value: Value| header(&move |header| drop(header.insert(name.into(), value.clone())));
    let without = |name: &'static str| header(&move |header| drop(header.remove(name)));
    let algorithms = ["none", "None", "HS256", "HS512", "RS256", "ES384", "EdDSA", "es256", ""];
    let algorithms = algorithms
        .map(|alg| Case::anonymous("another algorithm", ProblemCode::AlgorithmNotAllowed, set("alg", alg.into())));
    let jwk = serde_json::to_value(key.public()).unwrap();
    let extras = [
        ("crit", json!(["exp"])),
        ("jwk", jwk),
        ("jku", json!("https://example.com/keys")),
        ("x5u", json!("https://example.com/certificate")),
        ("x5c", json!(["AAAA"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
    ];
    let extras = extras.map(|(name, value)| {
        Case::anonymous("a header member too many", ProblemCode::EnvelopeMalformed, set(name, value))
    });
    let malformed = |what, message| Case::anonymous(what, ProblemCode::EnvelopeMalformed, message);
    let twice =
        format!(r#"{{"alg":"ES256","alg":"ES256","cty":"json","kid":"{}","typ":"saphan-envelope+jws"}}"#, key.id());
    let rest = [
        malformed("no kid", without("kid")),
        malformed("no cty", without("cty")),
        malformed("no typ", without("typ")),
        malformed("no alg", without("alg")),
        malformed("the typ of a token", set("typ", "saphan-auth+jwt".into())),
        malformed("another cty", set("cty", "xml".into())),
        malformed("a kid that is no thumbprint", set("kid", "portal".into())),
        malformed("alg twice", draft.forge(&twice, None, key)),
        malformed("a header that is no JSON", draft.forge("ES256", None, key)),
        malformed("a header with something after it", draft.forge(&format!("{twice} x"), None, key)),
    ];
    algorithms.into_iter().chain(extras).chain(rest).collect()
}

/// Payloads with other members than the contract's.
fn payloads(world: &World) -> Vec<Case> {
    let (draft, key) = (world.withdrawal(), &world.portal.key);
    let header = format!(r#"{{"alg":"ES256","cty":"json","kid":"{}","typ":"saphan-envelope+jws"}}"#, key.id());
    let good = serde_json::to_value(&draft.claims).unwrap();
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        draft.forge(&header, Some(&claims.to_string()), key)
    };
    let without = |name: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(name);
        draft.forge(&header, Some(&claims.to_string()), key)
    };
    let text = good.to_string();
    let twice = text.replacen('{', r#"{"iss":"th.dlt/licensing","#, 1);
    let malformed = |what, message| Case::anonymous(what, ProblemCode::EnvelopeMalformed, message);
    vec![
        malformed("an unknown claim", with("exp", NOW.into())),
        malformed("a claim that is missing", without("jti")),
        malformed("no commitment", without("body")),
        malformed("a claim twice", draft.forge(&header, Some(&twice), key)),
        malformed("an id of version 4", with("jti", "f47ac10b-58cc-4372-a567-0e02b2c3d479".into())),
        malformed("an id in capitals", with("jti", draft.claims.jti.to_string().to_uppercase().into())),
        malformed("milliseconds", with("iat", (NOW * 1000).into())),
        malformed("a time that is a text", with("iat", NOW.to_string().into())),
        malformed("a schema of another type", with("schema", "application.decided@1".into())),
        malformed("a schema without version", with("schema", "application.withdrawn".into())),
        malformed("a recipient that is no id", with("aud", "Licensing".into())),
        malformed("a plain SHA-256 of the body", with("body", json!({ "alg": "SHA-256", "commit": "A", "len": 1 }))),
        malformed("a document without media type", with("documents", json!([{ "commit": "A", "len": 1 }]))),
        malformed("no JSON", draft.forge(&header, Some("iss"), key)),
        malformed("something after the claims", draft.forge(&header, Some(&format!("{text}{text}")), key)),
    ]
}

fn sizes(world: &World) -> Vec<Case> {
    let (draft, key) = (world.withdrawal(), &world.portal.key);
    let header = format!(r#"{{"alg":"ES256","cty":"json","kid":"{}","typ":"saphan-envelope+jws"}}"#, key.id());
    let spaces = " ".repeat(8 * 1024);
    let payload = format!("{}{spaces}", serde_json::to_string(&draft.claims).unwrap());
    vec![Case::anonymous("over 8 KiB", ProblemCode::EnvelopeTooLarge, draft.forge(&header, Some(&payload), key))]
}

fn signatures(world: &World, keys: &Keys) -> Vec<Case> {
    let draft = world.withdrawal();
    let good = draft.sign(&world.portal.key);
    let other = draft.clone().change(|claims| claims.jti = Default::default()).sign(&world.portal.key);
    let (input, _) = good.envelope().rsplit_once('.').unwrap();
    let (_, signature) = other.envelope().rsplit_once('.').unwrap();
    let swapped = Submission { envelope: Some(format!("{input}.{signature}")), ..good.clone() };
    let zeroes = Submission { envelope: Some(format!("{input}.{}", "A".repeat(86))), ..good.clone() };
    let kid = world.portal.key.id();
    let header = format!(r#"{{"alg":"ES256","cty":"json","kid":"{kid}","typ":"saphan-envelope+jws"}}"#);
    let invalid = |what, message| Case::anonymous(what, ProblemCode::SignatureInvalid, message);
    let office = |claims: &mut EnvelopeClaims| claims.iss = world.office.id.clone();
    vec![
        Case::anonymous("an unknown key", ProblemCode::KeyUnknown, draft.sign(&keys.unknown)),
        invalid("the signature of another message", swapped),
        invalid("a signature of zeroes", zeroes),
        invalid("another key under this kid", draft.forge(&header, None, &keys.unknown)),
        Case::logged("a revoked key", ProblemCode::KeyRevoked, draft.sign(&keys.revoked)),
        Case::logged("a key before its time", ProblemCode::KeyNotValid, draft.sign(&keys.early)),
        Case::logged("a key after its time", ProblemCode::KeyNotValid, draft.sign(&keys.late)),
        Case::logged("another's name", ProblemCode::SenderMismatch, draft.change(office).sign(&world.portal.key)),
    ]
}

/// Well-formed and well-signed, and still not acceptable.
fn claims(world: &World) -> Vec<Case> {
    let key: &SigningKey = &world.portal.key;
    let with = |change: &dyn Fn(&mut EnvelopeClaims)| world.withdrawal().change(change).sign(key);
    let nobody: SystemId = "th.dopa/nobody".parse().unwrap();
    vec![
        Case::logged(
            "another hub",
            ProblemCode::HubMismatch,
            with(&|claims| {
                claims.hub = "hub.elsewhere".parse().unwrap();
            }),
        ),
        Case::logged("from the future", ProblemCode::IssuedInFuture, with(&|claims| claims.iat = NOW + 301)),
        Case::logged("too old", ProblemCode::IssuedTooLongAgo, with(&|claims| claims.iat = NOW - 2_592_001)),
        Case::logged("expired", ProblemCode::MessageExpired, with(&|claims| claims.not_after = Some(NOW))),
        Case::logged(
            "an unknown recipient",
            ProblemCode::RecipientUnknown,
            Draft::withdrawal(&world.portal.id, &nobody).sign(key),
        ),
        Case::logged(
            "an unknown type",
            ProblemCode::TypeUnknown,
            with(&|claims| {
                claims.message_type = "application.gossip".parse().unwrap();
                claims.schema = "application.gossip@1".parse().unwrap();
            }),
        ),
        Case::logged(
            "an unknown version",
            ProblemCode::TypeUnknown,
            with(&|claims| {
                claims.schema = "application.withdrawn@2".parse().unwrap();
            }),
        ),
        Case::logged(
            "an unknown service",
            ProblemCode::ServiceUnknown,
            with(&|claims| {
                claims.service = Some(format!("{SERVICE}.express").parse().unwrap());
            }),
        ),
    ]
}
