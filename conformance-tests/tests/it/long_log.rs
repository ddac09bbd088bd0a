//! Logs that were made for the benchmark are logs like others.

use saphan_cli::log_check::{FolderLog, HttpLog, check};
use saphan_conformance::long_log::{Begun, PublishedLog, grow_store};
use saphan_conformance::programs;
use saphan_conformance::world::{World, bodies};
use saphan_examples::local::hub::HubProgram;
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_made_holds_and_a_hub_goes_on_with_it() {
    let program = HubProgram::saphan_hub(programs::saphan_hub().unwrap());
    let mut world = World::start(program, None).await.unwrap();
    world.stop().await.unwrap();
    let begun = Begun::of(&world).await.unwrap();

    let folder = TempDir::new().unwrap();
    let mut log = PublishedLog::new(&begun, folder.path()).unwrap();
    for entries in [600, 1000] {
        log.grow_to(entries).unwrap();
        let report = check(&FolderLog::new(folder.path()), log.vkey(), &()).await.unwrap();
        assert_eq!((report.size, report.leaves.processed), (log.size(), report.leaves.messages));
        assert!((entries..entries + 65).contains(&report.size), "{entries}: {}", report.size);
    }

    let grown = grow_store(&world.store_file(), &begun, 70_000).await.unwrap();
    world.hub.restart().await.unwrap();
    let sender = world.connector(&world.sender().unwrap()).unwrap().build().await.unwrap();
    let body = bodies(1).unwrap().remove(0);
    sender.send(world.message(body).unwrap()).await.unwrap();
    let report = check(&HttpLog::new(world.hub.address()).unwrap(), &world.trust.log, &()).await.unwrap();
    assert_eq!((report.size, report.leaves.erasures + 1), (grown + 1, report.leaves.messages));
    world.stop().await.unwrap();
}
