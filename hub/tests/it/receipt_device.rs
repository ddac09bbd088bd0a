//! A receipt key in a device that may be away: no receipt, no entry; and all is as before when it is back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use saphan_hub::ledger::LedgerKeys;
use saphan_schemas::keys::{KeyError, PublicKey, Signer};
use saphan_schemas::problem::ProblemCode;

use crate::harness::{LogCopy, TestHub};

#[derive(Debug)]
struct Device {
    key: Arc<dyn Signer>,
    away: AtomicBool,
}

impl Signer for Device {
    fn public(&self) -> &PublicKey {
        self.key.public()
    }

    fn sign(&self, text: &[u8]) -> Result<[u8; 64], KeyError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(KeyError::Unavailable { reason: "it is away" });
        }
        self.key.sign(text)
    }

    fn waits(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn while_the_device_with_the_receipt_key_is_away_nothing_is_accepted_and_afterwards_all_is() {
    let hub = TestHub::new().await;
    let keys = hub.app.key_store.open().unwrap().signing(&hub.app.registry.state(), &hub.app.origin).unwrap();
    let device = Arc::new(Device { key: Arc::clone(&keys.receipts), away: AtomicBool::new(true) });
    hub.app.ledger.sign_with(LedgerKeys { receipts: Arc::clone(&device) as _, ..keys });
    let (message, size) = (hub.world.message(), hub.size());
    for _ in 0..2 {
        hub.submit(&message).await.problem(ProblemCode::HubUnavailable);
    }
    assert_eq!(hub.size(), size);
    device.away.store(false, Ordering::SeqCst);
    let evidence = hub.submit(&message).await.accepted();
    hub.verify(&message, &evidence).await;
    assert_eq!(LogCopy::fetch(&hub).await.messages().len(), 1);
}
