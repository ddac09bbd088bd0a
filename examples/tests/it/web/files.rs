//! Files that people send.

use saphan_schemas::message_types::{Answer, InformationSupplied};

use super::application::{apply, fill_in};
use super::client::{Chosen, Client, Page, parts, texts};
use super::fake_clamd::FakeClamd;
use super::stage::Stage;

const INPUT: &str = "file/photograph";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR a photograph\r\n--not the end\r\n";
const MEGABYTE: usize = 1 << 20;

/// A form with a question that wants a file.
struct Asked {
    client: Client,
    case: String,
    path: String,
    question: String,
}

impl Asked {
    async fn on(stage: &Stage) -> Self {
        stage.gate.send_replace(true);
        let client = stage.signed_in(0).await;
        let case = apply(&client).await;
        client.until(&case, "We need to know more.").await;
        let path = format!("{case}/questions");
        let page = client.get(&path).await;
        page.markup().check("en");
        page.has("enctype=\"multipart/form-data\"");
        page.has("PDF, PNG or JPEG, at most 20 MB");
        let question = page.markup().value_of("question").unwrap().to_owned();
        Self { client, case, path, question }
    }

    /// Answers with a file, or with the one that is there.
    async fn answer(&self, years: &str, file: Option<&[u8]>) -> Page {
        // Where no file is chosen, browsers send an empty one without a name.
        let (called, bytes) = file.map_or(("", &b""[..]), |bytes| ("ข้าพเจ้า.pdf", bytes));
        let pairs = [("question", self.question.as_str()), ("answer/years", years), ("document/photograph", "file")];
        self.client.post_files(&self.path, &pairs, &[Chosen { input: INPUT, called, bytes }]).await
    }

    #[track_caller]
    fn is_sent(&self, page: &Page) {
        assert_eq!((page.status, &page.location), (303, &self.case), "{}", page.text);
    }

    async fn is_decided(&self) {
        self.client.until(&self.case, "Your licence is renewed.").await;
    }
}

/// The page says this at the input for the file, links to it, and lost nothing.
#[track_caller]
fn says_at_the_field(page: &Page, text: &str) {
    assert_eq!(page.status, 200);
    page.markup().check(if page.text.contains("lang=\"en\"><head>") { "en" } else { "th" });
    page.has(text);
    let input = page.markup().tags().find(|tag| tag.attribute("name") == Some(INPUT)).unwrap();
    assert_eq!(input.attribute("aria-invalid"), Some("true"));
    let id = input.attribute("id").unwrap();
    assert!(input.attribute("aria-describedby").unwrap().contains(&format!("{id}-error")));
    page.has(&format!("id=\"{id}-error\""));
    page.has(&format!("href=\"#{id}\""));
    page.has("value=\"file\" checked");
    assert_eq!(page.markup().value_of("answer/years"), Some("12"));
}

/// The one answer that the authority got has the document that it can read, and no more.
async fn is_the_answer(stage: &Stage, media_type: &str, bytes: &[u8]) {
    let supplied: Vec<InformationSupplied> = stage.supplied.borrow().clone();
    let cited = stage.cited.borrow().clone();
    let ([supplied], [cited]) = (&supplied[..], &cited[..]) else { panic!("{supplied:?} {cited:?}") };
    let documents = supplied.answers.iter().filter_map(|answer| match answer {
        Answer::Document { item, document } => Some((item.as_str(), document)),
        _ => None,
    });
    let documents: Vec<_> = documents.collect();
    let [("photograph", document)] = documents[..] else { panic!("{documents:?}") };
    assert_eq!((document.commit, document.len, &document.title), (cited.commit, bytes.len() as u64, &None));
    assert_eq!((document.media_type.as_str(), cited.media_type.as_str()), (media_type, media_type));
    assert_eq!(stage.read(cited).await, bytes);
}

#[tokio::test]
async fn a_document_that_is_asked_for_goes_with_the_answer_and_the_authority_reads_exactly_its_bytes() {
    let stage = Stage::that_asks().await;
    let asked = Asked::on(&stage).await;
    // Its name and its type are others than the browser says.
    let photograph = [PNG, &vec![0x5a; 3 * MEGABYTE]].concat();
    asked.is_sent(&asked.answer("12", Some(&photograph)).await);
    asked.is_decided().await;
    is_the_answer(&stage, "image/png", &photograph).await;
    assert_eq!(asked.client.get(&asked.path).await.location, asked.case, "there is nothing left to answer");
    assert!(!stage.stop().await.contains("ข้าพเจ้า"), "what a person calls a file is in no log");
}

