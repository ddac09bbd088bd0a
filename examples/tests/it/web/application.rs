//! From the form to the decision.

use saphan_schemas::message_types::{Applicant, Subject};

use super::client::{Client, Page};
use super::stage::{SERVICE, Stage};

pub(crate) const FORM: &[(&str, &str)] = &[
    ("/licence_number", "60012345"),
    ("/licence_type", "PRIVATE_CAR"),
    ("/expires_on", "2026-12-20"),
    ("/fit_to_drive", "yes"),
    ("/delivery", "OFFICE"),
];

/// Fills in the form; answers the path of the review.
pub(super) async fn fill_in(client: &Client) -> String {
    let path = format!("/en/services/{SERVICE}/apply");
    let form = client.get(&path).await;
    let id = form.markup().value_of("application").unwrap().to_owned();
    let pairs: Vec<_> = FORM.iter().copied().chain([("application", id.as_str())]).collect();
    let filled = client.post(&path, &pairs).await;
    assert_eq!((filled.status, &filled.location), (303, &format!("/en/applications/{id}")), "{}", filled.text);
    filled.location
}

/// Applies, and consents; answers the path of the case.
pub(super) async fn apply(client: &Client) -> String {
    let review = fill_in(client).await;
    client.get(&review).await;
    let sent = client.post(&review, &[("consent", "yes")]).await;
    assert_eq!(sent.status, 303, "{}", sent.text);
    sent.location
}

fn names(page: &Page) -> usize {
    page.markup().named("dt").count()
}

#[tokio::test]
async fn a_person_applies_consents_watches_and_is_told_the_decision() {
    let stage = Stage::new().await;
    let client = stage.signed_in(0).await;
    let review = fill_in(&client).await;
    let page = client.get(&review).await;
    page.markup().check("en");
    for part in ["60012345", "Private car", "Do you consent?", "Department of Land Transport", "I can take this back"] {
        page.has(part);
    }
    let unanswered = client.post(&review, &[]).await;
    unanswered.markup().check("en");
    unanswered.has("Please say whether you consent.");
    let case = client.post(&review, &[("consent", "yes")]).await.location;
    let open = client.until(&case, "Being asked for").await;
    open.markup().check("en");
    for part in ["Withdraw the application", "Take back my consent", "id=\"live\"", "role=\"status\"", "Refresh"] {
        open.has(part);
    }
    stage.gate.send_replace(true);
    let done = client.until(&case, "Your licence is renewed.").await;
    done.markup().check("en");
    assert_eq!(done.text.matches("Received; you need not hand it in").count(), 3);
    let done = client.until(&case.replace("/en/", "/th/"), "ต่ออายุใบอนุญาตแล้ว").await;
    done.markup().check("th");
    assert!(!done.text.contains("ถอนคำขอ") && !done.text.contains("progress.js"));
    client.get("/en/cases").await.has("Renewal of a driving licence");
}

#[tokio::test]
async fn a_double_click_submits_once() {
    let stage = Stage::new().await;
    stage.gate.send_replace(true);
    let client = stage.signed_in(0).await;
    let review = fill_in(&client).await;
    client.get(&review).await;
    let consent = [("consent", "yes")];
    let (first, second) = tokio::join!(client.post(&review, &consent), client.post(&review, &consent));
    assert_eq!((first.status, &first.location), (303, &second.location));
    assert_eq!(client.get(&review).await.location, first.location, "a review of what was sent leads to its case");
    client.until(&first.location, "Your licence is renewed.").await;
    assert_eq!(*stage.complete.borrow(), 1);
    assert_eq!(client.get("/en/cases").await.markup().named("li").count(), 5, "four of the menu, and one case");
}

#[tokio::test]
async fn who_says_no_is_told_what_to_hand_in_and_nothing_is_sent() {
    let stage = Stage::new().await;
    let client = stage.signed_in(0).await;
    let review = fill_in(&client).await;
    client.get(&review).await;
    let no = client.post(&review, &[("consent", "no")]).await;
    no.markup().check("en");
    for part in ["You did not consent", "Fitness to drive", "Department of Land Transport"] {
        no.has(part);
    }
    client.get("/en/cases").await.has("There are none yet.");
    client.get("/en/trace").await.has("Nobody has used your data.");
}

