//! Bodies and salts that are not what the envelope says, not strict JSON, or not as their schema says.

use saphan_schemas::b64;
use saphan_schemas::commitment::Salt;
use saphan_schemas::problem::ProblemCode;
use serde_json::{Value, json};

use super::Case;
use crate::harness::{Draft, Submission, UNLISTED_SERVICE, World};

pub(super) fn cases(world: &World) -> Vec<Case> {
    [salts(world), commitments(world), texts(world), schemas(world)].into_iter().flatten().collect()
}

fn salts(world: &World) -> Vec<Case> {
    // Each with an envelope of its own: the same one, refused for the same reason, is logged once.
    let with = |salt: Option<String>| Submission { salt, ..world.message() };
    let malformed = |what, salt| Case::logged(what, ProblemCode::SaltMalformed, with(salt));
    let salt = world.message().salt();
    vec![
        malformed("no salt", None),
        malformed("an empty salt", Some(String::new())),
        malformed("31 bytes", Some(b64::encode_url([7; 31]))),
        malformed("33 bytes", Some(b64::encode_url([7; 33]))),
        malformed("padded", Some(b64::encode_std(salt.as_bytes()))),
        Case::logged("another salt", ProblemCode::CommitmentMismatch, with(Some(Salt::generate().unwrap().to_text()))),
    ]
}

fn commitments(world: &World) -> Vec<Case> {
    let good = world.message();
    let body = String::from_utf8(good.body).unwrap();
    let with = |body: String| Submission { body: body.into_bytes(), ..world.message() };
    let mismatch = |what, message| Case::logged(what, ProblemCode::CommitmentMismatch, message);
    // The limit is seen in the envelope; the body is not even read.
    let over = world.withdrawal().with_body(vec![b' '; 65537]).sign(&world.portal.key);
    vec![
        mismatch("another body of the same length", with(body.replace("APPLICANT", "PETITIONR"))),
        mismatch("the same JSON, written otherwise", with(body.replace(": ", " :"))),
        mismatch("a body that is cut", with(body[..body.len() - 1].into())),
        mismatch("no body", with(String::new())),
        mismatch("a body with one byte more", with(format!("{body} ")))
            .detail("the body is longer than the envelope says"),
        Case::logged("over the limit", ProblemCode::BodyTooLarge, Submission { body: body.into_bytes(), ..over })
            .detail("the limit is 65536 bytes"),
    ]
}

/// Committed to, and not strict JSON.
fn texts(world: &World) -> Vec<Case> {
    let with = |body: &[u8]| world.withdrawal().with_body(body).sign(&world.portal.key);
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    vec![
        Case::logged("not UTF-8", ProblemCode::BodyNotUtf8, with(b"{\"note\": \"\xff\"}"))
            .detail("not UTF-8: invalid byte at offset 10"),
        Case::logged(
            "UTF-8 that is cut",
            ProblemCode::BodyNotUtf8,
            with("{\"note\": \"ก".as_bytes().split_last().unwrap().1),
        ),
        Case::logged("empty", ProblemCode::BodyNotJson, with(b"")),
        Case::logged("XML", ProblemCode::BodyNotJson, with(b"<a>1990100010008</a>"))
            .detail("not JSON: error at line 1, column 1"),
        Case::logged("two values", ProblemCode::BodyNotJson, with(b"{} {}")),
        Case::logged("a comma at the end", ProblemCode::BodyNotJson, with(b"{\"a\": 1,}")),
        Case::logged("a byte order mark", ProblemCode::BodyNotJson, with("\u{feff}{}".as_bytes())),
        Case::logged("not a number", ProblemCode::BodyNotJson, with(b"{\"a\": NaN}")),
        Case::logged("a key twice", ProblemCode::BodyDuplicateKey, with(br#"{"a": {"b": 1, "\u0062": 2}}"#))
            .pointers(&["/a/b"]),
        Case::logged("33 levels", ProblemCode::BodyTooDeep, with(nested(33).as_bytes()))
            .detail("nested deeper than 32 levels"),
        Case::logged("60 000 levels", ProblemCode::BodyTooDeep, with("[".repeat(60_000).as_bytes())),
        Case::logged("32 levels are JSON", ProblemCode::SchemaViolation, with(nested(32).as_bytes())).pointers(&[""]),
    ]
}

/// Strict JSON, and not as the schema says.
fn schemas(world: &World) -> Vec<Case> {
    let key = &world.portal.key;
    let violation = |what, message| Case::logged(what, ProblemCode::SchemaViolation, message);
    let withdrawal = |change: &dyn Fn(&mut Value)| world.withdrawal().with_json(change).sign(key);
    let application = |change: &dyn Fn(&mut Value)| world.application().with_json(change).sign(key);
    let unlisted = Draft::application(&world.portal.id, &world.archive.id);
    let unlisted = unlisted.change(|claims| claims.service = Some(UNLISTED_SERVICE.parse().unwrap()));
    vec![
        violation("a member of another kind", withdrawal(&|body| body["reason"] = json!("1990100010008")))
            .pointers(&["/reason"]),
        violation("a member too many", withdrawal(&|body| body["สมชาย"] = json!(1))).pointers(&[""]),
        violation(
            "two places",
            withdrawal(&|body| {
                body["withdrawn_at"] = json!("yesterday");
                body["withdrawn_by"] = json!("NEIGHBOUR");
            }),
        )
        .pointers(&["/withdrawn_at", "/withdrawn_by"]),
        violation(
            "a wrong check digit",
            application(&|body| body["applicant"]["national_id"] = json!("1990100010009")),
        )
        .pointers(&["/applicant/national_id"]),
        violation(
            "a form that is not the service's",
            application(&|body| {
                body["form"]["delivery"] = json!("DRONE");
                body["form"]["deliver_to"]["postcode"] = json!("0812345678");
            }),
        )
        .pointers(&["/form/deliver_to/postcode", "/form/delivery"]),
        violation("an empty form", application(&|body| body["form"] = json!({}))).pointers(&["/form"]),
        Case::logged("a service that the catalogue does not have", ProblemCode::ServiceUnknown, unlisted.sign(key))
            .detail("an application names the public service it is for, one of the catalogue"),
        Case::logged(
            "an applicant whom the service is not for",
            ProblemCode::ApplicantNotEligible,
            application(&|body| body["applicant"] = company()),
        )
        .pointers(&["/applicant/kind"])
        .detail("who can apply for th.dlt.driving-licence-renewal: Citizen, Foreigner"),
    ]
}

fn company() -> Value {
    let name = json!({ "th": "บริษัท ตัวอย่างอาหาร จำกัด" });
    json!({ "kind": "Juristic", "number": "0995569000013", "type": "LIMITED_COMPANY", "name": name })
}
