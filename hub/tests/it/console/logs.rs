//! Pages of a hub that has had several logs, in which one index is several entries.

use std::collections::BTreeSet;

use super::Room;

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
