//! The page in a real browser. Pictures for the book are written into the folder that `SAPHAN_PICTURES` names.

use std::path::Path;

use tokio::time::Instant;

use super::browser::{Browser, PATIENCE, Tab};
use super::stage::{SERVICE, Stage};

const PHONE: (u32, u32) = (390, 844);
const DESKTOP: (u32, u32) = (1000, 720);

/// Says loudly when it cannot run; in CI that fails.
fn browser() -> Option<Browser> {
    let browser = Browser::start();
    if browser.is_none() {
        let missing = "no Chromium; install it with: apt-get install chromium-headless-shell";
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{missing}");
        eprintln!("NOT CHECKED: {missing}");
    }
    browser
}

async fn picture(tab: &Tab<'_>, name: &str) {
    if let Ok(folder) = std::env::var("SAPHAN_PICTURES") {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        tab.picture(&root.join(folder).join(format!("portal-{name}.png"))).await;
    }
}

/// Whatever page it is: all has a name, nothing sticks out, and the browser has nothing to complain about.
async fn is_sound(tab: &Tab<'_>) {
    assert_eq!(tab.nameless().await, Vec::<serde_json::Value>::new());
    tab.until("document.documentElement.scrollWidth <= window.innerWidth").await;
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

async fn sign_in(stage: &Stage, tab: &Tab<'_>, language: &str) {
    tab.open(&format!("{}/{language}/sign-in", stage.address)).await;
    is_sound(tab).await;
    tab.tab_to("input[name=person]").await;
    tab.press(" ").await;
    tab.tab_to("main button").await;
    tab.enter().await;
}

/// Fills in the form with the keyboard alone, and goes on to the review.
async fn fill_in(stage: &Stage, tab: &Tab<'_>, language: &str) {
    tab.open(&format!("{}/{language}/services/{SERVICE}", stage.address)).await;
    is_sound(tab).await;
    tab.tab_to("main a.button").await;
    tab.enter().await;
    tab.tab_to("[name='/licence_number']").await;
    tab.type_in("60012345").await;
    tab.tab_to("[name='/licence_type']").await;
    tab.press("ArrowDown").await;
    tab.tab_to("[name='/expires_on']").await;
    tab.type_in("12202026").await;
    tab.tab_to("[name='/fit_to_drive']").await;
    tab.press(" ").await;
    tab.tab_to("[name='/delivery']").await;
    tab.press("ArrowDown").await;
    tab.tab_to("main form > p button").await;
    is_sound(tab).await;
    tab.enter().await;
}

async fn submit(tab: &Tab<'_>) {
    tab.tab_to("[name=consent]").await;
    tab.press(" ").await;
    tab.tab_to("main form button").await;
    tab.enter().await;
    tab.until("location.pathname.includes('/cases/')").await;
}

#[tokio::test]
async fn a_person_applies_with_the_keyboard_alone_and_sees_live_what_happens() {
    let Some(browser) = browser() else { return };
    let stage = Stage::new().await;
    let tab = browser.tab(PHONE, true).await;
    tab.open(&format!("{}/th/", stage.address)).await;
    is_sound(&tab).await;
    picture(&tab, "services-phone-th").await;
    tab.press("Tab").await;
    assert_eq!(tab.eval("document.activeElement.getAttribute('href')").await, "#main", "first comes the skip link");
    sign_in(&stage, &tab, "th").await;
    fill_in(&stage, &tab, "th").await;
    is_sound(&tab).await;
    tab.eval("document.getElementById('consent').scrollIntoView({ block: 'center', behavior: 'instant' })").await;
    picture(&tab, "consent-phone-th").await;
    submit(&tab).await;
    tab.until("document.querySelectorAll('.steps > li').length === 3").await;
    is_sound(&tab).await;
    picture(&tab, "progress-phone-th").await;
    // What follows comes without the page being opened again.
    tab.eval("window.isTheSamePage = true").await;
    assert_eq!(tab.eval("document.getElementById('refresh')").await, serde_json::Value::Null);
    stage.gate.send_replace(true);
    tab.until("document.body.innerText.includes('ต่ออายุใบอนุญาตแล้ว')").await;
    tab.until("document.getElementById('status').textContent === 'ดำเนินการเสร็จสิ้น'").await;
    assert_eq!(tab.eval("window.isTheSamePage").await, true);
    assert_eq!(tab.eval("document.getElementById('status').getAttribute('role')").await, "status");
    tab.until("document.getElementById('open') === null").await;
    is_sound(&tab).await;
}

#[tokio::test]
async fn a_question_appears_while_the_page_is_watched() {
    let Some(browser) = browser() else { return };
    let stage = Stage::that_asks().await;
    let tab = browser.tab(PHONE, true).await;
    sign_in(&stage, &tab, "en").await;
    fill_in(&stage, &tab, "en").await;
    submit(&tab).await;
    stage.gate.send_replace(true);
    tab.until("document.querySelector('#live a.button') !== null").await;
    // Portal and hub hear of the question each for itself, and what has the focus goes when the page changes once more.
    tab.until(
        "document.getElementById('status').textContent === 'Please send the evidence or information that you are asked for.'",
    )
    .await;
    is_sound(&tab).await;
    tab.tab_to("#live a.button").await;
    tab.enter().await;
    is_sound(&tab).await;
    tab.tab_to("a[hreflang=th]").await;
    tab.enter().await;
    tab.tab_to("[name='document/photograph']").await;
    tab.press(" ").await;
    is_sound(&tab).await;
    picture(&tab, "question-phone-th").await;
    tab.tab_to("a[hreflang=en]").await;
    tab.enter().await;
    tab.tab_to("[name='answer/years']").await;
    tab.type_in("12").await;
    // Where a file is chosen is shown to those who send one.
    let shown = "document.querySelector('[type=file]').checkVisibility()";
    assert_eq!(tab.eval(shown).await, false);
    tab.tab_to("[name='document/photograph']").await;
    tab.press(" ").await;
    assert_eq!(tab.eval(shown).await, true);
    tab.tab_to("main form > p button").await;
    tab.enter().await;
    tab.until("document.querySelector('.summary a') !== null").await;
    is_sound(&tab).await;
    picture(&tab, "question-phone-en").await;
    tab.tab_to(".summary a").await;
    tab.press("Enter").await;
    tab.until("document.activeElement.matches('[type=file][aria-invalid=true]')").await;
    let folder = tempfile::TempDir::new().unwrap();
    let photograph = folder.path().join("photograph.png");
    std::fs::write(&photograph, b"\x89PNG\r\n\x1a\n of a person").unwrap();
    tab.choose("[type=file]", &photograph).await;
    tab.tab_to("main form > p button").await;
    tab.enter().await;
    tab.until("document.body.innerText.includes('Your licence is renewed.')").await;
    let cited = stage.cited.borrow().clone();
    assert_eq!(stage.read(&cited[0]).await, std::fs::read(photograph).unwrap());
}

#[tokio::test]
async fn without_scripts_the_same_is_there_when_the_page_is_opened_again() {
    let Some(browser) = browser() else { return };
    let stage = Stage::new().await;
    let tab = browser.tab(DESKTOP, false).await;
    tab.without_scripts().await;
    tab.open(&format!("{}/en/", stage.address)).await;
    picture(&tab, "services-desktop-en").await;
    sign_in(&stage, &tab, "en").await;
    fill_in(&stage, &tab, "en").await;
    is_sound(&tab).await;
    picture(&tab, "review-desktop-en").await;
    submit(&tab).await;
    is_sound(&tab).await;
    stage.gate.send_replace(true);
    let text = "document.body.innerText.includes('Your licence is renewed.')";
    let deadline = Instant::now() + PATIENCE;
    while tab.eval(text).await != true {
        assert!(Instant::now() < deadline, "never decided");
        tab.tab_to("#refresh a").await;
        tab.enter().await;
    }
    picture(&tab, "decided-desktop-en").await;
    tab.open(&format!("{}/en/trace", stage.address)).await;
    is_sound(&tab).await;
    picture(&tab, "trace-desktop-en").await;
}

#[tokio::test]
async fn what_is_wrong_is_shown_where_it_is_on_a_phone_too() {
    let Some(browser) = browser() else { return };
    let stage = Stage::new().await;
    let tab = browser.tab(PHONE, true).await;
    sign_in(&stage, &tab, "en").await;
    tab.open(&format!("{}/en/services/th.dcy.child-support-grant/apply", stage.address)).await;
    is_sound(&tab).await;
    // What is not chosen is not in the way.
    assert_eq!(tab.eval("[...document.querySelectorAll('.details')].every(e => !e.checkVisibility())").await, true);
    tab.tab_to("[name='/receive_by']").await;
    tab.press(" ").await;
    assert_eq!(tab.eval("[...document.querySelectorAll('.details')].filter(e => e.checkVisibility()).length").await, 1);
    tab.tab_to("main form > p button").await;
    tab.enter().await;
    tab.until("document.querySelector('.summary a') !== null").await;
    is_sound(&tab).await;
    picture(&tab, "errors-phone-en").await;
    tab.tab_to(".summary a").await;
    tab.press("Enter").await;
    let target = "document.activeElement.getAttribute('aria-invalid') === 'true'";
    tab.until(target).await;
}
