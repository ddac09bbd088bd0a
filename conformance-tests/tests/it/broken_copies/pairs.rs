//! The two logs of a real hub that changed its log: all of one beside a broken copy of the other, judged from the newest.

use saphan_cli::log_check::FolderLog;
use tempfile::TempDir;

use super::copies::{Broken, by_anybody};
use super::real_log::{Files, NEXT, RealLog, shard};
use super::{Export, HOLDS, Verdicts, verdict, write};

pub(super) async fn pairs(log: &RealLog, export: &Export) {
    let mut verdicts = Verdicts::default();
    let (own, other) = judged(log, export, [&log.ended, &log.next.files]).await;
    verdicts.note("as they were published", HOLDS, &own, &other);
    for Broken { name, class, files } in by_anybody(&log.ended).into_iter().chain(ends(log)) {
        let (own, other) = judged(log, export, [&files, &log.next.files]).await;
        verdicts.note(&format!("{name}, in the log before"), class, &own, &other);
    }
    let of_the_next = by_anybody(&log.next.files).into_iter().filter(|copy| IN_THE_NEXT.contains(&copy.name));
    let of_the_next: Vec<Broken> = of_the_next.collect();
    assert_eq!(of_the_next.len(), IN_THE_NEXT.len());
    for Broken { name, class, files } in of_the_next {
        let (own, other) = judged(log, export, [&log.ended, &files]).await;
        verdicts.note(&format!("{name}, in the next log"), class, &own, &other);
    }
    verdicts.agree("pairs of logs of a hub");
}

/// What both verifiers say of the newest of these logs.
async fn judged(log: &RealLog, export: &Export, [old, new]: [&Files; 2]) -> (String, String) {
    let hub = TempDir::new_in(export.folder.path()).unwrap();
    write(old, &hub.path().join(shard(&log.origin)));
    let newest = hub.path().join(NEXT);
    write(new, &newest);
    let published = FolderLog::new(&newest);
    let other = ["log", newest.to_str().unwrap(), "--vkey", "hub/vkey"];
    tokio::join!(verdict(&published, &log.next.vkey), export.other_verifier(&other))
}

/// What can be done to the end of the log before.
fn ends(log: &RealLog) -> [Broken; 3] {
    let mut of_the_next = log.ended.clone();
    of_the_next.insert("checkpoint".to_owned(), log.next.files["checkpoint"].clone());
    [
        // All of it is signed.
        Broken { name: "what was published before its end", class: "rollback", files: log.files.clone() },
        Broken { name: "the checkpoint is that of the next log", class: "changed-checkpoint", files: of_the_next },
        Broken { name: "nothing of it is there", class: "missing-file", files: Files::new() },
    ]
}

/// One for each class and each kind of file: for each of them all of the log before is judged first.
const IN_THE_NEXT: [&str; 10] = [
    "an entry of a full bundle is changed",
    "an entry's length is changed",
    "a leaf hash is changed",
    "a hash of level 1 is changed",
    "two entries of the last bundle change places",
    "an entry takes another's place",
    "the last bundle ends too early",
    "a bundle is gone",
    "a tile of level 1 is gone",
    "the checkpoint has another root",
];
