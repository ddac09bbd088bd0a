//! The calls of the API, as systems and the operator make them.

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, IF_NONE_MATCH};
use saphan_schemas::acknowledgement::{Acknowledged, AcknowledgementClaims, Outcome};
use saphan_schemas::auth::AuthClaims;
use saphan_schemas::ids::{MessageId, SystemId};
use saphan_schemas::invitation::InvitationCode;
use saphan_schemas::jws::Signed;
use saphan_schemas::keys::{JwkSet, KeyId, PublicKey, SigningKey};
use saphan_schemas::message::{self, Parts};
use saphan_schemas::receipt::ReceiptClaims;
use saphan_schemas::registry::{Change, Entry, Invitation, RegistryClaims};
use saphan_schemas::trust::Trust;
use serde::Deserialize;
use serde_json::{Value, json};

use super::TestHub;
use super::answer::{Answer, Evidence};
use super::messages::Submission;
use super::world::{HUB, Party};

/// A lease as the API gives it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Leased {
    pub(crate) lease: Option<String>,
    pub(crate) expires_in: u64,
    pub(crate) messages: Vec<LeasedMessage>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LeasedMessage {
    pub(crate) index: u64,
    pub(crate) attempt: u32,
    pub(crate) envelope: String,
    pub(crate) salt: String,
    pub(crate) body: String,
    pub(crate) receipt: String,
    pub(crate) proof: String,
}

impl Leased {
    /// The messages' places in the log, in the order given.
    pub(crate) fn indices(&self) -> Vec<u64> {
        self.messages.iter().map(|message| message.index).collect()
    }

    pub(crate) fn id(&self) -> &str {
        self.lease.as_deref().unwrap()
    }
}

