//! The catalogue as portals and operators ask about it.

use std::collections::BTreeSet;

use reqwest::header::IF_NONE_MATCH;
use saphan_hub::catalogue::{Coverage, ServiceCoverage};
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::problem::ProblemCode;
use saphan_schemas::registry::{Agreement, Change, Entry, Service};
use serde_json::{Value, json};

use crate::harness::{Answer, NOW, SERVICE, TestHub};

/// The ids on a page, where the next one begins, and how many there are in all.
async fn page(hub: &TestHub, path: &str) -> (Vec<String>, Option<String>, usize) {
    let page: Value = hub.get(path).await.json(200);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let ids = page["items"].as_array().unwrap().iter().map(|item| text(&item["id"])).collect();
    (ids, page.get("next").map(text), page["total"].as_u64().unwrap() as usize)
}

async fn found(hub: &TestHub, path: &str) -> Vec<String> {
    page(hub, path).await.0
}

#[tokio::test]
async fn services_are_found_by_thai_and_english_words_and_ids_that_must_all_occur() {
    let hub = TestHub::new().await;
    for words in
        ["ใบอนุญาตขับรถ", "ขับรถ ต่ออายุ", "driving LICENCE", "  renewal   Driving ", "DLT.driving", "จักรยานยนต์ 5 private"]
    {
        let path = hub_path("/v1/services", &[("q", words)]);
        assert_eq!(found(&hub, &path).await, [SERVICE], "{words}");
    }
    assert_eq!(page(&hub, &hub_path("/v1/services", &[("q", "ขับรถ submarine")])).await, (vec![], None, 0));
    let houses = found(&hub, &hub_path("/v1/evidence-types", &[("q", "ทะเบียนบ้าน")])).await;
    assert_eq!(houses, ["th.dopa.house-registration"]);
    let everything = page(&hub, "/v1/services").await.2;
    assert_eq!(page(&hub, &hub_path("/v1/services", &[("q", " ")])).await.2, everything);
}

#[tokio::test]
async fn filters_hold_together() {
    let hub = TestHub::new().await;
    let services = hub.app.registry.catalogue().services().to_vec();
    let (licences, _, total) = page(&hub, "/v1/services?family=licence").await;
    assert!(licences.contains(&SERVICE.to_owned()) && total == licences.len() && total < services.len());
    assert_eq!(found(&hub, "/v1/services?family=licence&authority=th.dlt&applicant=Foreigner").await, [SERVICE]);
    assert_eq!(found(&hub, "/v1/services?family=licence&authority=th.dlt&applicant=Juristic").await, [""; 0]);
    let finished = found(&hub, "/v1/services?status=end-to-end").await;
    assert!(finished.contains(&"th.dlt.vehicle-tax".to_owned()) && !finished.contains(&SERVICE.to_owned()));
    let documents = found(&hub, "/v1/evidence-types?format=document&issuer=th.moph&q=doctor").await;
    assert_eq!(documents, [""; 0]);
    let documents = found(&hub, "/v1/evidence-types?format=document&issuer=th.moph&q=medical").await;
    assert_eq!(documents, ["th.moph.medical-certificate"]);
}

#[tokio::test]
async fn pages_hold_every_item_once_in_the_order_of_the_ids() {
    let hub = TestHub::new().await;
    for path in ["/v1/services", "/v1/evidence-types"] {
        let (all, next, total) = page(&hub, path).await;
        assert!(all.is_sorted() && all.len() == total && next.is_none(), "{path}");
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let (ids, next, of) = page(&hub, &format!("{path}?limit=7{after}")).await;
            assert!(ids.len() <= 7 && of == total);
            seen.extend(ids);
            let Some(next) = next else { break };
            assert_eq!(Some(&next), seen.last());
            after = format!("&after={next}");
        }
        assert_eq!(seen, all, "{path}");
        // A full last page is the last one, and an id that is gone is still a place.
        assert_eq!(page(&hub, &format!("{path}?limit={total}")).await.1, None);
        assert_eq!(page(&hub, &format!("{path}?after=th.zzz")).await, (vec![], None, total));
    }
}

