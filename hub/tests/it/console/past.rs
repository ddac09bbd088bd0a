//! What auditors asked before, on pages.

use saphan_schemas::commitment::{Committing, Salt};
use saphan_schemas::leaf::Leaf;
use serde_json::json;

use super::Room;
use crate::harness::LogCopy;

/// The cells of each row, as they stand on the page.
fn rows(page: &str) -> Vec<Vec<String>> {
    let Some((_, body)) = page.split_once("<tbody>") else { return Vec::new() };
    let rows = body.split("</tbody>").next().unwrap().split("<tr>").skip(1);
    let cells = |row: &str| row.replace("<th scope=\"row\">", "<td>").split("<td>").skip(1).map(plain).collect();
    rows.map(cells).collect()
}

/// The text of markup, a line for each element.
fn plain(markup: &str) -> String {
    let texts = markup.split('<').filter_map(|part| part.split_once('>').map_or(Some(part), |(_, text)| Some(text)));
    let lines: Vec<&str> = texts.filter(|text| !text.is_empty()).collect();
    lines
        .join("\n")
        .replace("&quot;", "\"")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

#[tokio::test]
async fn each_past_query_stands_there_with_what_opens_its_commitment() {
    let room = Room::entered().await;
    let before = room.hub.size();
    room.get("/console/en/queries").await.page(200);
    assert_eq!(room.hub.size(), before, "the button alone asks nothing");
    let none = room.post("/console/en/queries", &[]).await.page(200);
    assert!(none.contains("Nothing was asked before.") && !none.contains("<table"), "{none}");
    room.post("/console/en/search", &[("code", "not-ours")]).await.page(200);
    let page = room.post("/console/en/queries", &[]).await.page(200);
    assert!(page.contains(&format!("This query is entry {}", before + 2)), "{page}");
    let rows = rows(&page);
    let [search, first] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((search[0].parse(), search[2].as_str()), (Ok(before + 1), "th.oag/audit"));
    let asked = json!({ "filter": { "code": "not-ours" }, "limit": 50 });
    assert_eq!(search[3], format!("POST /console/search\n{asked}"));
    assert_eq!(first[3], format!("POST /console/queries\n{}", json!({ "limit": 50 })));
    let log = LogCopy::fetch(&room.hub).await;
    let Leaf::Query { commit, .. } = &log.leaves[usize::try_from(before + 1).unwrap()] else { panic!("no query") };
    let mut committing = Committing::new(&search[4].parse::<Salt>().unwrap());
    committing.update(search[3].as_bytes());
    assert_eq!(committing.finish().0.to_string(), commit.to_string());
}

#[tokio::test]
async fn past_queries_come_in_pages_and_each_is_there_once() {
    let room = Room::entered().await;
    for _ in 0..120 {
        room.post("/console/en/search", &[]).await.page(200);
    }
    let (mut found, mut pages, mut before) = (Vec::new(), 0, String::new());
    loop {
        let page = room.post("/console/en/queries", &[("before", &before)]).await.page(200);
        found.extend(rows(&page).into_iter().map(|row| (row[0].parse::<u64>().unwrap(), row[3].clone())));
        pages += 1;
        assert_eq!(page.contains("Back to the newest"), pages > 1);
        // The switch of languages asks for this page again; what is older comes last.
        let older = page.rsplit_once("name=\"before\" value=\"").filter(|_| page.contains("Older"));
        let Some((_, older)) = older else { break };
        before = older.split('"').next().unwrap().to_owned();
    }
    assert_eq!((pages, found.len()), (3, 120), "what is asked meanwhile is newer than all of these");
    assert!(found.is_sorted_by(|one, next| one.0 > next.0));
    assert!(found.iter().all(|(_, text)| text.starts_with("POST /console/search")));
}

#[tokio::test]
async fn what_was_asked_over_the_api_stands_there_too_and_in_thai() {
    let room = Room::entered().await;
    let asked = json!({ "filter": { "code": "schema-violation" }, "limit": 7 });
    assert_eq!(room.hub.call(&room.auditor, "POST", "/v1/audit/search", &asked).await.status, 200);
    let page = room.post("/console/th/queries", &[]).await.page(200);
    assert!(page.contains("คำค้นที่ผ่านมา") && page.contains("ข้อความของคำค้น"), "{page}");
    let rows = rows(&page);
    assert_eq!((rows.len(), rows[0][3].as_str()), (1, format!("POST /v1/audit/search\n{asked}").as_str()));
    let page = room.post("/console/th/queries", &[("before", "<b>")]).await.page(422);
    assert!(page.contains("อ่านช่องต่อไปนี้ไม่ได้") && !page.contains("<b>"), "{page}");
}

#[tokio::test]
async fn who_is_not_signed_in_is_shown_no_query() {
    let mut room = Room::entered().await;
    room.post("/console/en/search", &[("code", "not-ours")]).await.page(200);
    let (cookie, size) = (room.browser.cookie.take(), room.hub.size());
    assert!(!room.post("/console/en/queries", &[]).await.page(401).contains("not-ours"));
    assert!(room.get("/console/en/queries").await.page(200).contains("saphan audit sign-in"));
    room.browser.cookie = cookie;
    room.browser.csrf = "another".to_owned();
    assert!(!room.post("/console/en/queries", &[]).await.page(403).contains("not-ours"));
    assert_eq!(room.hub.size(), size, "nothing was asked");
}
