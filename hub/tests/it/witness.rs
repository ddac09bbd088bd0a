//! Witnesses: their cosignatures are gathered, and nothing waits for them.

use saphan_schemas::leaf::Leaf;
use saphan_schemas::log::{Policy, TlogProof, VerifierKey, empty_root, leaf_hash};
use saphan_schemas::problem::ProblemCode;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{FakeWitness, Manner, Site, TestHub, eventually, in_time};

/// A hub with witnesses, and the policy that it was given.
struct Stage {
    hub: TestHub,
    policy: Policy,
    witnesses: Vec<FakeWitness>,
    _folder: TempDir,
}

impl Stage {
    /// Witnesses `w0`, `w1`, …, of which `quorum` is the rest of the policy; they know the hub's log.
    async fn with(manners: &[Manner], quorum: &str) -> Self {
        let stage = Self::unknown(manners, quorum).await;
        let key = stage.key().await;
        stage.witnesses.iter().for_each(|witness| witness.knows(&key));
        stage
    }

    /// The same, and they do not know it yet.
    async fn unknown(manners: &[Manner], quorum: &str) -> Self {
        let (mut witnesses, mut text) = (Vec::new(), String::new());
        for (at, manner) in manners.iter().enumerate() {
            let witness = FakeWitness::start(&format!("w{at}.example"), *manner).await;
            text.push_str(&witness.policy_line(&format!("w{at}")));
            witnesses.push(witness);
        }
        text.push_str(quorum);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("policy");
        std::fs::write(&file, &text).unwrap();
        let hub = TestHub::with(&settings(&file)).await;
        let key: VerifierKey = hub.get("/v1/log/vkey").await.text().trim_end().parse().unwrap();
        let policy = Policy::parse(format!("log {key}\n{text}").as_bytes()).unwrap();
        Self { hub, policy, witnesses, _folder: folder }
    }

    async fn key(&self) -> VerifierKey {
        self.hub.get("/v1/log/vkey").await.text().trim_end().parse().unwrap()
    }

    /// Waits until a quorum has cosigned all that is in the log; gives the names of those that did.
    async fn cosigned(&self) -> Vec<String> {
        let size = self.hub.size();
        let mut cosigned = self.hub.app.witnesses.as_ref().unwrap().cosigned();
        let reached = |cosigned: &Option<std::sync::Arc<saphan_hub::witnesses::Cosigned>>| {
            cosigned.as_ref().is_some_and(|cosigned| cosigned.size >= size)
        };
        in_time(cosigned.wait_for(reached)).await.unwrap();
        let served = self.hub.get("/v1/log/checkpoint.cosigned").await;
        assert_eq!((served.status, served.header("cache-control")), (200, Some("no-store")));
        let (checkpoint, witnessed) = self.policy.verify(served.text()).unwrap();
        assert!(checkpoint.checkpoint().size >= size);
        witnessed.by.iter().map(|(witness, _)| witness.name().into_owned()).collect()
    }

    async fn until_metric(&self, line: &str) {
        eventually(async || self.hub.get("/metrics").await.text().lines().any(|found| found == line)).await;
    }

    /// The counter, 0 if it is not there.
    async fn failures(&self, witness: &str, reason: &str) -> u64 {
        let name = format!("saphan_witness_failures_total{{witness=\"{witness}\",reason=\"{reason}\"}} ");
        let metrics = self.hub.get("/metrics").await;
        metrics.text().lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
    }
}

fn settings(policy: &std::path::Path) -> String {
    format!("[witnesses]\npolicy = \"{}\"\n", policy.display())
}

const BOTH: &str = "group both all w0 w1\nquorum both\n";
const ANY: &str = "group any any w0 w1\nquorum any\n";

#[tokio::test]
async fn the_newest_checkpoint_is_cosigned_by_all_witnesses_and_follows_the_log() {
    let stage = Stage::with(&[Manner::Good, Manner::Good], BOTH).await;
    for _ in 0..3 {
        stage.hub.accept(&stage.hub.world.message()).await;
        assert_eq!(stage.cosigned().await, ["w0", "w1"]);
    }
    let size = stage.hub.size();
    assert_eq!(stage.witnesses.iter().map(FakeWitness::size).collect::<Vec<_>>(), [size, size]);
    let newest = stage.hub.get("/v1/log/checkpoint").await;
    assert!(stage.policy.verify(newest.text()).is_ok(), "nothing newer: the checkpoint has the cosignatures");
    stage.until_metric(&format!("saphan_log_cosigned_size {size}")).await;
    for witness in ["w0", "w1"] {
        stage.until_metric(&format!("saphan_witness_age_seconds{{witness=\"{witness}\"}} 0")).await;
        assert_eq!(stage.failures(witness, "other-history").await, 0);
    }
}

