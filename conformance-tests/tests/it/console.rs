//! The auditors' pages in a real browser that runs no script, over a case that real agencies decided. Pictures for the book are
//! written into the folder that `SAPHAN_PICTURES` names.

use std::path::Path;

use saphan_examples::procedures::Procedures;
use saphan_schemas::registry::TransportKind;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::agency::done;
use crate::auditing::admitted;
use crate::browser::{Browser, Tab};
use crate::procedures::Stage;
use crate::publication::abandoned::rename_log;

/// The words of a language that this test looks for.
struct Words {
    code: &'static str,
    other: &'static str,
    nothing: &'static str,
    acknowledged: &'static str,
    wrong: &'static str,
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_searches_follows_a_case_and_exports_in_a_browser_and_the_export_is_proven() {
    let Some(browser) = browser() else { return };
    let procedures = Procedures::new(4).unwrap();
    let mut stage = Stage::start(TransportKind::Pull, None, &procedures).await;
    for application in &procedures.first {
        stage.carry_out(application).await;
    }
    let auditor = admitted(&stage.hub).await;
    let trust = saphan_connector::trust::fetch(stage.hub.address()).await.unwrap().trust();
    std::fs::write(auditor.path().join("vkey"), format!("{}\n", trust.log)).unwrap();
    for (size, is_phone, words) in [(DESKTOP, false, &ENGLISH), (PHONE, true, &THAI)] {
        let tab = browser.tab(size, is_phone).await;
        tab.without_scripts().await;
        audit(&tab, stage.hub.url(), auditor.path(), words).await;
    }
    stage.hub.stop().await.unwrap();
    rename_log(&stage.hub, trust.log.name().rsplit_once('/').unwrap().1, "next");
    stage.hub.operate(&["shard", "open"]).await.unwrap();
    stage.hub.restart().await.unwrap();
    for (size, is_phone, words) in [(PHONE, true, &ENGLISH), (DESKTOP, false, &THAI)] {
        let tab = browser.tab(size, is_phone).await;
        tab.without_scripts().await;
        take_from_the_earlier_log(&tab, stage.hub.url(), auditor.path(), words).await;
    }
    stage.stop().await;
}

async fn sign_in(tab: &Tab<'_>, hub: &str, folder: &Path, words: &Words) {
    tab.open(&format!("{hub}/console/{}", words.code)).await;
    is_sound(tab).await;
    picture(tab, words, "sign-in").await;
    let told = done(folder, &["audit", "sign-in"]).await;
    assert_eq!(told["page"], format!("{hub}/console"));
    tab.tab_to("#token").await;
    tab.type_in(told["token"].as_str().unwrap()).await;
    tab.tab_to("main form button").await;
    tab.enter().await;
    shows(tab, "th.oag/audit").await;
    is_sound(tab).await;
}

/// Exports what was found in the log that has ended, which is not the one that is chosen.
async fn take_from_the_earlier_log(tab: &Tab<'_>, hub: &str, folder: &Path, words: &Words) {
    sign_in(tab, hub, folder, words).await;
    tab.tab_to("#field-type").await;
    tab.type_in("application.decided").await;
    go(tab, "main form.panel p.actions button").await;
    tab.until("document.querySelectorAll('tbody tr').length === 4").await;
    is_sound(tab).await;
    tab.tab_to("#field-log").await;
    let chosen = "document.querySelector('#field-log').value";
    assert!(tab.eval(chosen).await.as_str().unwrap().ends_with("/next"));
    tab.press("ArrowDown").await;
    tab.until(&format!("!{chosen}.endsWith('/next')")).await;
    picture(tab, words, "export").await;
    downloads(tab, folder).await;
}

async fn audit(tab: &Tab<'_>, hub: &str, folder: &Path, words: &Words) {
    sign_in(tab, hub, folder, words).await;

    // Everything that citizens' applications caused.
    go(tab, "main form.panel p.actions button").await;
    tab.until("document.querySelectorAll('tbody tr').length === 50").await;
    is_sound(tab).await;
    let newest = tab.eval("document.querySelector('tbody th').textContent").await;
    go(tab, "button[name=before]").await;
    assert_ne!(tab.eval("document.querySelector('tbody th').textContent").await, newest);
    is_sound(tab).await;

    // Messages alone: a case, a message of it, and back.
    tab.open(&format!("{hub}/console/{}", words.code)).await;
    tab.tab_to("#field-type").await;
    tab.type_in("application.decided").await;
    go(tab, "main form.panel p.actions button").await;
    tab.until("document.querySelectorAll('tbody tr').length === 4").await;
    picture(tab, words, "search").await;
    downloads(tab, folder).await;
    go(tab, "button[name=show]").await;
    is_sound(tab).await;
    let drawn = "document.querySelectorAll('svg .label').length";
    let arrows = tab.eval(drawn).await.as_u64().unwrap();
    assert!(arrows >= 4, "{arrows} messages in a case");
    assert_eq!(tab.eval("document.querySelectorAll('tbody tr').length").await, json!(arrows));
    picture(tab, words, "case").await;
    go(tab, "button[name=open]").await;
    shows(tab, words.acknowledged).await;
    is_sound(tab).await;
    picture(tab, words, "message").await;
    evidence(tab).await;

    // The same in the other language, and back to what was found.
    go(tab, "form.switch button").await;
    assert_eq!(tab.eval("document.documentElement.lang").await, words.other);
    is_sound(tab).await;
    go(tab, "form.back button").await;
    tab.until("document.querySelectorAll('tbody tr').length === 4").await;
    go(tab, "form.switch button").await;
    assert_eq!(tab.eval("document.documentElement.lang").await, words.code);

    go(tab, "a[href$='/health']").await;
    go(tab, "main form.panel button").await;
    tab.until("document.querySelectorAll('svg.plot').length >= 3").await;
    is_sound(tab).await;
    picture(tab, words, "health").await;

    // What was asked so far, newest first.
    go(tab, "a[href$='/queries']").await;
    tab.until("document.querySelector('nav a[href$=\"/queries\"][aria-current=page]') !== null").await;
    is_sound(tab).await;
    go(tab, "main form.panel button").await;
    tab.until("document.querySelectorAll('tbody tr').length >= 8").await;
    tab.until("document.querySelector('tbody td code').textContent === 'POST /console/health'").await;
    is_sound(tab).await;
    picture(tab, words, "queries").await;
    // What was asked stands in no address.
    assert_eq!(tab.eval("location.search + location.hash").await, "");

    tab.open(&format!("{hub}/console/{}", words.code)).await;
    tab.tab_to("#field-service").await;
    tab.type_in("th.nobody.nothing").await;
    go(tab, "main form.panel p.actions button").await;
    shows(tab, words.nothing).await;
    is_sound(tab).await;

    // What is wrong is said at its field.
    tab.open(&format!("{hub}/console/{}", words.code)).await;
    tab.tab_to("#field-system").await;
    tab.type_in("nobody").await;
    go(tab, "main form.panel p.actions button").await;
    shows(tab, words.wrong).await;
    assert_eq!(tab.eval("document.querySelector('#field-system[aria-invalid]').value").await, "nobody");
    go(tab, "header form[action$='/end'] button").await;
    tab.until("document.querySelector('#token') !== null").await;
}

/// Exports what was found, and holds the files against the log's key.
async fn downloads(tab: &Tab<'_>, folder: &Path) {
    let downloads = TempDir::new().unwrap();
    tab.downloads_into(downloads.path()).await;
    for format in ["jsonl", "csv"] {
        focus(tab, &format!("button[value={format}]")).await;
        let file = downloads.path().join(tab.download().await);
        let told = done(folder, &["audit", "verify-export", file.to_str().unwrap(), "--vkey", "vkey"]).await;
        assert_eq!((&told["verdict"]["holds"], &told["export"]["rows"]), (&json!(true), &json!(4)), "{told}");
    }
}

/// Downloads the message's file, which holds by itself.
async fn evidence(tab: &Tab<'_>) {
    let downloads = TempDir::new().unwrap();
    tab.downloads_into(downloads.path()).await;
    focus(tab, "button[value=message]").await;
    let file = downloads.path().join(tab.download().await);
    let evidence: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert!(evidence["envelope"].is_string() && evidence["body"].is_null(), "{evidence}");
}

async fn focus(tab: &Tab<'_>, selector: &str) {
    tab.eval(&format!("document.querySelector({selector:?}).focus()")).await;
    tab.until(&format!("document.activeElement === document.querySelector({selector:?})")).await;
}

/// Presses Enter on what leads to another page.
async fn go(tab: &Tab<'_>, selector: &str) {
    focus(tab, selector).await;
    tab.enter().await;
}

async fn shows(tab: &Tab<'_>, text: &str) {
    tab.until(&format!("document.body.innerText.includes({text:?})")).await;
}

/// Whatever page it is: all has a name, nothing sticks out, and the browser has nothing to complain about.
async fn is_sound(tab: &Tab<'_>) {
    assert_eq!(tab.nameless().await, Vec::<Value>::new());
    tab.until("document.documentElement.scrollWidth <= window.innerWidth").await;
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

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

async fn picture(tab: &Tab<'_>, words: &Words, name: &str) {
    if let Ok(folder) = std::env::var("SAPHAN_PICTURES") {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        tab.picture(&root.join(folder).join(format!("console-{name}-{}.png", words.code))).await;
    }
}

const DESKTOP: (u32, u32) = (1200, 900);
const PHONE: (u32, u32) = (360, 740);
const ENGLISH: Words = Words {
    code: "en",
    other: "th",
    nothing: "Nothing fits.",
    acknowledged: "Acknowledged",
    wrong: "These fields cannot be read",
};
const THAI: Words = Words {
    code: "th",
    other: "en",
    nothing: "ไม่พบรายการที่ตรงกัน",
    acknowledged: "บันทึกการตอบรับ",
    wrong: "อ่านช่องต่อไปนี้ไม่ได้",
};
