//! What is asked: each look is an entry, and nothing else is.

use saphan_schemas::ids::CaseId;
use serde_json::{Value, json};

use super::{Room, case_filter};

#[tokio::test]
async fn every_look_is_a_query_of_the_log_with_the_words_of_the_api() {
    let room = Room::entered().await;
    let (hub, case) = (&room.hub, CaseId::new());
    let world = &hub.world;
    let message = world.withdrawal().change(|claims| claims.case = Some(case)).sign(&world.portal.key);
    hub.accept(&message).await;
    let before = hub.size();
    let (open, case) = (format!("{} th.dga/portal", message.id()), case.to_string());
    room.get("/console/en").await.page(200);
    room.get("/console/en/health").await.page(200);
    assert_eq!(hub.size(), before, "forms alone show nothing");
    room.post("/console/en/search", &[("case", &case), ("since", "")]).await.page(200);
    room.post("/console/en/message", &[("open", &open)]).await.page(200);
    room.post("/console/en/case", &[("show", &case)]).await.page(200);
    room.post("/console/en/health", &[("span", "hour"), ("end", "2026-11-28T15:00")]).await.page(200);
    assert_eq!(room.post("/console/en/evidence", &[("open", &open), ("file", "message")]).await.status, 200);
    assert_eq!(room.post("/console/en/export", &[("case", &case)]).await.status, 200);
    room.post("/console/en/message", &[("message", &CaseId::new().to_string())]).await.page(404);
    assert_eq!(hub.size(), before + 7);
    let asked = room.asked().await;
    let timeline = json!({ "id": message.id(), "from": "th.dga/portal" });
    let end = saphan_schemas::message_types::Timestamp::unix_ms(&"2026-11-28T15:00:00+07:00".parse().unwrap());
    let wanted: [(&str, Value); 6] = [
        ("search", json!({ "filter": case_filter(&case), "limit": 50 })),
        ("message", timeline.clone()),
        ("case", case_filter(&case)),
        ("health", json!({ "since": end - 3_600_000, "until": end, "minutes": 1 })),
        ("evidence", timeline),
        ("export", json!({ "filter": case_filter(&case) })),
    ];
    for (text, (page, query)) in asked.iter().zip(wanted) {
        let (call, body) = text.split_once('\n').unwrap();
        assert_eq!((call, body.parse::<Value>().unwrap()), (format!("POST /console/{page}").as_str(), query));
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_said_at_its_field_and_is_text() {
    let room = Room::entered().await;
    let size = room.hub.size();
    let hostile = "\"><script>alert('ผู้')</script>";
    for name in ["system", "member", "from", "to", "type", "service", "case", "kind", "outcome", "code", "since"] {
        let page = room.post("/console/en/search", &[(name, hostile)]).await.page(422);
        assert!(page.contains(&format!("href=\"#field-{name}\"")) && page.contains("Error: "), "{page}");
        // A list shows its own words; a field shows what was sent.
        let shown = !["kind", "outcome"].contains(&name);
        let escaped = "value=\"&quot;&gt;&lt;script&gt;alert(&#39;ผู้&#39;)&lt;/script&gt;\"";
        assert!(!shown || page.contains(escaped), "{name}: {page}");
    }
    for (path, fields) in [
        ("message", vec![("message", hostile)]),
        ("message", vec![]),
        ("message", vec![("open", hostile)]),
        ("evidence", vec![("open", hostile)]),
        ("case", vec![("show", hostile)]),
        ("case", vec![("case", "1"), ("after", "x")]),
        ("export", vec![("code", hostile)]),
        ("health", vec![("span", hostile)]),
        ("health", vec![("end", hostile)]),
        ("search", vec![("before", "-1")]),
    ] {
        let page = room.post(&format!("/console/th/{path}"), &fields).await.page(422);
        assert!(page.contains("อ่านช่องต่อไปนี้ไม่ได้"), "{path}: {page}");
    }
    assert_eq!(room.hub.size(), size, "nothing was asked");
}

#[tokio::test]
async fn what_is_not_there_is_a_page_in_the_language_that_is_wanted() {
    let room = Room::entered().await;
    for path in ["/console/fr", "/console/en/nothing", "/console/en/search/more"] {
        assert!(room.get(path).await.page(404).contains("ไม่พบหน้า"), "{path}");
    }
    assert!(room.get("/console/en/search").await.page(405).contains("ไม่พบหน้า"));
    assert_eq!(room.get("/console").await.header("location"), Some("/console/th"));
    let english = room.browser.client.get(room.hub.at("/console")).header("accept-language", "en-GB, th");
    assert_eq!(english.send().await.unwrap().headers()["location"], "/console/en");
}

#[tokio::test]
async fn a_hub_that_cannot_log_the_question_says_so_and_answers_nothing() {
    let room = Room::entered().await;
    room.hub.accept(&room.hub.world.message()).await;
    room.hub.store.set_down(true);
    for path in ["search", "health", "export"] {
        let page = room.post(&format!("/console/th/{path}"), &[]).await.page(503);
        assert!(page.contains("ศูนย์เข้าถึงข้อมูลไม่ได้") && !page.contains("<tbody"), "{page}");
    }
    room.hub.store.set_down(false);
    room.hub.begin_to_stop();
    assert!(room.get("/console/en").await.page(200).contains("th.oag/audit"), "what begun is finished");
}
