//! Timestamps: one an interval, verified before it is kept; nothing waits for the authority.

use saphan_schemas::log::{SignedNote, Stamped};
use saphan_timestamps::Token;
use tempfile::TempDir;

use crate::harness::{Behaviour, FakeAuthority, Site, TestHub, captured, eventually};

/// A hub with an authority, which publishes its log.
struct Stage {
    hub: TestHub,
    authority: FakeAuthority,
    folder: TempDir,
}

impl Stage {
    async fn with(behaviour: Behaviour) -> Self {
        Self::waiting(PATIENT, behaviour).await
    }

    /// The hub waits so many seconds for an answer.
    async fn waiting(seconds: u32, behaviour: Behaviour) -> Self {
        let authority = FakeAuthority::start(behaviour).await;
        let folder = tempfile::tempdir().unwrap();
        let hub = TestHub::with(&settings(&authority, &folder, seconds)).await;
        authority.follow(&hub.clock);
        Self { hub, authority, folder }
    }

    /// The list, as it is served.
    async fn list(&self) -> Vec<Stamped> {
        self.list_at("/v1/log").await
    }

    /// The list of the log at this path.
    async fn list_at(&self, log: &str) -> Vec<Stamped> {
        let page = self.hub.get(&format!("{log}/timestamps/pages/0")).await;
        if page.status == 404 { Vec::new() } else { Stamped::parse_page(page.text().as_bytes()).unwrap() }
    }

    async fn until_there_are(&self, count: usize) -> Vec<Stamped> {
        eventually(async || self.list().await.len() >= count).await;
        let list = self.list().await;
        assert_eq!(list.len(), count);
        list
    }

    async fn until_metric(&self, line: &str) {
        eventually(async || self.hub.get("/metrics").await.text().lines().any(|found| found == line)).await;
    }

    /// How often the authority has failed in this way.
    async fn failures(&self, reason: &str) -> u64 {
        let name = format!("saphan_timestamp_failures_total{{reason=\"{reason}\"}} ");
        let metrics = self.hub.get("/metrics").await;
        metrics.text().lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
    }

    /// The text of the newest checkpoint, which is what its timestamp is over.
    async fn checkpoint_text(&self) -> String {
        let note: SignedNote = self.hub.get("/v1/log/checkpoint").await.text().parse().unwrap();
        note.text().to_owned()
    }
}

fn settings(authority: &FakeAuthority, folder: &TempDir, seconds: u32) -> String {
    format!(
        "[log]\npublish = \"{}\"\n[timestamps]\nurl = \"{}\"\nauthority = \"{}\"\ntimeout_seconds = {seconds}\n",
        folder.path().join("log").display(),
        authority.url,
        authority.pem().display(),
    )
}

const HOUR: u64 = 3600;
/// Each answer is made by a program that has to start first.
const PATIENT: u32 = 60;

#[tokio::test]
async fn the_newest_checkpoint_is_stamped_once_an_hour_as_long_as_the_log_grows() {
    let stage = Stage::with(Behaviour::Good).await;
    stage.until_there_are(1).await;
    stage.hub.accept(&stage.hub.world.message()).await;
    let (size, text) = (stage.hub.size(), stage.checkpoint_text().await);
    stage.hub.clock.advance(HOUR);
    let list = stage.until_there_are(2).await;
    assert_eq!(list[1].size, size);

    let served = stage.hub.get(&format!("/v1/log/timestamps/{size}")).await;
    assert_eq!((served.status, served.header("content-type")), (200, Some("application/cms")));
    let token = Token::parse(&served.body).unwrap();
    let proven = token.verify(text.as_bytes(), &stage.authority.trusted()).unwrap();
    assert_eq!(proven.time, list[1].time);
    for path in ["timestamps/1000000", "timestamps/pages/1", "timestamps/pages/18446744073709551615", "timestamps/x"] {
        assert_eq!(stage.hub.get(&format!("/v1/log/{path}")).await.status, 404, "{path}");
    }

    // The same beside the published log.
    let file = |name: String| std::fs::read(stage.folder.path().join("log/main").join(name)).unwrap_or_default();
    eventually(async || file(Stamped::page_path(0)) == Stamped::to_page(&list).into_bytes()).await;
    assert_eq!(file(Stamped::token_path(size)), served.body.as_slice());
    stage.until_metric(&format!("saphan_log_timestamped_size {size}")).await;

    // Nothing new, so nothing to stamp; a little later there is.
    let asked = stage.authority.asked();
    stage.hub.clock.advance(7 * HOUR);
    stage.until_metric(&format!("saphan_timestamp_age_seconds {}", 7 * HOUR)).await;
    stage.hub.accept(&stage.hub.world.message()).await;
    stage.until_there_are(3).await;
    stage.until_metric("saphan_timestamp_age_seconds 0").await;
    assert_eq!(stage.authority.asked(), asked + 1);
}

