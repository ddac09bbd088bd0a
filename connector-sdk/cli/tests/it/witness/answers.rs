//! What a witness answers, by C2SP tlog-witness.

use std::sync::Arc;

use saphan_cli::witness::folder::StateFolder;
use saphan_cli::witness::{Witness, service};
use saphan_schemas::log::{CosignerKey, NoteSigner, SignedNote};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::history::{History, log};

struct Running {
    url: String,
    key: CosignerKey,
    folder: TempDir,
    client: reqwest::Client,
}

struct Answer {
    status: u16,
    media_type: String,
    body: String,
}

impl Running {
    async fn knowing(logs: &[&NoteSigner]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let mut state = StateFolder::create(&folder.path().join("state"), "w.example/1").unwrap();
        logs.iter().for_each(|log| assert!(state.add_log(log.verifier_key().clone()).unwrap()));
        drop(state);
        let witness = Witness::open(&folder.path().join("state")).unwrap();
        let key = witness.key().clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/add-checkpoint", listener.local_addr().unwrap());
        tokio::spawn(service::serve(listener, Arc::new(witness), std::future::pending()));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { url, key, folder, client }
    }

    async fn post(&self, body: impl Into<reqwest::Body>) -> Answer {
        let answer = self.client.post(&self.url).body(body).send().await.unwrap();
        let media_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
        Answer { status: answer.status().as_u16(), media_type, body: answer.text().await.unwrap() }
    }

