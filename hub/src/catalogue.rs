//! What can be asked about the catalogue: services and evidence types by search, and how much of it is served end to end.

mod coverage;
mod search;

pub use self::coverage::{Coverage, Missing, RequirementCoverage, ServiceCoverage};
pub use self::search::{EvidenceTypeSearch, Limit, Page, ServiceItem, ServiceSearch, Words};
