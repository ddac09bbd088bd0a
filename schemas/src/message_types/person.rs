//! Applicants and other persons: Thai citizens, juristic persons, foreigners.

use serde::{Deserialize, Serialize};

use super::{Address, Date, JuristicNumber, NationalId, PartialDate, PersonNumber};

/// Who applies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub enum Applicant {
    /// A Thai citizen.
    Citizen(Citizen),
    /// A company or partnership.
    Juristic(Box<JuristicPerson>),
    /// A person without Thai nationality.
    Foreigner(Foreigner),
}

impl Applicant {
    /// The kind of applicant.
    #[must_use]
    pub const fn kind(&self) -> ApplicantKind {
        match self {
            Self::Citizen(_) => ApplicantKind::Citizen,
            Self::Juristic(_) => ApplicantKind::Juristic,
            Self::Foreigner(_) => ApplicantKind::Foreigner,
        }
    }

    /// Just enough to find the applicant's records.
    #[must_use]
    pub fn subject(&self) -> Subject {
        match self {
            Self::Citizen(citizen) => Subject::Citizen { national_id: citizen.national_id.clone() },
            Self::Juristic(juristic) => Subject::Juristic { number: juristic.number.clone() },
            Self::Foreigner(foreigner) => Subject::Foreigner {
                passport_number: foreigner.passport_number.clone(),
                nationality: foreigner.nationality.clone(),
                person_number: foreigner.person_number.clone(),
            },
        }
    }
}

/// The kinds of applicant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ApplicantKind {
    /// A Thai citizen.
    Citizen,
    /// A company or partnership.
    Juristic,
    /// A person without Thai nationality.
    Foreigner,
}

impl std::fmt::Display for ApplicantKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(f)
    }
}

/// A human being.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub enum NaturalPerson {
    /// A Thai citizen.
    Citizen(Citizen),
    /// A person without Thai nationality.
    Foreigner(Foreigner),
}

/// Whom a piece of evidence is about.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub enum Subject {
    /// A Thai citizen.
    Citizen {
        /// National ID number.
        national_id: NationalId,
    },
    /// A company or partnership.
    Juristic {
        /// Registration number.
        number: JuristicNumber,
    },
    /// A person without Thai nationality.
    Foreigner {
        /// Passport number: capital letters and digits.
        passport_number: String,
        /// Nationality, ISO 3166-1 alpha-2.
        nationality: String,
        /// Number in the Thai civil registry.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        person_number: Option<PersonNumber>,
    },
}

impl std::fmt::Debug for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Citizen { .. } => "Citizen { .. }",
            Self::Juristic { .. } => "Juristic { .. }",
            Self::Foreigner { .. } => "Foreigner { .. }",
        })
    }
}

/// A name in Thai letters.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThaiName {
    /// Title, e.g. `นาย`.
    pub title: String,
    /// First name.
    pub first: String,
    /// Middle name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub middle: Option<String>,
    /// Last name.
    pub last: String,
}

/// A name in Latin letters, as in the passport.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatinName {
    /// Title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Given name; the only name of a person who has one.
    pub first: String,
    /// Middle name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub middle: Option<String>,
    /// Last name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
}

/// Sex, as in the civil registry.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Sex {
    /// Female.
    Female,
    /// Male.
    Male,
}

impl std::fmt::Debug for Sex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sex(redacted)")
    }
}

/// A Thai citizen.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Citizen {
    /// National ID number.
    pub national_id: NationalId,
    /// Name in Thai.
    pub name: ThaiName,
    /// Name in Latin letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latin_name: Option<LatinName>,
    /// Sex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sex: Option<Sex>,
    /// What is known of the date of birth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birth_date: Option<PartialDate>,
    /// Address in the house register.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_address: Option<Address>,
    /// Where the person lives, when that is elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_address: Option<Address>,
}

/// A person without Thai nationality.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foreigner {
    /// Passport number: 5 to 20 capital letters and digits.
    pub passport_number: String,
    /// Nationality, ISO 3166-1 alpha-2.
    pub nationality: String,
    /// Name in Latin letters.
    pub name: LatinName,
    /// Name in Thai.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thai_name: Option<ThaiName>,
    /// Number in the Thai civil registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person_number: Option<PersonNumber>,
    /// Sex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sex: Option<Sex>,
    /// What is known of the date of birth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birth_date: Option<PartialDate>,
    /// Until when the passport is valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passport_expires_on: Option<Date>,
    /// Where the person lives in Thailand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_address: Option<Address>,
}

/// A company or partnership, as in the register of the Department of Business Development.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JuristicPerson {
    /// Registration number.
    pub number: JuristicNumber,
    /// Its type.
    #[serde(rename = "type")]
    pub juristic_type: JuristicType,
    /// Registered name.
    pub name: JuristicName,
    /// Former number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former_number: Option<String>,
    /// Its status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<JuristicStatus>,
    /// What is known of the day of registration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_on: Option<PartialDate>,
    /// Registered capital in satang.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_capital_satang: Option<u64>,
    /// Paid capital in satang.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid_capital_satang: Option<u64>,
    /// Business code (TSIC), 5 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tsic_code: Option<String>,
    /// Directors or partners.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub directors: Vec<Director>,
    /// Who may sign for it, as registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_authority: Option<String>,
    /// Objectives, as registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objectives: Option<String>,
    /// Head office.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_office: Option<Address>,
    /// Branches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub branches: Vec<Address>,
}

/// The registered name of a juristic person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JuristicName {
    /// In Thai.
    pub th: String,
    /// In English.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub en: Option<String>,
}

/// Types of juristic person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JuristicType {
    /// ห้างหุ้นส่วนสามัญนิติบุคคล
    OrdinaryPartnership,
    /// ห้างหุ้นส่วนจำกัด
    LimitedPartnership,
    /// บริษัทจำกัด
    LimitedCompany,
    /// บริษัทมหาชนจำกัด
    PublicCompany,
}

/// Status of a juristic person in the register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JuristicStatus {
    /// Registered and active.
    Registered,
    /// Dissolved.
    Dissolved,
    /// Being liquidated.
    InLiquidation,
    /// Liquidated.
    Liquidated,
    /// Struck off the register.
    StruckOff,
    /// Bankrupt.
    Bankrupt,
}

/// A director of a company or partner of a partnership.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Director {
    /// Name in Thai.
    pub name: ThaiName,
    /// Name in Latin letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latin_name: Option<LatinName>,
    /// National ID number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub national_id: Option<NationalId>,
}

redacted_debug! {
    ThaiName {}
    LatinName {}
    Citizen {}
    Foreigner {}
    JuristicPerson { juristic_type, status }
    Director {}
}
