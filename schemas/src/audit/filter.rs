//! Which entries an auditor looks for.

use serde::{Deserialize, Serialize};

use super::{Fate, Row};
use crate::facts::EntryKind;
use crate::ids::{CaseId, Code, MemberId, MessageType, ServiceId, SystemId};

/// Which entries of the log; all parts must fit. An empty filter fits every entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// A member: one of its systems sent, received or signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub member: Option<MemberId>,
    /// A system that sent, received or signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub system: Option<SystemId>,
    /// The system that sent or signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub from: Option<SystemId>,
    /// The receiving system of a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub to: Option<SystemId>,
    /// The type of a message.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub message_type: Option<MessageType>,
    /// The public service of a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub service: Option<ServiceId>,
    /// The case of a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub case: Option<CaseId>,
    /// The kind of entry: `message`, `refusal`, `acknowledgement`, `registry`, `erasure`, `shard` or `query`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub kind: Option<EntryKind>,
    /// What became of a message: `processed`, `rejected` or `unacknowledged`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Fate>,
    /// The problem code of a refusal or of a rejected message, or the legal basis of an erasure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub code: Option<Code>,
    /// Logged at this time or later, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// Logged before this time, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
}

impl Filter {
    /// Whether a row is what is looked for.
    #[must_use]
    pub fn fits(&self, row: &Row) -> bool {
        let is_either = |is_it: &dyn Fn(&str) -> bool| [&row.from, &row.to].into_iter().flatten().any(|one| is_it(one));
        // The hub itself, for its operator, is no system of a member: it is there by its own name.
        let is_of = |member: &MemberId, name: &str| {
            name.strip_prefix(member.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.member.as_ref().is_none_or(|member| is_either(&|name| is_of(member, name)))
            && self.system.as_ref().is_none_or(|system| is_either(&|name| name == system.as_str()))
            && is(self.from.as_ref().map(SystemId::as_str), row.from.as_ref())
            && is(self.to.as_ref().map(SystemId::as_str), row.to.as_ref())
            && is(self.message_type.as_ref().map(|name| name.as_str()), row.message_type.as_ref())
            && is(self.service.as_ref().map(|name| name.as_str()), row.service.as_ref())
            && is(self.code.as_ref().map(|name| name.as_str()), row.code.as_ref())
            && self.case.is_none_or(|case| row.case == Some(case))
            && self.kind.is_none_or(|kind| row.kind == Some(kind))
            && self.outcome.is_none_or(|outcome| row.outcome == Some(outcome))
            && self.since.is_none_or(|since| row.at >= since)
            && self.until.is_none_or(|until| row.at < until)
    }
}

fn is(wanted: Option<&str>, found: Option<&String>) -> bool {
    wanted.is_none_or(|wanted| found.is_some_and(|found| found == wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_a_filter_must_fit_and_what_a_row_has_not_fits_nothing() {
        let case = CaseId::new();
        let row = Row {
            kind: Some(EntryKind::Message),
            from: Some("th.dga/portal".into()),
            to: Some("th.dlt/licensing".into()),
            message_type: Some("information.supplied".into()),
            service: Some("th.dlt.renewal".into()),
            case: Some(case),
            outcome: Some(Fate::Rejected),
            code: Some("not-ours".into()),
            ..Row::empty(7, 1_000)
        };
        let filter = |text: &str| serde_json::from_str::<Filter>(text).unwrap();
        let case = format!(r#"{{"case":"{case}"}}"#);
        for fitting in [
            "{}",
            r#"{"member":"th.dga"}"#,
            r#"{"member":"th.dlt"}"#,
            r#"{"system":"th.dlt/licensing"}"#,
            r#"{"from":"th.dga/portal","to":"th.dlt/licensing"}"#,
            r#"{"type":"information.supplied","service":"th.dlt.renewal"}"#,
            &case,
            r#"{"kind":"message","outcome":"rejected","code":"not-ours"}"#,
            r#"{"since":1000,"until":1001}"#,
        ] {
            assert!(filter(fitting).fits(&row), "{fitting}");
        }
        for other in [
            r#"{"member":"th.dg"}"#,
            r#"{"member":"th.dopa"}"#,
            r#"{"system":"th.dga/port"}"#,
            r#"{"from":"th.dlt/licensing"}"#,
            r#"{"to":"th.dga/portal"}"#,
            r#"{"type":"information.requested"}"#,
            r#"{"service":"th.dlt.other"}"#,
            r#"{"case":"01a20f06-e0c2-72db-98c0-cfab4896e78b"}"#,
            r#"{"kind":"refusal"}"#,
            r#"{"outcome":"processed"}"#,
            r#"{"code":"ours"}"#,
            r#"{"since":1001}"#,
            r#"{"until":1000}"#,
        ] {
            assert!(!filter(other).fits(&row), "{other}");
            assert!(
                !filter(other).fits(&Row::empty(7, if other.contains("since") { 1_000 } else { 1_001 })),
                "{other}"
            );
        }
        assert!(filter("{}").fits(&Row::empty(7, 1)));
        let operators = Row { from: Some("hub.local".into()), ..Row::empty(7, 1) };
        assert!(filter(r#"{"member":"hub.local"}"#).fits(&operators), "as a search finds it");
        assert!(serde_json::from_str::<Filter>(r#"{"mood":"bad"}"#).is_err());
    }
}
