//! Paths that try to leave what the API publishes, written as no client library would send them.

use saphan_schemas::problem::ProblemCode;
use serde_json::json;

use crate::harness::{RawAnswers, TestHub, sign_token};

async fn get(hub: &TestHub, path: &str) -> RawAnswers {
    let request = [b"GET ", path.as_bytes(), b" HTTP/1.1\r\nhost: hub.local\r\nconnection: close\r\n\r\n"].concat();
    RawAnswers::to(hub, request).await
}

#[tokio::test]
async fn no_path_leads_out_of_what_is_published() {
    let hub = TestHub::new().await;
    for bad in [
        "..",
        "../../store.sqlite",
        "..%2f..%2fhub.sqlite",
        "%2e%2e/%2e%2e/operator.pem",
        "%2e%2e%2foperator.pem",
        "%252e%252e%252foperator.pem",
        "..%5c..%5coperator.pem",
        "..\\operator.pem",
        "%c0%ae%c0%ae%c0%afoperator.pem",
        "....//operator.pem",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "file:%2f%2f%2fetc%2fpasswd",
        "operator.pem%00",
        "0/000%00.p/1",
        "%00",
        "%0d%0aset-cookie:%20a=b",
        "%ff%fe",
    ] {
        for root in ["/", "/v1/", "/v1/log/", "/v1/log/tile/", "/v1/log/tile/entries/", "/v1/schemas/"] {
            let path = format!("{root}{bad}");
            let answer = get(&hub, &path).await;
            answer.problem(ProblemCode::NotFound);
            assert!(!answer.text().contains("set-cookie: a=b\r\n"), "{path}");
        }
        for path in [format!("/v1/systems/th.dga/{bad}/keys"), format!("/v1/systems/{bad}/portal/keys")] {
            get(&hub, &path).await.problem(ProblemCode::NotFound);
        }
        // What can be read as one part of a path is an invitation that does not exist.
        let status = get(&hub, &format!("/v1/invitations/{bad}")).await.status();
        assert!(matches!(status, 403 | 404), "{bad}: {status}");
    }
}

#[tokio::test]
async fn files_of_the_data_folder_are_not_served_under_their_names() {
    let hub = TestHub::new().await;
    let names: Vec<String> = std::fs::read_dir(hub.data_folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(names.contains(&"operator.pem".to_owned()) && names.len() >= 4, "{names:?}");
    for name in names {
        for root in ["/", "/data/", "/v1/log/", "/v1/log/tile/", "/v1/schemas/"] {
            get(&hub, &format!("{root}{name}")).await.problem(ProblemCode::NotFound);
        }
    }
}

#[tokio::test]
async fn a_system_has_one_path_and_no_other_spelling_of_its_parts_is_one() {
    let hub = TestHub::new().await;
    assert_eq!(get(&hub, "/v1/systems/th.dga/portal/keys").await.status(), 200);
    for path in [
        "/v1/systems/th.dga%2fportal/portal/keys",
        "/v1/systems/th.dga/portal%2fkeys/keys",
        "/v1/systems/th.dga%2fportal/keys",
        "/v1/systems/th.dga/portal%00/keys",
        "/v1/systems/th.dga/portal%20/keys",
        "/v1/systems/th.dga/PORTAL/keys",
        "/v1/systems/th.dga//portal/keys",
        "/v1/systems/th.dlt/../th.dga/portal/keys",
        "/v1/systems/./th.dga/portal/keys",
        "/v1/systems/th.dga/portal/keys/",
        "//v1/systems/th.dga/portal/keys",
        "/v1/systems/th.dga/portal/keys;a=b",
        "/V1/systems/th.dga/portal/keys",
    ] {
        let answer = get(&hub, path).await;
        answer.problem(ProblemCode::NotFound);
    }
}

#[tokio::test]
async fn a_token_opens_no_other_spelling_of_its_path() {
    let hub = TestHub::new().await;
    let office = &hub.world.office;
    hub.accept(&hub.world.message()).await;
    let body = json!({ "max": 1 }).to_string();
    for path in [
        "/v1/inbox/extend/../lease",
        "/v1/inbox/%6cease",
        "/v1/inbox//lease",
        "/v1/inbox/./lease",
        "/v1/inbox/lease/",
        "/v1/inbox/lease%00",
        "/v1/inbox/lease%20",
        "/v1/inbox%2flease",
        "/V1/inbox/lease",
        "//v1/inbox/lease",
    ] {
        // Tokens for the path as it is written, and for the one that is meant.
        for signed in [path, "/v1/inbox/lease"] {
            let token = sign_token(hub.token(office.id.as_str(), "POST", signed), &office.key);
            let request = format!(
                "POST {path} HTTP/1.1\r\nhost: hub.local\r\nauthorization: Bearer {token}\r\n\
                 content-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            RawAnswers::to(&hub, request).await.problem(ProblemCode::NotFound);
        }
    }
    assert_eq!(hub.lease(office, 1).await.messages[0].attempt, 1, "nothing was leased before");
}

#[tokio::test]
async fn a_request_line_with_a_raw_nul_space_or_byte_that_is_not_ascii_is_refused() {
    let hub = TestHub::new().await;
    for path in [&b"/v1/schemas/a\0"[..], b"/v1/schemas/a b", b"/v1/schemas/\xff", b"/v1/schemas/a\x7f", b"v1/schemas"]
    {
        let request = [b"GET ", path, b" HTTP/1.1\r\nhost: hub.local\r\nconnection: close\r\n\r\n"].concat();
        let answer = RawAnswers::to(&hub, request).await;
        assert!(matches!(answer.status(), 400 | 404), "{path:?}: {}", answer.text());
    }
}