#[tokio::test]
async fn an_authority_that_fails_in_any_way_leaves_a_gap_and_nothing_else() {
    let stage = Stage::with(Behaviour::Fails(503)).await;
    eventually(async || stage.failures("status").await == 1).await;
    for (behaviour, reason) in [
        (Behaviour::Fails(503), "status"),
        (Behaviour::Fails(302), "status"),
        (Behaviour::WebPage, "malformed"),
        (Behaviour::Says(b""), "malformed"),
        (Behaviour::Endless, "malformed"),
        // PKIStatus 2, rejection.
        (Behaviour::Says(b"\x30\x05\x30\x03\x02\x01\x02"), "refused"),
        (Behaviour::OtherText, "other-timestamp"),
        (Behaviour::OtherRequest, "other-request"),
        (Behaviour::Foreign, "untrusted-timestamp"),
        (Behaviour::Wrong(-301), "other-time"),
        (Behaviour::Wrong(302), "other-time"),
    ] {
        let before = stage.failures(reason).await;
        stage.authority.behave(behaviour);
        stage.hub.accept(&stage.hub.world.message()).await;
        stage.hub.clock.advance(HOUR);
        eventually(async || stage.failures(reason).await == before + 1).await;
        assert_eq!(stage.list().await, [], "{behaviour:?}");
    }
    assert!(captured().contains("no timestamp on the checkpoint"));
    assert!(captured().contains("the authority's clock is wrong, or this machine's"));
    // As far as clocks may be apart.
    stage.authority.behave(Behaviour::Wrong(-300));
    stage.hub.clock.advance(HOUR);
    let list = stage.until_there_are(1).await;
    assert_eq!(list[0].size, stage.hub.size());
    // It is told once the token is kept.
    eventually(async || captured().contains("checkpoints are timestamped again")).await;
}

#[tokio::test]
async fn an_authority_that_does_not_answer_is_given_up_and_leaves_a_gap() {
    let stage = Stage::waiting(1, Behaviour::Silent).await;
    eventually(async || stage.failures("unreachable").await == 1).await;
    assert_eq!(stage.list().await, []);
}

#[tokio::test]
async fn a_failing_authority_is_asked_ever_more_rarely_and_told_of_once() {
    let stage = Stage::with(Behaviour::Fails(500)).await;
    let failed = async |times: u64| {
        stage.until_metric(&format!("saphan_timestamp_failures_total{{reason=\"status\"}} {times}")).await;
        assert_eq!(stage.authority.asked(), times);
    };
    failed(1).await;
    for (pause, times) in [(5, 2), (10, 3), (20, 4), (40, 5)] {
        stage.hub.clock.advance(pause);
        failed(times).await;
    }
}

