//! What an outsider keeps of a hub: every checkpoint seen, to be held against the log.

use std::collections::BTreeMap;

use saphan_cli::log_check::{HttpLog, LogReport, LogSource as _, check};
use saphan_conformance::world::World;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::log::{LogRebuilder, TileContent, TilePath, bundle};
use saphan_schemas::receipt::ReceiptClaims;

/// Checkpoints by size, from the log itself and from receipts.
#[derive(Default)]
pub(crate) struct Observer {
    seen: BTreeMap<u64, Sha256Hash>,
}

impl Observer {
    /// Remembers what a receipt states. Two roots of one size are a fork.
    pub(crate) fn receipt(&mut self, receipt: &ReceiptClaims) {
        self.remember(receipt.size, receipt.root);
    }

    /// Fetches the checkpoint, remembers it, and checks the whole log: every tile, the root, every signature.
    pub(crate) async fn check_log(&mut self, world: &World) -> LogReport {
        let log = HttpLog::new(world.hub.address()).expect("the hub's address");
        let report = check(&log, &world.trust.log, &()).await.expect("the log holds");
        self.remember(report.size, report.root);
        report
    }

    /// Rebuilds the log entry by entry and holds every checkpoint that was ever seen against it.
    pub(crate) async fn no_checkpoint_was_ever_contradicted(&self, world: &World, size: u64) {
        assert!(self.seen.len() > 1, "several checkpoints were seen");
        let log = HttpLog::new(world.hub.address()).expect("the hub's address");
        let mut rebuilder = LogRebuilder::new();
        let mut seen = self.seen.iter();
        let mut next = seen.next();
        for number in 0..size.div_ceil(256) {
            let width = u16::try_from((size - number * 256).min(256)).unwrap();
            let path = TilePath::new(TileContent::Entries, number, width).unwrap();
            let bytes = log.fetch(&path.to_string()).await.expect("the log serves its entries");
            for entry in bundle::decode_bundle(&bytes, width).unwrap() {
                rebuilder.push_entry(entry).unwrap();
                if let Some((at, root)) = next
                    && *at == rebuilder.size()
                {
                    assert_eq!(*root, rebuilder.root(), "the checkpoint of size {at} is of another history");
                    next = seen.next();
                }
            }
        }
        assert!(next.is_none(), "a checkpoint of size {:?} is ahead of the log: something was lost", next);
    }

    fn remember(&mut self, size: u64, root: Sha256Hash) {
        let first = *self.seen.entry(size).or_insert(root);
        assert_eq!(first, root, "two histories: two checkpoints of size {size}");
    }
}
