//! Services and evidence types: complete, and everything that they refer to is there.

use std::collections::{BTreeMap, BTreeSet};

use saphan_schemas::catalogue::{Organisation, ServiceFamily};
use saphan_schemas::ids::MemberId;
use saphan_schemas::message_types::{ApplicantKind, BilingualText};

use super::CATALOGUE;

#[test]
fn all_four_families_have_services() {
    let families: BTreeSet<_> = CATALOGUE.services().iter().map(|service| service.family).collect();
    let all =
        [ServiceFamily::Welfare, ServiceFamily::Request, ServiceFamily::CivilRegistration, ServiceFamily::Licence];
    assert_eq!(families, BTreeSet::from(all));
    assert!(CATALOGUE.services().len() >= 14);
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
        for needed in &service.evidence {
            assert!(
                CATALOGUE.evidence_type(&needed.evidence_type).is_some(),
                "{} needs {}",
                service.id,
                needed.evidence_type
            );
            assert!(needed.applicants.iter().all(|kind| service.applicants.contains(kind)), "{}", service.id);
        }
    }
}

#[test]
fn evidence_is_asked_only_of_the_kinds_of_applicant_that_it_concerns() {
    let permit = CATALOGUE.service(&"th.bma.building-permit".parse().unwrap()).unwrap();
    let needs = |kind| permit.evidence_for(kind).map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(needs(ApplicantKind::Citizen), ["th.dol.land-title", "th.dopa.identity"]);
    assert_eq!(needs(ApplicantKind::Juristic), ["th.dol.land-title", "th.dbd.juristic-person-record"]);
    assert_eq!(needs(ApplicantKind::Foreigner), ["th.dol.land-title"]);
}

#[test]
fn every_evidence_type_is_needed_by_a_service_and_names_its_holder() {
    let needed: BTreeSet<_> =
        CATALOGUE.services().iter().flat_map(|service| &service.evidence).map(|needed| &needed.evidence_type).collect();
    for known in CATALOGUE.evidence_types() {
        assert!(needed.contains(&known.id), "{}", known.id);
        assert!(known.id.as_str().starts_with(&format!("{}.", known.issuer.member)), "{}", known.id);
        assert!(known.fresh_days > 0);
    }
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
