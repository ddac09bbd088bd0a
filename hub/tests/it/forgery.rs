//! Signatures that are none: algorithms that a header asks for, keys that an attacker brings along, numbers without meaning.

use ring::hmac;
use saphan_schemas::b64;
use saphan_schemas::keys::{PublicKey, SigningKey, to_pem};
use saphan_schemas::problem::ProblemCode;
use saphan_schemas::registry::{Change, EntryId};
use serde::Serialize;
use serde_json::{Value, json};

use crate::harness::{Answer, HUB, Submission, TestHub, batch, sign_entry};

/// A signed statement of some kind, and how it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Statement {
    Token,
    OperatorToken,
    Envelope,
    Acknowledgement,
    RegistryEntry,
}

impl Statement {
    const ALL: [Self; 5] =
        [Self::Token, Self::OperatorToken, Self::Envelope, Self::Acknowledgement, Self::RegistryEntry];

    const fn typ(self) -> &'static str {
        match self {
            Self::Token | Self::OperatorToken => "saphan-auth+jwt",
            Self::Envelope => "saphan-envelope+jws",
            Self::Acknowledgement => "saphan-ack+jws",
            Self::RegistryEntry => "saphan-registry+jws",
        }
    }

    /// The key that would have to sign it.
    fn key(self, hub: &TestHub) -> &SigningKey {
        match self {
            Self::Token | Self::Acknowledgement => &hub.world.office.key,
            Self::Envelope => &hub.world.portal.key,
            Self::OperatorToken | Self::RegistryEntry => &hub.operator,
        }
    }

    /// What a good one says.
    fn payload(self, hub: &TestHub) -> String {
        let office = hub.world.office.id.as_str();
        match self {
            Self::Token => text(&hub.token(office, "POST", LEASE)),
            Self::OperatorToken => text(&hub.token(HUB, "POST", REGISTRY)),
            Self::Envelope => text(&hub.world.withdrawal().claims),
            Self::Acknowledgement => text(&batch(&hub.world.office, &[(hub.size() - 1, None)])),
            Self::RegistryEntry => {
                let entry = sign_entry(revocation(), &hub.operator);
                let payload = entry.split('.').nth(1).unwrap();
                String::from_utf8(b64::decode_url(payload).unwrap()).unwrap()
            }
        }
    }

    async fn send(self, hub: &TestHub, text: &str) -> Answer {
        match self {
            Self::Token => hub.call_with(&format!("Bearer {text}"), "POST", LEASE, &json!({ "max": 1 })).await,
            Self::OperatorToken => {
                let entries = json!({ "entries": [sign_entry(revocation(), &hub.operator)] });
                hub.call_with(&format!("Bearer {text}"), "POST", REGISTRY, &entries).await
            }
            Self::Envelope => {
                let good = hub.world.withdrawal();
                let (salt, body) = (Some(good.salt.to_text()), good.body);
                hub.submit(&Submission { envelope: Some(text.to_owned()), salt, body }).await
            }
            Self::Acknowledgement => hub.acknowledge(&hub.world.office, text).await,
            Self::RegistryEntry => hub.send_registry(&[text.to_owned()]).await,
        }
    }

    /// What a statement that is not as the contract says is answered with.
    const fn malformed(self) -> ProblemCode {
        match self {
            Self::Token | Self::OperatorToken => ProblemCode::TokenInvalid,
            Self::Envelope => ProblemCode::EnvelopeMalformed,
            Self::Acknowledgement => ProblemCode::AcknowledgementMalformed,
            Self::RegistryEntry => ProblemCode::RegistryEntryInvalid,
        }
    }

    /// What one with another algorithm is answered with.
    const fn other_algorithm(self) -> ProblemCode {
        match self {
            Self::Envelope => ProblemCode::AlgorithmNotAllowed,
            other => other.malformed(),
        }
    }

    /// What a signature of another key is answered with.
    const fn not_signed(self) -> ProblemCode {
        match self {
            Self::RegistryEntry => ProblemCode::RegistryEntryInvalid,
            _ => ProblemCode::SignatureInvalid,
        }
    }
}

fn text(claims: &impl Serialize) -> String {
    serde_json::to_string(claims).unwrap()
}

fn revocation() -> Change {
    Change::Revoked(EntryId::Agreement("to-office".parse().unwrap()))
}

