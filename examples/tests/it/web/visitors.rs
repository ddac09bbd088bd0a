//! Who may see and do what.

use super::stage::{SERVICE, Stage};

#[tokio::test]
async fn services_are_shown_in_both_languages_and_found_in_either() {
    let stage = Stage::new().await;
    let visitor = stage.visitor();
    let start = visitor.get("/").await;
    assert_eq!((start.status, start.location.as_str()), (303, "/th/"));
    for (language, name) in [("th", "ต่ออายุใบอนุญาตขับรถ"), ("en", "Renewal of a driving licence")]
    {
        let all = visitor.get(&format!("/{language}/")).await;
        all.markup().check(language);
        all.has(name);
        for words in [
            "driving%20renewal",
            "%E0%B9%83%E0%B8%9A%E0%B8%AD%E0%B8%99%E0%B8%B8%E0%B8%8D%E0%B8%B2%E0%B8%95%E0%B8%82%E0%B8%B1%E0%B8%9A%E0%B8%A3%E0%B8%96",
        ] {
            let found = visitor.get(&format!("/{language}/?q={words}")).await;
            found.has(name);
            assert!(!found.text.contains("th.mfa.passport"));
        }
        let none = visitor.get(&format!("/{language}/?q=%3Cscript%3E")).await;
        none.markup().check(language);
        none.has("&lt;script&gt;");
    }
    let service = visitor.get(&format!("/en/services/{SERVICE}")).await;
    service.markup().check("en");
    for part in ["Papers that you do not hand in", "Department of Provincial Administration", "Only with your consent"]
    {
        service.has(part);
    }
}

#[tokio::test]
async fn every_answer_forbids_inline_scripts_and_other_sites() {
    let stage = Stage::new().await;
    let visitor = stage.visitor();
    for path in ["/th/", "/en/sign-in", "/nothing", "/en/services/none", "/assets/progress.js"] {
        let page = visitor.get(path).await;
        for rule in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"] {
            assert!(page.policy.contains(rule), "{path}: {}", page.policy);
        }
        assert!(!page.policy.contains("unsafe"));
    }
}

#[tokio::test]
async fn pages_about_people_want_a_sign_in_and_get_a_cookie_that_scripts_cannot_read() {
    let stage = Stage::new().await;
    let visitor = stage.visitor();
    for path in ["cases", "trace", &format!("services/{SERVICE}/apply")] {
        let page = visitor.get(&format!("/en/{path}")).await;
        assert_eq!((page.status, page.location.as_str()), (303, "/en/sign-in"), "{path}");
    }
    let ask = visitor.get("/en/sign-in").await;
    ask.markup().check("en");
    ask.has("no real identification");
    let before = visitor.token();
    let wrong = visitor.post("/en/sign-in", &[("person", "99")]).await;
    wrong.markup().check("en");
    wrong.has("Please choose somebody.");
    let signed_in = visitor.post("/en/sign-in", &[("person", "0")]).await;
    for part in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(signed_in.cookie.contains(part), "{}", signed_in.cookie);
    }
    assert_ne!(visitor.token(), before, "a token from before is worth nothing");
    let trace = visitor.get("/en/trace").await;
    trace.markup().check("en");
    trace.has("Nobody has used your data.");
    visitor.post("/en/sign-out", &[]).await;
    assert_eq!(visitor.get("/en/trace").await.status, 303);
}

#[tokio::test]
async fn what_does_not_come_from_a_page_of_the_session_is_refused() {
    let stage = Stage::new().await;
    let (visitor, other) = (stage.signed_in(0).await, stage.signed_in(1).await);
    let foreign = other.get("/en/cases").await.markup().value_of("csrf").unwrap().to_owned();
    let id = "019f0000-0000-7000-8000-000000000001";
    let paths = [
        "sign-in".to_owned(),
        "sign-out".to_owned(),
        format!("services/{SERVICE}/apply"),
        format!("applications/{id}"),
        format!("cases/{id}/withdraw"),
        format!("cases/{id}/consent"),
        format!("cases/{id}/fee"),
        format!("cases/{id}/questions"),
    ];
    for path in paths {
        for pairs in [&[("person", "1")][..], &[("csrf", ""), ("person", "1")], &[("csrf", &foreign), ("person", "1")]]
        {
            let refused = visitor.post_exactly(&format!("/en/{path}"), pairs).await;
            assert_eq!(refused.status, 403, "{path}");
            refused.has("Nothing was done.");
        }
    }
    assert_eq!(visitor.get("/en/cases").await.status, 200, "still signed in");
}

#[tokio::test]
async fn what_a_page_cannot_do_is_said_in_the_language_of_the_page() {
    let stage = Stage::new().await;
    let visitor = stage.signed_in(3).await;
    for (path, text) in [
        ("/th/nothing", "ไม่พบหน้านี้"),
        ("/en/cases/019f0000-0000-7000-8000-000000000001", "There is no such page"),
        ("/en/services/none", "There is no such page"),
        ("/en/applications/x", "There is no such page"),
    ] {
        let page = visitor.get(path).await;
        assert_eq!(page.status, 404);
        page.has(text);
        page.markup().check(&path[1..3]);
    }
    let company_only = visitor.get("/en/services/th.dopa.national-id-card-replacement/apply").await;
    company_only.has("not for applicants of this kind");
}
