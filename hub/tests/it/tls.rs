//! HTTPS: who is served, with what, and what attackers get.

mod client_certificates;
mod handshakes;
mod renewal;

use std::net::SocketAddr;

use reqwest::Client;
use saphan_schemas::trust::TrustBundle;

use crate::harness::{Site, TestHub, TlsFiles, captured, in_time};

/// A hub that serves HTTPS with these files.
async fn hub(settings: &str) -> TestHub {
    Site::new(settings).start().await
}

/// Whether the hub is alive, as this client sees it.
async fn alive(client: &Client, hub: &TestHub) -> reqwest::Result<bool> {
    let answer = in_time(client.get(format!("{}/livez", hub.url)).send()).await?;
    Ok(answer.text().await? == "alive\n")
}

#[tokio::test]
async fn a_hub_with_a_certificate_serves_https_to_those_who_believe_its_authority() {
    let files = TlsFiles::new();
    let hub = hub(&files.settings()).await;
    assert!(alive(&files.client().build().unwrap(), &hub).await.unwrap());
}

#[tokio::test]
async fn who_joins_is_told_which_authorities_to_believe_if_the_operator_says_so() {
    let files = TlsFiles::new();
    let path = files.certificate().with_file_name("authorities.pem");
    let settings = format!("{}\nca = {path:?}", files.settings());
    let told = async |hub: &TestHub| -> TrustBundle {
        let trust = files.client().build().unwrap().get(format!("{}/v1/trust", hub.url)).send();
        in_time(trust).await.unwrap().json().await.unwrap()
    };
    assert_eq!(told(&hub(&files.settings()).await).await.ca, None);
    std::fs::write(&path, files.authority.pem()).unwrap();
    assert_eq!(told(&hub(&settings).await).await.ca, Some(files.authority.pem()));
    // Everyone would get it.
    for mistake in [format!("{}{}", files.authority.pem(), files.hub.key), files.hub.key.clone(), String::new()] {
        std::fs::write(&path, mistake).unwrap();
        let error = Site::new(&settings).try_open().await.err().unwrap();
        assert!(!files.hub.is_given_away_by(&format!("{error:#}")));
    }
}

#[tokio::test]
async fn a_hub_is_not_believed_by_another_authority_or_under_another_name() {
    let files = TlsFiles::new();
    let hub = hub(&files.settings()).await;
    let of_another_authority = TlsFiles::new().client().build().unwrap();
    assert!(alive(&of_another_authority, &hub).await.is_err());
    let client = files.client().resolve("hub.example", hub.address).build().unwrap();
    let SocketAddr::V4(address) = hub.address else { panic!("loopback is IPv4 here") };
    let under_another_name = client.get(format!("https://hub.example:{}/livez", address.port()));
    assert!(in_time(under_another_name.send()).await.is_err());
}

#[tokio::test]
async fn the_private_key_is_in_no_log_and_no_debug_output() {
    let files = TlsFiles::new();
    let hub = hub(&files.settings()).await;
    let tls = hub.tls.as_ref().unwrap();
    assert!(alive(&files.client().build().unwrap(), &hub).await.unwrap());
    // Mistakes that have the key in their hands.
    files.put(&files.hub.key, &files.hub.certificate);
    tls.reload_and_say();
    files.put(&files.hub.certificate, &format!("{}trailing", files.hub.key.replace("-----END", "---END")));
    let error = tls.reload().unwrap_err();
    let shown = format!("{tls:?} {:?} {error} {error:?} {}", hub.app.metrics, captured());
    assert!(!files.hub.is_given_away_by(&shown));
}

#[tokio::test]
async fn when_the_certificate_expires_is_a_metric() {
    let files = TlsFiles::new();
    let hub = hub(&files.settings()).await;
    let client = files.client().build().unwrap();
    let expires = hub.tls.as_ref().unwrap().expires();
    let metrics = client.get(format!("{}/metrics", hub.url)).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains(&format!("\nsaphan_tls_certificate_expires_seconds {expires}\n")), "{metrics}");
}
