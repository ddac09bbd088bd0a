//! The Rust types of message bodies.
//!
//! Each body type has a JSON Schema of the same shape in the [catalogue](crate::catalogue), which is the contract;
//! whatever the schema accepts, the type reads, as long as whole numbers are written as such (`2`, not `2.0`). Types read members that they do not know and drop them, so that a
//! newer sender does not break an older receiver; the schemas keep senders from inventing members.
//!
//! `Debug` shows no personal data: people, their numbers, and free text are left out.

/// `Debug` that shows the named fields only, because the others hold personal data or free text.
macro_rules! redacted_debug {
    ($($name:ident { $($shown:ident),* })*) => {$(
        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.debug_struct(stringify!($name))$(.field(stringify!($shown), &self.$shown))*.finish_non_exhaustive()
            }
        }
    )*};
}

macro_rules! message_body {
    ($name:ident, $type:literal, $schema:literal) => {
        impl $crate::message_types::MessageBody for $name {
            const TYPE: &'static str = $type;
            const SCHEMA: &'static str = $schema;
        }
    };
}

mod address;
mod application;
mod case;
mod consent;
mod copy;
mod evidence;
mod fee;
mod information;
mod number;
mod person;
mod shared;
mod time;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::address::Address;
pub use self::application::{
    ApplicationDecided, ApplicationStatus, ApplicationStatusChanged, ApplicationSubmitted, ApplicationWithdrawn,
    Approval, Capacity, Decision, Fee, Issued, NextActor, Payment, PaymentInterval, Reason, Rejection, Remedy,
    RemedyKind, Representative, WithdrawalReason, WithdrawnBy,
};
pub use self::case::{CaseReminder, CaseSubmitted, Gap, GapReason, Proof, ProofSource, ReminderKind};
pub use self::consent::{AuthenticationAssurance, ConsentGiven, ConsentRevoked, Identification, IdentityAssurance};
pub use self::copy::{CopyError, SignedCopy};
pub use self::evidence::{
    EvidenceDeclined, EvidencePending, EvidenceProvided, EvidenceRequested, EvidenceReused, Fact, NotProvided, Officer,
};
pub use self::fee::ApplicationFeePaid;
pub use self::information::{Answer, AnswerForm, Choice, InformationRequested, InformationSupplied, Item};
pub use self::number::{InvalidNumber, JuristicNumber, NationalId, PersonNumber};
pub use self::person::{
    Applicant, ApplicantKind, Citizen, Director, Foreigner, JuristicName, JuristicPerson, JuristicStatus, JuristicType,
    LatinName, NaturalPerson, Sex, Subject, ThaiName,
};
pub use self::shared::{
    BilingualText, Contact, Document, Evidence, EvidenceSource, FactValue, Language, LegalReference, Office,
};
pub use self::time::{Date, InvalidTime, PartialDate, Timestamp};

/// A message body: which message type it belongs to and which schema describes it.
pub trait MessageBody: Serialize + DeserializeOwned {
    /// The message type, e.g. `application.submitted`.
    const TYPE: &'static str;
    /// The schema id, e.g. `application.submitted@1`.
    const SCHEMA: &'static str;
}
