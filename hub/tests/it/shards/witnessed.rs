//! What witnesses have cosigned of logs that are closed.

use std::path::Path;

use saphan_schemas::log::{Policy, TlogProof, VerifierKey, leaf_hash};
use saphan_schemas::problem::ProblemCode;
use serde_json::Value;
use tempfile::TempDir;

use super::{FIRST, NEXT};
use crate::harness::{FakeWitness, Manner, Submission, TestHub, eventually};

/// A hub with two witnesses, which publishes its logs.
struct Stage {
    hub: TestHub,
    witnesses: [FakeWitness; 2],
    folder: TempDir,
    /// Who must cosign the first log.
    policy: Policy,
}

impl Stage {
    async fn with(quorum: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut lines = String::new();
        let witnesses = ["w0", "w1"].map(|name| (name, format!("{name}.example")));
        let mut started = Vec::new();
        for (name, full) in witnesses {
            let witness = FakeWitness::start(&full, Manner::Good).await;
            lines.push_str(&witness.policy_line(name));
            started.push(witness);
        }
        let text = format!("{lines}group g {quorum} w0 w1\nquorum g\n");
        let file = folder.path().join("policy");
        std::fs::write(&file, &text).unwrap();
        let place = folder.path().join("log");
        let settings =
            format!("[log]\npublish = \"{}\"\n[witnesses]\npolicy = \"{}\"\n", place.display(), file.display());
        let hub = TestHub::with(&settings).await;
        let key = key(&hub).await;
        started.iter().for_each(|witness| witness.knows(&key));
        let policy = Policy::parse(format!("log {key}\n{text}").as_bytes()).unwrap();
        Self { hub, witnesses: started.try_into().ok().unwrap(), folder, policy }
    }

    /// The next log begins, which the witnesses know.
    async fn go_on_in(self, shard: &str) -> Self {
        let hub = self.hub.go_on_in(shard).await;
        let key = key(&hub).await;
        self.witnesses.iter().for_each(|witness| witness.knows(&key));
        Self { hub, ..self }
    }

    /// The size of what is served as the cosigned checkpoint of the first log, and who signed it; it holds.
    async fn cosigned(&self) -> Option<(u64, Vec<String>)> {
        let served = self.hub.get("/v1/logs/main/checkpoint.cosigned").await;
        if served.status == 404 {
            return None;
        }
        let (checkpoint, witnessed) = self.policy.verify(served.text()).unwrap();
        let names = witnessed.by.iter().map(|(witness, _)| witness.name().into_owned());
        Some((checkpoint.checkpoint().size, names.collect()))
    }

    async fn until_cosigned(&self, size: u64, by: &[&str]) {
        let expected = Some((size, by.iter().map(|name| (*name).to_owned()).collect()));
        eventually(async || self.cosigned().await == expected).await;
    }

    fn published(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join("log/main").join(name)).unwrap_or_default()
    }

    /// The size of the first log.
    async fn end(&self) -> u64 {
        let text = self.hub.get("/v1/logs/main/checkpoint").await;
        text.text().lines().nth(1).unwrap().parse().unwrap()
    }

    async fn until_uncosigned(&self, logs: u64) {
        let line = format!("saphan_closed_logs_uncosigned {logs}");
        eventually(async || self.hub.get("/metrics").await.text().lines().any(|found| found == line)).await;
    }

    /// The size of the cosigned checkpoint that proves a message of the first log, if it does.
    async fn proves(&self, message: &Submission, index: u64) -> Option<u64> {
        let shown: Value = self.hub.show(&self.hub.world.portal, message).await.json(200);
        let proof: TlogProof = shown["cosigned_proof"].as_str()?.parse().unwrap();
        let leaf = self.hub.app.store.entries(index, 1).await.unwrap().pop().unwrap();
        let (checkpoint, witnessed) = proof.verify_by(leaf_hash(&leaf), &self.policy).unwrap();
        assert!(proof.index() == index && witnessed.quorum);
        Some(checkpoint.size)
    }
}

async fn key(hub: &TestHub) -> VerifierKey {
    hub.get("/v1/log/vkey").await.text().trim_end().parse().unwrap()
}

