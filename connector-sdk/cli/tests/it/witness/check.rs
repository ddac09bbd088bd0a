//! `saphan witness check`.

use saphan_cli::witness::Witness;
use saphan_cli::witness::folder::StateFolder;

use super::history::{History, log};
use crate::program::saphan;

#[test]
fn a_checkpoint_is_good_with_the_quorum_of_the_policy_and_not_without() {
    let (folder, log, history) = (tempfile::tempdir().unwrap(), log("hub.local/log/main"), History::new("a", 0, 20));
    let mut notes = history.checkpoint(20, &log);
    let mut policy = format!("log {}\n", log.verifier_key());
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("bare", &notes);
    for name in ["a", "b"] {
        let state = folder.path().join(format!("state-{name}"));
        StateFolder::create(&state, &format!("{name}.example")).unwrap().add_log(log.verifier_key().clone()).unwrap();
        let witness = Witness::open(&state).unwrap();
        policy.push_str(&format!("witness {name} {}\n", witness.key()));
        notes.push_str(&witness.add_checkpoint(&history.request(0, 20, &log), 1_679_315_147).unwrap());
        write(name, &notes);
    }
    write("policy", &format!("{policy}group both all a b\nquorum both\n"));

    let good = saphan(folder.path(), ["witness", "check", "--policy", "policy", "b"]);
    assert_eq!(good.code, 0, "{}", good.err);
    assert_eq!(
        good.out,
        "good: hub.local/log/main, 20 entries\n  cosigned by a as of Mon, 20 Mar 2023 12:25:47 GMT\n  \
         cosigned by b as of Mon, 20 Mar 2023 12:25:47 GMT\n"
    );
    let one = saphan(folder.path(), ["--json", "witness", "check", "--policy", "policy", "a"]);
    assert_eq!((one.code, one.json()["good"].clone()), (1, false.into()));
    assert!(one.json()["reason"].as_str().unwrap().ends_with("cosigned by: a"), "{}", one.out);
    write("forged", &std::fs::read_to_string(folder.path().join("b")).unwrap().replace("\n20\n", "\n21\n"));
    let forged = saphan(folder.path(), ["witness", "check", "--policy", "policy", "forged"]);
    assert_eq!(forged.code, 1);
    assert!(forged.out.contains("the text or the signature was changed"), "{}", forged.out);

    write("broken", &policy);
    let broken = saphan(folder.path(), ["witness", "check", "--policy", "broken", "b"]);
    assert_eq!(broken.code, 2);
    assert!(broken.err.contains("broken: line 3 of the policy"), "{}", broken.err);
    write("no-log", "quorum none\n");
    let no_log = saphan(folder.path(), ["witness", "check", "--policy", "no-log", "b"]);
    assert!(no_log.err.contains("no-log names no log"), "{}", no_log.err);
}
