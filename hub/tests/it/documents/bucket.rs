//! Documents in a bucket, of a service that speaks as much of S3 as it takes.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use object_store::aws::AmazonS3Builder;
use saphan_hub::documents::storage::Storage;
use saphan_schemas::problem::ProblemCode;
use tokio::net::TcpListener;

use crate::harness::{Document, Site};

const MIB: usize = 1 << 20;

#[derive(Clone, Default)]
struct Bucket(Arc<Mutex<BTreeMap<String, Bytes>>>);

impl Bucket {
    /// Serves it on a free port; answers with the address.
    async fn serve(&self) -> String {
        let router = Router::new()
            .route("/saphan", get(list).post(delete))
            .route("/saphan/{*key}", put(write).get(read))
            .layer(DefaultBodyLimit::disable())
            .with_state(self.clone());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        address
    }

    fn names(&self) -> Vec<String> {
        self.0.lock().unwrap().keys().cloned().collect()
    }
}

async fn write(State(bucket): State<Bucket>, Path(key): Path<String>, body: Bytes) -> Response {
    bucket.0.lock().unwrap().insert(key, body);
    [(header::ETAG, "\"x\"")].into_response()
}

async fn read(State(bucket): State<Bucket>, Path(key): Path<String>, headers: HeaderMap) -> Response {
    let Some(object) = bucket.0.lock().unwrap().get(&key).cloned() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let range = headers[header::RANGE].to_str().unwrap().strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    let (first, last): (usize, usize) = (range.0.parse().unwrap(), range.1.parse().unwrap());
    let said = format!("bytes {first}-{last}/{}", object.len());
    let headers = [
        (header::CONTENT_RANGE, &*said),
        (header::ETAG, "\"x\""),
        (header::LAST_MODIFIED, "Sat, 28 Nov 2026 03:00:00 GMT"),
    ];
    (StatusCode::PARTIAL_CONTENT, headers, object.slice(first..=last)).into_response()
}

async fn list(State(bucket): State<Bucket>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap().replace("%2F", "/");
    let prefix = query.split('&').find_map(|pair| pair.strip_prefix("prefix=")).unwrap().to_owned();
    let names = bucket.names().into_iter().filter(|name| name.starts_with(&prefix));
    let entry = |name: String| {
        format!(
            "<Contents><Key>{name}</Key><LastModified>2026-11-28T03:00:00Z</LastModified><ETag>x</ETag><Size>1</Size></Contents>"
        )
    };
    let entries: String = names.map(entry).collect();
    format!("<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>").into_response()
}

async fn delete(State(bucket): State<Bucket>, body: String) -> Response {
    let keys = body.split("<Key>").skip(1).map(|rest| rest.split_once("</Key>").unwrap().0.to_owned());
    let mut answer = String::new();
    for key in keys {
        bucket.0.lock().unwrap().remove(&key);
        answer.push_str(&format!("<Deleted><Key>{key}</Key></Deleted>"));
    }
    format!("<DeleteResult>{answer}</DeleteResult>").into_response()
}

#[tokio::test]
async fn documents_live_in_a_bucket_as_they_do_in_a_folder() {
    let mut site = Site::new("");
    let bucket = Bucket::default();
    let objects = AmazonS3Builder::new()
        .with_endpoint(bucket.serve().await)
        .with_allow_http(true)
        .with_bucket_name("saphan")
        .with_access_key_id("id")
        .with_secret_access_key("secret")
        .build()
        .unwrap();
    site.storage = Some(Storage::new(Arc::new(objects), "hub/documents"));
    let hub = site.start().await;
    hub.apply(hub.world.changes()).await;
    let (portal, document) = (&hub.world.portal, Document::pdf(9 * MIB));
    assert_eq!(hub.put_piece(portal, &document, 0..4 * MIB).await.status, 202);
    assert_eq!(hub.put_piece(portal, &document, 4 * MIB..9 * MIB).await.status, 201);
    assert!(hub.read(portal, &document).await.body == document.bytes);
    let names = bucket.names();
    assert!(names.len() == 3 && names.iter().all(|name| name.starts_with("hub/documents/")), "{names:?}");

    let mut wrong = Document::pdf(2 * MIB);
    let path = wrong.path();
    wrong.bytes[MIB] ^= 1;
    hub.put_as(portal, &wrong, &path, None, wrong.bytes.clone()).await.problem(ProblemCode::DocumentMismatch);
    assert_eq!(bucket.names(), names, "what was refused is gone");
}
