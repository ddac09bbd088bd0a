//! What the parties see, and what the hub has.

use std::sync::Mutex;

use saphan_hub::cases::What;
use saphan_schemas::b64;
use saphan_schemas::envelope::{EnvelopeClaims, UnverifiedEnvelope};
use saphan_schemas::ids::CaseId;
use saphan_schemas::leaf::Leaf;
use serde_json::Value;

use super::Stage;
use crate::harness::{Draft, Party, eventually};

/// A message as its receiver has it.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) index: u64,
    pub(crate) claims: EnvelopeClaims,
    pub(crate) body: Value,
}

impl Stage {
    /// The next message of this type to a party, acknowledged.
    pub(crate) async fn receive(&self, party: &Party, message_type: &str) -> Received {
        let received = self.take(party, message_type).await;
        self.acknowledge(party, received.index, None).await;
        received
    }

    /// The next message of this type to a party.
    pub(crate) async fn take(&self, party: &Party, message_type: &str) -> Received {
        let found = Mutex::new(None);
        eventually(|| async {
            let leased = self.hub.lease(party, 50).await;
            let mut waiting = self.waiting.lock().unwrap();
            waiting.extend(leased.messages.iter().map(|message| Received {
                index: message.index,
                claims: UnverifiedEnvelope::parse(&message.envelope).unwrap().claims().clone(),
                body: serde_json::from_slice(&b64::decode_std(&message.body).unwrap()).unwrap(),
            }));
            let position = waiting.iter().position(|received| {
                received.claims.aud == party.id && received.claims.message_type.as_str() == message_type
            });
            *found.lock().unwrap() = position.map(|position| waiting.remove(position));
            found.lock().unwrap().is_some()
        })
        .await;
        found.into_inner().unwrap().unwrap()
    }

    /// Everything that is there for a party now.
    pub(crate) async fn inbox(&self, party: &Party) -> Vec<String> {
        let leased = self.hub.lease(party, 50).await;
        let name = |envelope: &str| UnverifiedEnvelope::parse(envelope).unwrap().claims().message_type.to_string();
        leased.messages.iter().map(|message| name(&message.envelope)).collect()
    }

    /// The case as the portal sees it.
    pub(crate) async fn case(&self, id: CaseId) -> Value {
        self.hub.call(&self.portal, "GET", &format!("/v1/cases/{id}"), &Value::Null).await.json(200)
    }

    /// Waits until the case is so.
    pub(crate) async fn until(&self, id: CaseId, condition: impl Fn(&Value) -> bool) -> Value {
        let found = Mutex::new(None);
        eventually(|| async {
            let answer = self.hub.call(&self.portal, "GET", &format!("/v1/cases/{id}"), &Value::Null).await;
            let case = (answer.status == 200).then(|| answer.json::<Value>(200)).filter(|case| condition(case));
            *found.lock().unwrap() = case;
            found.lock().unwrap().is_some()
        })
        .await;
        found.into_inner().unwrap().unwrap()
    }

    /// Waits until the metrics have this line: what follows for a case is counted once it is written.
    pub(crate) async fn until_metric(&self, line: &str) {
        eventually(async || self.hub.get("/metrics").await.text().lines().any(|found| found == line)).await;
    }

    /// The leaf that caused the last event of this name in the history of a case.
    pub(crate) async fn cause(&self, id: CaseId, event: &str) -> (u64, Leaf) {
        let events = self.hub.app.store.cases().case_events(id, 0).await.unwrap();
        let is_it = |what: &What| serde_json::to_value(what).unwrap()["event"] == event;
        let index = events.iter().rfind(|one| is_it(&one.what)).unwrap().index.expect("the log says why");
        let leaf = self.hub.app.store.entries(index, 1).await.unwrap().remove(0);
        (index, Leaf::parse(&leaf).unwrap())
    }

    /// Waits until a message of this type, of the hub's own system, is written and not in the log yet.
    pub(crate) async fn until_a_letter_waits(&self, message_type: &str) {
        eventually(async || {
            let letters = self.hub.app.store.cases().letters().await.unwrap();
            letters.iter().any(|letter| {
                let envelope = UnverifiedEnvelope::parse(&letter.text);
                envelope.is_ok_and(|envelope| envelope.claims().message_type.as_str() == message_type)
            })
        })
        .await;
    }

    /// Waits until the hub's own system has acknowledged a message; answers the state and the code.
    pub(crate) async fn outcome(&self, party: &Party, draft: &Draft) -> (String, Option<String>) {
        let found = Mutex::new(None);
        eventually(|| async {
            let path = format!("/v1/messages/{}", draft.claims.jti);
            let message: Value = self.hub.call(party, "GET", &path, &Value::Null).await.json(200);
            let state = message["state"].as_str().unwrap().to_owned();
            if state != "accepted" {
                *found.lock().unwrap() = Some((state, message["code"].as_str().map(ToOwned::to_owned)));
            }
            found.lock().unwrap().is_some()
        })
        .await;
        found.into_inner().unwrap().unwrap()
    }

    /// Sends a message that the hub's own system rejects; answers the code.
    pub(crate) async fn rejected(&self, party: &Party, draft: &Draft) -> String {
        self.hub.accept(&draft.sign(&party.key)).await;
        let (state, code) = self.outcome(party, draft).await;
        assert_eq!(state, "rejected");
        code.unwrap()
    }
}

/// Where a requirement stands.
pub(crate) fn requirement<'a>(case: &'a Value, id: &str) -> &'a Value {
    let requirements = case["requirements"].as_array().unwrap();
    requirements.iter().find(|requirement| requirement["requirement"] == id).unwrap()
}
