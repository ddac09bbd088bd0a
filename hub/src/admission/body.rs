//! Whether salt and body are what the envelope committed to, strict JSON, and as their schema says.

use std::num::NonZeroU16;

use saphan_schemas::catalogue::{Catalogue, PublicService, SchemaViolation, Violation};
use saphan_schemas::commitment::Salt;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::envelope::{Envelope, EnvelopeClaims, UnverifiedEnvelope};
use saphan_schemas::ids::EvidenceTypeId;
use saphan_schemas::json::{self, JsonError};
use saphan_schemas::message_types::ApplicantKind;
use saphan_schemas::problem::{ProblemCode, ProblemPlace};
use serde::Deserialize as _;
use serde_json::Value;

use super::Refusal;

/// A body that is as it should be.
pub(super) struct Checked {
    pub(super) salt: Salt,
    /// How long the type of the evidence that it carries lets it be kept.
    pub(super) evidence_days: Option<NonZeroU16>,
    /// The commitments of the documents that it cites, and that messages cite of which it holds copies.
    pub(super) documents: Vec<Sha256Hash>,
}

pub(super) fn check(
    envelope: &Envelope,
    salt: Option<&str>,
    body: &[u8],
    catalogue: &Catalogue,
    depth: usize,
) -> Result<Checked, Refusal> {
    let refuse = |code| Refusal::of(envelope, code);
    let salt: Option<Salt> = salt.and_then(|salt| salt.parse().ok());
    let salt = salt.ok_or_else(|| refuse(ProblemCode::SaltMalformed))?;
    envelope.claims().body.open(&salt, body).map_err(|_| refuse(ProblemCode::CommitmentMismatch))?;
    let value = json::parse_value(body, depth).map_err(|error| not_json(envelope, &error))?;
    check_schema(envelope, &value, catalogue)?;
    check_form(envelope, &value, catalogue)?;
    let evidence_days = evidence_days(envelope, &value, catalogue);
    Ok(Checked { salt, evidence_days, documents: documents(envelope, &value) })
}

/// Who receives a complete case may read what its application and its evidence cite, however many documents that are: an
/// envelope has room for a few.
fn documents(envelope: &Envelope, value: &Value) -> Vec<Sha256Hash> {
    let commits = |claims: &EnvelopeClaims| claims.documents.iter().map(|cited| cited.commit).collect::<Vec<_>>();
    let mut documents = commits(envelope.claims());
    if envelope.claims().message_type.as_str() == HANDED_OVER {
        let evidence = value.get("evidence").and_then(Value::as_array).into_iter().flatten();
        let copies = evidence.filter_map(|proof| proof.get("message")).chain(value.get("application"));
        let texts = copies.filter_map(|copy| copy.get("envelope")?.as_str());
        let cited = texts.filter_map(|text| Some(commits(UnverifiedEnvelope::parse(text).ok()?.claims())));
        documents.extend(cited.flatten());
    }
    documents
}

fn evidence_days(envelope: &Envelope, value: &Value, catalogue: &Catalogue) -> Option<NonZeroU16> {
    let days = |carried: &Value| {
        let evidence_type: EvidenceTypeId = carried.get(EVIDENCE_TYPE)?.as_str()?.parse().ok()?;
        catalogue.evidence_type(&evidence_type)?.retention_days
    };
    match envelope.claims().message_type.as_str() {
        PROVIDED => days(value),
        // The complete case holds copies of its evidence.
        HANDED_OVER => value.get("evidence")?.as_array()?.iter().filter_map(days).min(),
        _ => None,
    }
}

fn check_schema(envelope: &Envelope, value: &Value, catalogue: &Catalogue) -> Result<(), Refusal> {
    catalogue.validate(&envelope.claims().schema, value).map_err(|violation| violated(envelope, violation, ""))
}

/// What a public service asks on its form is the service's own schema, named in the catalogue.
fn check_form(envelope: &Envelope, value: &Value, catalogue: &Catalogue) -> Result<(), Refusal> {
    let Some(form) = value.get(FORM).filter(|_| envelope.claims().message_type.as_str() == SUBMITTED) else {
        return Ok(());
    };
    let service = envelope.claims().service.as_ref().and_then(|id| catalogue.service(id));
    let Some(service) = service else {
        let detail = "an application names the public service it is for, one of the catalogue".to_owned();
        return Err(Refusal::of(envelope, ProblemCode::ServiceUnknown).detail(detail));
    };
    check_applicant(envelope, value, service)?;
    if value.get(FORM_SCHEMA).and_then(Value::as_str) != Some(service.form.as_str()) {
        let detail = format!("the form of this service is {}", service.form);
        let place = ProblemPlace { pointer: format!("/{FORM_SCHEMA}"), detail };
        return Err(Refusal::of(envelope, ProblemCode::SchemaViolation).errors(vec![place]));
    }
    catalogue.validate(&service.form, form).map_err(|violation| violated(envelope, violation, "/form"))
}

fn check_applicant(envelope: &Envelope, value: &Value, service: &PublicService) -> Result<(), Refusal> {
    let kind = value.pointer(APPLICANT_KIND).and_then(|kind| ApplicantKind::deserialize(kind).ok());
    if kind.is_some_and(|kind| service.applicants.contains(&kind)) {
        return Ok(());
    }
    let kinds: Vec<_> = service.applicants.iter().map(ToString::to_string).collect();
    let detail = format!("who can apply for {}: {}", service.id, kinds.join(", "));
    let place = ProblemPlace { pointer: APPLICANT_KIND.to_owned(), detail: detail.clone() };
    Err(Refusal::of(envelope, ProblemCode::ApplicantNotEligible).detail(detail).errors(vec![place]))
}

fn not_json(envelope: &Envelope, error: &JsonError) -> Refusal {
    let code = match error {
        JsonError::InvalidUtf8 { .. } => ProblemCode::BodyNotUtf8,
        JsonError::DuplicateKey { .. } => ProblemCode::BodyDuplicateKey,
        JsonError::TooDeep { .. } => ProblemCode::BodyTooDeep,
        JsonError::Syntax { .. } | JsonError::Shape { .. } => ProblemCode::BodyNotJson,
    };
    let places = match error {
        JsonError::DuplicateKey { pointer } => {
            vec![ProblemPlace { pointer: pointer.clone(), detail: "the second of two equal keys".into() }]
        }
        _ => Vec::new(),
    };
    Refusal::of(envelope, code).detail(error.to_string()).errors(places)
}

fn violated(envelope: &Envelope, violation: SchemaViolation, below: &str) -> Refusal {
    match violation {
        SchemaViolation::UnknownSchema { .. } => Refusal::of(envelope, ProblemCode::TypeUnknown),
        SchemaViolation::Invalid { errors } => {
            let place = |Violation { pointer, message }: Violation| ProblemPlace {
                pointer: format!("{below}{pointer}"),
                detail: message,
            };
            Refusal::of(envelope, ProblemCode::SchemaViolation).errors(errors.into_iter().map(place).collect())
        }
    }
}

const PROVIDED: &str = "evidence.provided";
const HANDED_OVER: &str = "case.submitted";
const EVIDENCE_TYPE: &str = "evidence_type";
const SUBMITTED: &str = "application.submitted";
const APPLICANT_KIND: &str = "/applicant/kind";
const FORM: &str = "form";
const FORM_SCHEMA: &str = "form_schema";
