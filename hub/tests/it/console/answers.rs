//! What pages and files hold.

use std::collections::BTreeSet;

use saphan_schemas::ids::CaseId;
use serde_json::Value;

use super::Room;

/// What stands between these two, each time.
pub(super) fn all<'a>(page: &'a str, from: &str, to: &str) -> Vec<&'a str> {
    page.split(from).skip(1).map(|rest| rest.split(to).next().unwrap()).collect()
}

fn places(page: &str) -> Vec<u64> {
    all(page, "<th scope=\"row\">", "<").into_iter().map(|text| text.parse().unwrap()).collect()
}

#[tokio::test]
async fn pages_follow_each_other_and_every_row_is_there_once() {
    let room = Room::entered().await;
    let mut sent = BTreeSet::new();
    for _ in 0..120 {
        sent.insert(room.hub.accept(&room.hub.world.message()).await);
    }
    let (mut found, mut pages, mut before) = (Vec::new(), 0, String::new());
    loop {
        let page = room.post("/console/en/search", &[("kind", "message"), ("before", &before)]).await.page(200);
        found.extend(places(&page));
        pages += 1;
        assert_eq!(page.contains("Back to the newest"), pages > 1);
        // Others go on meanwhile.
        room.hub.accept(&room.hub.world.message()).await;
        let Some(next) = all(&page, "name=\"before\" value=\"", "\"").pop().filter(|_| page.contains("Older")) else {
            break;
        };
        before = next.to_owned();
    }
    assert_eq!((pages, found.len()), (3, 120));
    assert!(found.is_sorted_by(|one, next| one > next));
    assert_eq!(BTreeSet::from_iter(found), sent);
    let none = room.post("/console/en/search", &[("type", "application.submitted")]).await.page(200);
    assert!(none.contains("Nothing fits") && !none.contains("<tbody"));
}

#[tokio::test]
async fn the_other_language_asks_the_same_again() {
    let room = Room::entered().await;
    let page = room.post("/console/en/search", &[("kind", "query"), ("since", "2020-01-01T00:00")]).await.page(200);
    assert!(page.starts_with("<!doctype html><html lang=\"en\">"));
    let switch = all(&page, "class=\"switch\"", "</form>")[0];
    assert!(
        page.contains("<form method=\"post\" action=\"/console/th/search\" novalidate class=\"switch\">"),
        "{page}"
    );
    for field in ["name=\"kind\" value=\"query\"", "name=\"since\" value=\"2020-01-01T00:00\"", "lang=\"th\""] {
        assert!(switch.contains(field), "{switch}");
    }
    assert_eq!(all(switch, "name=\"csrf\"", ">").len(), 1);
    let thai = room.post("/console/th/search", &[("kind", "query"), ("since", "2020-01-01T00:00")]).await.page(200);
    assert!(thai.starts_with("<!doctype html><html lang=\"th\">") && thai.contains("คำค้นของผู้ตรวจสอบ"), "{thai}");
    assert!(
        room.get("/console/en/health")
            .await
            .page(200)
            .contains("<a href=\"/console/th/health\" hreflang=\"th\" lang=\"th\">")
    );
}

#[tokio::test]
async fn a_messages_way_is_told_with_its_times_and_evidence() {
    let room = Room::entered().await;
    let (hub, case) = (&room.hub, CaseId::new());
    let message = hub.world.withdrawal().change(|claims| claims.case = Some(case)).sign(&hub.world.portal.key);
    let index = hub.accept(&message).await;
    hub.clock.advance(5);
    room.settle(index, Some("not-ours")).await;
    let open = format!("{} th.dga/portal", message.id());
    let page =
        room.post("/console/en/message", &[("open", &open), ("trail", "1"), ("kind", "message")]).await.page(200);
    let steps = all(&page, "<li><p><b>", "</b>");
    assert_eq!(steps, ["Submitted", "Accepted", "Delivered", "Acknowledged"]);
    let times: BTreeSet<_> = all(&page, "<time datetime=\"", "\"").into_iter().collect();
    assert_eq!(times.len(), 2, "five seconds apart: {times:?}");
    assert!(
        page.contains("rejected") && page.contains("<code>not-ours</code>") && page.contains("Back to the results")
    );
    assert!(page.contains(&format!("name=\"show\" value=\"{case}\"")), "{page}");

    let file = room.post("/console/en/evidence", &[("open", &open), ("file", "message")]).await;
    let name = format!("attachment; filename=\"{}.saphan.json\"", message.id());
    assert_eq!(file.header("content-disposition"), Some(name.as_str()));
    assert_eq!(
        (file.header("cache-control"), file.header("x-content-type-options")),
        (Some("no-store"), Some("nosniff"))
    );
    let evidence: Value = file.json(200);
    let body = serde_json::json!({ "id": message.id() });
    let shown: Value = hub.call(&room.auditor, "POST", "/v1/audit/timeline", &body).await.json(200);
    assert_eq!(evidence["envelope"], shown["evidence"]["envelope"]);
    assert_eq!(evidence["receipt"], shown["evidence"]["receipt"]);
    let answer = room.post("/console/en/evidence", &[("open", &open), ("file", "acknowledgement")]).await;
    assert_eq!(answer.text(), shown["acknowledgement"].as_str().unwrap());
    room.post("/console/en/evidence", &[("open", &open), ("file", "cosigned-proof")]).await.page(404);
    room.post("/console/en/evidence", &[("open", &open), ("file", "../../hub.sqlite")]).await.page(404);
}

