//! What a portal asks the hub, over HTTP.
//!
//! The server here answers as the hub's handlers do, with members that this SDK does not know.

use std::sync::{Arc, Mutex};

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use saphan_connector::hub_api::HubError;
use saphan_connector::portal::{CaseStatus, RequirementState};
use saphan_connector::schemas::ids::CaseId;
use saphan_connector::schemas::message_types::{ApplicantKind, NextActor, ProofSource, Subject};
use saphan_connector::schemas::problem::ProblemCode;
use saphan_connector::{Connector, testing::TestHub};
use serde_json::{Value, json};

use crate::support::{PORTAL, hub, in_time};

/// What the server was asked about people.
type Asked = Arc<Mutex<Vec<Value>>>;

struct Site {
    _hub: TestHub,
    portal: Connector,
    asked: Asked,
}

async fn site() -> Site {
    let (hub, asked) = (hub(), Asked::default());
    let router = Router::new()
        .route("/v1/cases/{id}", get(case))
        .route("/v1/cases/{id}/events", get(events))
        .route("/v1/trace", post(trace))
        .route("/v1/services", get(services))
        .route("/v1/services/{id}", get(async || Json(service("th.dlt.driving-licence-renewal"))))
        .route("/v1/evidence-types/{id}", get(evidence_type))
        .with_state(Arc::clone(&asked));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    // It ends with the test's runtime.
    tokio::spawn(async move { axum::serve(listener, router).await });
    let portal = hub.connector(PORTAL).unwrap().hub(&address).build().await.unwrap();
    Site { _hub: hub, portal, asked }
}

fn text() -> Value {
    json!({ "th": "ข้อความ", "en": "Text" })
}

const KNOWN: &str = "019f0000-0000-7000-8000-000000000001";

async fn case(Path(id): Path<String>, headers: HeaderMap) -> Response {
    assert!(headers["authorization"].to_str().unwrap().starts_with("Bearer "));
    if id != KNOWN {
        return (StatusCode::NOT_FOUND, Json(ProblemCode::NotFound.document())).into_response();
    }
    Json(view("RESTING")).into_response()
}

/// What happens in the case, three events a connection. The second connection begins with what was sent before, and breaks off.
async fn events(Path(id): Path<String>, headers: HeaderMap) -> Response {
    if id != KNOWN {
        return (StatusCode::NOT_FOUND, Json(ProblemCode::NotFound.document())).into_response();
    }
    let last: Option<u64> = headers.get("last-event-id").map(|id| id.to_str().unwrap().parse().unwrap());
    let event = |seq: u64| {
        let status = if seq == 8 { "COMPLETED" } else { "PENDING" };
        let mut body = json!({ "seq": seq, "event": "something-new", "requirement": "identity", "now": view(status) });
        if seq == 4 {
            body["event"] = json!("evidence-failed");
            body["failure"] = json!({ "reason": "invalid", "code": "evidence-expired" });
        }
        format!(": alive\n\nid: {seq}\nevent: case\ndata: {body}\n\n")
    };
    let first = last.map_or(0, |last| if last == 2 { last } else { last + 1 });
    let mut text: String = (first..(first + 3).min(9)).map(event).collect();
    if last == Some(2) {
        text.truncate(text.len() - 9);
    }
    ([("content-type", "text/event-stream")], text).into_response()
}

fn view(status: &str) -> Value {
    json!({
        "case": KNOWN,
        "service": "th.dlt.driving-licence-renewal",
        "status": status,
        "next": "WAITING_USER_WORKING",
        "text": text(),
        "opened_at": "2026-11-24T09:30:00+07:00",
        "authority": "th.dlt/licensing",
        "handed_over": true,
        "fee_satang": 50500,
        "requirements": [
            {
                "requirement": "identity", "name": text(), "state": "proven", "evidence_type": "th.dopa.identity",
                "provider": "th.dopa/civil-registry", "source": "REUSED", "index": 12,
            },
            {
                "requirement": "medical-certificate", "name": null, "state": "on-the-moon", "answer_by": "2026-12-24",
                "failures": [{
                    "evidence_type": "th.moph.medical-certificate", "provider": "th.moph/health-records",
                    "reason": "declined", "because": "NOT_HELD",
                }],
            },
        ],
        "events": 9,
        "mood": "good",
    })
}

async fn trace(State(asked): State<Asked>, Json(request): Json<Value>) -> Json<Value> {
    let is_first = request.get("before").is_none();
    asked.lock().unwrap().push(request);
    let item = json!({
        "index": 12, "at": "2026-11-24T09:30:00+07:00", "from": "th.dopa/civil-registry", "to": "th.dga/once-only",
        "type": "evidence.provided", "case": KNOWN, "evidence_type": "th.dopa.identity", "colour": "blue",
    });
    if is_first { Json(json!({ "items": [item], "next": 12 })) } else { Json(json!({ "items": [] })) }
}

fn service(id: &str) -> Value {
    json!({
        "id": id, "family": "licence", "name": text(), "description": text(), "priority": 5,
        "authority": { "member": "th.dlt", "name": text() }, "form": format!("{id}@1"),
        "applicants": ["Citizen", "Juristic"], "processing_days": 1,
        "requirements": [
            { "id": "identity", "name": text(), "evidence": ["th.dopa.identity"], "about": "person" },
            {
                "id": "company", "name": text(), "evidence": ["th.dbd.juristic-person-record"], "about": "applicant",
                "applicants": ["Juristic"],
            },
        ],
    })
}