fn header(statement: Statement, alg: &str, kid: &str, more: &Value) -> String {
    let mut header = json!({ "alg": alg, "kid": kid, "typ": statement.typ() });
    if statement.typ() != "saphan-auth+jwt" {
        header["cty"] = "json".into();
    }
    header.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    header.to_string()
}

/// The parts that are signed.
fn input(header: &str, payload: &str) -> String {
    format!("{}.{}", b64::encode_url(header), b64::encode_url(payload))
}

/// Every form in which a public key is found and might be taken for a secret.
fn as_secrets(key: &PublicKey) -> Vec<Vec<u8>> {
    let jwk = serde_json::to_value(key).unwrap();
    let part = |name: &str| b64::decode_url(jwk[name].as_str().unwrap()).unwrap();
    let coordinates = [part("x"), part("y")].concat();
    let point = [vec![4], coordinates.clone()].concat();
    // SubjectPublicKeyInfo of a point on P-256 (RFC 5480 section 2).
    let spki_head =
        [0x30, 0x59, 0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
    let spki = [&spki_head[..], &[3, 0x42, 0], &point].concat();
    let pem = to_pem(&spki).replace("PRIVATE KEY", "PUBLIC KEY");
    vec![
        jwk.to_string().into(),
        format!(r#"{{"crv":"P-256","kty":"EC","x":{},"y":{}}}"#, jwk["x"], jwk["y"]).into(),
        pem.trim_end().as_bytes().to_vec(),
        pem.into(),
        spki,
        point,
        coordinates,
        part("x"),
        key.id().to_string().into(),
        Vec::new(),
    ]
}

#[tokio::test]
async fn hs256_with_the_public_key_as_its_secret_signs_nothing() {
    let hub = TestHub::new().await;
    hub.accept(&hub.world.message()).await;
    let size = hub.size();
    let algorithms = [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)];
    for statement in Statement::ALL {
        let key = statement.key(&hub).public();
        for secret in as_secrets(key) {
            for (alg, algorithm) in algorithms {
                let input =
                    input(&header(statement, alg, &key.id().to_string(), &Value::Null), &statement.payload(&hub));
                let tag = hmac::sign(&hmac::Key::new(algorithm, &secret), input.as_bytes());
                // As long as it is, and as long as an ECDSA signature is.
                for signature in [tag.as_ref().to_vec(), [tag.as_ref(), &[0; 64]].concat()[..64].to_vec()] {
                    let length_fits = signature.len() == 64;
                    let forged = format!("{input}.{}", b64::encode_url(signature));
                    let code = if length_fits { statement.other_algorithm() } else { statement.malformed() };
                    statement.send(&hub, &forged).await.problem(code);
                }
            }
        }
    }
    assert_eq!(hub.size(), size);
}

#[tokio::test]
async fn no_algorithm_is_no_signature() {
    let hub = TestHub::new().await;
    hub.accept(&hub.world.message()).await;
    let size = hub.size();
    for statement in Statement::ALL {
        let key = statement.key(&hub);
        for alg in ["none", "None", "NONE", "nOnE", "", "ES256\0", "es256", "ES256K", "ES384", "EdDSA", "RS256"] {
            let input = input(&header(statement, alg, &key.id().to_string(), &Value::Null), &statement.payload(&hub));
            let real = b64::encode_url(key.sign(input.as_bytes()).unwrap());
            statement.send(&hub, &format!("{input}.{real}")).await.problem(statement.other_algorithm());
            statement.send(&hub, &format!("{input}.")).await.problem(statement.malformed());
            statement.send(&hub, &input).await.problem(statement.malformed());
        }
    }
    assert_eq!(hub.size(), size);
}

#[tokio::test]
async fn a_key_that_the_statement_brings_along_is_not_looked_at() {
    let hub = TestHub::new().await;
    hub.accept(&hub.world.message()).await;
    let size = hub.size();
    let (own, _) = SigningKey::generate().unwrap();
    for statement in Statement::ALL {
        let kid = statement.key(&hub).id().to_string();
        for more in [
            json!({ "jwk": serde_json::to_value(own.public()).unwrap() }),
            json!({ "jku": "http://127.0.0.1:1/keys" }),
            json!({ "x5u": "http://127.0.0.1:1/certificate" }),
            json!({ "x5c": ["AAAA"] }),
            json!({ "crit": ["b64"], "b64": false }),
        ] {
            let input = input(&header(statement, "ES256", &kid, &more), &statement.payload(&hub));
            let signature = b64::encode_url(own.sign(input.as_bytes()).unwrap());
            statement.send(&hub, &format!("{input}.{signature}")).await.problem(statement.malformed());
        }
        // Its own signature under the kid of the key that is registered.
        let input = input(&header(statement, "ES256", &kid, &Value::Null), &statement.payload(&hub));
        let signature = b64::encode_url(own.sign(input.as_bytes()).unwrap());
        statement.send(&hub, &format!("{input}.{signature}")).await.problem(statement.not_signed());
    }
    assert_eq!(hub.size(), size);
}

#[tokio::test]
async fn signatures_of_zeroes_of_the_order_and_in_der_are_none() {
    let hub = TestHub::new().await;
    hub.accept(&hub.world.message()).await;
    let size = hub.size();
    // FIPS 186-5 section 6.4.2: r and s are in [1, n-1].
    let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let order: Vec<u8> = (0..64).step_by(2).map(|at| u8::from_str_radix(&order[at..at + 2], 16).unwrap()).collect();
    let one = [vec![0; 31], vec![1]].concat();
    for statement in Statement::ALL {
        let kid = statement.key(&hub).id().to_string();
        let input = input(&header(statement, "ES256", &kid, &Value::Null), &statement.payload(&hub));
        for (r, s) in [(&[0; 32][..], &[0; 32][..]), (&order, &order), (&one, &[0; 32]), (&order, &one), (&one, &one)] {
            let forged = format!("{input}.{}", b64::encode_url([r, s].concat()));
            statement.send(&hub, &forged).await.problem(statement.not_signed());
        }
        let real = statement.key(&hub).sign(input.as_bytes()).unwrap();
        let forged = format!("{input}.{}", b64::encode_url(der(&real)));
        statement.send(&hub, &forged).await.problem(statement.malformed());
    }
    assert_eq!(hub.size(), size);
}

#[tokio::test]
async fn a_statement_of_one_kind_is_not_accepted_as_another_though_the_right_key_signed_it() {
    let hub = TestHub::new().await;
    hub.accept(&hub.world.message()).await;
    let size = hub.size();
    for signed_as in Statement::ALL {
        for sent_as in Statement::ALL.into_iter().filter(|sent_as| sent_as.typ() != signed_as.typ()) {
            // The content of the kind that it is sent as: only the header's typ stands in its way.
            let key = sent_as.key(&hub);
            let input = input(&header(signed_as, "ES256", &key.id().to_string(), &Value::Null), &sent_as.payload(&hub));
            let signed = format!("{input}.{}", b64::encode_url(key.sign(input.as_bytes()).unwrap()));
            sent_as.send(&hub, &signed).await.problem(sent_as.malformed());
        }
    }
    assert_eq!(hub.size(), size);
}

#[tokio::test]
async fn what_these_tests_forge_is_accepted_when_it_is_signed() {
    for statement in Statement::ALL {
        let hub = TestHub::new().await;
        hub.accept(&hub.world.message()).await;
        let key = statement.key(&hub);
        let input = input(&header(statement, "ES256", &key.id().to_string(), &Value::Null), &statement.payload(&hub));
        let signed = format!("{input}.{}", b64::encode_url(key.sign(input.as_bytes()).unwrap()));
        let answer = statement.send(&hub, &signed).await;
        if statement == Statement::Envelope {
            // It commits to another salt than the one that it is sent with; its signature was believed by then.
            answer.problem(ProblemCode::CommitmentMismatch);
        } else {
            assert!(matches!(answer.status, 200 | 201), "{statement:?}: {}", answer.text());
        }
    }
}

/// `ECDSA-Sig-Value` (RFC 3279 section 2.2.3) of r and s.
fn der(signature: &[u8; 64]) -> Vec<u8> {
    let integer = |bytes: &[u8]| {
        let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(31);
        let sign = if bytes[start] >= 0x80 { vec![0] } else { Vec::new() };
        let value = [sign, bytes[start..].to_vec()].concat();
        [vec![2, u8::try_from(value.len()).unwrap()], value].concat()
    };
    let both = [integer(&signature[..32]), integer(&signature[32..])].concat();
    [vec![0x30, u8::try_from(both.len()).unwrap()], both].concat()
}

const LEASE: &str = "/v1/inbox/lease";
const REGISTRY: &str = "/v1/registry";
