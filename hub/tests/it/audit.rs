//! What auditors search, and that they did.

mod answers;
mod exporting;
mod index;
mod queries;
mod scan;
mod searching;

pub(crate) use exporting::proven;
use saphan_schemas::ids::CaseId;
use saphan_schemas::problem::ProblemCode;
use saphan_schemas::registry::{Change, Entry, Member, Role, System, TransportKind};
use serde_json::{Value, json};

use crate::harness::{Answer, Party, Submission, TestHub, batch, sign_batch, sign_token};

/// A hub with an auditor.
struct Hall {
    hub: TestHub,
    auditor: Party,
}

impl Hall {
    async fn new() -> Self {
        Self::beside(TestHub::with(WITHOUT_LIMITS).await).await
    }

    /// Registers an auditor.
    async fn beside(hub: TestHub) -> Self {
        let auditor = Party::new("th.oag/audit", TransportKind::Pull);
        hub.apply(registration(&auditor)).await;
        Self { hub, auditor }
    }

    async fn ask(&self, call: &str, body: &Value) -> Answer {
        self.hub.call(&self.auditor, "POST", &format!("/v1/audit/{call}"), body).await
    }

    /// Past queries, with this query after the path.
    async fn queries(&self, query: &str) -> Answer {
        let path = "/v1/audit/queries";
        let token = sign_token(self.hub.token(self.auditor.id.as_str(), "GET", path), &self.auditor.key);
        self.hub.call_with(&format!("Bearer {token}"), "GET", &format!("{path}{query}"), &Value::Null).await
    }

    async fn search(&self, filter: Value) -> Value {
        self.ask("search", &json!({ "filter": filter })).await.json(200)
    }

    /// The places that a search finds, the newest first.
    async fn places(&self, filter: Value) -> Vec<u64> {
        places(&self.search(filter).await)
    }

    /// A message in a case.
    fn message_in(&self, case: CaseId) -> Submission {
        let world = &self.hub.world;
        world.withdrawal().change(|claims| claims.case = Some(case)).sign(&world.portal.key)
    }

    /// Its receiver acknowledges it; returns the place of the acknowledgement.
    async fn settle(&self, index: u64, code: Option<&str>) -> u64 {
        let office = &self.hub.world.office;
        let signed = sign_batch(batch(office, &[(index, code)]), &office.key);
        self.hub.acknowledge(office, &signed).await.json::<Value>(201)["index"].as_u64().unwrap()
    }

    /// A message that the hub refuses; returns the place of the refusal.
    async fn refused(&self) -> u64 {
        let world = &self.hub.world;
        let message = world.withdrawal().change(|claims| claims.service = None).sign(&world.portal.key);
        self.hub.submit(&message).await.problem(ProblemCode::AgreementMissing).index.unwrap()
    }

    async fn restart(self) -> Self {
        Self { hub: self.hub.stop().await.start().await, auditor: self.auditor }
    }
}

pub(crate) fn registration(auditor: &Party) -> Vec<Change> {
    let id = auditor.id.member();
    let member = Member {
        name_th: "สำนักงานการตรวจเงินแผ่นดิน".into(), name_en: "Audit".into(), id
    };
    let roles = [Role::Auditor].into();
    let system = System { id: auditor.id.clone(), transport: TransportKind::Pull, roles };
    let entries = [Entry::Member(member), Entry::System(system), Entry::Key(auditor.key_entry())];
    entries.into_iter().map(Change::Added).collect()
}

fn places(page: &Value) -> Vec<u64> {
    page["rows"].as_array().unwrap().iter().map(|row| row["index"].as_u64().unwrap()).collect()
}

/// The tests' clock stands still, so that an allowance never comes back.
const WITHOUT_LIMITS: &str = "[limits]\nrequests_per_second = 0\nmessages_per_second = 0\n";