async fn evidence_type(Path(id): Path<String>) -> Json<Value> {
    Json(json!({
        "id": id, "name": text(), "issuer": { "member": "th.rd", "name": text() }, "schema": format!("{id}@1"),
        "format": "json", "fresh_days": 365, "consent_needed": true,
    }))
}

/// Two pages.
async fn services(Query(query): Query<Vec<(String, String)>>) -> Json<Value> {
    match query.iter().find(|(name, _)| name == "after") {
        None => Json(json!({ "items": [service("th.a")], "next": "th.a", "total": 2 })),
        Some((_, after)) => {
            assert_eq!(after, "th.a");
            Json(json!({ "items": [service("th.b")], "total": 2 }))
        }
    }
}

#[tokio::test]
async fn a_case_is_read_with_members_and_states_that_are_new() {
    let site = site().await;
    let case = in_time(site.portal.case(KNOWN.parse().unwrap())).await.unwrap();
    assert_eq!((case.status, case.next, case.handed_over), (CaseStatus::Other, NextActor::Applicant, true));
    assert_eq!((case.fee_satang, case.approved, case.events), (Some(50_500), None, 9));
    let [identity, certificate] = &case.requirements[..] else { panic!("{case:?}") };
    assert_eq!((identity.state, identity.source), (RequirementState::Proven, Some(ProofSource::Reused)));
    let failure = &certificate.failures[0].failure;
    assert_eq!((certificate.state, failure.reason.as_str()), (RequirementState::Other, "declined"));
    assert_eq!((failure.because.as_deref(), &failure.code), (Some("NOT_HELD"), &None));
    let last_day = certificate.answer_by.as_ref().map(|last| last.as_str());
    assert_eq!(last_day, Some("2026-12-24"));
}

#[tokio::test]
async fn a_case_that_the_hub_does_not_show_is_a_problem_not_found() {
    let site = site().await;
    let error = in_time(site.portal.case(CaseId::new())).await.unwrap_err();
    assert_eq!(error.problem_code(), Some(ProblemCode::NotFound));
    assert!(!error.is_retryable(), "{error}");
}

#[tokio::test]
async fn a_case_is_followed_over_cut_connections_each_event_once_until_it_ends() {
    let site = site().await;
    let mut watch = site.portal.watch_case(KNOWN.parse().unwrap(), None);
    let mut seen = Vec::new();
    while let Some(event) = in_time(watch.next()).await.unwrap() {
        let what = if event.seq == 4 { "evidence-failed" } else { "something-new" };
        assert_eq!((event.event.as_str(), event.now.events), (what, 9));
        assert_eq!(event.failure.is_some(), event.seq == 4);
        if let Some(failure) = event.failure {
            assert_eq!((failure.reason.as_str(), failure.code.unwrap().as_str()), ("invalid", "evidence-expired"));
        }
        seen.push(event.seq);
    }
    assert_eq!(seen, (0..9).collect::<Vec<_>>());
    assert_eq!((watch.last(), in_time(watch.next()).await.unwrap()), (Some(8), None));
    let mut later = site.portal.watch_case(KNOWN.parse().unwrap(), Some(6));
    assert_eq!(in_time(later.next()).await.unwrap().unwrap().seq, 7, "it goes on where another left off");
    let error = in_time(site.portal.watch_case(CaseId::new(), None).next()).await.unwrap_err();
    assert_eq!(error.problem_code(), Some(ProblemCode::NotFound));
}

#[tokio::test]
async fn a_persons_trace_is_asked_for_page_by_page_and_the_number_travels_in_the_body() {
    let site = site().await;
    let person = Subject::Citizen { national_id: "1990100010008".parse().unwrap() };
    let page = in_time(site.portal.trace(&person, None)).await.unwrap();
    assert_eq!(page.items[0].message_type.as_str(), "evidence.provided");
    let last = in_time(site.portal.trace(&person, page.next)).await.unwrap();
    assert_eq!((last.items.len(), last.next), (0, None));
    let subject = json!({ "kind": "Citizen", "national_id": "1990100010008" });
    let asked = site.asked.lock().unwrap().clone();
    assert_eq!(asked, [json!({ "subject": subject }), json!({ "subject": subject, "before": 12 })]);
}

#[tokio::test]
async fn services_of_all_pages_are_there_with_what_each_kind_of_applicant_must_prove() {
    let site = site().await;
    let services = in_time(site.portal.services()).await.unwrap();
    let names: Vec<&str> = services.iter().map(|service| service.id.as_str()).collect();
    assert_eq!(names, ["th.a", "th.b"]);
    let one = in_time(site.portal.service(&"th.dlt.driving-licence-renewal".parse().unwrap())).await.unwrap();
    assert_eq!(one.requirements_for(ApplicantKind::Citizen).count(), 1);
    assert_eq!(one.requirements_for(ApplicantKind::Juristic).count(), 2);
    let income = in_time(site.portal.evidence_type(&"th.rd.income-record".parse().unwrap())).await.unwrap();
    assert_eq!((income.issuer.member.as_str(), income.consent_needed), ("th.rd", true));
}

#[tokio::test]
async fn a_test_hub_knows_no_cases() {
    let hub = hub();
    let portal = hub.connector(PORTAL).unwrap().build().await.unwrap();
    let error = portal.case(CaseId::new()).await.unwrap_err();
    assert!(matches!(error, HubError::Problem { .. }), "{error}");
}