#[tokio::test]
async fn a_hub_stops_at_once_though_its_authority_is_silent_and_goes_on_with_its_last_timestamp() {
    let stage = Stage::with(Behaviour::Good).await;
    let list = stage.until_there_are(1).await;
    stage.authority.behave(Behaviour::Silent);
    stage.hub.accept(&stage.hub.world.message()).await;
    stage.hub.clock.advance(HOUR);
    eventually(async || stage.authority.asked() == 2).await;
    let Stage { hub, authority, folder } = stage;
    let site = hub.stop().await;
    authority.behave(Behaviour::Good);
    let hub = site.start().await;
    hub.clock.advance(HOUR);
    let stage = Stage { hub, authority, folder };
    let more = stage.until_there_are(2).await;
    assert_eq!(more[0], list[0]);
}

#[tokio::test]
async fn a_late_token_on_the_end_of_a_closed_log_neither_raises_the_alarm_of_the_present_one_nor_silences_it() {
    let stage = Stage::with(Behaviour::Good).await;
    stage.until_there_are(1).await;
    stage.authority.behave(Behaviour::Fails(503));
    let Stage { hub, authority, folder } = stage;
    let stage = Stage { hub: hub.go_on_in("next").await, authority, folder };
    let failed = async |times: u64| {
        stage.until_metric(&format!("saphan_timestamp_failures_total{{reason=\"status\"}} {times}")).await
    };
    failed(1).await;
    stage.hub.clock.advance(2 * HOUR + 1);
    failed(2).await;
    // The alarm of the operator's guide.
    stage.until_metric("saphan_timestamp_age_seconds 7201").await;
    stage.until_metric("saphan_log_timestamped_size 0").await;

    // The present log gets its token, and the end of the one before none: that alarm is over.
    stage.authority.behave(Behaviour::GoodUntil(stage.authority.asked() + 1));
    stage.hub.clock.advance(10);
    failed(3).await;
    let size = stage.hub.size();
    let is_covered = format!("saphan_log_timestamped_size {size}");
    stage.until_metric(&is_covered).await;
    stage.until_metric("saphan_timestamp_age_seconds 0").await;
    assert_eq!((stage.list().await.len(), stage.list_at("/v1/logs/main").await.len()), (1, 1));

    // What comes for the end then says nothing of the present log.
    stage.authority.behave(Behaviour::Good);
    stage.hub.clock.advance(20);
    eventually(async || stage.list_at("/v1/logs/main").await.len() == 2).await;
    assert!(stage.list_at("/v1/logs/main").await[1].size > size);
    stage.until_metric(&is_covered).await;
    stage.until_metric("saphan_timestamp_age_seconds 20").await;
    let asked = stage.authority.asked();
    stage.hub.accept(&stage.hub.world.message()).await;
    stage.hub.clock.advance(HOUR - 20);
    assert_eq!(stage.until_there_are(2).await[1].size, stage.hub.size());
    assert_eq!(stage.authority.asked(), asked + 1, "its interval is its own");
}

#[tokio::test]
async fn what_cannot_be_an_authority_stops_the_start() {
    let authority = FakeAuthority::start(Behaviour::Good).await;
    let folder = tempfile::tempdir().unwrap();
    let with = |from: &str, to: &str| settings(&authority, &folder, PATIENT).replace(from, to);
    let nobody = folder.path().join("nobody.pem");
    std::fs::write(&nobody, "nobody").unwrap();
    let pem = authority.pem().display().to_string();
    for (settings, told) in [
        (with("http://", "ftp://"), "timestamps.url"),
        (with("http://", "http://u:p@"), "must not hold a user or a password"),
        (with(&pem, "/nowhere/ca.pem"), "timestamps.authority: /nowhere/ca.pem cannot be read"),
        (with(&pem, &nobody.display().to_string()), "there is no certificate in it"),
        (with("timeout", "policy = \"1.x\"\ntimeout"), "timestamps.policy"),
    ] {
        let refused = format!("{:#}", Site::new(&settings).try_open().await.err().unwrap());
        assert!(refused.contains(told), "{refused}");
        assert!(!refused.contains("u:p@"), "{refused}");
    }
}
