//! The files of `schemas/catalogue/`, compiled in. A test compares these tables with the folders.

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        &[$(File { path: $path, text: include_str!(concat!("../../catalogue/", $path)) }),*]
    };
}

/// One embedded file.
pub(super) struct File {
    /// Path below `schemas/catalogue/`.
    pub(super) path: &'static str,
    /// The exact text.
    pub(super) text: &'static str,
}

impl File {
    /// The file's name without folder and extension.
    pub(super) fn stem(&self) -> &'static str {
        let name = self.path.rsplit_once('/').map_or(self.path, |(_, name)| name);
        name.strip_suffix(".json").unwrap_or(name)
    }
}

/// Common parts, message types, forms and evidence.
pub(super) const SCHEMAS: &[File] = files![
    "schemas/applicant@1.json",
    "schemas/application.decided@1.json",
    "schemas/application.fee-paid@1.json",
    "schemas/application.status-changed@1.json",
    "schemas/application.submitted@1.json",
    "schemas/application.withdrawn@1.json",
    "schemas/case.reminder@1.json",
    "schemas/case.submitted@1.json",
    "schemas/common@1.json",
    "schemas/consent.given@1.json",
    "schemas/consent.revoked@1.json",
    "schemas/evidence.declined@1.json",
    "schemas/evidence.pending@1.json",
    "schemas/evidence.provided@1.json",
    "schemas/evidence.requested@1.json",
    "schemas/evidence.reused@1.json",
    "schemas/information.requested@1.json",
    "schemas/information.supplied@1.json",
    "forms/th.bma.building-permit@1.json",
    "forms/th.bma.commercial-registration@1.json",
    "forms/th.bma.disability-allowance@1.json",
    "forms/th.bma.elderly-allowance@1.json",
    "forms/th.bma.food-premises-licence@1.json",
    "forms/th.dbd.juristic-person-certificate@1.json",
    "forms/th.dcy.child-support-grant@1.json",
    "forms/th.dep.disability-card@1.json",
    "forms/th.dlt.driving-licence-renewal@1.json",
    "forms/th.dlt.vehicle-tax@1.json",
    "forms/th.doe.work-permit@1.json",
    "forms/th.dopa.birth-registration@1.json",
    "forms/th.dopa.civil-registration-copy@1.json",
    "forms/th.dopa.divorce-registration@1.json",
    "forms/th.dopa.house-number@1.json",
    "forms/th.dopa.marriage-registration@1.json",
    "forms/th.dopa.move-in@1.json",
    "forms/th.dopa.name-change@1.json",
    "forms/th.dopa.national-id-card-replacement@1.json",
    "forms/th.fda.food-production-licence@1.json",
    "forms/th.fpo.state-welfare-registration@1.json",
    "forms/th.mfa.passport@1.json",
    "forms/th.rd.withholding-tax-refund@1.json",
    "forms/th.rtp.criminal-record-certificate@1.json",
    "forms/th.sso.child-allowance@1.json",
    "forms/th.sso.maternity-benefit@1.json",
    "forms/th.sso.unemployment-benefit@1.json",
    "evidence/th.bma.building-use@1.json",
    "evidence/th.dbd.juristic-person-record@1.json",
    "evidence/th.dep.disability-registration@1.json",
    "evidence/th.dlt.driving-licence@1.json",
    "evidence/th.dlt.vehicle-registration@1.json",
    "evidence/th.doe.job-seeker-registration@1.json",
    "evidence/th.dol.land-holding@1.json",
    "evidence/th.dol.land-title@1.json",
    "evidence/th.dopa.birth-record@1.json",
    "evidence/th.dopa.house-registration@1.json",
    "evidence/th.dopa.identity@1.json",
    "evidence/th.dopa.marital-status@1.json",
    "evidence/th.imm.stay-permit@1.json",
    "evidence/th.moph.birth-notification@1.json",
    "evidence/th.moph.disability-assessment@1.json",
    "evidence/th.moph.medical-certificate@1.json",
    "evidence/th.oic.compulsory-insurance@1.json",
    "evidence/th.rd.income-record@1.json",
    "evidence/th.rd.tax-registration@1.json",
    "evidence/th.sso.insured-status@1.json",
];

/// One public service a file.
pub(super) const SERVICES: &[File] = files![
    "services/th.bma.building-permit.json",
    "services/th.bma.commercial-registration.json",
    "services/th.bma.disability-allowance.json",
    "services/th.bma.elderly-allowance.json",
    "services/th.bma.food-premises-licence.json",
    "services/th.dbd.juristic-person-certificate.json",
    "services/th.dcy.child-support-grant.json",
    "services/th.dep.disability-card.json",
    "services/th.dlt.driving-licence-renewal.json",
    "services/th.dlt.vehicle-tax.json",
    "services/th.doe.work-permit.json",
    "services/th.dopa.birth-registration.json",
    "services/th.dopa.civil-registration-copy.json",
    "services/th.dopa.divorce-registration.json",
    "services/th.dopa.house-number.json",
    "services/th.dopa.marriage-registration.json",
    "services/th.dopa.move-in.json",
    "services/th.dopa.name-change.json",
    "services/th.dopa.national-id-card-replacement.json",
    "services/th.fda.food-production-licence.json",
    "services/th.fpo.state-welfare-registration.json",
    "services/th.mfa.passport.json",
    "services/th.rd.withholding-tax-refund.json",
    "services/th.rtp.criminal-record-certificate.json",
    "services/th.sso.child-allowance.json",
    "services/th.sso.maternity-benefit.json",
    "services/th.sso.unemployment-benefit.json",
];

/// The evidence types of one issuer a file.
pub(super) const EVIDENCE_TYPES: &[File] = files![
    "evidence-types/th.bma.json",
    "evidence-types/th.dbd.json",
    "evidence-types/th.dep.json",
    "evidence-types/th.dlt.json",
    "evidence-types/th.doe.json",
    "evidence-types/th.dol.json",
    "evidence-types/th.dopa.json",
    "evidence-types/th.imm.json",
    "evidence-types/th.moph.json",
    "evidence-types/th.oic.json",
    "evidence-types/th.rd.json",
    "evidence-types/th.sso.json",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_of_the_catalogue_is_embedded_and_no_other() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalogue");
        let mut in_folders = BTreeSet::new();
        for folder in ["schemas", "forms", "evidence", "services", "evidence-types"] {
            for entry in std::fs::read_dir(root.join(folder)).unwrap() {
                in_folders.insert(format!("{folder}/{}", entry.unwrap().file_name().to_str().unwrap()));
            }
        }
        let embedded = SCHEMAS.iter().chain(SERVICES).chain(EVIDENCE_TYPES).map(|file| file.path.to_owned());
        assert_eq!(embedded.collect::<BTreeSet<_>>(), in_folders);
    }
}
