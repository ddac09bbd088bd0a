//! The log as strangers read it, by C2SP tlog-tiles.

use futures_util::future::join_all;
use saphan_schemas::log::{SignedCheckpoint, VerifierKey, tiles_for_size, verify_consistency};
use saphan_schemas::log::{consistency_proof, decode_bundle};
use saphan_schemas::problem::ProblemCode;

use crate::harness::{LogCopy, Submission, TestHub};

#[tokio::test]
async fn every_tile_and_bundle_of_a_log_beyond_one_full_tile_is_what_its_entries_give() {
    let hub = filled(300).await;
    let log = LogCopy::fetch(&hub).await;
    assert!(log.size() > 300);
    // A full and a partial tile of level 0, the same of entries, and a partial one of level 1.
    assert_eq!(log.tiles, 5);
}

#[tokio::test]
async fn partial_tiles_of_earlier_sizes_stay_and_full_ones_replace_them() {
    let hub = filled(300).await;
    for path in ["tile/0/000", "tile/0/000.p/1", "tile/0/000.p/255", "tile/entries/000.p/7", "tile/1/000.p/1"] {
        let answer = hub.get(&format!("/v1/log/{path}")).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("cache-control"), Some("public, max-age=31536000, immutable"), "{path}");
        assert_eq!(answer.header("content-type"), Some("application/octet-stream"), "{path}");
    }
    let part = hub.get("/v1/log/tile/0/000.p/255").await.body;
    assert_eq!(hub.get("/v1/log/tile/0/000").await.body[..255 * 32], part);
    let bundle = hub.get("/v1/log/tile/entries/000.p/7").await.body;
    assert_eq!(decode_bundle(&bundle, 7).unwrap().len(), 7);
}

#[tokio::test]
async fn what_the_log_does_not_hold_is_not_found() {
    let hub = TestHub::new().await;
    let size = hub.size();
    let mut paths: Vec<String> =
        tiles_for_size(size + 1).filter(|path| !path.exists_at(size)).map(|path| path.to_string()).collect();
    assert!(!paths.is_empty());
    paths.extend(
        [
            "tile/0/000",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/0",
            "tile/0/x000/000",
            "tile/00/000",
            "tile/64/000",
            "tile/-1/000.p/1",
            "tile/entries/000/",
            "tile/entries/001.p/1",
            "tile/data/000.p/1",
            "tile/9/x999/x999/x999/x999/999",
            "tile/",
            "entries",
        ]
        .map(ToOwned::to_owned),
    );
    for path in paths {
        hub.get(&format!("/v1/log/{path}")).await.problem(ProblemCode::NotFound);
    }
}

#[tokio::test]
async fn each_checkpoint_is_consistent_with_the_one_before() {
    let hub = TestHub::new().await;
    let key: VerifierKey = hub.get("/v1/log/vkey").await.text().trim_end().parse().unwrap();
    assert_eq!(key.name(), "hub.local/log/main");
    let mut checkpoints = Vec::new();
    for _ in 0..4 {
        let answer = hub.get("/v1/log/checkpoint").await;
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        checkpoints.push(SignedCheckpoint::parse_and_verify(answer.text(), &key).unwrap().into_checkpoint());
        hub.submit(&hub.world.message()).await.accepted();
    }
    let leaf_hashes = hub.app.store.hashes(hub.app.shards.present(), 0, 0, 256).await.unwrap();
    for pair in checkpoints.windows(2) {
        let [old, new] = pair else { unreachable!() };
        // The log is below 256 entries: every hash of a proof is of level 0.
        let proof = consistency_proof(old.size, new.size, |run| {
            assert_eq!(run.level, 0);
            let start = usize::try_from(run.start).unwrap();
            Ok::<_, ()>(leaf_hashes[start..start + usize::from(run.count)].to_vec())
        });
        verify_consistency(old.size, old.root, new.size, new.root, &proof.unwrap()).unwrap();
        assert_eq!(new.size, old.size + 1);
    }
}

async fn filled(messages: usize) -> TestHub {
    let hub = TestHub::new().await;
    let messages: Vec<Submission> = (0..messages).map(|_| hub.world.message()).collect();
    for answer in join_all(messages.iter().map(|message| hub.submit(message))).await {
        answer.accepted();
    }
    hub
}