#[tokio::test]
async fn a_case_is_drawn_and_told_in_a_table() {
    let room = Room::entered().await;
    let (hub, case) = (&room.hub, CaseId::new());
    for code in [None, Some("not-ours")] {
        let message = hub.world.withdrawal().change(|claims| claims.case = Some(case)).sign(&hub.world.portal.key);
        let index = hub.accept(&message).await;
        room.settle(index, code).await;
    }
    hub.accept(&hub.world.message()).await;
    let page = room.post("/console/th/case", &[("case", &case.to_string())]).await.page(200);
    let svg = all(&page, "<svg", "</svg>")[0];
    assert!(svg.contains("role=\"img\" aria-labelledby=\"case-title case-text\"") && svg.contains("<title"), "{svg}");
    let labels = all(svg, "<text class=\"label\"", "</text>");
    assert_eq!(labels.len(), 2);
    assert!(labels[0].ends_with("1 application.withdrawn") && svg.contains("ผู้รับไม่รับ: not-ours"), "{svg}");
    assert_eq!(all(svg, "<rect class=\"head\"", ">").len(), 2);
    assert_eq!(places(&page), [1, 2]);
    room.post("/console/en/case", &[("case", &CaseId::new().to_string())]).await.page(404);
}

#[tokio::test]
async fn the_health_of_the_exchange_is_plotted_and_told_in_tables() {
    let room = Room::entered().await;
    let hub = &room.hub;
    for code in [None, Some("not-ours")] {
        let index = hub.accept(&hub.world.message()).await;
        room.settle(index, code).await;
    }
    let refused = hub.world.withdrawal().change(|claims| claims.service = None).sign(&hub.world.portal.key);
    assert_eq!(hub.submit(&refused).await.status, 403);
    let page = room.post("/console/en/health", &[("span", "hour")]).await.page(200);
    assert_eq!(all(&page, "<svg", "</svg>").len(), 4);
    let totals = all(&page, "<caption>Totals</caption>", "</table>")[0];
    for (line, count) in [
        ("Accepted", 2),
        ("Refused <code>agreement-missing</code>", 1),
        ("processed", 1),
        ("rejected <code>not-ours</code>", 1),
    ] {
        assert!(totals.contains(&format!("<th scope=\"row\">{line}</th><td>{count}</td>")), "{line}: {totals}");
    }
    assert!(totals.contains("No agreement allows this message"), "the code is told in words");
    let slots = all(&page, "<caption>Slot by slot</caption>", "</table>")[0];
    assert_eq!(all(slots, "<th scope=\"row\"", "</tr>").len(), 1, "{slots}");
    let empty = room.post("/console/en/health", &[("end", "2020-01-01T00:00")]).await.page(200);
    assert!(!empty.contains("<svg") && empty.contains("None in this time."));
}

#[tokio::test]
async fn an_export_is_the_file_that_the_api_gives() {
    let room = Room::entered().await;
    let index = room.hub.accept(&room.hub.world.message()).await;
    room.settle(index, None).await;
    for (format, media_type, ending) in [("jsonl", "application/jsonl", ".jsonl\""), ("csv", "text/csv", ".csv\"")] {
        let file = room.post("/console/en/export", &[("kind", "message"), ("format", format)]).await;
        assert_eq!(file.status, 200);
        assert!(file.header("content-type").unwrap().starts_with(media_type));
        let disposition = file.header("content-disposition").unwrap();
        assert!(disposition.starts_with("attachment; filename=\"audit-main-") && disposition.ends_with(ending));
        // Head, acknowledgement, message, end; CSV has a line of names, too.
        assert_eq!(file.text().lines().count(), if format == "csv" { 5 } else { 4 }, "{}", file.text());
        let filter =
            if format == "csv" { r#"""filter"":{""kind"":""message""}"# } else { r#""filter":{"kind":"message"}"# };
        assert!(file.text().contains(filter), "{}", file.text());
    }
}