#[tokio::test]
async fn the_trace_shows_a_person_their_own_data_and_nobody_elses_and_numbers_are_in_no_url_or_log() {
    let stage = Stage::new().await;
    stage.gate.send_replace(true);
    let (mine, other) = (stage.signed_in(0).await, stage.signed_in(1).await);
    let case = apply(&mine).await;
    mine.until(&case, "Your licence is renewed.").await;
    let trace = mine.get("/en/trace").await;
    trace.markup().check("en");
    for part in [
        "Evidence asked for: Medical certificate",
        "Consent given",
        "You consented",
        "Ministry of Public Health",
        "to decide on the renewal of your driving licence",
        "Motor Vehicle Act BE 2522 s.42",
    ] {
        trace.has(part);
    }
    assert!(names(&trace) > 30);
    other.get("/en/trace").await.has("Nobody has used your data.");
    assert_eq!(other.get(&case).await.status, 404, "cases are their applicant's alone");
    assert_eq!(other.get(&format!("{case}/events")).await.status, 404);
    let number = number_of_the_first();
    assert!(!case.contains(&number) && !trace.text.contains(&number));
    let log = stage.stop().await;
    assert!(!log.contains(&number));
}

fn number_of_the_first() -> String {
    let mut applicants = saphan_examples::applicants::Applicants::new(42);
    match Applicant::Citizen(applicants.citizen().unwrap()).subject() {
        Subject::Citizen { national_id } => national_id.as_str().to_owned(),
        _ => unreachable!(),
    }
}

#[tokio::test]
async fn an_open_application_is_withdrawn_and_its_consent_taken_back() {
    let stage = Stage::new().await;
    let client = stage.signed_in(0).await;
    let case = apply(&client).await;
    client.until(&case, "Being asked for").await;
    assert_eq!(client.post(&format!("{case}/consent"), &[]).await.status, 303);
    let asked = client.until(&case, "You are asked for it").await;
    asked.has("Please answer by");
    assert!(!asked.text.contains("Take back my consent"));
    client.until(&case, "summary").await;
    let questions = client.get(&format!("{case}/questions")).await;
    questions.markup().check("en");
    client.get("/en/cases").await.has("You are asked something");
    questions.has("I will hand it in at the office");
    questions.has("If you do not answer by that day");
    let question = questions.markup().value_of("question").unwrap().to_owned();
    assert_eq!(client.post(&format!("{case}/withdraw"), &[("reason", "mistake")]).await.status, 303);
    let gone = client.until(&case, "You have withdrawn the application.").await;
    gone.markup().check("en");
    // Nobody waits for the answer any more.
    assert!(!client.get("/en/cases").await.text.contains("You are asked something"));
    assert!(!gone.text.contains("/questions"), "{}", gone.text);
    assert_eq!(client.get(&format!("{case}/questions")).await.status, 303);
    let answer = [("question", question.as_str()), ("document/medical-certificate", "counter")];
    assert_eq!(client.post(&format!("{case}/questions"), &answer).await.status, 409);
    let late = client.post(&format!("{case}/withdraw"), &[]).await;
    assert_eq!(late.status, 409);
}

#[tokio::test]
async fn a_question_of_the_authority_is_answered_on_the_page() {
    let stage = Stage::that_asks().await;
    stage.gate.send_replace(true);
    let client = stage.signed_in(0).await;
    let case = apply(&client).await;
    client.until(&case, "We need to know more.").await;
    let path = format!("{case}/questions");
    let page = client.get(&path).await;
    page.markup().check("en");
    let question = page.markup().value_of("question").unwrap().to_owned();
    let wrong = client.post(&path, &[("question", &question), ("answer/years", "many")]).await;
    wrong.markup().check("en");
    wrong.has("href=\"#answer-years\"");
    wrong.has("href=\"#answer-photograph\"");
    let answers = [("question", question.as_str()), ("answer/years", "12"), ("document/photograph", "counter")];
    assert_eq!(client.post(&path, &answers).await.status, 303);
    client.until(&case, "Your licence is renewed.").await;
}