#[tokio::test]
async fn a_query_that_this_path_does_not_take_is_refused() {
    let hub = TestHub::new().await;
    let long = format!("q={}", "a".repeat(201));
    for query in [
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=many",
        "page=2",
        "family=Licence",
        "status=offline",
        "applicant=citizen",
        "after=TH.DLT",
        "q=a&q=b",
        &long,
        "issuer=th.dlt",
    ] {
        hub.get(&format!("/v1/services?{query}")).await.problem(ProblemCode::RequestMalformed);
    }
    for query in ["format=pdf", "limit=0", "family=licence"] {
        hub.get(&format!("/v1/evidence-types?{query}")).await.problem(ProblemCode::RequestMalformed);
    }
}

#[tokio::test]
async fn one_service_and_one_evidence_type_are_shown_and_unknown_ones_are_not_found() {
    let hub = TestHub::new().await;
    let service: Value = hub.get(&format!("/v1/services/{SERVICE}")).await.json(200);
    let listed: Value = hub.get(&hub_path("/v1/services", &[("q", SERVICE)])).await.json(200);
    assert_eq!(listed["items"], json!([service]));
    let known = hub.app.registry.catalogue().service(&SERVICE.parse().unwrap()).unwrap().clone();
    assert_eq!(service["priority"], known.priority());
    assert_eq!(service["requirements"], serde_json::to_value(&known.requirements).unwrap());
    let identity: Value = hub.get("/v1/evidence-types/th.dopa.identity").await.json(200);
    assert_eq!((&identity["schema"], &identity["format"]), (&json!("th.dopa.identity@1"), &json!("json")));
    for path in ["/v1/services/th.dlt.flying", "/v1/services/A", "/v1/evidence-types/th.dopa.mood", "/v1/services/"] {
        hub.get(path).await.problem(ProblemCode::NotFound);
    }
}

#[tokio::test]
async fn an_answer_that_the_caller_has_is_not_sent_again() {
    let hub = TestHub::new().await;
    let asked = async |path: &str, tags: &str| {
        let request = reqwest::Client::builder().no_proxy().build().unwrap().get(hub.at(path));
        Answer::read(request.header(IF_NONE_MATCH, tags).send().await.unwrap()).await
    };
    for path in ["/v1/services?limit=2", "/v1/evidence-types", "/v1/services/th.mfa.passport"] {
        let first = hub.get(path).await;
        let tag = first.header("etag").unwrap().to_owned();
        assert_eq!(tag, format!("\"{}\"", Sha256Hash::of(&first.body)), "a strong tag of the very bytes");
        assert_eq!(hub.get(path).await.header("etag"), Some(&*tag));
        for tags in [tag.clone(), format!("\"a\", {tag}"), format!("W/{tag}"), "*".to_owned()] {
            let again = asked(path, &tags).await;
            assert_eq!((again.status, again.body.len()), (304, 0), "{tags}");
            assert_eq!(again.header("etag"), Some(&*tag));
        }
        assert_eq!(asked(path, "\"another\"").await.body, first.body);
    }
}