#[tokio::test]
async fn a_witness_that_never_answers_delays_neither_acceptance_nor_the_others_and_its_age_grows() {
    let stage = Stage::with(&[Manner::Good, Manner::Silent], ANY).await;
    for _ in 0..3 {
        stage.hub.accept(&stage.hub.world.message()).await;
        assert_eq!(stage.cosigned().await, ["w0"]);
    }
    stage.hub.clock.advance(400);
    stage.until_metric("saphan_witness_age_seconds{witness=\"w0\"} 0").await;
    stage.until_metric("saphan_witness_age_seconds{witness=\"w1\"} 400").await;
    // Given up after a while, and asked again.
    eventually(async || stage.failures("w1", "unreachable").await > 0).await;
    assert!(stage.witnesses[1].asked() > 0);
    stage.witnesses[1].behave(Manner::Good);
    stage.until_metric("saphan_witness_age_seconds{witness=\"w1\"} 0").await;
}

#[tokio::test]
async fn without_any_witness_that_answers_messages_are_accepted_and_published() {
    let stage = Stage::with(&[Manner::Silent, Manner::Says(503, "")], ANY).await;
    let before = stage.hub.size();
    eventually(async || stage.failures("w1", "refused").await > 0).await;
    for _ in 0..20 {
        stage.hub.accept(&stage.hub.world.message()).await;
    }
    assert_eq!(stage.hub.size(), before + 20);
    let newest = stage.hub.get("/v1/log/checkpoint").await;
    assert!(newest.text().contains(&format!("\n{}\n", before + 20)));
    stage.hub.get("/v1/log/checkpoint.cosigned").await.problem(ProblemCode::NotFound);
    stage.hub.clock.advance(301);
    stage.until_metric("saphan_log_cosigned_age_seconds 301").await;
    stage.until_metric("saphan_log_cosigned_size 0").await;
}

#[tokio::test]
async fn a_witness_that_learns_of_the_log_later_cosigns_from_then_on() {
    let stage = Stage::unknown(&[Manner::Good], "quorum w0\n").await;
    eventually(async || stage.failures("w0", "refused").await > 0).await;
    stage.witnesses[0].knows(&stage.key().await);
    assert_eq!(stage.cosigned().await, ["w0"]);
}

#[tokio::test]
async fn a_hub_that_starts_again_asks_again_and_witnesses_go_on_from_what_they_had() {
    let stage = Stage::with(&[Manner::Good, Manner::Good], BOTH).await;
    stage.cosigned().await;
    let Stage { hub, policy, witnesses, _folder } = stage;
    let hub = in_time(hub.stop()).await.start().await;
    let stage = Stage { hub, policy, witnesses, _folder };
    assert_eq!(stage.cosigned().await, ["w0", "w1"]);
    stage.hub.accept(&stage.hub.world.message()).await;
    assert_eq!(stage.cosigned().await, ["w0", "w1"]);
    assert_eq!(stage.failures("w0", "other-history").await, 0);
}

#[tokio::test]
async fn a_hub_stops_while_a_witness_does_not_answer() {
    let stage = Stage::with(&[Manner::Silent], "quorum w0\n").await;
    eventually(async || stage.witnesses[0].asked() > 0).await;
    drop(stage.hub.stop().await);
}

#[tokio::test]
async fn a_witness_that_has_seen_more_or_another_history_raises_an_alarm_of_its_own() {
    let stage = Stage::with(&[Manner::Good, Manner::Good], ANY).await;
    let size = stage.hub.size();
    stage.witnesses[0].has_seen(size + 1000, empty_root());
    stage.witnesses[1].has_seen(size, empty_root());
    stage.hub.accept(&stage.hub.world.message()).await;
    eventually(async || stage.failures("w0", "ahead").await > 0).await;
    eventually(async || stage.failures("w1", "other-history").await > 0).await;
    stage.hub.accept(&stage.hub.world.message()).await;
}