#[tokio::test]
async fn a_file_that_does_not_do_is_refused_at_its_field_and_nothing_is_sent() {
    let stage = Stage::that_asks().await;
    let asked = Asked::on(&stage).await;
    let too_large = [&b"%PDF-1.7"[..], &vec![b' '; 20 * MEGABYTE]].concat();
    says_at_the_field(&asked.answer("12", None).await, "Please choose a file.");
    says_at_the_field(&asked.answer("12", Some(b"")).await, "The file is empty.");
    says_at_the_field(&asked.answer("12", Some(b"MZ\x90\0\x03\0\0\0")).await, "neither a PDF nor a PNG or JPEG");
    says_at_the_field(&asked.answer("12", Some(b"%PD")).await, "neither a PDF nor a PNG or JPEG");
    says_at_the_field(&asked.answer("12", Some(&too_large)).await, "Please choose one of at most 20 MB.");
    let thai = Asked { path: asked.path.replace("/en/", "/th/"), ..asked };
    says_at_the_field(&thai.answer("12", Some(&too_large)).await, "ไฟล์ใหญ่เกินไป");
    says_at_the_field(&thai.answer("12", Some(b"GIF89a\x01\0\x01\0")).await, "ไฟล์นี้ไม่ใช่ PDF, PNG หรือ JPEG");
    let largest = &too_large[..20 * MEGABYTE];
    let sent = thai.answer("12", Some(largest)).await;
    assert_eq!(sent.status, 303, "{}", sent.text);
    thai.is_decided().await;
    is_the_answer(&stage, "application/pdf", largest).await;
}

#[tokio::test]
async fn a_form_with_files_that_does_not_come_from_the_session_stores_nothing() {
    let stage = Stage::that_asks().await;
    let (asked, other) = (Asked::on(&stage).await, stage.signed_in(1).await);
    other.get("/en/cases").await;
    let pairs = [("question", asked.question.as_str()), ("answer/years", "many"), ("document/photograph", "file")];
    let (form, file) = (texts(&pairs), parts(&[Chosen { input: INPUT, called: "a.png", bytes: PNG }]));
    let (own, foreign) = (texts(&[("csrf", &asked.client.csrf())]), texts(&[("csrf", &other.csrf())]));
    let nothing = texts(&[("csrf", "")]);
    for parts in [[&form, &file, &nothing], [&nothing, &form, &file], [&foreign, &form, &file], [&form, &file, &own]] {
        let refused = asked.client.post_parts(&asked.path, parts.map(|part| &part[..]).concat()).await;
        assert_eq!(refused.status, 403);
        refused.has("Nothing was done.");
    }
    assert_eq!(other.post_files(&asked.path, &pairs, &[]).await.status, 404, "a question is its applicant's alone");
    let unreadable = [&own[..], b"--but no part"].concat();
    assert_eq!(asked.client.post_parts(&asked.path, unreadable).await.status, 400);
    let endless = [&own[..], &texts(&[("answer/years", &"1".repeat(3 * MEGABYTE))])].concat();
    assert_eq!(asked.client.post_parts(&asked.path, endless).await.status, 400);
    assert!(!asked.client.get(&asked.path).await.text.contains("Your file is here"));
    // The same with the token in its place is kept.
    let kept = asked.client.post_parts(&asked.path, [own, form, file].concat()).await;
    kept.has("Your file is here");
    assert!(stage.supplied.borrow().is_empty());
}

#[tokio::test]
async fn a_file_waits_while_the_rest_of_the_form_is_mended_until_its_owner_leaves() {
    let stage = Stage::that_asks().await;
    let asked = Asked::on(&stage).await;
    let first = asked.answer("many", Some(PNG)).await;
    first.markup().check("en");
    first.has("href=\"#answer-years\"");
    first.has("(PNG, 1 kB)");
    asked.client.get(&asked.path).await.has("(PNG, 1 kB)");
    asked.client.post("/en/sign-out", &[]).await;
    let back = Asked { client: stage.signed_in(0).await, ..asked };
    assert!(!back.client.get(&back.path).await.text.contains("Your file is here"));
    let pdf = b"%PDF-1.7 a scan";
    back.answer("many", Some(PNG)).await.has("(PNG, 1 kB)");
    back.answer("many", Some(pdf)).await.has("(PDF, 1 kB)");
    back.is_sent(&back.answer("12", None).await);
    back.is_decided().await;
    is_the_answer(&stage, "application/pdf", pdf).await;
}

#[tokio::test]
async fn who_prefers_the_office_sends_no_file_even_if_one_was_chosen() {
    let stage = Stage::that_asks().await;
    let asked = Asked::on(&stage).await;
    asked.answer("many", Some(PNG)).await.has("Your file is here");
    let pairs = [("question", asked.question.as_str()), ("answer/years", "12"), ("document/photograph", "counter")];
    let files = [Chosen { input: INPUT, called: "a.exe", bytes: b"MZ\x90\0\x03\0\0\0" }];
    asked.is_sent(&asked.client.post_files(&asked.path, &pairs, &files).await);
    asked.is_decided().await;
    assert!(stage.cited.borrow().is_empty());
}

