//! What the survey of the roadmap says about a service, and the priority that follows from it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Figures of the survey. They are stated by the authority, not measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Survey {
    /// How far it can be used without an office and paper.
    pub digital_status: DigitalStatus,
    /// Applications a year.
    pub demand: u32,
    /// How much of what it takes to serve it end to end is there: form, back office, registers that answer, a law that allows it.
    pub readiness: Percent,
}

impl Survey {
    /// A number from 0 to 1000; the highest goes first. It is 6 × *demand points* + 4 × *readiness*.
    ///
    /// Demand points are 4 × log₂(demand), rounded down and at most 100: a service that twice as many people need has 4 points
    /// more, so that a service for thousands is not lost beside one for millions; 100 points are 33,554,432 applications a year.
    /// Without demand there are none.
    #[must_use]
    pub fn priority(&self) -> u16 {
        // 4 × log₂(n) is log₂(n⁴), and n⁴ has 128 bits.
        let points = u128::from(self.demand).pow(4).checked_ilog2().unwrap_or(0).min(100);
        let weighed = 6 * points + 4 * u32::from(self.readiness.get());
        weighed as u16
    }
}

/// How far a service can be used without an office and paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DigitalStatus {
    /// Nothing of it is online.
    None,
    /// What it takes can be read online.
    Information,
    /// Its form can be downloaded.
    Form,
    /// It can be applied for online, and something still needs paper or an office.
    Online,
    /// From application to decision without paper and office.
    EndToEnd,
}

impl fmt::Display for DigitalStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A whole number from 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8")]
pub struct Percent(u8);

impl Percent {
    /// The number.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0
    }
}

/// More than 100 percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a percentage is a whole number from 0 to 100")]
pub struct MoreThanAll;

impl TryFrom<u8> for Percent {
    type Error = MoreThanAll;

    fn try_from(number: u8) -> Result<Self, MoreThanAll> {
        if number <= 100 { Ok(Self(number)) } else { Err(MoreThanAll) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn priority(demand: u32, readiness: u8) -> u16 {
        Survey { digital_status: DigitalStatus::Form, demand, readiness: Percent::try_from(readiness).unwrap() }
            .priority()
    }

    #[test]
    fn twice_the_demand_counts_as_much_as_six_percent_of_readiness() {
        assert_eq!(priority(1_000, 50), 6 * 39 + 4 * 50);
        assert_eq!(priority(2_000, 50), priority(1_000, 50) + 24);
        assert_eq!(priority(2_000, 50), priority(1_000, 56));
    }

    #[test]
    fn the_priority_is_between_0_and_1000() {
        assert_eq!(priority(0, 0), 0);
        assert_eq!(priority(1, 0), 0);
        assert_eq!(priority(33_554_431, 0), 6 * 99);
        assert_eq!(priority(33_554_432, 0), 600);
        assert_eq!(priority(u32::MAX, 100), 1000);
    }

    #[test]
    fn more_than_100_percent_is_refused() {
        assert!(serde_json::from_str::<Percent>("101").is_err());
        assert_eq!(serde_json::from_str::<Percent>("100").unwrap().get(), 100);
    }
}
