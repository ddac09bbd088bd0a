//! The forms of all services.

use saphan_schemas::catalogue::Catalogue;
use saphan_schemas::message_types::ApplicantKind;

use super::stage::{SERVICE, Stage};

#[tokio::test]
async fn the_form_of_every_service_is_there_in_both_languages_with_a_label_for_every_input() {
    let stage = Stage::new().await;
    let (citizen, company, foreigner) = (stage.signed_in(0).await, stage.signed_in(2).await, stage.signed_in(3).await);
    for service in Catalogue::embedded().unwrap().services() {
        let client = match service.applicants[0] {
            ApplicantKind::Citizen => &citizen,
            ApplicantKind::Juristic => &company,
            ApplicantKind::Foreigner => &foreigner,
        };
        for language in ["th", "en"] {
            let page = client.get(&format!("/{language}/services/{}/apply", service.id)).await;
            assert_eq!(page.status, 200, "{}", service.id);
            let markup = page.markup();
            markup.check(language);
            let fields = markup.tags().filter(|tag| tag.attribute("name").is_some_and(|name| name.starts_with('/')));
            assert!(fields.count() > 0, "{} has no field", service.id);
            // Sent empty, it says at the fields what is missing.
            let empty = client.post(&format!("/{language}/services/{}/apply", service.id), &[]).await;
            assert_eq!(empty.status, 200);
            empty.markup().check(language);
            empty.has("role=\"alert\"");
            assert!(empty.markup().tags().any(|tag| tag.attribute("aria-invalid") == Some("true")), "{}", service.id);
        }
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_at_its_field_and_nothing_is_lost() {
    let stage = Stage::new().await;
    let client = stage.signed_in(0).await;
    let path = format!("/en/services/{SERVICE}/apply");
    client.get(&path).await;
    let page = client
        .post(
            &path,
            &[
                ("/licence_number", "12<b>\""),
                ("/licence_type", "SPACESHIP"),
                ("/expires_on", "2569-01-01"),
                ("/delivery", "POST"),
                ("/deliver_to/house_number", "1/2"),
                ("/deliver_to/postcode", "1234"),
            ],
        )
        .await;
    page.markup().check("en");
    page.has("12&lt;b&gt;&quot;");
    let field = |name: &str| {
        let mut tags = page.markup().tags().filter(|tag| tag.attribute("name") == Some(name)).collect::<Vec<_>>();
        tags.pop().unwrap()
    };
    for wrong in ["/licence_number", "/licence_type", "/expires_on", "/deliver_to/postcode", "/deliver_to/district"] {
        assert_eq!(field(wrong).attribute("aria-invalid"), Some("true"), "{wrong}");
        let link = format!("href=\"#{}\"", field(wrong).attribute("id").unwrap());
        page.has(&link);
    }
    for right in ["/delivery", "/deliver_to/house_number", "/training_completed_on"] {
        assert_eq!(field(right).attribute("aria-invalid"), None, "{right}");
    }
    assert_eq!(field("/deliver_to/house_number").attribute("value"), Some("1/2"));
    page.has("8 digits");
}

#[tokio::test]
async fn a_list_gets_one_row_more_without_a_script() {
    let stage = Stage::new().await;
    let client = stage.signed_in(0).await;
    let path = "/en/services/th.dopa.move-in/apply";
    let rows = |text: &str| text.matches("/national_id\"").count();
    let first = client.get(path).await;
    assert_eq!(rows(&first.text), 1);
    let more = client.post(path, &[("add", "/persons"), ("/persons/0/national_id", "1990100010008")]).await;
    more.markup().check("en");
    assert_eq!(rows(&more.text), 2);
    more.has("value=\"1990100010008\"");
    assert!(!more.text.contains("aria-invalid"), "adding a row is no attempt to send");
}
