//! What the programs write for people to read holds nothing that must stay secret: no key, token, invitation or password, and
//! nothing about any applicant. Everything is logged that can be, things go wrong, and then all of it is searched.

mod desk;
mod needles;
mod stage;

use saphan_conformance::world::bodies;
use saphan_examples::agencies::licences;
use saphan_examples::portal;
use serde_json::Value;

use self::desk::Desk;
use self::needles::{LEAST, Needles};
use self::stage::Stage;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_log_and_no_output_of_an_exchange_by_pulling_holds_a_secret_or_a_person() {
    play(Stage::pulling().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_log_and_no_output_of_an_exchange_through_rabbitmq_holds_a_secret_or_a_person() {
    play(Stage::with_rabbitmq().await).await;
}

async fn play(mut stage: Stage) {
    let licensing = stage.join(licences::MANDATE.system).await;
    let portal = stage.join(portal::SYSTEM).await;
    let bodies = applications();
    let (desk, url) = Desk::open().await;
    let listening = stage.listen(&licensing, &url).await;
    for body in &bodies[..3] {
        assert_eq!(stage.send(&portal, body).await, 0, "{}", stage.last());
    }
    desk.until_it_saw(3).await;

    stage.refusals(&portal, &bodies[3]).await;
    stage.trouble_at_the_broker(licences::MANDATE.system).await;
    assert_eq!(stage.send(&portal, &bodies[3]).await, 0, "{}", stage.last());
    desk.until_it_saw(4).await;
    listening.stop(&mut stage).await;
    stage.everything_else(&portal, &licensing).await;
    stage.stop().await;

    let mut needles = Needles::default();
    for body in &bodies {
        needles.body(body);
        let number = number_of(body);
        assert!(needles.find_in(&number).is_some(), "{number}");
        assert!(desk.saw(body), "it went all the way");
    }
    stage.secrets(&mut needles, &[&portal, &licensing]).await;
    assert!(needles.len() > 100, "{}", needles.len());
    for (name, text) in stage.texts() {
        assert!(!text.is_empty(), "{name} is empty");
        if let Some((what, at)) = needles.find_in(text) {
            panic!("{name} holds {what} at byte {at}");
        }
    }
    // All was written that could be: it was not the level that kept the secrets.
    stage.was_talkative();
}

/// Of a foreigner and of three citizens, whose names are long enough to be looked for.
fn applications() -> [Vec<u8>; 4] {
    let (citizens, foreigners): (Vec<_>, Vec<_>) =
        bodies(16).unwrap().into_iter().partition(|body| number_of(body).starts_with('1'));
    let chosen: Vec<_> = foreigners.into_iter().take(1).chain(citizens.into_iter().take(3)).collect();
    let chosen: Vec<_> = chosen.iter().map(|body| with_long_names(body)).collect();
    chosen.try_into().unwrap()
}

/// The body with more letters in the names that are too short: as they are, base64 might hold them by chance.
fn with_long_names(body: &[u8]) -> Vec<u8> {
    let parsed: Value = serde_json::from_slice(body).unwrap();
    let mut text = String::from_utf8(body.to_vec()).unwrap();
    for member in ["/name/first", "/name/last", "/latin_name/first", "/latin_name/last"] {
        let name = parsed["applicant"].pointer(member).and_then(Value::as_str);
        if let Some(name) = name.filter(|name| name.len() < LEAST) {
            text = text.replace(&format!("\"{name}\""), &format!("\"{name}anachai\""));
        }
    }
    text.into_bytes()
}

/// The applicant's national ID or passport number.
fn number_of(body: &[u8]) -> String {
    let parsed: Value = serde_json::from_slice(body).unwrap();
    let applicant = &parsed["applicant"];
    let number = applicant["national_id"].as_str().or(applicant["passport_number"].as_str());
    number.unwrap().to_owned()
}
