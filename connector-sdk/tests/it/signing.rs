//! A key in a device that may be away: nothing is lost, and whoever sends is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, ThreadId};

use saphan_connector::schemas::ids::MessageId;
use saphan_connector::schemas::keys::{KeyError, PublicKey, Signer, SigningKey};
use saphan_connector::testing::TestHub;
use saphan_connector::{Handled, SendError};

use crate::support::{
    OFFICE, PORTAL, Withdrawn, acknowledged, content_office, eventually, hub, in_time, office, portal, until,
    withdrawal,
};

/// A key in a device that can be taken away.
#[derive(Debug)]
struct Device {
    key: SigningKey,
    away: AtomicBool,
    refused: AtomicUsize,
    waits: bool,
    /// The thread of the test, which is its runtime's too.
    runtime: ThreadId,
}

impl Device {
    fn of(hub: &TestHub, system: &str, waits: bool) -> Arc<Self> {
        let key = hub.register(&system.parse().unwrap()).unwrap();
        let (away, refused, runtime) = (AtomicBool::new(true), AtomicUsize::new(0), thread::current().id());
        Arc::new(Self { key, away, refused, waits, runtime })
    }

    fn comes_back(&self) {
        self.away.store(false, Ordering::SeqCst);
    }
}

impl Signer for Device {
    fn public(&self) -> &PublicKey {
        self.key.public()
    }

    fn sign(&self, text: &[u8]) -> Result<[u8; 64], KeyError> {
        if self.away.load(Ordering::SeqCst) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return Err(KeyError::Unavailable { reason: "it is away" });
        }
        assert!(!self.waits || thread::current().id() != self.runtime, "waiting for a device would stop the runtime");
        self.key.sign(text)
    }

    fn waits(&self) -> bool {
        self.waits
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_signed_is_not_stored_and_may_be_sent_again() {
    let hub = hub();
    let _office = content_office(&hub).await;
    for waits in [false, true] {
        let device = Device::of(&hub, PORTAL, waits);
        let portal = hub.connector(PORTAL).unwrap().signer(device.clone()).build().await.unwrap();
        let id = MessageId::new();
        let error = in_time(portal.send(withdrawal().id(id))).await.unwrap_err();
        assert!(matches!(error, SendError::Key(KeyError::Unavailable { .. })), "{error}");
        assert!(error.is_retryable());
        assert!(error.to_string().contains("the device that holds the key does not sign: it is away"), "{error}");
        assert_eq!(portal.status(id).await.unwrap(), None);

        device.comes_back();
        assert_eq!(in_time(portal.send(withdrawal().id(id))).await.unwrap().id(), id);
        portal.shutdown(std::time::Duration::from_secs(10)).await.unwrap();
    }
    assert_eq!(hub.accepted().len(), 2);
}

#[tokio::test]
async fn an_outcome_waits_until_its_acknowledgement_can_be_signed() {
    let hub = hub();
    let device = Device::of(&hub, OFFICE, true);
    let office = office(&hub).signer(device.clone()).handle(|_: Withdrawn| async { Ok(Handled::Done) });
    let office = office.build().await.unwrap();
    let portal = portal(&hub).await;
    in_time(portal.send(withdrawal())).await.unwrap();
    eventually(async || device.refused.load(Ordering::SeqCst) >= 3).await;
    assert_eq!((acknowledged(&hub), office.counts().processed, office.counts().acknowledged), (0, 1, 0));
    device.comes_back();
    until(&hub, |hub| acknowledged(hub) == 1).await;
}