#[tokio::test]
async fn a_witness_that_was_down_while_the_log_changed_cosigns_its_end_when_it_is_back() {
    let stage = Stage::with("any").await;
    let message = stage.hub.world.message();
    let index = stage.hub.accept(&message).await;
    stage.witnesses[1].behave(Manner::Says(503, ""));
    let stage = stage.go_on_in("next").await;
    let end = stage.end().await;
    stage.until_cosigned(end, &["w0"]).await;
    stage.until_uncosigned(1).await;
    // One is enough here: proofs are there at once, and published.
    assert_eq!(stage.proves(&message, index).await, Some(end));
    let refused = "saphan_witness_failures_total{witness=\"w1\",reason=\"refused\"}";
    eventually(async || stage.hub.get("/metrics").await.text().contains(refused)).await;
    stage.hub.accept(&stage.hub.world.message()).await;

    stage.witnesses[1].behave(Manner::Good);
    stage.until_cosigned(end, &["w0", "w1"]).await;
    stage.until_uncosigned(0).await;
    let served = stage.hub.get("/v1/logs/main/checkpoint.cosigned").await.text().to_owned();
    assert_eq!(stage.hub.get("/v1/logs/main/checkpoint").await.text(), served);
    for name in ["checkpoint", "checkpoint.cosigned"] {
        eventually(async || stage.published(name) == served).await;
    }

    // It stays so, and nobody is asked about it any more, also in a third log and when there is no witness any more.
    let before = stage.witnesses.each_ref().map(|witness| witness.asked_about(FIRST));
    let Stage { hub, witnesses, folder, policy } = stage;
    let stage = Stage { hub: hub.stop().await.start().await, witnesses, folder, policy };
    stage.hub.accept(&stage.hub.world.message()).await;
    let size = stage.hub.size();
    let of_next = async || stage.hub.get("/v1/log/checkpoint.cosigned").await;
    eventually(async || of_next().await.text().contains(&format!("{NEXT}\n{size}\n"))).await;
    assert_eq!(stage.witnesses.each_ref().map(|witness| witness.asked_about(FIRST)), before);
    let stage = stage.go_on_in("third").await;
    stage.until_cosigned(end, &["w0", "w1"]).await;
    let Stage { hub, witnesses, folder, policy } = stage;
    let mut site = hub.stop().await;
    site.config.witnesses.policy = Path::new("").into();
    let stage = Stage { hub: site.start().await, witnesses, folder, policy };
    assert_eq!(stage.hub.get("/v1/logs/main/checkpoint.cosigned").await.text(), served);
    assert_eq!(stage.proves(&message, index).await, Some(end));
    stage.hub.get("/v1/logs/third/checkpoint.cosigned").await.problem(ProblemCode::NotFound);
}

#[tokio::test]
async fn what_was_cosigned_before_the_log_was_closed_stays_served_until_its_end_is() {
    let stage = Stage::with("all").await;
    let [message, late] = [stage.hub.world.message(), stage.hub.world.message()];
    let index = stage.hub.accept(&message).await;
    let size = stage.hub.size();
    stage.until_cosigned(size, &["w0", "w1"]).await;
    stage.witnesses.iter().for_each(|witness| witness.behave(Manner::Says(503, "")));
    let late_at = stage.hub.accept(&late).await;
    let stage = stage.go_on_in("next").await;
    let end = stage.end().await;
    assert!(end > size);
    assert_eq!(stage.cosigned().await, Some((size, vec!["w0".to_owned(), "w1".to_owned()])));
    assert_eq!((stage.proves(&message, index).await, stage.proves(&late, late_at).await), (Some(size), None));
    // Half of a quorum is none.
    stage.witnesses[0].behave(Manner::Good);
    eventually(async || stage.witnesses[0].size() == end).await;
    assert_eq!(stage.cosigned().await.unwrap().0, size);
    stage.until_uncosigned(1).await;
    stage.witnesses[1].behave(Manner::Good);
    stage.until_cosigned(end, &["w0", "w1"]).await;
    assert_eq!((stage.proves(&message, index).await, stage.proves(&late, late_at).await), (Some(end), Some(end)));
    eventually(async || stage.published("checkpoint.cosigned").contains(&format!("\n{end}\n"))).await;
}

#[tokio::test]
async fn an_earlier_log_whose_files_cannot_be_written_holds_up_no_other() {
    let stage = Stage::with("any").await;
    stage.witnesses[1].behave(Manner::Says(503, ""));
    let stage = stage.go_on_in("next").await;
    let end = stage.end().await;
    eventually(async || stage.published("checkpoint.cosigned").contains(&format!("\n{end}\n"))).await;
    // What the second witness signs cannot be written any more.
    let file = stage.folder.path().join("log/main/checkpoint.cosigned");
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir_all(file.join("in-the-way")).unwrap();
    stage.witnesses[1].behave(Manner::Good);
    stage.until_cosigned(end, &["w0", "w1"]).await;
    eventually(async || stage.hub.app.metrics.log_publish_failures.get() > 0).await;
    stage.hub.accept(&stage.hub.world.message()).await;
    let newest = format!("{NEXT}\n{}\n", stage.hub.size());
    let next = stage.folder.path().join("log/next/checkpoint");
    eventually(async || std::fs::read_to_string(&next).unwrap_or_default().starts_with(&newest)).await;
    // When there is room again, it is written.
    std::fs::remove_dir_all(&file).unwrap();
    let served = stage.hub.get("/v1/logs/main/checkpoint.cosigned").await.text().to_owned();
    eventually(async || stage.published("checkpoint.cosigned") == served).await;
}

#[tokio::test]
async fn a_hub_that_never_had_witnesses_has_no_cosigned_logs() {
    let hub = TestHub::new().await.go_on_in("next").await;
    for log in ["main", "next", "other"] {
        hub.get(&format!("/v1/logs/{log}/checkpoint.cosigned")).await.problem(ProblemCode::NotFound);
    }
}