#[tokio::test]
async fn a_service_is_covered_by_agreements_in_force_with_its_authority_and_with_who_holds_the_evidence() {
    const NAME_CHANGE: &str = "th.dopa.name-change";
    let hub = TestHub::new().await;
    let (portal, archive) = (hub.world.portal.id.clone(), hub.world.archive.id.clone());
    let agreement = |id: &str, message_type: &str| Agreement {
        id: id.parse().unwrap(),
        sender: portal.clone(),
        receiver: archive.clone(),
        types: BTreeSet::from([message_type.parse().unwrap()]),
        services: BTreeSet::from([NAME_CHANGE.parse().unwrap()]),
        purposes: BTreeSet::from(["name-change".parse().unwrap()]),
        legal_basis: "Person Name Act BE 2505 s.16".parse().unwrap(),
        consent: false,
        retention_days: None,
        not_before: None,
        not_after: None,
    };
    let added = |agreement: Agreement| Change::Added(Entry::Agreement(agreement));
    let at = |now: u64, look: &dyn Fn(&Coverage<'_>)| {
        let current = hub.app.registry.current();
        look(&Coverage::new(&current.catalogue, &current.state, now));
    };
    at(NOW, &|coverage| {
        assert_eq!(coverage.end_to_end, 0);
        assert!(!service(coverage, NAME_CHANGE).receives_applications);
        assert!(service(coverage, SERVICE).receives_applications);
        assert_eq!(missing(coverage, SERVICE).len(), 4, "the agreement about evidence is out of force");
        assert!(coverage.services.is_sorted_by_key(|service| std::cmp::Reverse(service.priority)));
    });
    at(NOW - 1, &|coverage| assert!(!missing(coverage, SERVICE).contains(&"driving-licence")));

    let registered = Service { id: NAME_CHANGE.parse().unwrap(), authority: archive.member() };
    hub.apply([Change::Added(Entry::Service(registered)), added(agreement("names.evidence", "evidence.requested"))])
        .await;
    at(NOW, &|coverage| {
        let names = service(coverage, NAME_CHANGE);
        assert!(missing(coverage, NAME_CHANGE).is_empty() && !names.end_to_end && !names.receives_applications);
        let of_houses = coverage.missing.iter().find(|one| one.evidence_type.as_str() == "th.dopa.house-registration");
        assert!(of_houses.is_some_and(|one| !one.services.contains(&names.id) && one.services.len() > 3));
    });

    hub.apply([added(agreement("names.applications", "application.submitted"))]).await;
    at(NOW, &|coverage| {
        assert!(coverage.end_to_end == 1 && service(coverage, NAME_CHANGE).end_to_end);
        let told = coverage.to_string();
        let services = coverage.services.len();
        assert!(told.starts_with(&format!("1 of {services} services are served end to end\n")), "{told}");
        assert!(told.contains("th.dopa.name-change  end to end; survey: information"), "{told}");
        assert!(told.contains("medical-certificate: nobody can be asked for th.moph.medical-certificate"), "{told}");
        assert!(told.contains("th.moph.medical-certificate, held by th.moph, th.bma, for 2 service(s)"), "{told}");
    });
}

fn service<'c, 'a>(coverage: &'c Coverage<'a>, id: &str) -> &'c ServiceCoverage<'a> {
    coverage.services.iter().find(|service| service.id.as_str() == id).unwrap()
}

fn missing<'a>(coverage: &Coverage<'a>, id: &str) -> Vec<&'a str> {
    let requirements = service(coverage, id).requirements.iter();
    requirements.filter(|one| one.providers.is_empty()).map(|one| one.id.as_str()).collect()
}

fn hub_path(path: &str, query: &[(&str, &str)]) -> String {
    let url = reqwest::Url::parse_with_params(&format!("http://hub{path}"), query).unwrap();
    format!("{path}?{}", url.query().unwrap())
}

#[tokio::test]
async fn applications_that_come_to_the_authority_as_complete_cases_count() {
    let stage = crate::cases::stage::Stage::new().await;
    let current = stage.hub.app.registry.current();
    let coverage = Coverage::new(&current.catalogue, &current.state, stage.hub.clock.now());
    let name = crate::cases::stage::SERVICE;
    let found = coverage.services.iter().find(|service| service.id.as_str() == name).unwrap();
    assert!(found.receives_applications, "{found:?}");
    stage.revoke_agreement("own.authority").await;
    let current = stage.hub.app.registry.current();
    let coverage = Coverage::new(&current.catalogue, &current.state, stage.hub.clock.now());
    let found = coverage.services.iter().find(|service| service.id.as_str() == name).unwrap();
    assert!(!found.receives_applications, "nothing takes complete cases to the authority: {found:?}");
}
