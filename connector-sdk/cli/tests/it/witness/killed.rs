//! A witness that is killed at any moment, while two histories of each log are brought before it at once.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex};

use saphan_schemas::log::{AddCheckpoint, CosignerKey, NoteSigner, SignedNote};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::history::{History, log};
use super::program::Serving;
use crate::program::saphan;

/// Both histories of each log are the same up to here.
const COMMON: u64 = 3;
const SIZE: u64 = 40;
const LOGS: usize = 12;
const CALLERS: usize = 6;
const KILLS: usize = 25;

struct Stage {
    logs: Vec<NoteSigner>,
    histories: [History; 2],
    key: CosignerKey,
    /// All cosignatures that ever came out: log, history, size.
    cosigned: Mutex<Vec<(usize, usize, u64)>>,
    /// How many answers there were in all.
    answers: watch::Sender<usize>,
}

impl Stage {
    /// The greatest size that came out for a log.
    fn greatest(&self, log: usize) -> u64 {
        let cosigned = self.cosigned.lock().unwrap();
        cosigned.iter().filter(|(of, ..)| *of == log).map(|(.., size)| *size).max().unwrap_or(0)
    }

    /// Brings checkpoints of both histories until the witness is gone.
    async fn call(self: Arc<Self>, url: String, mut random: Random) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut known: HashMap<usize, u64> = HashMap::new();
        loop {
            let (log, branch) = (random.below(LOGS), random.below(2));
            let old = known.get(&log).copied().unwrap_or(0);
            let size = (old + random.below(4) as u64).min(SIZE);
            let (history, signer) = (&self.histories[branch], &self.logs[log]);
            let before = self.greatest(log);
            let request = client.post(&url).body(history.request(old, size, signer));
            let Ok(answer) = request.send().await else { return };
            let status = answer.status().as_u16();
            let Ok(body) = answer.text().await else { return };
            match status {
                200 => {
                    let note: SignedNote = format!("{}{body}", history.checkpoint(size, signer)).parse().unwrap();
                    note.verify_cosignature(&self.key).unwrap();
                    self.cosigned.lock().unwrap().push((log, branch, size));
                    known.insert(log, size);
                }
                409 => {
                    let latest = AddCheckpoint::parse_size(&body).unwrap();
                    assert!(latest >= before, "it forgot that it cosigned {before} entries: {latest}");
                    known.insert(log, latest);
                }
                422 => {}
                other => panic!("{other}: {body}"),
            }
            self.answers.send_modify(|answers| *answers += 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_is_killed_at_any_moment_never_cosigns_two_histories() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let seed = RandomState::new().hash_one(0);
    println!("seed {seed}");
    let mut random = Random(seed);
    let folder = tempfile::tempdir().unwrap();
    let logs: Vec<_> = (0..LOGS).map(|at| log(&format!("hub.local/log/{at}"))).collect();
    let mut arguments: Vec<String> = ["--json", "witness", "init", "--name", "w"].map(str::to_owned).into();
    arguments.extend(logs.iter().flat_map(|log| ["--log".to_owned(), log.verifier_key().to_string()]));
    let key = saphan(folder.path(), arguments).json()["key"].as_str().unwrap().parse().unwrap();
    let size = usize::try_from(SIZE).unwrap();
    let histories = ["a", "b"].map(|branch| History::new(branch, usize::try_from(COMMON).unwrap(), size));
    let stage = Stage { logs, histories, key, cosigned: Mutex::default(), answers: watch::Sender::new(0) };
    let stage = Arc::new(stage);

    for _ in 0..KILLS {
        let serving = Serving::start(folder.path()).await;
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            callers.spawn(Arc::clone(&stage).call(serving.url.clone(), Random(random.next())));
        }
        let mut answers = stage.answers.subscribe();
        let enough = *answers.borrow() + 1 + random.below(60);
        tokio::select! {
            reached = answers.wait_for(|answers| *answers >= enough) => drop(reached.unwrap()),
            failed = callers.join_next() => panic!("a caller ended before the witness: {failed:?}"),
        }
        serving.kill().await;
        while let Some(ended) = callers.join_next().await {
            ended.unwrap();
        }
    }

    let cosigned = stage.cosigned.lock().unwrap();
    for log in 0..LOGS {
        let branches: Vec<_> = cosigned.iter().filter(|(of, _, size)| *of == log && *size > COMMON).collect();
        let first = branches.first().map(|(_, branch, _)| *branch);
        assert!(
            branches.iter().all(|(_, branch, _)| Some(*branch) == first),
            "two histories of log {log}: {branches:?}"
        );
    }
    // The witness was at work, beyond the fork, when it was killed.
    assert!(cosigned.iter().filter(|(.., size)| *size > COMMON).count() > KILLS, "{} cosignatures", cosigned.len());
}

/// Numbers that are random enough here: splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }
}
