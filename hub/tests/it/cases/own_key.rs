//! When something is the matter with the key of the hub's own system.

use saphan_schemas::acknowledgement::UnverifiedAcknowledgement;
use saphan_schemas::leaf::Leaf;
use saphan_schemas::problem::ProblemCode;
use saphan_schemas::registry::{Change, EntryId};
use serde_json::Value;

use super::stage::{OWN, Stage};
use crate::harness::Draft;

/// The keys of acknowledgements in the log, from a place on.
async fn acknowledged_with(stage: &Stage, first: u64) -> Vec<saphan_schemas::keys::KeyId> {
    let leaves = stage.hub.app.store.entries(first, 100).await.unwrap();
    let kid = |leaf: &Vec<u8>| match Leaf::parse(leaf).unwrap() {
        Leaf::Acknowledgement { acknowledgement, .. } => {
            Some(UnverifiedAcknowledgement::parse(&acknowledgement).unwrap().kid())
        }
        _ => None,
    };
    leaves.iter().filter_map(kid).collect()
}

#[tokio::test]
async fn what_waits_for_the_key_is_said_with_the_one_that_replaces_it() {
    let stage = Stage::new().await;
    let consent = Some(stage.consent().await);
    let id = stage.apply(&stage.application(consent)).await;
    stage.receive(&stage.registry, "evidence.requested").await;
    let revoked = stage.own_key().public().id();
    stage.hub.change_registry([Change::Revoked(EntryId::Key(revoked))]).await.json::<Value>(200);
    let first = stage.hub.size();
    // Nobody could be asked for its evidence.
    let refused = stage.application(consent).sign(&stage.portal.key);
    stage.hub.submit(&refused).await.problem(ProblemCode::ServiceNotOffered);
    let withdrawal = Draft::withdrawal(&stage.portal.id, &OWN.parse().unwrap());
    stage.hub.accept(&withdrawal.sign(&stage.portal.key)).await;
    // The ministry does not answer: that this is over has to wait for the key.
    stage.hub.clock.advance(3601);
    stage.until_a_letter_waits("case.reminder").await;

    let new = stage.replace_own_key().await;
    let stage = stage.restarted().await;
    let request = stage.receive(&stage.city, "evidence.requested").await;
    assert_eq!(request.claims.case, Some(id));
    assert_eq!(stage.outcome(&stage.portal, &withdrawal).await.1.as_deref(), Some("case-invalid"));
    let keys = acknowledged_with(&stage, first).await;
    assert!(keys.contains(&new) && !keys.contains(&revoked));
}
