//! Which services the exchange serves end to end, and what is missing for the others.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use saphan_schemas::catalogue::{Catalogue, DigitalStatus, EvidenceType, PublicService, Requirement};
use saphan_schemas::ids::{Code, EvidenceTypeId, MemberId, ServiceId};
use saphan_schemas::message_types::{ApplicationSubmitted, CaseSubmitted, EvidenceRequested, MessageBody};
use saphan_schemas::registry::{Agreement, RegistryState};
use serde::Serialize;

/// All services, the one with the highest priority first.
#[derive(Debug, Serialize)]
pub struct Coverage<'a> {
    /// How many of them are served end to end.
    pub end_to_end: usize,
    /// The services.
    pub services: Vec<ServiceCoverage<'a>>,
    /// The evidence that nobody can be asked for, in the order of its types.
    pub missing: Vec<Missing<'a>>,
}

/// How far a service is served.
#[derive(Debug, Serialize)]
pub struct ServiceCoverage<'a> {
    /// The service.
    pub id: &'a ServiceId,
    /// Where it stands in the order of work; see [`PublicService::priority`].
    pub priority: u16,
    /// What the survey says.
    pub digital_status: DigitalStatus,
    /// Who decides.
    pub authority: &'a MemberId,
    /// Whether agreements bring applications for it to a system of the authority, at once or as complete cases.
    pub receives_applications: bool,
    /// Whether it receives applications, and everything that it requires can be asked for.
    pub end_to_end: bool,
    /// What it requires.
    pub requirements: Vec<RequirementCoverage<'a>>,
}

/// Whom the exchange can ask for what proves a requirement.
#[derive(Debug, Serialize)]
pub struct RequirementCoverage<'a> {
    /// The requirement.
    pub id: &'a Code,
    /// The evidence types of which any one proves it.
    pub evidence: &'a [EvidenceTypeId],
    /// The members that can be asked for one of them; the requirement is missing when there is none.
    pub providers: BTreeSet<&'a MemberId>,
}

/// Evidence that nobody can be asked for, where a service requires it.
#[derive(Debug, Serialize)]
pub struct Missing<'a> {
    /// Its type.
    pub evidence_type: &'a EvidenceTypeId,
    /// The members that hold it, the issuer first.
    pub holders: Vec<&'a MemberId>,
    /// The services that it is missing for.
    pub services: BTreeSet<&'a ServiceId>,
}

impl<'a> Coverage<'a> {
    /// What the agreements that are in force at `now` (seconds since 1970) allow.
    #[must_use]
    pub fn new(catalogue: &'a Catalogue, registry: &RegistryState, now: u64) -> Self {
        let agreed = Agreed::new(registry, now);
        let mut services: Vec<_> =
            catalogue.services().iter().map(|service| agreed.service(catalogue, service)).collect();
        services.sort_by(|a, b| b.priority.cmp(&a.priority).then_with(|| a.id.cmp(b.id)));
        let missing = missing(catalogue, &services);
        let end_to_end = services.iter().filter(|service| service.end_to_end).count();
        Self { end_to_end, services, missing }
    }
}

impl<'a> ServiceCoverage<'a> {
    /// The requirements that nobody can be asked to prove.
    fn missing(&self) -> impl Iterator<Item = &RequirementCoverage<'a>> {
        self.requirements.iter().filter(|requirement| requirement.providers.is_empty())
    }
}

/// What agreements bring to whom.
struct Agreed<'r> {
    /// The members that receive messages of a type for a service.
    receivers: BTreeMap<(&'r str, &'r ServiceId), BTreeSet<MemberId>>,
    /// The members that complete cases of a service go to, from a system that takes applications for it: the hub's own.
    cases: BTreeSet<(&'r ServiceId, MemberId)>,
}

