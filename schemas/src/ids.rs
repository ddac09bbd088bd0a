//! Names: members, systems, messages, types, schemas, services, cases.
//!
//! Each is a newtype that can only be made by parsing. All are ASCII and short, so that they fit into
//! URLs, routing keys, queue names and metrics labels as they are.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::{Uuid, Variant};

/// A text is not a name of the expected kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a {kind}: expected {expected}")]
pub struct InvalidId {
    /// What was looked for.
    pub kind: &'static str,
    /// The form it must have.
    pub expected: &'static str,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $expected:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Box<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                if $check(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(InvalidId { kind: $kind, expected: $expected })
                }
            }
        }

        string_form!($name);
    };
}

macro_rules! string_form {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::text::deserialize(deserializer)
            }
        }
    };
}

text_id!(
    /// A member, e.g. `th.dopa`: labels of lower-case letters, digits and `-`, joined by dots; at most 64 characters.
    MemberId, "member id", "labels of a-z, 0-9 and '-' joined by dots, e.g. th.dopa", is_member
);
text_id!(
    /// A back-office or portal application of a member, e.g. `th.dopa/civil-registry`; at most 128 characters.
    SystemId, "system id", "<member>/<system>, e.g. th.dopa/civil-registry", is_system
);
text_id!(
    /// The hub a message is meant for, e.g. `hub.example`: a DNS-like name, at most 128 characters.
    HubId, "hub id", "a DNS-like name, e.g. hub.example", is_hub
);
text_id!(
    /// A message type, e.g. `application.submitted`; at most 64 characters.
    MessageType, "message type", "labels of a-z, 0-9 and '-' joined by dots, e.g. application.submitted", is_member
);
text_id!(
    /// A schema with its major version, e.g. `application.submitted@1`.
    SchemaId, "schema id", "<name>@<major version>, e.g. application.submitted@1", is_schema
);
text_id!(
    /// A public service, e.g. `th.dlt.driving-licence-renewal`; at most 64 characters.
    ServiceId, "service id", "labels of a-z, 0-9 and '-' joined by dots, e.g. th.dlt.driving-licence-renewal", is_member
);
text_id!(
    /// An evidence type, e.g. `th.dopa.house-registration`; at most 64 characters.
    EvidenceTypeId, "evidence type id", "labels of a-z, 0-9 and '-' joined by dots", is_member
);
text_id!(
    /// A code from a controlled list (purpose, refusal, outcome reason), e.g. `licence-renewal`; at most 64 characters.
    Code, "code", "labels of a-z, 0-9 and '-' joined by dots", is_member
);
text_id!(
    /// A citation of the law that allows the exchange, e.g. `DGA Act BE 2562 s.13`; 1 to 200 printable characters.
    LegalBasis, "legal basis", "1 to 200 characters without control characters", is_citation
);

text_id!(
    /// Why an operator decided as they did, e.g. `ticket 4711: the patterns say the same`; 1 to 200 printable characters, and
    /// nothing about a person, for it stands in the public log.
    Reason, "reason", "1 to 200 characters without control characters", is_citation
);

impl SystemId {
    /// The member that the system belongs to.
    #[must_use]
    pub fn member(&self) -> MemberId {
        MemberId(self.parts().0.into())
    }

    /// The system's own name, without its member.
    #[must_use]
    pub fn name(&self) -> &str {
        self.parts().1
    }

    /// The AMQP queue of its inbox, `inbox.<member>.<system>`.
    #[must_use]
    pub fn inbox_queue(&self) -> String {
        let (member, name) = self.parts();
        format!("inbox.{member}.{name}")
    }

    fn parts(&self) -> (&str, &str) {
        self.0.split_once('/').unwrap_or((&self.0, ""))
    }
}

impl SchemaId {
    /// The name without the version.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.split_once('@').map_or(&*self.0, |(name, _)| name)
    }

    /// The major version, 1 to 999.
    #[must_use]
    pub fn major(&self) -> u16 {
        self.0.split_once('@').and_then(|(_, version)| version.parse().ok()).unwrap_or_default()
    }

    /// The `$id` of the schema file.
    #[must_use]
    pub fn urn(&self) -> String {
        format!("{SCHEMA_URN}{}", self.0)
    }

    /// The schema that a `$id` or the part of a `$ref` before `#` names.
    #[must_use]
    pub fn from_urn(urn: &str) -> Option<Self> {
        urn.strip_prefix(SCHEMA_URN)?.parse().ok()
    }
}