#[tokio::test]
async fn what_is_no_cosignature_of_the_witness_is_not_published() {
    let long: &'static str = "x".repeat(100_000).leak();
    for text in ["", "— w0.example AAAAAAA=\n", "\n\n", long] {
        let stage = Stage::with(&[Manner::Says(200, text)], "quorum none\n").await;
        eventually(async || stage.failures("w0", "unreadable").await > 0).await;
        stage.hub.get("/v1/log/checkpoint.cosigned").await.problem(ProblemCode::NotFound);
    }
}

#[tokio::test]
async fn a_message_can_be_fetched_with_a_proof_for_the_cosigned_checkpoint() {
    let stage = Stage::with(&[Manner::Good, Manner::Silent], ANY).await;
    let message = stage.hub.world.message();
    let index = stage.hub.accept(&message).await;
    stage.hub.accept(&stage.hub.world.message()).await;
    stage.cosigned().await;
    let shown: Value = stage.hub.show(&stage.hub.world.portal, &message).await.json(200);
    let proof: TlogProof = shown["cosigned_proof"].as_str().unwrap().parse().unwrap();
    assert_eq!(proof.index(), index);
    let leaf = stage.hub.app.store.entries(index, 1).await.unwrap().pop().unwrap();
    assert!(matches!(Leaf::parse(&leaf), Ok(Leaf::Message { .. })));
    let (checkpoint, witnessed) = proof.verify_by(leaf_hash(&leaf), &stage.policy).unwrap();
    assert!(checkpoint.size > index && witnessed.quorum);
    // The receipt's own proof is as it was.
    let first: TlogProof = shown["proof"].as_str().unwrap().parse().unwrap();
    assert_eq!(first.extra(), proof.extra());
    assert!(stage.policy.verify(first.checkpoint_text()).is_err());
}

#[tokio::test]
async fn a_message_beyond_the_cosigned_checkpoint_has_no_such_proof() {
    let stage = Stage::with(&[Manner::Good], "quorum w0\n").await;
    stage.cosigned().await;
    stage.witnesses[0].behave(Manner::Silent);
    // What the witness was asked before it fell silent may still be answered.
    let asked = stage.witnesses[0].asked();
    stage.hub.accept(&stage.hub.world.message()).await;
    eventually(async || stage.witnesses[0].asked() > asked).await;
    let message = stage.hub.world.message();
    stage.hub.accept(&message).await;
    let shown: Value = stage.hub.show(&stage.hub.world.portal, &message).await.json(200);
    assert!(shown["proof"].is_string() && shown.get("cosigned_proof").is_none(), "{shown}");
}

#[tokio::test]
async fn a_hub_without_witnesses_has_no_cosigned_checkpoint() {
    let hub = TestHub::new().await;
    hub.get("/v1/log/checkpoint.cosigned").await.problem(ProblemCode::NotFound);
    let message = hub.world.message();
    hub.accept(&message).await;
    let shown: Value = hub.show(&hub.world.portal, &message).await.json(200);
    assert!(shown.get("cosigned_proof").is_none());
}

#[tokio::test]
async fn a_hub_does_not_start_with_a_policy_that_it_cannot_use() {
    let witness = FakeWitness::start("w.example", Manner::Good).await;
    let line = witness.policy_line("w");
    let without_address = line.replace(&format!(" {}", witness.url), "");
    let many: String = (0..13).map(|at| format!("witness w{at} {} https://w.example\n", key(at))).collect();
    for (text, said) in [
        (None, "cannot be read"),
        (Some("quorum".to_owned()), "line 1 of the policy"),
        (Some(format!("{without_address}quorum w\n")), "no witness has an address"),
        (Some(format!("{}quorum w\n", line.replace("http://", "ftp://"))), "the address of the witness w"),
        (Some(format!("{many}quorum none\n")), "more than 12 witnesses"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("policy");
        if let Some(text) = text {
            std::fs::write(&file, text).unwrap();
        }
        let refused = Site::new(&settings(&file)).try_open().await.err().unwrap();
        assert!(format!("{refused:#}").contains(said), "{refused:#}");
    }
}

fn key(at: u8) -> saphan_schemas::log::CosignerKey {
    saphan_schemas::log::CosignerKey::new("w.example", [at; 32]).unwrap()
}