    /// The time of the cosignature in an answer.
    async fn cosigned(&self, history: &History, old: u64, size: u64, log: &NoteSigner) -> u64 {
        let answer = self.post(history.request(old, size, log)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let note: SignedNote = format!("{}{}", history.checkpoint(size, log), answer.body).parse().unwrap();
        assert_eq!(note.signatures().len(), 2);
        note.verify_cosignature(&self.key).unwrap()
    }

    fn files(&self, below: &str) -> Vec<String> {
        let files = std::fs::read_dir(self.folder.path().join("state").join(below)).unwrap();
        files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect()
    }
}

#[tokio::test]
async fn checkpoints_that_extend_each_other_are_cosigned_with_the_time() {
    let (log, history) = (log("hub.local/log/main"), History::new("a", 0, 200));
    let witness = Running::knowing(&[&log]).await;
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let (mut old, before) = (0, now());
    for size in [0, 1, 1, 2, 3, 7, 8, 64, 65, 200, 200] {
        let time = witness.cosigned(&history, old, size, &log).await;
        assert!((before..=now()).contains(&time));
        old = size;
    }
}

#[tokio::test]
async fn each_refusal_has_the_status_of_the_specification() {
    let (log, stranger, forger) = (log("hub.local/log/main"), log("hub.local/log/other"), log("hub.local/log/main"));
    let (history, other) = (History::new("a", 3, 50), History::new("b", 3, 50));
    let witness = Running::knowing(&[&log]).await;
    witness.cosigned(&history, 0, 10, &log).await;
    let good = history.request(10, 20, &log);
    let without_a_hash = |request: &str| {
        let mut lines: Vec<_> = request.split('\n').collect();
        lines.remove(1);
        lines.join("\n")
    };
    for (body, status) in [
        (String::new(), 400),
        (good.replace("old 10", "old 010"), 400),
        (good.replace("old 10", "old ten"), 400),
        (good.replace("hub.local/log/main\n20", "hub.local/log/main\n020"), 400),
        (good.split("\n\n").next().unwrap().to_owned(), 400),
        (good.split('—').next().unwrap().to_owned(), 400),
        (history.request(30, 20, &log), 400),
        (history.request(10, 20, &stranger), 404),
        (history.request(10, 20, &forger), 403),
        (good.replace("main\n20\n", "main\n21\n"), 403),
        (other.request(10, 20, &log), 422),
        (without_a_hash(&good), 422),
        (good.replacen('\n', "\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n", 1), 422),
        // Proofs that must be empty.
        (history.request(10, 10, &log).replacen('\n', "\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n", 1), 422),
    ] {
        let answer = witness.post(body.clone()).await;
        assert_eq!(answer.status, status, "{body}\n{}", answer.body);
        assert!(answer.media_type.starts_with("text/plain"));
        assert!(answer.body.ends_with('\n') && !answer.body.contains('—'), "{}", answer.body);
    }
    for (body, size) in [
        (history.request(0, 20, &log), 10),
        (history.request(9, 20, &log), 10),
        (history.request(11, 20, &log), 10),
        (history.request(5, 5, &log), 10),
        (other.request(10, 10, &log), 10),
    ] {
        let answer = witness.post(body.clone()).await;
        assert_eq!((answer.status, answer.body), (409, format!("{size}\n")), "{body}");
        assert_eq!(answer.media_type, "text/x.tlog.size");
    }
    assert_eq!(witness.post(vec![b'o'; 300 << 10]).await.status, 413);
    assert_eq!(witness.post(vec![0xff; 30]).await.status, 400);
    assert_eq!(witness.client.get(&witness.url).send().await.unwrap().status().as_u16(), 405);
    // None of it moved the witness.
    witness.cosigned(&history, 10, 20, &log).await;
}

#[tokio::test]
async fn a_second_history_of_one_size_is_refused_and_kept_as_evidence_once() {
    let log = log("hub.local/log/main");
    let (history, other) = (History::new("a", 3, 50), History::new("b", 3, 50));
    let witness = Running::knowing(&[&log]).await;
    // Before the witness has cosigned anything there is nothing to contradict.
    assert_eq!(witness.post(history.request(1, 2, &log)).await.status, 409);
    witness.cosigned(&history, 0, 10, &log).await;
    for body in [other.request(10, 10, &log), other.request(0, 10, &log), other.request(10, 20, &log)] {
        assert!([409, 422].contains(&witness.post(body).await.status));
    }
    let evidence = witness.files("evidence");
    assert_eq!(evidence.len(), 1);
    let evidence: serde_json::Value = serde_json::from_str(&evidence[0]).unwrap();
    let roots: Vec<_> = ["cosigned", "other"]
        .map(|which| {
            let note = evidence[which].as_str().unwrap();
            let signed = saphan_schemas::log::SignedCheckpoint::parse_and_verify(note, log.verifier_key()).unwrap();
            (signed.checkpoint().size, signed.checkpoint().root)
        })
        .into();
    assert_eq!(roots, [(10, history.root(10)), (10, other.root(10))]);
}

#[tokio::test]
async fn any_of_the_keys_of_a_log_suffices_and_signatures_of_strangers_are_not_kept() {
    let (old, new, stranger) = (log("hub.local/log/main"), log("hub.local/log/main"), log("x.example"));
    let history = History::new("a", 0, 50);
    let witness = Running::knowing(&[&old, &new]).await;
    witness.cosigned(&history, 0, 10, &old).await;
    let mut note: SignedNote = history.checkpoint(20, &new).parse().unwrap();
    note.add_signature(&stranger).unwrap();
    let body = history.request(10, 20, &new);
    let (proof, _) = body.split_once("\n\n").unwrap();
    assert_eq!(witness.post(format!("{proof}\n\n{note}")).await.status, 200);
    // A false line by a key that the witness knows spoils the note, whoever else signed it.
    let false_line = history.checkpoint(21, &old).rsplit_once("\n\n").unwrap().1.to_owned();
    let spoilt = witness.post(format!("{}{false_line}", history.request(20, 22, &new))).await;
    assert_eq!(spoilt.status, 403, "{}", spoilt.body);
    let record = witness.files("logs").pop().unwrap();
    let record: SignedNote = record.parse().unwrap();
    assert_eq!(record.signatures().len(), 2);
    assert_eq!(record.verify(new.verifier_key()), Ok(()));
    assert!(record.verify_cosignature(&witness.key).is_ok());
}

#[tokio::test]
async fn logs_do_not_wait_for_each_other_and_have_a_state_each() {
    let (one, two) = (log("one"), log("two"));
    let (a, b) = (History::new("a", 0, 50), History::new("b", 0, 50));
    let witness = Running::knowing(&[&one, &two]).await;
    witness.cosigned(&a, 0, 10, &one).await;
    witness.cosigned(&b, 0, 5, &two).await;
    witness.cosigned(&a, 10, 11, &one).await;
    witness.cosigned(&b, 5, 50, &two).await;
}