/// A message id (`jti`): a UUIDv7 (RFC 9562 section 5.7), minted once by the sender and kept across retries.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(Uuid);

impl MessageId {
    /// Its 16 bytes, as RFC 9562 orders them.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.into_bytes()
    }

    /// From its 16 bytes; `None` for another kind of UUID.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        let id = Uuid::from_bytes(bytes);
        is_v7(id).then_some(Self(id))
    }

    /// A new id from the clock and the system's random source.
    #[must_use]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl Default for MessageId {
    fn default() -> Self {
        Self::new()
    }
}

impl FromStr for MessageId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        parse_uuid_v7(text).map(Self).ok_or(InvalidId { kind: "message id", expected: UUID_FORM })
    }
}

string_form!(MessageId);

/// A case: the application's own id, a UUIDv7, shared by every message that follows from it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CaseId(Uuid);

impl CaseId {
    /// Its 16 bytes, as RFC 9562 orders them.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.into_bytes()
    }

    /// From its 16 bytes; `None` for another kind of UUID.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        let id = Uuid::from_bytes(bytes);
        is_v7(id).then_some(Self(id))
    }

    /// A new id from the clock and the system's random source.
    #[must_use]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl Default for CaseId {
    fn default() -> Self {
        Self::new()
    }
}

impl FromStr for CaseId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        parse_uuid_v7(text).map(Self).ok_or(InvalidId { kind: "case id", expected: UUID_FORM })
    }
}

string_form!(CaseId);

fn parse_uuid_v7(text: &str) -> Option<Uuid> {
    // One text a value: the hyphenated lower-case form only.
    let id = Uuid::try_parse(text).ok()?;
    let canonical = is_v7(id) && id.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text;
    canonical.then_some(id)
}

/// Version and variant: both are in the text.
fn is_v7(id: Uuid) -> bool {
    id.get_version_num() == 7 && id.get_variant() == Variant::RFC4122
}

fn is_label(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_member(text: &str) -> bool {
    text.len() <= 64 && text.split('.').all(is_label)
}

fn is_system(text: &str) -> bool {
    text.split_once('/').is_some_and(|(member, name)| is_member(member) && name.len() <= 63 && is_label(name))
}

fn is_hub(text: &str) -> bool {
    text.len() <= 128 && text.split('.').all(is_label)
}

fn is_schema(text: &str) -> bool {
    text.split_once('@').is_some_and(|(name, version)| {
        is_member(name)
            && (1..=3).contains(&version.len())
            && !version.starts_with('0')
            && version.bytes().all(|b| b.is_ascii_digit())
    })
}

fn is_citation(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= 200 && !text.chars().any(char::is_control)
}

const UUID_FORM: &str = "a UUIDv7 in lower-case hyphenated form";

const SCHEMA_URN: &str = "urn:saphan:schema:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_id_splits_into_member_and_name() {
        let system: SystemId = "th.dopa/civil-registry".parse().unwrap();
        assert_eq!(system.member().as_str(), "th.dopa");
        assert_eq!(system.name(), "civil-registry");
        assert_eq!(system.inbox_queue(), "inbox.th.dopa.civil-registry");
    }

    #[test]
    fn names_of_another_form_are_refused() {
        for text in ["", "th.dopa", "th.dopa/", "/x", "TH/x", "th..x/y", "th/x/y", "th/x y", "th/x\n", "-a/b", "a/b-"] {
            assert!(text.parse::<SystemId>().is_err(), "{text:?}");
        }
        for text in ["a@0", "a@01", "a@", "@1", "a", "a@1000", "a@1x"] {
            assert!(text.parse::<SchemaId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn only_a_canonical_uuid_v7_is_a_message_id() {
        let id = MessageId::new();
        assert_eq!(id.to_string().parse::<MessageId>().unwrap(), id);
        assert!(id.to_string().to_uppercase().parse::<MessageId>().is_err());
        for other in ["6ba7b810-9dad-11d1-80b4-00c04fd430c8", "01a212ef-81a1-7204-72ec-3ef299a3d682"] {
            assert!(other.parse::<MessageId>().is_err(), "{other}");
        }
    }
}
