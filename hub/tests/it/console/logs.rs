//! Pages of a hub that has had several logs, in which one index is several entries.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Room;
use super::answers::all;

const FIRST: &str = "hub.local/log/main";
const NEXT: &str = "hub.local/log/next";

#[tokio::test]
async fn entries_of_one_index_in_two_logs_are_told_apart() {
    let room = Room::entered().await;
    let old = room.hub.world.message();
    let index = room.hub.accept(&old).await;
    assert!(room.post("/console/en/search", &[]).await.page(200).contains(&format!("<th scope=\"row\">{index}</th>")));
    let mut room = Room { hub: room.hub.go_on_in("next").await, ..room };
    // Whoever was signed in is not any longer.
    room.enter().await;
    let new = loop {
        let message = room.hub.world.message();
        let at = room.hub.accept(&message).await;
        assert!(at <= index, "the first log was longer");
        if at == index {
            break message;
        }
    };
    let page = room.post("/console/en/search", &[("kind", "message")]).await.page(200);
    for log in ["main", "next"] {
        let row = format!("<th scope=\"row\">{index} · {log}</th>");
        assert_eq!(page.matches(&row).count(), 1, "{row}: {page}");
    }
    let labels: Vec<&str> =
        page.split("aria-label=\"Open ").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(BTreeSet::from_iter(&labels).len(), labels.len(), "each button has a name of its own: {labels:?}");
    let query = room.hub.size() - 1;
    assert!(page.contains(&format!("This query is entry {query} · next")), "{page}");
    for (message, log) in [(&old, "main"), (&new, "next")] {
        let open = format!("{} th.dga/portal", message.id());
        let page = room.post("/console/en/message", &[("open", &open)]).await.page(200);
        assert!(page.contains(&format!("Entry {index} · {log}")), "{log}: {page}");
        assert!(page.contains(message.id().to_string().as_str()) && page.contains(&format!("/log/{log}")), "{page}");
    }
    let past = room.post("/console/en/queries", &[]).await.page(200);
    assert!(past.contains(" · main</th>") && past.contains(" · next</th>"), "{past}");
}

#[tokio::test]
async fn an_auditor_chooses_the_log_that_is_exported_once_there_are_several() {
    let room = Room::entered().await;
    let index = room.hub.accept(&room.hub.world.message()).await;
    let page = room.post("/console/en/search", &[("kind", "message")]).await.page(200);
    assert!(!page.contains("name=\"log\"") && !page.contains("An earlier log"), "there is nothing to choose: {page}");
    let mut room = Room { hub: room.hub.go_on_in("next").await, ..room };
    room.enter().await;
    let size = room.hub.size();

    let page = room.post("/console/en/search", &[("kind", "message")]).await.page(200);
    let form = all(&page, "action=\"/console/en/export\"", "</form>")[0];
    let options = all(form, "<option value=", "</option>");
    let present = format!("\"{NEXT}\" selected>next (present)");
    assert_eq!(options, [present.as_str(), &format!("\"{FIRST}\">main")], "{form}");
    assert!(form.contains("<label for=\"field-log\">Log to export</label>"), "{form}");
    assert!(form.contains("name=\"kind\" value=\"message\"") && page.contains("as it was when it ended"), "{page}");
    let thai = room.post("/console/th/search", &[]).await.page(200);
    assert!(thai.contains(">next (ปัจจุบัน)<") && thai.contains("บันทึกก่อนหน้าส่งออกตามที่เป็นเมื่อสิ้นสุด"), "{thai}");

    // Each question is an entry of the present log.
    let wanted = [(FIRST, "jsonl", "main"), (NEXT, "jsonl", "next"), (FIRST, "csv", "main")];
    for (query, (log, format, shard)) in (size + 2..).zip(wanted) {
        let file = room.post("/console/en/export", &[("kind", "message"), ("log", log), ("format", format)]).await;
        let name = format!("attachment; filename=\"audit-{shard}-{query}.{format}\"");
        assert_eq!((file.status, file.header("content-disposition")), (200, Some(&*name)), "{}", file.text());
        if format == "csv" {
            assert!(file.text().contains(&format!("\"\"log\"\":\"\"{FIRST}\"\"")), "{}", file.text());
            continue;
        }
        let lines: Vec<Value> = file.text().lines().map(|line| line.parse().unwrap()).collect();
        let head = &lines[0]["export"];
        assert!(head["checkpoint"].as_str().unwrap().starts_with(&format!("{log}\n")), "{head}");
        let rows: Vec<_> = lines.iter().filter_map(|line| line["row"]["index"].as_u64()).collect();
        assert_eq!((&head["log"], rows), (&json!(log), if log == FIRST { vec![index] } else { vec![] }), "{lines:?}");
    }
    let asked = room.asked().await;
    let wanted = json!({ "filter": { "kind": "message" }, "log": FIRST });
    assert_eq!(asked.last().unwrap().split_once('\n').unwrap().1.parse::<Value>().unwrap(), wanted);
}

#[tokio::test]
async fn a_log_that_the_hub_never_had_is_not_exported_and_a_page_says_so() {
    let room = Room::entered().await;
    let mut room = Room { hub: room.hub.go_on_in("next").await, ..room };
    room.enter().await;
    for log in ["hub.local/log/other", "next", "\"><script>alert(1)</script>"] {
        for (language, told) in [("en", "no such page, message, case or log"), ("th", "ไม่พบหน้าหรือข้อมูลนี้")]
        {
            let page = room.post(&format!("/console/{language}/export"), &[("log", log)]).await.page(404);
            assert!(page.contains(told) && !page.contains("alert("), "{page}");
        }
    }
}