impl<'r> Agreed<'r> {
    fn new(registry: &'r RegistryState, now: u64) -> Self {
        let mut receivers: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        let (mut takers, mut handed_over) = (BTreeSet::new(), Vec::new());
        for record in registry.agreements().filter(|record| record.is_in_force(now)) {
            let Agreement { types, services, sender, receiver, .. } = &record.agreement;
            for (message_type, service) in types.iter().flat_map(|name| services.iter().map(move |one| (name, one))) {
                receivers.entry((message_type.as_str(), service)).or_default().insert(receiver.member());
                match message_type.as_str() {
                    ApplicationSubmitted::TYPE => {
                        takers.insert((service, receiver));
                    }
                    CaseSubmitted::TYPE => handed_over.push((service, sender, receiver)),
                    _ => {}
                }
            }
        }
        let from_takers = handed_over.into_iter().filter(|(service, sender, _)| takers.contains(&(*service, *sender)));
        let cases = from_takers.map(|(service, _, receiver)| (service, receiver.member())).collect();
        Self { receivers, cases }
    }

    /// Whether applications for a service come to this member, at once or as complete cases.
    fn applications(&self, service: &ServiceId, member: &MemberId) -> bool {
        self.receives(ApplicationSubmitted::TYPE, service, member)
            || self.cases.iter().any(|(of, receiver)| *of == service && receiver == member)
    }

    fn receives(&self, message_type: &str, service: &ServiceId, member: &MemberId) -> bool {
        self.receivers.get(&(message_type, service)).is_some_and(|members| members.contains(member))
    }

    fn service<'a>(&self, catalogue: &'a Catalogue, service: &'a PublicService) -> ServiceCoverage<'a> {
        let authority = &service.authority.member;
        let receives_applications = self.applications(&service.id, authority);
        let requirements: Vec<_> =
            service.requirements.iter().map(|requirement| self.requirement(catalogue, service, requirement)).collect();
        let all_proven = requirements.iter().all(|requirement| !requirement.providers.is_empty());
        ServiceCoverage {
            id: &service.id,
            priority: service.priority(),
            digital_status: service.survey.digital_status,
            authority,
            receives_applications,
            end_to_end: receives_applications && all_proven,
            requirements,
        }
    }

    fn requirement<'a>(
        &self,
        catalogue: &'a Catalogue,
        service: &PublicService,
        Requirement { id, evidence, .. }: &'a Requirement,
    ) -> RequirementCoverage<'a> {
        let types = evidence.iter().filter_map(|id| catalogue.evidence_type(id));
        let asked = |member: &&MemberId| self.receives(EvidenceRequested::TYPE, &service.id, member);
        RequirementCoverage { id, evidence, providers: types.flat_map(EvidenceType::providers).filter(asked).collect() }
    }
}

fn missing<'a>(catalogue: &'a Catalogue, services: &[ServiceCoverage<'a>]) -> Vec<Missing<'a>> {
    let mut lacking: BTreeMap<&'a EvidenceTypeId, BTreeSet<&'a ServiceId>> = BTreeMap::new();
    for service in services {
        for id in service.missing().flat_map(|requirement| requirement.evidence) {
            lacking.entry(id).or_default().insert(service.id);
        }
    }
    let holders = |id| catalogue.evidence_type(id).into_iter().flat_map(EvidenceType::providers).collect();
    lacking
        .into_iter()
        .map(|(evidence_type, services)| Missing { evidence_type, holders: holders(evidence_type), services })
        .collect()
}

impl fmt::Display for Coverage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} of {} services are served end to end", self.end_to_end, self.services.len())?;
        writeln!(f, "\nservices, the highest priority first")?;
        self.services.iter().try_for_each(|service| write!(f, "{service}"))?;
        writeln!(f, "\nmissing evidence")?;
        for Missing { evidence_type, holders, services } in &self.missing {
            writeln!(f, "  {evidence_type}, held by {}, for {} service(s)", joined(holders, ", "), services.len())?;
        }
        Ok(())
    }
}

impl fmt::Display for ServiceCoverage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.end_to_end { "end to end" } else { "not end to end" };
        writeln!(f, "  {:>4}  {}  {verdict}; survey: {}", self.priority, self.id, self.digital_status)?;
        if !self.receives_applications {
            writeln!(f, "        applications: no agreement brings them to {}", self.authority)?;
        }
        for RequirementCoverage { id, evidence, .. } in self.missing() {
            writeln!(f, "        {id}: nobody can be asked for {}", joined(*evidence, " or "))?;
        }
        Ok(())
    }
}

fn joined(ids: impl IntoIterator<Item: fmt::Display>, by: &str) -> String {
    ids.into_iter().map(|id| id.to_string()).collect::<Vec<_>>().join(by)
}
