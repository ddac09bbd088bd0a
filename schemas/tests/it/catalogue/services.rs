//! Services and evidence types: complete, and everything that they refer to is there.

use std::collections::{BTreeMap, BTreeSet};

use saphan_schemas::catalogue::{EvidenceFormat, Organisation, Requirement, RequirementSubject, ServiceFamily};
use saphan_schemas::ids::MemberId;
use saphan_schemas::message_types::{ApplicantKind, BilingualText};

use super::CATALOGUE;

#[test]
fn all_four_families_have_services() {
    let families: BTreeSet<_> = CATALOGUE.services().iter().map(|service| service.family).collect();
    let all =
        [ServiceFamily::Welfare, ServiceFamily::Request, ServiceFamily::CivilRegistration, ServiceFamily::Licence];
    assert_eq!(families, BTreeSet::from(all));
    assert!(CATALOGUE.services().len() >= 24 && CATALOGUE.evidence_types().len() >= 12);
}

#[test]
fn everything_that_a_service_refers_to_resolves() {
    for service in CATALOGUE.services() {
        assert_eq!(CATALOGUE.service(&service.id), Some(service));
        assert!(CATALOGUE.schema(&service.form).is_some(), "{}", service.id);
        assert_eq!(service.form.name(), service.id.as_str());
        assert!(service.id.as_str().starts_with(&format!("{}.", service.authority.member)), "{}", service.id);
        assert!(!service.legal_basis.is_empty() && service.processing_days > 0, "{}", service.id);
        assert!(service.fee_satang.is_some() || service.fee_note.is_some(), "{} tells no fee", service.id);
        assert!(!service.requirements.is_empty() && !service.channels.is_empty(), "{}", service.id);
        let names: BTreeSet<_> = service.requirements.iter().map(|requirement| requirement.id.as_str()).collect();
        assert_eq!(names.len(), service.requirements.len(), "{} has two requirements of one name", service.id);
        for requirement in &service.requirements {
            assert!(!requirement.evidence.is_empty(), "{} {}", service.id, requirement.id);
            for needed in &requirement.evidence {
                assert!(CATALOGUE.evidence_type(needed).is_some(), "{} needs {needed}", service.id);
            }
            assert!(requirement.applicants.iter().all(|kind| service.applicants.contains(kind)), "{}", service.id);
            // Whoever represents a citizen or foreigner proves nothing about themselves in their place.
            let kinds = if requirement.applicants.is_empty() { &service.applicants } else { &requirement.applicants };
            let of_applicant = requirement.about == RequirementSubject::Applicant;
            assert!(of_applicant || kinds.contains(&ApplicantKind::Juristic), "{} {}", service.id, requirement.id);
        }
    }
}

fn requirements(service: &str, kind: ApplicantKind) -> Vec<(String, RequirementSubject)> {
    let service = CATALOGUE.service(&service.parse().unwrap()).unwrap();
    let evidence = |requirement: &Requirement| requirement.evidence.iter().map(ToString::to_string).collect::<Vec<_>>();
    service.requirements_for(kind).map(|one| (evidence(one).join(" or "), one.about)).collect()
}

#[test]
fn a_requirement_is_made_only_of_the_kinds_of_applicant_that_it_concerns() {
    let needs = |kind| requirements("th.bma.building-permit", kind).into_iter().map(|one| one.0).collect::<Vec<_>>();
    assert_eq!(needs(ApplicantKind::Citizen), ["th.dol.land-title", "th.dopa.identity"]);
    assert_eq!(needs(ApplicantKind::Juristic), ["th.dol.land-title", "th.dbd.juristic-person-record"]);
    assert_eq!(needs(ApplicantKind::Foreigner), ["th.dol.land-title"]);
}

#[test]
fn a_company_that_opens_a_restaurant_proves_its_own_standing_and_who_acts_for_it() {
    use RequirementSubject::{Applicant, Person};
    let company = [
        ("th.dbd.juristic-person-record", Applicant),
        ("th.dopa.identity", Person),
        ("th.dopa.house-registration", Person),
        ("th.dol.land-title", Applicant),
        ("th.bma.building-use", Applicant),
        ("th.rd.tax-registration", Applicant),
    ];
    let company = company.map(|(id, about)| (id.to_owned(), about));
    assert_eq!(requirements("th.bma.food-premises-licence", ApplicantKind::Juristic), company);
    assert_eq!(requirements("th.bma.food-premises-licence", ApplicantKind::Citizen), company[1..]);
}

#[test]
fn every_evidence_type_is_needed_by_a_service_and_names_who_holds_it() {
    let requirements = CATALOGUE.services().iter().flat_map(|service| &service.requirements);
    let needed: BTreeSet<_> = requirements.flat_map(|requirement| &requirement.evidence).collect();
    for known in CATALOGUE.evidence_types() {
        assert!(needed.contains(&known.id), "{}", known.id);
        assert!(known.id.as_str().starts_with(&format!("{}.", known.issuer.member)), "{}", known.id);
        assert_eq!(known.providers().next(), Some(&known.issuer.member));
        assert_eq!(known.schema.name(), known.id.as_str());
        assert!(CATALOGUE.schema(&known.schema).is_some(), "{}", known.id);
        assert!(known.fresh_days > 0);
    }
    assert!(CATALOGUE.evidence_types().iter().any(|known| known.consent_needed));
    assert!(CATALOGUE.evidence_types().iter().any(|known| known.format == EvidenceFormat::Document));
}

#[test]
fn a_member_has_one_name_everywhere() {
    let mut names: BTreeMap<&MemberId, &BilingualText> = BTreeMap::new();
    let authorities = CATALOGUE.services().iter().map(|service| &service.authority);
    for Organisation { member, name } in authorities.chain(CATALOGUE.evidence_types().iter().map(|known| &known.issuer))
    {
        assert_eq!(*names.entry(member).or_insert(name), name);
    }
}

#[test]
fn every_name_is_in_thai_and_in_english() {
    let thai = |text: &str| text.chars().any(|c| ('\u{0E01}'..='\u{0E5B}').contains(&c));
    let names =
        CATALOGUE.services().iter().flat_map(|service| [&service.name, &service.description, &service.authority.name]);
    for name in names.chain(CATALOGUE.evidence_types().iter().map(|known| &known.name)) {
        assert!(thai(&name.th) && !thai(&name.en) && !name.en.is_empty(), "{name:?}");
    }
}
