//! Everybody who takes part but the portal: each with its handlers, ready to be connected.

use saphan_connector::ConnectorBuilder;

use crate::agencies::case_office::CaseOffice;
use crate::agencies::registers::{EvidenceRegister, REGISTERS};
use crate::agencies::{Records, civil_registration, civil_registry, food_premises, licences, moves, requests, welfare};
use crate::applications::Plan;
use crate::procedures::Procedures;

/// The four agencies and the civil registry: they exchange applications and evidence by themselves, and take part in the
/// hub's once-only cases where they decide, or hold evidence.
///
/// # Errors
/// `builder` has no connector for a system.
pub fn agencies(
    builder: impl Fn(&str) -> anyhow::Result<ConnectorBuilder>,
    records: &Records,
    plan: &Plan,
    procedures: &Procedures,
) -> anyhow::Result<Vec<ConnectorBuilder>> {
    let (citizens, companies) = (plan.citizens.iter().cloned(), plan.companies.iter().cloned());
    let grants = welfare::ChildGrants::open(builder(welfare::MANDATE.system)?, records)?;
    let registrar = civil_registration::NameChanges::open(builder(civil_registration::MANDATE.system)?, records)?;
    let renewals = licences::DrivingLicences::open(builder(licences::MANDATE.system)?, records)?;
    Ok(vec![
        civil_registry::CivilRegistry::open(
            builder(civil_registry::SYSTEM)?,
            records,
            citizens,
            procedures.holdings.of(&REGISTERS[0]),
        ),
        CaseOffice::open(grants, records, welfare::NewbornGrants)?,
        requests::Certificates::open(builder(requests::MANDATE.system)?, records, companies)?,
        CaseOffice::open(registrar, records, moves::Moves)?,
        CaseOffice::open(renewals, records, licences::Renewals)?,
    ])
}

/// Those that take part in the hub's once-only cases only: [`crate::registry::ONCE_ONLY_SYSTEMS`].
///
/// # Errors
/// `builder` has no connector for a system.
pub fn once_only(
    builder: impl Fn(&str) -> anyhow::Result<ConnectorBuilder>,
    records: &Records,
    procedures: &Procedures,
) -> anyhow::Result<Vec<ConnectorBuilder>> {
    let office = builder(food_premises::MANDATE.system)?;
    let mut all = vec![CaseOffice::open(office, records, food_premises::FoodPremises)?];
    for register in &REGISTERS[1..] {
        let holdings = procedures.holdings.of(register);
        all.push(EvidenceRegister::open(builder(register.system)?, records, holdings));
    }
    Ok(all)
}
