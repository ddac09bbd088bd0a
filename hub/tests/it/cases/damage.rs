//! Something in the store is damaged: the case that needs it goes on, and no other notices.

use saphan_schemas::ids::CaseId;
use saphan_schemas::registry::{Change, EntryId};
use serde_json::{Value, json};

use super::stage::{Stage, requirement};
use crate::harness::eventually;

impl Stage {
    /// Writes zeros over what was sealed.
    async fn damage(&self, statement: &'static str, place: u64) {
        let mut connection = self.hub.store_file().await;
        let place = i64::try_from(place).unwrap();
        let done = sqlx::query(statement).bind(place).execute(&mut connection).await.unwrap();
        assert!(done.rows_affected() > 0, "something is damaged");
        sqlx::Connection::close(connection).await.unwrap();
    }

    pub(super) async fn damage_body(&self, place: u64) {
        self.damage("UPDATE parts SET body = zeroblob(length(body)) WHERE idx = ?1", place).await;
    }
}

async fn state(stage: &Stage, id: CaseId) -> Value {
    stage.hub.app.store.cases().cases(&[id]).await.unwrap().pop().map(|case| json!(case)).unwrap()
}

#[tokio::test]
async fn evidence_that_cannot_be_read_any_more_is_asked_for_again_and_is_there_for_later_cases() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    let first = stage.apply(&stage.application(Some(consent))).await;
    stage.provide_all().await;
    stage.receive(&stage.authority, "case.submitted").await;
    let place = state(&stage, first).await["requirements"][0]["state"]["index"].as_u64().unwrap();
    stage.damage_body(place).await;
    let second = stage.apply(&stage.application(Some(consent))).await;
    assert_eq!(stage.provide(&stage.registry).await.claims.case, Some(second));
    let case = stage.until(second, |case| case["handed_over"] == true).await;
    assert_eq!(requirement(&case, "identity")["source"], "REQUESTED");
    let third = stage.apply(&stage.application(Some(consent))).await;
    let case = stage.until(third, |case| case["handed_over"] == true).await;
    assert_eq!(requirement(&case, "identity")["source"], "REUSED");
}

#[tokio::test]
async fn a_letter_that_cannot_be_read_after_a_restart_is_written_again() {
    let stage = Stage::new().await;
    let consent = Some(stage.consent().await);
    let id = stage.apply(&stage.application(consent)).await;
    let revoked = stage.own_key().public().id();
    stage.hub.change_registry([Change::Revoked(EntryId::Key(revoked))]).await.json::<Value>(200);
    // The ministry does not answer: that this is over has to wait for the key.
    stage.hub.clock.advance(3601);
    stage.until_a_letter_waits("case.reminder").await;
    stage.damage("UPDATE case_letter SET body = zeroblob(length(body)) WHERE body IS NOT NULL AND ?1 = 0", 0).await;
    stage.replace_own_key().await;
    let stage = stage.restarted().await;
    assert_eq!(stage.receive(&stage.city, "evidence.requested").await.claims.case, Some(id));
    stage.consent().await;
}

#[tokio::test]
async fn a_letter_whose_text_is_damaged_is_written_again_too() {
    let stage = Stage::new().await;
    let consent = Some(stage.consent().await);
    let id = stage.apply(&stage.application(consent)).await;
    let revoked = stage.own_key().public().id();
    stage.hub.change_registry([Change::Revoked(EntryId::Key(revoked))]).await.json::<Value>(200);
    stage.hub.clock.advance(3601);
    stage.until_a_letter_waits("case.reminder").await;
    stage.damage("UPDATE case_letter SET text = 'x' || text WHERE body IS NOT NULL AND ?1 = 0", 0).await;
    stage.replace_own_key().await;
    let stage = stage.restarted().await;
    assert_eq!(stage.receive(&stage.city, "evidence.requested").await.claims.case, Some(id));
}

#[tokio::test]
async fn a_damaged_letter_that_is_in_the_log_already_is_not_written_again() {
    let stage = Stage::new().await;
    let consent = Some(stage.consent().await);
    // The consent is acknowledged.
    eventually(async || stage.hub.app.store.cases().letters().await.unwrap().is_empty()).await;
    stage.hub.store.let_letters_stay();
    let application = stage.application(consent);
    stage.hub.accept(&application.sign(&stage.portal.key)).await;
    eventually(async || stage.hub.store.follows_failed() >= 1).await;
    stage.damage("UPDATE case_letter SET text = 'x' || text WHERE body IS NOT NULL AND ?1 = 0", 0).await;
    let stage = stage.restarted().await;
    for provider in [&stage.registry, &stage.licences, &stage.ministry] {
        stage.provide(provider).await;
    }
    stage.until(application.claims.case.unwrap(), |case| case["handed_over"] == true).await;
    for provider in [&stage.registry, &stage.licences, &stage.ministry] {
        assert!(stage.inbox(provider).await.is_empty(), "it is asked once");
    }
}

#[tokio::test]
async fn a_case_whose_consent_cannot_be_read_any_more_goes_on_without_it() {
    let stage = Stage::new().await;
    let consent = stage.consent().await;
    let id = stage.apply(&stage.application(Some(consent))).await;
    let place = state(&stage, id).await["consent_at"].as_u64().unwrap();
    stage.damage_body(place).await;
    stage.provide_all().await;
    let question = stage.receive(&stage.portal, "information.requested").await;
    assert_eq!(question.body["items"][0]["item"], "medical-certificate");
    let case = stage.case(id).await;
    assert_eq!(requirement(&case, "medical-certificate")["failures"][0]["reason"], "consent-lost");
}