#[tokio::test]
async fn a_double_click_sends_one_answer_with_one_file() {
    let stage = Stage::that_asks().await;
    let asked = Asked::on(&stage).await;
    let (first, second) = tokio::join!(asked.answer("12", Some(PNG)), asked.answer("12", Some(PNG)));
    asked.is_sent(&first);
    asked.is_sent(&second);
    asked.is_decided().await;
    is_the_answer(&stage, "image/png", PNG).await;
}

#[tokio::test]
async fn what_the_scanner_finds_is_said_at_the_field_and_another_file_goes() {
    let scanner = FakeClamd::start(b"a virus", MEGABYTE).await;
    let stage = Stage::that_asks_and_scans(scanner.address).await;
    let asked = Asked::on(&stage).await;
    let infected = asked.answer("12", Some(&[PNG, b"a virus"].concat())).await;
    says_at_the_field(&infected, "A virus was found in the file");
    assert!(!infected.text.contains("Your file is here"));
    asked.is_sent(&asked.answer("12", Some(PNG)).await);
    asked.is_decided().await;
    is_the_answer(&stage, "image/png", PNG).await;
}

#[tokio::test]
async fn while_the_hub_is_down_nothing_is_sent_and_the_file_waits() {
    let mut stage = Stage::that_asks().await;
    let asked = Asked::on(&stage).await;
    stage.lose_hub().await;
    let unreachable = asked.answer("12", Some(PNG)).await;
    says_at_the_field(&unreachable, "The exchange is not reached. Nothing was sent.");
    unreachable.has("Your file is here");
    stage.restart_hub().await;
    assert!(stage.supplied.borrow().is_empty());
    asked.is_sent(&asked.answer("12", None).await);
    asked.is_decided().await;
    is_the_answer(&stage, "image/png", PNG).await;
}

#[tokio::test]
async fn a_document_that_the_hub_asks_for_goes_with_the_complete_case() {
    let stage = Stage::new().await;
    let client = stage.signed_in(0).await;
    let case = apply(&client).await;
    client.until(&case, "Being asked for").await;
    client.post(&format!("{case}/consent"), &[]).await;
    client.until(&case, "summary").await;
    let path = format!("{case}/questions");
    let page = client.get(&path).await;
    page.markup().check("en");
    let input = page.markup().tags().find(|tag| tag.attribute("type") == Some("file")).unwrap();
    let (input, question) = (input.attribute("name").unwrap(), page.markup().value_of("question").unwrap());
    let files = [Chosen { input, called: "certificate.png", bytes: PNG }];
    let sent = client.post_files(&path, &[("question", question)], &files).await;
    assert_eq!(sent.status, 303, "{}", sent.text);
    stage.gate.send_replace(true);
    client.until(&case, "Your licence is renewed.").await;
    let cited = stage.cited.borrow().clone();
    assert_eq!(cited.len(), 1);
    assert_eq!(stage.read(&cited[0]).await, PNG);
}

#[tokio::test]
async fn who_says_no_to_the_consent_sends_the_papers_here_instead() {
    let stage = Stage::new().await;
    stage.gate.send_replace(true);
    let client = stage.signed_in(0).await;
    let review = fill_in(&client).await;
    client.get(&review).await;
    let no = client.post(&review, &[("consent", "no")]).await;
    no.markup().check("en");
    no.has("or send it here as files");
    let input = no.markup().tags().find(|tag| tag.attribute("type") == Some("file")).unwrap();
    let (input, id) = (input.attribute("name").unwrap(), input.attribute("id").unwrap());
    let path = format!("{review}/papers");
    let send = async |called, bytes| client.post_files(&path, &[], &[Chosen { input, called, bytes }]).await;
    for (called, bytes, text) in [
        ("", &b""[..], "Please choose a file."),
        ("a.pdf", b"", "The file is empty."),
        ("a.pdf", b"PK\x03\x04\x14\0\0\0", "neither a PDF nor a PNG or JPEG"),
    ] {
        let wrong = send(called, bytes).await;
        wrong.markup().check("en");
        wrong.has(text);
        wrong.has(&format!("href=\"#{id}\""));
        assert!(wrong.markup().tags().any(|tag| tag.attribute("aria-invalid") == Some("true")));
    }
    client.get(&path.replace("/en/", "/th/")).await.markup().check("th");
    client.get("/en/cases").await.has("There are none yet.");
    let (first, second) = tokio::join!(send("a.pdf", PNG), send("a.pdf", PNG));
    assert_eq!((first.status, &first.location), (303, &second.location), "{}", first.text);
    assert_eq!(client.get(&path).await.location, first.location);
    let done = client.until(&first.location, "Your licence is renewed.").await;
    done.has("You have sent it");
    assert_eq!(*stage.complete.borrow(), 1);
    let cited = stage.cited.borrow().clone();
    assert_eq!(cited.len(), 1);
    assert_eq!(stage.read(&cited[0]).await, PNG);
    assert!(!client.get("/en/trace").await.text.contains("Consent given"));
}
