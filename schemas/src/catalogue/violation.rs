//! What is wrong with an instance, told without repeating anything that it holds.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonType, ValidationError};
use serde_json::Value;

use crate::ids::SchemaId;

/// The most violations that one answer lists.
pub const MAX_VIOLATIONS: usize = 32;

/// An instance was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaViolation {
    /// The catalogue has no such schema.
    #[error("there is no schema {id}")]
    UnknownSchema {
        /// The id that was asked for.
        id: SchemaId,
    },
    /// The instance breaks the schema.
    #[error("it breaks its schema in {} place(s), first at \"{}\"", errors.len(), first(errors))]
    Invalid {
        /// At least one violation, at most [`MAX_VIOLATIONS`].
        errors: Vec<Violation>,
    },
}

/// One place where an instance breaks its schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// JSON Pointer (RFC 6901) into the instance; a missing member is reported at the object that should have it.
    pub pointer: String,
    /// What was expected there, in English. Never anything that the instance holds.
    pub message: String,
}

/// Turns the validator's errors into violations. `members` names the members that a schema location defines.
pub(super) fn violations<'a>(
    errors: impl Iterator<Item = ValidationError<'a>>,
    members: &dyn Fn(&ValidationError<'_>) -> Vec<String>,
) -> Vec<Violation> {
    let mut found = Vec::new();
    for error in errors.take(MAX_VIOLATIONS) {
        collect(&error, members, &mut found);
    }
    found.truncate(MAX_VIOLATIONS);
    found
}

fn collect(
    error: &ValidationError<'_>,
    members: &dyn Fn(&ValidationError<'_>) -> Vec<String>,
    found: &mut Vec<Violation>,
) {
    let new = match error.kind() {
        ValidationErrorKind::OneOfNotValid { context } | ValidationErrorKind::AnyOf { context } => {
            alternatives(error, context, members)
        }
        _ => vec![Violation { pointer: pointer(error), message: expectation(error, members) }],
    };
    for violation in new {
        if !found.contains(&violation) {
            found.push(violation);
        }
    }
}

/// Alternatives are told apart by a constant member (`kind`, `outcome`). Whoever got the tag right wants to hear
/// about that alternative only; whoever got it wrong wants to hear which tags there are.
fn alternatives(
    error: &ValidationError<'_>,
    context: &[Vec<ValidationError<'static>>],
    members: &dyn Fn(&ValidationError<'_>) -> Vec<String>,
) -> Vec<Violation> {
    let base = pointer(error);
    let mut told =
        context.iter().filter(|errors| !errors.iter().any(|error| wrong_tag(error, &base).is_some())).map(|errors| {
            let mut found = Vec::new();
            errors.iter().take(MAX_VIOLATIONS).for_each(|error| collect(error, members, &mut found));
            found
        });
    match (told.next(), told.next()) {
        (Some(only), None) => only,
        (Some(mut common), Some(second)) => {
            let others: Vec<_> = std::iter::once(second).chain(told).collect();
            common.retain(|violation| others.iter().all(|other| other.contains(violation)));
            if common.is_empty() {
                common.push(Violation { pointer: base, message: "must match one of the alternatives".into() });
            }
            common
        }
        (None, _) => {
            let tags: Vec<_> = context.iter().flatten().filter_map(|error| wrong_tag(error, &base)).collect();
            let message = format!("must be one of {}", list(tags.iter().map(|tag| tag.to_string())));
            let at =
                context.iter().flatten().find(|error| wrong_tag(error, &base).is_some()).map_or(base.clone(), pointer);
            vec![Violation { pointer: at, message }]
        }
    }
}

/// The constant that a direct member of the value at `base` should have been.
fn wrong_tag<'e>(error: &'e ValidationError<'_>, base: &str) -> Option<&'e Value> {
    let ValidationErrorKind::Constant { expected_value } = error.kind() else { return None };
    let pointer = error.instance_path().as_str();
    let member = pointer.strip_prefix(base)?.strip_prefix('/')?;
    (!member.contains('/')).then_some(expected_value)
}

fn first(errors: &[Violation]) -> &str {
    errors.first().map_or("", |error| &error.pointer)
}

fn pointer(error: &ValidationError<'_>) -> String {
    error.instance_path().as_str().to_owned()
}

fn expectation(error: &ValidationError<'_>, members: &dyn Fn(&ValidationError<'_>) -> Vec<String>) -> String {
    use ValidationErrorKind as Kind;
    match error.kind() {
        Kind::AdditionalProperties { .. } => {
            format!("has members that are not defined here; defined are {}", list(members(error).into_iter()))
        }
        Kind::Constant { expected_value } => format!("must be {expected_value}"),
        Kind::Enum { options } => match options.as_array() {
            Some(options) => format!("must be one of {}", list(options.iter().map(Value::to_string))),
            None => "must be one of the listed values".into(),
        },
        Kind::Format { format } => format!("must be {}", form(format)),
        Kind::Pattern { pattern } => format!("must match the pattern {pattern}"),
        Kind::Required { property } => format!("must have the member {property}"),
        Kind::Type { kind } => format!("must be of type {}", list(types(kind))),
        Kind::Minimum { limit } => format!("must be at least {limit}"),
        Kind::Maximum { limit } => format!("must be at most {limit}"),
        Kind::MinLength { limit } => format!("must have at least {limit} character(s)"),
        Kind::MaxLength { limit } => format!("must have at most {limit} character(s)"),
        Kind::MinItems { limit } => format!("must have at least {limit} item(s)"),
        Kind::MaxItems { limit } => format!("must have at most {limit} item(s)"),
        Kind::MinProperties { limit } => format!("must have at least {limit} member(s)"),
        Kind::MaxProperties { limit } => format!("must have at most {limit} member(s)"),
        Kind::UniqueItems => "must not have the same item twice".into(),
        Kind::OneOfMultipleValid { .. } => "must match only one of the alternatives".into(),
        other => format!("breaks the schema keyword {}", other.keyword()),
    }
}

fn form(format: &str) -> String {
    match format {
        "thai-national-id" => "13 digits, the last of them the right check digit".into(),
        "thai-juristic-number" => "13 digits, the first of them 0".into(),
        "partial-date" => "YYYY, YYYY-MM or YYYY-MM-DD: a real date of the Gregorian years 1800 to 2299".into(),
        "date" => "a real date, YYYY-MM-DD".into(),
        "date-time" => "a time as in RFC 3339, with its offset".into(),
        other => format!("a valid {other}"),
    }
}

fn types(kind: &TypeKind) -> impl Iterator<Item = String> {
    let types: Vec<JsonType> = match kind {
        TypeKind::Single(one) => vec![*one],
        TypeKind::Multiple(several) => several.iter().collect(),
    };
    types.into_iter().map(|name| name.to_string())
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}