impl TestHub {
    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::read(self.client.get(self.at(path)).send().await.unwrap()).await
    }

    pub(crate) async fn submit(&self, message: &Submission) -> Answer {
        self.submit_to("/v1/messages", message).await
    }

    pub(crate) async fn submit_to(&self, path: &str, message: &Submission) -> Answer {
        let mut request = self.client.post(self.at(path)).header(CONTENT_TYPE, "application/json");
        if let Some(envelope) = &message.envelope {
            request = request.header("saphan-envelope", HeaderValue::from_bytes(envelope.as_bytes()).unwrap());
        }
        if let Some(salt) = &message.salt {
            request = request.header("saphan-salt", salt);
        }
        Answer::read(request.body(message.body.clone()).send().await.unwrap()).await
    }

    /// Submits a message that must be accepted for the first time; returns its place in the log.
    pub(crate) async fn accept(&self, message: &Submission) -> u64 {
        let evidence = self.submit(message).await.accepted();
        saphan_schemas::receipt::UnverifiedReceipt::parse(&evidence.receipt).unwrap().claims().index
    }

    /// A call with a token of this party.
    pub(crate) async fn call(&self, party: &Party, method: &str, path: &str, body: &Value) -> Answer {
        let token = sign_token(self.token(party.id.as_str(), method, path), &party.key);
        self.call_with(&format!("Bearer {token}"), method, path, body).await
    }

    /// A look that is answered only if there is something new.
    pub(crate) async fn call_if_changed(&self, party: &Party, path: &str, tag: &str) -> Answer {
        let token = sign_token(self.token(party.id.as_str(), "GET", path), &party.key);
        let request = self.client.get(self.at(path)).bearer_auth(token).header(IF_NONE_MATCH, tag);
        Answer::read(request.send().await.unwrap()).await
    }

    /// Events after this one, until their end.
    pub(crate) async fn watch(&self, party: &Party, path: &str, last: u64) -> Answer {
        let token = sign_token(self.token(party.id.as_str(), "GET", path), &party.key);
        let request = self.client.get(self.at(path)).bearer_auth(token).header("last-event-id", last);
        Answer::read(request.send().await.unwrap()).await
    }

    /// A call with this `Authorization`.
    pub(crate) async fn call_with(&self, authorization: &str, method: &str, path: &str, body: &Value) -> Answer {
        let request = self.client.request(method.parse().unwrap(), self.at(path)).header(AUTHORIZATION, authorization);
        let request = if body.is_null() { request } else { request.json(body) };
        Answer::read(request.send().await.unwrap()).await
    }

    /// A question of RabbitMQ's; answers the word that it is told.
    pub(crate) async fn ask(&self, question: &str, form: &[(&str, &str)]) -> String {
        let form = reqwest::Url::parse_with_params(&self.at("/"), form).unwrap();
        let request = self.client.post(self.at(&format!("/v1/broker/{question}")));
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer =
            Answer::read(request.body(form.query().unwrap_or_default().to_owned()).send().await.unwrap()).await;
        assert_eq!(answer.status, 200);
        answer.text().to_owned()
    }

    /// A token that is good for this request.
    pub(crate) fn token(&self, issuer: &str, method: &str, path: &str) -> AuthClaims {
        AuthClaims {
            iss: issuer.into(),
            aud: HUB.parse().unwrap(),
            jti: MessageId::new(),
            iat: self.clock.now(),
            htm: method.into(),
            htu: path.into(),
        }
    }

    pub(crate) async fn lease_answer(&self, party: &Party, max: u32, wait: u64) -> Answer {
        self.call(party, "POST", "/v1/inbox/lease", &json!({ "max": max, "wait": wait })).await
    }

    /// Leases what is there, without waiting.
    pub(crate) async fn lease(&self, party: &Party, max: u32) -> Leased {
        self.lease_answer(party, max, 0).await.json(200)
    }

    pub(crate) async fn extend(&self, party: &Party, lease: &str) -> Answer {
        self.call(party, "POST", "/v1/inbox/extend", &json!({ "lease": lease })).await
    }

    pub(crate) async fn release(&self, party: &Party, body: &Value) -> Answer {
        self.call(party, "POST", "/v1/inbox/release", body).await
    }

    /// Sends a batch of acknowledgements, or anything else in its place.
    pub(crate) async fn acknowledge(&self, party: &Party, batch: &str) -> Answer {
        let path = "/v1/acknowledgements";
        let token = sign_token(self.token(party.id.as_str(), "POST", path), &party.key);
        let request = self.client.post(self.at(path)).bearer_auth(token).header(CONTENT_TYPE, "application/jose");
        Answer::read(request.body(batch.to_owned()).send().await.unwrap()).await
    }

    /// What `GET /v1/messages/{jti}` says to this party.
    pub(crate) async fn show(&self, party: &Party, message: &Submission) -> Answer {
        self.call(party, "GET", &format!("/v1/messages/{}", message.id()), &Value::Null).await
    }

    /// Signed registry entries, sent as the operator does.
    pub(crate) async fn change_registry(&self, changes: impl IntoIterator<Item = Change>) -> Answer {
        let entries: Vec<_> = changes.into_iter().map(|change| sign_entry(change, &self.operator)).collect();
        self.send_registry(&entries).await
    }

    pub(crate) async fn send_registry(&self, entries: &[String]) -> Answer {
        let path = "/v1/registry";
        let token = sign_token(self.token(HUB, "POST", path), &self.operator);
        self.call_with(&format!("Bearer {token}"), "POST", path, &json!({ "entries": entries })).await
    }

    /// Changes that must be applied; agreements among them are signed by their parties.
    pub(crate) async fn apply(&self, changes: impl IntoIterator<Item = Change>) {
        self.change_registry(changes).await.json::<Value>(200);
        let signatures = self.world.signatures(&self.app.registry.state());
        if !signatures.is_empty() {
            self.send_registry(&signatures).await.json::<Value>(200);
        }
    }

    /// Invites a system for so many seconds.
    pub(crate) async fn invite(&self, system: &SystemId, seconds: u64) -> InvitationCode {
        let code = InvitationCode::generate().unwrap();
        let not_after = self.clock.now() + seconds;
        let invitation = Invitation { id: code.id().unwrap(), system: system.clone(), not_after };
        self.apply([Change::Added(Entry::Invitation(invitation))]).await;
        code
    }

    /// What a stranger trusts, as the hub publishes it.
    pub(crate) async fn trust(&self) -> Trust {
        let keys: JwkSet = self.get("/v1/keys").await.json(200);
        assert_eq!(keys.issuer, HUB);
        Trust {
            hub: HUB.parse().unwrap(),
            operators: Vec::new(),
            former_operators: Vec::new(),
            receipts: keys.keys.iter().map(|published| published.key).collect(),
            log: self.get("/v1/log/vkey").await.text().trim_end().parse().unwrap(),
            more_logs: Vec::new(),
            logs: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// Verifies a message with its receipt and proof, with nothing but published keys.
    pub(crate) async fn verify(&self, message: &Submission, evidence: &Evidence) -> ReceiptClaims {
        let keys: JwkSet = self.get(&format!("/v1/systems/{}/keys", self.world.portal.id)).await.json(200);
        let published = |id: KeyId| keys.keys.iter().find(|key| key.kid == id).map(|key| key.key);
        verify(message, evidence, &self.trust().await, published)
    }

    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}

pub(crate) fn verify(
    message: &Submission,
    evidence: &Evidence,
    trust: &Trust,
    sender_key: impl FnOnce(KeyId) -> Option<PublicKey>,
) -> ReceiptClaims {
    let parts = Parts {
        envelope: message.envelope(),
        body: Some((&message.salt(), &message.body)),
        receipt: &evidence.receipt,
        proof: &evidence.proof,
    };
    let (_, receipt) = message::verify(&parts, trust, |_, id| sender_key(id)).unwrap();
    receipt.claims().clone()
}

pub(crate) fn sign_token(claims: AuthClaims, key: &SigningKey) -> String {
    Signed::sign(claims, key).unwrap().as_str().to_owned()
}

pub(crate) fn sign_entry(change: Change, operator: &SigningKey) -> String {
    sign_entry_as(HUB, change, operator)
}

/// A registry entry of the operator, or of a system.
pub(crate) fn sign_entry_as(issuer: &str, change: Change, key: &SigningKey) -> String {
    let claims = RegistryClaims {
        iss: issuer.into(),
        aud: HUB.parse().unwrap(),
        iat: super::clock::NOW,
        jti: MessageId::new(),
        change,
        invitation: None,
    };
    Signed::sign(claims, key).unwrap().as_str().to_owned()
}

/// What a receiver says about messages.
pub(crate) fn batch(party: &Party, outcomes: &[(u64, Option<&str>)]) -> AcknowledgementClaims {
    let message = |(index, code): &(u64, Option<&str>)| Acknowledged {
        index: *index,
        outcome: if code.is_some() { Outcome::Rejected } else { Outcome::Processed },
        code: code.map(|code| code.parse().unwrap()),
    };
    AcknowledgementClaims {
        iss: party.id.clone(),
        aud: HUB.parse().unwrap(),
        jti: MessageId::new(),
        iat: super::clock::NOW,
        log: None,
        messages: outcomes.iter().map(message).collect(),
    }
}

pub(crate) fn sign_batch(claims: AcknowledgementClaims, key: &SigningKey) -> String {
    Signed::sign(claims, key).unwrap().as_str().to_owned()
}
